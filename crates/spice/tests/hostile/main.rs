//! What a server may send: noise, sound frames with unsound contents, and streams of a real QEMU, whole and spoilt.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod noise;
mod recorded;
mod rig;

#[global_allocator]
static ALLOCATOR: testkit::allocations::Counting = testkit::allocations::Counting;
