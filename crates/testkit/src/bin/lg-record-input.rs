//! Runs in a test's guest: prints every event of every input device, so that the test can compare them.
//!
//! A line is `INPUT DEVICE: TYPE CODE VALUE` with the numbers of linux/input-event-codes.h; DEVICE counts from 0. Before
//! them comes `INPUT DEVICE is NAME` for each device, then `GUEST: recording`. Of the events that only group others there is only the one
//! that tells of a loss: more came at once than the kernel keeps for a reader, which is 64 events.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};

/// struct input_event of linux/input.h on a 64-bit machine: a time of 16 bytes, type, code, value.
const EVENT_BYTES: usize = 24;
const EV_SYN: u16 = 0;
const SYN_DROPPED: u16 = 3;
const EV_MSC: u16 = 4;

fn main() -> anyhow::Result<()> {
    let mut output = std::io::stdout();
    let mut devices = Vec::new();
    for number in 0..32 {
        let path = PathBuf::from(format!("/dev/input/event{number}"));
        let name = format!("/sys/class/input/event{number}/device/name");
        if let (Ok(device), Ok(name)) = (File::open(path), std::fs::read_to_string(name)) {
            writeln!(output, "INPUT {} is {}", devices.len(), name.trim())?;
            devices.push((devices.len(), device));
        }
    }
    writeln!(output, "GUEST: recording")?;
    let mut buffer = [0; EVENT_BYTES * 64];
    loop {
        let mut ready: Vec<PollFd<'_>> = devices
            .iter()
            .map(|(_, device)| PollFd::new(device, PollFlags::IN))
            .collect();
        poll(&mut ready, None)?;
        let ready: Vec<bool> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        let mut lines = String::new();
        // A device that was taken away has nothing more to say.
        devices.retain_mut(|(number, device)| {
            if !ready.next().is_some_and(|is_ready| is_ready) {
                return true;
            }
            let Ok(len) = device.read(&mut buffer) else {
                return false;
            };
            for event in buffer[..len].chunks_exact(EVENT_BYTES) {
                let half = |at: usize| u16::from_ne_bytes([event[at], event[at + 1]]);
                let (kind, code) = (half(16), half(18));
                let value = i32::from_ne_bytes([event[20], event[21], event[22], event[23]]);
                let is_grouping = kind == EV_MSC || (kind == EV_SYN && code != SYN_DROPPED);
                if !is_grouping {
                    lines += &format!("INPUT {number}: {kind} {code} {value}\n");
                }
            }
            true
        });
        output.write_all(lines.as_bytes())?;
        output.flush()?;
    }
}
