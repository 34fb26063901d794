//! Which picture is shown when, and who is told.

use super::*;
use crate::console::SurfaceState;
use ConsolePolicy::{Auto, Force, Off};
use PictureSource::{Console, Nothing, Relay};

/// A session, and a view that does what it wants with the console that there is.
struct Stage {
    session: Session,
    console: Look,
    told: Vec<Request>,
    now: Nanos,
}

impl Stage {
    fn new(console: ConsolePolicy, change: impl FnOnce(&mut Preferences)) -> Self {
        let mut preferences = Preferences {
            console,
            quick_splash: true,
            ..Preferences::default()
        };
        change(&mut preferences);
        let mut stage = Self {
            session: Session::new(preferences),
            console: no_console(),
            told: Vec::new(),
            now: MS(0),
        };
        stage.at(0);
        stage
    }

    /// With a host whose picture was shown since time 0.
    fn live(console: ConsolePolicy) -> Self {
        let mut stage = Self::new(console, |_| ());
        stage.session.connected(FACTS);
        stage.frame();
        stage.told();
        stage
    }

    /// Lets the view go round at a time.
    fn at(&mut self, ms: i64) {
        self.now = MS(ms);
        self.session.console(&self.console, self.now);
        if let Some(serial) = self.session.wanted_surface(self.now) {
            self.session.console_shown(serial, LAYOUT, self.now);
        }
        self.session.tick(self.now);
        self.told.extend(self.session.take_requests());
    }

    /// Goes round whenever the session says that something changes, up to a time.
    fn until(&mut self, ms: i64) {
        while let Some(next) = self.session.tick(self.now).filter(|next| *next <= MS(ms)) {
            assert!(next > self.now, "a deadline that has passed");
            self.at(next.0 / 1_000_000);
        }
        self.at(ms);
    }

    fn surface(&mut self, serial: u32, is_marked: bool, is_covered: bool) {
        self.console.surface = Some(SurfaceState {
            serial,
            is_marked,
            is_covered,
            incomplete: None,
        });
        self.at(self.now.0 / 1_000_000);
    }

    fn no_surface(&mut self) {
        self.console.surface = None;
        self.at(self.now.0 / 1_000_000);
    }

    fn frame(&mut self) {
        self.session.frame(&notes(64, 48), self.now);
        self.at(self.now.0 / 1_000_000);
    }

    fn missing(&mut self, is_alive: bool) {
        self.session.missing("gone".into(), is_alive, self.now);
        self.at(self.now.0 / 1_000_000);
    }

    fn shown(&self) -> PictureSource {
        self.session.guest_view().source
    }

    fn told(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.told)
    }
}

const LAYOUT: FrameLayout = FrameLayout {
    format: PixelFormat::Bgra8,
    transfer: picture::Transfer::Srgb,
    frame: Size::new(720, 400),
    rows: 400,
    pitch_bytes: 2880,
    screen: Size::new(720, 400),
    rotation: Rotation::Deg0,
};
const FACTS: HostFacts = HostFacts {
    can_set_pointer: true,
    is_linux: true,
    uuid: Some([7; 16]),
};

fn no_console() -> Look {
    Look {
        surface: None,
        has_damage: false,
        pointer: PointerState::default(),
        shape: None,
        missing: None,
    }
}

#[test]
fn without_a_host_the_console_is_asked_for_and_shown_at_once() {
    let mut stage = Stage::new(Auto, |_| ());
    assert_eq!(stage.told(), [], "the relay has not spoken yet");
    stage.missing(false);
    assert_eq!(stage.told(), [Request::WantConsole(true)]);
    stage.surface(1, true, true);
    assert_eq!(stage.shown(), Console);
    assert!(!stage.session.scene().dimmed);
    assert_eq!(stage.session.status, None, "nothing is waited for");
}

#[test]
fn a_host_that_is_there_at_the_start_is_not_preceded_by_the_console() {
    let mut stage = Stage::new(Auto, |_| ());
    stage.session.connected(FACTS);
    stage.surface(1, true, true);
    stage.until(1000);
    assert_eq!(stage.shown(), Nothing);
    stage.frame();
    assert_eq!(stage.shown(), Relay);
    stage.until(5000);
    assert_eq!(stage.told(), [Request::HostAlive(true)]);
}

#[test]
fn a_host_without_a_picture_gives_way_to_the_console_and_stays_alive() {
    let mut stage = Stage::new(Auto, |_| ());
    stage.session.connected(FACTS);
    stage.at(1500);
    stage.missing(true);
    stage.surface(1, true, true);
    assert_eq!(stage.shown(), Console);
    assert_eq!(
        stage.told(),
        [Request::HostAlive(true), Request::WantConsole(true)]
    );
    assert!(stage.session.guest_view().can_set_pointer);
}

#[test]
fn a_lost_host_is_waited_for_half_a_second() {
    let mut stage = Stage::live(Auto);
    stage.at(1000);
    stage.missing(false);
    assert_eq!(stage.told(), [Request::HostAlive(false)]);
    stage.until(1149);
    assert_eq!(stage.told(), []);
    stage.until(1150);
    assert_eq!(stage.told(), [Request::WantConsole(true)]);
    assert!(stage.session.scene().dimmed, "the last picture, dimmed");
    stage.surface(1, true, true);
    stage.until(1499);
    assert_eq!(stage.shown(), Relay);
    stage.until(1500);
    assert_eq!(stage.shown(), Console);
    assert!(!stage.session.scene().dimmed);
    assert!(!stage.session.guest_view().can_set_pointer);
    assert!(stage.session.guest_view().is_linux, "as last heard");
}

#[test]
fn a_host_that_restarts_never_shows_the_console_between() {
    let mut stage = Stage::live(Auto);
    stage.surface(1, true, true);
    stage.at(1000);
    stage.missing(false);
    stage.until(1400);
    stage.session.connected(FACTS);
    stage.until(2800);
    assert_eq!(stage.shown(), Relay, "the new session is given its time");
    stage.frame();
    assert_eq!(stage.shown(), Relay);
    stage.until(9000);
    assert_eq!(
        stage.told(),
        [
            Request::HostAlive(false),
            Request::WantConsole(true),
            Request::HostAlive(true),
            Request::WantConsole(false),
        ]
    );
}

#[test]
fn the_first_relayed_frame_wins_at_once_and_the_console_closes_later() {
    let mut stage = Stage::new(Auto, |_| ());
    stage.missing(false);
    stage.surface(1, true, true);
    stage.told();
    stage.at(5000);
    stage.session.connected(FACTS);
    stage.at(5010);
    assert_eq!(stage.shown(), Console, "a session is no picture");
    stage.at(5020);
    stage.frame();
    assert_eq!(stage.shown(), Relay);
    stage.surface(2, true, true);
    assert_eq!(stage.shown(), Relay);
    stage.until(6019);
    assert_eq!(stage.told(), [Request::HostAlive(true)]);
    stage.until(6020);
    assert_eq!(stage.told(), [Request::WantConsole(false)]);
}

#[test]
fn a_surface_is_shown_when_it_is_marked_and_covered_or_after_half_a_second() {
    for (is_marked, is_covered) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut stage = Stage::new(Auto, |_| ());
        stage.missing(false);
        stage.surface(1, is_marked, is_covered);
        let is_ready = is_marked && is_covered;
        assert_eq!(stage.shown() == Console, is_ready);
        stage.until(499);
        assert_eq!(stage.shown() == Console, is_ready);
        stage.until(500);
        assert_eq!(stage.shown() == Console, is_marked || is_covered);
        stage.surface(1, true, true);
        assert_eq!(stage.shown(), Console);
    }
}

#[test]
fn a_new_mode_keeps_the_old_picture_until_the_new_one_is_whole() {
    let mut stage = Stage::new(Auto, |_| ());
    stage.missing(false);
    stage.surface(1, true, true);
    stage.at(1000);
    stage.no_surface();
    stage.at(1010);
    stage.surface(2, false, false);
    assert_eq!(stage.session.wanted_surface(stage.now), None);
    stage.at(1020);
    stage.surface(2, true, false);
    assert_eq!(stage.session.wanted_surface(stage.now), None);
    stage.until(1400);
    assert!(!stage.session.scene().dimmed, "kept as it was");
    assert_eq!(stage.shown(), Console);
    stage.surface(2, true, true);
    assert_eq!(stage.session.wanted_surface(stage.now), Some(2));
    stage.until(4000);
    assert!(!stage.session.scene().dimmed);
}

#[test]
fn a_console_that_does_not_come_back_is_dimmed_with_a_word() {
    let mut stage = Stage::new(Auto, |_| ());
    stage.missing(false);
    stage.surface(1, true, true);
    stage.at(1000);
    stage.no_surface();
    stage.console.missing = Some("waiting for the server".into());
    stage.until(1499);
    assert!(!stage.session.scene().dimmed);
    stage.until(1500);
    assert!(stage.session.scene().dimmed);
    assert_eq!(first_line(&stage.session), Some("waiting for the server"));
    assert_eq!(stage.shown(), Console, "its last picture");
    stage.surface(2, true, true);
    assert!(!stage.session.scene().dimmed);
}

#[test]
fn force_shows_the_console_whatever_the_host_does() {
    let mut stage = Stage::new(Force, |_| ());
    assert_eq!(stage.told(), [Request::WantConsole(true)]);
    stage.session.connected(FACTS);
    assert!(!stage.session.wants_frames());
    stage.surface(1, true, true);
    assert_eq!(stage.shown(), Console);
    stage.session.toggle_video(stage.now);
    stage.at(1);
    let text = "There is no relayed video: spice:display is force.";
    assert_eq!(first_line(&stage.session), Some(text));
    stage.until(9000);
    assert_eq!(stage.told(), [Request::HostAlive(true)]);
}

#[test]
fn off_never_shows_the_console() {
    let mut stage = Stage::live(Off);
    stage.at(1000);
    stage.missing(false);
    stage.surface(1, true, true);
    stage.until(9000);
    assert_eq!(stage.shown(), Relay);
    assert!(stage.session.scene().dimmed);
    assert_eq!(stage.told(), [Request::HostAlive(false)]);
}

#[test]
fn without_shared_memory_there_is_the_console_alone() {
    let mut stage = Stage::new(Auto, |p| p.has_relay = false);
    assert_eq!(stage.told(), [Request::WantConsole(true)]);
    assert_eq!(first_line(&stage.session), Some(NO_CONSOLE));
    stage.surface(1, true, true);
    assert_eq!(stage.shown(), Console);
    assert_eq!(stage.session.status, None);
    stage.session.toggle_video(stage.now);
    stage.at(1);
    let text = "There is no relayed video: app:transport is spice.";
    assert_eq!(first_line(&stage.session), Some(text));
}

#[test]
fn the_video_key_hands_over_to_the_console_and_back() {
    let mut stage = Stage::live(Auto);
    stage.at(1000);
    stage.session.toggle_video(stage.now);
    stage.at(1000);
    assert!(!stage.session.wants_frames());
    assert_eq!(stage.told(), [Request::WantConsole(true)]);
    assert_eq!(
        stage.shown(),
        Relay,
        "until there is something to hand over to"
    );
    stage.at(1050);
    stage.surface(1, true, true);
    assert_eq!(stage.shown(), Console);
    stage.until(6000);
    stage.session.toggle_video(stage.now);
    assert!(stage.session.wants_frames());
    stage.at(6010);
    assert_eq!(stage.shown(), Console, "until the first frame");
    stage.frame();
    assert_eq!(stage.shown(), Relay);
    stage.until(9000);
    assert_eq!(stage.told(), [Request::WantConsole(false)]);
}

#[test]
fn without_a_console_the_video_key_stops_the_video_and_says_so() {
    let mut stage = Stage::live(Off);
    stage.session.toggle_video(MS(1000));
    stage.at(1000);
    assert!(!stage.session.wants_frames());
    assert!(stage.session.scene().dimmed);
    let lines = stage.session.status.as_ref().unwrap().lines().to_vec();
    assert_eq!(lines, ["Looking Glass", VIDEO_OFF, "Video off."]);
    stage.until(9000);
    assert_eq!(first_line(&stage.session), Some(VIDEO_OFF));
    stage.session.toggle_video(MS(9000));
    stage.at(9000);
    assert!(!stage.session.scene().dimmed);
    assert_eq!(first_line(&stage.session), Some("Video on."));
    assert_eq!(stage.told(), []);
}

#[test]
fn a_console_that_does_not_come_leaves_the_stopped_video_with_a_word() {
    let mut stage = Stage::live(Auto);
    stage.session.toggle_video(MS(1000));
    stage.until(1999);
    assert!(!stage.session.scene().dimmed);
    stage.until(2000);
    assert!(stage.session.scene().dimmed);
    stage.surface(1, true, true);
    assert!(!stage.session.scene().dimmed);
    assert_eq!(stage.shown(), Console);
}

#[test]
fn each_picture_has_its_own_pointer() {
    let shape = |width: u32| PointerShape {
        kind: PointerKind::Colour,
        width,
        height: 1,
        pitch_bytes: width * 4,
        hot_spot: (1, 0),
        data: vec![0; width as usize * 4],
    };
    let at = |x: i32| PointerState {
        position: GuestPoint { x, y: 5 },
        is_visible: true,
    };
    let mut stage = Stage::live(Auto);
    stage.session.pointer(at(10), Some(&shape(2)));
    stage.console.pointer = at(20);
    stage.console.shape = Some(Arc::new(shape(3)));
    stage.session.take_needs_draw();
    stage.at(1);
    assert!(!stage.session.take_needs_draw(), "that one is not seen");
    let seen = |session: &Session| {
        let scene = session.scene();
        (scene.shape.unwrap().width, scene.pointer.position.x)
    };
    assert_eq!(seen(&stage.session), (2, 10));
    let hot_spot = |session: &Session| session.guest_view().pointer.unwrap().x;
    assert_eq!(hot_spot(&stage.session), 11);
    stage.session.toggle_video(stage.now);
    stage.surface(1, true, true);
    assert_eq!(seen(&stage.session), (3, 20));
    assert_eq!(hot_spot(&stage.session), 21);
    stage.session.take_needs_draw();
    stage.session.pointer(at(11), None);
    assert!(!stage.session.take_needs_draw(), "now this one is not seen");
    stage.console.pointer = at(21);
    stage.at(2);
    assert!(stage.session.take_needs_draw());
}

#[test]
fn others_see_where_the_picture_lies() {
    let mut stage = Stage::live(Auto);
    stage.session.window_changed(Size::new(128, 96), 1.0);
    let view = stage.session.guest_view();
    assert_eq!(view.placement.unwrap().target.width, 128);
    assert_eq!(view.uuid, FACTS.uuid);
    stage.session.rotate();
    let placement = stage.session.guest_view().placement.unwrap();
    assert_eq!(placement.turned_frame(), Size::new(48, 64));
    assert_eq!(placement.target.height, 96);
    assert!(stage.session.take_needs_draw());
}

#[test]
fn four_turns_come_round_and_the_window_follows_each() {
    let mut stage = Stage::new(Off, |p| p.auto_resize = true);
    stage.session.connected(FACTS);
    stage.frame();
    let mut sizes = vec![];
    for _ in 0..4 {
        stage.told();
        stage.session.rotate();
        stage.at(1);
        sizes.push(stage.told());
    }
    let resize = |width, height| {
        let size = Size::new(width, height);
        vec![Request::Window(WindowCommand::Resize(size))]
    };
    let (upright, turned) = (resize(64, 48), resize(48, 64));
    assert_eq!(sizes, [turned.clone(), upright.clone(), turned, upright]);
    assert_eq!(stage.session.scene().view.rotation, Rotation::Deg0);
}

#[test]
fn the_window_follows_the_console_as_well() {
    let mut stage = Stage::new(Auto, |p| p.auto_resize = true);
    stage.missing(false);
    stage.surface(1, true, true);
    let size = WindowCommand::Resize(Size::new(720, 400));
    assert!(stage.told().contains(&Request::Window(size)));
}
