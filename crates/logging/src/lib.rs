//! The programs' log: one line a message on stderr, in the layout of B7 (options.md 6).
//!
//! ```text
//! 00:00:01.234 [I]  view.rs:42 | client::view | connected
//! ```
//!
//! Used by the binaries alone; libraries only emit `tracing` events. `RUST_LOG` chooses other levels than info.

#![forbid(unsafe_code)]

use std::fmt;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Instant;

use options::Notice;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Sends the log to stderr from now on; a second call changes nothing.
pub fn to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = Lines {
        start: Instant::now(),
        is_coloured: std::io::stderr().is_terminal(),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(lines)
        .finish();
    // It fails only if a log is there already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Logs what was noticed while the options were read.
pub fn notices(notices: &[Notice]) {
    for Notice { level, text } in notices {
        match level {
            options::Level::Info => tracing::info!("{text}"),
            options::Level::Warning => tracing::warn!("{text}"),
            options::Level::Error => tracing::error!("{text}"),
        }
    }
}

struct Lines {
    start: Instant,
    is_coloured: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let (letter, colour) = mark(*metadata.level());
        let ms = self.start.elapsed().as_millis();
        let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
        let (seconds, ms) = (ms / 1000 % 60, ms % 1000);
        let file = metadata
            .file()
            .map(Path::new)
            .and_then(Path::file_name)
            .unwrap_or_default();
        let (on, off) = if self.is_coloured {
            (colour, "\x1b[0m")
        } else {
            ("", "")
        };
        write!(
            writer,
            "{on}{hours:02}:{minutes:02}:{seconds:02}.{ms:03} [{letter}]  "
        )?;
        let (file, line) = (file.to_string_lossy(), metadata.line().unwrap_or(0));
        write!(writer, "{file}:{line} | {} | ", metadata.target())?;
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer, "{off}")
    }
}

/// The letter and the colour of a level.
const fn mark(level: Level) -> (char, &'static str) {
    match level {
        Level::ERROR => ('E', "\x1b[31m"),
        Level::WARN => ('W', "\x1b[33m"),
        Level::INFO => ('I', ""),
        Level::DEBUG => ('D', "\x1b[2m"),
        Level::TRACE => ('T', "\x1b[2m"),
    }
}
