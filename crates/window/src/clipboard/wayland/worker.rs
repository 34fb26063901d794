//! The thread that reads and writes the pipes.

use std::sync::Arc;

use clock::{Clock as _, MonotonicClock};
use rustix::event::{PollFd, PollFlags};

use super::super::inbox::{Inbox, wait};
use super::super::{ClipboardLimits, ClipboardSink};
use super::Task;
use super::pipes::Pipes;

/// Starts the thread, which ends when the inbox is closed.
pub(super) fn start(
    inbox: Arc<Inbox<Task>>,
    limits: ClipboardLimits,
    mut sink: ClipboardSink,
) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name("clipboard".to_owned());
    thread.spawn(move || run(&inbox, limits, &mut sink))?;
    Ok(())
}

fn run(inbox: &Inbox<Task>, limits: ClipboardLimits, sink: &mut ClipboardSink) {
    let mut pipes = Pipes::new(limits);
    let mut ready: Vec<PollFlags> = Vec::new();
    loop {
        inbox.silence();
        loop {
            match inbox.pop() {
                Ok(Some(task)) => obey(&mut pipes, task, &mut **sink),
                Ok(None) => break,
                Err(_) => return,
            }
        }
        let mut fds = vec![PollFd::from_borrowed_fd(inbox.bell(), PollFlags::IN)];
        pipes.watch(&mut fds);
        wait(&mut fds, pipes.deadline(), MonotonicClock.now());
        ready.clear();
        ready.extend(fds.iter().skip(1).map(PollFd::revents));
        let now = MonotonicClock.now();
        pipes.turn(&ready, now, &mut **sink);
        pipes.expire(now, &mut **sink);
    }
}

fn obey(pipes: &mut Pipes, task: Task, sink: super::pipes::Sink<'_>) {
    let now = MonotonicClock.now();
    match task {
        Task::Tell(event) => sink(event),
        Task::Serve { name, pipe } => pipes.serve(name, pipe, now, sink),
        Task::Read { id, name, pipe } => pipes.read(id, name, pipe, now),
        Task::Cancel(id) => pipes.cancel(id),
        Task::Supply { id, data } => pipes.supply(id, data, now),
    }
}
