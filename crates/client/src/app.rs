//! The program: starts the threads, passes messages between window, view, input and SPICE, and ends cleanly.

mod view_thread;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use clock::{Clock as _, MonotonicClock, Nanos};
use relay::Waker;
use spice::MouseModes;
use window::{Window, WindowConfig, WindowEvent};

use crate::clipboard::{ClipboardPolicy, ClipboardThread};
use crate::config::{Screensaver, Settings, Transport};
use crate::console::Console;
use crate::guest_view::SharedGuestView;
use crate::input::{Action, Bind, InputModel, SpiceInput};
use crate::machine::{Machine, MachineEvent, Outlets, Step};
use crate::memory::Relay;
use crate::session::{Preferences, WindowCommand};
use crate::sound::{Listener, Sound};
use crate::stats::Stats;
use crate::view::{ViewCommand, ViewReport};
use view_thread::{Pictures, ViewThread};

/// The main thread looks at the signals at least this often.
const SIGNAL_LOOK: Nanos = Nanos::from_millis(250);

/// The view is told of the user's input this often at most; it stays alert for longer.
const ALERT_INTERVAL: Nanos = Nanos::from_millis(20);

/// Runs the client with a window until it is closed, the virtual machine ends or a signal comes.
///
/// # Errors
/// If the memory cannot be opened, no window can be shown, or the display server goes away.
pub fn run(settings: &Settings, is_over: &AtomicBool) -> anyhow::Result<()> {
    let relay = match settings.app.transport {
        Transport::Lgmp => Some(Relay::open(settings)?),
        Transport::Spice => None,
    };
    let waker = Waker::new().context("making the view's waker")?;
    let console = settings.spice.enable.then(|| Console::new(waker.clone()));
    let mut window = Window::open(&window_config(settings), None)?;
    if settings.win.screensaver == Screensaver::HeldOff && !window.set_idle_inhibited(true) {
        tracing::warn!("the display server cannot keep the screen on (win:noScreensaver)");
    }
    let guest = SharedGuestView::default();
    let window_waker = window.waker();
    let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || window_waker.wake());
    let sound = Sound::start(settings, Listener::User, Arc::clone(&wake))?;
    let pictures = Pictures {
        relay,
        console: console.clone(),
        sound: sound.as_ref().map(|sound| sound.handle().clone()),
        guest: guest.clone(),
    };
    let view = ViewThread::start(settings, pictures, &window, &waker)?;
    let clipboard = start_clipboard(settings, &mut window, &view);
    let machine = match console {
        Some(console) => {
            let outlets = Outlets {
                console,
                clipboard: clipboard.as_ref().map(|c| c.handle().clone()),
                sound: sound.as_ref().map(|sound| sound.link().clone()),
                wake,
            };
            Machine::new(settings, outlets, MonotonicClock.now())?
        }
        None => None,
    };
    let mut app = App {
        input: InputModel::new(settings.input.model),
        actions: Vec::with_capacity(64),
        next_alert: Nanos::ZERO,
        modes: None,
        notice: None,
        is_host_alive: false,
        is_done: false,
        window,
        view,
        machine,
        clipboard,
        sound,
        guest,
    };
    let result = app.run(is_over);
    app.end();
    result
}

/// Joins the clipboards if anything may be copied; a desktop that has none is no reason not to show a picture.
fn start_clipboard(
    settings: &Settings,
    window: &mut Window,
    view: &ViewThread,
) -> Option<ClipboardThread> {
    let spice = &settings.spice;
    if !spice.clipboard_to_vm && !spice.clipboard_to_local {
        return None;
    }
    let policy = ClipboardPolicy {
        to_vm: spice.clipboard_to_vm,
        to_local: spice.clipboard_to_local,
        max_bytes: spice.clipboard_max_bytes,
    };
    let show = view.speaker();
    let started = ClipboardThread::start(window, policy, move |text| {
        tracing::warn!("{text}");
        show(ViewCommand::Message(text));
    });
    started
        .inspect_err(|error| tracing::warn!("no clipboard: {error:#}"))
        .ok()
}

/// What concerns the session in the user's settings.
pub(crate) fn preferences(settings: &Settings) -> Preferences {
    Preferences {
        view: settings.view(),
        auto_resize: settings.win.auto_resize,
        alerts: settings.win.alerts,
        quick_splash: settings.win.quick_splash,
        auto_screensaver: settings.win.screensaver == Screensaver::OnRequest,
        console: settings.spice.display,
        has_relay: settings.app.transport == Transport::Lgmp,
        mouse_redraw: settings.input.mouse_redraw,
        ..Preferences::default()
    }
}

/// The statistics file, if one is wanted.
pub(crate) fn stats(settings: &Settings) -> anyhow::Result<Option<Stats>> {
    let file = settings.run.stats.as_ref();
    file.map(|file| Stats::create(file, MonotonicClock.now()))
        .transpose()
}

fn window_config(settings: &Settings) -> WindowConfig {
    let win = &settings.win;
    WindowConfig {
        title: win.title.clone(),
        app_id: win.app_id.clone(),
        position: win.position,
        size: win.size,
        full_screen: win.full_screen,
        maximize: win.maximize,
        borderless: win.borderless,
        resizable: win.allow_resize,
        ..WindowConfig::default()
    }
}

/// The main thread.
struct App {
    /// Ends before the window goes that it draws into.
    view: ViewThread,
    window: Window,
    /// `None` without SPICE.
    machine: Option<Machine>,
    clipboard: Option<ClipboardThread>,
    /// `None` without it.
    sound: Option<Sound>,
    guest: SharedGuestView,
    input: InputModel,
    /// What the input wants done; empty between two events.
    actions: Vec<Action>,
    next_alert: Nanos,
    /// The mouse modes, which are told before the channel for them opens.
    modes: Option<MouseModes>,
    notice: Option<&'static str>,
    is_host_alive: bool,
    is_done: bool,
}

impl App {
    fn run(&mut self, is_over: &AtomicBool) -> anyhow::Result<()> {
        let mut events = Vec::with_capacity(64);
        while !self.is_done && !is_over.load(Ordering::Relaxed) {
            let now = MonotonicClock.now();
            self.step_machine(now)?;
            let tick = self.input.tick(&self.guest.get(), now, &mut self.actions);
            self.carry_out(now);
            let retry = self.machine.as_ref().and_then(Machine::deadline);
            let microphone = self.step_sound(now);
            let next = [tick, retry, microphone].into_iter().flatten().min();
            let left = next.map_or(SIGNAL_LOOK, |at| (at - now).max(Nanos::ZERO));
            let timeout = left.min(SIGNAL_LOOK).to_duration();
            events.clear();
            self.window.dispatch(Some(timeout), &mut events)?;
            let now = MonotonicClock.now();
            for event in &events {
                self.window_event(event, now);
            }
            self.take_reports(now)?;
            self.take_machine_events(now);
        }
        Ok(())
    }

    /// Leaves nothing pressed and nothing open.
    fn end(&mut self) {
        self.input.release_all(&mut self.actions);
        self.carry_out(MonotonicClock.now());
        if let Some(machine) = &mut self.machine {
            machine.close();
        }
        self.clipboard = None;
        self.sound = None;
    }

    fn window_event(&mut self, event: &WindowEvent, now: Nanos) {
        match *event {
            WindowEvent::CloseRequested => self.is_done = true,
            WindowEvent::Resized { buffer, scale } => {
                self.view.send(ViewCommand::Resized(buffer, scale));
            }
            WindowEvent::Focused(true) => {
                if let Some(clipboard) = &self.clipboard {
                    clipboard.handle().focused();
                }
            }
            WindowEvent::Exposed => self.view.send(ViewCommand::Exposed),
            WindowEvent::PresenterReady => self.view.send(ViewCommand::Ready),
            WindowEvent::PointerMoved(_)
            | WindowEvent::RelativeMotion { .. }
            | WindowEvent::Button { .. }
            | WindowEvent::Wheel { .. }
            | WindowEvent::Key { .. }
                if now >= self.next_alert =>
            {
                // The guest will answer: the view looks closely for a while.
                self.next_alert = now + ALERT_INTERVAL;
                self.view.alert();
            }
            _ => {}
        }
        let (view, scale) = (self.guest.get(), self.window.scale());
        self.input
            .window_event(event, &view, scale, now, &mut self.actions);
        self.carry_out(now);
    }

    /// Does what the input wants.
    fn carry_out(&mut self, now: Nanos) {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                Action::Spice(command) => {
                    if let Some(machine) = &self.machine {
                        machine.send(command);
                    }
                }
                Action::SetPointer(point) => self.view.send(ViewCommand::SetPointer(point)),
                Action::CapturePointer => self.window.capture_pointer(),
                Action::ReleasePointer(to) => self.window.release_pointer(to),
                Action::GrabKeyboard(is_on) => self.window.grab_keyboard(is_on),
                Action::ShowLocalPointer(is_shown) => self.window.set_cursor_visible(is_shown),
                Action::Bind(bind) => self.bind(bind, now),
                Action::Message(text) => self.view.send(ViewCommand::Message(text)),
                Action::Help(lines) => self.view.send(ViewCommand::Panel(lines)),
                Action::Reconnect => {
                    if let Some(machine) = &mut self.machine {
                        machine.life().wanted(now);
                    }
                }
            }
        }
        self.actions = actions;
    }

    fn bind(&mut self, bind: Bind, now: Nanos) {
        match bind {
            Bind::FullScreen => {
                let is_full = self.window.is_full_screen();
                self.window.set_full_screen(!is_full);
            }
            Bind::Video => self.view.send(ViewCommand::ToggleVideo),
            Bind::Rotate => self.view.send(ViewCommand::Rotate),
            Bind::Rates => self.view.send(ViewCommand::ToggleRates),
            Bind::Quit => self.is_done = true,
            Bind::Microphone => self.tell_sound(|sound| sound.toggle_microphone(now)),
            Bind::MicrophonePolicy => self.tell_sound(|sound| sound.cycle_policy(now)),
        }
    }

    /// Does something with the microphone, and shows the user what.
    fn tell_sound(&mut self, tell: impl FnOnce(&mut Sound) -> String) {
        if let Some(sound) = &mut self.sound {
            let text = tell(sound);
            self.view.send(ViewCommand::Message(text));
        }
    }

    /// Does what is due with the sound; returns when to do so again.
    fn step_sound(&mut self, now: Nanos) -> Option<Nanos> {
        let sound = self.sound.as_mut()?;
        let deadline = sound.tick(now);
        if let Some(notice) = sound.take_notice() {
            self.view.send(ViewCommand::Microphone(notice));
        }
        deadline
    }

    fn take_reports(&mut self, now: Nanos) -> anyhow::Result<()> {
        while let Some(report) = self.view.next_report() {
            let view = self.guest.get();
            match report {
                ViewReport::Failed(error) => return Err(error),
                ViewReport::Window(WindowCommand::Resize(size)) => self.window.request_size(size),
                ViewReport::Window(WindowCommand::DemandAttention) => {
                    self.window.request_attention();
                }
                ViewReport::Window(WindowCommand::KeepScreenOn(is_on)) => {
                    self.window.set_idle_inhibited(is_on);
                }
                ViewReport::WantConsole(is_wanted) => {
                    if let Some(machine) = &mut self.machine {
                        machine.show_display(is_wanted);
                    }
                }
                ViewReport::ViewChanged => {
                    self.input.view_changed(&view, now, &mut self.actions);
                    // Another host may have taken the place of the one before without a gap.
                    self.tell_of_host(view.uuid, now);
                }
                ViewReport::PointerSet(is_there) => {
                    self.input
                        .realigned(is_there, &view, now, &mut self.actions);
                }
                ViewReport::HostAlive(is_alive) => {
                    self.is_host_alive = is_alive;
                    self.tell_of_host(view.uuid, now);
                }
            }
            self.carry_out(now);
        }
        Ok(())
    }

    fn tell_of_host(&mut self, uuid: Option<[u8; 16]>, now: Nanos) {
        if let Some(machine) = &mut self.machine {
            machine.life().host(self.is_host_alive, uuid, now);
        }
    }

    /// Does what is due with the connection.
    fn step_machine(&mut self, now: Nanos) -> anyhow::Result<()> {
        let Some(machine) = &mut self.machine else {
            return Ok(());
        };
        while let Some(step) = machine.step(now) {
            match step {
                Step::Quit => {
                    tracing::info!("the virtual machine has ended (app:onVmExit=quit)");
                    self.is_done = true;
                }
                Step::Fail(why) => bail!(why),
                Step::Tell(text) => {
                    tracing::warn!("{text}");
                    self.view.send(ViewCommand::Message(text));
                }
                Step::Connect | Step::Close => {}
            }
        }
        let notice = machine.life().notice();
        if notice != self.notice {
            self.notice = notice;
            let text = notice.map(str::to_owned);
            self.view.send(ViewCommand::Notice(text));
        }
        Ok(())
    }

    fn take_machine_events(&mut self, now: Nanos) {
        while let Some(event) = self.machine.as_mut().and_then(|m| m.next_event(now)) {
            match event {
                MachineEvent::Ready
                | MachineEvent::Uuid(_)
                | MachineEvent::CompressedSound
                | MachineEvent::Unavailable(_) => {}
                MachineEvent::Record(can_record) => {
                    self.tell_input(SpiceInput::Record(can_record), now);
                }
                MachineEvent::Recording(news) => {
                    if let Some(sound) = &mut self.sound {
                        sound.recording(news, now);
                    }
                }
                MachineEvent::Inputs(true) => {
                    self.tell_input(SpiceInput::Ready, now);
                    if let Some(modes) = self.modes {
                        self.tell_input(SpiceInput::Mouse(modes), now);
                    }
                }
                MachineEvent::Inputs(false) => self.tell_input(SpiceInput::Lost, now),
                MachineEvent::Mouse(modes) => {
                    self.modes = Some(modes);
                    self.tell_input(SpiceInput::Mouse(modes), now);
                }
                MachineEvent::Locks(locks) => self.tell_input(SpiceInput::Locks(locks), now),
                MachineEvent::Ended(_) => {
                    self.modes = None;
                    self.tell_input(SpiceInput::Lost, now);
                    self.tell_input(SpiceInput::Record(false), now);
                    if let Some(sound) = &mut self.sound {
                        sound.session_ended(now);
                    }
                }
            }
        }
    }

    fn tell_input(&mut self, event: SpiceInput, now: Nanos) {
        let view = self.guest.get();
        self.input.spice_event(event, &view, now, &mut self.actions);
        self.carry_out(now);
    }
}
