//! What `--stats` writes: one JSON object a second, one a line.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clock::{Nanos, Percentiles};
use render::Uploads;
use serde_json::json;

/// One line is written for each second.
const INTERVAL: Nanos = Nanos::from_millis(1000);

/// Counts what happened since the last line.
pub struct Stats {
    file: File,
    next: Nanos,
    last: Nanos,
    frames: u32,
    draws: u32,
    dropped: u32,
    pointer_updates: u32,
    /// From the stamp in the picture to the end of its drawing.
    latency: Percentiles,
    /// From the end of the upload to the end of the drawing.
    draw_time: Percentiles,
    upload_time: Percentiles,
}

impl Stats {
    /// Starts a new file.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path, now: Nanos) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self {
            file,
            next: now + INTERVAL,
            last: now,
            frames: 0,
            draws: 0,
            dropped: 0,
            pointer_updates: 0,
            latency: Percentiles::new(),
            draw_time: Percentiles::new(),
            upload_time: Percentiles::new(),
        })
    }

    /// Counts a frame that was taken over in `upload`.
    pub fn frame(&mut self, upload: Nanos) {
        self.frames += 1;
        self.upload_time.add(upload);
    }

    /// Counts a frame that was given up.
    pub fn dropped(&mut self) {
        self.dropped += 1;
    }

    /// Counts a message of the pointer queue.
    pub fn pointer(&mut self) {
        self.pointer_updates += 1;
    }

    /// Counts a drawing that took `draw`; `stamp` is the time painted in the frame, if it was new.
    pub fn drawn(&mut self, now: Nanos, draw: Nanos, stamp: Option<Nanos>) {
        self.draws += 1;
        self.draw_time.add(draw);
        if let Some(stamp) = stamp {
            self.latency.add(now - stamp);
        }
    }

    /// When the next line is due.
    #[must_use]
    pub fn due(&self) -> Nanos {
        self.next
    }

    /// Writes the line of the past second if it is over; `uploads` is how frames come to the driver, and `sound` what there is of the sound, in
    /// [`crate::sound::figures`].
    pub fn tick(
        &mut self,
        now: Nanos,
        renderer: &str,
        missing: Option<&str>,
        uploads: Option<Uploads>,
        sound: Option<serde_json::Value>,
    ) {
        if now < self.next {
            return;
        }
        let seconds = (now - self.last).as_secs_f64();
        let ms = |times: &Percentiles, percent: f64| {
            times
                .percentile(percent)
                .map(|time| time.as_secs_f64() * 1e3)
        };
        let uploads = uploads.as_ref();
        let line = json!({
            "seconds": seconds,
            "renderer": renderer,
            "missing": missing,
            "frames_per_second": f64::from(self.frames) / seconds,
            "draws_per_second": f64::from(self.draws) / seconds,
            "frames_dropped": self.dropped,
            "pointer_updates": self.pointer_updates,
            "latency_p50_ms": ms(&self.latency, 50.0),
            "latency_p99_ms": ms(&self.latency, 99.0),
            "upload_path": uploads.map(|uploads| uploads.path.name()),
            "not_imported": uploads.and_then(|uploads| uploads.not_imported.as_deref()),
            "frames_imported": uploads.map(|uploads| uploads.imported_frames),
            "bytes_copied": uploads.map(|uploads| uploads.copied_bytes),
            "bytes_checked": uploads.map(|uploads| uploads.checked_bytes),
            "upload_p50_ms": ms(&self.upload_time, 50.0),
            "draw_p50_ms": ms(&self.draw_time, 50.0),
            "draw_p99_ms": ms(&self.draw_time, 99.0),
            "sound": sound,
        });
        if let Err(error) = writeln!(self.file, "{line}") {
            tracing::warn!(%error, "writing the statistics");
        }
        self.last = now;
        // A second that was missed, as in a stopped process, is not made up for.
        self.next = now + INTERVAL;
        (self.frames, self.draws, self.dropped, self.pointer_updates) = (0, 0, 0, 0);
        self.latency.clear();
        self.draw_time.clear();
        self.upload_time.clear();
    }
}
