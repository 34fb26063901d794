//! The window's roles: xdg-shell and the extensions of the surface.

use picture::Size;
use smithay_client_toolkit::dispatch2::Dispatch2;
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::{Connection, QueueHandle};
use wayland_protocols::wp::fractional_scale::v1::client::wp_fractional_scale_v1::{
    self, WpFractionalScaleV1,
};
use wayland_protocols::xdg::shell::client::xdg_surface::{self, XdgSurface};
use wayland_protocols::xdg::shell::client::xdg_toplevel::{self, XdgToplevel};
use wayland_protocols::xdg::shell::client::xdg_wm_base::{self, XdgWmBase};

use super::state::State;
use crate::WindowEvent;
use crate::geometry::{Scale, clamp_size, fit_aspect};

/// User data of the window's objects.
pub(super) struct Role;

/// A configure sequence as far as it has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Suggestion {
    /// Logical width; 0 leaves it to us.
    pub(super) width: u32,
    /// Logical height; 0 leaves it to us.
    pub(super) height: u32,
    pub(super) full_screen: bool,
    /// Maximised or tiled: the size is not ours to choose.
    pub(super) is_fitted: bool,
    pub(super) is_resizing: bool,
}

impl Suggestion {
    /// Takes the size and the state list of `xdg_toplevel.configure`.
    fn parse(width: i32, height: i32, states: &[u8]) -> Self {
        use xdg_toplevel::State as S;
        // Negative sizes are nonsense; they count as no wish.
        let side = |n: i32| u32::try_from(n).unwrap_or(0);
        let mut suggestion = Self {
            width: side(width),
            height: side(height),
            ..Self::default()
        };
        for word in states.as_chunks::<4>().0 {
            match S::try_from(u32::from_ne_bytes(*word)) {
                Ok(S::Fullscreen) => suggestion.full_screen = true,
                Ok(S::Resizing) => suggestion.is_resizing = true,
                Ok(S::Maximized | S::TiledLeft | S::TiledRight | S::TiledTop | S::TiledBottom) => {
                    suggestion.is_fitted = true;
                }
                _ => {}
            }
        }
        suggestion
    }

    /// Tells whether the window may choose its size.
    pub(super) const fn is_floating(&self) -> bool {
        !self.full_screen && !self.is_fitted
    }

    /// The size to take, given the one for a floating window and the shape it is held to.
    pub(super) fn size(&self, floating: Size, aspect: Option<Size>) -> Size {
        let or = |n, own| if n == 0 { own } else { n };
        let size = Size::new(
            or(self.width, floating.width),
            or(self.height, floating.height),
        );
        let size = clamp_size(size);
        match aspect {
            Some(aspect) if self.is_floating() && self.is_resizing => fit_aspect(size, aspect),
            _ => size,
        }
    }
}

/// A resize by the program, from the request until the compositor has seen the buffer.
///
/// Configure events that were on their way meanwhile still name the old size, and would undo it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnResize {
    pub(super) from: Size,
    pub(super) to: Size,
    /// The buffer has been committed, and the compositor was asked to say when it is past that.
    pub(super) is_asked: bool,
}

impl OwnResize {
    /// The size to take when a configure event says `size`.
    fn corrected(&self, size: Size, suggestion: &Suggestion) -> Size {
        let is_stale = suggestion.is_floating() && !suggestion.is_resizing && size == self.from;
        if is_stale { self.to } else { size }
    }
}

impl Dispatch2<WlCallback, State> for Role {
    fn event(
        &self,
        state: &mut State,
        _: &WlCallback,
        _: wl_callback::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        // A newer resize is still to be asked about.
        state.own_resize = state.own_resize.filter(|own| !own.is_asked);
    }
}

impl Dispatch2<XdgWmBase, State> for Role {
    fn event(
        &self,
        _: &mut State,
        base: &XdgWmBase,
        event: xdg_wm_base::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        if let xdg_wm_base::Event::Ping { serial } = event {
            base.pong(serial);
        }
    }
}

impl Dispatch2<XdgToplevel, State> for Role {
    fn event(
        &self,
        state: &mut State,
        _: &XdgToplevel,
        event: xdg_toplevel::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        match event {
            xdg_toplevel::Event::Configure {
                width,
                height,
                states,
            } => state.suggestion = Suggestion::parse(width, height, &states),
            xdg_toplevel::Event::Close => state.pending.push(WindowEvent::CloseRequested),
            _ => {}
        }
    }
}

impl Dispatch2<XdgSurface, State> for Role {
    fn event(
        &self,
        state: &mut State,
        _: &XdgSurface,
        event: xdg_surface::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        let xdg_surface::Event::Configure { serial } = event else {
            return;
        };
        let suggestion = state.suggestion;
        let mut size = suggestion.size(state.floating, state.aspect);
        if let Some(own) = &state.own_resize {
            size = own.corrected(size, &suggestion);
        }
        state.is_floating = suggestion.is_floating();
        if state.is_floating {
            state.floating = size;
        }
        state.is_configured = true;
        state.shell.tracker().configured(serial, size);
        state.needs_commit = true;
        if std::mem::replace(&mut state.is_full_screen, suggestion.full_screen)
            != suggestion.full_screen
        {
            let event = WindowEvent::FullScreenChanged(suggestion.full_screen);
            state.pending.push(event);
        }
    }
}

impl Dispatch2<WpFractionalScaleV1, State> for Role {
    fn event(
        &self,
        state: &mut State,
        _: &WpFractionalScaleV1,
        event: wp_fractional_scale_v1::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        if let wp_fractional_scale_v1::Event::PreferredScale { scale } = event {
            state.set_scale(Scale::per_120(scale));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOATING: Size = Size::new(1024, 768);

    fn states(list: &[u32]) -> Vec<u8> {
        list.iter().flat_map(|n| n.to_ne_bytes()).collect()
    }

    #[test]
    fn zero_and_negative_sizes_leave_the_choice_to_us() {
        let s = Suggestion::parse(0, -7, &[]);
        assert_eq!(s.size(FLOATING, None), FLOATING);
        assert_eq!(
            Suggestion::parse(800, 0, &[]).size(FLOATING, None),
            Size::new(800, 768)
        );
    }

    #[test]
    fn the_shape_is_kept_while_the_user_drags_but_not_on_a_full_screen() {
        let wide = Some(Size::new(16, 9));
        // 3 is resizing, 2 full screen, 1 maximised.
        let dragged = Suggestion::parse(1600, 1600, &states(&[3]));
        assert_eq!(dragged.size(FLOATING, wide), Size::new(1600, 900));
        let full = Suggestion::parse(1600, 1600, &states(&[3, 2]));
        assert_eq!(full.size(FLOATING, wide), Size::new(1600, 1600));
        assert!(full.full_screen && !full.is_floating());
        assert!(!Suggestion::parse(5, 5, &states(&[1])).is_floating());
    }

    #[test]
    fn a_configure_from_before_our_own_resize_does_not_undo_it() {
        let own = OwnResize {
            from: FLOATING,
            to: Size::new(640, 360),
            is_asked: false,
        };
        let stale = Suggestion::parse(1024, 768, &states(&[4]));
        assert_eq!(own.corrected(FLOATING, &stale), Size::new(640, 360));
        // The user's own resizing, a full screen and other sizes are meant.
        let dragged = Suggestion::parse(1024, 768, &states(&[3]));
        assert_eq!(own.corrected(FLOATING, &dragged), FLOATING);
        let full = Suggestion::parse(1024, 768, &states(&[2]));
        assert_eq!(own.corrected(FLOATING, &full), FLOATING);
        assert_eq!(own.corrected(Size::new(7, 7), &stale), Size::new(7, 7));
    }

    #[test]
    fn unknown_states_and_a_cut_list_are_ignored() {
        let mut list = states(&[99, 2]);
        list.pop();
        assert_eq!(
            Suggestion::parse(5, 6, &list),
            Suggestion {
                width: 5,
                height: 6,
                ..Suggestion::default()
            }
        );
    }
}
