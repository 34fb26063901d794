//! `bench audio`: days of sound in virtual time.
//!
//! A [`world`] of two crystals, late packets and changing devices drives the shipped state machine and controller, and
//! the seed's beside it; a [`judge`] measures both by the definitions of timing.md 10 with the world's true clocks.

pub mod command;
pub mod judge;
pub mod lane;
pub mod ours;
pub mod pictures;
pub mod player;
pub mod plot;
pub mod probe;
pub mod quality;
pub mod result;
pub mod run;
pub mod scenario;
pub mod seed;
pub mod sound;
pub mod table;
pub mod window;
pub mod world;
