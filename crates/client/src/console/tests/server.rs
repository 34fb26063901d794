//! A SPICE server by hand: messages as they are on the wire (spice.md 1 to 6), taken apart by the real session.

use std::time::Instant;

use spice::{Action, ChannelId, ChannelKind, Session, SessionOptions};

use crate::console::Console;

/// A session with DISPLAY and CURSOR open, whose events go to a console.
pub(crate) struct Server {
    session: Session,
    console: Console,
    now: Instant,
}

/// A grey pixel.
pub(crate) const fn argb(grey: u8) -> u32 {
    u32::from_le_bytes([grey, grey, grey, 0])
}

const fn id(kind: ChannelKind) -> ChannelId {
    ChannelId { kind, id: 0 }
}

/// Little-endian words one after the other.
fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A link reply: some RSA key of 1024 bits, and capabilities.
fn link_reply() -> Vec<u8> {
    let mut key = vec![0x30, 0x81, 0x9f, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48];
    key.extend([0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x81]);
    key.extend([0x8d, 0x00, 0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00]);
    key.extend([0xc5; 128]);
    key.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
    let body = [words(&[0]), key, words(&[1, 1, 178, 0x0b, 0x1052])].concat();
    let mut reply = b"REDQ".to_vec();
    reply.extend(words(&[2, 2, u32::try_from(body.len()).unwrap()]));
    reply.extend(body);
    reply
}

impl Server {
    pub(crate) fn new(console: Console) -> Self {
        let now = Instant::now();
        let mut server = Self {
            session: Session::new(SessionOptions::default(), now),
            console,
            now,
        };
        assert_eq!(
            server.session.next_action(),
            Some(Action::Open(ChannelId::MAIN))
        );
        server.link(ChannelId::MAIN);
        let init = words(&[7, 1, 1, 1, 0, 10, 0, 0]);
        server.send(ChannelKind::Main, 103, &init);
        let mut list = words(&[2]);
        list.extend([2, 0, 4, 0]);
        server.send(ChannelKind::Main, 104, &list);
        while let Some(action) = server.session.next_action() {
            if let Action::Open(id) = action {
                server.link(id);
            }
        }
        server
    }

    fn link(&mut self, id: ChannelId) {
        self.session.connected(id, self.now);
        self.receive(id, &link_reply());
        self.receive(id, &[0; 4]);
    }

    fn receive(&mut self, id: ChannelId, bytes: &[u8]) {
        let console = &self.console;
        let mut sink = |event: spice::Event<'_>| console.event(&event);
        self.session.receive(id, bytes, self.now, &mut sink);
    }

    fn send(&mut self, channel: ChannelKind, kind: u16, payload: &[u8]) {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
        bytes.extend(payload);
        self.receive(id(channel), &bytes);
    }

    /// The server closes a channel.
    pub(crate) fn lose(&mut self, kind: ChannelKind) {
        let console = &self.console;
        let mut sink = |event: spice::Event<'_>| console.event(&event);
        self.session.closed(id(kind), self.now, &mut sink);
    }

    pub(crate) fn create(&mut self, width: u32, height: u32) {
        self.send(
            ChannelKind::Display,
            314,
            &words(&[0, width, height, 32, 1]),
        );
    }

    pub(crate) fn destroy(&mut self) {
        self.send(ChannelKind::Display, 315, &words(&[0]));
    }

    pub(crate) fn mark(&mut self) {
        self.send(ChannelKind::Display, 102, &[]);
    }

    /// Surface, box and no clip.
    fn base(left: u32, top: u32, width: u32, height: u32) -> Vec<u8> {
        let mut base = words(&[0, top, left, top + height, left + width]);
        base.push(0);
        base
    }

    pub(crate) fn draw(&mut self, left: u32, top: u32, width: u32, height: u32, pixels: &[u32]) {
        assert_eq!(pixels.len(), (width * height) as usize);
        let payload = Self::image((left, top, width, height), 0, pixels);
        self.send(ChannelKind::Display, 304, &payload);
    }

    /// An image that is not raw.
    pub(crate) fn draw_compressed(&mut self, left: u32, top: u32, width: u32, height: u32) {
        let payload = Self::image((left, top, width, height), 101, &[0; 8]);
        self.send(ChannelKind::Display, 304, &payload);
    }

    fn image(place: (u32, u32, u32, u32), kind: u8, pixels: &[u32]) -> Vec<u8> {
        let (left, top, width, height) = place;
        let mut payload = Self::base(left, top, width, height);
        payload.extend(words(&[57, 0, 0, height, width]));
        payload.extend([8, 0, 0]);
        payload.extend([0; 13]);
        assert_eq!(payload.len(), 57);
        payload.extend([0; 8]);
        payload.extend([kind, 0]);
        payload.extend(words(&[width, height]));
        payload.extend([8, 4]);
        payload.extend(words(&[width, height, width * 4, 0]));
        payload.extend(words(pixels));
        payload
    }

    pub(crate) fn fill(&mut self, left: u32, top: u32, width: u32, height: u32, colour: u32) {
        let mut payload = Self::base(left, top, width, height);
        payload.push(1);
        payload.extend(words(&[colour]));
        payload.extend([8, 0]);
        payload.extend([0; 13]);
        self.send(ChannelKind::Display, 302, &payload);
    }

    /// Moves `width` times `height` pixels from the first to the second corner.
    pub(crate) fn copy(&mut self, x: u32, y: u32, to_x: i32, to_y: i32, width: u32, height: u32) {
        let (left, top) = (to_x.unsigned_abs(), to_y.unsigned_abs());
        let mut payload = Self::base(left, top, width, height);
        payload.extend(words(&[x, y]));
        self.send(ChannelKind::Display, 104, &payload);
    }

    /// A shape with its hot spot, and where that is. The pixels are multiplied by their alpha.
    pub(crate) fn cursor(
        &mut self,
        x: i16,
        y: i16,
        size: (u16, u16),
        hot: (u16, u16),
        pixels: &[u32],
    ) {
        let mut payload = [x.to_le_bytes(), y.to_le_bytes()].concat();
        payload.extend([1, 0, 0]);
        payload.extend([0; 8]);
        payload.push(0);
        for side in [size.0, size.1, hot.0, hot.1] {
            payload.extend(side.to_le_bytes());
        }
        payload.extend(words(pixels));
        self.send(ChannelKind::Cursor, 103, &payload);
    }

    pub(crate) fn move_cursor(&mut self, x: i16, y: i16) {
        let payload = [x.to_le_bytes(), y.to_le_bytes()].concat();
        self.send(ChannelKind::Cursor, 104, &payload);
    }

    pub(crate) fn hide_cursor(&mut self) {
        self.send(ChannelKind::Cursor, 105, &[]);
    }
}
