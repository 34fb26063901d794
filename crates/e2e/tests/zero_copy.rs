//! Frames that the GPU reads in place: our renderer in a virtual machine whose software GL imports DMA-BUFs.
//!
//! What is tried in the machine is in `src/bin/lg-zero-copy-check`.

use std::time::Duration;

use anyhow::ensure;
use testkit::kvmfr_guest::{KvmfrGuest, KvmfrImage};
use testkit::programs::{self, SharedFile};

/// All checks on one memory, without an accelerator.
const LIMIT: Duration = Duration::from_secs(150);

/// Memory of each device in MiB.
const MIB: u32 = 32;

#[test]
fn frames_are_read_in_place_from_our_module_and_from_a_memfd() -> anyhow::Result<()> {
    let check = programs::path("lg-zero-copy-check")?;
    let Some(image) = KvmfrImage::with_gl(&[&check])? else {
        return Ok(());
    };
    let shm = SharedFile::create(MIB.into())?;
    let Some(guest) = image.start(shm.path())? else {
        return Ok(());
    };
    let mut guest = guest.load(&format!("static_size_mb={MIB}"))?;
    // Memory of the module, and memory that needs none.
    for memory in ["/dev/kvmfr0", "memfd"] {
        let said = guest.run_for(&format!("lg-zero-copy-check check {memory}"), LIMIT)?;
        println!("{said}");
        ensure!(said.contains("llvmpipe"), "{said}");
    }
    // Memory that a machine outside has as well.
    guest.run_for("lg-zero-copy-check relayed /dev/kvmfr1", LIMIT)?;
    what_cannot_be_read_in_place_is_copied(&mut guest)?;
    // It refuses as long as one of its buffers lives, whoever holds it.
    guest.run("rmmod kvmfr")?;
    let complaints = guest.kernel_complaints()?;
    ensure!(complaints.is_empty(), "{complaints:#?}");
    Ok(())
}

/// Something is missing, each time something else; the picture is right, and it is said what.
fn what_cannot_be_read_in_place_is_copied(guest: &mut KvmfrGuest) -> anyhow::Result<()> {
    let copied =
        |memory: &str, reason: &str| format!("lg-zero-copy-check copied {memory} '{reason}'");
    // A driver that lacks the call.
    let lacking = "MESA_EXTENSION_OVERRIDE='-GL_OES_EGL_image -GL_OES_EGL_image_external_essl3'";
    let line = format!("{lacking} {}", copied("/dev/kvmfr0", "GL_OES_EGL_image"));
    guest.run_for(&line, LIMIT)?;
    // Memory that is a plain file.
    guest.run(&format!("truncate -s {MIB}M /dev/shm/plain"))?;
    guest.run_for(&copied("/dev/shm/plain", "no DMA-BUFs"), LIMIT)?;
    // A kernel without udmabuf; our own module does not need it.
    guest.run("mv /dev/udmabuf /dev/hidden")?;
    guest.run_for(&copied("memfd", "/dev/udmabuf"), LIMIT)?;
    guest.run("mv /dev/hidden /dev/udmabuf").map(drop)
}
