//! A private X server without a screen of its own.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::io::{FdFlags, fcntl_setfd};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConnectionExt as _, CreateGCAux, ImageFormat,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::compositor::Weston;
use crate::process::Process;
use crate::window_manager::{Running, WindowManager};

/// An X server on a display number of its own choice.
pub struct XServer {
    // Ends before its server.
    manager: Option<Running>,
    process: Process,
    display: String,
}

impl XServer {
    /// Starts one with a screen of that size, 24 bits deep. Skips loudly (`None`) if there is no Xvfb.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(width: u32, height: u32) -> anyhow::Result<Option<Self>> {
        Self::start_with(width, height, &[])
    }

    /// Starts one with further arguments.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_with(width: u32, height: u32, arguments: &[&str]) -> anyhow::Result<Option<Self>> {
        if !crate::has_program("Xvfb", "X server") {
            return Ok(None);
        }
        let mut command = Command::new("Xvfb");
        command.args(["-screen", "0", &format!("{width}x{height}x24")]);
        // Without SECURITY the picture of a pointer stays readable when its maker has gone (testbed.md 1).
        command.args(["-noreset", "-extension", "SECURITY"]);
        command.args(arguments);
        Self::start_command(command).map(Some)
    }

    /// Starts an Xwayland in a window of a compositor; `rootless` as desktops start theirs, where only the windows of X
    /// programs are to be seen. Skips loudly (`None`) if there is none.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_xwayland(compositor: &Weston, rootless: bool) -> anyhow::Result<Option<Self>> {
        if !crate::has_program("Xwayland", "Xwayland") {
            return Ok(None);
        }
        let mut command = Command::new("Xwayland");
        compositor.use_for(&mut command);
        if rootless {
            command.arg("-rootless");
        }
        Self::start_command(command).map(Some)
    }

    fn start_command(mut command: Command) -> anyhow::Result<Self> {
        // The server writes the number it found free into a pipe that it inherits.
        let (reader, writer) = rustix::pipe::pipe()?;
        fcntl_setfd(&writer, FdFlags::empty())?;
        fcntl_setfd(&reader, FdFlags::CLOEXEC)?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&writer.as_fd());
        command.args(["-displayfd", &number.to_string()]);
        command.args(["-nolisten", "tcp", "-ac"]);
        let process = Process::start(&mut command)?;
        drop(writer);
        let text = read_line(&reader)
            .with_context(|| format!("{command:?} did not come up: {}", process.output()))?;
        if text.is_empty() {
            bail!("{command:?} ended: {}", process.output());
        }
        Ok(Self {
            manager: None,
            display: format!(":{text}"),
            process,
        })
    }

    /// What `DISPLAY` must be.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The server's process, to kill or stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Runs a program on this display to its end.
    ///
    /// # Errors
    /// If it cannot be started or fails.
    pub fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(program);
        command.args(arguments).env("DISPLAY", &self.display);
        let output = crate::process::run(&mut command)?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    /// Lets openbox manage the windows from now on. Skips loudly (`false`) if there is no openbox.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn manage(&mut self) -> anyhow::Result<bool> {
        self.manage_by(WindowManager::Openbox)
    }

    /// Lets that program manage the windows from now on. Skips loudly (`false`) if it is not installed.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn manage_by(&mut self, manager: WindowManager) -> anyhow::Result<bool> {
        self.manager = manager.start(&self.display)?;
        Ok(self.manager.is_some())
    }

    /// Changes the size of the screen, up to the size it was started with.
    ///
    /// # Errors
    /// If xrandr fails.
    pub fn resize(&self, width: u32, height: u32) -> anyhow::Result<()> {
        let name = format!("lg-{width}x{height}");
        let (w, h) = (width.to_string(), height.to_string());
        // The timings mean nothing here, but xrandr wants them in order.
        let (w1, h1) = ((width + 8).to_string(), (height + 8).to_string());
        let timings = ["60", &w, &w1, &w1, &w1, &h, &h1, &h1, &h1];
        let _ = self.run("xrandr", &[&["--newmode", &name], &timings[..]].concat());
        let _ = self.run("xrandr", &["--addmode", "screen", &name]);
        self.run("xrandr", &["--output", "screen", "--mode", &name])
            .map(drop)
    }

    /// Makes a picture the background of the screen, at its top left corner: `width * height` pixels as B, G, R, X.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn set_background(&self, width: u16, height: u16, bgrx: &[u8]) -> anyhow::Result<()> {
        let (connection, screen) = RustConnection::connect(Some(&self.display))?;
        let screen = connection.setup().roots.get(screen).context("a screen")?;
        let (root, depth) = (screen.root, screen.root_depth);
        let (pixmap, gc) = (connection.generate_id()?, connection.generate_id()?);
        connection.create_pixmap(depth, pixmap, root, width, height)?;
        connection.create_gc(gc, pixmap, &CreateGCAux::new())?;
        let pitch = usize::from(width) * 4;
        // Requests are limited to 256 KiB.
        let rows = (200_000 / pitch).max(1);
        for (band, bytes) in bgrx.chunks(rows * pitch).enumerate() {
            let (y, height) = (
                i16::try_from(band * rows)?,
                u16::try_from(bytes.len() / pitch)?,
            );
            let format = ImageFormat::Z_PIXMAP;
            connection.put_image(format, pixmap, gc, width, height, 0, y, 0, depth, bytes)?;
        }
        let background = ChangeWindowAttributesAux::new().background_pixmap(pixmap);
        connection.change_window_attributes(root, &background)?;
        connection.clear_area(false, root, 0, 0, 0, 0)?;
        // The server keeps the pixmap for as long as it is the background.
        connection.sync()?;
        Ok(())
    }

    /// Saves the screen as a PNG.
    ///
    /// # Errors
    /// If ImageMagick fails.
    pub fn screenshot(&self, file: &Path) -> anyhow::Result<()> {
        let file = file.to_str().context("a path in UTF-8")?;
        self.run("import", &["-window", "root", file]).map(drop)
    }

    /// Waits until a window is mapped on the screen; false if there is none within `limit`.
    pub fn has_window(&self, limit: Duration) -> bool {
        crate::wait_until(limit, || {
            self.run("xwininfo", &["-root", "-tree"])
                .is_ok_and(|text| text.contains("Looking Glass"))
        })
    }
}

/// Reads the number and the line break, which the server writes apart: it ends if nobody takes the second.
fn read_line(reader: &OwnedFd) -> anyhow::Result<String> {
    let limit = rustix::event::Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut ready = [rustix::event::PollFd::new(
            reader,
            rustix::event::PollFlags::IN,
        )];
        if rustix::event::poll(&mut ready, Some(&limit))? == 0 {
            bail!("no display number within 20 s");
        }
        let mut piece = [0; 16];
        let len = rustix::io::read(reader, &mut piece)?;
        if len == 0 {
            break;
        }
        line.extend_from_slice(&piece[..len]);
    }
    Ok(String::from_utf8(line)?.trim().to_owned())
}
