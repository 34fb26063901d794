//! The queue between the threads that give commands and the one that carries them out.

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    sync::{Mutex, PoisonError},
};

use rustix::event::{EventfdFlags, eventfd};

use crate::session::Command;

/// Commands that may wait.
const MAX_WAITING: usize = 4096;
/// Releases are let in beyond that: there are no more of them than there are keys.
const RESERVE: usize = 512;

/// The queue is full: the session's thread does not get on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many commands wait; this one is dropped")]
pub struct Overloaded;

#[derive(Debug)]
pub(super) struct Commands {
    waiting: Mutex<VecDeque<Command>>,
    /// Rung when something is put into the empty queue.
    bell: OwnedFd,
}

impl Commands {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            waiting: Mutex::new(VecDeque::with_capacity(MAX_WAITING)),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    pub(super) fn bell(&self) -> &OwnedFd {
        &self.bell
    }

    pub(super) fn ring(&self) {
        // Fails only when it has rung very often and was not heard yet: it will be.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Puts a command into the queue, and never waits for anybody who waits.
    pub(super) fn push(&self, command: Command) -> Result<(), Overloaded> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = waiting.is_empty();
        push(&mut waiting, command)?;
        drop(waiting);
        if was_empty {
            self.ring();
        }
        Ok(())
    }

    /// Takes the next command. The bell is silenced by [`Commands::silence`] before the first.
    pub(super) fn pop(&self) -> Option<Command> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    }

    pub(super) fn silence(&self) {
        let mut count = [0; 8];
        // Nothing to read: it did not ring.
        let _ = rustix::io::read(&self.bell, &mut count);
    }
}

/// Adds motion to motion. When the queue is full, motion goes first, and releases never.
fn push(waiting: &mut VecDeque<Command>, command: Command) -> Result<(), Overloaded> {
    if let (Command::Motion { dx, dy }, Some(Command::Motion { dx: x, dy: y })) =
        (&command, waiting.back_mut())
    {
        *x = x.saturating_add(*dx);
        *y = y.saturating_add(*dy);
        return Ok(());
    }
    if let (Command::Position { .. }, Some(last @ Command::Position { .. })) =
        (&command, waiting.back_mut())
    {
        *last = command;
        return Ok(());
    }
    if waiting.len() >= MAX_WAITING {
        if is_motion(&command) {
            return Err(Overloaded);
        }
        match waiting.iter().position(is_motion) {
            Some(at) => drop(waiting.remove(at)),
            None if is_release(&command) && waiting.len() < MAX_WAITING + RESERVE => {}
            None => return Err(Overloaded),
        }
    }
    waiting.push_back(command);
    Ok(())
}

fn is_motion(command: &Command) -> bool {
    matches!(command, Command::Motion { .. } | Command::Position { .. })
}

fn is_release(command: &Command) -> bool {
    matches!(
        command,
        Command::Key {
            is_pressed: false,
            ..
        } | Command::Button {
            is_pressed: false,
            ..
        } | Command::ReleaseAll
            | Command::Close
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{Scancode, Wheel};

    fn key(is_pressed: bool) -> Command {
        let key = Scancode::new(0x1e, false).unwrap();
        Command::Key { key, is_pressed }
    }

    #[test]
    fn motion_is_added_up_and_places_replace_each_other() {
        let mut queue = VecDeque::new();
        for _ in 0..3 {
            push(&mut queue, Command::Motion { dx: 1, dy: -2 }).unwrap();
        }
        push(&mut queue, key(true)).unwrap();
        push(
            &mut queue,
            Command::Motion {
                dx: i32::MAX,
                dy: 0,
            },
        )
        .unwrap();
        push(&mut queue, Command::Motion { dx: 5, dy: 0 }).unwrap();
        push(&mut queue, Command::Position { x: 1, y: 1 }).unwrap();
        push(&mut queue, Command::Position { x: 2, y: 2 }).unwrap();
        let expected = [
            Command::Motion { dx: 3, dy: -6 },
            key(true),
            Command::Motion {
                dx: i32::MAX,
                dy: 0,
            },
            Command::Position { x: 2, y: 2 },
        ];
        assert_eq!(queue, expected);
    }

    #[test]
    fn a_full_queue_gives_up_motion_first_and_releases_never() {
        let mut queue = VecDeque::new();
        push(&mut queue, Command::Motion { dx: 1, dy: 1 }).unwrap();
        while queue.len() < MAX_WAITING {
            push(&mut queue, Command::Wheel(Wheel::Up)).unwrap();
        }
        assert_eq!(
            push(&mut queue, Command::Motion { dx: 1, dy: 1 }),
            Err(Overloaded)
        );
        push(&mut queue, key(true)).unwrap();
        assert!(!queue.iter().any(is_motion));
        assert_eq!(push(&mut queue, key(true)), Err(Overloaded));
        for _ in 0..RESERVE {
            push(&mut queue, key(false)).unwrap();
        }
        assert_eq!(push(&mut queue, key(false)), Err(Overloaded));
        assert_eq!(queue.len(), MAX_WAITING + RESERVE);
    }
}
