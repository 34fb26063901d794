//! The user's choices that concern the driver.

use crate::upload::UploadPath;

/// How the renderer uses the driver (the options `egl:*`); the defaults are the program's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// Waits for the display's refresh (`egl:vsync`).
    pub vsync: bool,
    /// Never draws into the front buffer, even where the driver allows it (`egl:doubleBuffer`).
    pub double_buffer: bool,
    /// Redraws everything each time (`egl:noBufferAge`).
    pub no_buffer_age: bool,
    /// Hands over the whole window each time (`egl:noSwapDamage`).
    pub no_swap_damage: bool,
    /// Logs what the driver has to say (`egl:debug`).
    pub debug: bool,
    /// Takes this way for the pixels instead of the best of those that work (tests and benchmarks). A frame that cannot
    /// be imported is then an error.
    pub upload: Option<UploadPath>,
    /// Samples imports as external textures even where ordinary ones would do, as some drivers demand (tests).
    pub external_imports: bool,
    /// Draws with shaders even where a plain copy would do (tests and benchmarks).
    pub no_blit: bool,
}
