//! looking-glass-host.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use host::capture::CaptureError;
use host::config::{self, Environment, Loaded};
use host::service;
use relay::publisher::PublishError;

/// Status after which a service starts the host again: the capture failed (options.md 9).
const CAPTURE_FAILED: u8 = 0x20;
/// Status after which a service starts the host again, but not for ever: the memory has to be opened anew.
const MEMORY_FAILED: u8 = 0x40;

fn main() -> ExitCode {
    logging::to_stderr();
    let arguments = std::env::args_os().skip(1);
    let loaded = match config::load(arguments, &Environment::of_this_process()) {
        Ok(loaded) => loaded,
        Err(outcome) => {
            let status = outcome.report(&mut std::io::stdout(), &mut std::io::stderr());
            return ExitCode::from(status.unwrap_or(config::FAILED));
        }
    };
    tracing::info!("Looking Glass host {}", env!("CARGO_PKG_VERSION"));
    logging::notices(&loaded.notices);
    match run(&loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(status_of(&error))
        }
    }
}

fn status_of(error: &anyhow::Error) -> u8 {
    if error.is::<CaptureError>() {
        CAPTURE_FAILED
    } else if matches!(error.downcast_ref(), Some(PublishError::Faulted)) {
        MEMORY_FAILED
    } else {
        config::FAILED
    }
}

fn run(loaded: &Loaded) -> anyhow::Result<()> {
    ivshmem::sigbus::install_handler()?;
    let is_over = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The second signal kills: the first found the program too busy to end.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&is_over))?;
        signal_hook::flag::register(signal, Arc::clone(&is_over))?;
    }
    service::run(&loaded.settings, &is_over)
}
