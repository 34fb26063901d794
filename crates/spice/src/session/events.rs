//! What a session says and what it can be told.

use crate::{
    LinkError, Password,
    agent::{
        AgentEvent, FileId,
        clipboard::{ClipboardKind, Selection},
    },
    audio::{PlaybackEvent, RecordEvent},
    cursor::CursorEvent,
    display::DisplayEvent,
    framing::ChannelError,
    inputs::{HeldButtons, Locks, MouseButton, Scancode, Wheel},
    link::ChannelKind,
    main_channel::{MouseMode, MouseModes},
};

/// The most that the clipboard carries, unless options say otherwise: 64 MiB.
pub const DEFAULT_MAX_CLIPBOARD_BYTES: usize = 64 << 20;

/// What a session is to be.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The server's password; empty for a server without.
    pub password: Password,
    /// Open the picture and the pointer's shape from the start; see [`Command::ShowDisplay`].
    pub display: bool,
    /// Open the sound from the guest.
    pub playback: bool,
    /// Open the sound to the guest. The user's consent is the caller's affair.
    pub record: bool,
    /// The most that the clipboard carries in either direction, in bytes.
    pub max_clipboard: usize,
    /// What the session before left behind, as [`Event::HeldButtons`] said; it is released first of all.
    pub held_buttons: HeldButtons,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            password: Password::default(),
            display: true,
            playback: false,
            record: false,
            max_clipboard: DEFAULT_MAX_CLIPBOARD_BYTES,
            held_buttons: HeldButtons::default(),
        }
    }
}

/// What happens in a session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The session stands; its channels open now.
    Ready,
    /// The machine's name, without control characters.
    Name(String),
    /// The machine's UUID in the order of its text; all zero if it has none.
    Uuid([u8; 16]),
    /// The mouse modes changed.
    Mouse(MouseModes),
    /// A channel opened or closed. What the channel showed before it closed is no longer true.
    Channel {
        /// Which.
        kind: ChannelKind,
        /// What it is now.
        state: ChannelState,
    },
    /// The lights of the guest's lock keys, as far as the guest sets them.
    Locks(Locks),
    /// The picture.
    Display(DisplayEvent<'a>),
    /// The pointer.
    Cursor(CursorEvent),
    /// Sound from the guest.
    Playback(PlaybackEvent<'a>),
    /// Sound to the guest.
    Record(RecordEvent),
    /// The guest's agent.
    Agent(AgentEvent),
    /// The server has something to say; for the log, not for an alert.
    Notice {
        /// 0 information, 1 warning, 2 error.
        severity: u32,
        /// Without control characters, at most 1 KiB.
        text: String,
    },
    /// Right before the end: the buttons that the server may still hold down, for the next session's options.
    HeldButtons(HeldButtons),
    /// The session is over. The last event.
    Ended(Ended),
}

/// The state of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelState {
    /// Works.
    Open,
    /// Closed; it is opened again by itself.
    Lost,
    /// Closed as was asked for.
    Closed,
    /// Cannot be had. The session goes on without it.
    Unavailable,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ended {
    /// As was asked for.
    #[error("closed")]
    Closed,
    /// No connection could be made.
    #[error("the server cannot be reached")]
    Unreachable,
    /// The session never came to be.
    #[error("{0}")]
    Refused(LinkError),
    /// All channels closed at the same time: the machine ended, or another client took over. The transport finds out
    /// by trying whether the address still accepts connections.
    #[error("the server closed all channels")]
    AllChannelsLost,
    /// Anything else: try again.
    #[error("{0}")]
    Broken(Broken),
}

/// How a session broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// MAIN closed, others did not.
    #[error("the main channel was lost")]
    MainLost,
    /// The server no longer knows the session.
    #[error("the server no longer knows this session")]
    SessionGone,
    /// The server takes nothing any more.
    #[error("the virtual machine is not responding")]
    WriteStalled,
    /// What came on MAIN cannot be understood.
    #[error("the main channel broke: {0}")]
    Protocol(ChannelError),
}

/// What a session can be told.
#[derive(PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// A key goes down or up. A second press, or a release without a press, is dropped.
    Key {
        /// Which, by position.
        key: Scancode,
        /// Down.
        is_pressed: bool,
    },
    /// The pointer moves by this much, in relative mode; dropped in absolute mode.
    Motion {
        /// To the right.
        dx: i32,
        /// Down.
        dy: i32,
    },
    /// The pointer moves to this pixel of the picture, in absolute mode; dropped in relative mode.
    Position {
        /// Column; clamped to the picture.
        x: u32,
        /// Row; clamped to the picture.
        y: u32,
    },
    /// A mouse button goes down or up.
    Button {
        /// Which.
        button: MouseButton,
        /// Down.
        is_pressed: bool,
    },
    /// The wheel turns by one detent.
    Wheel(Wheel),
    /// All keys and buttons go up.
    ReleaseAll,
    /// The server is to press lock keys until the guest's lights are so.
    SetLocks(Locks),
    /// Ask for a mouse mode, and ask again when the server changes it. Relative is asked for from the start.
    UseMouse(MouseMode),
    /// Open or close the picture and the pointer's shape.
    ShowDisplay(bool),
    /// The host owns the selection and offers these kinds, best first.
    GrabClipboard {
        /// Where.
        selection: Selection,
        /// What can be asked for.
        kinds: Vec<ClipboardKind>,
    },
    /// The host offers nothing any more.
    ReleaseClipboard(Selection),
    /// Ask for what the guest offers.
    RequestClipboard {
        /// Where.
        selection: Selection,
        /// Which of the offered kinds.
        kind: ClipboardKind,
    },
    /// Answer the guest's request; `None` refuses it.
    AnswerClipboard {
        /// Where.
        selection: Selection,
        /// The kind that was asked for.
        kind: ClipboardKind,
        /// The bytes; text as [`crate::agent::clipboard::text_for_guest`] makes it.
        data: Option<Vec<u8>>,
    },
    /// Offer the guest a file.
    OfferFile {
        /// Chosen by the caller.
        id: FileId,
        /// The base name.
        name: String,
        /// The whole size in bytes.
        size: u64,
    },
    /// The next bytes of a file, after the guest said [`crate::agent::FileStatus::Go`]; best 64 KiB or so at a time,
    /// the next after [`AgentEvent::Drained`].
    SendFile {
        /// Which.
        id: FileId,
        /// Some bytes.
        data: Vec<u8>,
    },
    /// Give up a file.
    CancelFile(FileId),
    /// Recorded sound, whole frames, about 10 ms of it.
    Record {
        /// When it was recorded, in milliseconds.
        time_ms: u32,
        /// Samples of the started format.
        samples: Vec<u8>,
    },
    /// Release everything and end the session.
    Close,
}

/// Contents of clipboard, files and microphone, and what the user types, are never printed.
impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key { .. } => "Key",
            Self::Motion { .. } => "Motion",
            Self::Position { .. } => "Position",
            Self::Button { .. } => "Button",
            Self::Wheel(_) => "Wheel",
            Self::ReleaseAll => "ReleaseAll",
            Self::SetLocks(_) => "SetLocks",
            Self::UseMouse(_) => "UseMouse",
            Self::ShowDisplay(_) => "ShowDisplay",
            Self::GrabClipboard { .. } => "GrabClipboard",
            Self::ReleaseClipboard(_) => "ReleaseClipboard",
            Self::RequestClipboard { .. } => "RequestClipboard",
            Self::AnswerClipboard { .. } => "AnswerClipboard",
            Self::OfferFile { .. } => "OfferFile",
            Self::SendFile { .. } => "SendFile",
            Self::CancelFile(_) => "CancelFile",
            Self::Record { .. } => "Record",
            Self::Close => "Close",
        })
    }
}
