//! Runs in a test's guest, where the driver imports DMA-BUFs: tries everything that the renderer promises of frames that
//! it reads in place, and ends with the first promise that is broken. Its driver is `tests/zero_copy.rs`.
//!
//! ```text
//! lg-zero-copy-check check MEMORY            MEMORY: memfd (by /dev/udmabuf), or a device such as /dev/kvmfr0
//! lg-zero-copy-check copied MEMORY REASON    frames must be copied, and the reason told must contain REASON
//! lg-zero-copy-check relayed MEMORY          only frames of a host and its reader
//! ```

#![forbid(unsafe_code)]

mod bed;
mod life;
mod pictures;
mod relayed;

use anyhow::{bail, ensure};
use render::{RenderOptions, UploadPath};

use bed::{Bed, open};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check", memory] => check(memory),
        ["copied", memory, reason] => copied(memory, reason),
        ["relayed", memory] => relayed::frames_of_the_relay(&open(memory)?),
        _ => bail!("unknown arguments {words:?}"),
    }
}

/// All of it.
fn check(name: &str) -> anyhow::Result<()> {
    let memory = open(name)?;
    println!("{name}: DMA-BUFs by {}", memory.dma_bufs()?.source());
    pictures::every_format_equals_the_reference(&memory)?;
    println!("every format equals the reference, and nothing was copied");
    pictures::damage_is_enough(&memory)?;
    println!("only what is damaged is taken");
    life::rewritten_memory_is_seen(&memory)?;
    println!("rewritten memory is seen without another import, and never before it is asked for");
    life::a_stalled_frame_changes_nothing(&memory)?;
    println!("a stalled frame changes nothing");
    life::sessions_do_not_mix(&memory)?;
    println!("a new session imports anew, and nothing of the old one stays open");
    life::the_next_rung_takes_over(&memory)?;
    println!("what cannot be imported is copied");
    relayed::frames_of_the_relay(&memory)?;
    println!("frames of the relay are read in place");
    Ok(())
}

/// A machine on which it must not work.
fn copied(name: &str, reason: &str) -> anyhow::Result<()> {
    let memory = open(name)?;
    let mut bed = Bed::new(&memory, &RenderOptions::default())?;
    pictures::one_of_each(&mut bed)?;
    let uploads = bed.renderer.uploads();
    ensure!(uploads.path != UploadPath::Import && uploads.imported_frames == 0);
    let told = uploads.not_imported.unwrap_or_default();
    ensure!(told.contains(reason), "the reason is {told:?}");
    println!("copied: {told}");
    Ok(())
}
