//! Every kind of picture that a host can send, shown by the real client and compared with the naive reference.
//!
//! The test process is the host ([`Stage`]). It shows one [`Case`] after the other to all [`Viewer`]s at once, which
//! stay attached over all cases and all wire versions, and looks at each until it shows what
//! `testkit::reference` says, within the tolerances of [`compare`].

pub mod cases;
pub mod compare;
pub mod headless;
mod stage;

use std::time::{Duration, Instant};

use anyhow::bail;
use picture::png::RgbImage;
use picture::{Placement, Rotation, Size, ViewOptions};
use testkit::process::Process;
use testkit::reference;

use cases::Case;
use compare::{Expected, Kind};
pub use stage::Stage;

/// How long a viewer may take to show a picture: a new session is found by then too.
const LIMIT: Duration = Duration::from_secs(5);

/// Somebody who looks at what a client shows; `None` as long as it shows nothing.
pub type Eye = Box<dyn FnMut() -> anyhow::Result<Option<RgbImage>>>;

/// A client, and how to look at it.
pub struct Viewer {
    /// Its name in messages.
    pub name: String,
    /// How exact its renderer is.
    pub kind: Kind,
    /// The size of its window; `None` follows the guest.
    pub window: Option<Size>,
    /// Its own turn (`win:rotate`).
    pub rotation: Rotation,
    /// The real client, if it is a process.
    pub process: Option<Process>,
    /// Takes pictures of what it shows.
    pub eye: Eye,
    /// How long it takes at the least to show something; looking earlier is a waste.
    pub delay: Duration,
}

impl Viewer {
    /// Looks until the picture is right.
    fn expect(
        &mut self,
        case: &Case,
        expected: &Expected,
        stage: &mut Stage,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        std::thread::sleep(self.delay);
        loop {
            // As a host's capture thread does while nothing changes.
            stage.serve();
            let seen = (self.eye)()?;
            let difference = match seen {
                Some(seen) => expected.difference(&seen),
                None => Some("it shows nothing".to_owned()),
            };
            let Some(difference) = difference else {
                return Ok(());
            };
            let has_ended = self.process.as_mut().is_some_and(Process::has_ended);
            if has_ended || start.elapsed() > LIMIT {
                let output = self.process.as_ref().map(Process::output);
                bail!(
                    "{} shows {case} wrongly: {difference}; client:\n{}",
                    self.name,
                    output.unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Shows all cases to all viewers.
///
/// # Errors
/// If one of them does not show one of them in time; the error holds the first pixel that differs.
pub fn run(stage: &mut Stage, viewers: &mut [Viewer], cases: &[Case]) -> anyhow::Result<()> {
    let start = Instant::now();
    for case in cases {
        let shown = stage.show(case)?;
        // Viewers alike share what they are compared with.
        let mut known: Vec<(reference::View, Expected)> = Vec::new();
        for viewer in viewers.iter_mut() {
            let view = shown.view(viewer.window, viewer.rotation);
            let same = known.iter().position(|(other, _)| is_same(other, &view));
            let index = same.unwrap_or_else(|| {
                known.push((view, shown.expected(&view)));
                known.len() - 1
            });
            let expected = &mut known[index].1;
            let view = ViewOptions {
                rotation: viewer.rotation,
                ..ViewOptions::default()
            };
            let placement = Placement::new(&case.layout(), expected.size, &view);
            expected.tolerance = compare::tolerance(viewer.kind, case, &placement);
            viewer.expect(case, expected, stage)?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    eprintln!(
        "{} cases for {} viewers in {seconds:.1} s",
        cases.len(),
        viewers.len()
    );
    Ok(())
}

fn is_same(a: &reference::View, b: &reference::View) -> bool {
    (a.width, a.height, a.rotation) == (b.width, b.height, b.rotation)
}
