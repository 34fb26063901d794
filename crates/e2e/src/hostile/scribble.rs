//! Random damage to a live memory, from a printed seed.

use std::time::{Duration, Instant};

use super::image::Image;
use super::words;

/// Small repeatable random numbers (xorshift64*, Vigna 2016).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A seed from `LG_SEED`, else from the clock; printed, so that a failure can be repeated.
    #[must_use]
    pub fn seed(name: &str) -> u64 {
        let given = std::env::var("LG_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let clock = || {
            let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            since.as_secs() ^ u64::from(since.subsec_nanos()) << 20
        };
        let seed = given.unwrap_or_else(clock);
        println!("{name}: LG_SEED={seed}");
        seed
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    /// A value as a broken or hostile peer would write it: mostly a limit of something.
    fn value(&mut self) -> u32 {
        let random = self.number() as u32;
        match self.below(6) {
            0 => 0,
            1 => u32::MAX,
            2 => random % 70,
            3 => 1 << (random % 32),
            4 => (1 << (random % 32)) - 1,
            _ => random,
        }
    }
}

/// What is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everything, mostly where the protocol lives; sessions are short then.
    All,
    /// Messages only: their slots and the heads of their blocks, in a session that goes on.
    Messages,
}

/// Damages the memory for a while.
pub fn scribble(image: &Image, random: &mut Random, target: Target, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        match random.below(20) {
            _ if target == Target::Messages => poke_newest(image, random, 2_000),
            0 => move_piece(image, random),
            1 => fill_piece(image, random),
            2..=9 => poke(image, random, 8 << 10),
            10..=14 => poke_newest(image, random, 3),
            15..=17 => flip(image, random),
            _ => poke(image, random, image.len()),
        }
        // Enough damage to matter, and pauses in which the programs get somewhere with it.
        if random.below(4) == 0 {
            std::thread::sleep(Duration::from_micros(random.number() % 3_000));
        }
    }
}

fn poke(image: &Image, random: &mut Random, end: usize) {
    let at = random.below(end / 4) * 4;
    image.put(at, &random.value().to_le_bytes());
}

/// Hits the newest slot of a queue once in `rarely`, else the first bytes of what it points to: a bad slot costs the
/// client its subscription, and then it looks at no message for a while.
fn poke_newest(image: &Image, random: &mut Random, rarely: usize) {
    let (_, slot) = image.newest_slot(random.below(2));
    let at = if random.below(rarely) == 0 {
        slot + 4 * random.below(4)
    } else {
        // The size of a pointer's header half the time, else that of a frame's.
        let words = if random.below(2) == 0 { 6 } else { 1084 / 4 };
        image.word(slot + 8) as usize + 4 * random.below(words)
    };
    image.put(at, &random.value().to_le_bytes());
}

fn flip(image: &Image, random: &mut Random) {
    let at = random.below(words::header_size(image.pair) + 512);
    let mask = 1 << random.below(8);
    if let [byte] = image.get(at, 1)[..] {
        image.put(at, &[byte ^ mask]);
    }
}

fn fill_piece(image: &Image, random: &mut Random) {
    let byte = [0, 0xff, random.number() as u8][random.below(3)];
    let piece = vec![byte; 1 + random.below(2048)];
    image.put(random.below(image.len()), &piece);
}

fn move_piece(image: &Image, random: &mut Random) {
    let piece = image.get(random.below(16 << 10), 1 + random.below(1024));
    image.put(random.below(16 << 10), &piece);
}
