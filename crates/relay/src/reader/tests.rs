//! The reader against hosts that the tests play, with a clock that stands still.

mod attaching;
mod frames;
mod hostile;
mod pointer;
mod rig;
