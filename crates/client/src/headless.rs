//! The client without a window: one screenshot, or figures only.

mod console;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clock::{Clock as _, MonotonicClock, Nanos};
use picture::{FrameLayout, PointerShape, PointerState, png, software};
use relay::Waker;
use relay::reader::{Event, Reader};

use crate::app;
use crate::config::{Screenshot, Settings};
use crate::console::Console;
use crate::guest_view::SharedGuestView;
use crate::memory::Relay;
use crate::renderer::{Renderer as _, SoftwareView};
use crate::session::{ConsolePolicy, Session};
use crate::view::{LogRation, Reports, View, ViewCommand, ViewReport};

/// How long the pointer may come after the first frame; hosts without one send nothing.
const POINTER_WAIT: Nanos = Nanos::from_millis(150);
/// How often memory that is not there yet is looked for.
const MEMORY_LOOK: Duration = Duration::from_millis(100);

/// Where the picture comes from.
pub struct Guest<'a> {
    /// There is shared memory; not so for `app:transport=spice`.
    pub has_relay: bool,
    /// The machine's own screen, if there is SPICE.
    pub console: Option<Console>,
    /// Where the numbers of the sound are, if there is sound.
    pub sound: Option<audio::SoundHandle>,
    /// Told what the view says, on the calling thread; [`ViewReport::WantConsole`] is what matters.
    pub report: Box<dyn FnMut(ViewReport) + 'a>,
}

/// Shared memory alone.
impl Default for Guest<'_> {
    fn default() -> Self {
        Self {
            has_relay: true,
            console: None,
            sound: None,
            report: Box::new(|_| ()),
        }
    }
}

/// Runs without a window until a signal comes, or until the screenshot is written: that of the host's picture if there
/// is shared memory, else that of the machine's own screen.
///
/// # Errors
/// If the memory cannot be opened, or no complete frame came in time: the error names the missing link.
pub fn run(settings: &Settings, is_over: &AtomicBool, guest: Guest<'_>) -> anyhow::Result<()> {
    match (&settings.run.screenshot, guest) {
        (
            Some(screenshot),
            Guest {
                has_relay: true, ..
            },
        ) => take_screenshot(settings, screenshot, is_over),
        (Some(screenshot), guest) => console::take_screenshot(screenshot, is_over, guest),
        (None, guest) => watch(settings, is_over, guest),
    }
}

/// Shows the guest to nobody, for the figures.
fn watch(settings: &Settings, is_over: &AtomicBool, guest: Guest<'_>) -> anyhow::Result<()> {
    let Guest {
        has_relay,
        console,
        sound,
        mut report,
    } = guest;
    let waker = match &console {
        Some(console) => console.waker().clone(),
        None => Waker::new().context("making the view's waker")?,
    };
    let (commands, for_view) = channel();
    let (to_main, reports) = channel();
    let relay = has_relay.then(|| Relay::open(settings)).transpose()?;
    let stats = app::stats(settings)?;
    let mut preferences = app::preferences(settings);
    preferences.has_relay = has_relay;
    match console {
        None => preferences.console = ConsolePolicy::Off,
        Some(_) if !has_relay => preferences.console = ConsolePolicy::Force,
        Some(_) => {}
    }
    let session = Session::new(preferences);
    let view_waker = waker.clone();
    let body = move || {
        let reports = Reports {
            sender: to_main,
            wake: Box::new(|| ()),
        };
        let renderer = Box::new(SoftwareView::headless());
        View {
            relay,
            console,
            waker: view_waker,
            session,
            sound,
            guest: SharedGuestView::default(),
            renderer,
            commands: for_view,
            reports,
            stats,
            ration: LogRation::default(),
        }
        .run();
    };
    let thread = std::thread::Builder::new()
        .name("view".into())
        .spawn(body)?;
    while !is_over.load(Ordering::Relaxed) && !thread.is_finished() {
        if let Ok(said) = reports.recv_timeout(MEMORY_LOOK) {
            report(said);
        }
    }
    let _ = commands.send(ViewCommand::Quit);
    waker.wake();
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("the view thread panicked"))
}

fn take_screenshot(
    settings: &Settings,
    screenshot: &Screenshot,
    is_over: &AtomicBool,
) -> anyhow::Result<()> {
    let clock = MonotonicClock;
    let deadline = clock.now() + Nanos::from(screenshot.timeout);
    let mut reader = loop {
        match Relay::open(settings) {
            Ok(relay) => break relay.reader,
            Err(error) if clock.now() >= deadline || is_over.load(Ordering::Relaxed) => {
                return Err(error);
            }
            Err(_) => std::thread::sleep(MEMORY_LOOK),
        }
    };
    let waker = Waker::new()?;
    let mut view = SoftwareView::headless();
    let mut pointer = Pointer::default();
    let mut missing = None;
    let layout = loop {
        if is_over.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        if clock.now() >= deadline {
            let seconds = screenshot.timeout.as_secs();
            let link = missing.unwrap_or_else(|| "no answer from the memory".to_owned());
            bail!("no complete frame within {seconds} s: {link}");
        }
        let look = deadline.min(clock.now() + Nanos::from(MEMORY_LOOK));
        match reader.next(&waker, Some(look)) {
            Event::Missing(link) => missing = Some(link.to_string()),
            Event::Pointer(update) => pointer.take(update.state, update.shape),
            Event::Frame(mut frame) => {
                let layout = *frame.layout();
                let damage = frame.damage().clone();
                match view.upload(&layout, &damage, &mut frame) {
                    Ok(()) if frame.finish().is_ok() => break layout,
                    Ok(()) => {}
                    Err(error) => {
                        missing = Some(format!("the host does not finish its frame: {error}"));
                    }
                }
            }
            _ => {}
        }
    };
    wait_for_pointer(&mut reader, &waker, &mut pointer);
    write_picture(&layout, &view, &pointer, &screenshot.file)
}

#[derive(Default)]
struct Pointer {
    state: PointerState,
    shape: Option<PointerShape>,
}

impl Pointer {
    fn take(&mut self, state: PointerState, shape: Option<&PointerShape>) {
        self.state = state;
        if let Some(shape) = shape {
            self.shape = Some(shape.clone());
        }
    }
}

fn wait_for_pointer(reader: &mut Reader, waker: &Waker, pointer: &mut Pointer) {
    let deadline = MonotonicClock.now() + POINTER_WAIT;
    while pointer.shape.is_none() && MonotonicClock.now() < deadline {
        if let Event::Pointer(update) = reader.next(waker, Some(deadline)) {
            pointer.take(update.state, update.shape);
        }
    }
}

fn write_picture(
    layout: &FrameLayout,
    view: &SoftwareView,
    pointer: &Pointer,
    file: &Path,
) -> anyhow::Result<()> {
    let (_, bytes) = view.frame().context("a frame was just taken over")?;
    let shape = pointer.shape.as_ref().map(|shape| (shape, pointer.state));
    let image = software::screenshot(layout, bytes, shape);
    let encoded = png::encode(&image)?;
    std::fs::write(file, encoded).with_context(|| format!("writing {}", file.display()))
}
