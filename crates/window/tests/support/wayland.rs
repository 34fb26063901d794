//! Headless weston and sway of the size that the tests expect.

use testkit::compositor::{Sway, Weston};

use super::SCREEN;
use super::screen::Screen;
use super::shot::Shot;

/// Starts weston; it has no seat.
pub(crate) fn weston() -> Option<Weston> {
    Weston::start(SCREEN.width, SCREEN.height).expect("weston comes up")
}

/// Starts weston in a window that covers an X server's screen, which feeds its seat.
pub(crate) fn nested_weston(server: &Screen) -> Option<Weston> {
    let display = server.display();
    Weston::start_on(&display, SCREEN.width, SCREEN.height).expect("weston comes up")
}

/// Starts sway with windows of the size that they ask for.
pub(crate) fn sway() -> Option<Sway> {
    if !testkit::has_program("grim", "Wayland windows on sway") {
        return None;
    }
    let floating = "default_border none\nfor_window [app_id=.*] floating enable";
    Sway::start(SCREEN.width, SCREEN.height, floating).expect("sway comes up")
}

/// What each test asks of sway.
pub(crate) trait Desktop {
    /// Tells it something.
    fn swaymsg(&self, message: &str) -> String;

    /// All windows, without spaces.
    fn tree(&self) -> String;

    /// Puts the window in the middle, where all of it is on the output.
    fn centre(&self) {
        self.swaymsg("[app_id=lg-test] move position center");
    }

    /// A picture of its output.
    fn shot(&self) -> Shot;
}

impl Desktop for Sway {
    fn swaymsg(&self, message: &str) -> String {
        self.message(&[message]).expect("sway obeys")
    }

    fn tree(&self) -> String {
        let tree = self.message(&["-t", "get_tree"]).expect("a tree");
        tree.split_whitespace().collect()
    }

    fn shot(&self) -> Shot {
        let image = self.grab().expect("grim runs");
        let rgb = image.bytes().as_chunks::<3>().0;
        Shot {
            size: image.size(),
            pixels: rgb.iter().map(|&[r, g, b]| [b, g, r]).collect(),
        }
    }
}
