//! A virtual machine whose guest has an X session and the real SPICE agent, and what is copied and pasted there.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};
use testkit::guest::{GuestImage, GuestSpec};
use testkit::machine::{Hardware, Machine, Shell, Spice};

use crate::machine_input::BOOT;

/// The longest that one transfer may take; eight MiB through two virtual processors of a busy machine are slow.
const LIMIT: Duration = Duration::from_secs(60);

/// Starts both halves of the agent, without the udev and the session manager of a whole system.
const SCRIPT: &str = "
mkdir -p /run/spice-vdagentd /dev/virtio-ports
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
for port in /sys/class/virtio-ports/*; do
    ln -s /dev/${port##*/} /dev/virtio-ports/$(cat $port/name)
done
export NO_AT_BRIDGE=1 HOME=/tmp GDK_BACKEND=x11
spice-vdagentd -x -X -d -d >/tmp/vdagentd.log 2>&1 &
while [ ! -S /run/spice-vdagentd/spice-vdagent-sock ]; do sleep 0.1; done
spice-vdagent -x -d >/tmp/vdagent.log 2>&1 &
";

/// What can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// A PNG file.
    Png,
}

impl Kind {
    /// What X11 calls it.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::Text => "UTF8_STRING",
            Self::Png => "image/png",
        }
    }

    /// What Wayland calls it.
    #[must_use]
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Text => "text/plain;charset=utf-8",
            Self::Png => "image/png",
        }
    }
}

/// The side of the machine that this test runs on.
pub trait Outside {
    /// Copies: the data are there to be pasted from now on.
    ///
    /// # Errors
    /// If that cannot be done.
    fn copy(&mut self, kind: Kind, data: &[u8]) -> anyhow::Result<()>;

    /// Pastes what is there; `None` if there is nothing of that kind.
    ///
    /// # Errors
    /// If that cannot be done.
    fn paste(&mut self, kind: Kind) -> anyhow::Result<Option<Vec<u8>>>;

    /// The user is about to copy in the guest.
    ///
    /// # Errors
    /// If that cannot be done.
    fn before_guest_copies(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// What there is to say when something fails.
    fn log(&self) -> String {
        String::new()
    }
}

/// Something to copy.
pub struct Sample {
    /// Its name in messages, and of its file in the guest.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// It.
    pub data: Vec<u8>,
}

/// Text with non-Latin letters, eight MiB of text, and a picture.
///
/// # Errors
/// If the picture cannot be made.
pub fn samples() -> anyhow::Result<Vec<Sample>> {
    let letters =
        "Grüße, мир, Ελλάδα, 你好, ありがとう, שלום, 🦀 — ẞ\nsecond line\n\ttab and \"quotes\"";
    let mut long = String::new();
    let mut line = 0;
    while long.len() < 8 << 20 {
        long += &format!("line {line}: {letters}\n");
        line += 1;
    }
    let mut cut = 8 << 20;
    while !long.is_char_boundary(cut) {
        cut -= 1;
    }
    long.truncate(cut);
    let size = picture::Size::new(300, 200);
    let rgb = (0..300 * 200_u32).flat_map(|i| [i as u8, (i >> 5) as u8, ((i * i) >> 9) as u8]);
    let image = picture::png::RgbImage::new(size, rgb.collect()).context("a picture")?;
    let sample = |name, kind, data| Sample { name, kind, data };
    Ok(vec![
        sample("letters", Kind::Text, letters.into()),
        sample("picture", Kind::Png, picture::png::encode(&image)?),
        sample("long", Kind::Text, long.into_bytes()),
    ])
}

/// A machine with an agent.
pub struct AgentGuest {
    /// The machine.
    pub machine: Machine,
    /// A shell in its guest.
    pub shell: Shell,
}

impl AgentGuest {
    /// Boots it, with the samples as files of their names in `/samples`; `None`, loudly, where that is not possible.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn boot(samples: &[Sample]) -> anyhow::Result<Option<Self>> {
        let mut programs = Vec::new();
        for (name, folder) in [
            ("spice-vdagent", "/usr/bin"),
            ("spice-vdagentd", "/usr/sbin"),
            ("xclip", "/usr/bin"),
        ] {
            let path = Path::new(folder).join(name);
            if !path.is_file() {
                testkit::skip("clipboard of a guest", &format!("there is no {name}"));
                return Ok(None);
            }
            programs.push(path);
        }
        let programs: Vec<&Path> = programs.iter().map(AsRef::as_ref).collect();
        let folder = tempfile::tempdir()?;
        for sample in samples {
            std::fs::write(folder.path().join(sample.name), &sample.data)?;
        }
        let spec = GuestSpec {
            programs: &programs,
            files: &[(folder.path(), "/samples")],
            modules: &["virtio_pci", "virtio_console", "uinput"],
            has_x: true,
            script: SCRIPT,
            ..GuestSpec::default()
        };
        let Some(image) = GuestImage::build(&spec)? else {
            return Ok(None);
        };
        let hardware = Hardware {
            guest: Some(&image),
            spice: Some(Spice::default()),
            has_agent: true,
            vga: Some("std"),
            ..Hardware::default()
        };
        let Some(mut machine) = Machine::start(&hardware)? else {
            return Ok(None);
        };
        machine.expect("GUEST: script ended", BOOT)?;
        let shell = machine.shell(BOOT)?;
        Ok(Some(Self { machine, shell }))
    }

    /// Copies a sample in the guest.
    ///
    /// # Errors
    /// If that fails.
    pub fn copy(&mut self, sample: &Sample) -> anyhow::Result<()> {
        let (target, name) = (sample.kind.target(), sample.name);
        let line =
            format!("xclip -selection clipboard -t {target} -i /samples/{name} >/dev/null 2>&1");
        self.shell.run(&line, LIMIT).map(drop)
    }

    /// Pastes in the guest and returns the SHA-256 of it; of nothing if there is nothing of that kind.
    ///
    /// # Errors
    /// If the guest does not answer.
    pub fn paste(&mut self, kind: Kind) -> anyhow::Result<String> {
        let line = format!(
            "timeout 50 xclip -selection clipboard -o -t {} 2>/dev/null | sha256sum",
            kind.target()
        );
        let sum = self.shell.run(&line, LIMIT)?;
        let sum = sum.split_whitespace().next().unwrap_or_default();
        Ok(sum.to_owned())
    }

    /// What the agent logged.
    pub fn logs(&mut self) -> String {
        let said = self
            .shell
            .run("tail -n 40 /tmp/vdagentd.log /tmp/vdagent.log", LIMIT);
        said.unwrap_or_else(|error| error.to_string())
    }
}

/// Each sample that is copied outside is pasted in the guest as it was, and the other way round.
///
/// The sides take turns with different samples, so that nobody can be seen to paste what it copied itself.
///
/// # Errors
/// If one is not.
pub fn clipboard_goes_both_ways(
    guest: &mut AgentGuest,
    outside: &mut dyn Outside,
    samples: &[Sample],
) -> anyhow::Result<()> {
    let others = samples.iter().cycle().skip(1);
    for (ours, theirs) in samples.iter().zip(others) {
        outside.copy(ours.kind, &ours.data)?;
        let expected = sha256(&ours.data);
        let is_there = until(|| Ok(guest.paste(ours.kind)? == expected))?;
        ensure!(
            is_there,
            "{} is not pasted in the guest:\n{}\n{}",
            ours.name,
            guest.logs(),
            outside.log()
        );
        outside.before_guest_copies()?;
        guest.copy(theirs)?;
        let mut last = None;
        let is_there = until(|| {
            last = outside.paste(theirs.kind)?;
            Ok(last.as_ref() == Some(&theirs.data))
        })?;
        ensure!(
            is_there,
            "{} is not pasted outside, but {:?} of {} bytes:\n{}\n{}",
            theirs.name,
            last.map(|data| data.len()),
            theirs.data.len(),
            guest.logs(),
            outside.log()
        );
    }
    Ok(())
}

/// Asks again and again, as nobody tells when a clipboard has changed hands.
fn until(mut is_there: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<bool> {
    let until = Instant::now() + LIMIT;
    while Instant::now() < until {
        if is_there()? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn sha256(data: &[u8]) -> String {
    let digest = Sha256::digest(data);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
