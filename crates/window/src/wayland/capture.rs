//! The captured pointer and the grabbed keyboard: refused until the protocols are spoken.
use super::state::State;
use crate::WindowEvent;
use picture::SurfacePoint;
impl State {
    pub(super) fn capture_pointer(&mut self) {
        self.pending.push(WindowEvent::PointerCaptured(false));
    }
    pub(super) fn release_pointer(&mut self, _: Option<SurfacePoint>) {}
    pub(super) fn grab_keyboard(&mut self, _on: bool) {
        self.pending.push(WindowEvent::KeyboardGrabbed(false));
    }
}
