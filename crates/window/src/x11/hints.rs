//! What window managers are told about the window.

use picture::{BufferPoint, Size};
use x11rb::properties::{AspectRatio, WmSizeHints, WmSizeHintsSpecification};
use x11rb::protocol::xproto::Gravity;

/// The five words of `_MOTIF_WM_HINTS`: flags (bit 1: decorations are meant), functions, decorations, input mode, status.
pub(crate) const fn motif(decorated: bool) -> [u32; 5] {
    [2, 0, decorated as u32, 0, 0]
}

/// The wishes that make up `WM_NORMAL_HINTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Where the user put it; `None` if the program chose the place.
    pub(crate) position: Option<BufferPoint>,
    /// The size that it has or shall have.
    pub(crate) size: Size,
    /// The user may change the size.
    pub(crate) resizable: bool,
    /// The shape it is held to.
    pub(crate) aspect: Option<Size>,
    /// The places that are asked for are those of the content; else those of the frame that a manager puts around it.
    pub(crate) places_content: bool,
}

impl Wishes {
    /// The property.
    pub(crate) fn normal_hints(&self) -> WmSizeHints {
        let (width, height) = (side(self.size.width), side(self.size.height));
        let place = |by, at: BufferPoint| (by, at.x, at.y);
        let aspect = self.aspect.filter(|a| !a.is_empty()).map(|a| {
            let ratio = AspectRatio::new(side(a.width), side(a.height));
            (ratio, ratio)
        });
        let fixed = (!self.resizable).then_some((width, height));
        WmSizeHints {
            position: Some(self.position.map_or_else(
                || {
                    place(
                        WmSizeHintsSpecification::ProgramSpecified,
                        BufferPoint::default(),
                    )
                },
                |at| place(WmSizeHintsSpecification::UserSpecified, at),
            )),
            size: Some((WmSizeHintsSpecification::ProgramSpecified, width, height)),
            min_size: fixed.or(Some((1, 1))),
            max_size: fixed,
            size_increment: None,
            // A fixed size has its shape already; some managers round the two against each other.
            aspect: aspect.filter(|_| self.resizable),
            base_size: None,
            win_gravity: Some(if self.places_content {
                Gravity::STATIC
            } else {
                Gravity::NORTH_WEST
            }),
        }
    }
}

/// A side as the property stores it.
fn side(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISHES: Wishes = Wishes {
        position: None,
        size: Size::new(1024, 768),
        resizable: true,
        aspect: Some(Size::new(16, 9)),
        places_content: false,
    };

    #[test]
    fn a_fixed_window_has_equal_limits_and_no_aspect() {
        let fixed = Wishes {
            resizable: false,
            ..WISHES
        };
        let hints = fixed.normal_hints();
        assert_eq!(hints.min_size, Some((1024, 768)));
        assert_eq!(hints.max_size, Some((1024, 768)));
        assert!(hints.aspect.is_none());
    }

    #[test]
    fn a_resizable_window_has_no_upper_limit() {
        let hints = WISHES.normal_hints();
        assert_eq!(hints.max_size, None);
        assert!(hints.aspect.is_some());
    }

    #[test]
    fn only_a_place_the_user_chose_is_said_to_be_the_users() {
        let at = Wishes {
            position: Some(BufferPoint { x: -5, y: 7 }),
            ..WISHES
        };
        let Some((WmSizeHintsSpecification::UserSpecified, -5, 7)) = at.normal_hints().position
        else {
            panic!("{:?}", at.normal_hints().position);
        };
    }

    #[test]
    fn motif_hints_mean_the_decorations_only() {
        assert_eq!(motif(false), [2, 0, 0, 0, 0]);
        assert_eq!(motif(true), [2, 0, 1, 0, 0]);
    }
}
