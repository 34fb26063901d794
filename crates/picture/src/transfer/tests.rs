use super::*;
use crate::geometry::Size;
use proptest::prelude::*;

fn layout(format: PixelFormat, width: u32, height: u32) -> FrameLayout {
    FrameLayout::packed(format, Size::new(width, height))
}

fn damage(rects: &[FrameRect]) -> Damage {
    let mut damage = Damage::NONE;
    rects.iter().for_each(|&r| damage.add(r));
    damage
}

#[test]
fn whole_frame_comes_in_bands_of_at_most_one_mebibyte() {
    let layout = layout(PixelFormat::Bgra8, 1920, 1080);
    let list: Vec<_> = spans(&layout, &Damage::FULL).collect();
    // 1 MiB holds 136 rows of 7680 bytes.
    assert_eq!(list.len(), 8);
    assert!(
        list.iter()
            .all(|s| s.offset_bytes == 0 && s.row_bytes == 7680)
    );
    assert_eq!(list[0].rows, 136);
    assert_eq!(list[7].first_row + list[7].rows, 1080);
    assert_eq!(list[7].wait_bytes(&layout), layout.data_bytes());
    assert_eq!(list[1].start(&layout), 136 * 7680);
}

#[test]
fn padding_is_not_copied() {
    let mut layout = layout(PixelFormat::Rgba16F, 10, 4);
    layout.pitch_bytes = 256;
    let list: Vec<_> = spans(&layout, &Damage::FULL).collect();
    let expected = Span {
        first_row: 0,
        rows: 4,
        offset_bytes: 0,
        row_bytes: 80,
    };
    assert_eq!(list, [expected]);
}

#[test]
fn packed_columns_are_rounded_to_whole_texels() {
    let mut layout = layout(PixelFormat::Bgr24Packed, 30, 10);
    layout.pitch_bytes = 256;
    let columns = |x, width| {
        let list: Vec<_> = spans(&layout, &damage(&[FrameRect::new(x, 2, width, 3)])).collect();
        assert_eq!((list.len(), list[0].first_row, list[0].rows), (1, 2, 3));
        (list[0].offset_bytes, list[0].row_bytes)
    };
    assert_eq!(columns(0, 1), (0, 4));
    assert_eq!(columns(1, 1), (0, 8));
    assert_eq!(columns(5, 3), (12, 12));
    assert_eq!(columns(29, 1), (84, 8));
    // Without padding the last texel ends with the row.
    let layout = self::layout(PixelFormat::Bgr24Packed, 30, 10);
    let list: Vec<_> = spans(&layout, &Damage::FULL).collect();
    assert_eq!(list[0].row_bytes, 90);
}

#[test]
fn missing_rows_are_left_out() {
    let mut layout = layout(PixelFormat::Bgra8, 16, 100);
    layout.rows = 60;
    let rects = [FrameRect::new(0, 50, 4, 40), FrameRect::new(8, 70, 4, 4)];
    let list: Vec<_> = spans(&layout, &damage(&rects)).collect();
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].first_row, list[0].rows), (50, 10));
}

#[test]
fn nothing_damaged_gives_nothing() {
    let layout = layout(PixelFormat::Bgra8, 16, 16);
    assert_eq!(spans(&layout, &Damage::NONE).next(), None);
    let outside = damage(&[FrameRect::new(16, 16, 4, 4)]);
    assert_eq!(spans(&layout, &outside).next(), None);
}

proptest! {
    #[test]
    fn every_damaged_byte_is_listed_and_rows_only_grow_by_bands(
        rects in prop::collection::vec(
            (0_u32..50, 0_u32..50, 1_u32..30, 1_u32..30), 0..20),
        format in prop::sample::select(&PixelFormat::ALL[..]),
        rows in 1_u32..=48,
        is_slow in any::<bool>(),
    ) {
        let mut layout = layout(format, 40, 48);
        // A wide pitch makes bands of few rows.
        layout.pitch_bytes = if is_slow { 200_000 } else { 512 };
        layout.rows = rows;
        let mut damage = Damage::NONE;
        rects.iter().for_each(|&(x, y, w, h)| damage.add(FrameRect::new(x, y, w, h)));
        let mut copied = vec![false; 48 * 512];
        let mut waited = 0;
        let band = (BAND_BYTES / u64::from(layout.pitch_bytes)) as u32;
        for span in spans(&layout, &damage) {
            prop_assert!(span.rows > 0 && span.row_bytes > 0 && span.rows <= band);
            prop_assert!(span.wait_bytes(&layout) <= layout.data_bytes());
            prop_assert!(u64::from(span.first_row) + u64::from(band) >= waited);
            waited = waited.max(u64::from(span.first_row + span.rows));
            for row in span.first_row..span.first_row + span.rows {
                let start = row as usize * 512 + span.offset_bytes as usize;
                copied[start..start + span.row_bytes as usize].fill(true);
            }
        }
        let bytes = format.bytes_per_pixel() as usize;
        for y in 0..rows as usize {
            for x in 0..40 {
                let is_damaged = damage
                    .rects()
                    .iter()
                    .any(|r| r.contains(FrameRect::new(x as u32, y as u32, 1, 1)));
                let pixel = &copied[y * 512 + x * bytes..][..bytes];
                prop_assert!(!is_damaged || pixel.iter().all(|&c| c));
            }
        }
    }
}
