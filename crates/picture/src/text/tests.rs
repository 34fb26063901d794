use super::*;

const BUFFER: Size = Size::new(640, 360);

fn alpha_and_luma(bitmap: &TextBitmap, x: u32, y: u32) -> (u8, u8) {
    let start = ((y * bitmap.rect.width + x) * 4) as usize;
    (bitmap.pixels[start + 3], bitmap.pixels[start + 1])
}

/// Counts the pixels in rows `from..to` that are clearly ink.
fn ink(bitmap: &TextBitmap, from: u32, to: u32) -> usize {
    (from..to)
        .flat_map(|y| (0..bitmap.rect.width).map(move |x| (x, y)))
        .filter(|&(x, y)| alpha_and_luma(bitmap, x, y).1 > 0x80)
        .count()
}

#[test]
fn message_stands_in_the_middle_on_a_panel() {
    let bitmap = StatusText::new(["Waiting for the host"]).rasterise(BUFFER);
    let rect = bitmap.rect;
    assert_eq!(bitmap.pixels.len() as u64, rect.area() * 4);
    assert!((rect.x * 2 + rect.width as i32 - 640).abs() <= 1);
    assert!((rect.y * 2 + rect.height as i32 - 360).abs() <= 1);
    assert_eq!(alpha_and_luma(&bitmap, 0, 0), (PANEL[3], PANEL[1]));
    assert!(ink(&bitmap, 0, rect.height) > 100);
    // Nothing but panel above the letters.
    assert_eq!(ink(&bitmap, 0, 10), 0);
}

#[test]
fn message_at_the_bottom_is_lower_and_still_inside() {
    let centre = StatusText::new(["a"]).rasterise(BUFFER).rect;
    let bottom = StatusText::new(["a"])
        .at(TextPlace::Bottom)
        .rasterise(BUFFER)
        .rect;
    assert!(bottom.y > centre.y);
    assert!(bottom.bottom() < 360);
}

#[test]
fn twice_the_height_gives_a_panel_about_twice_as_large() {
    let small = StatusText::new(["hello"]).with_height(16.0);
    let large = StatusText::new(["hello"]).with_height(32.0);
    let (small, large) = (small.rasterise(BUFFER).rect, large.rasterise(BUFFER).rect);
    assert!(large.width.abs_diff(2 * small.width) <= 4);
    assert!(large.height.abs_diff(2 * small.height) <= 4);
}

#[test]
fn long_lines_are_wrapped_between_words() {
    let lines = [
        "the quick brown fox".to_owned(),
        String::new(),
        "x".repeat(12),
    ];
    assert_eq!(
        wrap(&lines, 0, 9, 10).0,
        ["the quick", "brown fox", "", "xxxxxxxxx", "xxx"]
    );
    assert_eq!(wrap(&lines, 0, 9, 2).0, ["the quick", "brown fox"]);
    assert!(wrap(&lines, 0, 0, 2).0.is_empty());
}

#[test]
fn rows_of_a_wrapped_block_belong_to_it() {
    let lines = ["one two".to_owned(), "three".to_owned(), "four".to_owned()];
    let rows = |block, rows| wrap(&lines, block, 5, rows).1;
    assert_eq!(rows(0, 10), 0);
    assert_eq!(rows(1, 10), 2);
    assert_eq!(rows(3, 10), 4);
    assert_eq!(rows(9, 10), 4);
    assert_eq!(rows(2, 1), 1);
}

#[test]
fn lines_of_a_block_begin_in_one_column() {
    // The first column of pixels with ink in the upper and in the lower half.
    let starts = |text: &StatusText| {
        let bitmap = text.rasterise(BUFFER);
        let (width, height) = (bitmap.rect.width, bitmap.rect.height);
        [0..height / 2, height / 2..height].map(|rows| {
            let is_ink = |x, y| alpha_and_luma(&bitmap, x, y).1 > 0x80;
            (0..width).find(|&x| rows.clone().any(|y| is_ink(x, y)))
        })
    };
    let text = StatusText::new(["HHHHHHHH", "HH"]);
    let [long, short] = starts(&text);
    assert!(long.is_some() && short > long.map(|x| x + 20));
    let [long, short] = starts(&text.clone().with_block(2));
    assert_eq!(long, short);
    // Only the first line: the other one is centred as ever.
    assert_eq!(starts(&text.clone().with_block(1)), starts(&text));
}

#[test]
fn control_characters_are_replaced() {
    assert_eq!(
        wrap(&["a\u{1b}[2J\tb".to_owned()], 0, 80, 4).0,
        ["a\u{fffd}[2J b"]
    );
}

#[test]
fn endless_text_is_bounded() {
    let text = StatusText::new((0..1000).map(|_| "word ".repeat(1000)));
    let bitmap = text.rasterise(BUFFER);
    assert!(bitmap.rect.width <= 640 && bitmap.rect.height <= 360);
}

#[test]
fn empty_message_or_tiny_buffer_gives_nothing() {
    assert!(StatusText::new([""; 3]).rasterise(BUFFER).rect.is_empty());
    let none: [&str; 0] = [];
    assert!(StatusText::new(none).rasterise(BUFFER).rect.is_empty());
    assert!(
        StatusText::new(["hello"])
            .rasterise(Size::new(8, 8))
            .rect
            .is_empty()
    );
    assert!(
        StatusText::new(["hello"])
            .rasterise(Size::default())
            .rect
            .is_empty()
    );
}

#[test]
fn cache_draws_only_what_changed() {
    let (one, two) = (StatusText::new(["one"]), StatusText::new(["two"]));
    let mut cache = TextCache::default();
    assert!(!cache.update(None, BUFFER));
    assert!(cache.update(Some(&one), BUFFER));
    assert!(!cache.update(Some(&one.clone()), BUFFER));
    assert!(cache.update(Some(&two), BUFFER));
    assert!(cache.update(Some(&two), Size::new(320, 200)));
    assert!(cache.update(None, BUFFER));
    assert!(cache.bitmap().rect.is_empty());
}
