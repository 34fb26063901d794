//! One connection to a server: messages in, messages out, and nothing that waits for longer than it is told.
//!
//! A message is a descriptor of 20 bytes (length, channel, offset, flags) and what follows it: samples of the channel, or
//! with no channel a command. The commands themselves are read and written by the `pulseaudio` crate.

use std::ffi::CStr;
use std::io::{Cursor, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use clock::{Clock as _, MonotonicClock, Nanos};
use pulseaudio::protocol::stream::BufferAttr;
use pulseaudio::protocol::{
    self, AuthParams, AuthReply, Command, CommandReply, CommandTag, Prop, Props, ProtocolError,
    SetClientNameReply, TagStructReader,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, UCred,
};

/// Bytes of the longest message that is taken from a server; what it sends us is far shorter (capture asks for pieces of
/// at most [`super::layout::MAX_FRAGMENT_BYTES`]).
const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Bytes that may wait for a server that does not read, before it is given up.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// Channel of a message that is a command.
const CONTROL: u32 = u32::MAX;

/// Why a connection does not work any more, or never did.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("{0}")]
    Io(#[from] Errno),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server did not answer in time")]
    Late,
    #[error("the server does not read what it is sent")]
    Stuck,
    #[error("this program did not run for so long that the stream is of no use")]
    Overslept,
    #[error("the server refused: {0}")]
    Refused(String),
    #[error("the server sent what is not PulseAudio's protocol: {0}")]
    Protocol(String),
}

impl From<ProtocolError> for LinkError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error.to_string())
    }
}

/// A message from the server.
pub(super) enum Incoming<'a> {
    /// The answer to a command of ours.
    Reply { seq: u32, body: &'a [u8] },
    /// A command of ours that failed.
    Refusal { seq: u32, why: String },
    /// Samples of a stream that records.
    Samples { channel: u32, bytes: &'a [u8] },
    /// Something that happened to the stream of a channel.
    Event { channel: u32, event: Event },
    /// Something that says nothing to us.
    Other,
}

/// What happens to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The server wants so many bytes more.
    Requested(u32),
    /// The server has ended it.
    Killed,
    /// The server has moved it to another device, with another buffer.
    Moved(BufferAttr),
    /// The server has given it another buffer.
    Buffer(BufferAttr),
}

/// A connection.
pub(super) struct Link {
    socket: OwnedFd,
    inbox: Inbox,
    /// What the socket would not take yet, behind `sent`.
    outbox: Vec<u8>,
    sent: usize,
    /// Where a command is put together; kept so that none needs memory once it has run for a while.
    scratch: Vec<u8>,
    version: u16,
    next_seq: u32,
}

impl Link {
    /// Connects and says who we are.
    pub(super) fn connect(
        path: &Path,
        name: &CStr,
        cookie: Vec<u8>,
        deadline: Nanos,
    ) -> Result<Self, LinkError> {
        let mut link = Self {
            socket: connect(path, deadline)?,
            inbox: Inbox::new(),
            outbox: Vec::new(),
            sent: 0,
            scratch: Vec::new(),
            version: protocol::MAX_VERSION,
            next_seq: 0,
        };
        let auth = AuthParams {
            version: protocol::MAX_VERSION,
            // Samples come and go through the socket: 48 kHz is not worth shared memory that a server can change under us.
            supports_shm: false,
            supports_memfd: false,
            cookie,
        };
        link.introduce(&Command::Auth(auth))?;
        let reply: AuthReply = link.await_reply(0, deadline)?;
        if reply.version < protocol::MIN_VERSION {
            return Err(LinkError::Protocol(format!("version {}", reply.version)));
        }
        link.version = protocol::MAX_VERSION.min(reply.version);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, name);
        let id = std::ffi::CString::new(std::process::id().to_string()).unwrap_or_default();
        props.set(Prop::ApplicationProcessId, id);
        let _: SetClientNameReply = link.request(&Command::SetClientName(props), deadline)?;
        Ok(link)
    }

    /// Sends the first command with the word of the kernel on which user we are; PulseAudio takes its own user's programs
    /// by that, with a wrong cookie or none.
    fn introduce(&mut self, command: &Command) -> Result<(), LinkError> {
        self.send(command)?;
        let who = UCred {
            pid: rustix::process::getpid(),
            uid: rustix::process::getuid(),
            gid: rustix::process::getgid(),
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut aside = SendAncillaryBuffer::new(&mut space);
        aside.push(SendAncillaryMessage::ScmCredentials(who));
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let bytes = [IoSlice::new(&self.outbox)];
        // Nothing has been sent before, so the socket takes at least some of it.
        self.sent = rustix::net::sendmsg(&self.socket, &bytes, &mut aside, flags)?;
        Ok(())
    }

    /// Queues a command; [`Self::flush`] sends it. Returns the number that the answer will have.
    pub(super) fn send(&mut self, command: &Command) -> Result<u32, LinkError> {
        let seq = self.next_seq;
        self.next_seq = self.next_seq.wrapping_add(1);
        self.scratch.clear();
        protocol::encode_command_message(&mut self.scratch, seq, command, self.version)?;
        self.outbox.extend_from_slice(&self.scratch);
        Ok(seq)
    }

    /// Queues samples behind what the stream already has; [`Self::flush`] sends them.
    pub(super) fn send_samples(&mut self, channel: u32, samples: &[f32]) {
        let bytes = u32::try_from(size_of_val(samples)).unwrap_or(u32::MAX);
        self.outbox.extend_from_slice(&bytes.to_be_bytes());
        self.outbox.extend_from_slice(&channel.to_be_bytes());
        // An offset of nothing and no flags: relative to the end of what was written before.
        self.outbox.extend_from_slice(&[0; 12]);
        let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes());
        self.outbox.extend(bytes);
    }

    /// Sends what the socket takes without waiting; true if nothing is left.
    pub(super) fn flush(&mut self) -> Result<bool, LinkError> {
        while let Some(rest) = self.outbox.get(self.sent..)
            && !rest.is_empty()
        {
            // Not `write`: a closed socket is an error to us, not a signal to the whole program.
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::send(&self.socket, rest, flags) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(bytes) => self.sent += bytes,
                Err(Errno::AGAIN) if rest.len() > MAX_WAITING_BYTES => {
                    return Err(LinkError::Stuck);
                }
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(LinkError::Closed),
                Err(error) => return Err(error.into()),
            }
        }
        self.outbox.clear();
        self.sent = 0;
        Ok(true)
    }

    /// Takes what has come, without waiting; false if nothing had. Call [`Self::next`] until it has no more before.
    pub(super) fn receive(&mut self) -> Result<bool, LinkError> {
        match rustix::net::recv(&self.socket, self.inbox.space(), RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Err(LinkError::Closed),
            Ok((_, bytes)) => {
                self.inbox.filled(bytes);
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(Errno::CONNRESET) => Err(LinkError::Closed),
            Err(error) => Err(error.into()),
        }
    }

    /// The next whole message of those that have come.
    pub(super) fn next(&mut self) -> Result<Option<Incoming<'_>>, LinkError> {
        let version = self.version;
        let Some((channel, payload)) = self.inbox.next()? else {
            return Ok(None);
        };
        if channel != CONTROL {
            let bytes = payload;
            return Ok(Some(Incoming::Samples { channel, bytes }));
        }
        understand(payload, version).map(Some)
    }

    /// Sends a command and waits for its answer. Events that come before it are dropped: there is no stream yet that
    /// they could be about.
    pub(super) fn request<R: CommandReply>(
        &mut self,
        command: &Command,
        deadline: Nanos,
    ) -> Result<R, LinkError> {
        let asked = self.send(command)?;
        self.await_reply(asked, deadline)
    }

    /// Waits for the answer to the command of that number.
    fn await_reply<R: CommandReply>(
        &mut self,
        asked: u32,
        deadline: Nanos,
    ) -> Result<R, LinkError> {
        let version = self.version;
        loop {
            while let Some(message) = self.next()? {
                match message {
                    Incoming::Reply { seq, body } if seq == asked => return read(body, version),
                    Incoming::Refusal { seq, why } if seq == asked => {
                        return Err(LinkError::Refused(why));
                    }
                    _ => {}
                }
            }
            let flushed = self.flush()?;
            let left = deadline - MonotonicClock.now();
            if left <= Nanos::ZERO {
                return Err(LinkError::Late);
            }
            let writing = if flushed {
                PollFlags::empty()
            } else {
                PollFlags::OUT
            };
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN | writing)];
            match poll(&mut fds, Some(&timespec(left))) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.receive()?;
        }
    }

    /// The protocol's version that both sides know.
    pub(super) const fn version(&self) -> u16 {
        self.version
    }

    /// The socket, to wait for.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Connects without waiting for a server whose queue of guests is full.
fn connect(path: &Path, deadline: Nanos) -> Result<OwnedFd, LinkError> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(path)?;
    loop {
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(socket),
            // Nothing tells when there is room again (unix(7)).
            Err(Errno::AGAIN) if MonotonicClock.now() < deadline => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            Err(Errno::AGAIN) => return Err(LinkError::Late),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A distance of time as the kernel takes it; a negative one is nothing.
pub(super) const fn timespec(time: Nanos) -> Timespec {
    let ns = if time.0 < 0 { 0 } else { time.0 };
    Timespec {
        tv_sec: ns / 1_000_000_000,
        tv_nsec: ns % 1_000_000_000,
    }
}

/// Reads the answer to a command.
pub(super) fn read<R: CommandReply>(mut body: &[u8], version: u16) -> Result<R, LinkError> {
    Ok(TagStructReader::new(&mut body, version).read()?)
}

/// Reads what a command's message says. Only what means something to us is decoded: the rest may be of a newer protocol.
fn understand(payload: &[u8], version: u16) -> Result<Incoming<'_>, LinkError> {
    let mut rest = payload;
    let mut head = TagStructReader::new(&mut rest, version);
    let (tag, seq) = (head.read_u32()?, head.read_u32()?);
    if tag == CommandTag::Reply as u32 {
        return Ok(Incoming::Reply { seq, body: rest });
    }
    if tag == CommandTag::Error as u32 {
        let why = match head.read_enum::<protocol::PulseError>() {
            Ok(error) => error.to_string(),
            Err(_) => "for an unknown reason".to_owned(),
        };
        return Ok(Incoming::Refusal { seq, why });
    }
    let is_known = [
        CommandTag::Request,
        CommandTag::PlaybackStreamKilled,
        CommandTag::RecordStreamKilled,
        CommandTag::PlaybackStreamMoved,
        CommandTag::RecordStreamMoved,
        CommandTag::PlaybackBufferAttrChanged,
    ]
    .iter()
    .any(|known| *known as u32 == tag);
    if !is_known {
        return Ok(Incoming::Other);
    }
    let (_, command) = Command::read_tag_prefixed(&mut Cursor::new(payload), version)?;
    let (channel, event) = match command {
        Command::Request(request) => (request.channel, Event::Requested(request.length)),
        Command::PlaybackStreamKilled(channel) | Command::RecordStreamKilled(channel) => {
            (channel, Event::Killed)
        }
        Command::PlaybackStreamMoved(moved) => {
            (moved.stream_index, Event::Moved(moved.buffer_attr))
        }
        Command::RecordStreamMoved(moved) => (moved.stream_index, Event::Moved(moved.buffer_attr)),
        Command::PlaybackBufferAttrChanged(changed) => {
            (changed.stream_index, Event::Buffer(changed.buffer_attr))
        }
        _ => return Ok(Incoming::Other),
    };
    Ok(Incoming::Event { channel, event })
}

/// What has come and was not looked at yet: `bytes[start..end]`.
struct Inbox {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Inbox {
    fn new() -> Self {
        Self {
            bytes: vec![0; MAX_MESSAGE_BYTES + protocol::DESCRIPTOR_SIZE].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    /// Where more may be put. Never empty when [`Self::next`] had nothing: a message fits from the beginning.
    fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    fn filled(&mut self, bytes: usize) {
        self.end = self.bytes.len().min(self.end + bytes);
    }

    /// Channel and content of the next whole message.
    fn next(&mut self) -> Result<Option<(u32, &[u8])>, LinkError> {
        let waiting = self.bytes.get(self.start..self.end).unwrap_or_default();
        let Some((mut descriptor, rest)) = waiting.split_at_checked(protocol::DESCRIPTOR_SIZE)
        else {
            return Ok(None);
        };
        let descriptor = protocol::read_descriptor(&mut descriptor)?;
        let length = usize::try_from(descriptor.length).unwrap_or(usize::MAX);
        if length > MAX_MESSAGE_BYTES {
            let what = format!("a message of {length} bytes");
            return Err(LinkError::Protocol(what));
        }
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        self.start += protocol::DESCRIPTOR_SIZE + length;
        Ok(Some((descriptor.channel, payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(channel: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        protocol::write_memblock(&mut bytes, channel, content, 0).unwrap();
        bytes
    }

    fn put(inbox: &mut Inbox, bytes: &[u8]) {
        inbox.space()[..bytes.len()].copy_from_slice(bytes);
        inbox.filled(bytes.len());
    }

    #[test]
    fn a_message_is_whole_however_it_comes() {
        let bytes = [
            message(3, b"samples"),
            message(CONTROL, b""),
            message(4, b"x"),
        ]
        .concat();
        for piece in 1..=bytes.len() {
            let mut inbox = Inbox::new();
            let mut seen = Vec::new();
            for part in bytes.chunks(piece) {
                put(&mut inbox, part);
                while let Some((channel, content)) = inbox.next().unwrap() {
                    seen.push((channel, content.to_vec()));
                }
            }
            let expected = [(3, &b"samples"[..]), (CONTROL, b""), (4, b"x")];
            assert_eq!(
                seen,
                expected.map(|(channel, content)| (channel, content.to_vec()))
            );
        }
    }

    #[test]
    fn the_longest_message_fits_behind_another() {
        let mut inbox = Inbox::new();
        put(&mut inbox, &message(1, b"short"));
        assert!(inbox.next().unwrap().is_some());
        put(&mut inbox, &message(1, &vec![7; MAX_MESSAGE_BYTES]));
        assert_eq!(inbox.next().unwrap().unwrap().1.len(), MAX_MESSAGE_BYTES);
    }

    #[test]
    fn a_message_that_is_too_long_ends_the_connection() {
        for length in [MAX_MESSAGE_BYTES as u32 + 1, u32::MAX] {
            let mut inbox = Inbox::new();
            let mut bytes = message(1, b"");
            bytes[..4].copy_from_slice(&length.to_be_bytes());
            put(&mut inbox, &bytes);
            assert!(matches!(inbox.next(), Err(LinkError::Protocol(_))));
        }
    }

    #[test]
    fn a_command_of_a_newer_protocol_is_passed_over() {
        let mut payload = Vec::new();
        for value in [9_999_u32, 0] {
            payload.push(b'L');
            payload.extend(value.to_be_bytes());
        }
        let version = protocol::MAX_VERSION;
        assert!(matches!(understand(&payload, version), Ok(Incoming::Other)));
        assert!(understand(b"HTTP/1.1 400 Bad Request", version).is_err());
    }
}
