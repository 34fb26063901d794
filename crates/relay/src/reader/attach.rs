//! Finding a host, staying with it, and finding it again.

use clock::Nanos;
use kvmfr::{DescriptionError, FRAME_QUEUE, POINTER_QUEUE, SessionDescription, Version};
use lgmp::{Session, SessionLost, StartError, SubscribeError, Subscription, WireVersion};

use super::{CHECK, Happened, Link, Reader, SessionInfo, Status, millis};

/// Distance of attempts to start a session.
const RETRY: Nanos = Nanos::from_millis(50);
/// The same while the memory is initialised: a live host ticks each 10 ms.
const RETRY_SOON: Nanos = Nanos::from_millis(10);
/// A heartbeat missing for this long is reported.
const SILENT: Nanos = Nanos::from_millis(300);
/// Distance of attempts to subscribe, also when a subscription was lost again at once.
const RETRY_QUEUE: Nanos = Nanos::from_millis(20);
/// A queue that cannot be subscribed to for this long is reported.
const NO_QUEUE: Nanos = Nanos::from_millis(500);
/// Distance of looks at a memory that is gone.
const GONE: Nanos = Nanos::from_millis(1_000);

/// How far the reader has come with the host.
#[derive(Debug)]
pub(super) struct Attachment {
    info: Option<SessionInfo>,
    /// Both queues are subscribed to, and that was told.
    is_connected: bool,
    has_frame: bool,
    link: Link,
    /// The link that the owner was told of last.
    told: Option<Link>,
    next_try: Nanos,
    next_check: Nanos,
    /// Since when a host has been silent, or a queue missing.
    silent_since: Option<Nanos>,
    connected_at: Nanos,
}

impl Attachment {
    pub(super) const fn new() -> Self {
        Self {
            info: None,
            is_connected: false,
            has_frame: false,
            link: Link::Magic,
            told: None,
            next_try: Nanos::ZERO,
            next_check: Nanos::ZERO,
            silent_since: None,
            connected_at: Nanos::ZERO,
        }
    }

    pub(super) const fn status(&self) -> Status {
        if self.is_connected && self.has_frame {
            Status::Connected
        } else {
            Status::Missing(self.link)
        }
    }

    pub(super) const fn info(&self) -> Option<&SessionInfo> {
        self.info.as_ref()
    }

    pub(super) const fn link(&self) -> Link {
        self.link
    }

    pub(super) const fn is_connected(&self) -> bool {
        self.is_connected
    }

    pub(super) fn first_frame(&mut self) {
        self.has_frame = true;
        self.told = None;
    }

    /// Waits for a first frame anew.
    const fn await_frame(&mut self, now: Nanos) {
        if self.is_connected {
            self.has_frame = false;
            self.connected_at = now;
            self.link = Link::FirstFrame;
            self.told = None;
        }
    }

    /// Reports a first frame that is overdue.
    pub(super) fn report_late_frame(&mut self, now: Nanos, limit: Nanos) -> Option<Happened> {
        let is_late = !self.has_frame && now - self.connected_at > limit;
        is_late.then(|| self.tell(Link::FirstFrame)).flatten()
    }

    /// When to look again while waiting for a host.
    pub(super) fn next_look(&self, now: Nanos) -> Nanos {
        let check = if self.is_connected {
            now + CHECK
        } else {
            self.next_try
        };
        check.max(now + Nanos::from_micros(100))
    }

    /// Says what is missing, once.
    fn tell(&mut self, link: Link) -> Option<Happened> {
        self.link = link;
        if self.told == Some(link) {
            return None;
        }
        self.told = Some(link);
        Some(Happened::Missing(link))
    }

    /// Says that something is missing only when it has been for `limit`: it may be about to come.
    fn tell_after(&mut self, link: Link, limit: Nanos, now: Nanos) -> Option<Happened> {
        let since = *self.silent_since.get_or_insert(now);
        if now - since < limit {
            return None;
        }
        self.tell(link)
    }
}

impl Reader {
    /// Starts a session if there is none, watches over one that there is, and keeps both queues subscribed to.
    pub(super) fn keep_attached(&mut self, now: Nanos) -> Option<Happened> {
        if self.memory.is_faulted() {
            self.forget_session(now);
            self.attachment.next_try = now + GONE;
            return self.attachment.tell(Link::Memory);
        }
        if self.attachment.info.is_some() && now >= self.attachment.next_check {
            self.attachment.next_check = now + CHECK;
            if let Err(lost) = self.client.check(millis(now)) {
                return self.lose_session(lost, now);
            }
        }
        if now < self.attachment.next_try {
            return None;
        }
        if self.attachment.info.is_none() {
            let happened = self.start(now);
            if happened.is_some() || self.attachment.info.is_none() {
                return happened;
            }
        }
        self.subscribe_missing(now)
    }

    fn forget_session(&mut self, now: Nanos) {
        self.attachment.info = None;
        self.attachment.is_connected = false;
        self.attachment.has_frame = false;
        self.attachment.silent_since = None;
        self.frames.restart(None, Version::V20);
        self.pointer.reset();
        self.plan.start(now);
    }

    fn lose_session(&mut self, lost: SessionLost, now: Nanos) -> Option<Happened> {
        tracing::debug!(%lost, "the session ended");
        let was_connected = self.attachment.is_connected;
        self.forget_session(now);
        self.attachment.next_try = now;
        match lost {
            SessionLost::HeartbeatStopped => self.attachment.tell(Link::Heartbeat),
            SessionLost::Faulted => self.attachment.tell(Link::Memory),
            // The next one may be there already; then only that is told.
            _ => {
                if was_connected {
                    self.attachment.silent_since = Some(now - SILENT);
                }
                let happened = self.start(now);
                if happened.is_some() || self.attachment.info.is_none() {
                    return happened;
                }
                self.subscribe_missing(now)
            }
        }
    }

    /// Tries to start a session.
    fn start(&mut self, now: Nanos) -> Option<Happened> {
        let attachment = &mut self.attachment;
        attachment.next_try = now + RETRY;
        let link = match self.client.start(millis(now)) {
            Ok(session) => match judge(session) {
                Ok(info) => {
                    attachment.next_try = now;
                    attachment.next_check = now + CHECK;
                    attachment.silent_since = None;
                    attachment.info = Some(info);
                    self.plan.start(now);
                    return None;
                }
                Err(link) => link,
            },
            Err(StartError::NoHeartbeat | StartError::Changing) => {
                attachment.next_try = now + RETRY_SOON;
                return attachment.tell_after(Link::Heartbeat, SILENT, now);
            }
            Err(StartError::NoMagic) => Link::Magic,
            Err(StartError::TooSmall) => Link::MemoryTooSmall {
                bytes: self.memory.len(),
            },
            Err(StartError::UnsupportedVersion(lgmp)) => Link::Version { lgmp, kvmfr: None },
            Err(error) => {
                tracing::debug!(%error, "starting a session");
                return attachment.tell_after(Link::Heartbeat, SILENT, now);
            }
        };
        attachment.silent_since = None;
        attachment.tell(link)
    }

    /// Subscribes to the queues that are not subscribed to.
    fn subscribe_missing(&mut self, now: Nanos) -> Option<Happened> {
        let version = self.attachment.info.as_ref()?.kvmfr;
        if self.wants_frames && self.frames.subscription.is_none() {
            match self.subscribe(FRAME_QUEUE.id, now) {
                Ok(subscription) => self.frames.restart(Some(subscription), version),
                Err(happened) => return happened,
            }
        }
        if self.pointer.subscription.is_none() {
            match self.subscribe(POINTER_QUEUE.id, now) {
                Ok(subscription) => self.pointer.subscription = Some(subscription),
                Err(happened) => return happened,
            }
        }
        let attachment = &mut self.attachment;
        attachment.silent_since = None;
        if attachment.is_connected {
            return None;
        }
        attachment.is_connected = true;
        attachment.connected_at = now;
        attachment.link = Link::FirstFrame;
        attachment.told = None;
        Some(Happened::Connected)
    }

    fn subscribe(&mut self, queue: u32, now: Nanos) -> Result<Subscription, Option<Happened>> {
        // A host that evicts at once costs one attempt each time, not a spin.
        self.attachment.next_try = now + RETRY_QUEUE;
        self.client
            .subscribe(queue, millis(now))
            .map_err(|error| match error {
                SubscribeError::SessionLost(lost) => self.lose_session_once(lost, now),
                error => {
                    tracing::debug!(%error, queue, "subscribing");
                    let happened = self.attachment.tell_after(Link::Queue, NO_QUEUE, now);
                    // What was told is that there is no session: the next one begins with `Connected`.
                    self.attachment.is_connected &= happened.is_none();
                    happened
                }
            })
    }

    /// As [`Self::lose_session`], but leaves the next attempt to the next step, so that it cannot recurse.
    fn lose_session_once(&mut self, lost: SessionLost, now: Nanos) -> Option<Happened> {
        tracing::debug!(%lost, "the session ended");
        self.forget_session(now);
        self.attachment.next_try = now + RETRY_SOON;
        self.attachment.tell(Link::Heartbeat)
    }

    /// Says whether frames are wanted; they are at first. Without them the host need not make any.
    ///
    /// The pointer goes on either way. The first frame after a pause is whole, and comes even if nothing changed.
    pub fn want_frames(&mut self, is_wanted: bool) {
        if self.wants_frames == is_wanted {
            return;
        }
        self.wants_frames = is_wanted;
        let now = self.clock.now();
        if is_wanted {
            self.attachment.await_frame(now);
            return;
        }
        let subscription = self.frames.subscription.take();
        self.frames.restart(None, Version::V20);
        self.unsubscribe([subscription], now);
    }

    /// Leaves both queues, if the session is still on.
    pub(super) fn leave(&mut self, now: Nanos) {
        let subscriptions = [
            self.frames.subscription.take(),
            self.pointer.subscription.take(),
        ];
        self.unsubscribe(subscriptions, now);
    }

    fn unsubscribe<const N: usize>(&mut self, queues: [Option<Subscription>; N], now: Nanos) {
        let is_on = self.attachment.info.is_some() && self.client.check(millis(now)).is_ok();
        for subscription in queues.into_iter().flatten().filter(|_| is_on) {
            if let Err(error) = subscription.unsubscribe(millis(now)) {
                tracing::debug!(%error, "unsubscribing");
            }
        }
    }
}

/// Accepts the pairs of versions that exist (kvmfr.md 1.4).
fn judge(session: Session) -> Result<SessionInfo, Link> {
    let lgmp = session.version.number();
    let refuse = |kvmfr| Link::Version { lgmp, kvmfr };
    match SessionDescription::parse(&session.udata) {
        Ok((kvmfr, description)) => {
            let is_pair = matches!(
                (session.version, kvmfr),
                (WireVersion::V4, Version::V16)
                    | (WireVersion::V5, Version::V19)
                    | (WireVersion::V6, Version::V20)
            );
            if !is_pair {
                return Err(refuse(Some(kvmfr.wire())));
            }
            Ok(SessionInfo {
                lgmp: session.version,
                kvmfr,
                session_id: session.session_id,
                description,
            })
        }
        Err(DescriptionError::UnsupportedVersion { version, .. }) => Err(refuse(Some(version))),
        Err(_) => Err(refuse(None)),
    }
}
