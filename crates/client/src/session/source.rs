//! Which of the two pictures is shown: the relayed one or the machine's own screen. Pure; time is what it is told.

use clock::Nanos;

use crate::console::SurfaceState;
use crate::guest_view::PictureSource;

/// A host that went away is waited for this long before the console takes its place.
const GRACE: Nanos = Nanos::from_millis(500);
/// The console is asked for this long after a loss, so that most restarts of a host do not open it at all.
const WANT_AFTER: Nanos = Nanos::from_millis(150);
/// It is kept open this long beside a live host, so that one that comes and goes does not open it time and again.
const LINGER: Nanos = Nanos::from_millis(1000);
/// A new surface that is marked but not covered by drawing, or the other way round, is shown after this time; and an
/// old picture stays for so long after its surface is gone.
const SETTLE: Nanos = Nanos::from_millis(500);

/// When the machine's own screen is shown (`spice:display`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsolePolicy {
    /// While no host session is alive, or the video is switched off.
    Auto,
    /// Always.
    Force,
    /// Never; also where there is no SPICE.
    #[default]
    Off,
}

/// What is known of the host's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// Nothing yet.
    Unknown,
    /// There is none.
    Absent { since: Nanos },
    /// There is one, whose first frame is to come.
    Connected,
    /// There is one, whose first frame does not come.
    Silent { since: Nanos },
    /// There is one that sends frames.
    Live { since: Nanos },
}

/// What is known of the console's picture.
#[derive(Clone, Copy, Debug)]
struct Surface {
    state: SurfaceState,
    /// When it was first seen to be marked or covered.
    settling: Option<Nanos>,
}

impl Surface {
    /// When it may be shown.
    fn ready_at(&self) -> Option<Nanos> {
        let since = self.settling?;
        Some(if self.state.is_marked && self.state.is_covered {
            since
        } else {
            since + SETTLE
        })
    }
}

/// The state of the choice.
#[derive(Debug)]
pub(super) struct Sources {
    policy: ConsolePolicy,
    has_relay: bool,
    host: Host,
    video_off_since: Option<Nanos>,
    /// Whose picture the window shows, alive or not.
    shown: PictureSource,
    surface: Option<Surface>,
    /// The surface that the window shows.
    shown_serial: Option<u32>,
    /// Since when that one is gone.
    gone_since: Option<Nanos>,
    wants_console: bool,
    is_host_alive: bool,
}

/// What changed that others are to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// The console's channels are to be opened, or closed.
    pub(super) console: Option<bool>,
    /// The host's session came, or went.
    pub(super) host: Option<bool>,
}

impl Sources {
    pub(super) const fn new(policy: ConsolePolicy, has_relay: bool) -> Self {
        Self {
            policy,
            has_relay,
            host: Host::Unknown,
            video_off_since: None,
            shown: PictureSource::Nothing,
            surface: None,
            shown_serial: None,
            gone_since: None,
            wants_console: false,
            is_host_alive: false,
        }
    }

    pub(super) const fn shown(&self) -> PictureSource {
        self.shown
    }

    /// The relay waits for something; `is_alive` if that is only the session's first frame.
    pub(super) fn missing(&mut self, is_alive: bool, now: Nanos) {
        let since = match self.host {
            Host::Absent { since } | Host::Silent { since } => since,
            _ => now,
        };
        self.host = if is_alive {
            Host::Silent { since }
        } else {
            Host::Absent { since }
        };
    }

    pub(super) fn connected(&mut self) {
        self.host = Host::Connected;
    }

    /// A complete relayed frame is in the renderer: it wins at once.
    pub(super) fn frame(&mut self, now: Nanos) {
        let since = match self.host {
            Host::Live { since } => since,
            _ => now,
        };
        self.host = Host::Live { since };
        self.shown = PictureSource::Relay;
        self.shown_serial = None;
        self.gone_since = None;
    }

    /// Surface `serial` of the console is in the renderer.
    pub(super) fn console_shown(&mut self, serial: u32) {
        self.shown = PictureSource::Console;
        self.shown_serial = Some(serial);
        self.gone_since = None;
    }

    /// Takes in what there is of the console.
    pub(super) fn console(&mut self, state: Option<SurfaceState>, now: Nanos) {
        let old = self
            .surface
            .filter(|old| state.is_some_and(|state| state.serial == old.state.serial));
        self.surface = state.map(|state| {
            let settling = old.and_then(|old| old.settling);
            let may_settle = state.is_marked || state.is_covered;
            Surface {
                state,
                settling: settling.or(may_settle.then_some(now)),
            }
        });
        let is_gone = self.shown_serial != state.map(|state| state.serial);
        if self.shown == PictureSource::Console && is_gone {
            self.gone_since.get_or_insert(now);
        } else {
            self.gone_since = None;
        }
    }

    /// Tells whether relayed frames are to be shown when they come.
    pub(super) fn wants_frames(&self) -> bool {
        self.video_off_since.is_none() && self.policy != ConsolePolicy::Force
    }

    pub(super) const fn video_off_since(&self) -> Option<Nanos> {
        self.video_off_since
    }

    /// Tells whether no relayed picture is to be expected.
    pub(super) const fn has_console_only(&self) -> bool {
        !self.has_relay || matches!(self.policy, ConsolePolicy::Force)
    }

    /// Switches the relayed video off, or on again; returns what to say about it.
    pub(super) fn toggle_video(&mut self, now: Nanos) -> &'static str {
        if !self.has_relay {
            return "There is no relayed video: app:transport is spice.";
        }
        if self.policy == ConsolePolicy::Force {
            return "There is no relayed video: spice:display is force.";
        }
        if self.video_off_since.take().is_some() {
            // Frames were not read meanwhile: the next one is a first one.
            if let Host::Live { .. } = self.host {
                self.host = Host::Connected;
            }
            return "Video on.";
        }
        self.video_off_since = Some(now);
        match self.policy {
            ConsolePolicy::Auto => "Video off: the machine's own screen takes its place.",
            _ => "Video off.",
        }
    }

    /// From when on the console is to be shown; `None` if it is not.
    fn console_due(&self) -> Option<Nanos> {
        match (self.policy, self.host) {
            (ConsolePolicy::Off, _) => None,
            (ConsolePolicy::Force, _) => Some(Nanos::ZERO),
            _ if !self.has_relay => Some(Nanos::ZERO),
            _ if self.video_off_since.is_some() => self.video_off_since,
            (_, Host::Absent { since } | Host::Silent { since }) => Some(self.after(since, GRACE)),
            _ => None,
        }
    }

    /// Only a picture of the host's is worth waiting for it.
    fn after(&self, since: Nanos, wait: Nanos) -> Nanos {
        match self.shown {
            PictureSource::Relay => since + wait,
            _ => since,
        }
    }

    /// The surface of the console that is to be in the renderer.
    pub(super) fn wanted_surface(&self, now: Nanos) -> Option<u32> {
        let surface = self.surface.as_ref()?;
        let is_shown = self.shown == PictureSource::Console;
        if is_shown && self.shown_serial == Some(surface.state.serial) {
            return self.shown_serial;
        }
        let is_due = is_shown || self.console_due().is_some_and(|due| now >= due);
        let is_ready = surface.ready_at().is_some_and(|at| now >= at);
        (is_due && is_ready).then_some(surface.state.serial)
    }

    /// From when on it can no longer be pretended that the console's picture is alive, if it is shown and gone.
    pub(super) fn console_lost_at(&self) -> Option<Nanos> {
        self.gone_since.map(|since| since + SETTLE)
    }

    /// What others are to know that they do not know yet.
    pub(super) fn wishes(&mut self, now: Nanos) -> Wishes {
        let is_alive = matches!(
            self.host,
            Host::Connected | Host::Silent { .. } | Host::Live { .. }
        );
        let wants = self.would_want_console(now);
        let told = |old: &mut bool, new: bool| (std::mem::replace(old, new) != new).then_some(new);
        Wishes {
            console: told(&mut self.wants_console, wants),
            host: told(&mut self.is_host_alive, is_alive),
        }
    }

    fn would_want_console(&self, now: Nanos) -> bool {
        match (self.policy, self.host) {
            (ConsolePolicy::Off, _) => false,
            (ConsolePolicy::Force, _) => true,
            _ if !self.has_relay || self.video_off_since.is_some() => true,
            (_, Host::Absent { since } | Host::Silent { since }) => {
                self.wants_console || now >= self.after(since, WANT_AFTER)
            }
            (_, Host::Live { since }) => self.wants_console && now < since + LINGER,
            (_, Host::Unknown | Host::Connected) => self.wants_console,
        }
    }

    /// When any of the above changes by itself.
    pub(super) fn deadline(&self, now: Nanos) -> Option<Nanos> {
        let want = match self.host {
            Host::Absent { since } | Host::Silent { since } if !self.wants_console => {
                Some(self.after(since, WANT_AFTER))
            }
            Host::Live { since } if self.wants_console => Some(since + LINGER),
            _ => None,
        };
        let times = [
            want,
            self.console_due(),
            self.surface.as_ref().and_then(Surface::ready_at),
            self.gone_since.map(|since| since + SETTLE),
        ];
        times.into_iter().flatten().filter(|at| *at > now).min()
    }
}
