//! Random events against the guest that remembers.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Window(WindowEvent),
    Spice(SpiceInput),
    Source(PictureSource),
    Turn(u32),
    Pointer(Option<GuestPoint>),
    CanSet(bool),
    Realigned(bool),
    Wait(i64),
}

const KEYS: [u32; 12] = [1, A, SHIFT, 29, 56, ESCAPE, I, 60, 99, 210, 125, 0x1ff];

fn window_event() -> impl Strategy<Value = WindowEvent> {
    let key = prop::sample::select(&KEYS[..]);
    let place = -100.0..1100.0_f64;
    prop_oneof![
        8 => (key, any::<bool>()).prop_map(|(evdev, pressed)| WindowEvent::Key { evdev, pressed }),
        4 => (0x110..0x116_u32, any::<bool>())
            .prop_map(|(evdev, pressed)| WindowEvent::Button { evdev, pressed }),
        4 => (place.clone(), place)
            .prop_map(|(x, y)| WindowEvent::PointerMoved(SurfacePoint { x, y })),
        1 => Just(WindowEvent::PointerLeft),
        1 => any::<bool>().prop_map(WindowEvent::Focused),
        2 => any::<bool>().prop_map(WindowEvent::PointerCaptured),
        1 => any::<bool>().prop_map(WindowEvent::KeyboardGrabbed),
        1 => (-500..500_i32).prop_map(|y_120| WindowEvent::Wheel { x_120: 0, y_120 }),
        2 => (-9.0..9.0_f64, -9.0..9.0_f64).prop_map(|(dx, dy)| WindowEvent::RelativeMotion {
            dx,
            dy,
            raw_dx: dx,
            raw_dy: dy,
        }),
        1 => any::<bool>().prop_map(|is_on| WindowEvent::Locks(all_locks(is_on))),
    ]
}

fn spice_event() -> impl Strategy<Value = SpiceInput> {
    let both = [MouseMode::Relative, MouseMode::Absolute];
    prop_oneof![
        4 => Just(SpiceInput::Ready),
        2 => Just(SpiceInput::Lost),
        3 => (0..=2_usize, prop::sample::select(both.to_vec())).prop_map(move |(count, current)| {
            SpiceInput::Mouse(MouseModes::new(both.get(..count).unwrap_or_default(), current))
        }),
        1 => any::<bool>().prop_map(|caps| SpiceInput::Locks(Locks {
            caps,
            ..Locks::default()
        })),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    use PictureSource::{Console, Nothing, Relay};
    let point = (0..1000, 0..500).prop_map(|(x, y)| GuestPoint { x, y });
    prop_oneof![
        24 => window_event().prop_map(Op::Window),
        2 => spice_event().prop_map(Op::Spice),
        1 => prop::sample::select(vec![Nothing, Relay, Console]).prop_map(Op::Source),
        1 => (0..4_u32).prop_map(Op::Turn),
        1 => prop::option::of(point).prop_map(Op::Pointer),
        1 => any::<bool>().prop_map(Op::CanSet),
        2 => any::<bool>().prop_map(Op::Realigned),
        2 => (0..300_i64).prop_map(Op::Wait),
    ]
}

impl Desk {
    fn run(&mut self, op: &Op) {
        match op {
            Op::Window(event) => self.event(*event),
            Op::Spice(event) => self.spice(*event),
            Op::Source(source) => self.view(|view| view.source = *source),
            Op::Turn(turns) => {
                let turn = Rotation::from_quarter_turns(*turns);
                self.view(|view| view.placement = Some(placed(Size::new(1000, 500), turn)));
            }
            Op::Pointer(pointer) => self.view(|view| view.pointer = *pointer),
            Op::CanSet(can) => self.view(|view| view.can_set_pointer = *can),
            Op::Realigned(is_there) => self.realigned(*is_there),
            Op::Wait(ms) => {
                self.wait(*ms);
            }
        }
    }
}

prop_compose! {
    fn preferences()(
        flags in prop::array::uniform10(any::<bool>()),
        sensitivity in -9..=9_i32,
    ) -> Preferences {
        let [release, only, on_focus, on_start, grab, grab_focus, scale, smooth, raw, windows] = flags;
        Preferences {
            release_on_focus_loss: release,
            capture_only: only,
            capture_on_focus: on_focus,
            capture_on_start: on_start,
            grab_keyboard: grab,
            grab_keyboard_on_focus: grab_focus,
            scale_cursor: scale,
            smoothing: smooth,
            raw,
            ignore_windows_keys: windows,
            sensitivity,
            ..Preferences::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_nothing_stays_down(
        preferences in preferences(),
        ops in prop::collection::vec(op(), 1..150),
    ) {
        let mut desk = Desk::new(preferences);
        let mut has_link = true;
        for op in &ops {
            match op {
                Op::Spice(SpiceInput::Ready) => has_link = true,
                Op::Spice(SpiceInput::Lost) => has_link = false,
                _ => {}
            }
            desk.run(op);
            let sent = desk.sent();
            prop_assert!(has_link || sent.is_empty(), "{op:?}: {sent:?} without a session");
            let escape = [key(ESCAPE, true), key(ESCAPE, false)];
            prop_assert!(!sent.iter().any(|command| escape.contains(command)), "{op:?}");
            prop_assert_eq!(desk.guest.faults, 0, "{:?}: {:?}", op, sent);
            if matches!(op, Op::Window(WindowEvent::Focused(false))) {
                let may_hold = !preferences.release_on_focus_loss;
                prop_assert!(may_hold || !desk.guest.has_anything_down(), "{op:?}");
                let waits = desk.model.out.is_waiting();
                prop_assert!(waits || desk.guest.buttons.is_empty(), "{op:?}");
            }
        }
        desk.release_all();
        prop_assert!(!desk.guest.has_anything_down(), "{:?}", desk.guest);
        // And once more, now that nobody holds anything back.
        desk.wait(1000);
        prop_assert!(!desk.guest.has_anything_down(), "{:?}", desk.guest);
    }

    #[test]
    fn guests_pointer_is_where_the_local_one_is(
        size in (1..3000_u32, 1..3000_u32),
        buffer in (1..2000_u32, 1..2000_u32),
        turn in 0..4_u32,
        scale in prop::sample::select(vec![1.0, 1.25, 1.5, 2.0]),
        // Parts of the picture, and a little beside it.
        ways in prop::collection::vec((-0.1..1.1_f64, -0.1..1.1_f64), 1..40),
        start in (0..1000_i32, 0..1000_i32),
    ) {
        let desktop = Size::new(size.0, size.1);
        let placement = placed_in(
            desktop,
            Size::new(buffer.0, buffer.1),
            Rotation::from_quarter_turns(turn),
        );
        let mut desk = Desk::new(Preferences::default());
        desk.scale = scale;
        desk.guest.pointer = start;
        desk.view.pointer = Some(GuestPoint { x: start.0, y: start.1 });
        desk.view.placement = Some(placement);
        let target = placement.target;
        for (x, y) in ways {
            let x = f64::from(target.x) + x * f64::from(target.width);
            let y = f64::from(target.y) + y * f64::from(target.height);
            let before = desk.guest.pointer;
            desk.move_to(x / scale, y / scale);
            // What the guest reports, it reports when the pointer comes to rest.
            let (x, y) = desk.guest.pointer;
            desk.view.pointer = Some(GuestPoint { x, y });
            if desk.model.follow.is_in() {
                let local = desk.model.local.map(|point| place::on_buffer(point, scale)).unwrap();
                let under = place::guest_pixel(&placement, local).unwrap();
                prop_assert_eq!((x, y), (under.x, under.y));
            } else if (x, y) != before {
                // It left the picture with this: at an edge.
                let (w, h) = (i32::try_from(size.0).unwrap(), i32::try_from(size.1).unwrap());
                let is_edge = x == 0 || y == 0 || x == w - 1 || y == h - 1;
                prop_assert!(is_edge, "{:?}", (x, y));
            }
        }
    }

    #[test]
    fn unscaled_way_does_not_depend_on_how_it_is_cut(
        turn in 0..4_u32,
        // 256ths of a pixel, around the middle.
        places in prop::collection::vec((-60_000..60_000_i32, -60_000..60_000_i32), 2..30),
    ) {
        let turn = Rotation::from_quarter_turns(turn);
        let walk = |places: &[(i32, i32)]| {
            let mut desk = Desk::new(Preferences {
                scale_cursor: false,
                ..Preferences::default()
            });
            desk.view(|view| view.placement = Some(placed(Size::new(3000, 3000), turn)));
            for (x, y) in places {
                desk.move_to(500.0 + f64::from(*x) / 256.0, 500.0 + f64::from(*y) / 256.0);
            }
            desk.guest.pointer
        };
        let ends = [places[0], *places.last().unwrap()];
        prop_assert_eq!(walk(&places), walk(&ends));
    }
}
