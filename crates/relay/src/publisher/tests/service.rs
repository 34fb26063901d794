use kvmfr::SetCursorPos;
use picture::{GuestPoint, Rotation};

use super::*;

fn small() -> FrameLayout {
    layout(PixelFormat::Bgra8, 640, 480)
}

fn wanted(x: i32, y: i32) -> [u8; SetCursorPos::BYTES] {
    SetCursorPos { x, y }.encode()
}

#[test]
fn the_heartbeat_is_the_publishers_clock() {
    let mut fixture = Fixture::new(Version::V20);
    for _ in 0..3 {
        fixture.tick();
        let beat = fixture.memory.as_slice().read::<u64>(16).expect("inside");
        assert_eq!(beat, fixture.now_ms());
    }
}

#[test]
fn positions_wanted_by_clients_are_clamped_to_the_desktop_and_acknowledged() {
    for version in Version::ALL {
        let mut fixture = Fixture::new(version);
        let mut viewer = fixture.attach();
        let layout = FrameLayout {
            rotation: Rotation::Deg90,
            ..small()
        };
        fixture.publish(layout, &pattern(&layout, 1)).expect("room");
        let corners = [(10, 20), (-5, i32::MIN), (i32::MAX, 640), (479, 639)];
        let mut serial = 0;
        for (x, y) in corners {
            serial = viewer.pointer.send(&wanted(x, y)).expect("room");
        }
        assert_eq!(viewer.pointer.is_acknowledged(serial), Ok(false));
        assert_eq!(fixture.tick().messages, 4);
        assert_eq!(viewer.pointer.is_acknowledged(serial), Ok(true));
        // The user sees the turned desktop: 480 × 640.
        let clamped = [(10, 20), (0, 0), (479, 639), (479, 639)];
        let expected = clamped.map(|(x, y)| ClientRequest::SetCursorPosition(GuestPoint { x, y }));
        assert_eq!(fixture.requests, expected);
    }
}

#[test]
fn unknown_messages_and_positions_without_a_desktop_are_acknowledged_and_ignored() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    viewer.pointer.send(&wanted(1, 1)).expect("room");
    viewer.pointer.send(&[9, 0, 0, 0, 1, 2, 3]).expect("room");
    let serial = viewer.pointer.send(&[0]).expect("room");
    assert_eq!(fixture.tick().messages, 3);
    assert_eq!(viewer.pointer.is_acknowledged(serial), Ok(true));
    assert!(fixture.requests.is_empty());
}

#[test]
fn at_most_ten_messages_are_handled_in_a_tick() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let layout = small();
    fixture.publish(layout, &pattern(&layout, 1)).expect("room");
    // A client that answers every acknowledgement with another message.
    let mut handled = 0;
    for x in 0..10 {
        viewer.pointer.send(&wanted(x, 0)).expect("room");
    }
    fixture.clock.advance(Nanos::from_millis(10));
    let tick = fixture.service.tick(fixture.clock.now(), |_| {
        handled += 1;
        viewer.pointer.send(&wanted(0, 0)).expect("room");
    });
    assert_eq!((tick.expect("alive").messages, handled), (10, 10));
}

#[test]
fn a_wiped_memory_gets_a_new_session_and_serials_go_on() {
    for version in Version::ALL {
        let mut fixture = Fixture::new(version);
        let mut viewer = fixture.attach();
        let layout = small();
        let bytes = pattern(&layout, 1);
        for _ in 0..3 {
            fixture.publish(layout, &bytes).expect("room");
            fixture.take(&mut viewer).expect("posted");
        }
        fixture.wipe();
        let lost = fixture.publish(layout, &bytes);
        assert_eq!(lost, Err(PublishError::SessionLost));
        assert!(fixture.tick().has_restarted);
        assert!(!fixture.publisher.has_subscribers());
        assert!(
            fixture.publisher.needs_frame(),
            "what the blocks hold is in doubt"
        );
        let now_ms = fixture.now_ms();
        assert!(viewer.client.check(now_ms).is_err());
        let mut again = fixture.attach();
        assert_ne!(again.session_id, viewer.session_id);
        assert!(!fixture.publisher.serve_new_subscribers());
        let published = fixture.publish_changed(layout, &bytes, &Damage::NONE);
        assert_eq!(published.expect("room").serial, 3);
        let (header, pixels) = fixture.take(&mut again).expect("posted");
        assert!(header.damage.is_full());
        assert!(pixels == bytes);
    }
}

#[test]
fn a_memory_that_is_wiped_again_and_again_is_set_up_once_a_second() {
    let mut fixture = Fixture::new(Version::V20);
    let mut restarts = 0;
    for _ in 0..250 {
        fixture.wipe();
        fixture.clock.advance(Nanos::from_millis(10));
        let tick = fixture.service.tick(fixture.clock.now(), |_| {});
        match tick {
            Ok(tick) => restarts += u32::from(tick.has_restarted),
            Err(error) => assert_eq!(error, PublishError::SessionLost),
        }
    }
    assert_eq!(restarts, 3);
}

#[test]
fn a_second_publisher_on_the_memory_ends_the_first_ones_session() {
    let mut first = Fixture::new(Version::V20);
    let layout = small();
    first.publish(layout, &pattern(&layout, 1)).expect("room");
    let options = PublisherOptions {
        version: Version::V19,
        description: SessionDescription::default(),
    };
    let second = Publisher::new(Arc::clone(&first.memory), options).expect("room");
    assert_eq!(second.version(), Version::V19);
    let lost = first.publish(layout, &pattern(&layout, 1));
    assert_eq!(lost, Err(PublishError::SessionLost));
}
