//! The client without a window, with or without SPICE: keeps the connection while [`headless`] works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clock::{Clock as _, MonotonicClock};
use relay::Waker;

use crate::config::{Settings, Transport};
use crate::console::Console;
use crate::headless::{self, Guest};
use crate::machine::{Machine, MachineEvent, Outlets, Step};
use crate::sound::{Listener, Sound};
use crate::view::ViewReport;

/// Signals and retries are looked at this often.
const LOOK: Duration = Duration::from_millis(50);

/// What wakes the thread that keeps the connection.
enum Call {
    /// Something happened in the session.
    Session,
    /// The channels of the picture are to be opened or closed.
    WantConsole(bool),
}

/// Runs without a window until a signal comes, or until the screenshot is written.
///
/// # Errors
/// As [`headless::run`], and if SPICE is the only source of pictures and cannot be one.
pub fn run(settings: &Settings, is_over: &AtomicBool) -> anyhow::Result<()> {
    if settings.app.transport == Transport::Lgmp {
        return headless::run(settings, is_over, Guest::default());
    }
    let console = Console::new(Waker::new().context("making the view's waker")?);
    let (calls, called) = channel();
    let ring = calls.clone();
    let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        // Nobody listens any more at the end.
        let _ = ring.send(Call::Session);
    });
    let is_screenshot = settings.run.screenshot.is_some();
    let sound = match is_screenshot {
        true => None,
        false => Sound::start(settings, Listener::Nobody, Arc::clone(&wake))?,
    };
    let numbers = sound.as_ref().map(|sound| sound.handle().clone());
    let outlets = Outlets {
        console: console.clone(),
        clipboard: None,
        sound: sound.as_ref().map(|sound| sound.link().clone()),
        wake,
    };
    let machine = Machine::new(settings, outlets, MonotonicClock.now())?
        .context("app:transport=spice needs spice:enable")?;
    let is_stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = &is_stopped;
        let keeper = scope.spawn(move || {
            let kept = keep(machine, sound, &called, is_over, stop);
            stop.store(true, Ordering::Relaxed);
            match kept {
                Ok(Left::MachineEnded) if is_screenshot => bail!("the virtual machine has ended"),
                kept => kept.map(|_| ()),
            }
        });
        let guest = Guest {
            has_relay: false,
            console: Some(console),
            sound: numbers,
            report: Box::new(move |report| {
                if let ViewReport::WantConsole(is_wanted) = report {
                    let _ = calls.send(Call::WantConsole(is_wanted));
                }
            }),
        };
        let result = headless::run(settings, &is_stopped, guest);
        is_stopped.store(true, Ordering::Relaxed);
        let kept = keeper.join();
        // Why there was no connection says more than that there was no picture.
        kept.map_err(|_| anyhow::anyhow!("the thread of the connection panicked"))??;
        result
    })
}

/// Why the connection is kept no longer.
enum Left {
    /// The user or the other thread wants the end.
    Stopped,
    /// The virtual machine has ended.
    MachineEnded,
}

/// Keeps the connection until `is_over` or `is_stopped`, or until there is no sense in going on.
fn keep(
    mut machine: Machine,
    mut sound: Option<Sound>,
    called: &Receiver<Call>,
    is_over: &AtomicBool,
    is_stopped: &AtomicBool,
) -> anyhow::Result<Left> {
    while !is_stopped.load(Ordering::Relaxed) && !is_over.load(Ordering::Relaxed) {
        let now = MonotonicClock.now();
        while let Some(step) = machine.step(now) {
            match step {
                Step::Fail(why) => bail!(why),
                Step::Quit => {
                    tracing::info!("the virtual machine has ended (app:onVmExit=quit)");
                    return Ok(Left::MachineEnded);
                }
                Step::Tell(text) => tracing::warn!("{text}"),
                Step::Connect | Step::Close => {}
            }
        }
        if machine.life().is_given_up() {
            // There is no other source of pictures.
            let why = machine.life().trouble().unwrap_or("no SPICE session");
            bail!(why.to_owned());
        }
        match called.recv_timeout(LOOK) {
            Ok(Call::WantConsole(is_wanted)) => machine.show_display(is_wanted),
            Ok(Call::Session) | Err(_) => {}
        }
        while let Some(event) = machine.next_event(MonotonicClock.now()) {
            let now = MonotonicClock.now();
            match (event, &mut sound) {
                (MachineEvent::Recording(news), Some(sound)) => sound.recording(news, now),
                (MachineEvent::Ended(_), Some(sound)) => sound.session_ended(now),
                _ => {}
            }
        }
        if let Some(sound) = &mut sound {
            sound.tick(MonotonicClock.now());
            if let Some(Some(notice)) = sound.take_notice() {
                tracing::info!("{notice}");
            }
        }
    }
    Ok(Left::Stopped)
}
