//! The view thread: reads the relay and the console, takes pictures over, draws. Everything that costs time happens
//! here, in one place.

mod messages;
mod take_over;

use std::sync::mpsc::{Receiver, Sender};

use clock::{Clock as _, MonotonicClock, Nanos};
use kvmfr::{Features, OsKind};
use picture::GuestPoint;
use relay::{CursorPosition, Event, Link, SessionInfo, Waker};

use crate::console::Console;
use crate::guest_view::{GuestView, SharedGuestView};
use crate::memory::Relay;
use crate::renderer::{Renderer, Shown};
use crate::session::{HostFacts, Request, Session};
use crate::sound::figures;
use crate::stats::Stats;
use take_over::TakeOver;

pub use messages::{LogRation, ViewCommand, ViewReport};

/// How soon a drawing is tried again that the display server had no buffer for, if it does not say when it has.
const BUSY_RETRY: Nanos = Nanos::from_millis(16);

/// Most events of the relay that are taken in before a drawing.
const EVENTS_A_DRAWING: u32 = 4;

/// Without a relay, the view looks round this often even if nothing happens.
const IDLE: Nanos = Nanos::from_millis(1000);

/// The main thread's ends of the channels.
pub struct Reports {
    /// Where reports go.
    pub sender: Sender<ViewReport>,
    /// Makes the main thread look.
    pub wake: Box<dyn Fn() + Send>,
}

impl Reports {
    fn send(&self, report: ViewReport) {
        // Nobody hears it only when the program ends.
        let _ = self.sender.send(report);
    }
}

/// All that the view thread owns.
pub struct View {
    /// The memory and its reader; `None` without shared memory.
    pub relay: Option<Relay>,
    /// The machine's own screen, if there is SPICE; it must ring [`Self::waker`].
    pub console: Option<Console>,
    /// Ends the wait when there is a command, or something new on the console.
    pub waker: Waker,
    /// What is shown.
    pub session: Session,
    /// Where the numbers of the sound are, if there is sound.
    pub sound: Option<audio::SoundHandle>,
    /// Where others read what is shown.
    pub guest: SharedGuestView,
    /// Who draws it.
    pub renderer: Box<dyn Renderer>,
    /// What the main thread wants.
    pub commands: Receiver<ViewCommand>,
    /// Whom to tell.
    pub reports: Reports,
    /// Where figures go, if they are wanted.
    pub stats: Option<Stats>,
    /// How many sessions are worth a line in the log.
    pub ration: LogRation,
}

impl View {
    /// Runs until [`ViewCommand::Quit`] or until nothing can be drawn any more, which is reported.
    pub fn run(mut self) {
        if let Err(error) = self.run_until_quit() {
            self.reports.send(ViewReport::Failed(error));
            (self.reports.wake)();
        }
    }

    fn run_until_quit(&mut self) -> anyhow::Result<()> {
        let renderer = self.renderer.describe();
        let mut pictures = TakeOver::default();
        let mut retry = None;
        while self.take_commands() {
            let now = MonotonicClock.now();
            let surface = self.look_at_console(&mut pictures, now);
            if self.session.wants_sound_figures(now)
                && let Some(sound) = &self.sound
            {
                self.session.sound_figures(figures::line(&sound.status()));
            }
            let note = self.session.tick(now);
            if retry.is_some_and(|at| now >= at) {
                self.session.draw_again();
            }
            // Also what is not drawn yet: the input goes by where the guest's pointer is.
            self.publish_view();
            if self.session.take_needs_draw() {
                retry = self.draw(now, &mut pictures)?;
            }
            let look = self.look_for_memory(now);
            let stats = self.write_stats(now, &renderer);
            self.report();
            // What has come together is drawn together: only the first look may wait.
            let mut deadline = [surface, note, retry, look, stats]
                .into_iter()
                .flatten()
                .min();
            for _ in 0..EVENTS_A_DRAWING {
                if !self.take_event(deadline, &mut pictures) {
                    break;
                }
                deadline = Some(now);
            }
        }
        Ok(())
    }

    /// Writes the figures of the past second if it is over; returns when the next ones are due.
    fn write_stats(&mut self, now: Nanos, renderer: &str) -> Option<Nanos> {
        let stats = self.stats.as_mut()?;
        if now >= stats.due() {
            let sound = self.sound.as_ref();
            let sound = sound.map(|sound| figures::json(&sound.status()));
            let missing = self.session.missing_link();
            stats.tick(now, renderer, missing, self.renderer.uploads(), sound);
        }
        Some(stats.due())
    }

    /// Does what the main thread wants; false if it wants the end.
    fn take_commands(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            let session = &mut self.session;
            match command {
                ViewCommand::Resized(size, scale) => {
                    self.renderer.resize(size);
                    session.window_changed(size, scale);
                }
                ViewCommand::Exposed => {
                    self.renderer.invalidate();
                    session.draw_again();
                }
                ViewCommand::Ready => session.draw_again(),
                ViewCommand::Rotate => session.rotate(),
                ViewCommand::ToggleVideo => {
                    session.toggle_video(MonotonicClock.now());
                }
                ViewCommand::ToggleRates => session.toggle_rates(MonotonicClock.now()),
                ViewCommand::Message(text) => session.message(text, MonotonicClock.now()),
                ViewCommand::Panel(lines) => session.panel(lines),
                ViewCommand::Notice(sentence) => session.notice(sentence),
                ViewCommand::Microphone(sentence) => session.microphone(sentence),
                ViewCommand::SetPointer(to) => self.set_pointer(to),
                ViewCommand::Quit => return false,
            }
        }
        if let Some(relay) = &mut self.relay {
            relay.want_frames(self.session.wants_frames());
        }
        true
    }

    /// Asks the host to move the guest's pointer; if it cannot be asked, that is the answer.
    fn set_pointer(&mut self, to: GuestPoint) {
        let asked = match &mut self.relay {
            Some(relay) => relay
                .reader
                .set_cursor_position(to)
                .inspect_err(|error| tracing::debug!(%error, "setting the guest's pointer"))
                .is_ok(),
            None => false,
        };
        if !asked {
            self.reports.send(ViewReport::PointerSet(false));
            (self.reports.wake)();
        }
    }

    /// Takes in what is new on the console, and its picture if that is to be shown; returns when to look again.
    fn look_at_console(&mut self, pictures: &mut TakeOver, now: Nanos) -> Option<Nanos> {
        let console = self.console.as_ref()?;
        let look = console.look();
        self.session.console(&look, now);
        pictures.console(
            console,
            look.has_damage,
            self.renderer.as_mut(),
            &mut self.session,
            now,
        )
    }

    /// While the host is missing, opens the memory anew if it was replaced; returns when to look again.
    fn look_for_memory(&mut self, now: Nanos) -> Option<Nanos> {
        let relay = self.relay.as_mut()?;
        self.session.missing_link()?;
        match relay.renew(now) {
            Ok(next_look) => Some(next_look),
            Err((error, next_look)) => {
                self.session.missing(error.to_string(), false, now);
                Some(next_look)
            }
        }
    }

    /// Takes one thing in that happened until `deadline`; tells whether there was one of the relay's.
    fn take_event(&mut self, deadline: Option<Nanos>, pictures: &mut TakeOver) -> bool {
        let Some(relay) = &mut self.relay else {
            wait(&self.waker, deadline);
            return false;
        };
        let mut has_begun = false;
        match relay.reader.next(&self.waker, deadline) {
            Event::Connected(info) => {
                if self.ration.allows(MonotonicClock.now()) {
                    log_session(info);
                }
                self.session.connected(facts(info));
                has_begun = true;
            }
            Event::Missing(link) => {
                let now = MonotonicClock.now();
                if self.ration.allows(now) {
                    tracing::info!("{link}");
                }
                let is_alive = link == Link::FirstFrame;
                if !is_alive {
                    self.renderer
                        .set_dma_bufs(Err("there is no session".into()));
                }
                self.session.missing(link.to_string(), is_alive, now);
            }
            Event::Frame(frame) => pictures.frame(
                frame,
                self.renderer.as_mut(),
                &mut self.session,
                self.stats.as_mut(),
            ),
            Event::Pointer(update) => {
                self.session.pointer(update.state, update.shape);
                if let Some(stats) = &mut self.stats {
                    stats.pointer();
                }
            }
            Event::CursorPosition(result) => {
                let is_set = result == CursorPosition::Acknowledged;
                self.reports.send(ViewReport::PointerSet(is_set));
                (self.reports.wake)();
            }
            _ => return false,
        }
        if has_begun {
            // Whatever was imported in the session before is closed by this, too.
            self.renderer.set_dma_bufs(relay.dma_bufs());
        }
        true
    }

    /// Lets others know what is about to be shown.
    fn publish_view(&self) {
        let (old, new) = (self.guest.get(), self.session.guest_view());
        if old == new {
            return;
        }
        self.guest.set(new);
        let pointer = None;
        if (GuestView { pointer, ..old }) != (GuestView { pointer, ..new }) {
            self.reports.send(ViewReport::ViewChanged);
            (self.reports.wake)();
        }
    }

    /// Draws the scene; returns when to try again if the display server was busy.
    fn draw(&mut self, start: Nanos, pictures: &mut TakeOver) -> anyhow::Result<Option<Nanos>> {
        match self.renderer.draw(&self.session.scene())? {
            Shown::Busy => Ok(Some(start + BUSY_RETRY)),
            Shown::Yes => {
                self.session.drawn();
                let stamp = pictures.take_stamp();
                if let Some(stats) = &mut self.stats {
                    let end = MonotonicClock.now();
                    stats.drawn(end, end - start, stamp);
                }
                Ok(None)
            }
        }
    }

    fn report(&mut self) {
        let mut is_any = false;
        for request in self.session.take_requests() {
            is_any = true;
            self.reports.send(match request {
                Request::Window(command) => ViewReport::Window(command),
                Request::WantConsole(is_wanted) => ViewReport::WantConsole(is_wanted),
                Request::HostAlive(is_alive) => ViewReport::HostAlive(is_alive),
            });
        }
        if is_any {
            (self.reports.wake)();
        }
    }
}

/// Waits for the bell until `deadline`, and silences it.
fn wait(waker: &Waker, deadline: Option<Nanos>) {
    let now = MonotonicClock.now();
    let until = deadline.unwrap_or(now + IDLE);
    if waker.wait((until - now).to_duration()) {
        waker.take();
    }
}

fn facts(info: &SessionInfo) -> HostFacts {
    let os = info.description.os.as_ref();
    HostFacts {
        can_set_pointer: info.features().contains(Features::SET_CURSOR_POSITION),
        is_linux: os.is_some_and(|os| os.kind == OsKind::Linux),
        uuid: info.uuid(),
    }
}

fn log_session(info: &SessionInfo) {
    tracing::info!(
        "connected to host \"{}\" ({})",
        info.host_version(),
        info.kvmfr
    );
    if let Some(vm) = &info.description.vm {
        tracing::info!(
            "guest: {} ({} CPUs, {} cores, {} sockets), captured by {}",
            vm.model,
            vm.cpus,
            vm.cores,
            vm.sockets,
            vm.capture
        );
    }
    if let Some(os) = &info.description.os {
        tracing::info!("guest: {}", os.name);
    }
}

#[cfg(test)]
mod tests;
