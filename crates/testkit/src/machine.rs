//! A virtual machine by QEMU without KVM, with a SPICE server and whatever devices a test wants.
//!
//! Without a [`GuestImage`] it shows the screen of its BIOS and stays there. With one, a busy machine takes 5 to 30 s
//! until the guest's script runs.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use picture::png::RgbImage;

use crate::guest::GuestImage;
use crate::process::Process;

/// The longest that QEMU may take until its SPICE server listens.
const START: Duration = Duration::from_secs(60);

/// The longest that QEMU's monitor may take.
const MONITOR: Duration = Duration::from_secs(30);
const PROMPT: &[u8] = b"(qemu) ";

/// The IVSHMEM device that can be unplugged.
const PLUGGED: &str = "ivshmem-plain,memdev=lg,id=lg-device,bus=lg-port";

/// What a machine has.
#[derive(Clone, Copy, Default)]
pub struct Hardware<'a> {
    /// What it boots.
    pub guest: Option<&'a GuestImage>,
    /// The file behind its IVSHMEM device.
    pub shared_memory: Option<&'a Path>,
    /// That device is behind a port of its own, so that [`Machine::unplug`] can take it away.
    pub can_unplug: bool,
    /// Its SPICE server, on a unix socket.
    pub spice: Option<Spice<'a>>,
    /// Keyboard, mouse and tablet by virtio instead of those of a PC. The guest needs `virtio_input`.
    pub has_input: bool,
    /// The port of the SPICE agent. The guest needs `virtio_console`.
    pub has_agent: bool,
    /// A graphics card as `-vga` knows it, `std` for instance.
    pub vga: Option<&'a str>,
    /// Its UUID.
    pub uuid: Option<&'a str>,
    /// Further arguments for QEMU.
    pub arguments: &'a [&'a str],
    /// Further words of the kernel's command line.
    pub kernel_line: &'a str,
}

/// A SPICE server.
#[derive(Clone, Copy, Default)]
pub struct Spice<'a> {
    /// Without one, anybody may connect.
    pub password: Option<&'a str>,
    /// Further options, as `agent-mouse=off`.
    pub options: &'a str,
}

/// A running virtual machine; killed when dropped.
pub struct Machine {
    process: Process,
    arguments: Vec<OsString>,
    has_spice: bool,
    folder: tempfile::TempDir,
}

impl Machine {
    /// Starts one, and waits until its SPICE server listens. `None`, loudly, if there is no QEMU with SPICE.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(hardware: &Hardware<'_>) -> anyhow::Result<Option<Self>> {
        if !crate::has_program("qemu-system-x86_64", "virtual machine") {
            return Ok(None);
        }
        if hardware.spice.is_some() && !knows_spice()? {
            crate::skip("virtual machine", "this qemu-system-x86_64 has no SPICE");
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let arguments = arguments(hardware, folder.path())?;
        let mut machine = Self {
            process: launch(&arguments)?,
            arguments,
            has_spice: hardware.spice.is_some(),
            folder,
        };
        machine.wait_for_spice()?;
        Ok(Some(machine))
    }

    /// The machine's process; its output is the first serial port, which is the guest's console.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The console so far.
    #[must_use]
    pub fn console(&self) -> String {
        self.process.output()
    }

    /// Waits until the console shows `text`.
    ///
    /// # Errors
    /// If it does not within `limit`; the console's text is in the error.
    pub fn expect(&mut self, text: &str, limit: Duration) -> anyhow::Result<()> {
        if !self.process.prints(text, limit) {
            bail!("the guest did not print \"{text}\":\n{}", self.console());
        }
        Ok(())
    }

    /// Where the SPICE server listens.
    #[must_use]
    pub fn spice_socket(&self) -> PathBuf {
        self.folder.path().join("spice.sock")
    }

    /// The options that connect our client with it.
    #[must_use]
    pub fn spice_options(&self) -> [String; 3] {
        let host = format!("spice:host={}", self.spice_socket().display());
        ["spice:enable=yes".into(), host, "spice:port=0".into()]
    }

    /// Ends the machine at once, however it is, and starts another with the same hardware at the same place.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.process.kill();
        // QEMU replaces its own sockets, but a left one would be taken for the new one's.
        let _ = std::fs::remove_file(self.spice_socket());
        self.process = launch(&self.arguments)?;
        self.wait_for_spice()
    }

    /// What is on its screen, as QEMU itself has it.
    ///
    /// # Errors
    /// If its monitor does not say.
    pub fn screen(&self) -> anyhow::Result<RgbImage> {
        let file = self.folder.path().join("screen.ppm");
        self.monitor(&format!("screendump {}", file.display()))?;
        crate::ppm::parse(&std::fs::read(&file)?)
    }

    /// Takes the IVSHMEM device out, as by the button on a real machine; the guest must let go of it. Its memory stays.
    ///
    /// # Errors
    /// If the guest does not.
    pub fn unplug(&self) -> anyhow::Result<()> {
        let said = self.monitor("device_del lg-device")?;
        let mut devices = String::new();
        let is_out = crate::wait_until(MONITOR, || {
            devices = self.monitor("info qtree").unwrap_or_default();
            !devices.is_empty() && !devices.contains("lg-device")
        });
        if !is_out {
            bail!("the device is still there: {said}\n{devices}");
        }
        Ok(())
    }

    /// Puts an IVSHMEM device with memory of that file in, where [`Machine::unplug`] took one out; the guest finds it when
    /// it is ready.
    ///
    /// # Errors
    /// If QEMU refuses.
    pub fn plug(&self, file: &Path) -> anyhow::Result<()> {
        // QEMU does not survive that a device takes over the memory of one that was taken out.
        let memory = memory_backend(file, "lg-again")?;
        let device = PLUGGED.replace("memdev=lg,", "memdev=lg-again,");
        for line in [
            format!("object_add {memory}"),
            format!("device_add {device}"),
        ] {
            let said = self.monitor(&line)?;
            if said.contains("Error") {
                bail!("{line}: {said}");
            }
        }
        Ok(())
    }

    /// What QEMU's monitor answers to a line.
    fn monitor(&self, line: &str) -> anyhow::Result<String> {
        let mut monitor = UnixStream::connect(self.folder.path().join("monitor.sock"))?;
        monitor.set_read_timeout(Some(MONITOR))?;
        writeln!(monitor, "{line}")?;
        // One prompt for the start, one when it is done.
        let mut said = Vec::new();
        while said.windows(PROMPT.len()).filter(|w| w == &PROMPT).count() < 2 {
            let mut piece = [0; 4096];
            let len = monitor.read(&mut piece).context("QEMU's monitor")?;
            let new = piece.get(..len).unwrap_or_default();
            if new.is_empty() {
                bail!("QEMU's monitor: {}", String::from_utf8_lossy(&said));
            }
            said.extend_from_slice(new);
        }
        // It draws what it is told anew for each letter.
        let said = String::from_utf8_lossy(&said);
        let lines = said.lines().filter(|line| !line.contains('\u{1b}'));
        Ok(lines.collect::<Vec<&str>>().join("\n"))
    }

    /// A shell in the guest, which is there when its script runs. There is only one at a time.
    ///
    /// # Errors
    /// If there is none within `limit`.
    pub fn shell(&mut self, limit: Duration) -> anyhow::Result<Shell> {
        self.expect("GUEST: shell ready", limit)?;
        let stream = UnixStream::connect(self.folder.path().join("shell.sock"))
            .context("connecting to the guest's shell")?;
        let mut shell = Shell {
            stream,
            unread: Vec::new(),
        };
        shell.run("true", limit)?;
        Ok(shell)
    }

    fn wait_for_spice(&mut self) -> anyhow::Result<()> {
        let socket = self.spice_socket();
        let process = &mut self.process;
        let is_up = !self.has_spice
            || crate::wait_until(START, || {
                process.has_ended() || UnixStream::connect(&socket).is_ok()
            });
        if !is_up || process.has_ended() {
            bail!("QEMU did not start:\n{}", process.output());
        }
        Ok(())
    }
}

/// A shell in a guest, over a serial port.
pub struct Shell {
    stream: UnixStream,
    unread: Vec<u8>,
}

impl Shell {
    /// Runs one line of shell and returns what it printed.
    ///
    /// # Errors
    /// If it fails or does not end within `limit`; what it printed is in the error.
    pub fn run(&mut self, line: &str, limit: Duration) -> anyhow::Result<String> {
        writeln!(self.stream, "{line}")?;
        let until = Instant::now() + limit;
        loop {
            let text = String::from_utf8_lossy(&self.unread).into_owned();
            if let Some((said, rest)) = text.split_once("LG-END ")
                && let Some((status, _)) = rest.split_once('\n')
            {
                self.unread.clear();
                if status.trim() != "0" {
                    bail!("in the guest: {line}: status {status}:\n{said}");
                }
                return Ok(said.to_owned());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("in the guest: {line}: no end within {limit:?}:\n{text}");
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => bail!("in the guest: {line}: the machine ended:\n{text}"),
                Ok(len) => self.unread.extend_from_slice(&piece[..len]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn launch(arguments: &[OsString]) -> anyhow::Result<Process> {
    Process::start(Command::new("qemu-system-x86_64").args(arguments))
}

/// The exit status of the question differs between versions; a QEMU without SPICE knows no such option.
fn knows_spice() -> anyhow::Result<bool> {
    let help = Command::new("qemu-system-x86_64")
        .args(["-spice", "help"])
        .output()?;
    Ok(String::from_utf8_lossy(&help.stdout).contains("ticketing"))
}

/// QEMU's name for memory that is a file.
fn memory_backend(file: &Path, id: &str) -> anyhow::Result<String> {
    let mib = std::fs::metadata(file)?.len() >> 20;
    let path = file.display();
    Ok(format!(
        "memory-backend-file,id={id},mem-path={path},size={mib}M,share=on"
    ))
}

fn arguments(hardware: &Hardware<'_>, folder: &Path) -> anyhow::Result<Vec<OsString>> {
    let mut line = String::from(
        "-M q35 -accel tcg,thread=multi -cpu max -smp 2 -display none -no-reboot -nodefaults -serial stdio",
    );
    let shell = folder.join("shell.sock");
    line += &format!(
        " -chardev socket,id=shell,server=on,wait=off,path={} -serial chardev:shell",
        shell.display()
    );
    let monitor = folder.join("monitor.sock");
    line += &format!(" -monitor unix:{},server=on,wait=off", monitor.display());
    if let Some(file) = hardware.shared_memory {
        line += &format!(" -object {}", memory_backend(file, "lg")?);
        line += &if hardware.can_unplug {
            format!(" -device pcie-root-port,id=lg-port,chassis=1 -device {PLUGGED}")
        } else {
            " -device ivshmem-plain,memdev=lg".to_owned()
        };
    }
    if let Some(spice) = hardware.spice {
        let addr = folder.join("spice.sock");
        line += &format!(" -spice unix=on,addr={}", addr.display());
        match spice.password {
            Some(_) => line += ",password-secret=ticket",
            None => line += ",disable-ticketing=on",
        }
        if !spice.options.is_empty() {
            line += &format!(",{}", spice.options);
        }
    }
    if hardware.has_input {
        line += " -device virtio-keyboard-pci -device virtio-mouse-pci -device virtio-tablet-pci";
    }
    if hardware.has_agent {
        line += " -device virtio-serial-pci -chardev spicevmc,id=agent,name=vdagent";
        line += " -device virtserialport,chardev=agent,name=com.redhat.spice.0";
    }
    if let Some(uuid) = hardware.uuid {
        line += &format!(" -uuid {uuid}");
    }
    line += &format!(" -vga {}", hardware.vga.unwrap_or("none"));
    line += &format!(" -m {}", if hardware.guest.is_some() { 1024 } else { 64 });
    let mut arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    if let Some(password) = hardware.spice.and_then(|spice| spice.password) {
        arguments.push("-object".into());
        arguments.push(format!("secret,id=ticket,data={password}").into());
    }
    if let Some(guest) = hardware.guest {
        arguments.extend(["-kernel".into(), guest.kernel().into()]);
        arguments.extend(["-initrd".into(), guest.ram_disk().into()]);
        let mut append = String::from("console=ttyS0 quiet panic=-1 mitigations=off");
        if hardware.has_input {
            // The PC's own keyboard follows the lights half a second late, and the server hears of both.
            append += " i8042.nokbd i8042.noaux";
        }
        append += &format!(" {}", hardware.kernel_line);
        arguments.extend(["-append".into(), append.into()]);
    }
    arguments.extend(hardware.arguments.iter().map(OsString::from));
    Ok(arguments)
}
