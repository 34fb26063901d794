//! What a frame costs when the GPU reads it in place, against copying it.
//!
//! Only a machine with DMA-BUFs can tell, and outside of one with a GPU that is a virtual one: [`inside`] runs there.

pub mod inside;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use testkit::kvmfr_guest::KvmfrImage;
use testkit::programs::SharedFile;

use crate::report::{Report, Sample};
use crate::spread::Spread;

/// All frames of one run, in a guest that is many times slower than a machine.
const LIMIT: Duration = Duration::from_secs(240);
/// What only says that the IVSHMEM device is there; nothing is measured in it.
const SHM_MIB: u64 = 1;

/// What one frame has cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Where the DMA-BUFs come from.
    pub source: String,
    /// The resolution.
    pub size: String,
    /// How it was taken over.
    pub way: String,
    /// Processor time of the whole program until the frame is in the texture, in milliseconds.
    pub ms: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            size,
            way,
            ms,
        } = self;
        write!(f, "COST {source} {size} {way} {ms}")
    }
}

impl Cost {
    /// Reads what is shown.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim().strip_prefix("COST ")?.split(' ');
        let mut next = || words.next();
        Some(Self {
            source: next()?.to_owned(),
            size: next()?.to_owned(),
            way: next()?.to_owned(),
            ms: next()?.parse().ok()?,
        })
    }
}

/// Measures once; says loudly if there is no guest to measure in.
///
/// # Errors
/// If the guest or what runs in it fails.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("this program's own file")?;
    let Some(costs) = measure(&program)? else {
        report.note("zero-copy: NOT MEASURED, there is no guest to measure it in".to_owned());
        return Ok(());
    };
    let mut cases: Vec<(&str, &str)> = Vec::new();
    for cost in &costs {
        if !cases.contains(&(&cost.source, &cost.size)) {
            cases.push((&cost.source, &cost.size));
        }
    }
    for (source, size) in cases {
        let of = |way: &str| {
            let is_it =
                |cost: &&Cost| (&*cost.source, &*cost.size, &*cost.way) == (source, size, way);
            let times: Vec<f64> = costs.iter().filter(is_it).map(|cost| cost.ms).collect();
            Spread::of(&times).map(|spread| spread.median)
        };
        let mut add = |what: &str, unit, value| {
            let name = format!("{size} {source}: {what}");
            report.add(Sample::new("zero-copy", name, unit, value));
        };
        for way in inside::WAYS {
            add(way, "ms", of(way).unwrap_or(f64::NAN));
        }
        // Against the better of the two.
        let copies = [of("persistent"), of("staging")];
        let copy = copies.into_iter().flatten().reduce(f64::min);
        for (way, name) in [
            ("import", "import / copy"),
            ("one-pixel", "one-pixel / copy"),
        ] {
            if let (Some(import), Some(copy)) = (of(way), copy) {
                add(name, "", import / copy);
            }
        }
    }
    Ok(())
}

/// The cost of each frame, as measured in a guest.
fn measure(program: &Path) -> anyhow::Result<Option<Vec<Cost>>> {
    let Some(image) = KvmfrImage::with_gl(&[program])? else {
        return Ok(None);
    };
    let shm = SharedFile::create(SHM_MIB)?;
    let Some(guest) = image.start(shm.path())? else {
        return Ok(None);
    };
    let mib = inside::MEMORY_MIB;
    let mut guest = guest.load(&format!("static_size_mb={mib}"))?;
    let name = program.file_name().context("a program has a name")?;
    let line = format!("{} zero-copy-inside /dev/kvmfr0", name.display());
    let said = guest.run_for(&line, LIMIT)?;
    let costs: Vec<Cost> = said.lines().filter_map(Cost::parse).collect();
    anyhow::ensure!(!costs.is_empty(), "nothing was measured: {said}");
    Ok(Some(costs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_read_as_it_is_shown_and_nothing_else_is() {
        let cost = Cost {
            source: "kvmfr".into(),
            size: "4K".into(),
            way: "import".into(),
            ms: 0.25,
        };
        assert_eq!(Cost::parse(&format!("{cost}\r")), Some(cost));
        assert_eq!(Cost::parse("COST kvmfr 4K import"), None);
        assert_eq!(Cost::parse("a warning"), None);
    }
}
