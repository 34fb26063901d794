//! The options that have an effect, as types.

use std::path::PathBuf;
use std::time::Duration;

use clock::Nanos;
use ivshmem::Source;
use options::Options;
use picture::{BufferPoint, Rotation, ScaleFilter, Size, ViewOptions};

use super::sound::SoundOptions;
use super::spice::SpiceSettings;
use super::{check, keys};
use crate::input;

/// The longest poll interval that makes sense.
const LONGEST_POLL_US: i64 = 1_000_000;

/// The longest wait for the list of key binds that makes sense.
const LONGEST_DELAY_MS: i64 = 60_000;

/// Everything the client was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `app:…`.
    pub app: AppSettings,
    /// `win:…`.
    pub win: WinSettings,
    /// `egl:…`.
    pub egl: EglSettings,
    /// `input:…`.
    pub input: InputSettings,
    /// `spice:…` and `clipboard:…`.
    pub spice: SpiceSettings,
    /// `audio:…`, `pipewire:…` and `spice:audio`.
    pub sound: SoundOptions,
    /// The `--…` flags.
    pub run: RunSettings,
}

/// Which renderer the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renderer {
    /// EGL, and software if that does not work.
    Auto,
    /// EGL or nothing.
    Egl,
    /// Software.
    Software,
}

/// Where picture and events come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Shared memory, and SPICE beside it.
    Lgmp,
    /// SPICE alone.
    Spice,
}

/// What the client does when the virtual machine has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnVmExit {
    /// Ends too.
    Quit,
    /// Waits for the next one.
    Wait,
}

/// Where the picture comes from and how it is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct AppSettings {
    /// `app:renderer`.
    pub renderer: Renderer,
    /// `app:shmFile`, with device names written in full, for [`Source::parse`].
    pub shm_file: String,
    /// `app:cursorPollInterval`.
    pub cursor_poll: Duration,
    /// `app:framePollInterval` if the user set it.
    pub frame_poll: Option<Duration>,
    /// `app:allowDMA`.
    pub allow_dma: bool,
    /// `app:transport`.
    pub transport: Transport,
    /// `app:onVmExit`.
    pub on_vm_exit: OnVmExit,
}

/// When screen blanking is held off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screensaver {
    /// Never.
    Allowed,
    /// As long as the client runs (`win:noScreensaver`).
    HeldOff,
    /// While a guest program asks for it (`win:autoScreensaver`).
    OnRequest,
}

/// The window.
#[derive(Clone, Debug, PartialEq)]
pub struct WinSettings {
    /// `win:title`.
    pub title: String,
    /// `win:appId`.
    pub app_id: String,
    /// `win:position`; `None` is the centre.
    pub position: Option<BufferPoint>,
    /// `win:size`, in the window system's logical units.
    pub size: Size,
    /// `win:autoResize`.
    pub auto_resize: bool,
    /// `win:allowResize`.
    pub allow_resize: bool,
    /// `win:keepAspect`.
    pub keep_aspect: bool,
    /// `win:dontUpscale`.
    pub dont_upscale: bool,
    /// `win:borderless`.
    pub borderless: bool,
    /// `win:fullScreen`.
    pub full_screen: bool,
    /// `win:maximize`.
    pub maximize: bool,
    /// `win:noScreensaver` and `win:autoScreensaver`.
    pub screensaver: Screensaver,
    /// `win:alerts`.
    pub alerts: bool,
    /// `win:quickSplash`.
    pub quick_splash: bool,
    /// `win:rotate`.
    pub rotate: Rotation,
}

/// The GLES renderer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EglSettings {
    /// `egl:vsync`.
    pub vsync: bool,
    /// `egl:doubleBuffer`.
    pub double_buffer: bool,
    /// `egl:scale`.
    pub scale: ScaleFilter,
    /// `egl:debug`.
    pub debug: bool,
    /// `egl:noBufferAge`.
    pub no_buffer_age: bool,
    /// `egl:noSwapDamage`.
    pub no_swap_damage: bool,
}

/// Keyboard and pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSettings {
    /// What concerns the input model, of `input:…` and `spice:…`.
    pub model: input::Preferences,
    /// `input:mouseRedraw`, or `win:jitRender` which needs it.
    pub mouse_redraw: bool,
}

/// The flags that are not options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSettings {
    /// `--headless`: no window, the software renderer alone.
    pub headless: bool,
    /// `--screenshot`: write one picture and end.
    pub screenshot: Option<Screenshot>,
    /// `--stats`: where to write one JSON object a second.
    pub stats: Option<PathBuf>,
}

/// What `--screenshot` and `--timeout` say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screenshot {
    /// The PNG file to write.
    pub file: PathBuf,
    /// When to give up waiting for the first complete frame.
    pub timeout: Duration,
}

impl Settings {
    /// Takes the values out of `options`, which have passed [`Options::check`].
    pub(crate) fn new(options: &Options, run: RunSettings) -> Self {
        Self {
            app: app(options),
            win: win(options),
            egl: egl(options),
            input: input(options),
            spice: SpiceSettings::new(options),
            sound: SoundOptions::new(options),
            run,
        }
    }

    /// How the picture lies in the window.
    #[must_use]
    pub const fn view(&self) -> ViewOptions {
        ViewOptions {
            keep_aspect: self.win.keep_aspect,
            dont_upscale: self.win.dont_upscale,
            rotation: self.win.rotate,
            filter: self.egl.scale,
        }
    }
}

fn app(options: &Options) -> AppSettings {
    let interval = |name| {
        let us = options.int(name).clamp(1, LONGEST_POLL_US);
        Duration::from_micros(us.unsigned_abs())
    };
    let frame_poll = "app:framePollInterval";
    let memory = options.text("app:shmFile").unwrap_or_default();
    AppSettings {
        renderer: match options.text("app:renderer") {
            Some("software") => Renderer::Software,
            Some("EGL" | "OpenGL") => Renderer::Egl,
            _ => Renderer::Auto,
        },
        shm_file: Source::parse(memory)
            .map_or_else(|_| memory.to_owned(), |source| source.to_string()),
        cursor_poll: interval("app:cursorPollInterval"),
        frame_poll: options.is_set(frame_poll).then(|| interval(frame_poll)),
        allow_dma: options.bool("app:allowDMA"),
        transport: match options.text("app:transport") {
            Some("spice") => Transport::Spice,
            _ => Transport::Lgmp,
        },
        on_vm_exit: match options.text("app:onVmExit") {
            Some("wait") => OnVmExit::Wait,
            _ => OnVmExit::Quit,
        },
    }
}

fn win(options: &Options) -> WinSettings {
    let text = |name| options.text(name).unwrap_or_default();
    let size = check::parse_size(text("win:size")).map(|(size, _)| size);
    let position = check::parse_position(text("win:position")).and_then(|(point, _)| point);
    let screensaver = if options.bool("win:noScreensaver") {
        Screensaver::HeldOff
    } else if options.bool("win:autoScreensaver") {
        Screensaver::OnRequest
    } else {
        Screensaver::Allowed
    };
    WinSettings {
        title: text("win:title").to_owned(),
        app_id: text("win:appId").to_owned(),
        position,
        size: size.unwrap_or(Size::new(1024, 768)),
        auto_resize: options.bool("win:autoResize"),
        allow_resize: options.bool("win:allowResize"),
        keep_aspect: options.bool("win:keepAspect"),
        dont_upscale: options.bool("win:dontUpscale"),
        borderless: options.bool("win:borderless"),
        full_screen: options.bool("win:fullScreen"),
        maximize: options.bool("win:maximize"),
        screensaver,
        alerts: options.bool("win:alerts"),
        quick_splash: options.bool("win:quickSplash"),
        rotate: check::rotation_from(options.int("win:rotate")).unwrap_or_default(),
    }
}

fn egl(options: &Options) -> EglSettings {
    EglSettings {
        vsync: options.bool("egl:vsync"),
        double_buffer: options.bool("egl:doubleBuffer"),
        scale: check::scale_from(options.int("egl:scale")).unwrap_or_default(),
        debug: options.bool("egl:debug"),
        no_buffer_age: options.bool("egl:noBufferAge"),
        no_swap_damage: options.bool("egl:noSwapDamage"),
    }
}

fn input(options: &Options) -> InputSettings {
    let escape_key = options.text("input:escapeKey").and_then(keys::code);
    // Without SPICE its options act as off (section 4).
    let with_spice = |name| options.bool("spice:enable") && options.bool(name);
    let model = input::Preferences {
        to_guest: with_spice("spice:input"),
        escape_key: escape_key.unwrap_or(keys::SCROLL_LOCK),
        help_delay: Nanos::from_millis(
            options
                .int("input:helpMenuDelay")
                .clamp(0, LONGEST_DELAY_MS),
        ),
        ignore_windows_keys: options.bool("input:ignoreWindowsKeys"),
        release_on_focus_loss: options.bool("input:releaseKeysOnFocusLoss"),
        capture_only: options.bool("input:captureOnly"),
        capture_on_focus: options.bool("input:captureOnFocus"),
        capture_on_start: with_spice("spice:captureOnStart"),
        grab_keyboard: options.bool("input:grabKeyboard"),
        grab_keyboard_on_focus: options.bool("input:grabKeyboardOnFocus"),
        hide_cursor: options.bool("input:hideCursor"),
        always_show_cursor: with_spice("spice:alwaysShowCursor"),
        scale_cursor: with_spice("spice:scaleCursor"),
        sensitivity: options.int("input:mouseSens").clamp(-9, 9) as i32,
        smoothing: options.bool("input:mouseSmoothing"),
        raw: options.bool("input:rawMouse"),
    };
    InputSettings {
        model,
        mouse_redraw: options.bool("input:mouseRedraw") || options.bool("win:jitRender"),
    }
}
