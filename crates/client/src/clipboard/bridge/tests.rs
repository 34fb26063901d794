use super::*;
use ClipboardFormat::{Jpeg, Png, Text};

mod random;

/// Bits of an agent's announcement: clipboard by demand, selections; and CR LF.
const PLAIN: u32 = 0x60;
const CRLF: u32 = PLAIN | 1 << 9;

const POLICY: ClipboardPolicy = ClipboardPolicy {
    to_vm: true,
    to_local: true,
    max_bytes: 1000,
};

/// A bridge with a clock.
struct Bench {
    bridge: Bridge,
    now: Nanos,
}

impl Bench {
    fn new() -> Self {
        Self::with_policy(POLICY)
    }

    fn with_policy(policy: ClipboardPolicy) -> Self {
        Self {
            bridge: Bridge::new(policy),
            now: Nanos::from_millis(1_000),
        }
    }

    /// With the focus and an agent.
    fn ready() -> Self {
        Self::ready_with(PLAIN)
    }

    fn ready_with(word: u32) -> Self {
        let mut this = Self::new();
        assert_eq!(this.focused(), []);
        assert_eq!(this.capabilities(word), []);
        this
    }

    fn act(&mut self, act: impl FnOnce(&mut Bridge, Nanos, &mut Vec<Action>)) -> Vec<Action> {
        let mut actions = Vec::new();
        act(&mut self.bridge, self.now, &mut actions);
        actions
    }

    fn focused(&mut self) -> Vec<Action> {
        self.act(|bridge, now, actions| bridge.focused(now, actions))
    }

    fn agent(&mut self, event: AgentEvent) -> Vec<Action> {
        self.act(|bridge, now, actions| bridge.agent(event, now, actions))
    }

    fn capabilities(&mut self, word: u32) -> Vec<Action> {
        self.agent(AgentEvent::Capabilities(AgentCapabilities::from_word(word)))
    }

    fn guest(&mut self, event: GuestEvent) -> Vec<Action> {
        self.agent(AgentEvent::Clipboard(event))
    }

    fn grabbed(&mut self, formats: &[ClipboardFormat]) -> Vec<Action> {
        self.guest(GuestEvent::Grabbed {
            selection: Selection::Clipboard,
            kinds: formats.iter().copied().map(kind).collect(),
        })
    }

    fn requested(&mut self, format: ClipboardFormat) -> Vec<Action> {
        self.guest(GuestEvent::Requested {
            selection: Selection::Clipboard,
            kind: kind(format),
        })
    }

    fn data(&mut self, format: ClipboardFormat, data: &[u8]) -> Vec<Action> {
        self.guest(GuestEvent::Data {
            selection: Selection::Clipboard,
            kind: kind(format),
            data: data.to_vec(),
        })
    }

    fn local(&mut self, event: LocalEvent) -> Vec<Action> {
        self.act(|bridge, now, actions| bridge.local(event, now, actions))
    }

    fn offered(&mut self, formats: &[ClipboardFormat]) -> Vec<Action> {
        self.local(LocalEvent::Offered(formats.to_vec()))
    }

    fn wanted(&mut self, id: u64, format: ClipboardFormat) -> Vec<Action> {
        self.local(LocalEvent::Wanted { id, format })
    }

    fn received(&mut self, id: u64, data: Result<&[u8], ClipboardError>) -> Vec<Action> {
        let data = data.map(<[u8]>::to_vec);
        self.local(LocalEvent::Received { id, data })
    }

    /// Lets time pass.
    fn wait(&mut self, ms: i64) -> Vec<Action> {
        self.now = self.now + Nanos::from_millis(ms);
        self.act(|bridge, now, actions| bridge.tick(now, actions))
    }
}

fn grab(formats: &[ClipboardFormat]) -> Action {
    Action::Spice(Command::GrabClipboard {
        selection: Selection::Clipboard,
        kinds: formats.iter().copied().map(kind).collect(),
    })
}

fn release() -> Action {
    Action::Spice(Command::ReleaseClipboard(Selection::Clipboard))
}

fn ask(format: ClipboardFormat) -> Action {
    Action::Spice(Command::RequestClipboard {
        selection: Selection::Clipboard,
        kind: kind(format),
    })
}

fn tell(format: ClipboardFormat, data: Option<&[u8]>) -> Action {
    answer(Selection::Clipboard, kind(format), data.map(<[u8]>::to_vec))
}

fn supply(id: u64, data: Option<&[u8]>) -> Action {
    let data = data.map(Arc::from);
    Action::Supply { id, data }
}

fn fetch(id: u64, format: ClipboardFormat) -> Action {
    Action::Request { id, format }
}

#[test]
fn what_is_copied_in_the_guest_is_offered_here_and_moves_when_it_is_pasted() {
    let mut bench = Bench::ready_with(CRLF);
    let offer = Action::Offer(vec![Text, Png]);
    assert_eq!(bench.grabbed(&[Text, Png]), [offer]);
    assert_eq!(bench.wanted(1, Text), [ask(Text)]);
    assert_eq!(bench.data(Text, b"a\r\nb\0"), [supply(1, Some(b"a\nb"))]);
    assert_eq!(bench.wanted(2, Png), [ask(Png)]);
    assert_eq!(bench.data(Png, b"\r\n\0"), [supply(2, Some(b"\r\n\0"))]);
    // What was not offered is not asked for.
    assert_eq!(bench.wanted(3, Jpeg), [supply(3, None)]);
    assert_eq!(bench.bridge.deadline(), None);
}

#[test]
fn what_is_copied_here_is_offered_to_the_guest_and_moves_when_it_is_pasted() {
    let mut bench = Bench::ready_with(CRLF);
    assert_eq!(bench.offered(&[Text, Jpeg]), [grab(&[Text, Jpeg])]);
    assert_eq!(bench.requested(Text), [fetch(1, Text)]);
    let text = "a\nü\0".as_bytes();
    let expected = "a\r\nü".as_bytes();
    assert_eq!(bench.received(1, Ok(text)), [tell(Text, Some(expected))]);
    assert_eq!(bench.requested(Jpeg), [fetch(2, Jpeg)]);
    assert_eq!(bench.received(2, Ok(b"\n")), [tell(Jpeg, Some(b"\n"))]);
    assert_eq!(bench.requested(Png), [tell(Png, None)]);
    // Text that is not UTF-8 is made so.
    assert_eq!(bench.requested(Text), [fetch(3, Text)]);
    let replaced = "\u{fffd}".as_bytes();
    assert_eq!(bench.received(3, Ok(b"\xff")), [tell(Text, Some(replaced))]);
    // Whatever goes wrong, the guest gets an answer.
    for (id, error) in [(4, ClipboardError::Gone), (5, ClipboardError::TimedOut)] {
        assert_eq!(bench.requested(Text), [fetch(id, Text)]);
        assert_eq!(bench.received(id, Err(error)), [tell(Text, None)]);
    }
    assert_eq!(bench.bridge.deadline(), None);
}

#[test]
fn pastes_wait_in_line_and_those_for_the_same_are_answered_together() {
    let mut bench = Bench::ready();
    bench.grabbed(&[Text, Png]);
    assert_eq!(bench.wanted(1, Text), [ask(Text)]);
    assert_eq!(bench.wanted(2, Png), []);
    assert_eq!(bench.wanted(3, Text), []);
    assert_eq!(bench.wanted(4, Png), []);
    assert_eq!(bench.local(LocalEvent::WantedNoMore { id: 4 }), []);
    let both = [supply(1, Some(b"x")), supply(3, Some(b"x")), ask(Png)];
    assert_eq!(bench.data(Text, b"x"), both);
    // An answer to something else is nobody's.
    assert_eq!(bench.data(Text, b"y"), []);
    let refused = GuestEvent::Unavailable {
        selection: Selection::Clipboard,
        kind: ClipboardKind::Png,
    };
    assert_eq!(bench.guest(refused), [supply(2, None)]);
    // There is an end to waiting in line.
    assert_eq!(bench.wanted(100, Text), [ask(Text)]);
    for id in 101..164 {
        assert_eq!(bench.wanted(id, Png), []);
    }
    assert_eq!(bench.wanted(164, Png), [supply(164, None)]);
}

#[test]
fn nothing_is_let_through_before_the_window_had_the_focus() {
    let mut bench = Bench::new();
    assert_eq!(bench.capabilities(PLAIN), []);
    assert_eq!(bench.offered(&[Text]), []);
    assert_eq!(bench.requested(Text), [tell(Text, None)]);
    assert_eq!(bench.focused(), [grab(&[Text])]);
    assert_eq!(bench.focused(), []);

    let mut bench = Bench::new();
    assert_eq!(bench.capabilities(PLAIN), []);
    assert_eq!(bench.offered(&[Text]), []);
    // The guest copied later: its is the clipboard.
    assert_eq!(bench.grabbed(&[Png]), []);
    assert_eq!(bench.wanted(1, Png), [supply(1, None)]);
    assert_eq!(bench.focused(), [Action::Offer(vec![Png])]);
}

#[test]
fn an_agent_that_comes_later_is_told_what_there_is_and_one_that_goes_takes_its_own_along() {
    let mut bench = Bench::new();
    bench.focused();
    assert_eq!(bench.offered(&[Text]), []);
    assert_eq!(bench.agent(AgentEvent::Connected), []);
    assert_eq!(bench.capabilities(0), []);
    assert_eq!(bench.capabilities(PLAIN), [grab(&[Text])]);
    assert_eq!(bench.requested(Text), [fetch(1, Text)]);
    let ended = [Action::Cancel(1), tell(Text, None)];
    assert_eq!(bench.agent(AgentEvent::Disconnected), ended);
    assert_eq!(bench.received(1, Ok(b"late")), []);
    bench.wait(1_000);
    assert_eq!(bench.capabilities(PLAIN), [grab(&[Text])]);

    bench.wait(1_000);
    assert_eq!(bench.grabbed(&[Png]), [Action::Offer(vec![Png])]);
    assert_eq!(bench.wanted(1, Png), [ask(Png)]);
    let mut actions = Vec::new();
    bench.bridge.agent_lost(&mut actions);
    assert_eq!(actions, [supply(1, None), Action::Withdraw]);
    assert_eq!(bench.wanted(2, Png), [supply(2, None)]);
    bench.wait(1_000);
    assert_eq!(bench.capabilities(PLAIN), []);
}

#[test]
fn each_side_takes_over_from_the_other_and_an_empty_clipboard_is_told() {
    let mut bench = Bench::ready();
    assert_eq!(bench.offered(&[Text]), [grab(&[Text])]);
    bench.wait(1_000);
    assert_eq!(bench.grabbed(&[Png]), [Action::Offer(vec![Png])]);
    // The guest's, and nobody else's business.
    assert_eq!(bench.local(LocalEvent::Cleared), []);
    assert_eq!(bench.requested(Text), [tell(Text, None)]);
    let released = |selection| GuestEvent::Released { selection };
    assert_eq!(bench.guest(released(Selection::Primary)), []);
    assert_eq!(
        bench.guest(released(Selection::Clipboard)),
        [Action::Withdraw]
    );
    bench.wait(1_000);
    assert_eq!(bench.grabbed(&[Png]), [Action::Offer(vec![Png])]);
    bench.wait(1_000);
    assert_eq!(bench.offered(&[Jpeg]), [grab(&[Jpeg])]);
    assert_eq!(bench.guest(released(Selection::Clipboard)), []);
    assert_eq!(bench.local(LocalEvent::Cleared), [release()]);
    assert_eq!(bench.local(LocalEvent::Cleared), []);
}

#[test]
fn a_new_copy_ends_the_transfers_of_the_old_one() {
    let mut bench = Bench::ready();
    bench.grabbed(&[Text, Png]);
    assert_eq!(bench.wanted(1, Text), [ask(Text)]);
    assert_eq!(bench.wanted(2, Png), []);
    bench.wait(1_000);
    let actions = bench.grabbed(&[Text]);
    let offer = Action::Offer(vec![Text]);
    assert_eq!(actions, [supply(1, None), supply(2, None), offer]);
    // The question is still open: the agent answers one at a time.
    assert_eq!(bench.wanted(3, Text), []);
    assert_eq!(bench.data(Text, b"new"), [supply(3, Some(b"new"))]);

    bench.wait(1_000);
    assert_eq!(bench.wanted(4, Text), [ask(Text)]);
    let actions = bench.offered(&[Png]);
    assert_eq!(actions, [supply(4, None), grab(&[Png])]);
    assert_eq!(bench.data(Text, b"late"), []);

    assert_eq!(bench.requested(Png), [fetch(1, Png)]);
    bench.wait(1_000);
    let actions = bench.offered(&[Png]);
    assert_eq!(actions, [Action::Cancel(1), tell(Png, None), grab(&[Png])]);
    assert_eq!(bench.requested(Png), [fetch(2, Png)]);
    // The agent has given up and asks anew: what is answered now, would be the new question.
    assert_eq!(bench.requested(Png), [Action::Cancel(2), fetch(3, Png)]);
    bench.wait(1_000);
    let actions = bench.grabbed(&[Text]);
    let offer = Action::Offer(vec![Text]);
    assert_eq!(actions, [Action::Cancel(3), tell(Png, None), offer]);
}

#[test]
fn a_guest_whose_new_copy_is_of_no_known_kind_has_nothing_to_offer() {
    let mut bench = Bench::ready();
    bench.grabbed(&[Text]);
    assert_eq!(bench.grabbed(&[]), [Action::Withdraw]);
    assert_eq!(bench.wanted(1, Text), [supply(1, None)]);
    assert_eq!(bench.wait(1_000), []);
}

#[test]
fn each_direction_can_be_closed() {
    let mut bench = Bench::with_policy(ClipboardPolicy {
        to_vm: false,
        ..POLICY
    });
    bench.focused();
    bench.capabilities(PLAIN);
    assert_eq!(bench.offered(&[Text]), []);
    assert_eq!(bench.requested(Text), [tell(Text, None)]);
    assert_eq!(bench.grabbed(&[Png]), [Action::Offer(vec![Png])]);
    // Of what is copied here the guest does not hear, but it is not the guest's any more.
    assert_eq!(bench.wanted(1, Png), [ask(Png)]);
    assert_eq!(bench.offered(&[Text]), [supply(1, None)]);
    assert_eq!(bench.wait(1_000), []);

    let mut bench = Bench::with_policy(ClipboardPolicy {
        to_local: false,
        ..POLICY
    });
    bench.focused();
    bench.capabilities(PLAIN);
    assert_eq!(bench.grabbed(&[Text]), []);
    assert_eq!(bench.wanted(1, Text), [supply(1, None)]);
    assert_eq!(bench.offered(&[Png]), [grab(&[Png])]);
    assert_eq!(bench.grabbed(&[Text]), []);
    assert_eq!(bench.requested(Png), [tell(Png, None)]);
    assert_eq!(bench.wait(1_000), []);
}

#[test]
fn an_offer_that_waits_to_be_replaced_is_taken_back_too() {
    let mut bench = Bench::ready();
    assert_eq!(bench.offered(&[Text]), [grab(&[Text])]);
    assert_eq!(bench.offered(&[Png]), []);
    assert_eq!(bench.local(LocalEvent::Cleared), [release()]);
    assert_eq!(bench.wait(1_000), []);
}

#[test]
fn other_selections_are_refused_and_ignored() {
    let mut bench = Bench::ready();
    bench.offered(&[Text]);
    for selection in [Selection::Primary, Selection::Secondary] {
        let kind = ClipboardKind::Text;
        let requested = GuestEvent::Requested { selection, kind };
        let refused = [answer(selection, kind, None)];
        assert_eq!(bench.guest(requested), refused);
        let kinds = vec![kind];
        let grabbed = GuestEvent::Grabbed { selection, kinds };
        assert_eq!(bench.guest(grabbed), []);
    }
    assert_eq!(bench.requested(Text), [fetch(1, Text)]);
}

#[test]
fn news_in_a_loop_are_told_now_and_then_and_the_last_of_them_in_any_case() {
    let mut bench = Bench::ready();
    assert_eq!(bench.offered(&[Text]), [grab(&[Text])]);
    for _ in 0..100 {
        assert_eq!(bench.offered(&[Jpeg]), []);
        assert_eq!(bench.offered(&[Png]), []);
    }
    let due = bench.bridge.deadline().unwrap();
    assert_eq!(bench.wait(49), []);
    assert_eq!(bench.wait(1), [grab(&[Png])]);
    assert_eq!(bench.now, due);
    assert_eq!(bench.bridge.deadline(), None);

    assert_eq!(bench.grabbed(&[Text]), []);
    // Who pasted an earlier offer in that moment gets the later one.
    assert_eq!(bench.wanted(1, Text), [ask(Text)]);
    assert_eq!(bench.wait(50), [Action::Offer(vec![Text])]);
    // Nothing is told of what is gone again.
    assert_eq!(bench.offered(&[Png]), [supply(1, None)]);
    assert_eq!(bench.local(LocalEvent::Cleared), []);
    assert_eq!(bench.wait(1_000), []);
}

#[test]
fn answers_that_got_lost_hold_up_nobody_for_ever() {
    let mut bench = Bench::ready();
    bench.grabbed(&[Text, Png]);
    assert_eq!(bench.wanted(1, Text), [ask(Text)]);
    assert_eq!(bench.wanted(2, Png), []);
    assert_eq!(bench.wait(11_999), []);
    assert_eq!(bench.wait(1), [supply(1, None), ask(Png)]);
    assert_eq!(bench.wait(12_000), [supply(2, None)]);

    bench.offered(&[Text]);
    bench.requested(Text);
    assert_eq!(bench.wait(11_999), []);
    let ended = [Action::Cancel(1), tell(Text, None)];
    assert_eq!(bench.wait(1), ended);
    assert_eq!(bench.received(1, Ok(b"late")), []);
    assert_eq!(bench.bridge.deadline(), None);
}

#[test]
fn what_is_too_large_is_refused_and_told_to_the_user_now_and_then() {
    let mut bench = Bench::ready();
    let message = |actions: &[Action]| match actions {
        [Action::Message(text), ..] => Some(text.clone()),
        _ => None,
    };
    let too_large = |is_from_guest| GuestEvent::TooLarge {
        size: 70 << 20,
        limit: 64 << 20,
        is_from_guest,
    };
    let text = message(&bench.guest(too_large(true))).unwrap();
    assert!(text.contains("guest's clipboard"), "{text}");
    assert!(text.contains("70 MiB, 64 are allowed"), "{text}");
    assert_eq!(bench.guest(too_large(false)), []);
    bench.wait(2_000);
    assert!(message(&bench.guest(too_large(false))).is_some());

    // Text that is not UTF-8 grows when it becomes so.
    bench.wait(2_000);
    bench.grabbed(&[Text]);
    bench.wanted(1, Text);
    let actions = bench.data(Text, &[0xff; 334]);
    assert!(message(&actions).is_some());
    assert_eq!(actions[1..], [supply(1, None)]);
    bench.wanted(2, Text);
    let data = "\u{fffd}".repeat(333);
    let expected = [supply(2, Some(data.as_bytes()))];
    assert_eq!(bench.data(Text, &[0xff; 333]), expected);

    bench.wait(2_000);
    bench.offered(&[Png]);
    bench.requested(Png);
    let actions = bench.received(1, Err(ClipboardError::TooLarge));
    assert!(message(&actions).is_some());
    assert_eq!(actions[1..], [tell(Png, None)]);
}

#[test]
fn sizes_are_written_as_people_read_them() {
    assert_eq!(mib(64 << 20), "64");
    assert_eq!(mib((64 << 20) + 1), "64.1");
    assert_eq!(mib(1), "0.1");
}

#[test]
fn contents_are_never_printed() {
    let action = supply(1, Some(b"secret"));
    assert_eq!(format!("{action:?}"), "Supply(1, Some(6) bytes)");
    let action = tell(Text, Some(b"secret"));
    assert!(!format!("{action:?}").contains("115"));
}
