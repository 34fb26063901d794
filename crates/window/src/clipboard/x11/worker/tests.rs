use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::getpriority_process;
use testkit::x_server::XServer;

use super::super::start;
use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// A worker without a thread: its events are handled when the test says so.
fn worker(server: &XServer) -> Worker {
    let limits = ClipboardLimits::new(1000);
    let inbox = Arc::new(Inbox::new().unwrap());
    Worker::connect(Some(server.display()), limits, Box::new(drop), inbox).unwrap()
}

/// Handles events, one by one, until something is so.
fn handle_until(worker: &mut Worker, what: &str, is_so: impl Fn(&Worker) -> bool) {
    let start = Instant::now();
    while !is_so(worker) {
        assert!(start.elapsed() < LIMIT, "waited in vain for {what}");
        worker.server.conn.flush().unwrap();
        if let Some(event) = worker.server.conn.poll_for_event().unwrap() {
            worker.handle(&event).unwrap();
            continue;
        }
        let mut fds = [PollFd::new(worker.server.conn.stream(), PollFlags::IN)];
        let now = MonotonicClock.now();
        wait(&mut fds, Some(now + Nanos::from_millis(20)), now);
    }
}

fn owner(worker: &Worker) -> Window {
    let server = &worker.server;
    let reply = server.conn.get_selection_owner(server.atoms.CLIPBOARD);
    reply.unwrap().reply().unwrap().owner
}

#[test]
fn an_offer_that_is_withdrawn_before_the_server_confirms_it_leaves_no_owner() {
    let Some(server) = XServer::start(640, 480).unwrap() else {
        return;
    };
    let mut worker = worker(&server);
    let is_sent = |worker: &Worker| worker.claim.as_ref().is_some_and(|claim| claim.is_sent);
    let offer = |worker: &mut Worker| {
        let offer = Order::Offer(vec![ClipboardFormat::Text]);
        worker.obey(offer).unwrap();
    };
    let ours = worker.server.window;
    offer(&mut worker);
    handle_until(&mut worker, "the time", is_sent);
    worker.obey(Order::Withdraw).unwrap();
    assert_eq!(owner(&worker), ours);
    handle_until(&mut worker, "no owner", |worker| {
        owner(worker) == x11rb::NONE
    });

    // The same with the second of two offers.
    offer(&mut worker);
    handle_until(&mut worker, "the ownership", |worker| {
        worker.claim.is_none()
    });
    offer(&mut worker);
    handle_until(&mut worker, "the time", is_sent);
    worker.obey(Order::Withdraw).unwrap();
    handle_until(&mut worker, "no owner", |worker| {
        owner(worker) == x11rb::NONE
    });

    // What is offered anew meanwhile stays.
    offer(&mut worker);
    handle_until(&mut worker, "the time", is_sent);
    worker.obey(Order::Withdraw).unwrap();
    offer(&mut worker);
    handle_until(&mut worker, "the ownership", |worker| {
        worker.claim.is_none()
    });
    assert_eq!(owner(&worker), ours);
}

#[test]
fn the_thread_gives_way_to_others() {
    let Some(server) = XServer::start(640, 480).unwrap() else {
        return;
    };
    let nice = || getpriority_process(Some(rustix::thread::gettid())).unwrap();
    let (sender, received) = channel();
    let sink = Box::new(move |_| sender.send(nice()).unwrap_or_default());
    let clipboard = start(Some(server.display()), ClipboardLimits::new(1), sink).unwrap();
    clipboard.request(1, ClipboardFormat::Text);
    assert_eq!(received.recv_timeout(LIMIT).unwrap(), (nice() + 10).min(19));
}
