//! What others tell the thread `audio`: bounded, never waits for it, and takes no memory for a packet once it runs.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use clock::{Clock as _, MonotonicClock, Nanos};

use super::Mixer;
use crate::Format;

/// Packets that may wait: 2.5 s of QEMU's. The thread is never that far behind; when it is, the oldest are worth least.
const MAX_PACKETS: usize = 256;
/// Bytes of packets that may wait.
const MAX_BYTES: usize = 4 << 20;
/// A packet beyond this is no sound card's: 100 ms of the largest format are 614 KiB.
const MAX_PACKET_BYTES: usize = 1 << 20;
/// Starts and stops that may wait among the packets.
const MAX_WAITING: usize = 2 * MAX_PACKETS;
/// Buffers that are kept for packets to come, and the largest that is.
const MAX_SPARE: usize = 32;
const MAX_SPARE_BYTES: usize = 64 << 10;
/// What devices say that may wait.
const MAX_NEWS: usize = 64;

/// Something for the thread. `N` is what devices say.
#[derive(Debug, PartialEq)]
pub(super) enum Letter<N> {
    /// A device says something.
    News(N),
    /// The guest's mixers, playback and record; `None` as long as the guest has said nothing of one.
    Mixers(Option<Mixer>, Option<Mixer>),
    /// The guest records, with the number of the recording; or no longer.
    Recording(Option<(u32, Format)>),
    /// The recording that may hear the microphone.
    Consent(Option<u32>),
    /// The guest plays from now on.
    Started(Format),
    /// Sound. The buffer goes back by [`Inbox::recycle`].
    Packet {
        arrived: Nanos,
        time_ms: u32,
        samples: Vec<u8>,
    },
    /// The guest plays no longer.
    Stopped,
}

/// What came of waiting.
#[derive(Debug, PartialEq)]
pub(super) enum Waited<N> {
    Letter(Letter<N>),
    /// The time has come.
    Deadline,
    /// Nothing will come any more.
    Closed,
}

/// Shared by those who tell and the thread.
#[derive(Debug)]
pub(super) struct Inbox<N> {
    mail: Mutex<Mail<N>>,
    bell: Condvar,
}

/// Each thing of which only the latest counts has one place; only what is played in order is queued.
#[derive(Debug)]
struct Mail<N> {
    playback: VecDeque<Letter<N>>,
    /// What the packets in it hold, and how many they are.
    bytes: usize,
    packets: usize,
    /// The format after all that waits.
    format: Option<Format>,
    spare: Vec<Vec<u8>>,
    dropped: u64,
    mixers: (Option<Mixer>, Option<Mixer>),
    are_mixers_new: bool,
    recordings: u32,
    recording: Option<Option<(u32, Format)>>,
    consent: Option<Option<u32>>,
    news: VecDeque<N>,
    is_closed: bool,
}

impl<N> Default for Inbox<N> {
    fn default() -> Self {
        let mail = Mail {
            playback: VecDeque::with_capacity(MAX_WAITING + 2),
            bytes: 0,
            packets: 0,
            format: None,
            spare: Vec::with_capacity(MAX_SPARE),
            dropped: 0,
            mixers: Default::default(),
            are_mixers_new: false,
            recordings: 0,
            recording: None,
            consent: None,
            news: VecDeque::with_capacity(MAX_NEWS),
            is_closed: false,
        };
        Self {
            mail: Mutex::new(mail),
            bell: Condvar::new(),
        }
    }
}

impl<N> Inbox<N> {
    fn mail(&self) -> MutexGuard<'_, Mail<N>> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guest plays from now on.
    pub(super) fn started(&self, format: Format) {
        self.change(|mail| {
            mail.push(Letter::Started(format));
            mail.format = Some(format);
        });
    }

    /// The guest plays no longer.
    pub(super) fn stopped(&self) {
        self.change(|mail| {
            if mail.format.take().is_some() {
                mail.push(Letter::Stopped);
            }
        });
    }

    /// Takes a copy of a packet. When too many wait, the oldest go.
    pub(super) fn packet(&self, arrived: Nanos, time_ms: u32, samples: &[u8]) {
        self.change(|mail| {
            if mail.format.is_none() || samples.is_empty() {
                return;
            }
            if samples.len() > MAX_PACKET_BYTES {
                mail.dropped += 1;
                return;
            }
            while mail.packets >= MAX_PACKETS || mail.bytes + samples.len() > MAX_BYTES {
                mail.drop_oldest();
            }
            let mut buffer = mail.spare.pop().unwrap_or_default();
            buffer.extend_from_slice(samples);
            mail.bytes += buffer.len();
            mail.packets += 1;
            mail.push(Letter::Packet {
                arrived,
                time_ms,
                samples: buffer,
            });
        });
    }

    /// The guest's mixer for what it plays is changed so.
    pub(super) fn set_playback_mixer(&self, set: impl FnOnce(&mut Mixer)) {
        self.change(|mail| {
            set(mail.mixers.0.get_or_insert_default());
            mail.are_mixers_new = true;
        });
    }

    /// The guest's mixer for what it records is changed so.
    pub(super) fn set_record_mixer(&self, set: impl FnOnce(&mut Mixer)) {
        self.change(|mail| {
            set(mail.mixers.1.get_or_insert_default());
            mail.are_mixers_new = true;
        });
    }

    /// The guest records from now on; returns the number of the recording.
    pub(super) fn record_started(&self, format: Format) -> u32 {
        let mut number = 0;
        self.change(|mail| {
            mail.recordings = mail.recordings.wrapping_add(1);
            number = mail.recordings;
            mail.recording = Some(Some((number, format)));
        });
        number
    }

    /// The guest records no longer.
    pub(super) fn record_stopped(&self) {
        self.change(|mail| mail.recording = Some(None));
    }

    /// That recording may hear the microphone, and no other.
    pub(super) fn allow(&self, recording: Option<u32>) {
        self.change(|mail| mail.consent = Some(recording));
    }

    /// A device says something. When too much waits, the oldest goes.
    pub(super) fn news(&self, news: N) {
        self.change(|mail| {
            if mail.news.len() >= MAX_NEWS {
                mail.news.pop_front();
            }
            mail.news.push_back(news);
        });
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.change(|mail| mail.is_closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut Mail<N>)) {
        let mut mail = self.mail();
        if mail.is_closed {
            return;
        }
        change(&mut mail);
        drop(mail);
        self.bell.notify_one();
    }

    /// The next letter, for which it waits until a deadline.
    pub(super) fn wait(&self, deadline: Option<Nanos>) -> Waited<N> {
        let mut mail = self.mail();
        loop {
            if mail.is_closed {
                return Waited::Closed;
            }
            if let Some(letter) = mail.pop() {
                return Waited::Letter(letter);
            }
            mail = match deadline {
                None => {
                    let woken = self.bell.wait(mail);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
                Some(deadline) => {
                    let left = deadline - MonotonicClock.now();
                    if left <= Nanos::ZERO {
                        return Waited::Deadline;
                    }
                    let woken = self.bell.wait_timeout(mail, left.to_duration());
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Takes a packet's buffer back.
    pub(super) fn recycle(&self, buffer: Vec<u8>) {
        self.mail().keep(buffer);
    }

    /// Packets that were dropped, ever.
    pub(super) fn dropped(&self) -> u64 {
        self.mail().dropped
    }
}

impl<N> Mail<N> {
    fn push(&mut self, letter: Letter<N>) {
        if self.playback.len() >= MAX_WAITING {
            self.forget_playback();
        }
        self.playback.push_back(letter);
    }

    /// Forgets all that is to be played, but not where that has led to.
    fn forget_playback(&mut self) {
        while let Some(letter) = self.playback.pop_front() {
            if let Letter::Packet { samples, .. } = letter {
                self.dropped += 1;
                self.keep(samples);
            }
        }
        (self.bytes, self.packets) = (0, 0);
        self.playback.push_back(Letter::Stopped);
        if let Some(format) = self.format {
            self.playback.push_back(Letter::Started(format));
        }
    }

    fn drop_oldest(&mut self) {
        let is_packet = |letter: &Letter<N>| matches!(letter, Letter::Packet { .. });
        let at = self.playback.iter().position(is_packet);
        match at.and_then(|at| self.playback.remove(at)) {
            Some(Letter::Packet { samples, .. }) => {
                self.dropped += 1;
                self.packets = self.packets.saturating_sub(1);
                self.bytes = self.bytes.saturating_sub(samples.len());
                self.keep(samples);
            }
            // There is none: the count was wrong, and is right again.
            _ => (self.packets, self.bytes) = (0, 0),
        }
    }

    fn pop(&mut self) -> Option<Letter<N>> {
        // Who may hear the microphone comes before all else, so that nothing holds up its closing.
        if let Some(recording) = self.recording.take() {
            return Some(Letter::Recording(recording));
        }
        if let Some(consent) = self.consent.take() {
            return Some(Letter::Consent(consent));
        }
        if let Some(news) = self.news.pop_front() {
            return Some(Letter::News(news));
        }
        if std::mem::take(&mut self.are_mixers_new) {
            return Some(Letter::Mixers(self.mixers.0, self.mixers.1));
        }
        let letter = self.playback.pop_front()?;
        if let Letter::Packet { samples, .. } = &letter {
            self.packets = self.packets.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(samples.len());
        }
        Some(letter)
    }

    fn keep(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE && buffer.capacity() <= MAX_SPARE_BYTES {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Format = match Format::new(2, 48_000) {
        Ok(format) => format,
        Err(_) => panic!("a usual format"),
    };

    fn all(inbox: &Inbox<u32>) -> Vec<Letter<u32>> {
        let mut letters = vec![];
        while let Waited::Letter(letter) = inbox.wait(Some(Nanos::ZERO)) {
            letters.push(letter);
        }
        letters
    }

    fn packet(time_ms: u32, samples: &[u8]) -> Letter<u32> {
        Letter::Packet {
            arrived: Nanos(7),
            time_ms,
            samples: samples.to_vec(),
        }
    }

    #[test]
    fn a_stream_comes_out_in_its_order() {
        let inbox = Inbox::default();
        inbox.packet(Nanos(7), 0, &[9]);
        inbox.started(STEREO);
        inbox.packet(Nanos(7), 1, &[1, 2]);
        inbox.packet(Nanos(7), 2, &[]);
        inbox.packet(Nanos(7), 3, &[3]);
        inbox.stopped();
        inbox.stopped();
        inbox.packet(Nanos(7), 4, &[4]);
        let expected = [
            Letter::Started(STEREO),
            packet(1, &[1, 2]),
            packet(3, &[3]),
            Letter::Stopped,
        ];
        assert_eq!(
            all(&inbox),
            expected,
            "before the start and after the stop nothing is taken"
        );
        inbox.close();
        assert_eq!(inbox.wait(None), Waited::Closed);
    }

    #[test]
    fn a_flood_of_packets_leaves_the_latest() {
        let inbox = Inbox::default();
        inbox.started(STEREO);
        for time_ms in 0..10_000 {
            inbox.packet(Nanos(7), time_ms, &[1; 4]);
        }
        assert_eq!(inbox.dropped(), 10_000 - MAX_PACKETS as u64);
        let letters = all(&inbox);
        assert_eq!(letters.len(), MAX_PACKETS + 1);
        assert_eq!(letters.last(), Some(&packet(9_999, &[1; 4])));
    }

    #[test]
    fn bytes_are_bounded_and_what_no_sound_card_sends_is_not_taken() {
        let inbox = Inbox::default();
        inbox.started(STEREO);
        inbox.packet(Nanos(7), 0, &vec![0; MAX_PACKET_BYTES + 1]);
        assert_eq!(inbox.dropped(), 1);
        for time_ms in 0..20 {
            inbox.packet(Nanos(7), time_ms, &vec![0; MAX_PACKET_BYTES]);
        }
        assert_eq!(all(&inbox).len(), 1 + MAX_BYTES / MAX_PACKET_BYTES);
    }

    #[test]
    fn a_flood_of_starts_and_stops_ends_in_the_state_of_the_last() {
        let inbox = Inbox::default();
        for _ in 0..10_000 {
            inbox.started(STEREO);
            inbox.packet(Nanos(7), 1, &[1]);
            inbox.stopped();
        }
        inbox.started(STEREO);
        inbox.packet(Nanos(7), 2, &[2]);
        let letters = all(&inbox);
        assert!(letters.len() <= MAX_WAITING + 2);
        let mut is_playing = false;
        for letter in &letters {
            match letter {
                Letter::Started(_) => is_playing = true,
                Letter::Stopped => is_playing = false,
                _ => assert!(is_playing, "a packet outside of a stream"),
            }
        }
        assert!(is_playing);
        assert_eq!(letters.last(), Some(&packet(2, &[2])));
        // Nothing is left that would make the counts wrong.
        for _ in 0..MAX_PACKETS {
            inbox.packet(Nanos(7), 3, &[3]);
        }
        assert_eq!(all(&inbox).len(), MAX_PACKETS);
    }

    #[test]
    fn of_what_is_a_state_only_the_latest_is_told() {
        let inbox = Inbox::default();
        for round in 0..10_000_u32 {
            inbox.set_playback_mixer(|playback| playback.set_levels(&[round as u16]));
            let number = inbox.record_started(STEREO);
            assert_eq!(number, round + 1);
            inbox.record_stopped();
            inbox.allow(Some(number));
            inbox.news(round);
        }
        let letters = all(&inbox);
        assert_eq!(letters.len(), MAX_NEWS + 3);
        let mut playback = Mixer::default();
        playback.set_levels(&[9_999]);
        let first = [Letter::Recording(None), Letter::Consent(Some(10_000))];
        assert_eq!(letters[..2], first, "the microphone's come before the rest");
        let last = [Letter::News(9_999), Letter::Mixers(Some(playback), None)];
        assert_eq!(letters[MAX_NEWS + 1..], last);
    }

    #[test]
    fn buffers_of_packets_are_used_again() {
        let inbox = Inbox::<u32>::default();
        inbox.started(STEREO);
        let mut seen = None;
        for _ in 0..100 {
            inbox.packet(Nanos(7), 1, &[5; 1920]);
            let Some(Letter::Packet { samples, .. }) = all(&inbox).pop() else {
                panic!("no packet");
            };
            assert_eq!(samples, [5; 1920]);
            let place = samples.as_ptr();
            assert!(seen.replace(place).is_none_or(|before| before == place));
            inbox.recycle(samples);
        }
    }
}
