//! A machine whose guest tells all input that it gets.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use testkit::guest::{GuestImage, GuestSpec};
use testkit::machine::{Hardware, Machine, Shell, Spice};
use testkit::programs;

use super::{EV_ABS, EV_KEY, EV_REL, EV_SYN, Hands, Lights};

/// TCG on two busy cores boots in 4 to 30 s.
pub const BOOT: Duration = Duration::from_secs(120);
/// The longest that an event may take; a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(30);

/// Numbers of linux/input-event-codes.h.
const REL_X: u16 = 0;
const REL_Y: u16 = 1;

/// Scroll Lock needs somebody who reads the terminal; it takes the lights as well then.
const SCRIPT: &str = "setsid cat </dev/tty1 >/dev/null 2>&1 &\nlg-record-input &";

/// An event in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Which of the guest's devices brought it.
    pub device: usize,
    /// `EV_KEY` and so on.
    pub kind: u16,
    /// Which key or axis.
    pub code: u16,
    /// Down, up, or how far.
    pub value: i32,
}

/// A machine whose guest tells all input that it gets.
pub struct Recorder {
    /// The machine.
    pub machine: Machine,
    /// A shell in its guest.
    pub shell: Shell,
    /// Names of the guest's devices.
    devices: Vec<String>,
    /// Bytes of the console that were looked at.
    seen: usize,
}

impl Recorder {
    /// Boots it; `None`, loudly, where that is not possible.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn boot() -> anyhow::Result<Option<Self>> {
        let program = programs::path("lg-record-input")?;
        let spec = GuestSpec {
            programs: &[&program],
            modules: &["evdev", "virtio_pci", "virtio_input"],
            script: SCRIPT,
            ..GuestSpec::default()
        };
        let Some(image) = GuestImage::build(&spec)? else {
            return Ok(None);
        };
        let hardware = Hardware {
            guest: Some(&image),
            spice: Some(Spice::default()),
            has_input: true,
            vga: Some("std"),
            ..Hardware::default()
        };
        let Some(mut machine) = Machine::start(&hardware)? else {
            return Ok(None);
        };
        machine.expect("GUEST: recording", BOOT)?;
        let shell = machine.shell(BOOT)?;
        let console = machine.console();
        let names = console.lines().filter_map(|line| {
            let (_, name) = line.strip_prefix("INPUT ")?.split_once(" is ")?;
            Some(name.trim().to_owned())
        });
        Ok(Some(Self {
            devices: names.collect(),
            seen: console.len(),
            shell,
            machine,
        }))
    }

    /// Everything that has arrived since [`Recorder::forget`].
    #[must_use]
    pub fn events(&self) -> Vec<Arrived> {
        let console = self.machine.console();
        let new = console.get(self.seen..).unwrap_or_default();
        // The last line may be half of one.
        let lines = new
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        lines.filter_map(parse).collect()
    }

    /// Starts afresh.
    pub fn forget(&mut self) {
        self.seen = self.machine.console().len();
    }

    /// Waits until `is_complete` holds of all that has arrived, and returns it.
    ///
    /// # Errors
    /// If it never does; the error holds what there was.
    pub fn wait(
        &self,
        what: &str,
        is_complete: impl Fn(&[Arrived]) -> bool,
    ) -> anyhow::Result<Vec<Arrived>> {
        let mut events = Vec::new();
        let is_lost = |events: &[Arrived]| events.iter().any(|event| event.kind == EV_SYN);
        let is_there = testkit::wait_until(LIMIT, || {
            events = self.events();
            is_complete(&events) || is_lost(&events)
        });
        ensure!(!is_lost(&events), "{what}: too much at once for the guest");
        ensure!(is_there, "{what}: only {events:?} arrived");
        Ok(events)
    }

    /// The number of the guest's device of that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn device(&self, name: &str) -> anyhow::Result<usize> {
        let found = self.devices.iter().position(|device| device.contains(name));
        found.with_context(|| format!("no {name} among {:?}", self.devices))
    }

    /// The lights of the guest's keyboard. Its kernel does not tell of them by an event before the next key.
    ///
    /// # Errors
    /// If the guest does not say.
    pub fn lights(&mut self) -> anyhow::Result<Lights> {
        let names = ["scrolllock", "numlock", "capslock"];
        let files = names.map(|name| format!("/sys/class/leds/*::{name}/brightness"));
        let said = self.shell.run(&format!("cat {}", files.join(" ")), LIMIT)?;
        let mut lines = said.lines().map(|line| line.trim() != "0");
        match (lines.next(), lines.next(), lines.next(), lines.next()) {
            (Some(scroll), Some(num), Some(caps), None) => Ok(Lights { scroll, num, caps }),
            _ => bail!("one keyboard has three lights: {said}"),
        }
    }

    /// Waits until the lights of the guest's keyboard are these.
    ///
    /// # Errors
    /// If they never are.
    pub fn wait_for_lights(&mut self, wanted: Lights) -> anyhow::Result<()> {
        let mut lights = self.lights();
        let until = Instant::now() + LIMIT;
        while Instant::now() < until && lights.as_ref().is_ok_and(|lights| *lights != wanted) {
            lights = self.lights();
        }
        let lights = lights?;
        ensure!(lights == wanted, "{lights:?}, not {wanted:?}");
        Ok(())
    }

    /// Takes the tablet away from the guest's driver: there are no positions from now on.
    ///
    /// # Errors
    /// If that fails.
    pub fn remove_tablet(&mut self) -> anyhow::Result<()> {
        let line = "for input in /sys/bus/virtio/drivers/virtio_input/virtio*; do \
            if grep -q Tablet $input/input/input*/name; then \
            echo ${input##*/} >/sys/bus/virtio/drivers/virtio_input/unbind; fi; done";
        self.shell.run(line, LIMIT).map(drop)
    }

    /// Waits until the guest's tablet has gone to a pixel of a screen of that size. An axis at rest is not told again.
    pub(crate) fn expect_position(&self, at: (u32, u32), size: (u32, u32)) -> anyhow::Result<()> {
        let tablet = self.device("Tablet")?;
        let expected = (on_axis(at.0, size.0), on_axis(at.1, size.1));
        self.wait(&format!("{at:?}: {expected:?}"), |events| {
            let (x, y) = (axis(events, tablet, 0), axis(events, tablet, 1));
            (x, y) != (None, None)
                && x.is_none_or(|x| x == expected.0)
                && y.is_none_or(|y| y == expected.1)
        })?;
        Ok(())
    }

    /// Presses and releases, and waits until the guest knows.
    pub(crate) fn tap(&self, hands: &mut dyn Hands, code: u16) -> anyhow::Result<()> {
        let before = presses(&self.events()).len();
        hands.key(code, true)?;
        hands.key(code, false)?;
        self.wait("a tapped key", |events| {
            presses(events).len() > before && is_up(events, code)
        })?;
        Ok(())
    }
}

fn parse(line: &str) -> Option<Arrived> {
    let (device, event) = line.trim().strip_prefix("INPUT ")?.split_once(": ")?;
    let mut fields = event.split(' ');
    let mut next = || fields.next();
    Some(Arrived {
        device: device.parse().ok()?,
        kind: next()?.parse().ok()?,
        code: next()?.parse().ok()?,
        value: next()?.parse().ok()?,
    })
}

/// The last that is known of a key or button is that it went up.
pub(crate) fn is_up(events: &[Arrived], code: u16) -> bool {
    let of_key = |event: &&Arrived| (event.kind, event.code) == (EV_KEY, code);
    events
        .iter()
        .rev()
        .find(of_key)
        .is_some_and(|event| event.value == 0)
}

/// Presses and releases, without the guest's own repetition.
pub(crate) fn presses(events: &[Arrived]) -> Vec<(u16, i32)> {
    let presses = events
        .iter()
        .filter(|event| event.kind == EV_KEY && event.value != 2);
    presses.map(|event| (event.code, event.value)).collect()
}

/// The sum of all relative motion.
pub(crate) fn relative(events: &[Arrived]) -> (i32, i32) {
    let sum = |code| {
        let on = events
            .iter()
            .filter(|event| (event.kind, event.code) == (EV_REL, code));
        on.map(|event| event.value).sum::<i32>()
    };
    (sum(REL_X), sum(REL_Y))
}

/// Where QEMU puts a pixel on an axis of 0 to 32767.
fn on_axis(pixel: u32, side: u32) -> i32 {
    i32::try_from(u64::from(pixel) * 0x7fff / u64::from(side.max(1))).unwrap_or(0)
}

/// What was last told of a tablet's axis.
fn axis(events: &[Arrived], tablet: usize, code: u16) -> Option<i32> {
    let is_it = |event: &&Arrived| (event.device, event.kind, event.code) == (tablet, EV_ABS, code);
    events.iter().rev().find(is_it).map(|event| event.value)
}
