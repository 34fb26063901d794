//! The link handshake of one connection (spice.md section 1): link message, ticket, result.

use rsa::{
    Oaep, RsaPublicKey, pkcs8::DecodePublicKey, rand_core::CryptoRngCore, traits::PublicKeyParts,
};
use zeroize::Zeroizing;

use crate::wire::{Malformed, Put, Reader};

/// "REDQ", the first four bytes of a link header.
const MAGIC: [u8; 4] = *b"REDQ";
/// The protocol's major version; the server insists on it.
const MAJOR: u32 = 2;
/// The protocol's minor version; the server does not look at it.
const MINOR: u32 = 2;
/// The longest password that libspice-server takes: its limit of 60 counts the NUL.
pub const MAX_PASSWORD_BYTES: usize = 59;

const HEADER_BYTES: usize = 16;
const REPLY_BYTES: usize = 178;
const MAX_REPLY_BYTES: usize = 4096;
const KEY_BYTES: usize = 162;
/// The size of an encrypted ticket: one block of the server's 1024-bit key.
const TICKET_BYTES: usize = 128;

/// AUTH_SELECTION, AUTH_SPICE and MINI_HEADER.
const OUR_COMMON_CAPABILITIES: u32 = 1 << AUTH_SELECTION | 1 << AUTH_SPICE | 1 << MINI_HEADER;
const AUTH_SELECTION: u32 = 0;
const AUTH_SPICE: u32 = 1;
const MINI_HEADER: u32 = 3;

/// What a channel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChannelKind {
    /// Session, mouse mode, guest agent.
    Main,
    /// The picture.
    Display,
    /// Keyboard and mouse.
    Inputs,
    /// The pointer's shape and place.
    Cursor,
    /// Sound from the guest.
    Playback,
    /// Sound to the guest.
    Record,
    /// A kind this crate does not speak; never opened.
    Other(u8),
}

impl ChannelKind {
    /// Reads the wire's number.
    pub fn from_wire(kind: u8) -> Self {
        match kind {
            1 => Self::Main,
            2 => Self::Display,
            3 => Self::Inputs,
            4 => Self::Cursor,
            5 => Self::Playback,
            6 => Self::Record,
            other => Self::Other(other),
        }
    }

    /// The wire's number.
    pub fn to_wire(self) -> u8 {
        match self {
            Self::Main => 1,
            Self::Display => 2,
            Self::Inputs => 3,
            Self::Cursor => 4,
            Self::Playback => 5,
            Self::Record => 6,
            Self::Other(other) => other,
        }
    }

    /// The capability word we announce: only what this crate decodes (spice.md 1.3).
    fn our_capabilities(self) -> Option<u32> {
        match self {
            // NAME_AND_UUID, AGENT_CONNECTED_TOKENS
            Self::Main => Some(0x06),
            // MONITORS_CONFIG, PREF_COMPRESSION, and MULTI_CODEC without a codec: no video streams
            Self::Display => Some(0x142),
            // VOLUME
            Self::Playback | Self::Record => Some(0x02),
            Self::Inputs => Some(0),
            Self::Cursor | Self::Other(_) => None,
        }
    }

    /// The largest message accepted on this channel (spice.md 1.7).
    pub(crate) fn message_limit(self) -> usize {
        match self {
            Self::Main | Self::Playback | Self::Record => 1 << 20,
            Self::Inputs | Self::Other(_) => 64 << 10,
            Self::Cursor => 8 << 20,
            Self::Display => 256 << 20,
        }
    }
}

/// One channel of a session: its kind, and its number among those of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId {
    /// What the channel carries.
    pub kind: ChannelKind,
    /// 0 for the first of its kind.
    pub id: u8,
}

impl ChannelId {
    /// The MAIN channel, which every session has.
    pub const MAIN: Self = Self {
        kind: ChannelKind::Main,
        id: 0,
    };
}

impl std::fmt::Display for ChannelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.kind, self.id)
    }
}

/// A SPICE password; wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes the password's bytes, without a NUL. An empty one is what a server without ticketing expects.
    pub fn new(password: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(password.into()))
    }

    /// # Errors
    ///
    /// [`LinkError::PasswordTooLong`] beyond [`MAX_PASSWORD_BYTES`].
    pub(crate) fn check(&self) -> Result<(), LinkError> {
        if self.0.len() > MAX_PASSWORD_BYTES {
            return Err(LinkError::PasswordTooLong {
                length: self.0.len(),
            });
        }
        Ok(())
    }
}

impl Default for Password {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why a server and this client did not come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The other side does not speak SPICE, or did not take us for a SPICE client (code 2).
    #[error("this is not a SPICE server")]
    NotSpice,
    /// The server speaks another major version (code 4 or its own header).
    #[error("the server speaks another version of SPICE")]
    VersionMismatch,
    /// The server found our link message wrong (code 3).
    #[error("the server does not understand this client")]
    InvalidData,
    /// The server wants TLS, which this crate does not speak (code 5).
    #[error(
        "this server demands TLS, which is not supported: give it a plain port or a unix socket"
    )]
    NeedsTls,
    /// The server wants a plain connection (code 6).
    #[error("the server demands an unencrypted connection")]
    NeedsPlain,
    /// The password is wrong or missing, or the server has none set (code 7). Never retry by itself.
    #[error("the server refused the password")]
    PermissionDenied,
    /// The password is longer than any server accepts; nothing was sent.
    #[error("the password has {length} bytes, SPICE allows at most 59")]
    PasswordTooLong {
        /// The length given.
        length: usize,
    },
    /// The session is gone (code 8).
    #[error("the server no longer knows this session")]
    BadConnectionId,
    /// The machine has no such channel (code 9).
    #[error("the machine has no such channel")]
    ChannelNotAvailable,
    /// The server reports an error without saying which (code 1).
    #[error("the server reports an error")]
    ServerError,
    /// The server sent an error code that the protocol does not have.
    #[error("the server reports the unknown error {0}")]
    Unknown(u32),
    /// The server offers no ticket authentication.
    #[error("the server does not offer ticket authentication")]
    NoTicket,
    /// The server is too old for the short message header.
    #[error("the server is too old: it does not offer short message headers")]
    NoMiniHeader,
    /// The link reply contradicts itself.
    #[error("the server's link reply is malformed")]
    BadReply,
    /// The server's RSA key could not be used.
    #[error("the server's key cannot be used")]
    BadKey,
    /// The server closed the connection before the handshake was over. A port that wants TLS cannot be told from that.
    #[error("the server closed the connection during the handshake, as a port for TLS does")]
    Closed,
    /// The server did not finish the handshake in time.
    #[error("the server did not answer in time")]
    TimedOut,
}

impl LinkError {
    /// Reads a code of a link reply or a link result.
    fn check(code: u32) -> Result<(), Self> {
        Err(match code {
            0 => return Ok(()),
            1 => Self::ServerError,
            2 => Self::NotSpice,
            3 => Self::InvalidData,
            4 => Self::VersionMismatch,
            5 => Self::NeedsTls,
            6 => Self::NeedsPlain,
            7 => Self::PermissionDenied,
            8 => Self::BadConnectionId,
            9 => Self::ChannelNotAvailable,
            other => Self::Unknown(other),
        })
    }

    /// Whether trying again, unchanged and by itself, may help.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::ServerError | Self::BadConnectionId | Self::Closed | Self::TimedOut
        )
    }
}

impl From<Malformed> for LinkError {
    fn from(_: Malformed) -> Self {
        Self::BadReply
    }
}

/// The channel capabilities the server announced; the first word is all that is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerCapabilities {
    /// Bit n of the common word.
    pub common: u32,
    /// Bit n of the channel's word.
    pub channel: u32,
}

/// Appends the link header and link message of a channel.
pub(crate) fn put_link_message(out: &mut Vec<u8>, connection: u32, channel: ChannelId) {
    let ours = channel.kind.our_capabilities();
    let words = 1 + u32::from(ours.is_some());
    out.put(&MAGIC);
    out.put_u32(MAJOR);
    out.put_u32(MINOR);
    out.put_u32(18 + 4 * words);
    out.put_u32(connection);
    out.put_u8(channel.kind.to_wire());
    out.put_u8(channel.id);
    out.put_u32(1);
    out.put_u32(u32::from(ours.is_some()));
    out.put_u32(18);
    out.put_u32(OUR_COMMON_CAPABILITIES);
    if let Some(ours) = ours {
        out.put_u32(ours);
    }
}

/// What a link reply says.
struct LinkReply<'a> {
    key: &'a [u8],
    capabilities: ServerCapabilities,
}

/// Parses what follows the link header. `reply` has the size that the header announced.
fn parse_reply(reply: &[u8]) -> Result<LinkReply<'_>, LinkError> {
    let mut reader = Reader::new(reply);
    LinkError::check(reader.u32()?)?;
    let key = reader.take(KEY_BYTES)?;
    let common = reader.length()?;
    let channel = reader.length()?;
    let offset = reader.length()?;
    let end = common
        .checked_add(channel)
        .and_then(|words| words.checked_mul(4))
        .and_then(|bytes| bytes.checked_add(offset))
        .ok_or(LinkError::BadReply)?;
    if offset < REPLY_BYTES || end > reply.len() {
        return Err(LinkError::BadReply);
    }
    let first_word = |offset: usize, count: usize| match count {
        0 => Ok(0),
        _ => Reader::at(reply, offset).u32(),
    };
    let capabilities = ServerCapabilities {
        common: first_word(offset, common)?,
        channel: first_word(offset + 4 * common, channel)?,
    };
    if capabilities.common & 1 << MINI_HEADER == 0 {
        return Err(LinkError::NoMiniHeader);
    }
    let auth = 1 << AUTH_SELECTION | 1 << AUTH_SPICE;
    if capabilities.common & auth != auth {
        return Err(LinkError::NoTicket);
    }
    Ok(LinkReply { key, capabilities })
}

/// Appends the authentication mechanism and the encrypted ticket.
fn put_ticket(
    out: &mut Vec<u8>,
    key: &[u8],
    password: &Password,
    random: &mut impl CryptoRngCore,
) -> Result<(), LinkError> {
    password.check()?;
    let key = RsaPublicKey::from_public_key_der(key).map_err(|_| LinkError::BadKey)?;
    // A larger modulus fits in the field too, if its exponent is small; its ticket would not fit the protocol.
    if key.size() != TICKET_BYTES {
        return Err(LinkError::BadKey);
    }
    // Room for the NUL, so that no copy of the password is left behind by growing.
    let mut plain = Zeroizing::new(Vec::with_capacity(password.0.len() + 1));
    plain.put(&password.0);
    plain.put_u8(0);
    let ticket = key
        .encrypt(random, Oaep::new::<sha1::Sha1>(), &plain)
        .map_err(|_| LinkError::BadKey)?;
    out.put_u32(1);
    out.put(&ticket);
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Header,
    Reply,
    Result,
}

/// The handshake of one connection.
#[derive(Debug)]
pub(crate) struct Handshake {
    step: Step,
    /// How many bytes the current step is made of.
    wanted: usize,
    input: Vec<u8>,
    capabilities: ServerCapabilities,
}

impl Handshake {
    /// Starts: the link message goes to `out`.
    pub(crate) fn new(connection: u32, channel: ChannelId, out: &mut Vec<u8>) -> Self {
        put_link_message(out, connection, channel);
        Self {
            step: Step::Header,
            wanted: HEADER_BYTES,
            input: Vec::with_capacity(256),
            capabilities: ServerCapabilities::default(),
        }
    }

    /// Takes what arrived, advances `input` past what it used, and returns the capabilities when the link stands.
    pub(crate) fn receive(
        &mut self,
        input: &mut &[u8],
        password: &Password,
        random: &mut impl CryptoRngCore,
        out: &mut Vec<u8>,
    ) -> Result<Option<ServerCapabilities>, LinkError> {
        loop {
            let missing = self.wanted.saturating_sub(self.input.len());
            let (now, later) = input.split_at(missing.min(input.len()));
            self.input.put(now);
            *input = later;
            if self.input.len() < self.wanted {
                return Ok(None);
            }
            match self.step {
                Step::Header => self.header()?,
                Step::Reply => {
                    let reply = parse_reply(&self.input)?;
                    self.capabilities = reply.capabilities;
                    put_ticket(out, reply.key, password, random)?;
                    self.next(Step::Result, 4);
                }
                Step::Result => {
                    if self.input == MAGIC {
                        // The server's answer to an authentication mechanism that it does not know.
                        return Err(LinkError::NoTicket);
                    }
                    LinkError::check(Reader::new(&self.input).u32()?)?;
                    return Ok(Some(self.capabilities));
                }
            }
        }
    }

    fn header(&mut self) -> Result<(), LinkError> {
        let mut reader = Reader::new(&self.input);
        if reader.take(4)? != MAGIC {
            return Err(LinkError::NotSpice);
        }
        let major = reader.u32()?;
        reader.u32()?;
        let size = reader.length()?;
        // A reply that carries an error may be shorter than a whole one.
        if !(4..=MAX_REPLY_BYTES).contains(&size) {
            return Err(LinkError::BadReply);
        }
        if major != MAJOR {
            return Err(LinkError::VersionMismatch);
        }
        self.next(Step::Reply, size);
        Ok(())
    }

    fn next(&mut self, step: Step, wanted: usize) {
        self.step = step;
        self.wanted = wanted;
        self.input.clear();
    }
}

#[cfg(test)]
mod tests;
