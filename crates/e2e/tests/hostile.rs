//! A live client on memory that somebody spoils: it must not die, exit, hang, spin or grow, and it must show a good
//! host's picture again about a second after that host is there. Our own host must survive it as well.
//!
//! `LG_SEED=N` repeats the random part. Each test is one client's life.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use e2e::Viewer;
use e2e::hostile::forge::{Forger, Slot};
use e2e::hostile::image::Image;
use e2e::hostile::scribble::{Random, Target, scribble};
use e2e::hostile::trial::Trial;
use e2e::hostile::watch::Limits;
use e2e::hostile::{Field, Pair, payload, words};
use testkit::programs::{self, SharedFile};
use testkit::x_server::XServer;

/// Without a window: 32 MiB of mapping, as much for a frame, and what a picture of the largest frame may take.
const HEADLESS: Limits = Limits {
    silence: Duration::from_millis(2_500),
    cpu: 0.6,
    resident_mib: 128,
};
/// With EGL on a software rasteriser, which costs processor time and has the textures in the process: the largest frame
/// that is believed takes 256 MiB, and as much again while the next one of another size is made.
const EGL: Limits = Limits {
    silence: Duration::from_millis(4_000),
    cpu: 2.0,
    resident_mib: 900,
};
/// With frames of 64 million pixels, the most that is believed: 256 MiB once drawn, which takes its time.
const GIANT: Limits = Limits {
    silence: Duration::from_secs(5),
    cpu: 1.0,
    resident_mib: 400,
};
/// How long a lock is held that nobody gives back: longer than any patience, the host's one second included.
const STUCK: Duration = Duration::from_millis(2_500);
/// The good frames' write pointer.
const WHOLE: u32 = payload::SIDE * payload::SIDE * 4;

fn headless(pair: Pair) -> anyhow::Result<Trial> {
    Trial::begin(pair, HEADLESS, Viewer::headless)
}

/// The ring slot that the host fills last, of both queues; both the place and the content change all the time.
fn newest_slots(image: &Image) -> Vec<Field> {
    (0..2)
        .flat_map(|queue| words::slot(image.pair, image.newest_slot(queue).1, image.len()))
        .collect()
}

fn spoil_words(pair: Pair) -> anyhow::Result<()> {
    let mut trial = headless(pair)?;
    let len = trial.image.len();
    trial.attack(&words::header(pair, len))?;
    trial.recover("the header's words")?;
    for queue in 0..2 {
        let slots = u64::from(trial.image.newest_slot(queue).0);
        trial.attack(&words::queue(pair, queue, slots, len))?;
        trial.recover(&format!("the words of queue {queue}"))?;
    }
    let slots = newest_slots(&trial.image);
    trial.attack(&slots)?;
    trial.attack(&words::mailbox(pair, 1))?;
    trial.recover("slots and mailboxes")?;
    Ok(())
}

/// Runs a trial for each version at once: they mostly wait.
fn for_each_version(trial: fn(Pair) -> anyhow::Result<()>) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let threads = Pair::ALL.map(|pair| (pair, scope.spawn(move || trial(pair))));
        for (pair, thread) in threads {
            let result = thread
                .join()
                .map_err(|_| anyhow::anyhow!("{pair:?} panicked"))?;
            result.with_context(|| format!("{pair:?}"))?;
        }
        Ok(())
    })
}

#[test]
fn every_word_of_lgmp_may_be_wrong() -> anyhow::Result<()> {
    for_each_version(spoil_words)
}

fn hold_locks(pair: Pair) -> anyhow::Result<()> {
    let mut trial = headless(pair)?;
    for field in (0..2).flat_map(|queue| words::locks(pair, queue)) {
        trial.image.hold(&field, u64::MAX, STUCK);
        // The lock is free again, so this very host must be enough.
        let back = trial.image.wait_until_served(Duration::from_millis(2_500));
        ensure!(
            back.is_some(),
            "{} was freed, but the client is not back",
            field.name
        );
    }
    trial.recover("locks held by nobody")?;
    // And by a host that died with both of them: the next one starts from there.
    for lock in (0..2).flat_map(|queue| words::locks(pair, queue)) {
        trial.image.put(lock.at, &lock.bytes(1));
    }
    trial.recover("locks left behind")?;
    Ok(())
}

#[test]
fn locks_may_be_held_for_ever() -> anyhow::Result<()> {
    for_each_version(hold_locks)
}

#[test]
fn memory_may_be_wiped_under_a_live_host() -> anyhow::Result<()> {
    let mut trial = headless(Pair::B7)?;
    for _ in 0..3 {
        let old = trial.image.word(words::SESSION_ID);
        trial.image.wipe()?;
        ensure!(
            trial.image.wait_for_session(old, Duration::from_secs(5)),
            "no new session"
        );
        let back = trial.image.wait_until_served(Duration::from_millis(1_500));
        ensure!(
            back.is_some(),
            "the host began anew, but the client is not back"
        );
    }
    trial.recover("wiped headers")
}

/// Posts one bad frame for each value of each field, and good ones between.
fn forge_frames(forger: &mut Forger, pair: Pair) -> anyhow::Result<()> {
    for field in payload::frame_fields(pair) {
        for &value in &field.values {
            let serial = forger.next_serial();
            let mut header = payload::FrameBytes::good(pair, serial);
            header.put(field.at, &field.bytes(value));
            forger.post_frame(&header.bytes, WHOLE, Slot::default());
        }
        ensure!(
            forger.post_good_frame(),
            "a good frame was not taken after {}",
            field.name
        );
    }
    for (count, rect) in payload::RECTS {
        let serial = forger.next_serial();
        let mut header = payload::FrameBytes::good(pair, serial);
        header.set("damage count", count);
        (0..64).for_each(|index| header.set_rect(index, rect));
        ensure!(
            forger.post_frame(&header.bytes, WHOLE, Slot::default()),
            "{rect:?} was not taken"
        );
    }
    Ok(())
}

/// Posts frames whose pixels never come, or come in odd ways.
fn forge_write_pointers(forger: &mut Forger, pair: Pair) -> anyhow::Result<()> {
    for written in [0, 1, WHOLE - 1, WHOLE + 1, 1 << 31, u32::MAX] {
        let serial = forger.next_serial();
        let header = payload::FrameBytes::good(pair, serial);
        let is_taken = forger.post_frame(&header.bytes, written, Slot::default());
        ensure!(
            is_taken,
            "a frame with {written} bytes written held the client up"
        );
    }
    forger.post_crawling_frame(|round| round);
    forger.post_crawling_frame(|round| 1 + round % 2);
    forger.post_crawling_frame(|round| u32::MAX >> (round % 32));
    ensure!(
        forger.post_good_frame(),
        "a good frame was not taken after unfinished ones"
    );
    Ok(())
}

/// Posts frames that are as large as a header may say, with next to no pixels behind them.
fn forge_giants(forger: &mut Forger, pair: Pair) -> anyhow::Result<()> {
    const MOST: u32 = 32_768;
    // The fourth is the largest that is believed, and the last two are long, but small.
    let sizes = [
        (MOST, MOST, 4),
        (MOST / 2, MOST, 8),
        (MOST / 8, MOST, 8),
        (MOST / 4, MOST / 4, 4),
        (1, MOST, 4),
        (MOST, 1, 4),
    ];
    for (width, height, bytes) in sizes {
        for rotation in [0, 1] {
            let serial = forger.next_serial();
            let mut header = payload::FrameBytes::good(pair, serial);
            header.set("frame type", if bytes == 8 { 4 } else { 1 });
            for name in ["screen width", "frame width", "data width", "stride"] {
                header.set(name, width);
            }
            for name in [
                "screen height",
                "frame height",
                "real height",
                "data height",
            ] {
                header.set(name, height);
            }
            header.set("pitch", width * bytes);
            header.set("rotation", rotation);
            header.set("flags", 4);
            let size = Some(8 << 20);
            forger.post_frame(
                &header.bytes,
                u32::MAX,
                Slot {
                    size,
                    ..Slot::default()
                },
            );
        }
    }
    ensure!(
        forger.post_good_frame(),
        "a good frame was not taken after giant ones"
    );
    Ok(())
}

/// Posts slots that point anywhere, on both queues.
fn forge_slots(forger: &mut Forger, image: &Image) -> anyhow::Result<()> {
    for field in words::slot(image.pair, 0, image.len()) {
        for &value in &field.values {
            let value = value as u32;
            let mut slot = Slot {
                udata: 7,
                ..Slot::default()
            };
            match field.at {
                0 => slot.udata = value,
                4 => slot.size = Some(value),
                8 => slot.offset = Some(value),
                _ => continue,
            }
            let serial = forger.next_serial();
            let header = payload::FrameBytes::good(image.pair, serial);
            forger.post_frame(&header.bytes, WHOLE, slot);
            forger.post_pointer(&payload::good_pointer(), slot);
        }
    }
    ensure!(
        forger.post_good_frame(),
        "a good frame was not taken after bad slots"
    );
    Ok(())
}

/// Posts one bad pointer message for each value of each field and each way of reading it.
fn forge_pointers(forger: &mut Forger) -> anyhow::Result<()> {
    for field in payload::pointer_fields() {
        for &value in &field.values {
            for kind in 0..3 {
                let mut header = payload::good_pointer();
                header[4] = kind;
                header[field.at..field.at + field.width].copy_from_slice(&field.bytes(value));
                // Position, visible and shape.
                forger.post_pointer(
                    &header,
                    Slot {
                        udata: 7,
                        ..Slot::default()
                    },
                );
            }
        }
    }
    ensure!(
        forger.post_good_frame(),
        "a good frame was not taken after pointers"
    );
    Ok(())
}

/// Begins a session for each bad description, long enough for the client to try it.
fn forge_descriptions(image: &Image) -> anyhow::Result<()> {
    let good = payload::good_description(image.pair);
    let mut all = payload::odd_descriptions(image.pair);
    for field in payload::description_fields() {
        for &value in &field.values {
            let mut bytes = good.clone();
            bytes[field.at..field.at + field.width].copy_from_slice(&field.bytes(value));
            all.push(bytes);
        }
    }
    for description in all {
        let forger = Forger::start(image, &description)?;
        // Refused ones are looked at each 50 ms, good enough ones lead to a subscription.
        let _ = forger.has_client(Duration::from_millis(120));
    }
    Ok(())
}

fn spoil_messages(trial: &mut Trial) -> anyhow::Result<()> {
    let pair = trial.image.pair;
    let mut forger = trial.forge()?;
    forge_frames(&mut forger, pair)?;
    drop(forger);
    trial.recover("frame headers")?;
    let mut forger = trial.forge()?;
    forge_write_pointers(&mut forger, pair)?;
    forge_slots(&mut forger, &trial.image)?;
    drop(forger);
    trial.recover("write pointers and slots")?;
    let mut forger = trial.forge()?;
    forge_pointers(&mut forger)?;
    drop(forger);
    trial.recover("pointer messages")?;
    trial.stop_host();
    forge_descriptions(&trial.image)?;
    trial.recover("session descriptions")
}

#[test]
fn every_field_of_kvmfr_may_be_wrong() -> anyhow::Result<()> {
    for_each_version(|pair| spoil_messages(&mut headless(pair)?))
}

#[test]
fn frames_may_claim_to_be_gigantic() -> anyhow::Result<()> {
    for_each_version(|pair| {
        let mut trial = Trial::begin(pair, GIANT, Viewer::headless)?;
        let mut forger = trial.forge()?;
        forge_giants(&mut forger, pair)?;
        drop(forger);
        trial.recover("giant frames")
    })
}

/// Scribbles in rounds, each against a good host of its own.
fn scribble_over(trial: &mut Trial, rounds: u32) -> anyhow::Result<()> {
    let seed = Random::seed("scribbling");
    let mut random = Random::new(seed);
    for round in 0..rounds {
        let target = if round % 2 == 0 {
            Target::Messages
        } else {
            Target::All
        };
        scribble(&trial.image, &mut random, target, Duration::from_secs(3));
        trial.recover(&format!("scribbling over {target:?}, LG_SEED={seed}"))?;
    }
    Ok(())
}

#[test]
fn memory_may_be_scribbled_over() -> anyhow::Result<()> {
    for_each_version(|pair| scribble_over(&mut headless(pair)?, 4))
}

/// A client with EGL and a window on an X server of its own.
fn egl(shm: &SharedFile, display: &str) -> anyhow::Result<Viewer> {
    let mut command = programs::client(shm)?;
    command
        .env("DISPLAY", display)
        .env("LIBGL_ALWAYS_SOFTWARE", "1");
    command.args(["app:renderer=EGL", "win:autoResize=yes"]);
    Viewer::start(command)
}

#[test]
fn a_window_drawn_by_egl_survives_the_same() -> anyhow::Result<()> {
    if !Path::new("/usr/lib/x86_64-linux-gnu/libEGL.so.1").exists() {
        testkit::skip("hostile memory with EGL", "there is no libEGL");
        return Ok(());
    }
    let Some(server) = XServer::start(1024, 768)? else {
        return Ok(());
    };
    let mut trial = Trial::begin(Pair::B7, EGL, |shm| egl(shm, server.display()))?;
    spoil_messages(&mut trial)?;
    for _ in 0..3 {
        let mut forger = trial.forge()?;
        forge_giants(&mut forger, Pair::B7)?;
        drop(forger);
        trial.recover("giant frames")?;
    }
    scribble_over(&mut trial, 2)
}
