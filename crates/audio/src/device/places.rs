//! Where the loudspeakers of a stream are, the same for all servers.

/// A loudspeaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The only one.
    Mono,
    FrontLeft,
    FrontRight,
    FrontCenter,
    /// The low-frequency effects.
    Lfe,
    RearLeft,
    RearRight,
    RearCenter,
    SideLeft,
    SideRight,
}

/// The loudspeakers of so many channels, in the order of the channels; those of eight for more.
///
/// In the order of the bits of WAVE_FORMAT_EXTENSIBLE's channel mask, lowest first, as Windows has it: stereo, 3.0, quad,
/// 5.0, 5.1, 6.1 and 7.1.
pub(super) const fn places(channels: usize) -> &'static [Place] {
    use Place::{
        FrontCenter, FrontLeft, FrontRight, Lfe, Mono, RearCenter, RearLeft, RearRight, SideLeft,
        SideRight,
    };
    match channels {
        1 => &[Mono],
        2 => &[FrontLeft, FrontRight],
        3 => &[FrontLeft, FrontRight, FrontCenter],
        4 => &[FrontLeft, FrontRight, RearLeft, RearRight],
        5 => &[FrontLeft, FrontRight, FrontCenter, RearLeft, RearRight],
        6 => &[FrontLeft, FrontRight, FrontCenter, Lfe, RearLeft, RearRight],
        7 => &[
            FrontLeft,
            FrontRight,
            FrontCenter,
            Lfe,
            RearCenter,
            SideLeft,
            SideRight,
        ],
        _ => &[
            FrontLeft,
            FrontRight,
            FrontCenter,
            Lfe,
            RearLeft,
            RearRight,
            SideLeft,
            SideRight,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bit in WAVE_FORMAT_EXTENSIBLE's channel mask.
    fn bit(place: Place) -> u32 {
        match place {
            Place::Mono | Place::FrontCenter => 2,
            Place::FrontLeft => 0,
            Place::FrontRight => 1,
            Place::Lfe => 3,
            Place::RearLeft => 4,
            Place::RearRight => 5,
            Place::RearCenter => 8,
            Place::SideLeft => 9,
            Place::SideRight => 10,
        }
    }

    #[test]
    fn every_number_of_channels_has_its_places_in_the_order_of_windows() {
        for channels in 1..=8 {
            let places = places(channels);
            assert_eq!(places.len(), channels);
            assert!(places.is_sorted_by(|a, b| bit(*a) < bit(*b)), "{places:?}");
        }
    }
}
