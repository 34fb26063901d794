//! Streams of a real QEMU: understood as they are; cut off and spoilt they do no harm and cost no memory.

use proptest::prelude::*;
use spice::agent::AgentEvent;
use spice::agent::clipboard::{ClipboardEvent, ClipboardKind, Selection};
use spice::audio::{PlaybackEvent, RecordEvent};
use spice::cursor::{CursorEvent, CursorPixels};
use spice::display::DisplayEvent;
use spice::{ChannelKind, Command, Event, Size};
use testkit::allocations;

use super::rig::{MAX_CLIPBOARD, RECORDINGS, Recording, Server, of};

/// What a session may hold beside what arrived: its buffers' steps, the key of the handshake, shapes and queues.
const CAP: usize = 1 << 20;

/// A session whose channel for that recording is connected; all others are open.
fn connected(recording: &Recording) -> Server {
    let mut server = Server::new();
    server.act(|_| false);
    if recording.kind != ChannelKind::Main {
        server.feed(of(ChannelKind::Main).id(), of(ChannelKind::Main).bytes);
        server.act(|id| id.kind != recording.kind);
        assert_eq!(server.open.len(), 6);
    }
    server
}

/// Plays a recording in pieces, and shows what the session makes of it.
fn play(
    recording: &Recording,
    bytes: &[u8],
    step: usize,
    see: &mut dyn FnMut(&Event<'_>),
) -> Server {
    let mut server = connected(recording);
    for piece in bytes.chunks(step) {
        let mut is_grabbed = false;
        server.feed_and_see(recording.id(), piece, &mut |event| {
            let Event::Agent(AgentEvent::Clipboard(ClipboardEvent::Grabbed { .. })) = event else {
                return see(event);
            };
            is_grabbed = true;
        });
        if is_grabbed {
            // As the recorder did.
            let request = Command::RequestClipboard {
                selection: Selection::Clipboard,
                kind: ClipboardKind::Text,
            };
            let now = server.now;
            server
                .session
                .command(request, now, &mut |event| see(&event));
        }
        server.act(|_| false);
    }
    server
}

fn whole(name: &str, step: usize, see: &mut dyn FnMut(&Event<'_>)) -> Server {
    let recording = RECORDINGS.iter().find(|one| one.name == name).unwrap();
    play(recording, recording.bytes, step, see)
}

/// Steps that cut headers and payloads at different places, and none.
const STEPS: [usize; 4] = [1, 7, 1000, usize::MAX];

#[test]
fn the_machine_and_its_channels_are_told_as_recorded() {
    for step in STEPS {
        let mut seen = Vec::new();
        let server = whole("main", step, &mut |event| match event {
            Event::Name(name) => seen.push(name.clone()),
            Event::Uuid(uuid) => seen.push(format!("{:02x}{:02x}", uuid[0], uuid[15])),
            Event::Ready => seen.push("ready".into()),
            Event::Notice { text, .. } => seen.push(text.clone()),
            _ => {}
        });
        // The session is ready once the whole piece is read that holds the list of channels.
        seen.sort();
        let insecure = "keyboard channel is insecure";
        assert_eq!(seen, ["1278", insecure, "ready", "recorded"], "{step}");
        assert_eq!(server.open.len(), 6);
    }
}

#[test]
fn the_picture_is_drawn_as_recorded() {
    for step in STEPS {
        let (mut sizes, mut marks) = (Vec::new(), 0);
        let server = whole("display", step, &mut |event| match event {
            Event::Display(DisplayEvent::Created(size)) => sizes.push(*size),
            Event::Display(DisplayEvent::Marked) => marks += 1,
            _ => {}
        });
        let size = |width, height| Size { width, height };
        assert_eq!(sizes, [size(40, 20), size(56, 12), size(40, 20)], "{step}");
        assert_eq!(marks, 3);
        // As `guest.s` paints it: each pixel has a colour of its own.
        let expected = (0..800_u32).map(|i| 0x0010_2030 + i * 0x0003_0501);
        let pixels = server.screen.pixels().chunks_exact(4);
        for (index, (pixel, wanted)) in pixels.zip(expected).enumerate() {
            assert_eq!(
                pixel[..3],
                wanted.to_le_bytes()[..3],
                "pixel {index}, {step}"
            );
        }
    }
}

#[test]
fn the_pointer_is_told_as_recorded() {
    for step in STEPS {
        let (mut shapes, mut places, mut hidden) = (Vec::new(), Vec::new(), 0);
        whole("cursor", step, &mut |event| match event {
            Event::Cursor(CursorEvent::Shape(shape)) => shapes.push(shape.clone()),
            Event::Cursor(CursorEvent::Moved { x, y }) => places.push((*x, *y)),
            Event::Cursor(CursorEvent::Hidden) => hidden += 1,
            _ => {}
        });
        assert!(shapes.len() >= 3 && hidden > 0, "{shapes:?} {hidden}");
        assert!(places.iter().any(|&(x, _)| x < 0), "{places:?}");
        let first = &shapes[0];
        assert_eq!((first.width, first.height), (8, 8));
        assert_eq!((first.hot_x, first.hot_y), (2, 1));
        let CursorPixels::Alpha(pixels) = &first.pixels else {
            panic!("{first:?}");
        };
        assert_eq!(pixels[..4], [0, 0x80, 0xff, 0], "orange under the mask");
        assert_eq!(pixels[16..20], [0, 0x80, 0xff, 0xff], "orange");
    }
}

#[test]
fn keys_lights_and_motion_are_answered_as_recorded() {
    for step in STEPS {
        let mut lights = Vec::new();
        whole("inputs", step, &mut |event| {
            if let Event::Locks(locks) = event {
                lights.push((locks.scroll, locks.num, locks.caps));
            }
        });
        assert!(lights.contains(&(true, true, true)), "{lights:?}");
        assert_eq!(lights.last(), Some(&(false, true, false)), "{lights:?}");
    }
}

#[test]
fn sound_is_heard_and_asked_for_as_recorded() {
    for step in STEPS {
        let (mut events, mut samples) = (Vec::new(), Vec::new());
        whole("playback", step, &mut |event| match event {
            Event::Playback(PlaybackEvent::Started(format)) => {
                events.push(format!("{} {}", format.channels, format.rate_hz));
            }
            Event::Playback(PlaybackEvent::Samples { samples: some, .. }) => {
                samples.extend_from_slice(some);
            }
            Event::Playback(PlaybackEvent::Stopped) => events.push("stop".into()),
            _ => {}
        });
        assert_eq!(events, ["2 48000", "stop"], "{step}");
        assert_eq!(samples.len(), 9 * 1920, "{step}");
        // The ramp of `guest.s`, until it is muted.
        let (frames, _) = samples.as_chunks::<4>();
        let is_ramp = |pair: &[[u8; 4]]| {
            let word = |at: usize| u32::from_le_bytes(pair[at]);
            word(1).wrapping_sub(word(0)) == 0x0040_0020
        };
        let ramps = frames.windows(2).filter(|pair| is_ramp(pair)).count();
        assert!(ramps > 1000, "{ramps} of {}", frames.len());

        let mut events = Vec::new();
        whole("record", step, &mut |event| match event {
            Event::Record(RecordEvent::Started(format)) => {
                events.push(format!("{} {}", format.channels, format.rate_hz));
            }
            Event::Record(RecordEvent::Stopped) => events.push("stop".into()),
            _ => {}
        });
        assert_eq!(events, ["2 48000", "stop"], "{step}");
    }
}

#[test]
fn the_guests_clipboard_comes_as_recorded() {
    for step in [1, 7, 50] {
        let mut texts = Vec::new();
        whole("main-agent", step, &mut |event| {
            if let Event::Agent(AgentEvent::Clipboard(ClipboardEvent::Data { data, .. })) = event {
                texts.push(data.clone());
            }
        });
        let text = |len| b"Text of the guest. ".iter().copied().cycle().take(len);
        let has = |len| texts.iter().any(|data| data.iter().copied().eq(text(len)));
        assert!(
            has(30) && has(5000),
            "{:?}, {step}",
            texts.iter().map(Vec::len)
        );
    }
}

/// A way to spoil a stream.
#[derive(Debug, Clone)]
enum Spoil {
    /// Other bytes.
    Set(prop::sample::Index, Vec<u8>),
    /// A piece is missing.
    Drop(prop::sample::Index, usize),
    /// A piece comes twice.
    Repeat(prop::sample::Index, usize),
    /// Nothing more comes.
    Cut(prop::sample::Index),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let at = any::<prop::sample::Index>;
    let word = prop_oneof![
        prop_oneof![
            Just(u32::MAX),
            Just(1 << 31),
            Just(0x0fff_ffff),
            Just(0x4000),
            Just(0)
        ]
        .prop_map(|word: u32| word.to_le_bytes().to_vec()),
        any::<[u8; 4]>().prop_map(Vec::from),
        any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop_oneof![
        6 => (at(), word).prop_map(|(at, bytes)| Spoil::Set(at, bytes)),
        1 => (at(), 1_usize..40).prop_map(|(at, len)| Spoil::Drop(at, len)),
        2 => (at(), 1_usize..400).prop_map(|(at, len)| Spoil::Repeat(at, len)),
        1 => at().prop_map(Spoil::Cut),
    ]
}

fn spoilt(bytes: &[u8], spoils: &[Spoil]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for spoil in spoils {
        if bytes.is_empty() {
            break;
        }
        let end = bytes.len();
        match spoil {
            Spoil::Set(at, new) => {
                let at = at.index(end);
                for (to, from) in bytes[at..].iter_mut().zip(new) {
                    *to = *from;
                }
            }
            Spoil::Drop(at, len) => {
                let at = at.index(end);
                bytes.drain(at..end.min(at + len));
            }
            Spoil::Repeat(at, len) => {
                let at = at.index(end);
                let piece = bytes[at..end.min(at + len)].to_vec();
                bytes.splice(at..at, piece);
            }
            Spoil::Cut(at) => bytes.truncate(at.index(end)),
        }
    }
    bytes
}

/// Plays the bytes, and closes the channel; returns what the session held at most, and what it was given.
fn weigh(recording: &Recording, bytes: &[u8], step: usize) -> (usize, usize) {
    let mut server = connected(recording);
    let id = recording.id();
    let mut screen = 0;
    let peak = allocations::peak_of(|| {
        for piece in bytes.chunks(step) {
            let now = server.now;
            // Not into a screen, whose size the server chooses.
            server.session.receive(id, piece, now, &mut |event| {
                if let Event::Display(DisplayEvent::Pixels(pixels)) = event {
                    screen += pixels.rows().map(<[u8]>::len).sum::<usize>();
                }
            });
            let waiting = server.session.output(id).len();
            server.session.written(id, waiting, now, &mut |_| ());
        }
        let now = server.now;
        server.session.closed(id, now, &mut |_| ());
        server.session.tick(now, &mut |_| ());
    });
    assert!(
        screen <= 16 * bytes.len(),
        "{screen} bytes drawn from {}",
        bytes.len()
    );
    (usize::try_from(peak).unwrap(), bytes.len())
}

#[test]
fn a_stream_that_ends_anywhere_does_no_harm() {
    for recording in &RECORDINGS {
        let messages = recording.bytes.len() - recording.messages().len();
        // Everywhere in the handshake and the first messages, then in steps.
        let ends = (0..messages + 200).chain((messages + 200..recording.bytes.len()).step_by(101));
        for end in ends
            .take_while(|end| *end < recording.bytes.len())
            .step_by(3)
        {
            let (held, given) = weigh(recording, &recording.bytes[..end], usize::MAX);
            assert!(
                held <= CAP + 2 * given,
                "{}: {held} bytes held of {given}",
                recording.name
            );
        }
    }
}

#[test]
fn an_announced_size_is_not_believed() {
    for recording in &RECORDINGS {
        let mut server = connected(recording);
        server.feed(recording.id(), recording.handshake());
        let limit = match recording.kind {
            ChannelKind::Display => 256 << 20,
            ChannelKind::Cursor => 8 << 20,
            ChannelKind::Inputs => 64 << 10,
            _ => 1 << 20,
        };
        let header = [&[99, 0][..], &u32::to_le_bytes(limit), &[0; 64]].concat();
        let now = server.now;
        let peak = allocations::peak_of(|| {
            server
                .session
                .receive(recording.id(), &header, now, &mut |_| ());
        });
        assert!(server.session.ended().is_none(), "{}", recording.name);
        assert!(
            peak <= CAP as u64,
            "{}: {peak} bytes for 70",
            recording.name
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_spoilt_stream_does_no_harm_and_costs_little(
        index in 0..RECORDINGS.len(),
        spoils in prop::collection::vec(spoil(), 1..12),
        is_linked in prop::bool::weighted(0.9),
        step in prop_oneof![1_usize..40, Just(1000), Just(usize::MAX)],
    ) {
        let recording = &RECORDINGS[index];
        let bytes = if is_linked {
            [recording.handshake(), &spoilt(recording.messages(), &spoils)].concat()
        } else {
            spoilt(recording.bytes, &spoils)
        };
        let (held, given) = weigh(recording, &bytes, step);
        prop_assert!(held <= CAP + 2 * given + MAX_CLIPBOARD, "{} bytes held of {}", held, given);
    }
}
