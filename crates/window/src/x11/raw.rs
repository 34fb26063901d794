//! How far a pointer device was pushed, from XInput 2's raw events.

use picture::Size;
use x11rb::protocol::xinput::{DeviceClassData, Fp3232, ValuatorMode, XIDeviceInfo};

use crate::WindowEvent;

/// A number as the protocol has it.
fn number(value: Fp3232) -> f64 {
    f64::from(value.integral) + f64::from(value.frac) / 4_294_967_296.0
}

/// The first two axes, across and down; the others are wheels, pressure and the like.
pub(super) fn axes(mask: &[u32], values: &[Fp3232]) -> [Option<f64>; 2] {
    let first = mask.first().copied().unwrap_or(0);
    // There is a value for each bit that is set, in order.
    let mut values = values.iter().map(|value| number(*value));
    [0, 1].map(|axis| {
        let is_there = first >> axis & 1 != 0;
        is_there.then(|| values.next()).flatten()
    })
}

/// A device that moves the pointer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Source {
    /// The server's number for it.
    pub(super) id: u16,
    /// Pixels per unit of a tablet, a touch screen or the mouse of a virtual machine, which say where they are instead
    /// of how far they went.
    absolute: Option<[f64; 2]>,
    /// Where such a device was.
    last: [Option<f64>; 2],
}

impl Source {
    /// A device on a screen of that size; one that the server says nothing about is a mouse.
    pub(super) fn new(id: u16, info: Option<&XIDeviceInfo>, screen: Size) -> Self {
        let axis = |number: u16, pixels: u32| {
            let classes = info.map_or(&[][..], |info| &info.classes);
            classes.iter().find_map(|class| match &class.data {
                DeviceClassData::Valuator(v) if v.number == number => {
                    (v.mode == ValuatorMode::ABSOLUTE).then(|| scale(v.min, v.max, pixels))
                }
                _ => None,
            })
        };
        let across = axis(0, screen.width);
        let down = axis(1, screen.height);
        Self {
            id,
            absolute: across.zip(down).map(|(across, down)| [across, down]),
            last: [None; 2],
        }
    }

    /// The movement that an event tells of, if any.
    pub(super) fn motion(
        &mut self,
        accelerated: [Option<f64>; 2],
        raw: [Option<f64>; 2],
    ) -> Option<WindowEvent> {
        let (accelerated, raw) = match self.absolute {
            None => (accelerated, raw),
            Some(scale) => {
                let mut way = [None; 2];
                for (axis, way) in way.iter_mut().enumerate() {
                    let (last, scale) = (self.last.get_mut(axis)?, scale.get(axis)?);
                    if let Some(place) = *raw.get(axis)? {
                        *way = last.replace(place).map(|last| (place - last) * scale);
                    }
                }
                (way, way)
            }
        };
        let [dx, dy] = accelerated.map(Option::unwrap_or_default);
        let [raw_dx, raw_dy] = raw.map(Option::unwrap_or_default);
        let is_motion = [dx, dy, raw_dx, raw_dy].iter().any(|d| *d != 0.0);
        is_motion.then_some(WindowEvent::RelativeMotion {
            dx,
            dy,
            raw_dx,
            raw_dy,
        })
    }
}

/// Pixels per unit of an axis; an axis without a range counts in pixels.
fn scale(min: Fp3232, max: Fp3232, pixels: u32) -> f64 {
    let range = number(max) - number(min);
    if range > 0.0 {
        f64::from(pixels) / range
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use x11rb::protocol::xinput::{DeviceClass, DeviceClassDataValuator, DeviceType};

    use super::*;

    const SCREEN: Size = Size::new(1000, 500);

    fn whole(integral: i32) -> Fp3232 {
        Fp3232 { integral, frac: 0 }
    }

    fn motion(dx: f64, dy: f64, raw_dx: f64, raw_dy: f64) -> Option<WindowEvent> {
        Some(WindowEvent::RelativeMotion {
            dx,
            dy,
            raw_dx,
            raw_dy,
        })
    }

    fn tablet() -> XIDeviceInfo {
        let axis = |number, max| DeviceClass {
            len: 11,
            sourceid: 9,
            data: DeviceClassData::Valuator(DeviceClassDataValuator {
                number,
                label: 0,
                min: whole(0),
                max: whole(max),
                value: whole(0),
                resolution: 1,
                mode: ValuatorMode::ABSOLUTE,
            }),
        };
        XIDeviceInfo {
            deviceid: 9,
            type_: DeviceType::SLAVE_POINTER,
            attachment: 2,
            enabled: true,
            name: Vec::new(),
            classes: vec![axis(1, 1000), axis(0, 100)],
        }
    }

    #[test]
    fn values_belong_to_the_bits_that_are_set() {
        let values = [whole(3), whole(-2), whole(15)];
        assert_eq!(axes(&[0b111], &values), [Some(3.0), Some(-2.0)]);
        assert_eq!(axes(&[0b110], &values), [None, Some(3.0)]);
        assert_eq!(axes(&[0b101], &values), [Some(3.0), None]);
        assert_eq!(axes(&[0b100], &values), [None, None]);
        // Nonsense: bits without values, and no bits.
        assert_eq!(axes(&[0b11], &values[..1]), [Some(3.0), None]);
        assert_eq!(axes(&[], &values), [None, None]);
    }

    #[test]
    fn fractions_of_negative_numbers_count_upwards() {
        let value = Fp3232 {
            integral: -2,
            frac: 1 << 30,
        };
        assert_eq!(axes(&[1], &[value]), [Some(-1.75), None]);
    }

    #[test]
    fn a_mouse_tells_how_far_it_went() {
        let mut mouse = Source::new(8, None, SCREEN);
        let told = mouse.motion([Some(6.0), Some(-4.0)], [Some(3.0), Some(-2.0)]);
        assert_eq!(told, motion(6.0, -4.0, 3.0, -2.0));
        let told = mouse.motion([None, Some(1.0)], [None, Some(1.0)]);
        assert_eq!(told, motion(0.0, 1.0, 0.0, 1.0));
        assert_eq!(mouse.motion([None; 2], [None; 2]), None, "a wheel");
    }

    #[test]
    fn a_tablet_tells_where_it_is_and_so_how_far_it_went_since() {
        let mut tablet = Source::new(9, Some(&tablet()), SCREEN);
        let mut at = |x: Option<f64>, y: Option<f64>| tablet.motion([x, y], [x, y]);
        assert_eq!(at(Some(50.0), Some(500.0)), None, "nothing before");
        assert_eq!(at(Some(51.0), Some(498.0)), motion(10.0, -1.0, 10.0, -1.0));
        assert_eq!(at(None, Some(500.0)), motion(0.0, 1.0, 0.0, 1.0));
        assert_eq!(at(Some(50.0), None), motion(-10.0, 0.0, -10.0, 0.0));
    }
}
