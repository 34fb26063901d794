use super::*;

const OURS: [u8; 16] = [1; 16];
const OTHER: [u8; 16] = [2; 16];

fn ms(ms: i64) -> Nanos {
    Nanos::from_millis(ms)
}

fn life(wait_for_server: bool, on_vm_exit: OnVmExit) -> Life {
    let mut life = Life::new(
        Rules {
            wait_for_server,
            on_vm_exit,
        },
        ms(0),
    );
    assert_eq!(life.step(ms(0)), Some(Step::Connect));
    assert_eq!(life.step(ms(0)), None);
    life
}

fn unreachable() -> End {
    End::Unreachable("nobody there".into())
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for_with_growing_patience() {
    let mut life = life(true, OnVmExit::Quit);
    let mut now = ms(0);
    for wait in [250, 500, 1000, 2000, 2000] {
        life.ended(unreachable(), 0, now);
        assert_eq!(life.step(now), None);
        assert_eq!(life.deadline(), Some(now + ms(wait)));
        now = now + ms(wait);
        assert_eq!(life.step(now), Some(Step::Connect));
    }
    assert_eq!(life.notice(), None);
}

#[test]
fn without_patience_a_missing_server_is_an_error() {
    let mut life = life(false, OnVmExit::Wait);
    life.ended(unreachable(), 0, ms(5));
    assert!(matches!(life.step(ms(5)), Some(Step::Fail(why)) if why.contains("nobody there")));
    assert_eq!(life.step(ms(60_000)), None);
    assert!(life.is_given_up());
}

#[test]
fn when_the_machine_ends_the_client_quits_two_seconds_after_the_host_fell_silent() {
    let mut life = life(true, OnVmExit::Quit);
    life.ready();
    life.host(true, None, ms(100));
    life.ended(End::MachineEnded, 0, ms(1000));
    assert_eq!(
        life.step(ms(1250)),
        Some(Step::Connect),
        "it tries meanwhile"
    );
    life.ended(unreachable(), 0, ms(1251));
    life.host(false, None, ms(1400));
    assert_eq!(life.step(ms(1600)), None);
    assert_eq!(life.step(ms(1751)), Some(Step::Connect));
    life.ended(unreachable(), 0, ms(1752));
    assert_eq!(life.step(ms(3399)), Some(Step::Connect));
    life.ended(unreachable(), 0, ms(3399));
    assert_eq!(life.step(ms(3400)), Some(Step::Quit));
    assert_eq!(life.step(ms(60_000)), None);
}

#[test]
fn a_machine_that_comes_back_in_time_keeps_the_client() {
    let mut life = life(true, OnVmExit::Quit);
    life.ready();
    life.host(true, None, ms(100));
    life.ended(End::MachineEnded, 0, ms(1000));
    assert_eq!(life.step(ms(1250)), Some(Step::Connect));
    life.ready();
    life.host(false, None, ms(1300));
    assert_eq!(life.step(ms(60_000)), None);
}

#[test]
fn with_wait_the_client_outlives_the_machine() {
    let mut life = life(false, OnVmExit::Wait);
    life.ready();
    life.ended(End::MachineEnded, 0, ms(1000));
    assert_eq!(life.step(ms(60_000)), Some(Step::Connect));
    life.ended(unreachable(), 0, ms(60_001));
    assert_eq!(life.step(ms(120_000)), Some(Step::Connect));
}

#[test]
fn who_lost_the_machine_to_another_client_waits_for_the_user() {
    let mut life = life(true, OnVmExit::Quit);
    life.ready();
    life.ended(End::TakenOver, 0, ms(10));
    assert!(
        life.notice()
            .is_some_and(|text| text.contains("Another client"))
    );
    assert_eq!((life.step(ms(1_000_000)), life.deadline()), (None, None));
    life.wanted(ms(1_000_000));
    assert_eq!(life.step(ms(1_000_000)), Some(Step::Connect));
    assert_eq!(life.notice(), None);
}

#[test]
fn a_wrong_password_is_told_and_never_tried_again() {
    let mut life = life(true, OnVmExit::Wait);
    life.ended(
        End::Refused("the server refused the password".into()),
        0,
        ms(1),
    );
    assert!(matches!(life.step(ms(1)), Some(Step::Tell(text)) if text.contains("password")));
    life.wanted(ms(2));
    assert_eq!((life.step(ms(1_000_000)), life.deadline()), (None, None));
}

#[test]
fn a_server_that_started_anew_is_met_at_once() {
    let mut life = life(true, OnVmExit::Quit);
    life.ready();
    life.ended(End::ServerRestarted, 0, ms(10));
    assert_eq!(life.step(ms(10)), Some(Step::Connect));
}

#[test]
fn a_broken_connection_is_told_once_and_made_again() {
    let mut life = life(true, OnVmExit::Quit);
    life.ready();
    let broken = || End::Broken("the virtual machine is not responding".into());
    life.ended(broken(), 0, ms(0));
    assert!(matches!(life.step(ms(0)), Some(Step::Tell(_))));
    assert_eq!(life.step(ms(250)), Some(Step::Connect));
    life.ended(broken(), 0, ms(300));
    assert_eq!(life.step(ms(300)), None, "not told again");
    life.wanted(ms(301));
    assert_eq!(
        life.step(ms(301)),
        Some(Step::Connect),
        "the user need not wait"
    );
}

#[test]
fn the_server_of_another_machine_is_left_alone() {
    let mut life = life(true, OnVmExit::Quit);
    life.ready();
    life.server_uuid(OTHER);
    life.host(true, Some(OURS), ms(5));
    assert_eq!(life.step(ms(5)), Some(Step::Close));
    assert!(
        matches!(life.step(ms(5)), Some(Step::Tell(text)) if text.contains("another virtual machine"))
    );
    life.ended(End::Closed, 0, ms(6));
    assert_eq!(life.step(ms(1_000_000)), None);
    life.wanted(ms(1_000_000));
    assert_eq!(life.step(ms(1_000_000)), None, "no key goes to a stranger");
    life.host(true, Some(OTHER), ms(1_000_001));
    assert_eq!(
        life.step(ms(1_000_001)),
        Some(Step::Connect),
        "the right host came"
    );
    life.ready();
    life.server_uuid(OTHER);
    assert_eq!(life.step(ms(1_000_002)), None);
}

#[test]
fn a_host_that_has_gone_says_nothing_of_the_machine_that_runs_now() {
    let mut life = life(true, OnVmExit::Wait);
    life.ready();
    life.server_uuid(OURS);
    life.host(true, Some(OURS), ms(5));
    life.host(false, Some(OURS), ms(10));
    life.ended(End::MachineEnded, 0, ms(11));
    assert_eq!(life.step(ms(1000)), Some(Step::Connect));
    life.ready();
    life.server_uuid(OTHER);
    assert_eq!(
        life.step(ms(1001)),
        None,
        "another machine at the same place"
    );
    assert!(life.is_connected());
}

#[test]
fn a_stranger_is_met_again_once_its_session_has_ended_and_the_host_is_gone() {
    let mut life = life(true, OnVmExit::Wait);
    life.host(true, Some(OURS), ms(5));
    life.server_uuid(OTHER);
    life.ready();
    assert!(!life.is_connected(), "what comes late changes nothing");
    assert_eq!(life.step(ms(5)), Some(Step::Close));
    assert!(matches!(life.step(ms(5)), Some(Step::Tell(_))));
    life.host(false, None, ms(6));
    assert_eq!(life.step(ms(7)), None, "the old session is yet to end");
    life.ended(End::Closed, 0, ms(8));
    assert_eq!(life.step(ms(8)), Some(Step::Connect));
}

#[test]
fn a_machine_without_a_uuid_is_taken_as_it_is() {
    let mut life = life(true, OnVmExit::Quit);
    life.ready();
    life.host(true, Some(OURS), ms(5));
    life.server_uuid([0; 16]);
    assert_eq!(life.step(ms(5)), None);
    life.server_uuid(OURS);
    assert_eq!(life.step(ms(5)), None);
}
