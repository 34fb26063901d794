//! What the user's keys and pointer do: to the guest, and to the client itself.
//!
//! Pure: [`InputModel`] is told what happened (in the window, in the view, in the SPICE session) and at what time, and
//! answers with [`Action`]s. It opens nothing, waits for nothing and reads no clock, and once it runs it takes no memory
//! from the heap for keys and motion.
//!
//! ```
//! use client::guest_view::GuestView;
//! use client::input::{Action, Bind, InputModel, Preferences};
//! use clock::Nanos;
//! use window::WindowEvent;
//!
//! let mut input = InputModel::new(Preferences::default());
//! let mut actions = Vec::with_capacity(64);
//! // Scroll Lock and Q: quit.
//! for evdev in [70, 16] {
//!     let event = WindowEvent::Key { evdev, pressed: true };
//!     input.window_event(&event, &GuestView::default(), 1.0, Nanos::ZERO, &mut actions);
//! }
//! assert!(actions.contains(&Action::Bind(Bind::Quit)));
//! ```
//!
//! Thread: the main thread's. Sources: `spec/spice.md` sections 3.4, 4 and 10, `spec/options.md` sections 7 and 8.

pub mod binds;
pub mod scancode;

mod action;
mod buttons;
mod capture;
mod escape;
mod follow;
mod keys;
mod locks;
mod model;
mod outbox;
mod place;
mod preferences;
mod wheel;

pub use action::{Action, SpiceInput};
pub use binds::Bind;
pub use model::InputModel;
pub use preferences::Preferences;
