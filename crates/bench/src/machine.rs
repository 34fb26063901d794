//! What the numbers were measured on.

use clock::Nanos;
use rustix::time::{ClockId, clock_gettime};

/// Processor time that the calling thread has used.
#[must_use]
pub fn thread_cpu() -> Nanos {
    cpu(ClockId::ThreadCPUTime)
}

/// What a clock of processor time shows.
pub(crate) fn cpu(clock: ClockId) -> Nanos {
    let t = clock_gettime(clock);
    Nanos(
        t.tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(t.tv_nsec),
    )
}

/// Processor time that the threads of a process have used which still run.
///
/// # Errors
/// If there is no such process.
pub fn process_cpu(id: u32) -> std::io::Result<Nanos> {
    let mut sum = Nanos::ZERO;
    for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
        // A thread that has just ended does not count.
        let text = std::fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        let first = text.split_whitespace().next();
        sum = sum + Nanos(first.and_then(|n| n.parse().ok()).unwrap_or(0));
    }
    Ok(sum)
}

/// Describes the machine in one line.
#[must_use]
pub fn describe() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {cores} cores, Linux {}",
        model(&cpus).unwrap_or("unknown processor"),
        kernel.trim()
    )
}

/// The load of the last minute.
#[must_use]
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|n| n.parse().ok()).unwrap_or(f64::NAN)
}

/// The name of the first processor in `/proc/cpuinfo`.
fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_among_the_lines() {
        let text = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC\nstepping\t: 1\n";
        assert_eq!(model(text), Some("AMD EPYC"));
        assert_eq!(model("nothing"), None);
    }
}
