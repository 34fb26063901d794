//! A client, or a host, that dies at each single access of each operation; whoever is left works on.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use lgmp::{
    Block, Client, Host, HostBuilder, HostQueue, InitError, QueueError, QueueSpec, Subscription,
    WireVersion,
};
use support::frail::Frail;
use support::{Bench, get, get8};

/// More accesses than any operation here has.
const MOST: u64 = 400;

/// Lets a client do `operation` with fewer and fewer accesses to live, and checks what is left each time.
fn each_client_death(operation: impl Fn(&mut Client<Frail>, Subscription<Frail>, u64) -> bool) {
    for version in WireVersion::ALL {
        let mut deaths = 0;
        for life in 0..MOST {
            let mut bench = Bench::new(version);
            let witness = bench.subscriber();
            let memory = Frail::new(Arc::clone(&bench.memory));
            let mut client = Client::new(Arc::clone(&memory));
            bench.pass(10);
            client.start(bench.now).expect("a session");
            let victim = client.subscribe(1, bench.now).expect("a free bit");
            for number in 0..3 {
                assert_eq!(bench.post(number), 2);
            }
            memory.life.store(life, Ordering::Relaxed);
            let survived = operation(&mut client, victim, bench.now);
            expect_recovery(&mut bench, witness, life);
            if survived {
                break;
            }
            deaths += 1;
        }
        assert!((5..MOST).contains(&deaths), "{deaths} deaths");
    }
}

/// The host and the other subscriber go on; a stuck lock may cost the latter its subscription.
fn expect_recovery(bench: &mut Bench, mut witness: Subscription, life: u64) {
    let mut seen = Vec::new();
    let lost = loop {
        match witness.peek(bench.now) {
            Ok(Some(message)) => {
                seen.push(message.udata);
                witness.release(bench.now).expect("alive a moment ago");
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert_eq!((seen, lost), (vec![0, 1, 2], None), "died at access {life}");
    let mut is_evicted = false;
    for _ in 0..30 {
        bench.pass(100);
        match witness.peek(bench.now) {
            Ok(None) => {}
            Err(QueueError::Evicted | QueueError::Unsubscribed) => is_evicted = true,
            other => panic!("died at access {life}: {other:?}"),
        }
    }
    let fields = bench.geometry.queue;
    for lock in [fields.lock, fields.cm_lock] {
        assert_eq!(
            get8(&bench.memory, bench.field(lock)),
            0,
            "died at access {life}"
        );
    }
    let word = |field| get(&bench.memory, bench.field(field));
    assert_eq!(word(fields.count), 0, "died at access {life}");
    assert_eq!(word(fields.start), word(fields.write_pos));

    while bench.queue.next_message().is_some() {
        bench.queue.acknowledge();
    }
    bench.pass(10);
    let mut next = bench.subscriber();
    assert!(bench.post(7) > u32::from(!is_evicted));
    let message = next
        .peek(bench.now)
        .expect("subscribed")
        .expect("a message");
    assert_eq!(message.udata, 7);
    next.release(bench.now).expect("subscribed");
    let serial = next.send(b"alive").expect("room");
    assert_eq!(
        next.is_acknowledged(serial),
        Ok(false),
        "died at access {life}"
    );
    let message = bench.queue.next_message().expect("a message");
    assert_eq!(message.bytes(), b"alive");
    bench.queue.acknowledge();
    assert_eq!(
        next.is_acknowledged(serial),
        Ok(true),
        "died at access {life}"
    );
}

#[test]
fn a_client_may_die_anywhere_in_release() {
    each_client_death(|_, mut victim, now| (0..3).all(|_| victim.release(now).is_ok()));
}

#[test]
fn a_client_may_die_anywhere_in_skipping() {
    each_client_death(|_, mut victim, now| victim.skip_to_last(now).is_ok());
}

#[test]
fn a_client_may_die_anywhere_in_unsubscribing() {
    each_client_death(|_, victim, now| victim.unsubscribe(now).is_ok());
}

#[test]
fn a_client_may_die_anywhere_in_subscribing() {
    each_client_death(|client, _victim, now| client.subscribe(1, now).is_ok());
}

#[test]
fn a_client_may_die_anywhere_in_sending() {
    each_client_death(|_, mut victim, _| victim.send(b"ping").is_ok() && victim.send(b"x").is_ok());
}

const SPEC: QueueSpec = QueueSpec {
    id: 1,
    length: 4,
    max_time_ms: support::MAX_TIME,
};

type Published = (Host<Frail>, HostQueue<Frail>, Block);

fn publish(memory: &Arc<Frail>, version: WireVersion, now: u64) -> Result<Published, InitError> {
    let mut builder = HostBuilder::new(Arc::clone(memory), version, b"udata")?;
    let queue = builder.queue(SPEC)?;
    let block = builder.block(64, 4)?;
    Ok((builder.publish(now)?, queue, block))
}

/// Lets a host do `operation` with fewer and fewer accesses to live; then a successor takes over.
fn each_host_death(operation: impl Fn(&Arc<Frail>, Published, WireVersion, u64) -> bool) {
    for version in WireVersion::ALL {
        let mut deaths = 0;
        for life in 0..MOST {
            let now = 5000;
            let memory = Frail::new(support::memory(64 * 1024));
            let host = publish(&memory, version, now).expect("room");
            let mut client = Client::new(Arc::clone(&memory.memory));
            host.0.tick(now + 10).expect("an intact header");
            client.start(0).expect("a session");
            let mut reader = client.subscribe(1, 0).expect("a free bit");
            host.1.post(1, host.2, now + 10).expect("room");
            memory.life.store(life, Ordering::Relaxed);
            let survived = operation(&memory, host, version, now + 20);

            memory.life.store(u64::MAX, Ordering::Relaxed);
            let (host, queue, block) = publish(&memory, version, 30).expect("room");
            assert!(
                reader.release(10).is_err(),
                "the handle is of the old session"
            );
            assert!(client.check(10).is_err());
            host.tick(40).expect("an intact header");
            let session = client.start(20).expect("the successor's session");
            assert_eq!(session.udata, b"udata");
            let mut reader = client.subscribe(1, 20).expect("a free bit");
            assert_eq!(
                queue.post(9, block, 50).map(|posted| posted.recipients),
                Ok(1)
            );
            let message = reader.peek(30).expect("subscribed").expect("a message");
            assert_eq!(message.udata, 9);
            if survived {
                break;
            }
            deaths += 1;
        }
        assert!((5..MOST).contains(&deaths), "{deaths} deaths");
    }
}

#[test]
fn a_host_may_die_anywhere_in_a_post() {
    each_host_death(|_, (_host, queue, block), _, now| queue.post(2, block, now).is_ok());
}

#[test]
fn a_host_may_die_anywhere_in_a_tick() {
    each_host_death(|_, (host, ..), _, now| host.tick(now).is_ok());
}

#[test]
fn a_host_may_die_anywhere_while_it_initialises_again() {
    each_host_death(|memory, host, version, now| {
        drop(host);
        publish(memory, version, now).is_ok()
    });
}
