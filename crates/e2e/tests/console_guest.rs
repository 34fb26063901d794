//! The machine's own screen in the client's window: BIOS, a guest without host application, and the switches to the relayed
//! picture and back; and what becomes of the client when the machine ends.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use e2e::machine_input::BOOT;
use e2e::switching::{Truth, Witness, explain};
use picture::Size;
use picture::png::{self, RgbImage};
use testkit::grab::Grabber;
use testkit::guest::{GuestImage, GuestSpec};
use testkit::machine::{Hardware, Machine, Shell, Spice};
use testkit::process::Process;
use testkit::programs::{self, SharedFile};
use testkit::x_input::XInput;
use testkit::x_server::XServer;

const LIMIT: Duration = Duration::from_secs(60);
/// As large as the guest's X screen.
const WINDOW: Size = Size::new(800, 600);
/// The text screen of a PC.
const SCREEN: Size = Size::new(720, 400);

/// A picture with edges on the guest's X screen, and a text without a blinking cursor on the machine's own.
const SCRIPT: &str = r##"
xsetroot -mod 16 8 -fg "#ffc040" -bg "#204080"
printf '\033[2J\033[?25l\033[5;10HThere is no host application in this guest.' >/dev/tty0
"##;

const START_HOST: &str = "looking-glass-host app:shmFile=pci app:capture=XCB \
    </dev/null >/tmp/host.log 2>&1 & echo $! >/tmp/host.pid";
const KILL_HOST: &str = "kill -9 $(cat /tmp/host.pid)";

/// A client on an X server of its own, whose window begins at the top left corner of the screen.
struct Desk {
    client: Process,
    grabber: Grabber,
    server: XServer,
}

impl Desk {
    /// Shows the window of that client.
    fn start(mut command: Command) -> anyhow::Result<Option<Self>> {
        let Some(server) = XServer::start(WINDOW.width + 100, WINDOW.height)? else {
            return Ok(None);
        };
        // The pointer is not in the window.
        XInput::connect(server.display())?.move_to(850, 300)?;
        let size = format!("win:size={}x{}", WINDOW.width, WINDOW.height);
        command.env("DISPLAY", server.display()).args([
            &size,
            "win:position=0x0",
            "win:borderless=yes",
            "win:dontUpscale=yes",
            "win:alerts=no",
            "win:quickSplash=yes",
            "app:renderer=software",
        ]);
        let grabber = Grabber::open(server.display(), (0, 0), WINDOW)?;
        let client = Process::start(&mut command)?;
        Ok(Some(Self {
            client,
            grabber,
            server,
        }))
    }

    /// Waits until the window shows what `is_wanted`, and returns and saves it.
    fn expect(
        &mut self,
        name: &str,
        mut is_wanted: impl FnMut(&RgbImage) -> anyhow::Result<bool>,
    ) -> anyhow::Result<RgbImage> {
        let mut last = Ok(false);
        let mut seen = None;
        testkit::wait_until(LIMIT, || {
            let grab = self.grabber.grab();
            last = grab.and_then(|picture| is_wanted(seen.insert(picture)));
            !matches!(last, Ok(false)) || self.client.has_ended()
        });
        let seen = seen.context("a picture")?;
        let file = pictures()?.join(format!("{name}.png"));
        std::fs::write(&file, png::encode(&seen)?)?;
        let last = last?;
        ensure!(
            last,
            "the window shows no {name}, but {}; client:\n{}",
            file.display(),
            self.client.output()
        );
        Ok(seen)
    }

    /// Waits until the window shows the machine's own screen.
    fn expect_screen(&mut self, name: &'static str, machine: &Machine) -> anyhow::Result<Truth> {
        let mut truth = None;
        self.expect(name, |seen| {
            let screen = machine.screen()?;
            // Before there is a BIOS, QEMU shows a sentence of its own.
            if screen.size() != SCREEN {
                return Ok(false);
            }
            let shown = truth.insert(Truth::centred(name, &screen, WINDOW)?);
            Ok(shown.explains(seen, false) && colours(seen) > 1)
        })?;
        truth.context("a screen")
    }
}

/// Where the pictures are left, to be looked at.
fn pictures() -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console_guest");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn colours(picture: &RgbImage) -> usize {
    let (pixels, _) = picture.bytes().as_chunks::<3>();
    pixels
        .iter()
        .collect::<std::collections::BTreeSet<_>>()
        .len()
}

fn guest() -> anyhow::Result<Option<GuestImage>> {
    let mut programs = vec![programs::path("looking-glass-host")?];
    for name in ["xsetroot", "xdotool"] {
        let Some(program) = testkit::find_program(name) else {
            testkit::skip(
                "virtual machine",
                &format!("there is no {name} in the PATH"),
            );
            return Ok(None);
        };
        programs.push(program);
    }
    let programs: Vec<&Path> = programs.iter().map(AsRef::as_ref).collect();
    GuestImage::build(&GuestSpec {
        programs: &programs,
        has_x: true,
        script: SCRIPT,
        ..GuestSpec::default()
    })
}

#[test]
fn a_guest_is_shown_from_its_bios_on_and_its_host_application_may_come_and_go() -> anyhow::Result<()>
{
    let Some(image) = guest()? else {
        return Ok(());
    };
    let shm = SharedFile::create(32)?;
    let hardware = Hardware {
        guest: Some(&image),
        shared_memory: Some(shm.path()),
        spice: Some(Spice::default()),
        vga: Some("std"),
        ..Hardware::default()
    };
    let Some(mut machine) = Machine::start(&hardware)? else {
        return Ok(());
    };
    let mut command = programs::client(&shm)?;
    command.args(machine.spice_options());
    let Some(mut desk) = Desk::start(command)? else {
        return Ok(());
    };
    desk.expect_screen("bios", &machine)?;
    machine.expect("GUEST: script ended", BOOT)?;
    let mut shell = machine.shell(BOOT)?;
    let screen = desk.expect_screen("machine's own screen", &machine)?;
    let witness = Witness::start(desk.server.display(), WINDOW)?;
    shell.run(START_HOST, LIMIT)?;
    let is_relayed = |seen: &RgbImage| {
        let has = |rgb: [u8; 3]| (0..16).any(|i| seen.rgb(300 + i, 7 + i / 2) == Some(rgb));
        Ok(has([0xff, 0xc0, 0x40]) && has([0x20, 0x40, 0x80]) && seen.rgb(1, 1) != Some([0; 3]))
    };
    let relayed = desk.expect("relayed picture", is_relayed)?;
    shell.run(KILL_HOST, LIMIT)?;
    desk.expect_screen("machine's own screen again", &machine)?;
    shell.run(START_HOST, LIMIT)?;
    desk.expect("relayed picture again", is_relayed)?;
    let seen = witness.end()?;
    let host = Truth {
        name: "relayed picture",
        window: relayed,
        free: Some((384, 284, 424, 324)),
    };
    let truths = [screen, host];
    let names = explain(&seen, &truths, &pictures()?)?;
    let [screen, host] = truths.each_ref().map(|truth| truth.name);
    // A machine that is too busy for its host's sign of life adds switches to these.
    let is_told = names.first() == Some(&screen) && names.last() == Some(&host);
    ensure!(is_told && names.len() >= 4, "{names:?}");
    pointer_is_put_where_the_users_is(&desk, &mut shell)?;
    machine_ends(desk, &mut machine)
}

/// The guest has no mouse that its X server would take; only our host can move its pointer.
fn pointer_is_put_where_the_users_is(desk: &Desk, shell: &mut Shell) -> anyhow::Result<()> {
    let user = XInput::connect(desk.server.display())?;
    for (x, y) in [(400, 300), (123, 456), (799, 599)] {
        let mut said = String::new();
        let is_there = testkit::wait_until(LIMIT, || {
            // It comes from outside; again, should the host have been too busy to answer in time.
            let moved = user.move_to(850, 300).and_then(|()| user.move_to(x, y));
            said = shell
                .run("xdotool getmouselocation", LIMIT)
                .unwrap_or_else(|error| error.to_string());
            moved.is_ok() && said.starts_with(&format!("x:{x} y:{y} "))
        });
        ensure!(
            is_there,
            "not at {x}, {y}: {said}\n{}",
            desk.client.output()
        );
    }
    Ok(())
}

/// The client ends with the machine, as if the user had wanted it (`app:onVmExit`).
fn machine_ends(mut desk: Desk, machine: &mut Machine) -> anyhow::Result<()> {
    machine.process().kill();
    match desk.client.wait(LIMIT) {
        Some(status) if status.code() == Some(0) => Ok(()),
        status => bail!("{status:?} instead of 0:\n{}", desk.client.output()),
    }
}

#[test]
fn a_client_ends_with_the_machine_or_waits_for_its_return() -> anyhow::Result<()> {
    let hardware = Hardware {
        spice: Some(Spice::default()),
        vga: Some("std"),
        ..Hardware::default()
    };
    let Some(mut machine) = Machine::start(&hardware)? else {
        return Ok(());
    };
    let mut command = programs::machine_client(&machine)?;
    command.arg("app:onVmExit=wait");
    let Some(mut waiting) = Desk::start(command)? else {
        return Ok(());
    };
    waiting.expect_screen("first machine", &machine)?;
    machine.restart()?;
    // Both look the same.
    let sessions = |desk: &Desk| desk.client.output().matches("virtual machine \"").count();
    let is_back = testkit::wait_until(LIMIT, || sessions(&waiting) == 2);
    ensure!(is_back, "{}", waiting.client.output());
    waiting.expect_screen("second machine", &machine)?;
    // It gives way: there can be one client at a time.
    waiting.client.signal(rustix::process::Signal::TERM);
    ensure!(
        waiting
            .client
            .wait(LIMIT)
            .is_some_and(|status| status.success())
    );
    let Some(mut leaving) = Desk::start(programs::machine_client(&machine)?)? else {
        return Ok(());
    };
    leaving.expect_screen("second machine to another client", &machine)?;
    machine_ends(leaving, &mut machine)
}
