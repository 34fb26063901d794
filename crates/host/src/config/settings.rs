//! The options that have an effect, as types.

use std::path::PathBuf;

use ivshmem::Source;
use kvmfr::Version;
use options::Options;
use picture::{PixelFormat, Rotation, Size};
use testcard::{DamageMode, PointerMode};

use super::check;

/// Everything the host was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `app:…`.
    pub app: AppSettings,
    /// `test:…`.
    pub test: TestSettings,
    /// The `--…` flags.
    pub run: RunSettings,
}

/// A capture back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureChoice {
    /// The X server of `DISPLAY`; also what the automatic choice gives.
    Xcb,
    /// The test pattern.
    Test,
}

/// What is captured and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppSettings {
    /// `app:capture`.
    pub capture: CaptureChoice,
    /// `app:throttleFPS`, images a second; 0 is no limit.
    pub throttle_fps: u32,
    /// `app:shmFile`, with device names written in full, for [`Source::parse`].
    pub shm_file: String,
    /// `app:kvmfrVersion`.
    pub kvmfr_version: Version,
}

/// The pixel format of the test pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestFormat {
    /// Always this one.
    Fixed(PixelFormat),
    /// One after the other.
    Cycle,
}

/// The test pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestSettings {
    /// `test:width` and `test:height`.
    pub size: Size,
    /// `test:frameRate`, frames a second, at least 1.
    pub frame_rate: u32,
    /// `test:frameCount`; `None` is endless.
    pub frame_count: Option<u64>,
    /// `test:format`.
    pub format: TestFormat,
    /// `test:damage`.
    pub damage: DamageMode,
    /// `test:stride` in elements; `None` is packed. Never below the width.
    pub stride: Option<u32>,
    /// `test:hdr`.
    pub is_hdr: bool,
    /// `test:rotation`.
    pub rotation: Rotation,
    /// `test:pointer`.
    pub pointer: PointerMode,
    /// `test:damageShare`, percent of the picture; `None` is what the pattern moves by itself.
    pub damage_share: Option<u32>,
    /// `app:kvmfrVersion`: what can be said of the pixels.
    pub version: Version,
}

/// The flags that are not options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSettings {
    /// `--stats`: where to write one JSON object a second.
    pub stats: Option<PathBuf>,
}

impl Settings {
    /// Takes the values out of `options`, which have passed [`Options::check`].
    pub(super) fn new(options: &Options, run: RunSettings) -> Self {
        Self {
            app: app(options),
            test: test(options),
            run,
        }
    }
}

fn app(options: &Options) -> AppSettings {
    let text = |name| options.text(name).unwrap_or_default();
    let memory = text("app:shmFile");
    AppSettings {
        capture: check::capture_from(text("app:capture")).unwrap_or(CaptureChoice::Xcb),
        throttle_fps: number(options, "app:throttleFPS"),
        shm_file: Source::parse(memory)
            .map_or_else(|_| memory.to_owned(), |source| source.to_string()),
        kvmfr_version: version(options),
    }
}

fn version(options: &Options) -> Version {
    check::version_from(options.int("app:kvmfrVersion")).unwrap_or(Version::V20)
}

fn test(options: &Options) -> TestSettings {
    let text = |name| options.text(name).unwrap_or_default();
    let width = number(options, "test:width");
    let frames = options.int("test:frameCount");
    let stride = number(options, "test:stride");
    let share = number(options, "test:damageShare");
    TestSettings {
        size: Size::new(width, number(options, "test:height")),
        frame_rate: number(options, "test:frameRate").max(1),
        frame_count: u64::try_from(frames).ok().filter(|frames| *frames > 0),
        format: format(text("test:format")),
        damage: DamageMode::from_name(text("test:damage")).unwrap_or_default(),
        stride: (stride > 0).then(|| stride.max(width)),
        is_hdr: options.bool("test:hdr"),
        rotation: check::rotation_from(options.int("test:rotation")).unwrap_or_default(),
        pointer: PointerMode::from_name(text("test:pointer")).unwrap_or_default(),
        damage_share: (share > 0).then_some(share),
        version: version(options),
    }
}

/// A number that its validator holds above 0; too large a one ends at the limit of the type.
fn number(options: &Options, name: &str) -> u32 {
    u32::try_from(options.int(name).max(0)).unwrap_or(u32::MAX)
}

fn format(name: &str) -> TestFormat {
    TestFormat::Fixed(match name {
        "rgba" => PixelFormat::Rgba8,
        "bgr32" => PixelFormat::Bgr24Packed,
        "rgb24" => PixelFormat::Rgb24,
        "rgba10" => PixelFormat::Rgba10,
        "rgba16f" => PixelFormat::Rgba16F,
        "cycle" => return TestFormat::Cycle,
        _ => PixelFormat::Bgra8,
    })
}
