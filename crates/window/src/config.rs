//! What a window is asked to be.

use picture::{BufferPoint, Size};

/// A kind of display server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A Wayland compositor.
    Wayland,
    /// An X server.
    X11,
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Wayland => "Wayland",
            Self::X11 => "X11",
        })
    }
}

/// How a window starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowConfig {
    /// Text in the title bar.
    pub title: String,
    /// Application id (Wayland) and class (X11), by which desktop files and window rules find the program.
    pub app_id: String,
    /// Top left corner on the desktop; `None` is the centre. Wayland places windows itself and ignores this.
    pub position: Option<BufferPoint>,
    /// Size in logical units, which on X11 are pixels.
    pub size: Size,
    /// Starts on the whole screen.
    pub full_screen: bool,
    /// Starts maximised.
    pub maximize: bool,
    /// Has no frame.
    pub borderless: bool,
    /// Lets the user change the size; the program may in any case.
    pub resizable: bool,
    /// Shape that the window is held to while the user resizes it; see [`crate::Window::set_aspect`].
    pub aspect: Option<Size>,
    /// The X display (`:0`) or Wayland socket to use; `None` asks the environment.
    pub display: Option<String>,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            title: "Looking Glass (client)".to_owned(),
            app_id: "looking-glass-client".to_owned(),
            position: None,
            size: Size::new(1024, 768),
            full_screen: false,
            maximize: false,
            borderless: false,
            resizable: true,
            aspect: None,
            display: None,
        }
    }
}
