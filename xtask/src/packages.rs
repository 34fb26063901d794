//! Debian packages that the tests use.

use std::process::Command;

use crate::run::step;

/// What the tests start or load: X servers, compositors, software GL, a virtual machine, screenshots,
/// and what builds a kernel module.
const TEST_PACKAGES: &[&str] = &[
    "alsa-utils",
    "busybox-static",
    "checkpolicy",
    "cpio",
    "dbus",
    "gcc-12",
    "grim",
    "imagemagick",
    "kmod",
    "libclang-dev",
    "libegl1",
    "libgl1-mesa-dri",
    "libgles2",
    "libpipewire-0.3-dev",
    "libspa-0.2-dev",
    "libwayland-client0",
    "libwayland-egl1",
    "libxcb-shm0",
    "libxcb1",
    "libxkbcommon0",
    "make",
    "mwm",
    "openbox",
    "openssl",
    "pahole",
    "pipewire",
    "pipewire-bin",
    "pipewire-pulse",
    "pkg-config",
    "pulseaudio",
    "pulseaudio-utils",
    "qemu-system-x86",
    "sparse",
    "spice-vdagent",
    "sway",
    "twm",
    "weston",
    "wireplumber",
    "wl-clipboard",
    "x11-apps",
    "x11-utils",
    "x11-xserver-utils",
    "xclip",
    "xdotool",
    "xserver-xorg-core",
    "xserver-xorg-video-dummy",
    "xvfb",
    "xwayland",
    "zstd",
];

/// sway refuses to run as root; its tests drop to this user.
const TEST_USER: &str = "bed";

/// Installs what is missing, or says what to run and goes on: the tests skip loudly what they cannot start.
pub(crate) fn ensure() -> anyhow::Result<()> {
    if is_root_on_debian() && !has_user(TEST_USER) {
        step(
            "user for sway",
            Command::new("useradd").args(["--create-home", TEST_USER]),
        )?;
    }
    let missing: Vec<&str> = TEST_PACKAGES
        .iter()
        .copied()
        .filter(|name| !is_installed(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root_on_debian() {
        println!("!!! Tests will be SKIPPED for want of packages. To install them, run:");
        println!(
            "!!!   sudo apt-get install --no-install-recommends {}",
            missing.join(" ")
        );
        return Ok(());
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command.args(["-o", "DPkg::Lock::Timeout=900", "-qq"]);
        command
    };
    step("apt-get update", apt().arg("update"))?;
    step(
        "apt-get install",
        apt()
            .args(["install", "-y", "--no-install-recommends"])
            .args(&missing),
    )
}

fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f=${db:Status-Status}", package])
        .output()
        .is_ok_and(|out| out.stdout == b"installed")
}

fn has_user(name: &str) -> bool {
    Command::new("id")
        .arg(name)
        .output()
        .is_ok_and(|out| out.status.success())
}

fn is_root_on_debian() -> bool {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|out| out.stdout == b"0\n");
    is_root && std::path::Path::new("/etc/debian_version").exists()
}
