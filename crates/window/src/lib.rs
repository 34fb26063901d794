//! X11 and Wayland windows, input events and software presentation.
