//! Messages drawn on the picture.

/// Where a message stands in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TextPlace {
    /// In the middle.
    #[default]
    Centre,
    /// Near the lower edge, in the middle.
    Bottom,
}

/// A message of one or more lines, with how large and where it is to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusText {
    lines: Vec<String>,
    place: TextPlace,
    height_px: f32,
}

impl StatusText {
    /// Makes a message of `lines`, in the middle, 16 buffer pixels high; over-long lines are wrapped when drawn.
    #[must_use]
    pub fn new<L: Into<String>>(lines: impl IntoIterator<Item = L>) -> Self {
        Self {
            lines: lines.into_iter().map(Into::into).collect(),
            place: TextPlace::Centre,
            height_px: 16.0,
        }
    }

    /// Moves the message to `place`.
    #[must_use]
    pub fn at(mut self, place: TextPlace) -> Self {
        self.place = place;
        self
    }

    /// Sets the height of a line's letters in physical pixels, 6 to 128; multiply by the window's scale.
    #[must_use]
    pub fn with_height(mut self, height_px: f32) -> Self {
        self.height_px = if height_px.is_finite() {
            height_px.clamp(6.0, 128.0)
        } else {
            16.0
        };
        self
    }

    /// The lines as given.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}
