//! The main thread's side of the view thread.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::Context as _;
use relay::Waker;
use window::Window;

use super::{preferences, stats};
use crate::config::Settings;
use crate::console::Console;
use crate::guest_view::SharedGuestView;
use crate::memory::Relay;
use crate::renderer::choose;
use crate::session::Session;
use crate::view::{LogRation, Reports, View, ViewCommand, ViewReport};

/// What the view shows.
pub(super) struct Pictures {
    /// The shared memory; `None` for SPICE alone.
    pub(super) relay: Option<Relay>,
    /// The machine's own screen; `None` without SPICE.
    pub(super) console: Option<Console>,
    /// Where the numbers of the sound are; `None` without sound.
    pub(super) sound: Option<audio::SoundHandle>,
    /// Where the view writes what is shown.
    pub(super) guest: SharedGuestView,
}

/// The thread, and how to talk with it.
pub(super) struct ViewThread {
    commands: Sender<ViewCommand>,
    reports: Receiver<ViewReport>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl ViewThread {
    /// Starts it on a window; it is rung by `waker`.
    pub(super) fn start(
        settings: &Settings,
        pictures: Pictures,
        window: &Window,
        waker: &Waker,
    ) -> anyhow::Result<Self> {
        let (commands, for_view) = channel();
        let (to_main, reports) = channel();
        let window_waker = window.waker();
        let failed = (to_main.clone(), window_waker.clone());
        let (surface, size) = (window.surface(), window.buffer_size());
        let mut session = Session::new(preferences(settings));
        session.window_changed(size, window.scale());
        let stats = stats(settings)?;
        let (settings, view_waker) = (settings.clone(), waker.clone());
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
                        relay: pictures.relay,
                        console: pictures.console,
                        waker: view_waker,
                        session,
                        sound: pictures.sound,
                        guest: pictures.guest,
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
        Ok(Self {
            commands,
            reports,
            waker: waker.clone(),
            thread: Some(thread),
        })
    }

    /// Gives a command, and ends the view's wait.
    pub(super) fn send(&self, command: ViewCommand) {
        // A view that has failed says so by itself.
        let _ = self.commands.send(command);
        self.waker.wake();
    }

    /// Gives commands from another thread.
    pub(super) fn speaker(&self) -> impl Fn(ViewCommand) + Send + 'static {
        let (commands, waker) = (self.commands.clone(), self.waker.clone());
        move |command| {
            let _ = commands.send(command);
            waker.wake();
        }
    }

    /// Makes the view look closely for a while.
    pub(super) fn alert(&self) {
        self.waker.wake();
    }

    /// The next thing that the view says.
    pub(super) fn next_report(&self) -> Option<ViewReport> {
        self.reports.try_recv().ok()
    }
}

impl Drop for ViewThread {
    fn drop(&mut self) {
        self.send(ViewCommand::Quit);
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            tracing::error!("the view thread panicked");
        }
    }
}
