//! Random events against a plain model of both sides.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Something that happens.
#[derive(Clone, Debug)]
enum Op {
    Focus,
    Agent(bool),
    Copy(Vec<ClipboardFormat>),
    Clear,
    Grab(Vec<ClipboardFormat>),
    Release,
    Paste(ClipboardFormat),
    LeavePaste,
    GuestPaste(ClipboardFormat),
    GuestAnswers(bool),
    LocalAnswers(bool),
    Wait(i64),
}

/// What the agent's side of `spice`, the local clipboard and the user know, in the plainest way.
struct Model {
    bench: Bench,
    policy: ClipboardPolicy,
    had_focus: bool,
    has_agent: bool,
    /// The guest has been told of a local offer.
    guest_sees: Option<Vec<ClipboardFormat>>,
    /// Local programs have been told of the guest's.
    locals_see: Option<Vec<ClipboardFormat>>,
    /// Who copied last, and what.
    last: Option<(bool, Vec<ClipboardFormat>)>,
    /// The question to the guest.
    asked: Option<ClipboardFormat>,
    asked_at: Nanos,
    /// The guest's question.
    guest_asked: Option<ClipboardFormat>,
    guest_asked_at: Nanos,
    /// Local programs that wait.
    pastes: HashMap<u64, ClipboardFormat>,
    /// The question to the local owner.
    fetches: Vec<(u64, ClipboardFormat)>,
    next_paste: u64,
}

impl Model {
    fn new(policy: ClipboardPolicy) -> Self {
        Self {
            bench: Bench::with_policy(policy),
            policy,
            had_focus: false,
            has_agent: false,
            guest_sees: None,
            locals_see: None,
            last: None,
            asked: None,
            asked_at: Nanos::ZERO,
            guest_asked: None,
            guest_asked_at: Nanos::ZERO,
            pastes: HashMap::new(),
            fetches: Vec::new(),
            next_paste: 1,
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Offer(formats) => {
                    assert!(self.had_focus && self.policy.to_local && self.has_agent);
                    assert_eq!(self.last, Some((true, formats.clone())));
                    self.locals_see = Some(formats);
                }
                Action::Withdraw => self.locals_see = None,
                Action::Request { id, format } => {
                    assert!(self.had_focus && self.policy.to_vm);
                    assert!(self.guest_asked == Some(format) && self.fetches.is_empty());
                    self.fetches.push((id, format));
                }
                Action::Cancel(id) => self.fetches.retain(|(of, _)| *of != id),
                Action::Supply { id, data } => {
                    let asked = self.pastes.remove(&id);
                    assert!(asked.is_some(), "{id} is answered twice or unasked");
                    if let Some(data) = data {
                        assert!(self.had_focus && self.policy.to_local);
                        assert_eq!(*data, *format!("{asked:?}").as_bytes());
                    }
                }
                Action::Spice(command) => self.command(command),
                Action::Message(text) => panic!("{text}"),
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::GrabClipboard { kinds, .. } => {
                assert!(self.had_focus && self.policy.to_vm && self.has_agent);
                let formats: Vec<_> = kinds.into_iter().map(format).collect();
                // Never what came from the guest.
                assert_eq!(self.last, Some((false, formats.clone())));
                self.guest_sees = Some(formats);
                self.guest_asked = None;
            }
            Command::ReleaseClipboard(_) => {
                self.guest_sees = None;
                self.guest_asked = None;
            }
            Command::RequestClipboard { kind, .. } => {
                assert!(self.had_focus && self.policy.to_local && self.has_agent);
                assert_eq!(self.asked, None, "two questions at once");
                self.asked = Some(format(kind));
                self.asked_at = self.bench.now;
            }
            Command::AnswerClipboard { kind, data, .. } => {
                // `spice` drops what nobody waits for.
                if self.guest_asked == Some(format(kind)) {
                    self.guest_asked = None;
                    if let Some(data) = data {
                        assert!(self.had_focus && self.policy.to_vm);
                        assert_eq!(data, format!("{:?}", format(kind)).into_bytes());
                    }
                }
            }
            command => panic!("{command:?}"),
        }
    }

    /// The guest's answer to our question, if there is one; `spice` sends one whenever it ends.
    fn end_question(&mut self, is_answered: bool) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        let actions = if is_answered {
            let bytes = format!("{:?}", Some(asked)).into_bytes();
            self.bench.data(asked, &bytes)
        } else {
            self.bench.guest(GuestEvent::Unavailable {
                selection: Selection::Clipboard,
                kind: kind(asked),
            })
        };
        self.carry_out(actions);
    }

    /// What `spice` does about questions that are not answered for ten seconds.
    fn expire(&mut self) {
        let limit = Nanos::from_millis(10_000);
        if self.bench.now - self.guest_asked_at >= limit {
            self.guest_asked = None;
        }
        if self.bench.now - self.asked_at >= limit {
            self.end_question(false);
        }
    }

    fn apply(&mut self, op: Op) {
        let actions = match op {
            Op::Focus => {
                self.had_focus = true;
                self.bench.focused()
            }
            Op::Agent(true) if !self.has_agent => {
                self.has_agent = true;
                self.bench.capabilities(PLAIN)
            }
            Op::Agent(false) if self.has_agent => {
                self.end_question(false);
                self.has_agent = false;
                (self.guest_sees, self.guest_asked, self.asked) = (None, None, None);
                let actions = self.bench.agent(AgentEvent::Disconnected);
                if matches!(self.last, Some((true, _))) {
                    self.last = None;
                }
                actions
            }
            Op::Copy(formats) => {
                self.locals_see = None;
                self.last = Some((false, formats.clone()));
                self.bench.offered(&formats)
            }
            Op::Clear if self.locals_see.is_none() => {
                if matches!(self.last, Some((false, _))) {
                    self.last = None;
                }
                self.bench.local(LocalEvent::Cleared)
            }
            Op::Grab(formats) if self.has_agent => {
                self.end_question(false);
                self.guest_sees = None;
                self.last = Some((true, formats.clone()));
                self.bench.grabbed(&formats)
            }
            Op::Release if self.has_agent && self.guest_sees.is_none() => {
                self.end_question(false);
                if matches!(self.last, Some((true, _))) {
                    self.last = None;
                }
                self.bench.guest(GuestEvent::Released {
                    selection: Selection::Clipboard,
                })
            }
            Op::Paste(format) if self.locals_see.is_some() => {
                let id = self.next_paste;
                self.next_paste += 1;
                self.pastes.insert(id, format);
                self.bench.wanted(id, format)
            }
            Op::LeavePaste => match self.pastes.keys().copied().next() {
                Some(id) => {
                    self.pastes.remove(&id);
                    self.bench.local(LocalEvent::WantedNoMore { id })
                }
                None => return,
            },
            Op::GuestPaste(format) if self.guest_sees.is_some() && self.guest_asked.is_none() => {
                self.guest_asked = Some(format);
                self.guest_asked_at = self.bench.now;
                self.bench.requested(format)
            }
            Op::GuestAnswers(is_answered) => return self.end_question(is_answered),
            Op::LocalAnswers(is_answered) => match self.fetches.pop() {
                Some((id, format)) => {
                    let data = format!("{format:?}").into_bytes();
                    let data = is_answered.then_some(&*data);
                    self.bench.received(id, data.ok_or(ClipboardError::Refused))
                }
                None => return,
            },
            Op::Wait(ms) if ms > 1_000 => {
                for _ in 0..ms / 1_000 {
                    self.apply(Op::Wait(1_000));
                }
                return;
            }
            Op::Wait(ms) => {
                let actions = self.bench.wait(ms);
                self.carry_out(actions);
                return self.expire();
            }
            _ => return,
        };
        self.carry_out(actions);
    }

    /// Everybody answers, time passes, and all is as it should be.
    fn settle(&mut self) {
        let mut rounds = 0;
        while self.asked.is_some() || !self.fetches.is_empty() {
            self.apply(Op::GuestAnswers(true));
            self.apply(Op::LocalAnswers(true));
            rounds += 1;
            assert!(rounds < 1_000, "no end of questions");
        }
        self.apply(Op::Wait(100));
        assert!(self.pastes.is_empty(), "unanswered: {:?}", self.pastes);
        assert_eq!(self.guest_asked, None, "the guest waits");
        assert_eq!(self.bench.bridge.deadline(), None);
        let is_open = self.had_focus && self.has_agent;
        match &self.last {
            Some((true, formats)) if is_open && self.policy.to_local && !formats.is_empty() => {
                assert_eq!(self.locals_see.as_ref(), Some(formats));
                assert_eq!(self.guest_sees, None);
            }
            Some((false, formats)) if is_open && self.policy.to_vm => {
                assert_eq!(self.guest_sees.as_ref(), Some(formats));
                assert_eq!(self.locals_see, None);
            }
            _ => {
                assert_eq!(self.locals_see, None);
                assert_eq!(self.guest_sees, None);
            }
        }
    }
}

fn formats(at_least: usize) -> impl Strategy<Value = Vec<ClipboardFormat>> {
    proptest::sample::subsequence(vec![Text, Png, Jpeg], at_least..=3)
}

fn format_() -> impl Strategy<Value = ClipboardFormat> {
    proptest::sample::select(vec![Text, Png, Jpeg])
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => Just(Op::Focus),
        1 => prop::bool::weighted(0.7).prop_map(Op::Agent),
        3 => formats(1).prop_map(Op::Copy),
        1 => Just(Op::Clear),
        3 => formats(0).prop_map(Op::Grab),
        1 => Just(Op::Release),
        6 => format_().prop_map(Op::Paste),
        1 => Just(Op::LeavePaste),
        6 => format_().prop_map(Op::GuestPaste),
        4 => any::<bool>().prop_map(Op::GuestAnswers),
        4 => any::<bool>().prop_map(Op::LocalAnswers),
        4 => prop_oneof![Just(1_i64), Just(49), Just(50), Just(9_000)].prop_map(Op::Wait),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_each_question_gets_one_answer_and_the_last_copy_counts(
        (to_vm, to_local) in (prop::bool::weighted(0.8), prop::bool::weighted(0.8)),
        ops in proptest::collection::vec(op(), 0..200),
    ) {
        let mut model = Model::new(ClipboardPolicy { to_vm, to_local, ..POLICY });
        for op in ops {
            model.apply(op);
        }
        model.settle();
    }
}
