use super::*;

fn rgba10(transfer: Transfer, r: u32, g: u32, b: u32) -> [u8; 3] {
    let word = r | g << 10 | b << 20 | 3 << 30;
    let converter = Converter::new(PixelFormat::Rgba10, transfer);
    let [b, g, r] = converter.bgr(&word.to_le_bytes()).unwrap();
    [r, g, b]
}

fn half(transfer: Transfer, value: f64) -> u8 {
    let half = half_from_f64(value).to_le_bytes();
    let pixel = [half[0], half[1], half[0], half[1], half[0], half[1], 0, 0];
    let converter = Converter::new(PixelFormat::Rgba16F, transfer);
    let [b, g, r] = converter.bgr(&pixel).unwrap();
    assert!(b == g && g == r);
    r
}

#[test]
fn eight_bit_formats_are_shown_as_they_are() {
    let convert = |format, pixel: &[u8]| Converter::new(format, Transfer::Srgb).bgr(pixel);
    assert_eq!(convert(PixelFormat::Bgra8, &[1, 2, 3, 0]), Some([1, 2, 3]));
    assert_eq!(convert(PixelFormat::Rgba8, &[1, 2, 3, 0]), Some([3, 2, 1]));
    assert_eq!(
        convert(PixelFormat::Bgr24Packed, &[1, 2, 3]),
        Some([1, 2, 3])
    );
    assert_eq!(convert(PixelFormat::Rgb24, &[1, 2, 3]), Some([3, 2, 1]));
    assert_eq!(convert(PixelFormat::Rgba8, &[1, 2, 3]), None);
}

#[test]
fn ten_bit_srgb_has_the_values_of_the_specification() {
    for (value, byte) in [(0, 0), (100, 25), (512, 128), (1023, 255)] {
        assert_eq!(rgba10(Transfer::Srgb, value, value, value), [byte; 3]);
    }
    assert_eq!(rgba10(Transfer::Srgb, 1023, 512, 0), [255, 128, 0]);
}

#[test]
fn pq_has_the_values_of_the_specification() {
    let expected = [
        (0, 0),
        (128, 10),
        (256, 44),
        (512, 180),
        (593, 254),
        (1023, 255),
    ];
    for (value, byte) in expected {
        assert_eq!(
            rgba10(Transfer::Pq2020, value, value, value),
            [byte; 3],
            "{value}"
        );
    }
    assert_eq!(rgba10(Transfer::Pq2020, 512, 400, 256), [214, 92, 17]);
    assert_eq!(rgba10(Transfer::Pq2020, 512, 0, 0), [226, 0, 0]);
}

#[test]
fn scrgb_has_the_values_of_the_specification() {
    let expected = [
        (0.003_130_8, 4),
        (0.18, 75),
        (0.5, 123),
        (1.0, 168),
        (2.0, 230),
        (4.0, 255),
        (-1.0, 0),
        (f64::NAN, 0),
    ];
    for (value, byte) in expected {
        assert_eq!(half(Transfer::ScRgb, value), byte, "{value}");
    }
}

#[test]
fn linear_half_floats_have_the_values_of_the_specification() {
    let expected = [
        (0.003_130_8, 10),
        (0.18, 118),
        (0.5, 188),
        (1.0, 255),
        (2.0, 255),
        (4.0, 255),
        (-0.5, 0),
        (f64::NAN, 0),
        (f64::INFINITY, 255),
    ];
    for (value, byte) in expected {
        assert_eq!(half(Transfer::Linear, value), byte, "{value}");
    }
}

#[test]
fn every_half_float_survives_a_round_trip() {
    for bits in 0..=u16::MAX {
        let value = half_to_f64(bits);
        if value.is_nan() {
            assert!(half_to_f64(half_from_f64(value)).is_nan());
        } else {
            assert_eq!(half_from_f64(value), bits);
        }
    }
}

#[test]
fn encoding_table_agrees_with_the_formula_everywhere() {
    let table = SrgbBytes::new();
    for step in 0..=1_000_000_u32 {
        let linear = step as f32 / 1_000_000.0;
        let encoded = srgb_encode(f64::from(linear)) * 255.0;
        // Values within float precision of the border may go either way.
        let distance = (encoded - encoded.floor() - 0.5).abs();
        if distance > 1e-4 {
            assert_eq!(table.encode(linear), encoded.round() as u8, "{linear}");
        }
    }
    assert_eq!(table.encode(-1.0), 0);
    assert_eq!(table.encode(50.0), 255);
}

#[test]
fn pq_survives_a_round_trip() {
    for code in 0..1024 {
        let value = f64::from(code) / 1023.0;
        assert!((nits_to_pq(pq_to_nits(value)) - value).abs() < 1e-6);
    }
    assert!((pq_to_nits(1.0) - 10_000.0).abs() < 1e-6);
}
