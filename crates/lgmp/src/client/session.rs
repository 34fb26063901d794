//! Attaching to a memory, and noticing that its session ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ivshmem::{AccessError, SharedMemory};
use rustix::io::Errno;

use crate::layout::{Geometry, MAGIC, MAGIC_AT, MAX_UDATA, SESSION_ID_AT, VERSION_AT, WireVersion};
use crate::random;
use crate::slots::{Slots, Word};
use crate::words::{is_session, timestamp};

/// A heartbeat unchanged for longer counts as stopped.
const HEARTBEAT_TIMEOUT_MS: u64 = 1000;

/// Why no session could be started; ask again later, the originals do once per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The memory is smaller than a header.
    #[error("the shared memory is too small")]
    TooSmall,
    /// No host has initialised the memory.
    #[error("no host has initialised the shared memory yet")]
    NoMagic,
    /// The host speaks a version that this client does not.
    #[error("the host uses LGMP version {0}; 4, 5 and 6 are supported")]
    UnsupportedVersion(u32),
    /// The heartbeat has not moved since the last look: the host may have died.
    #[error("the host shows no sign of life")]
    NoHeartbeat,
    /// The header changed while it was read.
    #[error("the host is initialising the shared memory")]
    Changing,
    /// The session data does not lie in the memory, or is larger than 64 KiB.
    #[error("the host's session data has an impossible size")]
    BadUdata,
    /// The operating system gave no random number.
    #[error("no random number from the operating system")]
    NoRandom(#[source] Errno),
}

impl From<AccessError> for StartError {
    fn from(_: AccessError) -> Self {
        Self::TooSmall
    }
}

/// Why a session ended. Everything that came from it is void; [`Client::start`] begins the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionLost {
    /// The host initialised the memory again, or none was started.
    #[error("the host started a new session")]
    Restarted,
    /// The heartbeat has stood still for more than a second.
    #[error("the host's heartbeat stopped")]
    HeartbeatStopped,
    /// The memory shrank under the mapping; it has to be opened again.
    #[error("the shared memory is gone")]
    Faulted,
}

/// What a host tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The wire version.
    pub version: WireVersion,
    /// Differs from that of the session before.
    pub session_id: u32,
    /// The application's data, copied once; at most 64 KiB, and nothing about it has been validated.
    pub udata: Vec<u8>,
}

/// The session that a client is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attached {
    pub(crate) geometry: &'static Geometry,
    pub(crate) session_id: u32,
    /// Written beside this client's subscriber bits, from version 5 on.
    pub(crate) client_id: u32,
    /// When the heartbeat last changed, in the client's clock.
    last_beat: u64,
}

/// A consumer of one memory; starts sessions and watches over them.
///
/// All times are the caller's own monotonic milliseconds.
#[derive(Debug)]
pub struct Client<M: Slots = SharedMemory> {
    pub(crate) memory: Arc<M>,
    pub(crate) attached: Option<Attached>,
    /// The host's clock at the last look, kept across sessions.
    last_seen: u64,
}

impl<M: Slots> Client<M> {
    /// Looks at the memory for the first time. A host has to tick once before [`Client::start`] can succeed.
    #[must_use]
    pub fn new(memory: Arc<M>) -> Self {
        // A memory that is too small is reported by `start`.
        let last_seen = timestamp(&*memory).unwrap_or(0);
        Self {
            memory,
            attached: None,
            last_seen,
        }
    }

    /// Tries to begin a session. Allocates for the session data only.
    ///
    /// # Errors
    /// See [`StartError`]; all of them may pass by themselves.
    pub fn start(&mut self, now_ms: u64) -> Result<Session, StartError> {
        self.attached = None;
        let memory = &*self.memory;
        // Acquire pairs with the host's release: with the magic comes the rest of the header.
        if memory.u32(MAGIC_AT)?.load(Ordering::Acquire) != MAGIC {
            return Err(StartError::NoMagic);
        }
        let version = memory.u32(VERSION_AT)?.load(Ordering::Relaxed);
        let known = WireVersion::from_wire(version);
        let geometry = Geometry::of(known.ok_or(StartError::UnsupportedVersion(version))?);
        if memory.size() < geometry.header_size {
            return Err(StartError::TooSmall);
        }
        let session_id = memory.u32(SESSION_ID_AT)?.load(Ordering::Relaxed);
        let seen = timestamp(memory)?;
        if seen == self.last_seen {
            return Err(StartError::NoHeartbeat);
        }
        let udata = Self::copy_udata(memory, geometry)?;
        // Everything above is read before it is compared below (H10).
        memory.fence(Ordering::Acquire);
        let is_unchanged = is_session(memory, session_id)?
            && memory.u32(VERSION_AT)?.load(Ordering::Relaxed) == version
            && memory.u32(geometry.udata_size)?.load(Ordering::Relaxed) as usize == udata.len();
        if !is_unchanged {
            return Err(StartError::Changing);
        }
        let client_id = random::nonzero().map_err(StartError::NoRandom)?;
        self.last_seen = seen;
        self.attached = Some(Attached {
            geometry,
            session_id,
            client_id,
            last_beat: now_ms,
        });
        Ok(Session {
            version: geometry.version,
            session_id,
            udata,
        })
    }

    fn copy_udata(memory: &M, geometry: &Geometry) -> Result<Vec<u8>, StartError> {
        let size = memory.u32(geometry.udata_size)?.load(Ordering::Relaxed);
        let size = usize::try_from(size).map_err(|_| StartError::BadUdata)?;
        if size > MAX_UDATA || geometry.udata + size > memory.size() {
            return Err(StartError::BadUdata);
        }
        let mut udata = vec![0; size];
        memory.copy_out(geometry.udata, &mut udata)?;
        Ok(udata)
    }

    /// Tells whether the session goes on; call it at least each 100 ms.
    ///
    /// # Errors
    /// See [`SessionLost`]. All subscriptions are void then: drop them, do not unsubscribe.
    pub fn check(&mut self, now_ms: u64) -> Result<(), SessionLost> {
        let result = self.look(now_ms);
        if result.is_err() {
            self.attached = None;
        }
        result
    }

    fn look(&mut self, now_ms: u64) -> Result<(), SessionLost> {
        if self.memory.is_faulted() {
            return Err(SessionLost::Faulted);
        }
        let attached = self.attached.as_mut().ok_or(SessionLost::Restarted)?;
        // These words were in bounds when the session began.
        let is_same = is_session(&*self.memory, attached.session_id);
        if !is_same.map_err(|_| SessionLost::Faulted)? {
            return Err(SessionLost::Restarted);
        }
        let seen = timestamp(&*self.memory).map_err(|_| SessionLost::Faulted)?;
        if seen != self.last_seen {
            self.last_seen = seen;
            attached.last_beat = now_ms;
            return Ok(());
        }
        if now_ms.saturating_sub(attached.last_beat) > HEARTBEAT_TIMEOUT_MS {
            return Err(SessionLost::HeartbeatStopped);
        }
        Ok(())
    }

    /// Milliseconds since the heartbeat last changed, as of the last [`Client::check`]; `None` outside a session.
    #[must_use]
    pub fn heartbeat_age_ms(&self, now_ms: u64) -> Option<u64> {
        let attached = self.attached.as_ref()?;
        Some(now_ms.saturating_sub(attached.last_beat))
    }
}
