//! Pointers, and which devices there are.

use picture::SurfacePoint;
use smithay_client_toolkit::seat::pointer::{
    AxisScroll, CursorIcon, PointerEvent, PointerEventKind, PointerHandler, ThemeSpec,
    ThemedPointer,
};
use smithay_client_toolkit::seat::{Capability, SeatHandler, SeatState};
use wayland_client::protocol::wl_keyboard::WlKeyboard;
use wayland_client::protocol::wl_pointer::WlPointer;
use wayland_client::protocol::wl_seat::WlSeat;
use wayland_client::{Connection, Proxy, QueueHandle};

use super::keyboard::KeyboardRole;
use super::state::State;
use crate::WindowEvent;
use crate::held::HeldKeys;

/// Surface units of continuous scrolling that count as a wheel click: what libinput gives for one.
const UNITS_PER_CLICK: f64 = 10.0;

/// The devices of all seats.
pub(super) struct Seats {
    pointers: Vec<(WlSeat, ThemedPointer)>,
    pub(super) keyboards: Vec<(WlSeat, WlKeyboard)>,
    /// The pointers over the window with their buttons that are down, the last one that came last.
    entered: Vec<(WlPointer, HeldKeys)>,
    pub(super) cursor_visible: bool,
    /// A pointer is captured, and hidden for that long.
    pub(super) is_captured: bool,
    wheel: Wheel,
}

impl Seats {
    /// No devices yet.
    pub(super) const fn new() -> Self {
        Self {
            pointers: Vec::new(),
            keyboards: Vec::new(),
            entered: Vec::new(),
            cursor_visible: true,
            is_captured: false,
            wheel: Wheel { x: 0.0, y: 0.0 },
        }
    }

    /// Shows or hides the pointers that have entered the window.
    pub(super) fn apply_cursor(&self, conn: &Connection) {
        for (_, pointer) in &self.pointers {
            self.apply_cursor_of(conn, pointer);
        }
    }

    /// Shows or hides one pointer.
    fn apply_cursor_of(&self, conn: &Connection, pointer: &ThemedPointer) {
        let set = if self.cursor_visible && !self.is_captured {
            pointer.set_cursor(conn, CursorIcon::Default)
        } else {
            pointer.hide_cursor()
        };
        // Fails before the first enter, which sets it again, and without a cursor theme, where any pointer will do.
        if let Err(error) = set {
            tracing::debug!(%error, "setting the cursor");
        }
    }

    /// The pointer that came over the window last.
    pub(super) fn entered(&self) -> Option<WlPointer> {
        self.entered.last().map(|(pointer, _)| pointer.clone())
    }

    /// Notes a button of a pointer, and gives what is to be told of it.
    fn button(&mut self, pointer: &WlPointer, evdev: u32, pressed: bool) -> WindowEvent {
        let mut entered = self.entered.iter_mut();
        if let Some((_, held)) = entered.find(|(p, _)| p == pointer) {
            held.change(evdev, pressed);
        }
        WindowEvent::Button { evdev, pressed }
    }

    /// Forgets a pointer that is no longer over the window; gives its buttons that are down, or nothing if it was not
    /// over the window.
    fn leave(&mut self, pointer: &WlPointer) -> Option<HeldKeys> {
        let at = self.entered.iter().position(|(p, _)| p == pointer)?;
        Some(self.entered.remove(at).1)
    }

    /// The seat that a keyboard belongs to.
    pub(super) fn seat_of(&self, keyboard: &WlKeyboard) -> Option<&WlSeat> {
        let mut keyboards = self.keyboards.iter();
        keyboards.find(|(_, k)| k == keyboard).map(|(seat, _)| seat)
    }
}

impl State {
    /// Forgets a seat's pointer, which releases it.
    fn remove_pointer(&mut self, seat: &WlSeat) {
        let pointers = std::mem::take(&mut self.seats.pointers);
        for (of, pointer) in pointers {
            if of != *seat {
                self.seats.pointers.push((of, pointer));
                continue;
            }
            self.lose_pointer(pointer.pointer());
            if let Some(held) = self.seats.leave(pointer.pointer()) {
                self.tell_releases(&held);
                self.pending.push(WindowEvent::PointerLeft);
            }
        }
    }

    /// Tells that buttons are up whose releases the compositor will not tell: a pointer with a button down leaves only if
    /// something breaks its implicit grab.
    fn tell_releases(&mut self, held: &HeldKeys) {
        let release = |evdev| WindowEvent::Button {
            evdev,
            pressed: false,
        };
        self.pending.extend(held.iter().map(release));
    }

    /// Releases a seat's keyboard.
    fn remove_keyboard(&mut self, seat: &WlSeat) {
        let keyboards = std::mem::take(&mut self.seats.keyboards);
        for (of, keyboard) in keyboards {
            if of != *seat {
                self.seats.keyboards.push((of, keyboard));
                continue;
            }
            self.lose_focus(&keyboard);
            if keyboard.version() >= 3 {
                keyboard.release();
            }
        }
    }
}

/// Parts of a 120th that continuous scrolling has left over.
struct Wheel {
    x: f64,
    y: f64,
}

/// What one axis moved, in 120ths of a click.
fn clicks_120(axis: &AxisScroll, rest: &mut f64) -> i32 {
    if axis.value120 != 0 {
        return axis.value120;
    }
    if axis.discrete != 0 {
        return axis.discrete.saturating_mul(120);
    }
    let exact = axis.absolute * 120.0 / UNITS_PER_CLICK + *rest;
    let whole = exact.trunc();
    *rest = if axis.stop || !exact.is_finite() {
        0.0
    } else {
        exact - whole
    };
    // Saturates, and takes NaN for nothing.
    whole as i32
}

impl SeatHandler for State {
    fn seat_state(&mut self) -> &mut SeatState {
        &mut self.seat_state
    }

    fn new_seat(&mut self, _: &Connection, _: &QueueHandle<Self>, seat: WlSeat) {
        self.selection.add_seat(&seat);
    }

    fn new_capability(
        &mut self,
        _: &Connection,
        queue: &QueueHandle<Self>,
        seat: WlSeat,
        capability: Capability,
    ) {
        match capability {
            Capability::Keyboard => {
                let keyboard = seat.get_keyboard(queue, KeyboardRole);
                self.seats.keyboards.push((seat, keyboard));
            }
            Capability::Pointer => {
                let surface = self.compositor.create_surface(queue);
                let theme = ThemeSpec::System;
                let shm = &self.shell.shm;
                match self
                    .seat_state
                    .get_pointer_with_theme::<Self, ()>(queue, &seat, shm, surface, theme)
                {
                    Ok(pointer) => self.seats.pointers.push((seat, pointer)),
                    Err(error) => tracing::warn!(%error, "taking a seat's pointer"),
                }
            }
            _ => {}
        }
    }

    fn remove_capability(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        seat: WlSeat,
        capability: Capability,
    ) {
        match capability {
            Capability::Keyboard => self.remove_keyboard(&seat),
            Capability::Pointer => self.remove_pointer(&seat),
            _ => {}
        }
    }

    fn remove_seat(&mut self, _: &Connection, _: &QueueHandle<Self>, seat: WlSeat) {
        self.remove_pointer(&seat);
        self.remove_keyboard(&seat);
        self.selection.remove_seat(&seat);
    }
}

impl PointerHandler for State {
    fn pointer_frame(
        &mut self,
        conn: &Connection,
        _: &QueueHandle<Self>,
        pointer: &WlPointer,
        events: &[PointerEvent],
    ) {
        for event in events {
            if event.surface != self.shell.surface {
                continue;
            }
            let at = SurfacePoint {
                x: event.position.0,
                y: event.position.1,
            };
            let told = match &event.kind {
                PointerEventKind::Enter { .. } => {
                    let own = self
                        .seats
                        .pointers
                        .iter()
                        .find(|(_, p)| p.pointer() == pointer);
                    if let Some((_, themed)) = own {
                        self.seats.apply_cursor_of(conn, themed);
                    }
                    if let Some(held) = self.seats.leave(pointer) {
                        self.tell_releases(&held);
                    }
                    let entered = (pointer.clone(), HeldKeys::default());
                    self.seats.entered.push(entered);
                    self.lock_pointer();
                    WindowEvent::PointerEntered(at)
                }
                PointerEventKind::Leave { .. } => {
                    if let Some(held) = self.seats.leave(pointer) {
                        self.tell_releases(&held);
                    }
                    WindowEvent::PointerLeft
                }
                PointerEventKind::Motion { .. } => WindowEvent::PointerMoved(at),
                PointerEventKind::Press { button, .. } => self.seats.button(pointer, *button, true),
                PointerEventKind::Release { button, .. } => {
                    self.seats.button(pointer, *button, false)
                }
                PointerEventKind::Axis {
                    horizontal,
                    vertical,
                    ..
                } => {
                    let x_120 = clicks_120(horizontal, &mut self.seats.wheel.x);
                    let y_120 = clicks_120(vertical, &mut self.seats.wheel.y);
                    if x_120 == 0 && y_120 == 0 {
                        continue;
                    }
                    WindowEvent::Wheel { x_120, y_120 }
                }
            };
            self.pending.push(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(absolute: f64, discrete: i32, value120: i32) -> AxisScroll {
        AxisScroll {
            absolute,
            discrete,
            value120,
            ..AxisScroll::default()
        }
    }

    #[test]
    fn the_finest_wheel_value_there_is_counts() {
        let rest = &mut 0.0;
        assert_eq!(clicks_120(&axis(15.0, 1, 60), rest), 60);
        assert_eq!(clicks_120(&axis(15.0, -1, 0), rest), -120);
        assert_eq!(clicks_120(&axis(5.0, 0, 0), rest), 60);
    }

    #[test]
    fn continuous_scrolling_loses_no_fraction() {
        let rest = &mut 0.0;
        let total: i32 = (0..1000).map(|_| clicks_120(&axis(0.03, 0, 0), rest)).sum();
        assert!((359..=360).contains(&total), "{total}");
    }

    #[test]
    fn nonsense_scrolling_is_nothing() {
        let rest = &mut 0.0;
        assert_eq!(clicks_120(&axis(f64::NAN, 0, 0), rest), 0);
        assert_eq!(clicks_120(&axis(1.0, 0, 0), rest), 12);
    }
}
