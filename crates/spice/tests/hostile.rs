//! Arbitrary bytes in arbitrary pieces: nothing panics, nothing grows beyond its bounds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rsa::{
    RsaPrivateKey,
    pkcs8::EncodePublicKey,
    rand_core::{RngCore, SeedableRng},
};
use spice::{
    Action, ChannelId, ChannelKind, Command, Event, Screen, Session, SessionOptions,
    agent::clipboard::{ClipboardKind, Selection},
    inputs::{MouseButton, Scancode},
};

/// A server's side of the handshake, the same for all connections.
fn link_reply() -> &'static [u8] {
    static REPLY: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let mut random = rand_chacha();
        let key = RsaPrivateKey::new(&mut random, 1024).unwrap();
        let der = key.to_public_key().to_public_key_der().unwrap();
        let mut reply = b"REDQ".to_vec();
        for word in [2_u32, 2, 186, 0] {
            reply.extend(word.to_le_bytes());
        }
        reply.extend(der.as_bytes());
        for word in [1_u32, 1, 178, 0x0b, 0x1052, 0] {
            reply.extend(word.to_le_bytes());
        }
        reply
    });
    &REPLY
}

/// Any source of numbers: the key guards nothing.
fn rand_chacha() -> impl rsa::rand_core::CryptoRngCore {
    struct Weak(u64);
    impl SeedableRng for Weak {
        type Seed = [u8; 8];
        fn from_seed(seed: Self::Seed) -> Self {
            Self(u64::from_le_bytes(seed))
        }
    }
    impl RngCore for Weak {
        fn next_u32(&mut self) -> u32 {
            (self.next_u64() >> 32) as u32
        }
        fn next_u64(&mut self) -> u64 {
            // SplitMix64
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        }
        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.next_u32() as u8;
            }
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
            self.fill_bytes(bytes);
            Ok(())
        }
    }
    impl rsa::rand_core::CryptoRng for Weak {}
    Weak::from_seed(*b"spice   ")
}

fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// A session with all channels open, and the time.
struct Server {
    session: Session,
    screen: Screen,
    now: Instant,
    open: Vec<ChannelId>,
}

impl Server {
    fn new() -> Self {
        let now = Instant::now();
        let options = SessionOptions {
            playback: true,
            record: true,
            max_clipboard: 10_000,
            ..SessionOptions::default()
        };
        let mut server = Self {
            session: Session::new(options, now),
            screen: Screen::new(),
            now,
            open: Vec::new(),
        };
        server.act();
        let init: Vec<u8> = [7_u32, 1, 3, 1, 1, 10, 0, 0]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        server.feed(ChannelId::MAIN, &message(103, &init));
        server.feed(
            ChannelId::MAIN,
            &message(104, &[5, 0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0]),
        );
        server.act();
        assert_eq!(server.open.len(), 6);
        server
    }

    /// Does what the session wants; all connections come about.
    fn act(&mut self) {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Open(id) => {
                    self.open.push(id);
                    self.session.connected(id, self.now);
                    self.feed(id, link_reply());
                }
                Action::Close(id) => self.open.retain(|open| *open != id),
                Action::ShutDown(_) => {}
            }
        }
    }

    fn feed(&mut self, id: ChannelId, bytes: &[u8]) {
        let screen = &mut self.screen;
        self.session.receive(id, bytes, self.now, &mut |event| {
            if let Event::Display(event) = event {
                screen.apply(&event);
            }
        });
        let waiting = self.session.output(id).len();
        assert!(waiting < 4 << 20, "{waiting} bytes wait for {id}");
        self.session.written(id, waiting, self.now, &mut |_| ());
    }

    fn command(&mut self, command: Command) {
        self.session.command(command, self.now, &mut |_| ());
    }
}

fn kinds() -> impl Strategy<Value = ChannelKind> {
    (1_u8..=6).prop_map(ChannelKind::from_wire)
}

/// A payload made of small and extreme words, so that it gets further than noise does.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => (0_u32..64).prop_map(|word| word.to_le_bytes().to_vec()),
        2 => prop_oneof![Just(u32::MAX), Just(1 << 31), Just(0x7fff_ffff), Just(0x1000), any::<u32>()]
            .prop_map(|word| word.to_le_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

fn types() -> impl Strategy<Value = u16> {
    prop_oneof![
        1_u16..8,
        101_u16..120,
        302_u16..323,
        Just(109_u16),
        Just(304_u16)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn noise_on_any_connection_never_panics(
        kind in kinds(),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        step in 1_usize..50,
        is_linked in any::<bool>(),
    ) {
        let mut server = Server::new();
        let id = ChannelId { kind, id: 0 };
        if !is_linked {
            // The handshake of a new session.
            server.session = Session::new(SessionOptions::default(), server.now);
            server.session.connected(ChannelId::MAIN, server.now);
        }
        for piece in bytes.chunks(step) {
            server.feed(id, piece);
        }
        server.act();
    }

    #[test]
    fn sound_frames_with_unsound_contents_never_panic(
        messages in prop::collection::vec((kinds(), types(), payload()), 1..20),
        step in 1_usize..200,
        ticks in prop::collection::vec(0_u64..3000, 1..5),
    ) {
        let mut server = Server::new();
        let size = [0_u32, 64, 48, 32, 1];
        let create: Vec<u8> = size.iter().flat_map(|word| word.to_le_bytes()).collect();
        let display = ChannelId { kind: ChannelKind::Display, id: 0 };
        server.feed(display, &message(314, &create));
        for (index, (kind, of_type, payload)) in messages.iter().enumerate() {
            // The agent's messages inside theirs.
            let payload = match (*kind, *of_type) {
                (ChannelKind::Main, 109) => [
                    &1_u32.to_le_bytes()[..],
                    &(index as u32 % 17).to_le_bytes(),
                    &[0; 8],
                    &(payload.len() as u32).to_le_bytes(),
                    payload,
                ].concat(),
                _ => payload.clone(),
            };
            for piece in message(*of_type, &payload).chunks(step) {
                server.feed(ChannelId { kind: *kind, id: 0 }, piece);
            }
            server.command(Command::GrabClipboard {
                selection: Selection::Clipboard,
                kinds: vec![ClipboardKind::Text],
            });
            server.command(Command::RequestClipboard {
                selection: Selection::Clipboard,
                kind: ClipboardKind::Png,
            });
            server.command(Command::Motion { dx: i32::MAX, dy: i32::MIN });
            server.command(Command::Button { button: MouseButton::Left, is_pressed: index % 2 == 0 });
            if let Some(key) = Scancode::new(index as u8, false) {
                server.command(Command::Key { key, is_pressed: true });
            }
            server.now += Duration::from_millis(ticks[index % ticks.len()]);
            let now = server.now;
            server.session.tick(now, &mut |_| ());
            server.act();
        }
        server.command(Command::Close);
        server.now += Duration::from_secs(1);
        let now = server.now;
        server.session.tick(now, &mut |_| ());
        prop_assert!(server.session.ended().is_some());
        prop_assert_eq!(server.session.deadline(), None);
    }

    #[test]
    fn drawings_stay_inside_the_screen(
        words in prop::collection::vec(prop_oneof![5 => -3_i32..70, 1 => any::<i32>()], 8),
        has_clip in any::<bool>(),
        image in (1_u32..20, 1_u32..20),
    ) {
        let mut server = Server::new();
        let display = ChannelId { kind: ChannelKind::Display, id: 0 };
        let size = [0_u32, 64, 48, 32, 1];
        let create: Vec<u8> = size.iter().flat_map(|word| word.to_le_bytes()).collect();
        server.feed(display, &message(314, &create));

        let mut payload = 0_u32.to_le_bytes().to_vec();
        let (width, height) = image;
        let (left, top) = (words[0], words[1]);
        let right = left.wrapping_add(width as i32);
        let bottom = top.wrapping_add(height as i32);
        for side in [top, left, bottom, right] {
            payload.extend(side.to_le_bytes());
        }
        payload.push(has_clip.into());
        if has_clip {
            payload.extend(1_u32.to_le_bytes());
            words[2..6].iter().for_each(|word| payload.extend(word.to_le_bytes()));
        }
        payload.extend((payload.len() as u32 + 36).to_le_bytes());
        for side in [0, 0, height, width] {
            payload.extend(side.to_le_bytes());
        }
        payload.extend(8_u16.to_le_bytes());
        payload.extend([0; 14]);
        payload.extend([0; 10]);
        payload.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
        payload.extend([8, 4]);
        for word in [width, height, width * 4, 0] {
            payload.extend(word.to_le_bytes());
        }
        payload.resize(payload.len() + (width * height * 4) as usize, 0xff);
        server.feed(display, &message(304, &payload));

        // Against the plainest of models.
        let clip = |x: i64, y: i64| {
            let side = |index: usize| i64::from(words[index]);
            !has_clip || (y >= side(2) && x >= side(3) && y < side(4) && x < side(5))
        };
        let is_inside = |x: i64, y: i64| {
            let (left, top) = (i64::from(left), i64::from(top));
            let (right, bottom) = (i64::from(right), i64::from(bottom));
            right > left && bottom > top && x >= left && x < right && y >= top && y < bottom
        };
        for (index, pixel) in server.screen.pixels().chunks(4).enumerate() {
            let (x, y) = ((index % 64) as i64, (index / 64) as i64);
            let is_drawn = is_inside(x, y) && clip(x, y);
            prop_assert_eq!(pixel[0] == 0xff, is_drawn, "at {},{}", x, y);
        }
    }
}
