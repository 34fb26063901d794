//! The thread that reads and writes the pipes.

use std::sync::Arc;

use clock::{Clock as _, MonotonicClock};
use rustix::event::{PollFd, PollFlags};

use super::super::inbox::{Inbox, wait};
use super::super::{ClipboardLimits, ClipboardSink, give_way};
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
    give_way();
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use rustix::process::getpriority_process;

    use super::super::super::ClipboardEvent;
    use super::*;

    #[test]
    fn the_thread_gives_way_to_others() {
        let nice = || getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let (sender, received) = channel();
        let sink = Box::new(move |_| sender.send(nice()).unwrap());
        let inbox = Arc::new(Inbox::new().unwrap());
        start(Arc::clone(&inbox), ClipboardLimits::new(1), sink).unwrap();
        inbox.push(Task::Tell(ClipboardEvent::Cleared), |_| false);
        let told = received.recv_timeout(Duration::from_secs(10)).unwrap();
        inbox.close();
        assert_eq!(told, (nice() + 10).min(19));
    }
}
