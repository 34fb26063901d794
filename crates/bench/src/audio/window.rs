//! The mean of the ratio over every 120 s.

use std::collections::VecDeque;

/// Whole seconds of a window.
const SECONDS: usize = 120;

/// One second: where it began, input frames, output frames.
#[derive(Clone, Copy, Debug)]
struct Second {
    began_ns: f64,
    input: f64,
    output: f64,
}

/// A window that slides by seconds over undisturbed time.
#[derive(Clone, Debug, Default)]
pub struct RatioWindow {
    seconds: VecDeque<Second>,
    input: f64,
    output: f64,
}

impl RatioWindow {
    /// Forgets everything: only undisturbed time counts.
    pub fn clear(&mut self) {
        self.seconds.clear();
        self.input = 0.0;
        self.output = 0.0;
    }

    /// Adds a packet; gives the mean ratio whenever another second is complete and 120 of them are there.
    pub fn add(&mut self, now_ns: f64, frames: f64, ratio: f64) -> Option<f64> {
        let is_new = self
            .seconds
            .back()
            .is_none_or(|second| now_ns >= second.began_ns + 1e9);
        let mut mean = None;
        if is_new {
            if self.seconds.len() == SECONDS {
                mean = Some(self.output / self.input);
                // Sums that lose what they gained would drift over two days; a second's sums are exact enough to add.
                self.seconds.pop_front();
                self.input = self.seconds.iter().map(|s| s.input).sum();
                self.output = self.seconds.iter().map(|s| s.output).sum();
            }
            self.seconds.push_back(Second {
                began_ns: now_ns,
                input: 0.0,
                output: 0.0,
            });
        }
        if let Some(second) = self.seconds.back_mut() {
            second.input += frames;
            second.output += frames * ratio;
        }
        self.input += frames;
        self.output += frames * ratio;
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_window_has_a_mean_and_it_slides() {
        let mut window = RatioWindow::default();
        let mut means = Vec::new();
        for packet in 0..30_000 {
            let ratio = if packet < 18_000 { 1.0 } else { 1.001 };
            means.extend(window.add(f64::from(packet) * 1e7, 480.0, ratio));
        }
        assert_eq!(means.len(), 180);
        assert!((means[0] - 1.0).abs() < 1e-12);
        assert!((means[120] - 1.000_5).abs() < 1e-5);
        assert!((means[179] - 1.001).abs() < 1e-5);
        window.clear();
        assert_eq!(window.add(1e12, 480.0, 1.0), None);
    }
}
