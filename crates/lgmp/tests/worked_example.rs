//! Section 12 of the specification, byte by byte: what the original code left in memory, ours must leave too.

mod support;

use std::sync::Arc;

use ivshmem::SharedMemory;
use lgmp::{
    Block, Client, Host, HostBuilder, HostQueue, PostError, QueueError, QueueSpec, Subscription,
    WireVersion,
};
use support::{get, get8, get64, memory};

/// An offset in version 4 and in versions 5 and 6, from the section's tables.
#[derive(Clone, Copy)]
struct At(usize, usize);

impl At {
    fn of(self, version: WireVersion) -> usize {
        if version == WireVersion::V4 {
            self.0
        } else {
            self.1
        }
    }
}

struct Example {
    version: WireVersion,
    memory: Arc<SharedMemory>,
    host: Host,
    a: HostQueue,
    b: HostQueue,
    blocks: [Block; 2],
    now: u64,
}

impl Example {
    fn new(version: WireVersion) -> Self {
        let memory = memory(1 << 20);
        let mut builder =
            HostBuilder::new(Arc::clone(&memory), version, b"KVMFR---").expect("room");
        let queue = |id, length| QueueSpec {
            id,
            length,
            max_time_ms: 1000,
        };
        let a = builder.queue(queue(2, 2)).expect("room");
        let b = builder.queue(queue(1, 20)).expect("room");
        let blocks = [(); 2].map(|()| builder.block(100, 4).expect("room"));
        let page = builder.block(1, 4096).expect("room");
        assert_eq!((page.offset, page.size), (8192, 4096));
        let now = 123_456;
        let host = builder.publish(now).expect("in bounds");
        Self {
            version,
            memory,
            host,
            a,
            b,
            blocks,
            now,
        }
    }

    #[track_caller]
    fn expect(&self, at: At, value: u32) {
        let at = at.of(self.version);
        assert_eq!(
            get(&self.memory, at),
            value,
            "{:?} at {at:#x}",
            self.version
        );
    }

    #[track_caller]
    fn expect64(&self, at: At, value: u64) {
        let at = at.of(self.version);
        assert_eq!(
            get64(&self.memory, at),
            value,
            "{:?} at {at:#x}",
            self.version
        );
    }

    #[track_caller]
    fn expect_bytes(&self, at: At, bytes: &[u8]) {
        let at = at.of(self.version);
        for (index, byte) in bytes.iter().enumerate() {
            let found = get8(&self.memory, at + index);
            assert_eq!(found, *byte, "{:?} at {:#x}", self.version, at + index);
        }
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.now += 10;
            self.host.tick(self.now).expect("an intact header");
        }
    }

    fn subscribe(&mut self, queue: u32) -> Subscription {
        let mut client = Client::new(Arc::clone(&self.memory));
        self.pass(10);
        client.start(self.now).expect("a living host");
        client.subscribe(queue, self.now).expect("a free bit")
    }
}

#[test]
fn a_published_memory_has_the_bytes_of_the_original_host() {
    for version in WireVersion::ALL {
        let example = Example::new(version);
        example.expect_bytes(At(0, 0), b"LGMP");
        example.expect_bytes(At(4, 4), &version.number().to_le_bytes());
        example.expect(At(8, 8), example.host.session_id());
        example.expect64(At(16, 16), 123_456);
        example.expect(At(0x13f8, 0x1678), 8);
        example.expect_bytes(At(0x13fc, 0x167c), b"KVMFR---");
        example.expect(At(0x18, 0x18), 2);
        for (at, value) in [
            (At(0x20, 0x20), 2),
            (At(0x24, 0x24), 3),
            (At(0x2c, 0x2c), 1000),
            (At(0x160, 0x1e0), 10),
            (At(0x418, 0x498), 1),
            (At(0x41c, 0x49c), 21),
            (At(0x424, 0x4a4), 1000),
            (At(0x558, 0x658), 10),
        ] {
            example.expect(at, value);
        }
        let is_v4 = version == WireVersion::V4;
        example.expect(At(0x34, 0x34), if is_v4 { 5128 } else { 5768 });
        example.expect(At(0x42c, 0x4ac), if is_v4 { 5176 } else { 5816 });
        let [first, second] = example.blocks.map(|block| (block.offset, block.size));
        assert_eq!(first, (if is_v4 { 5512 } else { 6152 }, 100));
        assert_eq!(second, (if is_v4 { 5612 } else { 6252 }, 100));
    }
}

#[test]
fn no_other_header_word_is_written_by_the_host() {
    for version in WireVersion::ALL {
        let example = Example::new(version);
        let allowed: &[At] = &[
            At(0, 0),
            At(4, 4),
            At(8, 8),
            At(16, 16),
            At(0x18, 0x18),
            At(0x20, 0x20),
            At(0x24, 0x24),
            At(0x2c, 0x2c),
            At(0x34, 0x34),
            At(0x160, 0x1e0),
            At(0x418, 0x498),
            At(0x41c, 0x49c),
            At(0x424, 0x4a4),
            At(0x42c, 0x4ac),
            At(0x558, 0x658),
            At(0x13f8, 0x1678),
            At(0x13fc, 0x167c),
            At(0x1400, 0x1680),
        ];
        let allowed: Vec<usize> = allowed.iter().map(|at| at.of(version)).collect();
        for at in (0..example.blocks[0].offset as usize).step_by(4) {
            if !allowed.contains(&at) {
                assert_eq!(get(&example.memory, at), 0, "{version:?} at {at:#x}");
            }
        }
    }
}

#[test]
fn a_subscription_two_posts_and_an_eviction_leave_the_documented_words() {
    for version in WireVersion::ALL {
        let mut example = Example::new(version);
        let mut reader = example.subscribe(2);
        example.expect(At(0x28, 0x28), 1);
        example.expect_bytes(At(0x144, 0x1c4), &[1, 0, 0, 0]);
        example.expect64(At(0x140, 0x1c0), 0x1_0000_0000);
        if version != WireVersion::V4 {
            assert_ne!(get(&example.memory, 0x138), 0);
        }
        assert_eq!(example.a.take_new_subscribers(), 1);
        example.expect(At(0x28, 0x28), 0);

        let ring = At(5128, 0x1688);
        let [first, second] = example.blocks;
        let now = example.now;
        assert_eq!(
            example
                .a
                .post(0, first, now)
                .map(|posted| posted.recipients),
            Ok(1)
        );
        example.expect(At(0x30, 0x30), 1);
        example.expect64(At(0x150, 0x1d0), now + 1000);
        example.expect(At(0x158, 0x1d8), 1);
        example.now += 10;
        let later = example.now;
        assert_eq!(
            example
                .a
                .post(7, second, later)
                .map(|posted| posted.recipients),
            Ok(1)
        );
        example.expect(At(0x30, 0x30), 2);
        example.expect64(At(0x150, 0x1d0), now + 1000);
        example.expect(At(0x158, 0x1d8), 2);
        let slot = |udata: u32, block: Block| {
            let words = [udata, 100, block.offset, 1];
            words.map(u32::to_le_bytes).concat()
        };
        example.expect_bytes(ring, &slot(0, first));
        example.expect_bytes(At(ring.0 + 16, ring.1 + 16), &slot(7, second));
        assert_eq!(example.a.post(8, first, later), Err(PostError::Full));

        let message = reader.peek(later).expect("subscribed").expect("a message");
        assert_eq!(
            (message.udata, message.offset, message.size),
            (0, first.offset, 100)
        );
        reader.release(later).expect("subscribed");
        example.expect(At(5140, 0x1694), 0);
        example.expect(At(0x148, 0x1c8), 1);
        example.expect(At(0x158, 0x1d8), 1);
        let timestamp = get64(&example.memory, 16);
        example.expect64(At(0x150, 0x1d0), timestamp + 1000);

        example.pass(1100);
        example.expect(At(0x140, 0x1c0), 1);
        let quarantine = if version == WireVersion::V4 {
            10_000
        } else {
            1000
        };
        // The first tick after the deadline, which is at timestamp + 1000, is 10 ms late.
        example.expect64(At(0x38, 0x38), timestamp + 1010 + quarantine);
        example.expect(At(5156, 0x16a4), 0);
        example.expect(At(0x148, 0x1c8), 2);
        example.expect(At(0x158, 0x1d8), 0);
        assert_eq!(reader.peek(example.now), Err(QueueError::Evicted));
        assert_eq!(reader.release(example.now), Err(QueueError::Evicted));

        let again = example.subscribe(2);
        assert_eq!(again.bit(), 1);
        example.expect(At(0x144, 0x1c4), 3);
        if version != WireVersion::V4 {
            assert_ne!(get(&example.memory, 0x13c), 0);
        }
    }
}

#[test]
fn a_client_message_leaves_the_documented_words() {
    for version in WireVersion::ALL {
        let mut example = Example::new(version);
        let mut sender = example.subscribe(1);
        let message: Vec<u8> = [0_u32, 0, 480].map(u32::to_le_bytes).concat();
        let serial = sender.send(&message).expect("room in the mailbox");
        assert_eq!(serial, 1);
        example.expect(At(0x558, 0x658), 9);
        example.expect(At(0x55c, 0x65c), 1);
        example.expect(At(0x560, 0x660), 1);
        let bytes = [12_u32, 0, 0, 480].map(u32::to_le_bytes).concat();
        example.expect_bytes(At(0x568, 0x668), &bytes);
        sender.send(&[9]).expect("room in the mailbox");
        example.expect(At(0x5ac, 0x6ac), 1);

        assert_eq!(sender.is_acknowledged(serial), Ok(false));
        let received = example.b.next_message().expect("a message");
        assert_eq!(received.bytes(), message);
        assert_eq!(sender.is_acknowledged(serial), Ok(false));
        example.b.acknowledge();
        assert_eq!(sender.is_acknowledged(serial), Ok(true));
        example.expect(At(0x564, 0x664), 1);
    }
}

/// The table "Layout for a 32 MiB mapping" of `kvmfr.md`, section 6.
#[test]
fn the_allocator_hands_out_the_offsets_of_the_original() {
    let expected = [
        (
            WireVersion::V4,
            4096,
            [5272, 5320, 5656, 6136],
            3_153_920,
            18_354_176,
            33_554_432,
        ),
        (
            WireVersion::V5,
            4096,
            [5912, 5960, 6296, 6776],
            3_153_920,
            18_354_176,
            33_554_432,
        ),
        (
            WireVersion::V6,
            4096,
            [5912, 5960, 6296, 6776],
            3_153_920,
            18_354_176,
            33_554_432,
        ),
        (
            WireVersion::V6,
            65_536,
            [5912, 5960, 6296, 6776],
            3_211_264,
            18_350_080,
            33_488_896,
        ),
    ];
    for (version, align, heap, frame_0, frame_1, end) in expected {
        let memory = memory(32 << 20);
        let mut builder = HostBuilder::new(Arc::clone(&memory), version, &[0; 149]).expect("room");
        assert_eq!(builder.available(), (32 << 20) - heap[0]);
        let queue = |id, length| QueueSpec {
            id,
            length,
            max_time_ms: 1000,
        };
        builder.queue(queue(2, 2)).expect("room");
        assert_eq!(builder.available(), (32 << 20) - heap[1]);
        builder.queue(queue(1, 20)).expect("room");
        let cursor = builder.block(24, 4).expect("room");
        assert_eq!(cursor.offset, heap[2]);
        for _ in 1..20 {
            builder.block(24, 4).expect("room");
        }
        let shape = builder.block(24 + (1 << 20), 4).expect("room");
        assert_eq!(shape.offset, heap[3]);
        for _ in 1..3 {
            builder.block(24 + (1 << 20), 4).expect("room");
        }
        let usable = builder.available() - (align - 1);
        let frame = usable / align * align / 2;
        let frames = [(); 2].map(|()| builder.block(frame, align).expect("room"));
        assert_eq!(frames[0].offset, frame_0);
        assert_eq!(frames[1].offset, frame_1);
        assert_eq!(frames[1].offset + frames[1].size, end);
        let left = builder.available();
        assert!(builder.block(left + 1, 1).is_err());
    }
}
