//! What the main thread knows of the compositor, and the toolkit's callbacks.

use std::sync::Arc;

use picture::Size;
use smithay_client_toolkit::activation::{ActivationHandler, ActivationState, RequestData};
use smithay_client_toolkit::compositor::{CompositorHandler, CompositorState};
use smithay_client_toolkit::dispatch2::Dispatch2;
use smithay_client_toolkit::output::{OutputHandler, OutputState};
use smithay_client_toolkit::registry::{ProvidesRegistryState, RegistryState};
use smithay_client_toolkit::seat::SeatState;
use smithay_client_toolkit::{delegate_dispatch2, delegate_registry, registry_handlers};
use wayland_client::protocol::wl_output::{Transform, WlOutput};
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Connection, Proxy, QueueHandle};
use wayland_protocols::wp::idle_inhibit::zv1::client::zwp_idle_inhibit_manager_v1::ZwpIdleInhibitManagerV1;
use wayland_protocols::wp::idle_inhibit::zv1::client::zwp_idle_inhibitor_v1::ZwpIdleInhibitorV1;

use super::capture::Grabs;
use super::keyboard::Focus;
use super::seat::Seats;
use super::shell::Shell;
use super::toplevel::{OwnResize, Role, Suggestion};
use crate::WindowEvent;
use crate::clipboard::wayland::Selection;
use crate::geometry::Scale;

/// User data of objects whose events, if any, say nothing that matters here.
pub(super) struct Quiet;

impl<I: Proxy> Dispatch2<I, State> for Quiet {
    fn event(&self, _: &mut State, _: &I, _: I::Event, _: &Connection, _: &QueueHandle<State>) {}
}

/// What the main thread knows.
pub(crate) struct State {
    pub(super) shell: Arc<Shell>,
    pub(super) registry: RegistryState,
    pub(super) outputs: OutputState,
    pub(super) compositor: CompositorState,
    pub(super) seat_state: SeatState,
    pub(super) seats: Seats,
    pub(super) focus: Focus,
    pub(super) grabs: Grabs,
    pub(crate) selection: Selection,
    pub(super) activation: Option<ActivationState>,
    pub(super) idle_manager: Option<ZwpIdleInhibitManagerV1>,
    pub(super) idle_inhibitor: Option<ZwpIdleInhibitorV1>,
    /// Collects a configure sequence until `xdg_surface.configure` ends it.
    pub(super) suggestion: Suggestion,
    /// A size that the program asked for and that the compositor may not know yet.
    pub(super) own_resize: Option<OwnResize>,
    /// The logical size when the window is neither maximised, tiled nor full screen.
    pub(super) floating: Size,
    pub(super) is_floating: bool,
    pub(super) is_full_screen: bool,
    pub(super) is_configured: bool,
    /// A configure event has come that the next commit answers.
    pub(super) needs_commit: bool,
    pub(super) is_resizable: bool,
    pub(super) aspect: Option<Size>,
    pub(super) pending: Vec<WindowEvent>,
    /// Buffer and scale as our user was last told them.
    pub(super) reported: Option<(Size, Scale)>,
}

impl State {
    /// Moves what happened to `events`.
    pub(super) fn report(&mut self, events: &mut Vec<WindowEvent>) {
        self.tell_focus();
        let tracker = self.shell.tracker();
        let target = tracker.target();
        let on_screen = tracker.applied_size();
        drop(tracker);
        if let Some(own) = &mut self.own_resize
            && !own.is_asked
            && on_screen == Some(own.to)
        {
            own.is_asked = true;
            self.shell.conn.display().sync(&self.shell.queue, Role);
        }
        let now = (target.buffer(), target.scale);
        let is_resized = self.is_configured && self.reported != Some(now);
        if is_resized {
            self.reported = Some(now);
            events.push(WindowEvent::Resized {
                buffer: now.0,
                scale: now.1.as_f64(),
            });
        }
        if std::mem::take(&mut self.needs_commit) && !is_resized {
            events.push(WindowEvent::Exposed);
        }
        events.append(&mut self.pending);
    }

    /// Takes a new scale.
    pub(super) fn set_scale(&mut self, scale: Scale) {
        self.shell.tracker().rescaled(scale);
    }
}

impl CompositorHandler for State {
    fn scale_factor_changed(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        surface: &WlSurface,
        factor: i32,
    ) {
        if *surface == self.shell.surface && self.shell.viewport.is_none() {
            self.set_scale(Scale::whole(factor));
        }
    }

    fn transform_changed(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &WlSurface,
        _: Transform,
    ) {
    }

    fn frame(&mut self, _: &Connection, _: &QueueHandle<Self>, surface: &WlSurface, time_ms: u32) {
        if *surface == self.shell.surface {
            self.pending.push(WindowEvent::FrameDone { time_ms });
        }
    }

    fn surface_enter(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &WlSurface,
        _: &WlOutput,
    ) {
    }

    fn surface_leave(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &WlSurface,
        _: &WlOutput,
    ) {
    }
}

impl OutputHandler for State {
    fn output_state(&mut self) -> &mut OutputState {
        &mut self.outputs
    }

    fn new_output(&mut self, _: &Connection, _: &QueueHandle<Self>, _: WlOutput) {
        self.pending.push(WindowEvent::OutputsChanged);
    }

    fn update_output(&mut self, _: &Connection, _: &QueueHandle<Self>, _: WlOutput) {
        self.pending.push(WindowEvent::OutputsChanged);
    }

    fn output_destroyed(&mut self, _: &Connection, _: &QueueHandle<Self>, _: WlOutput) {
        self.pending.push(WindowEvent::OutputsChanged);
    }
}

impl ActivationHandler for State {
    type RequestUdata = ();

    fn new_token(&mut self, token: String, _: &RequestData<()>) {
        if let Some(activation) = &self.activation {
            activation.activate::<Self>(&self.shell.surface, token);
        }
    }
}

impl ProvidesRegistryState for State {
    fn registry(&mut self) -> &mut RegistryState {
        &mut self.registry
    }

    registry_handlers![OutputState, SeatState];
}

delegate_registry!(State);
delegate_dispatch2!(State);
