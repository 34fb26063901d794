//! The captured pointer and the grabbed keyboard.
//!
//! The pointer is grabbed by the core protocol, because XInput 2's grabs cannot confine it to a window. With such a grab
//! its buttons arrive as core events, and its raw motion once: a grab that also lets events take their ordinary way
//! (`owner_events`) makes the server deliver raw motion twice.

use std::time::Duration;

use clock::{Clock as _, MonotonicClock, Nanos};
use picture::{Size, SurfacePoint};
use x11rb::protocol::xinput::{
    self, ConnectionExt as _, Device, GrabOwner, RawMotionEvent, XIEventMask,
};
use x11rb::protocol::xproto::{
    ConnectionExt as _, EventMask, GrabMode, GrabStatus, QueryPointerReply,
};
use x11rb::xcb_ffi::XCBConnection;

use super::raw::{self, Source};
use super::window::X11Window;
use super::{input, note};
use crate::WindowEvent;
use crate::grab::{self, Grab};

/// The pair of master devices that the window's input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Devices {
    pointer: u16,
    keyboard: u16,
}

impl Devices {
    /// Asks for the pair that core requests of this connection are about.
    pub(super) fn find(conn: &XCBConnection) -> Option<Self> {
        let what = "asking for the pointer device";
        let reply = conn.xinput_xi_get_client_pointer(x11rb::NONE);
        let pointer = note(what, reply.map_err(Into::into).and_then(|c| c.reply()))?.deviceid;
        let reply = conn.xinput_xi_query_device(pointer);
        let reply = note(what, reply.map_err(Into::into).and_then(|c| c.reply()))?;
        let keyboard = reply.infos.first()?.attachment;
        Some(Self { pointer, keyboard })
    }
}

/// Most devices that are remembered; a user has a handful.
const MAX_SOURCES: usize = 64;

/// What is grabbed.
pub(crate) struct Grabs {
    devices: Option<Devices>,
    pointer: Grab,
    keyboard: Grab,
    /// Where the pointer was when it was captured.
    origin: Option<SurfacePoint>,
    /// The devices that pushed the captured pointer.
    sources: Vec<Source>,
}

impl Grabs {
    /// Nothing is grabbed.
    pub(super) const fn new(devices: Option<Devices>) -> Self {
        Self {
            devices,
            pointer: Grab::Off,
            keyboard: Grab::Off,
            origin: None,
            sources: Vec::new(),
        }
    }

    /// Shortens a wait to the next try of a grab.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> Option<Duration> {
        grab::wait(timeout, [self.pointer, self.keyboard], MonotonicClock.now())
    }

    /// Devices came or went, and may have taken the numbers of others.
    pub(super) fn forget_sources(&mut self) {
        self.sources.clear();
    }
}

/// Why a grab failed, for the log.
const fn refusal(status: GrabStatus) -> &'static str {
    match status {
        GrabStatus::ALREADY_GRABBED => "another program holds it",
        GrabStatus::FROZEN => "another program has frozen it",
        GrabStatus::NOT_VIEWABLE => "the window is not visible",
        _ => "the X server refuses",
    }
}

/// Why there is no grab without the focus.
const NO_FOCUS: &str = "the window has not got the focus";

impl X11Window {
    /// See [`crate::Window::capture_pointer`].
    pub(crate) fn capture_pointer(&mut self) {
        if self.grabs.pointer.is_held() {
            self.pending.push(WindowEvent::PointerCaptured(true));
        } else {
            self.grabs.pointer = Grab::want(MonotonicClock.now());
            self.try_grabs();
        }
    }

    /// See [`crate::Window::release_pointer`].
    pub(crate) fn release_pointer(&mut self, to: Option<SurfacePoint>) {
        match std::mem::take(&mut self.grabs.pointer) {
            Grab::Off => return,
            Grab::Wanted(_) => {}
            Grab::Held => self.let_pointer_go(to.or(self.grabs.origin)),
        }
        self.pending.push(WindowEvent::PointerCaptured(false));
        self.flush();
    }

    /// See [`crate::Window::grab_keyboard`].
    pub(crate) fn grab_keyboard(&mut self, on: bool) {
        if on && !self.grabs.keyboard.is_held() {
            self.grabs.keyboard = Grab::want(MonotonicClock.now());
            self.try_grabs();
        } else if on {
            self.pending.push(WindowEvent::KeyboardGrabbed(true));
        } else {
            self.end_keyboard_grab();
        }
    }

    /// Ends what is in force, as when the focus is lost. What is only wanted may still come with the focus.
    pub(super) fn end_grabs(&mut self) {
        if self.grabs.pointer.is_held() {
            self.grabs.pointer = Grab::Off;
            // Wherever it is: another window has the user's attention.
            self.let_pointer_go(None);
            self.pending.push(WindowEvent::PointerCaptured(false));
        }
        if self.grabs.keyboard.is_held() {
            self.end_keyboard_grab();
        }
        self.flush();
    }

    /// Tries what is wanted and due.
    pub(super) fn try_grabs(&mut self) {
        let now = MonotonicClock.now();
        if self.grabs.pointer.is_due(now) {
            let tried = self.try_pointer();
            let told = WindowEvent::PointerCaptured(tried.is_ok());
            self.grabs.pointer = self.settle("pointer", self.grabs.pointer, tried, told, now);
        }
        if self.grabs.keyboard.is_due(now) {
            let tried = self.try_keyboard();
            let told = WindowEvent::KeyboardGrabbed(tried.is_ok());
            self.grabs.keyboard = self.settle("keyboard", self.grabs.keyboard, tried, told, now);
        }
    }

    /// What a try makes of a grab; tells of its success and of the last failure.
    fn settle(
        &mut self,
        what: &str,
        mut grab: Grab,
        tried: Result<(), &'static str>,
        told: WindowEvent,
        now: Nanos,
    ) -> Grab {
        match tried {
            Ok(()) => {
                self.pending.push(told);
                return Grab::Held;
            }
            Err(_) => grab.failed(now),
        }
        if let (Grab::Off, Err(reason)) = (grab, tried) {
            tracing::warn!("the {what} cannot be grabbed: {reason}");
            self.pending.push(told);
        }
        grab
    }

    /// Tries to capture the pointer.
    fn try_pointer(&mut self) -> Result<(), &'static str> {
        let Some(devices) = self.grabs.devices else {
            return Err("the X server has no XInput 2");
        };
        if !self.has_focus {
            return Err(NO_FOCUS);
        }
        let cursor = self.hidden_cursor();
        let (conn, window) = (&self.conn, self.window);
        let mask = EventMask::BUTTON_PRESS | EventMask::BUTTON_RELEASE;
        let (mode, time) = (GrabMode::ASYNC, x11rb::CURRENT_TIME);
        // A held button has made the server grab for us by XInput 2, which to the core protocol is somebody else's grab.
        let sent = conn.xinput_xi_ungrab_device(time, devices.pointer);
        note("ending a button's grab", sent.map(drop));
        let place = conn.query_pointer(window);
        let status = conn.grab_pointer(false, window, mask, mode, mode, window, cursor, time);
        let place = place.map_err(Into::into).and_then(|c| c.reply());
        let status = status.map_err(Into::into).and_then(|c| c.reply());
        let place = note("asking for the pointer", place);
        match note("capturing the pointer", status).map(|reply| reply.status) {
            Some(GrabStatus::SUCCESS) => {}
            Some(status) => return Err(refusal(status)),
            None => return Err("the X server refuses"),
        }
        self.grabs.origin = place.filter(|p| p.same_screen).map(place_in_window);
        self.select_raw(true);
        // What happened before comes first.
        note_lost(self.take_events());
        if self.has_focus {
            return Ok(());
        }
        self.let_pointer_go(None);
        Err(NO_FOCUS)
    }

    /// Tries to grab the keyboard.
    fn try_keyboard(&mut self) -> Result<(), &'static str> {
        let Some(devices) = self.grabs.devices else {
            return Err("the X server has no XInput 2");
        };
        if !self.has_focus {
            return Err(NO_FOCUS);
        }
        let mask = XIEventMask::KEY_PRESS | XIEventMask::KEY_RELEASE;
        let mode = GrabMode::ASYNC;
        let status = self.conn.xinput_xi_grab_device(
            self.window,
            x11rb::CURRENT_TIME,
            x11rb::NONE,
            devices.keyboard,
            mode,
            mode,
            GrabOwner::NO_OWNER,
            &[mask.into()],
        );
        let status = status.map_err(Into::into).and_then(|c| c.reply());
        match note("grabbing the keyboard", status).map(|reply| reply.status) {
            Some(GrabStatus::SUCCESS) => {}
            Some(status) => return Err(refusal(status)),
            None => return Err("the X server refuses"),
        }
        note_lost(self.take_events());
        if self.has_focus {
            return Ok(());
        }
        self.let_keyboard_go();
        Err(NO_FOCUS)
    }

    /// Gives the pointer back, at a place.
    fn let_pointer_go(&mut self, to: Option<SurfacePoint>) {
        self.select_raw(false);
        let sent = self.conn.ungrab_pointer(x11rb::CURRENT_TIME);
        note("releasing the pointer", sent.map(drop));
        if let Some(to) = to {
            self.warp(to);
        }
    }

    /// Ends the grab of the keyboard, or the wish for one.
    fn end_keyboard_grab(&mut self) {
        match std::mem::take(&mut self.grabs.keyboard) {
            Grab::Off => return,
            Grab::Wanted(_) => {}
            Grab::Held => self.let_keyboard_go(),
        }
        self.pending.push(WindowEvent::KeyboardGrabbed(false));
        self.flush();
    }

    /// Gives the keyboard back.
    fn let_keyboard_go(&self) {
        if let Some(devices) = self.grabs.devices {
            let conn = &self.conn;
            let sent = conn.xinput_xi_ungrab_device(x11rb::CURRENT_TIME, devices.keyboard);
            note("releasing the keyboard", sent.map(drop));
        }
    }

    /// Puts the pointer at a place.
    fn warp(&self, to: SurfacePoint) {
        if let Some(devices) = self.grabs.devices {
            let (x, y) = (input::fixed(to.x), input::fixed(to.y));
            let (from, whole) = (x11rb::NONE, 0);
            let sent = self.conn.xinput_xi_warp_pointer(
                from,
                self.window,
                0,
                0,
                whole,
                whole,
                x,
                y,
                devices.pointer,
            );
            note("moving the pointer", sent.map(drop));
        }
    }

    /// Asks for raw motion and for changes of the devices, or no longer.
    fn select_raw(&mut self, on: bool) {
        self.grabs.sources.clear();
        let select = |device: Device, mask| xinput::EventMask {
            deviceid: device.into(),
            mask: vec![if on { mask } else { XIEventMask::default() }],
        };
        let masks = [
            select(Device::ALL_MASTER, XIEventMask::RAW_MOTION),
            select(Device::ALL, XIEventMask::HIERARCHY),
        ];
        let sent = self.conn.xinput_xi_select_events(self.screen.root, &masks);
        note("selecting raw motion", sent.map(drop));
    }

    /// The pointer was pushed.
    pub(super) fn on_raw_motion(&mut self, event: &RawMotionEvent) {
        let is_ours = self
            .grabs
            .devices
            .is_some_and(|devices| devices.pointer == event.deviceid);
        if !(is_ours && self.grabs.pointer.is_held()) {
            return;
        }
        let accelerated = raw::axes(&event.valuator_mask, &event.axisvalues);
        let unchanged = raw::axes(&event.valuator_mask, &event.axisvalues_raw);
        let source = self.source(event.sourceid);
        let told = source.and_then(|source| source.motion(accelerated, unchanged));
        self.pending.extend(told);
    }

    /// The device of a number; asks the server about one that is new.
    fn source(&mut self, id: u16) -> Option<&mut Source> {
        let known = self.grabs.sources.iter().position(|s| s.id == id);
        if let Some(known) = known {
            return self.grabs.sources.get_mut(known);
        }
        let reply = self.conn.xinput_xi_query_device(id);
        let reply = reply.map_err(Into::into).and_then(|c| c.reply());
        let reply = note("asking about a pointer device", reply);
        let info = reply.as_ref().and_then(|reply| reply.infos.first());
        let screen = &self.screen;
        let screen = Size::new(
            screen.width_in_pixels.into(),
            screen.height_in_pixels.into(),
        );
        if self.grabs.sources.len() == MAX_SOURCES {
            self.grabs.sources.clear();
        }
        self.grabs.sources.push(Source::new(id, info, screen));
        self.grabs.sources.last_mut()
    }
}

/// Where in the window the pointer is.
fn place_in_window(reply: QueryPointerReply) -> SurfacePoint {
    SurfacePoint {
        x: reply.win_x.into(),
        y: reply.win_y.into(),
    }
}

/// A lost connection shows again at the next dispatch.
fn note_lost(result: Result<(), crate::WindowError>) {
    if let Err(error) = result {
        tracing::debug!(%error, "taking events");
    }
}
