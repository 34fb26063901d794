//! The corpora of the fuzz targets as plain tests: what was found once stays found, on any toolchain.

use std::path::{Path, PathBuf};

#[expect(
    unreachable_pub,
    reason = "public for the fuzz targets, which link it as a crate"
)]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn inputs(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder().join(name)).expect("a corpus");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .map(|path| (path.clone(), std::fs::read(path).expect("an input")))
        .collect()
}

#[test]
fn every_target_holds_on_its_corpus() {
    for (name, body) in targets::TARGETS {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for (path, bytes) in inputs {
            eprintln!("{}", path.display());
            body(&bytes);
        }
    }
}

#[test]
fn every_target_holds_on_cut_and_spoilt_inputs() {
    for (name, body) in targets::TARGETS {
        body(&[]);
        for (path, bytes) in inputs(name) {
            eprintln!("{}", path.display());
            for cut in [1, bytes.len() / 2, bytes.len().saturating_sub(1)] {
                body(&bytes[..cut.min(bytes.len())]);
            }
            for at in (0..bytes.len()).step_by(bytes.len() / 16 + 1) {
                for value in [0, 1, 0x7f, 0xff] {
                    let mut spoilt = bytes.clone();
                    spoilt[at] = value;
                    body(&spoilt);
                }
            }
        }
    }
}

#[test]
fn the_corpora_are_small() {
    let bytes: usize = targets::TARGETS
        .iter()
        .flat_map(|(name, _)| inputs(name))
        .map(|(_, bytes)| bytes.len())
        .sum();
    assert!(bytes < 200 << 10, "{bytes} bytes");
}
