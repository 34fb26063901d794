//! What a window shows, and where in it the guest's picture lies.

use crate::frame::FrameLayout;
use crate::geometry::Rotation;
use crate::pointer::{PointerShape, PointerState};
use crate::text::StatusText;

mod placement;

pub use placement::{Filter, Placement};

/// How pixels are found when the picture is not shown 1:1 (`egl:scale`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ScaleFilter {
    /// Nearest at 1:1 and when enlarged by whole numbers, else linear.
    #[default]
    Auto,
    /// Always the nearest pixel.
    Nearest,
    /// Always between the four pixels around.
    Linear,
}

/// The user's choices of how the picture lies in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ViewOptions {
    /// The picture keeps its shape, with bars (`win:keepAspect`).
    pub keep_aspect: bool,
    /// Never shown larger than 1:1 (`win:dontUpscale`).
    pub dont_upscale: bool,
    /// The client's own turn, on top of the guest's (`win:rotate`).
    pub rotation: Rotation,
    /// The filter the user wants (`egl:scale`).
    pub filter: ScaleFilter,
}

impl Default for ViewOptions {
    fn default() -> Self {
        Self {
            keep_aspect: true,
            dont_upscale: false,
            rotation: Rotation::Deg0,
            filter: ScaleFilter::Auto,
        }
    }
}

/// Everything that a renderer has to show, apart from the guest's pixels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scene<'a> {
    /// The guest's picture; `None` if there is none, then only black and the text are shown.
    pub layout: Option<&'a FrameLayout>,
    /// How it lies in the window.
    pub view: ViewOptions,
    /// Where the pointer is.
    pub pointer: PointerState,
    /// What it looks like; `None` shows no pointer.
    pub shape: Option<&'a PointerShape>,
    /// Picture and pointer at half brightness: the link to the guest is missing.
    pub dimmed: bool,
    /// The message on top, never dimmed.
    pub status: Option<&'a StatusText>,
}

impl Scene<'_> {
    /// The pointer that is really to be drawn: visible, with a shape, over a picture.
    #[must_use]
    pub fn visible_pointer(&self) -> Option<(&PointerShape, PointerState)> {
        self.layout?;
        self.shape
            .filter(|_| self.pointer.is_visible)
            .map(|shape| (shape, self.pointer))
    }
}
