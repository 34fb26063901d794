use std::time::Duration;

use rustix::event::{Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use super::super::super::ClipboardFormat;
use super::super::super::format::{STRING, names_of};
use super::*;

const MAX_BYTES: usize = 100_000;

fn pipes() -> Pipes {
    Pipes::new(ClipboardLimits {
        max_bytes: MAX_BYTES,
        patience: Duration::from_secs(10),
    })
}

fn text() -> &'static Name {
    names_of(ClipboardFormat::Text).next().unwrap()
}

/// Reading and writing ends that do not block.
fn pipe() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap()
}

/// One round of the worker's, without waiting. Returns what came of it.
fn turn(pipes: &mut Pipes, now: Nanos) -> Vec<ClipboardEvent> {
    let mut fds = Vec::new();
    pipes.watch(&mut fds);
    poll(&mut fds, Some(&Timespec::default())).unwrap();
    let ready: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
    let mut events = Vec::new();
    pipes.turn(&ready, now, &mut |event| events.push(event));
    pipes.expire(now, &mut |event| events.push(event));
    events
}

/// Opens a pipe of one who pastes; the end that it reads.
fn paste(pipes: &mut Pipes, name: &'static Name, now: Nanos) -> (u64, OwnedFd) {
    let (theirs, ours) = pipe();
    let mut events = Vec::new();
    pipes.serve(name, ours, now, &mut |event| events.push(event));
    match *events {
        [ClipboardEvent::Wanted { id, format }] => {
            assert_eq!(format, name.format);
            (id, theirs)
        }
        _ => panic!("{events:?}"),
    }
}

fn received(id: u64, data: Result<&[u8], ClipboardError>) -> Vec<ClipboardEvent> {
    let data = data.map(<[u8]>::to_vec);
    vec![ClipboardEvent::Received { id, data }]
}

#[test]
fn the_limit_passes_and_one_byte_more_does_not() {
    let data = vec![b'x'; MAX_BYTES + 1];
    for (size, expected) in [
        (MAX_BYTES, Ok(&data[..MAX_BYTES])),
        (MAX_BYTES + 1, Err(ClipboardError::TooLarge)),
    ] {
        let mut pipes = pipes();
        let (ours, theirs) = pipe();
        pipes.read(3, text(), ours, Nanos::ZERO);
        let mut sent = 0;
        let mut events = Vec::new();
        while sent < size && events.is_empty() {
            if let Ok(count) = rustix::io::write(&theirs, &data[sent..size]) {
                sent += count;
            }
            events = turn(&mut pipes, Nanos::ZERO);
        }
        drop(theirs);
        events.append(&mut turn(&mut pipes, Nanos::ZERO));
        assert!(events == received(3, expected), "{events:?}");
        assert_eq!(pipes.deadline(), None);
    }
}

#[test]
fn an_owner_that_never_ends_is_given_up_and_a_cancelled_one_forgotten() {
    let mut pipes = pipes();
    let (ours, theirs) = pipe();
    pipes.read(1, text(), ours, Nanos::ZERO);
    rustix::io::write(&theirs, b"begun").unwrap();
    assert_eq!(turn(&mut pipes, Nanos::from_millis(9_999)), []);
    let late = pipes.deadline().unwrap();
    let events = turn(&mut pipes, late);
    assert_eq!(events, received(1, Err(ClipboardError::TimedOut)));

    let (ours, theirs) = pipe();
    pipes.read(2, text(), ours, Nanos::ZERO);
    pipes.cancel(2);
    drop(theirs);
    assert_eq!(turn(&mut pipes, Nanos::from_millis(99_999)), []);
}

#[test]
fn an_owner_that_writes_nothing_refuses() {
    let mut pipes = pipes();
    let (ours, theirs) = pipe();
    pipes.read(1, text(), ours, Nanos::ZERO);
    drop(theirs);
    let events = turn(&mut pipes, Nanos::ZERO);
    assert_eq!(events, received(1, Err(ClipboardError::Refused)));
}

#[test]
fn old_names_of_text_have_the_old_encoding() {
    let latin1 = names_of(ClipboardFormat::Text)
        .find(|name| name.text == STRING)
        .unwrap();
    let mut pipes = pipes();
    let (ours, theirs) = pipe();
    pipes.read(1, latin1, ours, Nanos::ZERO);
    rustix::io::write(&theirs, b"\xfc").unwrap();
    drop(theirs);
    let events = turn(&mut pipes, Nanos::ZERO);
    assert_eq!(events, received(1, Ok("ü".as_bytes())));

    let (id, theirs) = paste(&mut pipes, latin1, Nanos::ZERO);
    pipes.supply(id, Some("ü☃".as_bytes().into()), Nanos::ZERO);
    turn(&mut pipes, Nanos::ZERO);
    let mut buffer = [0; 8];
    assert_eq!(rustix::io::read(&theirs, &mut buffer), Ok(2));
    assert_eq!(buffer[..2], *b"\xfc?");
}

#[test]
fn a_slow_reader_gets_all_and_one_that_does_not_read_is_given_up() {
    let mut pipes = pipes();
    let data: Arc<[u8]> = (0..200_000_u32).map(|i| (i / 7) as u8).collect();
    let (id, slow) = paste(&mut pipes, text(), Nanos::ZERO);
    let (other, lazy) = paste(&mut pipes, text(), Nanos::ZERO);
    for id in [id, other] {
        pipes.supply(id, Some(Arc::clone(&data)), Nanos::ZERO);
    }
    let mut got = Vec::new();
    let mut now = Nanos::ZERO;
    let mut buffer = vec![0; 20_000];
    while got.len() < data.len() {
        assert_eq!(turn(&mut pipes, now), []);
        let count = rustix::io::read(&slow, &mut *buffer).unwrap();
        got.extend_from_slice(&buffer[..count]);
        // In all, longer than anybody may do nothing.
        now = now + Nanos::from_millis(1_050);
    }
    turn(&mut pipes, now);
    assert!(now > Nanos::from_millis(10_000));
    assert!(got == *data);
    assert_eq!(rustix::io::read(&slow, &mut *buffer), Ok(0));
    assert_eq!(pipes.deadline(), None);
    let mut left = 0;
    while let Ok(count @ 1..) = rustix::io::read(&lazy, &mut *buffer) {
        left += count;
    }
    assert!(left < data.len());
}

#[test]
fn a_reader_that_goes_before_the_data_come_wants_no_more() {
    let mut pipes = pipes();
    let (id, theirs) = paste(&mut pipes, text(), Nanos::ZERO);
    assert_eq!(turn(&mut pipes, Nanos::ZERO), []);
    drop(theirs);
    let no_more = |id| vec![ClipboardEvent::WantedNoMore { id }];
    assert_eq!(turn(&mut pipes, Nanos::ZERO), no_more(id));
    // So does one that is not answered in time, and finds its pipe closed.
    let (id, theirs) = paste(&mut pipes, text(), Nanos::ZERO);
    let late = pipes.deadline().unwrap();
    assert_eq!(turn(&mut pipes, late), no_more(id));
    assert_eq!(rustix::io::read(&theirs, &mut [0; 8]), Ok(0));
    // One that goes in the middle is none of our user's business.
    let (id, theirs) = paste(&mut pipes, text(), Nanos::ZERO);
    pipes.supply(id, Some(vec![0; 100_000].into()), Nanos::ZERO);
    turn(&mut pipes, Nanos::ZERO);
    drop(theirs);
    assert_eq!(turn(&mut pipes, Nanos::ZERO), []);
    assert_eq!(pipes.deadline(), None);
}

#[test]
fn files_and_too_many_are_refused() {
    let mut pipes = pipes();
    let file = OwnedFd::from(tempfile::tempfile().unwrap());
    pipes.serve(text(), file, Nanos::ZERO, &mut |event| panic!("{event:?}"));
    let readers: Vec<_> = (0..MAX_SERVED)
        .map(|_| paste(&mut pipes, text(), Nanos::ZERO))
        .collect();
    let (theirs, ours) = pipe();
    pipes.serve(text(), ours, Nanos::ZERO, &mut |event| panic!("{event:?}"));
    assert_eq!(rustix::io::read(&theirs, &mut [0; 8]), Ok(0));
    drop(readers);
}

#[test]
fn a_reader_that_takes_a_piece_now_and_then_is_given_up_in_the_end() {
    let mut pipes = Pipes::new(ClipboardLimits::new(1 << 20));
    let (id, theirs) = paste(&mut pipes, text(), Nanos::ZERO);
    pipes.supply(id, Some(vec![0; 1 << 20].into()), Nanos::ZERO);
    let mut buffer = vec![0; PIECE_BYTES];
    let mut now = Nanos::ZERO;
    while pipes.deadline().is_some() {
        assert!(now <= Nanos::from_millis(18_000), "it is served for ever");
        assert_eq!(turn(&mut pipes, now), []);
        rustix::io::read(&theirs, &mut *buffer).unwrap();
        now = now + Nanos::from_millis(9_000);
    }
}

#[test]
fn what_is_held_for_readers_is_limited_in_all() {
    let mut pipes = pipes();
    let full = || -> Arc<[u8]> { vec![0; MAX_BYTES].into() };
    let shared = full();
    let supply = |pipes: &mut Pipes, data: Arc<[u8]>| {
        let (id, theirs) = paste(pipes, text(), Nanos::ZERO);
        pipes.supply(id, Some(data), Nanos::ZERO);
        turn(pipes, Nanos::ZERO);
        theirs
    };
    let lazy = [(); 3].map(|()| supply(&mut pipes, Arc::clone(&shared)));
    let last = supply(&mut pipes, full());
    // The pipe is closed with nothing in it.
    let refused = supply(&mut pipes, vec![0; 1].into());
    assert_eq!(rustix::io::read(&refused, &mut [0; 8]), Ok(0));
    drop(last);
    turn(&mut pipes, Nanos::ZERO);
    let served = supply(&mut pipes, vec![0; 1].into());
    assert_eq!(rustix::io::read(&served, &mut [0; 8]), Ok(1));
    drop(lazy);
}
