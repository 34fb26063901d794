//! Playback: what happens to a stream between the source's packets and the device's requests.
//!
//! # The problem
//!
//! The source sends frames at the pace of its own crystal, the device asks for frames at the pace of another. Both say
//! 48 kHz, and differ by up to some hundred millionths (ppm). 100 ppm are 5 ms a minute: a plain buffer between them
//! runs empty or full within the hour. So the frames are resampled by a ratio that is the ratio of the two crystals,
//! and nothing else: an error of the ratio that one could hear would be an error of pitch.
//!
//! The ratio cannot be had by counting for a moment. Packets arrive late by anything up to 40 ms; requests come in
//! periods of up to 85 ms. F. Adriaensen put the solution into two papers: *Using a DLL to filter time* (2005) shows how
//! to make a smooth clock out of events that jitter, *Controlling adaptive resampling* (2012) how to close a loop over
//! two such clocks. The seed of this project did so by the book ([`crate::reference`]); this is what it does now.
//!
//! # The parts
//!
//! ```text
//!   packets ──► SourceClock ── due ──┐                              ┌── played ── DeviceClock ◄── requests
//!      │             │               ▼                              ▼                  │
//!      │           jitter ──► Target ──► error = latency − target ──┴─► Placing        │
//!      │             │                        │                        │ jump, skip    │
//!      │           pace ───────────────► Controller ◄──────────────────┼──── pace ─────┘
//!      │                                      │ ratio                  ▼
//!      └────────────────────────────► resampler ─────────────────────► ring ──► device
//! ```
//!
//! * **Two clocks.** The papers' delay-locked loop is, in their terms,
//!
//!   ```text
//!   e  = t − t1          ω = 2π·B·T          t0 = t1
//!                        b = √2·ω            t1 = t1 + b·e + T
//!                        c = ω²              T  = T + c·e
//!   ```
//!
//!   with B its bandwidth and T the period ([`clock::Dll`]). It takes the lateness of events for noise around the truth.
//!   But nothing arrives before it was sent, so the truth is not the middle of the lateness but its edge, and the edge
//!   is sharp: [`clock::EarliestLine`] finds it, and at 40 ms of jitter is within 1 ms and 2 ppm where the loop of
//!   0.05 Hz stays at 117 ppm. `source.rs` and `device.rs` say which events each clock is made of.
//! * **Latency** is a difference of two points on those lines, never a fill level: from when a packet was due to when
//!   its first frame is played, less one longest period, which lies in the device's other buffer.
//! * **Target** (`target.rs`): device period + jitter + resampler delay + offset; up at once, down late.
//! * **Controller** (`control.rs`): measured rates ahead, phase behind. The papers' loop has only the phase,
//!
//!   ```text
//!   ratio = 1 + kp·e + ki·∫e
//!   ```
//!
//!   and its integral has to find the rates, which takes minutes or overshoots. Here the integral is left with what
//!   measuring missed, the speed change is at most 0.5 % and slewed, and 100 ms are gone in the 20 s which that allows.
//! * **Placing** (`flow.rs`): what the ratio would take too long for is put right at once: starts, resumes, stalls,
//!   a backlog, a longer period than ever, everything beyond 200 ms. By silence ahead or by a skip, never by going
//!   back: positions only grow, and what was played is never played again.
//! * **Life** (`machine.rs`): [`State`], and when a device is wanted.
//!
//! Everything here is pure: the time is passed in, sound goes out through a [`Lane`](crate::Lane). So two days of it
//! run in a test within seconds. Nothing is allocated after the start.
//!
//! # Hazards
//!
//! What went wrong in earlier implementations, by the numbers of timing.md section 10, and what makes it impossible here: T1 every
//! ratio passes one limit, and a device that has not asked lately has no position; T2 and T3 positions are u64 and are
//! never taken back; T5 packets are split and counted before they count; T8 a flow is never placed behind the reader;
//! T9 what has slept begins anew; T10 the state has one owner. T4, T6, T7 and T11 are [`crate::pull`]'s and the ring's.

mod control;
mod device;
mod flow;
mod machine;
mod source;
mod status;
mod target;

pub use control::{LARGEST_CHANGE, LARGEST_SLEW};
pub use machine::{Order, Packet, Playback, Step};
pub use status::{DeviceTiming, PlaybackSettings, State, Status};

#[cfg(test)]
mod tests;
