//! Playback in virtual time, against a small world with true clocks.

mod life;
mod random;
mod steady;
mod trouble;
mod world;
