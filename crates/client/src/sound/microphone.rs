//! Whether the guest may hear the microphone, and what the user reads of it: pure, times are passed in.
//!
//! Consent is for one recording, which has a number: what the user said of one that has ended never opens the
//! microphone for the next. Nobody hears anything before both are there, the guest's wish and the user's consent.

use clock::Nanos;

/// How long the question is on the screen. The key answers it afterwards, too.
const ASKED: Nanos = Nanos::from_millis(30_000);
/// A guest that opens its device anew this soon, as for another format, goes on with the answer it had.
const SAME_RECORDING: Nanos = Nanos::from_millis(1000);
/// The policy is cycled by one key: "allow" may be only on the way to "deny", so it opens nothing before this time.
const SETTLED: Nanos = Nanos::from_millis(1000);

/// `audio:micDefault`: what happens when the guest opens its microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The user is asked.
    Prompt,
    /// It is opened.
    Allow,
    /// It stays closed, unless the user opens it.
    Deny,
}

impl Policy {
    const fn next(self) -> Self {
        match self {
            Self::Prompt => Self::Allow,
            Self::Allow => Self::Deny,
            Self::Deny => Self::Prompt,
        }
    }

    /// For the user.
    const fn text(self) -> &'static str {
        match self {
            Self::Prompt => "the guest has to ask for it each time",
            Self::Allow => "the guest may always use it",
            Self::Deny => "the guest may not use it",
        }
    }
}

/// What became of the consent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// Nothing is open.
    #[default]
    Closed,
    /// It is open.
    Open,
    /// It cannot be opened, and why.
    Failed(String),
}

/// The user's microphone, as the guest sees it.
#[derive(Debug)]
pub struct Microphone {
    policy: Policy,
    shows_indicator: bool,
    /// The name of the escape key.
    escape: String,
    /// The guest records; the number of that recording.
    recording: Option<u32>,
    /// What the user said of that recording.
    answer: Option<bool>,
    /// Until when the question is shown.
    asked_until: Option<Nanos>,
    /// When the policy counts that was chosen last.
    settled_at: Option<Nanos>,
    /// The answer of the last recording, and when that ended.
    last: Option<(bool, Nanos)>,
    device: Device,
}

impl Microphone {
    /// Begins with that policy. `escape` is the name of the key that leads the binds.
    #[must_use]
    pub fn new(policy: Policy, shows_indicator: bool, escape: String) -> Self {
        Self {
            policy,
            shows_indicator,
            escape,
            recording: None,
            answer: None,
            asked_until: None,
            settled_at: None,
            last: None,
            device: Device::Closed,
        }
    }

    /// The guest opened its device.
    pub fn started(&mut self, recording: u32, now: Nanos) {
        self.tick(now);
        if self.recording.is_some() {
            self.stopped(now);
        }
        self.recording = Some(recording);
        self.device = Device::Closed;
        let last = self.last.take();
        self.answer = last
            .filter(|(_, ended)| now - *ended < SAME_RECORDING)
            .map(|(answer, _)| answer);
        self.ask(now);
    }

    /// The guest closed its device.
    pub fn stopped(&mut self, now: Nanos) {
        if self.recording.take().is_some() {
            self.last = self.answer.take().map(|answer| (answer, now));
        }
        self.asked_until = None;
        self.device = Device::Closed;
    }

    /// There is no session any more: nothing that was said holds for the next one.
    pub fn session_ended(&mut self, now: Nanos) {
        self.stopped(now);
        self.last = None;
    }

    /// Takes what became of the consent to that recording; of another it does not matter any more.
    pub fn device(&mut self, recording: Option<u32>, device: Device) {
        if recording.is_none() || recording == self.recording {
            self.device = device;
        }
    }

    /// Key E: opens the microphone to the guest, or closes it. Returns what the user is told.
    pub fn toggle(&mut self, now: Nanos) -> String {
        self.tick(now);
        if self.recording.is_none() {
            return "The guest does not use the microphone".to_owned();
        }
        let is_on = self.consent().is_none();
        self.answer = Some(is_on);
        self.asked_until = None;
        format!("Microphone: {}", if is_on { "on" } else { "off" })
    }

    /// Key C: the next policy. Returns what the user is told.
    pub fn cycle(&mut self, now: Nanos) -> String {
        self.tick(now);
        self.policy = self.policy.next();
        self.settled_at = (self.policy == Policy::Allow).then(|| now + SETTLED);
        self.asked_until = None;
        if self.policy == Policy::Deny {
            // Whatever was said before: this says no.
            self.answer = None;
        }
        self.last = None;
        self.ask(now);
        format!("Microphone: {}", self.policy.text())
    }

    /// Puts the question, if there is one.
    fn ask(&mut self, now: Nanos) {
        let is_open = self.recording.is_some() && self.answer.is_none();
        if is_open && self.policy == Policy::Prompt {
            self.asked_until = Some(now + ASKED);
        }
    }

    /// Lets time pass; returns when it changes something by itself.
    pub fn tick(&mut self, now: Nanos) -> Option<Nanos> {
        for due in [&mut self.asked_until, &mut self.settled_at] {
            if due.is_some_and(|at| now >= at) {
                *due = None;
            }
        }
        [self.asked_until, self.settled_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// The number of the recording that may hear the microphone now.
    #[must_use]
    pub fn consent(&self) -> Option<u32> {
        let by_policy = self.policy == Policy::Allow && self.settled_at.is_none();
        self.recording.filter(|_| self.answer.unwrap_or(by_policy))
    }

    /// What is on the screen: the question, or that the guest listens.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        let escape = &self.escape;
        if self.asked_until.is_some() {
            return Some(format!(
                "The guest wants to use the microphone: {escape} + E allows it, {escape} + C changes the policy"
            ));
        }
        self.consent()?;
        match &self.device {
            Device::Failed(why) => Some(format!("The microphone cannot be opened: {why}")),
            // While it is being opened, too: said too early rather than too late.
            Device::Open | Device::Closed => self
                .shows_indicator
                .then(|| format!("The guest hears the microphone ({escape} + E: off)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> Nanos = Nanos::from_millis;

    fn microphone(policy: Policy) -> Microphone {
        Microphone::new(policy, true, "Scroll Lock".into())
    }

    fn says(microphone: &Microphone, part: &str) -> bool {
        microphone.notice().is_some_and(|text| text.contains(part))
    }

    const QUESTION: &str = "wants to use the microphone: Scroll Lock + E allows it";
    const LIVE: &str = "The guest hears the microphone";

    #[test]
    fn a_guest_that_asks_hears_nothing_before_the_key() {
        let mut microphone = microphone(Policy::Prompt);
        assert_eq!((microphone.notice(), microphone.consent()), (None, None));
        microphone.started(7, MS(0));
        assert!(says(&microphone, QUESTION));
        assert_eq!(microphone.consent(), None);
        assert_eq!(microphone.tick(MS(29_999)), Some(MS(30_000)));
        assert_eq!(microphone.toggle(MS(29_999)), "Microphone: on");
        assert_eq!(microphone.consent(), Some(7));
        microphone.device(Some(7), Device::Open);
        assert!(says(&microphone, LIVE));
        assert_eq!(microphone.toggle(MS(40_000)), "Microphone: off");
        assert_eq!((microphone.notice(), microphone.consent()), (None, None));
    }

    #[test]
    fn a_question_nobody_answers_goes_and_is_still_answered_by_the_key() {
        let mut microphone = microphone(Policy::Prompt);
        microphone.started(1, MS(0));
        assert_eq!(microphone.tick(MS(30_000)), None);
        assert_eq!((microphone.notice(), microphone.consent()), (None, None));
        microphone.toggle(MS(90_000));
        assert_eq!(microphone.consent(), Some(1));
    }

    #[test]
    fn consent_is_for_one_recording_and_for_its_immediate_continuation() {
        let mut microphone = microphone(Policy::Prompt);
        microphone.started(1, MS(0));
        microphone.toggle(MS(100));
        microphone.stopped(MS(5000));
        assert_eq!((microphone.notice(), microphone.consent()), (None, None));
        microphone.started(2, MS(5999));
        assert_eq!(
            microphone.consent(),
            Some(2),
            "the guest changed the format"
        );
        microphone.stopped(MS(7000));
        microphone.started(3, MS(8000));
        assert_eq!(microphone.consent(), None);
        assert!(says(&microphone, QUESTION));
        // No answer is no consent that could be continued.
        microphone.stopped(MS(8001));
        microphone.started(4, MS(8002));
        assert_eq!(microphone.consent(), None);
    }

    #[test]
    fn a_start_in_the_middle_of_a_recording_ends_it() {
        let mut microphone = microphone(Policy::Prompt);
        microphone.started(1, MS(0));
        microphone.toggle(MS(0));
        microphone.started(2, MS(10_000));
        assert_eq!(
            microphone.consent(),
            Some(2),
            "it is the same device of the guest"
        );
    }

    #[test]
    fn a_session_that_ends_takes_every_consent_with_it() {
        let mut microphone = microphone(Policy::Prompt);
        microphone.started(1, MS(0));
        microphone.toggle(MS(0));
        microphone.session_ended(MS(1));
        assert_eq!((microphone.notice(), microphone.consent()), (None, None));
        microphone.started(2, MS(2));
        assert_eq!(microphone.consent(), None);
    }

    #[test]
    fn allow_opens_it_and_shows_it_and_the_key_closes_it_for_this_recording() {
        let mut microphone = microphone(Policy::Allow);
        microphone.started(1, MS(0));
        assert_eq!(microphone.consent(), Some(1));
        assert!(says(&microphone, LIVE));
        microphone.toggle(MS(1));
        assert_eq!(microphone.consent(), None);
        microphone.stopped(MS(2));
        microphone.started(2, MS(5000));
        assert_eq!(microphone.consent(), Some(2));
    }

    #[test]
    fn deny_asks_nothing_and_the_key_opens_it_all_the_same() {
        let mut microphone = microphone(Policy::Deny);
        microphone.started(1, MS(0));
        assert_eq!((microphone.notice(), microphone.consent()), (None, None));
        microphone.toggle(MS(1));
        assert_eq!(microphone.consent(), Some(1));
    }

    #[test]
    fn the_key_says_so_when_there_is_nothing_to_open() {
        let mut microphone = microphone(Policy::Prompt);
        let said = microphone.toggle(MS(0));
        assert_eq!(said, "The guest does not use the microphone");
        microphone.started(1, MS(1));
        assert_eq!(microphone.consent(), None, "it was no answer");
    }

    #[test]
    fn cycling_past_allow_on_the_way_to_deny_opens_nothing() {
        let mut microphone = microphone(Policy::Prompt);
        microphone.started(1, MS(0));
        assert_eq!(
            microphone.cycle(MS(1000)),
            "Microphone: the guest may always use it"
        );
        assert_eq!((microphone.notice(), microphone.consent()), (None, None));
        assert_eq!(
            microphone.cycle(MS(1999)),
            "Microphone: the guest may not use it"
        );
        microphone.tick(MS(9000));
        assert_eq!((microphone.notice(), microphone.consent()), (None, None));
        assert_eq!(
            microphone.cycle(MS(9000)),
            "Microphone: the guest has to ask for it each time"
        );
        assert!(says(&microphone, QUESTION), "asked again");
    }

    #[test]
    fn cycling_to_allow_and_staying_there_opens_it() {
        let mut microphone = microphone(Policy::Prompt);
        microphone.started(1, MS(0));
        microphone.cycle(MS(1000));
        assert_eq!(microphone.tick(MS(1999)), Some(MS(2000)));
        assert_eq!(microphone.consent(), None);
        microphone.tick(MS(2000));
        assert_eq!(microphone.consent(), Some(1));
    }

    #[test]
    fn cycling_to_deny_closes_at_once_what_was_open() {
        let mut microphone = microphone(Policy::Allow);
        microphone.started(1, MS(0));
        microphone.toggle(MS(1));
        microphone.toggle(MS(2));
        assert_eq!(microphone.consent(), Some(1));
        microphone.cycle(MS(3));
        assert_eq!((microphone.notice(), microphone.consent()), (None, None));
        microphone.cycle(MS(4));
        assert_eq!(microphone.consent(), None, "asked again, not remembered");
    }

    #[test]
    fn what_was_opened_by_the_key_stays_open_with_a_milder_policy() {
        let mut microphone = microphone(Policy::Prompt);
        microphone.started(1, MS(0));
        microphone.toggle(MS(1));
        microphone.cycle(MS(2));
        assert_eq!(microphone.consent(), Some(1));
        assert!(says(&microphone, LIVE));
    }

    #[test]
    fn indicator_can_be_switched_off_but_the_question_and_a_failure_are_shown() {
        let mut microphone = Microphone::new(Policy::Prompt, false, "F12".into());
        microphone.started(1, MS(0));
        assert!(says(&microphone, "F12 + E"));
        microphone.toggle(MS(1));
        microphone.device(Some(1), Device::Open);
        assert_eq!(microphone.notice(), None);
        microphone.device(Some(0), Device::Failed("of another one".into()));
        assert_eq!(microphone.notice(), None);
        microphone.device(Some(1), Device::Failed("no sound server".into()));
        assert!(says(&microphone, "cannot be opened: no sound server"));
        microphone.stopped(MS(2));
        assert_eq!(microphone.notice(), None);
    }
}
