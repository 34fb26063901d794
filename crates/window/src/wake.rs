//! Ends a dispatch early, from any thread.

use calloop::ping::Ping;

/// Ends [`crate::Window::dispatch`] early, or the next one if none is waiting.
#[derive(Clone, Debug)]
pub struct WindowWaker(pub(crate) Ping);

impl WindowWaker {
    /// Wakes the window's thread; many calls before it looks count as one.
    pub fn wake(&self) {
        self.0.ping();
    }
}
