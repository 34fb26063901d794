//! Reader and publisher against memory images that `testkit::handmade` writes byte by byte from the tables of the
//! specification, and against hosts and clients that `testkit::played` plays by hand. Neither shares a constant with
//! the code under test.

#![expect(
    clippy::unwrap_used,
    reason = "whatever is missing here fails the test"
)]

mod eviction;
mod mailbox;
mod publishing;
mod reading;
mod rig;
