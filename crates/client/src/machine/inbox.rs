//! What a session tells the main thread: of what changes often only the latest, so that no server can fill it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spice::MouseModes;
use spice::inputs::Locks;

use super::MachineEvent;
use crate::sound::RecordNews;

/// Changes of state that may wait; they are few, as a channel that breaks is opened again at leisure.
const MAX_WAITING: usize = 64;

/// Of one session; clones share it. Dropped with the session, and with it whatever an old session still says.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox(Arc<Mutex<Events>>);

#[derive(Debug, Default)]
struct Events {
    states: VecDeque<MachineEvent>,
    mouse: Option<MouseModes>,
    locks: Option<Locks>,
    uuid: Option<[u8; 16]>,
    recording: Option<RecordNews>,
    is_compressed: bool,
}

impl Events {
    fn is_empty(&self) -> bool {
        self.states.is_empty()
            && self.mouse.is_none()
            && self.locks.is_none()
            && self.uuid.is_none()
            && self.recording.is_none()
            && !self.is_compressed
    }
}

impl Inbox {
    /// Puts an event in; true if the main thread has to be woken, as there was none.
    pub(super) fn push(&self, event: MachineEvent) -> bool {
        let mut events = self.events();
        let was_empty = events.is_empty();
        match event {
            MachineEvent::Mouse(modes) => events.mouse = Some(modes),
            MachineEvent::Locks(locks) => events.locks = Some(locks),
            MachineEvent::Uuid(uuid) => events.uuid = Some(uuid),
            MachineEvent::Recording(news) => events.recording = Some(news),
            MachineEvent::CompressedSound => events.is_compressed = true,
            state => {
                if events.states.len() >= MAX_WAITING {
                    // The end comes last and is what counts.
                    events.states.pop_front();
                }
                events.states.push_back(state);
            }
        }
        was_empty
    }

    /// Takes an event out: changes of state in their order, then the latest of the others.
    pub(super) fn pop(&self) -> Option<MachineEvent> {
        let mut events = self.events();
        if let Some(state) = events.states.pop_front() {
            return Some(state);
        }
        if let Some(modes) = events.mouse.take() {
            return Some(MachineEvent::Mouse(modes));
        }
        if let Some(locks) = events.locks.take() {
            return Some(MachineEvent::Locks(locks));
        }
        if let Some(news) = events.recording.take() {
            return Some(MachineEvent::Recording(news));
        }
        if std::mem::take(&mut events.is_compressed) {
            return Some(MachineEvent::CompressedSound);
        }
        events.uuid.take().map(MachineEvent::Uuid)
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::End;

    #[test]
    fn a_flood_leaves_one_of_each_and_wakes_once() {
        let inbox = Inbox::default();
        let lights = |caps| Locks {
            caps,
            ..Locks::default()
        };
        assert!(inbox.push(MachineEvent::Inputs(true)), "the first wakes");
        for round in 0..100_000_u32 {
            assert!(!inbox.push(MachineEvent::Locks(lights(round % 2 == 0))));
            assert!(!inbox.push(MachineEvent::Uuid([round as u8; 16])));
            assert!(!inbox.push(MachineEvent::Recording(Some(round))));
            assert!(!inbox.push(MachineEvent::Inputs(true)));
        }
        inbox.push(MachineEvent::Ended(End::Closed));
        let mut states = 0;
        while let Some(event) = inbox.pop() {
            match event {
                MachineEvent::Recording(news) => assert_eq!(news, Some(99_999), "the latest"),
                MachineEvent::Locks(locks) => assert_eq!(locks, lights(false), "the latest"),
                MachineEvent::Ended(_) | MachineEvent::Inputs(_) => states += 1,
                _ => {}
            }
        }
        assert_eq!(states, MAX_WAITING);
        assert!(inbox.push(MachineEvent::Ready), "empty again");
    }
}
