//! Which memory the X server still reads: the bookkeeping of the MIT-SHM segments, without the server.

/// Segments in rotation: one is read by the server, one is written, and one absorbs a late answer.
pub(crate) const SEGMENTS: usize = 3;

/// The state of the segments of one presenter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rotation {
    in_use: [bool; SEGMENTS],
}

impl Rotation {
    /// The first segment that the server does not read.
    pub(crate) fn free(&self) -> Option<usize> {
        self.in_use.iter().position(|used| !used)
    }

    /// Notes that the server was asked to read a segment.
    pub(crate) fn sent(&mut self, index: usize) {
        if let Some(used) = self.in_use.get_mut(index) {
            *used = true;
        }
    }

    /// Notes that the server has read a segment.
    pub(crate) fn completed(&mut self, index: usize) {
        if let Some(used) = self.in_use.get_mut(index) {
            *used = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_not_given_out_before_its_completion() {
        let mut rotation = Rotation::default();
        for expected in 0..SEGMENTS {
            assert_eq!(rotation.free(), Some(expected));
            rotation.sent(expected);
        }
        assert_eq!(rotation.free(), None);
        rotation.completed(1);
        assert_eq!(rotation.free(), Some(1));
    }

    #[test]
    fn answers_about_unknown_segments_are_ignored() {
        let mut rotation = Rotation::default();
        rotation.sent(99);
        rotation.completed(99);
        assert_eq!(rotation, Rotation::default());
    }
}
