//! looking-glass-client.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use client::config::{self, Environment, Loaded};
use client::{app, unattended};

/// Status of any failed start or lost connection, as existing users' scripts know it (options.md 5).
const FAILED: u8 = 255;
/// Status of a screenshot that could not be taken (options.md 11).
const NO_SCREENSHOT: u8 = 1;

fn main() -> ExitCode {
    logging::to_stderr();
    let arguments = std::env::args_os().skip(1);
    let loaded = match config::load(arguments, &Environment::of_this_process()) {
        Ok(loaded) => loaded,
        Err(outcome) => {
            let status = outcome.report(&mut std::io::stdout(), &mut std::io::stderr());
            return ExitCode::from(status.unwrap_or(FAILED));
        }
    };
    tracing::info!("Looking Glass client {}", env!("CARGO_PKG_VERSION"));
    logging::notices(&loaded.notices);
    match run(&loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            let is_screenshot = loaded.settings.run.screenshot.is_some();
            ExitCode::from(if is_screenshot { NO_SCREENSHOT } else { FAILED })
        }
    }
}

fn run(loaded: &Loaded) -> anyhow::Result<()> {
    ivshmem::sigbus::install_handler()?;
    let is_over = Arc::new(AtomicBool::new(false));
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        // The second signal kills: the first found the program too busy to end.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&is_over))?;
        signal_hook::flag::register(signal, Arc::clone(&is_over))?;
    }
    let run = &loaded.settings.run;
    if run.headless || run.screenshot.is_some() {
        unattended::run(&loaded.settings, &is_over)
    } else {
        app::run(&loaded.settings, &is_over)
    }
}
