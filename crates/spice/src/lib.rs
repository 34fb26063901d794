//! A SPICE client: keyboard, mouse, picture, pointer, clipboard, files and sound of a virtual machine.
//!
//! Sits beside the frame relay in Looking Glass, and depends on nothing of it: any program can use it. At its heart is
//! [`Session`], a state machine without I/O, threads or clocks: bytes and times in, [`Event`]s and bytes out. With the
//! feature `transport` (on by default) [`transport::Client`] runs a session over a unix socket or TCP:
//!
//! ```no_run
//! use spice::transport::{Address, Client, Report};
//! use spice::{Command, Event, Screen, SessionOptions, inputs::Scancode};
//!
//! let address = Address::unix("/run/vm.sock")?;
//! let mut screen = Screen::new();
//! let client = Client::connect(address, SessionOptions::default(), move |report| match report {
//!     Report::Event(Event::Display(event)) => {
//!         screen.apply(&event);
//!     }
//!     Report::Event(event) => println!("{event:?}"),
//!     Report::Finished(outcome) => println!("{outcome}, then: {:?}", outcome.retry()),
//! })?;
//! if let Some(key) = Scancode::new(0x1e, false) {
//!     client.handle().send(Command::Key { key, is_pressed: true })?;
//!     client.handle().send(Command::Key { key, is_pressed: false })?;
//! }
//! client.handle().send(Command::Close)?;
//! println!("{}", client.join());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Without the transport, the caller carries the bytes:
//!
//! ```
//! use std::time::Instant;
//! use spice::{Action, ChannelId, Session, SessionOptions};
//!
//! let mut session = Session::new(SessionOptions::default(), Instant::now());
//! assert_eq!(session.next_action(), Some(Action::Open(ChannelId::MAIN)));
//! session.connected(ChannelId::MAIN, Instant::now());
//! assert!(session.output(ChannelId::MAIN).starts_with(b"REDQ"));
//! ```
//!
//! What it speaks: the link with tickets (RSA-OAEP), MAIN, INPUTS, DISPLAY (raw images), CURSOR, PLAYBACK and RECORD
//! (raw samples), and the guest agent's clipboard and file transfer. What it does not: TLS, SASL, migration,
//! compressed images, video streams, USB. It announces only what it speaks, so a server sends nothing else.
//!
//! The server is not trusted: every length, count and coordinate is checked, what is announced is not allocated before
//! it arrives, each queue has a bound, and what makes no sense ends a message, a channel or the session, never the
//! program. Passwords are wiped from memory; passwords, keys and clipboard contents are never printed.
//!
//! Threads and clocks: [`Session`] has none; it is given an [`Instant`](std::time::Instant) with each call, and takes
//! the ticket's random bytes from the operating system. [`transport::Client`] has one thread, named `spice`, on which
//! the caller's function is called; commands come from any thread by a [`transport::Handle`] and never wait.
//!
//! Logging: `tracing`, at debug and warn, without any contents.
//!
//! Sources: `spec/spice.md` (sections and hazards named where they are met), which was checked against QEMU 7.2 with
//! libspice-server 0.15.1; the tests run against the QEMU that is installed.

#![forbid(unsafe_code)]

pub mod agent;
pub mod audio;
pub mod cursor;
pub mod display;
mod framing;
mod geometry;
pub mod inputs;
mod link;
mod main_channel;
mod screen;
pub mod session;
#[cfg(feature = "transport")]
pub mod transport;
mod wire;

pub use framing::ChannelError;
pub use geometry::{Rect, Size};
pub use link::{
    ChannelId, ChannelKind, LinkError, MAX_PASSWORD_BYTES, Password, ServerCapabilities,
};
pub use main_channel::{MouseMode, MouseModes};
pub use screen::Screen;
pub use session::{Action, Command, Ended, Event, Session, SessionOptions};
pub use wire::Malformed;
