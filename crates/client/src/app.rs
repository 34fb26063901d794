//! The program: starts the threads, passes messages between window and view, and ends cleanly.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use clock::{Clock as _, MonotonicClock, Nanos};
use relay::Waker;
use window::{Window, WindowConfig, WindowEvent};

use crate::config::{Screensaver, Settings};
use crate::guest_view::SharedGuestView;
use crate::memory::Relay;
use crate::renderer::choose;
use crate::session::{Preferences, Session, WindowCommand};
use crate::stats::Stats;
use crate::view::{LogRation, Reports, View, ViewCommand, ViewReport};

/// The main thread looks at the signals at least this often.
const SIGNAL_LOOK: Duration = Duration::from_millis(250);

/// The view is told of the user's input this often at most; it stays alert for longer.
const ALERT_INTERVAL: Nanos = Nanos::from_millis(20);

/// Runs the client with a window until it is closed or a signal comes.
///
/// # Errors
/// If the memory cannot be opened, no window can be shown, or the display server goes away.
pub fn run(settings: &Settings, is_over: &AtomicBool) -> anyhow::Result<()> {
    let relay = Relay::open(settings)?;
    let mut window = Window::open(&window_config(settings), None)?;
    // The guest's pointer is drawn in the picture; a second one over it would only confuse.
    window.set_cursor_visible(false);
    if settings.win.screensaver == Screensaver::HeldOff && !window.set_idle_inhibited(true) {
        tracing::warn!("the display server cannot keep the screen on (win:noScreensaver)");
    }
    let waker = Waker::new().context("making the view's waker")?;
    let view = start_view(settings, relay, &window, &waker)?;
    let result = pass_messages(&mut window, &view, &waker, is_over);
    let _ = view.commands.send(ViewCommand::Quit);
    waker.wake();
    if view.thread.join().is_err() {
        tracing::error!("the view thread panicked");
    }
    result
}

/// What concerns the session in the user's settings.
pub(crate) fn preferences(settings: &Settings) -> Preferences {
    Preferences {
        view: settings.view(),
        auto_resize: settings.win.auto_resize,
        alerts: settings.win.alerts,
        quick_splash: settings.win.quick_splash,
        auto_screensaver: settings.win.screensaver == Screensaver::OnRequest,
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

/// The main thread's side of the view thread.
struct ViewThread {
    commands: Sender<ViewCommand>,
    reports: Receiver<ViewReport>,
    thread: JoinHandle<()>,
}

fn start_view(
    settings: &Settings,
    relay: Relay,
    window: &Window,
    waker: &Waker,
) -> anyhow::Result<ViewThread> {
    let (commands, for_view) = channel();
    let (to_main, reports) = channel();
    let window_waker = window.waker();
    let failed = (to_main.clone(), window_waker.clone());
    let (surface, size) = (window.surface(), window.buffer_size());
    let mut session = Session::new(preferences(settings));
    session.window_changed(size, window.scale());
    let stats = stats(settings)?;
    let (settings, waker) = (settings.clone(), waker.clone());
    let body = move || {
        // A context belongs to the thread that made it.
        match choose(&settings, &surface, size) {
            Ok(renderer) => {
                tracing::info!("renderer: {}", renderer.describe());
                let reports = Reports {
                    sender: to_main,
                    wake: Box::new(move || window_waker.wake()),
                };
                View {
                    relay: Some(relay),
                    console: None,
                    waker,
                    session,
                    guest: SharedGuestView::default(),
                    renderer,
                    commands: for_view,
                    reports,
                    stats,
                    ration: LogRation::default(),
                }
                .run();
            }
            Err(error) => {
                let _ = failed.0.send(ViewReport::Failed(error));
                failed.1.wake();
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("view".into())
        .spawn(body)
        .context("starting the view thread")?;
    Ok(ViewThread {
        commands,
        reports,
        thread,
    })
}

fn pass_messages(
    window: &mut Window,
    view: &ViewThread,
    waker: &Waker,
    is_over: &AtomicBool,
) -> anyhow::Result<()> {
    let mut events = Vec::with_capacity(64);
    let mut next_alert = Nanos::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        events.clear();
        window.dispatch(Some(SIGNAL_LOOK), &mut events)?;
        for event in &events {
            let command = match *event {
                WindowEvent::CloseRequested => return Ok(()),
                WindowEvent::Resized { buffer, scale } => ViewCommand::Resized(buffer, scale),
                WindowEvent::Exposed => ViewCommand::Exposed,
                WindowEvent::PresenterReady => ViewCommand::Ready,
                WindowEvent::PointerMoved(_)
                | WindowEvent::Button { .. }
                | WindowEvent::Wheel { .. }
                | WindowEvent::Key { .. } => {
                    // The guest will answer: the view looks closely for a while.
                    let now = MonotonicClock.now();
                    if now >= next_alert {
                        next_alert = now + ALERT_INTERVAL;
                        waker.wake();
                    }
                    continue;
                }
                _ => continue,
            };
            let _ = view.commands.send(command);
            waker.wake();
        }
        while let Ok(report) = view.reports.try_recv() {
            match report {
                ViewReport::Failed(error) => return Err(error),
                ViewReport::Window(WindowCommand::Resize(size)) => window.request_size(size),
                ViewReport::Window(WindowCommand::DemandAttention) => window.request_attention(),
                ViewReport::Window(WindowCommand::KeepScreenOn(is_on)) => {
                    window.set_idle_inhibited(is_on);
                }
                ViewReport::WantConsole(_)
                | ViewReport::ViewChanged
                | ViewReport::PointerSet(_)
                | ViewReport::HostAlive(_) => {}
            }
        }
    }
    Ok(())
}
