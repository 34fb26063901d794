//! The connection to the virtual machine by SPICE: made, kept and given up on the main thread, run on the crate's own.

mod inbox;
mod life;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use clock::Nanos;
use spice::audio::PlaybackEvent;
use spice::inputs::{HeldButtons, Locks};
use spice::session::ChannelState;
use spice::transport::{Address, Client, Handle, Report};
use spice::{ChannelKind, Command, Event, MouseModes, Password, SessionOptions};

use crate::clipboard::ClipboardHandle;
use crate::config::Settings;
use crate::console::Console;
use crate::sound::{RecordNews, SoundLink};

use inbox::Inbox;
pub use life::{End, Life, Rules, Step};

/// What the main thread is told of a session.
#[derive(Debug)]
pub enum MachineEvent {
    /// The session stands.
    Ready,
    /// The channel for keyboard and pointer opened, or closed.
    Inputs(bool),
    /// The mouse modes changed.
    Mouse(MouseModes),
    /// The guest's lights changed.
    Locks(Locks),
    /// Which machine it is.
    Uuid([u8; 16]),
    /// The channel for the guest's microphone opened, or closed.
    Record(bool),
    /// The guest records, or no longer.
    Recording(RecordNews),
    /// Sound comes in a form that was not asked for, and is not played.
    CompressedSound,
    /// A channel cannot be had; the session goes on without it.
    Unavailable(ChannelKind),
    /// It is over.
    Ended(End),
}

/// Where the parts of a session go that the main thread has nothing to do with.
#[derive(Clone)]
pub struct Outlets {
    /// The picture and the pointer.
    pub console: Console,
    /// What the guest's agent says; `None` if nothing is to be copied.
    pub clipboard: Option<ClipboardHandle>,
    /// What the guest plays and records; `None` without sound.
    pub sound: Option<SoundLink>,
    /// Makes the main thread look.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

/// The connection to one virtual machine.
pub struct Machine {
    address: Address,
    password: Password,
    max_clipboard: usize,
    outlets: Outlets,
    life: Life,
    client: Option<Client>,
    /// What the session in force says; an earlier one has another.
    inbox: Inbox,
    shows_display: bool,
    /// The server gives no picture.
    lacks_display: bool,
    /// Buttons that the last session left down; written by its thread before its end is told.
    held_buttons: Arc<Mutex<HeldButtons>>,
    /// What the console was told last.
    missing: Option<String>,
    /// The user knows that sound comes compressed.
    has_told_compressed: bool,
}

impl Machine {
    /// Takes the settings; the first try is made by [`Self::step`]. `None` if SPICE is off.
    ///
    /// # Errors
    /// If there can be no server at the address, or the file with the password cannot be read.
    pub fn new(settings: &Settings, outlets: Outlets, now: Nanos) -> anyhow::Result<Option<Self>> {
        let spice = &settings.spice;
        if !spice.enable {
            return Ok(None);
        }
        let address = spice
            .address()
            .with_context(|| format!("spice:host={} spice:port={}", spice.host, spice.port))?;
        let password = spice.ticket().with_context(|| {
            let file = spice.password_file.as_deref().unwrap_or("".as_ref());
            format!("reading {}, named by spice:passwordFile", file.display())
        })?;
        if address.is_remote() {
            tracing::warn!(
                "{address} is another machine: what is typed, copied and shown crosses the network unencrypted; \
                 a unix socket and ssh keep it private"
            );
        }
        let rules = Rules {
            wait_for_server: spice.wait_for_server,
            on_vm_exit: settings.app.on_vm_exit,
        };
        Ok(Some(Self {
            address,
            password,
            max_clipboard: spice.clipboard_max_bytes,
            outlets,
            life: Life::new(rules, now),
            client: None,
            inbox: Inbox::default(),
            shows_display: false,
            lacks_display: false,
            held_buttons: Arc::default(),
            missing: None,
            has_told_compressed: false,
        }))
    }

    /// The rules of this connection, and what is known of it.
    pub fn life(&mut self) -> &mut Life {
        &mut self.life
    }

    /// When [`Self::step`] has something to do by itself.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        self.life.deadline()
    }

    /// Gives commands to the session; `None` while there is none.
    #[must_use]
    pub fn handle(&self) -> Option<&Handle> {
        self.client.as_ref().map(Client::handle)
    }

    /// Gives a command if there is a session. Never waits.
    pub fn send(&self, command: Command) {
        if let Some(handle) = self.handle()
            && handle.send(command).is_err()
        {
            // The session ends by itself if the server takes nothing for five seconds.
            tracing::debug!("the virtual machine does not keep up");
        }
    }

    /// Opens or closes the channels of picture and pointer, now and in sessions to come.
    pub fn show_display(&mut self, is_shown: bool) {
        self.shows_display = is_shown;
        self.send(Command::ShowDisplay(is_shown));
    }

    /// Does what is due; returns what the program has to do.
    pub fn step(&mut self, now: Nanos) -> Option<Step> {
        loop {
            let Some(step) = self.life.step(now) else {
                self.say_what_is_missing();
                return None;
            };
            match step {
                Step::Connect => {
                    if let Err(error) = self.connect() {
                        let end = End::Broken(format!("{error:#}"));
                        self.life.ended(end, random(), now);
                    }
                }
                Step::Close => {
                    if let Some(handle) = self.handle() {
                        handle.close();
                    }
                }
                step => return Some(step),
            }
        }
    }

    /// The next event of the session in force that concerns the program.
    pub fn next_event(&mut self, now: Nanos) -> Option<MachineEvent> {
        loop {
            let event = self.inbox.pop()?;
            match &event {
                MachineEvent::Ready => self.life.ready(),
                MachineEvent::Uuid(uuid) => self.life.server_uuid(*uuid),
                MachineEvent::Unavailable(ChannelKind::Inputs) => {
                    self.life.lacks("keyboard and pointer");
                }
                MachineEvent::Unavailable(ChannelKind::Display) => {
                    self.lacks_display = true;
                    self.life.lacks("picture of the virtual machine");
                }
                MachineEvent::CompressedSound => {
                    if !std::mem::replace(&mut self.has_told_compressed, true) {
                        self.life
                            .lacks("sound that can be played: it is compressed");
                    }
                }
                MachineEvent::Ended(end) => {
                    tracing::info!("SPICE: {end}");
                    // Its thread is at its end.
                    self.client = None;
                    if let Some(clipboard) = &self.outlets.clipboard {
                        clipboard.disconnected();
                    }
                    if let Some(sound) = &self.outlets.sound {
                        sound.disconnected();
                    }
                    self.life.ended(end.clone(), random(), now);
                    return Some(event);
                }
                _ => return Some(event),
            }
        }
    }

    /// Releases everything and closes the session; waits half a second at most.
    pub fn close(&mut self) {
        self.client = None;
        if let Some(sound) = &self.outlets.sound {
            sound.disconnected();
        }
    }

    /// Where the machine's picture should be, the user reads why it is not.
    fn say_what_is_missing(&mut self) {
        let missing = if self.life.is_connected() {
            let lacks = "The SPICE server gives no picture of the virtual machine.";
            self.lacks_display.then(|| lacks.to_owned())
        } else if let Some(notice) = self.life.notice() {
            Some(notice.to_owned())
        } else if let Some(trouble) = self.life.trouble() {
            Some(trouble.to_owned())
        } else {
            let address = &self.address;
            Some(format!(
                "Waiting for the virtual machine: SPICE server at {address}"
            ))
        };
        if missing != self.missing {
            self.outlets.console.set_missing(missing.as_deref());
            self.missing = missing;
        }
    }

    fn connect(&mut self) -> anyhow::Result<()> {
        self.client = None;
        self.inbox = Inbox::default();
        self.lacks_display = false;
        let options = SessionOptions {
            password: self.password.clone(),
            display: self.shows_display,
            playback: self.outlets.sound.is_some(),
            record: self.outlets.sound.as_ref().is_some_and(SoundLink::records),
            max_clipboard: self.max_clipboard,
            held_buttons: *self
                .held_buttons
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        };
        tracing::debug!("SPICE: connecting to {}", self.address);
        let (inbox, outlets) = (self.inbox.clone(), self.outlets.clone());
        let mut is_named = false;
        // Whoever hears of the session must have its handle first.
        let beginning = Arc::new(Mutex::new(()));
        let begun = Arc::clone(&beginning);
        let held = beginning.lock();
        let held_buttons = Arc::clone(&self.held_buttons);
        let report = move |report: Report<'_>| {
            drop(begun.lock());
            if let Report::Event(Event::HeldButtons(buttons)) = &report {
                *held_buttons.lock().unwrap_or_else(PoisonError::into_inner) = *buttons;
            }
            if let Report::Event(Event::Name(name)) = &report
                && !std::mem::replace(&mut is_named, true)
            {
                tracing::info!("SPICE: virtual machine \"{name}\"");
            }
            if let Some(event) = distribute(report, &outlets)
                && inbox.push(event)
            {
                (outlets.wake)();
            }
        };
        let client = Client::connect(self.address.clone(), options, report)
            .context("starting the SPICE thread")?;
        if let Some(clipboard) = &self.outlets.clipboard {
            clipboard.connected(client.handle().clone());
        }
        if let Some(sound) = &self.outlets.sound {
            sound.connected(client.handle().clone());
        }
        drop(held);
        self.client = Some(client);
        Ok(())
    }
}

/// Hands picture, pointer, sound and the agent's words to whom they concern; returns what the main thread has to know. Runs on
/// the SPICE thread.
fn distribute(report: Report<'_>, outlets: &Outlets) -> Option<MachineEvent> {
    let event = match report {
        Report::Event(event) => event,
        Report::Finished(outcome) => {
            outlets.console.closed();
            return Some(MachineEvent::Ended(End::from(outcome)));
        }
    };
    outlets.console.event(&event);
    Some(match event {
        Event::Channel { kind, state } => {
            tracing::debug!("SPICE: channel {kind:?}: {state:?}");
            match (kind, state) {
                (kind, ChannelState::Unavailable) => MachineEvent::Unavailable(kind),
                (ChannelKind::Inputs, state) => MachineEvent::Inputs(state == ChannelState::Open),
                (ChannelKind::Record, state) => MachineEvent::Record(state == ChannelState::Open),
                _ => return None,
            }
        }
        Event::Ready => MachineEvent::Ready,
        Event::Mouse(modes) => MachineEvent::Mouse(modes),
        Event::Locks(locks) => MachineEvent::Locks(locks),
        Event::Uuid(uuid) => MachineEvent::Uuid(uuid),
        Event::Agent(event) => {
            if let Some(clipboard) = &outlets.clipboard {
                clipboard.spice(event);
            }
            return None;
        }
        Event::Playback(PlaybackEvent::Compressed) => MachineEvent::CompressedSound,
        Event::Playback(event) => {
            if let Some(sound) = &outlets.sound {
                sound.playback(event);
            }
            return None;
        }
        Event::Record(event) => {
            let sound = outlets.sound.as_ref()?;
            MachineEvent::Recording(sound.record(event)?)
        }
        Event::Notice { severity, text } => {
            tracing::debug!(severity, "SPICE server: {text}");
            return None;
        }
        _ => return None,
    })
}

/// A number for waiting times, which need not be a good one.
fn random() -> u32 {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    nanos.wrapping_mul(2_654_435_769)
}
