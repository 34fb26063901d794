//! Sound: who may hear the microphone, and what the user reads of it.

mod microphone;

pub use microphone::{Device, Microphone, Policy};
