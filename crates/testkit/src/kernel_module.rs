//! The kernel module in `module/`, built for a Debian kernel.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kernel_tree::KernelTree;
use anyhow::ensure;

/// The folder that holds everything.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The module's sources in a folder of their own.
///
/// # Errors
/// If they cannot be copied.
pub fn sources() -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let module = repository().join("module");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(module.join("."))
        .arg(folder.path())
        .status()?;
    ensure!(copied.success(), "copying {}", module.display());
    Ok(folder)
}

/// Builds what is in a folder of [`sources`] with all warnings and no patience for them: the module, and the driver that
/// tests use its buffers by. `None`, loudly, if there is nothing to build with.
///
/// # Errors
/// If it does not build without a word.
pub fn build(kernel: &KernelTree, folder: &Path) -> anyhow::Result<Option<[PathBuf; 2]>> {
    for program in ["make", "gcc-12", "pahole"] {
        if !crate::has_program(program, "kernel module") {
            return Ok(None);
        }
    }
    let is_sparse = crate::has_program("sparse", "types of the kernel module");
    let make = |folder: &Path| -> anyhow::Result<()> {
        let mut make = Command::new("make");
        make.arg("-C").arg(kernel.headers()?);
        make.arg(format!("M={}", folder.display()));
        make.args(["W=1", if is_sparse { "C=2" } else { "C=0" }, "modules"]);
        let output = make.env_remove("MAKEFLAGS").output()?;
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success() && !text.contains("warning: "),
            "{text}"
        );
        Ok(())
    };
    let test = folder.join("test");
    make(folder)?;
    make(&test)?;
    Ok(Some([folder.join("kvmfr.ko"), test.join("kvmfr_test.ko")]))
}
