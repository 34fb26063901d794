//! What `--stats` writes: one JSON object a second, one a line.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clock::{Clock as _, MonotonicClock, Nanos, Percentiles};
use picture::Damage;
use relay::publisher::{PublishError, Published};
use serde_json::json;

const INTERVAL: Nanos = Nanos::from_millis(1000);

/// Counts what happened since the last line.
pub(crate) struct Stats {
    file: File,
    last: Nanos,
    frames: u32,
    full_frames: u32,
    dropped: u32,
    bytes: u64,
    publish_time: Percentiles,
}

impl Stats {
    /// Starts a new file.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self {
            file,
            last: MonotonicClock.now(),
            frames: 0,
            full_frames: 0,
            dropped: 0,
            bytes: 0,
            publish_time: Percentiles::new(),
        })
    }

    /// Counts an image and what became of it.
    pub(crate) fn frame(
        &mut self,
        damage: &Damage,
        took: Nanos,
        published: &Result<Published, PublishError>,
    ) {
        match published {
            Ok(frame) => {
                self.frames += 1;
                self.full_frames += u32::from(damage.is_full());
                self.bytes += frame.bytes as u64;
                self.publish_time.add(took);
            }
            Err(_) => self.dropped += 1,
        }
    }

    /// Writes the line of the past second if it is over.
    pub(crate) fn tick(&mut self) {
        let now = MonotonicClock.now();
        if now - self.last < INTERVAL {
            return;
        }
        let seconds = (now - self.last).as_secs_f64();
        let ms = |percent| {
            self.publish_time
                .percentile(percent)
                .map(|t| t.as_secs_f64() * 1e3)
        };
        let line = json!({
            "seconds": seconds,
            "frames_per_second": f64::from(self.frames) / seconds,
            "full_frames": self.full_frames,
            "frames_dropped": self.dropped,
            "mib_per_second": self.bytes as f64 / seconds / f64::from(1 << 20),
            "publish_p50_ms": ms(50.0),
            "publish_p99_ms": ms(99.0),
        });
        if let Err(error) = writeln!(self.file, "{line}") {
            tracing::warn!(%error, "writing the statistics");
        }
        self.last = now;
        (self.frames, self.full_frames, self.dropped, self.bytes) = (0, 0, 0, 0);
        self.publish_time.clear();
    }
}
