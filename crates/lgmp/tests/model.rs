//! Random operations against a plain model: every word of the ring, after every step, in all three versions.

mod support;

use std::collections::VecDeque;
use std::sync::Arc;

use ivshmem::SharedMemory;
use lgmp::{
    Block, Client, Geometry, Host, HostBuilder, HostQueue, PostError, Posted, QueueError,
    QueueSpec, SendError, SessionLost, SubscribeError, Subscription, WireVersion,
};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::{get, get64};

const LENGTH: u32 = 3;
const MAX_TIME: u64 = 1000;
/// A client's own clock may show this gap; more, and it gives up what it held.
const FREEZE: u64 = MAX_TIME / 2;

#[derive(Clone, Copy, Debug)]
enum Op {
    Tick(u64),
    Post,
    Subscribe,
    Peek(usize),
    Release(usize),
    Skip(usize),
    Unsubscribe(usize),
    /// Drops the handle without a word, as a killed client does.
    Crash(usize),
    Send(usize),
    Receive,
    Restart {
        is_zeroed: bool,
    },
}

fn operations() -> impl Strategy<Value = Vec<Op>> {
    let handle = 0..6_usize;
    let op = prop_oneof![
        6 => (1..400_u64).prop_map(Op::Tick),
        2 => (400..1500_u64).prop_map(Op::Tick),
        8 => Just(Op::Post),
        4 => Just(Op::Subscribe),
        6 => handle.clone().prop_map(Op::Peek),
        8 => handle.clone().prop_map(Op::Release),
        3 => handle.clone().prop_map(Op::Skip),
        2 => handle.clone().prop_map(Op::Unsubscribe),
        1 => handle.clone().prop_map(Op::Crash),
        4 => handle.prop_map(Op::Send),
        3 => Just(Op::Receive),
        1 => any::<bool>().prop_map(|is_zeroed| Op::Restart { is_zeroed }),
    ];
    prop::collection::vec(op, 1..120)
}

/// A message in the model's ring.
#[derive(Debug)]
struct Queued {
    number: u32,
    pending: u32,
}

/// A subscriber in the model.
#[derive(Debug)]
struct Reader {
    name: usize,
    bit: u32,
    last: u64,
    dead: Option<QueueError>,
    unread: VecDeque<u32>,
}

/// The specification in plain words: no memory, no locks, no indices.
#[derive(Debug)]
struct Model {
    version: WireVersion,
    now: u64,
    heartbeat: u64,
    ring: VecDeque<Queued>,
    deadline: u64,
    owner: [Option<usize>; 32],
    evicted_until: [Option<u64>; 32],
    seen_healthy: u32,
    readers: Vec<Reader>,
    mailbox: VecDeque<u32>,
    received: u32,
    names: usize,
}

impl Model {
    fn new(version: WireVersion, now: u64) -> Self {
        Self {
            version,
            now,
            heartbeat: now,
            ring: VecDeque::new(),
            deadline: 0,
            owner: [None; 32],
            evicted_until: [None; 32],
            seen_healthy: 0,
            readers: Vec::new(),
            mailbox: VecDeque::new(),
            received: 0,
            names: 0,
        }
    }

    fn mask(&self, keep: impl Fn(&Self, usize) -> bool) -> u32 {
        let bits = (0..32).filter(|bit| keep(self, *bit));
        bits.fold(0, |mask, bit| mask | 1 << bit)
    }

    fn on(&self) -> u32 {
        self.mask(|model, bit| model.owner[bit].is_some())
    }

    fn bad(&self) -> u32 {
        self.mask(|model, bit| model.evicted_until[bit].is_some())
    }

    fn healthy(&self) -> u32 {
        self.on() & !self.bad()
    }

    /// The host looks at the subscribers before it does anything with the ring.
    fn observe(&mut self) {
        let changed = self.seen_healthy ^ self.healthy();
        self.seen_healthy = self.healthy();
        self.clear(changed);
    }

    fn clear(&mut self, mask: u32) {
        self.ring
            .iter_mut()
            .for_each(|queued| queued.pending &= !mask);
    }

    fn post(&mut self, number: u32) -> Result<u32, PostError> {
        self.observe();
        let targets = self.healthy();
        if targets == 0 {
            return Ok(0);
        }
        if self.ring.len() == LENGTH as usize {
            return Err(PostError::Full);
        }
        if self.ring.is_empty() {
            self.deadline = self.now + MAX_TIME;
        }
        self.ring.push_back(Queued {
            number,
            pending: targets,
        });
        for reader in &mut self.readers {
            // A dead handle of version 4 may share its bit with nobody: it is not read any more.
            if targets & (1 << reader.bit) != 0
                && self.owner[reader.bit as usize] == Some(reader.name)
            {
                reader.unread.push_back(number);
            }
        }
        Ok(targets.count_ones())
    }

    fn tick(&mut self, step: u64) {
        self.now += step;
        self.heartbeat = self.now;
        self.observe();
        if step > MAX_TIME {
            self.deadline = self.now + MAX_TIME;
        }
        while let Some(oldest) = self.ring.front() {
            let late = oldest.pending & self.healthy();
            if late != 0 {
                if self.now <= self.deadline {
                    break;
                }
                let quarantine = if self.version == WireVersion::V4 {
                    10_000
                } else {
                    MAX_TIME
                };
                for bit in (0..32).filter(|bit| late & (1 << bit) != 0) {
                    self.evicted_until[bit] = Some(self.now + quarantine);
                }
            }
            self.ring.pop_front();
            self.deadline = self.now + MAX_TIME;
        }
        self.reap(self.now);
    }

    fn reap(&mut self, now: u64) {
        for bit in 0..32 {
            if self.evicted_until[bit].is_some_and(|until| now > until) {
                self.evicted_until[bit] = None;
                self.owner[bit] = None;
                self.clear(1 << bit);
            }
        }
    }

    fn subscribe(&mut self) -> Option<u32> {
        // The host reaps at every tick, so a client finds nothing left to reap.
        let bit = (0..32).find(|bit| self.owner[*bit].is_none())?;
        self.clear(1 << bit);
        self.owner[bit] = Some(self.names);
        self.readers.push(Reader {
            name: self.names,
            bit: bit as u32,
            last: self.now,
            dead: None,
            unread: VecDeque::new(),
        });
        self.names += 1;
        Some(bit as u32)
    }

    fn status(&self, reader: &Reader) -> Result<(), QueueError> {
        let bit = reader.bit as usize;
        if self.evicted_until[bit].is_some() {
            return Err(QueueError::Evicted);
        }
        match self.owner[bit] {
            None => Err(QueueError::Unsubscribed),
            // Version 4 cannot tell one owner from another.
            Some(owner) if owner != reader.name && self.version != WireVersion::V4 => {
                Err(QueueError::Evicted)
            }
            Some(_) => Ok(()),
        }
    }

    /// What every operation of a reader begins with.
    fn enter(&mut self, index: usize) -> Result<(), QueueError> {
        let reader = &self.readers[index];
        if let Some(error) = reader.dead {
            return Err(error);
        }
        let result = self.status(reader).and_then(|()| {
            if self.now - reader.last > FREEZE {
                return Err(QueueError::Thawed);
            }
            Ok(())
        });
        let bit = reader.bit;
        if result == Err(QueueError::Thawed) && self.version != WireVersion::V4 {
            self.leave(bit);
        }
        let reader = &mut self.readers[index];
        reader.last = self.now;
        reader.dead = result.err();
        result
    }

    fn leave(&mut self, bit: u32) {
        self.owner[bit as usize] = None;
        self.clear(1 << bit);
    }

    fn release(&mut self, index: usize) {
        let reader = &mut self.readers[index];
        let bit = 1 << reader.bit;
        let Some(number) = reader.unread.pop_front() else {
            return;
        };
        for (place, queued) in self.ring.iter_mut().enumerate() {
            if queued.number == number {
                queued.pending &= !bit;
                if queued.pending == 0 && place == 0 {
                    self.ring.pop_front();
                    self.deadline = self.heartbeat + MAX_TIME;
                }
                return;
            }
        }
        panic!("message {number} is not in the ring");
    }

    fn skip(&mut self, index: usize) -> usize {
        let skipped = self.readers[index].unread.len().saturating_sub(1);
        for _ in 0..skipped {
            self.release(index);
        }
        skipped
    }
}

/// The real thing, driven beside the model.
struct Real {
    memory: Arc<SharedMemory>,
    geometry: &'static Geometry,
    host: Host,
    queue: HostQueue,
    blocks: Vec<Block>,
    readers: Vec<Subscription>,
}

impl Real {
    fn new(memory: Arc<SharedMemory>, version: WireVersion, now: u64) -> Self {
        let spec = |id, length| QueueSpec {
            id,
            length,
            max_time_ms: MAX_TIME as u32,
        };
        let mut builder = HostBuilder::new(Arc::clone(&memory), version, b"udata").expect("room");
        builder.queue(spec(2, 2)).expect("room");
        let queue = builder.queue(spec(1, LENGTH)).expect("room");
        let blocks = (0..4)
            .map(|_| builder.block(64, 64).expect("room"))
            .collect();
        let host = builder.publish(now).expect("in bounds");
        Self {
            memory,
            geometry: Geometry::of(version),
            host,
            queue,
            blocks,
            readers: Vec::new(),
        }
    }

    fn subscribe(&mut self, now: u64) -> Result<Subscription, SubscribeError> {
        let mut client = Client::new(Arc::clone(&self.memory));
        // Another look than the host's last tick, without letting time pass.
        let beat = get64(&self.memory, 16);
        support::set64(&self.memory, 16, beat + 1);
        client.start(now).expect("a session");
        support::set64(&self.memory, 16, beat);
        client.subscribe(1, now)
    }
}

/// Compares every shared word of the queue with the model.
fn compare(real: &Real, model: &Model) -> Result<(), TestCaseError> {
    let base = real.geometry.queue_base(1);
    let fields = &real.geometry.queue;
    let word = |field| get(&real.memory, base + field);
    let (start, write, count) = (
        word(fields.start),
        word(fields.write_pos),
        word(fields.count),
    );
    let slots = LENGTH + 1;
    prop_assert!(start < slots && write < slots);
    prop_assert_eq!(count, (write + slots - start) % slots);
    prop_assert_eq!(count as usize, model.ring.len());
    prop_assert_eq!(real.queue.pending(), count);
    let subs = u64::from(model.on()) << 32 | u64::from(model.bad());
    prop_assert_eq!(get64(&real.memory, base + fields.subs), subs);
    prop_assert_eq!(real.queue.has_subscribers(), model.healthy() != 0);
    prop_assert_eq!(get64(&real.memory, 16), model.heartbeat);
    if count > 0 {
        prop_assert_eq!(get64(&real.memory, base + fields.deadline), model.deadline);
    }
    let ring = word(fields.ring_offset) as usize;
    for (place, queued) in model.ring.iter().enumerate() {
        let slot = ring + 16 * ((start as usize + place) % slots as usize);
        prop_assert_eq!(get(&real.memory, slot), queued.number);
        prop_assert_eq!(get(&real.memory, slot + 12), queued.pending);
    }
    let sent = model.received + model.mailbox.len() as u32;
    prop_assert_eq!(word(fields.cm_avail) as usize, 10 - model.mailbox.len());
    prop_assert_eq!(word(fields.cm_wserial), sent);
    prop_assert_eq!(word(fields.cm_rserial), model.received);
    prop_assert_eq!(get(&real.memory, base + fields.lock) & 0xff, 0);
    prop_assert_eq!(get(&real.memory, base + fields.cm_lock) & 0xff, 0);
    Ok(())
}

fn run(version: WireVersion, ops: &[Op]) -> Result<(), TestCaseError> {
    let start = 10_000;
    let mut real = Real::new(support::memory(32 * 1024), version, start);
    let mut model = Model::new(version, start);
    for (number, op) in (0..).zip(ops) {
        step(&mut real, &mut model, number, *op)?;
        compare(&real, &model)?;
    }
    Ok(())
}

fn step(real: &mut Real, model: &mut Model, number: u32, op: Op) -> Result<(), TestCaseError> {
    match op {
        Op::Tick(ms) => {
            model.tick(ms);
            prop_assert!(real.host.tick(model.now).is_ok());
        }
        Op::Post => {
            let block = real.blocks[number as usize % real.blocks.len()];
            let posted = real.queue.post(number, block, model.now);
            let expected = model.post(number).map(|recipients| Posted { recipients });
            prop_assert_eq!(posted, expected);
        }
        Op::Subscribe => {
            let subscribed = real.subscribe(model.now);
            match model.subscribe() {
                Some(bit) => {
                    let reader = subscribed.expect("a free bit");
                    prop_assert_eq!(reader.bit(), bit);
                    real.readers.push(reader);
                    prop_assert_eq!(real.queue.take_new_subscribers(), 1);
                }
                None => prop_assert_eq!(subscribed.err(), Some(SubscribeError::Full)),
            }
        }
        Op::Send(_) | Op::Receive => mailbox_step(real, model, number, op)?,
        Op::Restart { is_zeroed } => restart(real, model, is_zeroed)?,
        Op::Peek(index) | Op::Release(index) | Op::Skip(index) => {
            if index < real.readers.len() {
                read_step(real, model, number, op, index)?;
            }
        }
        Op::Unsubscribe(index) | Op::Crash(index) => {
            if index < real.readers.len() {
                let reader = real.readers.remove(index);
                if matches!(op, Op::Unsubscribe(_)) {
                    let entered = model.enter(index);
                    if entered.is_ok() {
                        model.leave(model.readers[index].bit);
                    }
                    prop_assert_eq!(reader.unsubscribe(model.now), entered);
                }
                model.readers.remove(index);
            }
        }
    }
    Ok(())
}

fn read_step(
    real: &mut Real,
    model: &mut Model,
    number: u32,
    op: Op,
    index: usize,
) -> Result<(), TestCaseError> {
    let was_alive = model.readers[index].dead.is_none();
    let entered = model.enter(index);
    let reader = &mut real.readers[index];
    // A freeze only shows when an operation compares the times.
    let is_mine = was_alive && (entered.is_ok() || entered == Err(QueueError::Thawed));
    prop_assert_eq!(reader.is_still_mine(), is_mine);
    match op {
        Op::Peek(_) => {
            let message = reader.peek(model.now);
            let message = message.map(|found| found.map(|message| message.udata));
            let expected = entered.map(|()| model.readers[index].unread.front().copied());
            prop_assert_eq!(message, expected, "step {}", number);
        }
        Op::Release(_) => {
            prop_assert_eq!(reader.release(model.now), entered);
            if entered.is_ok() {
                model.release(index);
            }
        }
        _ => {
            let skipped = entered.map(|()| model.skip(index) as u32);
            prop_assert_eq!(reader.skip_to_last(model.now), skipped);
        }
    }
    Ok(())
}

fn mailbox_step(
    real: &mut Real,
    model: &mut Model,
    number: u32,
    op: Op,
) -> Result<(), TestCaseError> {
    let Op::Send(index) = op else {
        let received = real.queue.next_message();
        let received = received.map(|message| message.bytes().to_vec());
        let expected = model.mailbox.pop_front();
        prop_assert_eq!(
            received,
            expected.map(|number| number.to_le_bytes().to_vec())
        );
        if expected.is_some() {
            model.received += 1;
            real.queue.acknowledge();
        }
        // Ten per tick are enough for any peer; the budget has a test of its own.
        prop_assert!(real.host.tick(model.now).is_ok());
        model.tick(0);
        return Ok(());
    };
    let Some(reader) = real.readers.get_mut(index) else {
        return Ok(());
    };
    let sent = reader.send(&number.to_le_bytes());
    let alive = match model.readers[index].dead {
        Some(_) => Err(QueueError::Unsubscribed),
        None => model.status(&model.readers[index]),
    };
    if alive.is_err() {
        prop_assert!(matches!(sent, Err(SendError::Ended(_))));
    } else if model.mailbox.len() == 10 {
        prop_assert_eq!(sent, Err(SendError::Full));
    } else {
        model.mailbox.push_back(number);
        prop_assert_eq!(sent, Ok(model.received + model.mailbox.len() as u32));
    }
    Ok(())
}

fn restart(real: &mut Real, model: &mut Model, is_zeroed: bool) -> Result<(), TestCaseError> {
    if is_zeroed {
        real.memory.as_slice().zero(0, 5120).expect("in bounds");
        prop_assert!(real.host.tick(model.now).is_err());
    }
    let old = real.host.session_id();
    let (memory, now) = (Arc::clone(&real.memory), model.now);
    let mut readers = std::mem::take(&mut real.readers);
    *real = Real::new(memory, model.version, now);
    *model = Model::new(model.version, now);
    prop_assert_ne!(real.host.session_id(), old);
    for reader in &mut readers {
        // Some ended before their session did, and stay what they were.
        let error = reader.release(now).expect_err("the session is over");
        let is_restart = error == QueueError::SessionLost(SessionLost::Restarted);
        let is_older = matches!(
            error,
            QueueError::Evicted | QueueError::Unsubscribed | QueueError::Thawed
        );
        prop_assert!(is_restart || is_older);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn version_4_follows_the_model(ops in operations()) {
        run(WireVersion::V4, &ops)?;
    }

    #[test]
    fn version_5_follows_the_model(ops in operations()) {
        run(WireVersion::V5, &ops)?;
    }

    #[test]
    fn version_6_follows_the_model(ops in operations()) {
        run(WireVersion::V6, &ops)?;
    }
}
