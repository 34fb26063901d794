//! The selection of a Wayland seat.
