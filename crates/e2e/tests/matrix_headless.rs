//! The client without a window: every version, frame type, rotation and pointer type.

use e2e::matrix::cases::{Case, Content, Geometry, POINTERS};
use e2e::matrix::{Stage, headless, run};
use kvmfr::Version;
use picture::Rotation;

#[test]
fn every_combination_is_drawn_right_without_a_window() -> anyhow::Result<()> {
    let mut stage = Stage::new()?;
    let mut viewers = Vec::new();
    for rotation in [Rotation::Deg0, Rotation::Deg270] {
        viewers.push(headless::start(stage.memory(), rotation)?);
    }
    let mut cases = Vec::new();
    for version in [Version::V16, Version::V19, Version::V20, Version::V16] {
        for content in Content::all_of(version) {
            for rotation in Rotation::ALL {
                let number = cases.len() / POINTERS.len();
                let geometries = Geometry::all_of(version);
                let geometry = geometries[number % geometries.len()];
                for pointer in POINTERS {
                    cases.push(Case {
                        content,
                        rotation,
                        geometry,
                        pointer,
                        seed: number as u32,
                        is_opaque: false,
                    });
                }
            }
        }
    }
    run(&mut stage, &mut viewers, &cases)
}
