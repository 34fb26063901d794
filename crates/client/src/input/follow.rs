//! Keeps the guest's pointer under the local one, without a capture.
//!
//! What is sent is the difference between pixels: the one that the guest's pointer was last sent to, and the one under
//! the local pointer now. So nothing is lost or added however the way is cut into events.

use clock::Nanos;
use picture::{BufferPosition, GuestPoint, Placement};
use spice::Command;

use super::Action;
use super::outbox::Outbox;
use super::place;
use crate::guest_view::{GuestView, PictureSource};

/// How well the place of the guest's pointer is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Alignment {
    /// It was put where the local pointer is.
    Good,
    /// Not at all: the picture lies elsewhere now, or the way of sending has changed.
    #[default]
    Stale,
    /// Not at all, and only differences are followed, until it can be put in its place.
    Loose,
}

/// What matters at this moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    pub(super) view: GuestView,
    /// Where the local pointer is, or was last.
    pub(super) local: Option<BufferPosition>,
    /// The local pointer is over the window.
    pub(super) is_over: bool,
    /// Pointer events may go to the guest.
    pub(super) is_allowed: bool,
    /// A button is held down: no change of view.
    pub(super) has_buttons: bool,
    /// The server takes positions.
    pub(super) is_absolute: bool,
    /// The server takes motion.
    pub(super) is_relative: bool,
    /// `spice:scaleCursor`.
    pub(super) is_scaled: bool,
    pub(super) now: Nanos,
}

/// A place on the picture.
#[derive(Clone, Copy)]
struct Spot {
    placement: Placement,
    at: BufferPosition,
    /// The guest's pixel under it.
    pixel: GuestPoint,
}

/// The guest's pointer, as it follows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Follow {
    is_in: bool,
    alignment: Alignment,
    /// Where the guest's pointer is by what was sent.
    sent: GuestPoint,
    /// Without scaling: a place, and the guest's pixel that belonged to it.
    anchor: (BufferPosition, GuestPoint),
    /// What the alignment was made for.
    made_for: Option<(PictureSource, Option<Placement>, bool)>,
}

impl Follow {
    /// The local pointer leads the guest's.
    pub(super) fn is_in(&self) -> bool {
        self.is_in
    }

    /// Follows the local pointer, into the picture, over it and out of it.
    pub(super) fn update(
        &mut self,
        around: &Surroundings,
        out: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        if !around.is_allowed {
            self.is_in = false;
            return;
        }
        let view = &around.view;
        let made_for = Some((view.source, view.placement, around.is_absolute));
        if self.made_for != made_for {
            self.made_for = made_for;
            self.alignment = Alignment::Stale;
        }
        let spot = spot(around);
        let is_inside = around.is_over && spot.is_some_and(|spot| spot.placement.contains(spot.at));
        if !self.is_in {
            if !is_inside || around.has_buttons {
                return;
            }
            self.is_in = true;
            if !out.is_waiting() {
                // Else the guest's pointer is on its way to a known place already.
                self.alignment = Alignment::Stale;
            }
        }
        if let Some(spot) = spot {
            self.go(around, &spot, out, actions);
        }
        self.is_in = is_inside || around.has_buttons;
    }

    /// The host did not put the pointer at `target`: moves it there from where it says that it is.
    pub(super) fn correct(around: &Surroundings, target: GuestPoint, actions: &mut Vec<Action>) {
        let motion = around.view.pointer.and_then(|from| motion(from, target));
        if let (true, Some(motion)) = (around.is_relative, motion) {
            actions.push(Action::Spice(motion));
        }
    }

    fn go(
        &mut self,
        around: &Surroundings,
        spot: &Spot,
        out: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        if !around.is_absolute && !around.is_relative {
            self.alignment = Alignment::Stale;
            return;
        }
        let is_free = !around.has_buttons && !out.is_waiting();
        match self.alignment {
            Alignment::Good => self.track(around, spot, out, actions),
            Alignment::Stale | Alignment::Loose if is_free => {
                self.align(around, spot, out, actions);
            }
            Alignment::Stale => self.rebase(around, spot),
            Alignment::Loose => self.track(around, spot, out, actions),
        }
    }

    /// Puts the guest's pointer under the local one, in the best way there is.
    fn align(
        &mut self,
        around: &Surroundings,
        spot: &Spot,
        out: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        let view = &around.view;
        let goal = spot.pixel;
        if around.is_absolute {
            self.put(spot);
            position(goal, out, actions);
        } else if view.source == PictureSource::Relay && view.can_set_pointer {
            // Even if it is said to be there: what is said is a frame old.
            self.put(spot);
            out.wait_for(goal, around.now);
            actions.push(Action::SetPointer(goal));
        } else if let Some(pointer) = view.pointer {
            self.put(spot);
            if let Some(motion) = motion(pointer, goal) {
                out.pointer(motion, actions);
            }
        } else if self.alignment == Alignment::Loose {
            self.track(around, spot, out, actions);
        } else {
            self.put(spot);
            self.alignment = Alignment::Loose;
        }
    }

    fn put(&mut self, spot: &Spot) {
        self.alignment = Alignment::Good;
        self.sent = spot.pixel;
        self.anchor = (spot.at, spot.pixel);
    }

    /// Goes on from here without a jump, until it can be aligned.
    fn rebase(&mut self, around: &Surroundings, spot: &Spot) {
        let sent = self.sent;
        self.put(spot);
        self.alignment = Alignment::Loose;
        if !around.is_scaled {
            self.sent = sent;
            self.anchor.1 = sent;
        }
    }

    fn track(
        &mut self,
        around: &Surroundings,
        spot: &Spot,
        out: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        let goal = match around.is_absolute || around.is_scaled {
            true => spot.pixel,
            false => self.unscaled(spot),
        };
        if around.is_absolute {
            if goal != self.sent {
                position(goal, out, actions);
            }
        } else if let Some(motion) = motion(self.sent, goal) {
            out.pointer(motion, actions);
        }
        self.sent = goal;
    }

    /// As far from the anchor on the guest's desktop as on the window, pixel for pixel.
    fn unscaled(&self, spot: &Spot) -> GuestPoint {
        let (from, pixel) = self.anchor;
        let way = (spot.at.x - from.x, spot.at.y - from.y);
        let (dx, dy) = place::turned_back(spot.placement.own_turn, way);
        GuestPoint {
            x: pixel.x.saturating_add(place::whole(dx)),
            y: pixel.y.saturating_add(place::whole(dy)),
        }
    }
}

fn spot(around: &Surroundings) -> Option<Spot> {
    let placement = around.view.placement?;
    let at = around.local?;
    let is_shown = around.view.source != PictureSource::Nothing;
    let pixel = place::guest_pixel(&placement, at)?;
    is_shown.then_some(Spot {
        placement,
        at,
        pixel,
    })
}

fn motion(from: GuestPoint, to: GuestPoint) -> Option<Command> {
    let (dx, dy) = (to.x.saturating_sub(from.x), to.y.saturating_sub(from.y));
    (dx != 0 || dy != 0).then_some(Command::Motion { dx, dy })
}

fn position(to: GuestPoint, out: &mut Outbox, actions: &mut Vec<Action>) {
    if let (Ok(x), Ok(y)) = (u32::try_from(to.x), u32::try_from(to.y)) {
        // Nothing can be on its way that a position does not put right.
        out.open(actions);
        out.pointer(Command::Position { x, y }, actions);
    }
}
