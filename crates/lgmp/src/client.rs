//! The client role: one of up to 32 consumers.

mod mailbox;
mod session;
mod subscribe;
mod subscription;

pub use mailbox::SendError;
pub use session::{Client, Session, SessionLost, StartError};
pub use subscribe::SubscribeError;
pub use subscription::{Message, QueueError, Subscription};
