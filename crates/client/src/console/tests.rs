//! The console, fed by a real SPICE session that is fed by hand-made messages.

pub(crate) mod server;

use picture::{FrameRect, GuestPoint, PointerKind, Size};

use super::*;
use crate::renderer::{Renderer as _, SoftwareView};
use server::{Server, argb};

/// The pixels that there are, taken from the memory.
fn pixels(console: &Console) -> Vec<[u8; 4]> {
    let serial = console.look().surface.unwrap().serial;
    let update = console.take_update(serial, true).unwrap();
    let mut bytes = vec![0; update.pixels().len()];
    update.pixels().copy_to(0, &mut bytes).unwrap();
    bytes.as_chunks::<4>().0.to_vec()
}

fn console() -> (Console, Server) {
    let console = Console::new(Waker::new().unwrap());
    let server = Server::new(console.clone());
    (console, server)
}

#[test]
fn the_start_of_a_channel_gives_a_whole_marked_picture() {
    let (console, mut server) = console();
    assert_eq!(console.look().surface, None);
    server.create(4, 2);
    let black = console.look().surface.unwrap();
    assert!(!black.is_marked && !black.is_covered);
    server.draw(0, 0, 4, 2, &[argb(1); 8]);
    server.mark();
    let surface = console.look().surface.unwrap();
    assert!(surface.is_marked && surface.is_covered);
    assert_eq!(surface.serial, black.serial);
    let update = console.take_update(surface.serial, true).unwrap();
    assert_eq!(update.layout.frame, Size::new(4, 2));
    assert!(update.damage.is_full());
    assert_eq!(pixels(&console), [[1, 1, 1, 0]; 8]);
}

#[test]
fn damage_is_collected_until_it_is_taken() {
    let (console, mut server) = console();
    server.create(64, 64);
    let serial = console.look().surface.unwrap().serial;
    server.draw(1, 2, 2, 1, &[argb(9); 2]);
    server.fill(40, 50, 3, 4, 0x0012_3456);
    assert!(console.look().has_damage);
    let update = console.take_update(serial, false).unwrap();
    let rects = [FrameRect::new(1, 2, 2, 1), FrameRect::new(40, 50, 3, 4)];
    assert_eq!(update.damage.rects(), rects);
    assert!(!console.look().has_damage);
    assert!(console.take_update(serial, false).is_none());
    let all = console.take_update(serial, true).unwrap();
    assert_eq!(all.damage.rects(), rects, "everything but the black rest");
    assert_eq!(pixels(&console)[50 * 64 + 40], [0x56, 0x34, 0x12, 0]);
}

#[test]
fn the_bell_rings_once_until_the_view_looks() {
    let (console, mut server) = console();
    server.create(64, 64);
    let waker = console.waker().clone();
    let serial = console.look().surface.unwrap().serial;
    waker.take();
    server.draw(0, 0, 1, 1, &[argb(1)]);
    assert!(waker.take());
    server.draw(1, 0, 1, 1, &[argb(1)]);
    assert!(!waker.take(), "the view was told and has not looked");
    assert!(console.look().has_damage);
    server.draw(2, 0, 1, 1, &[argb(1)]);
    assert!(!waker.take(), "the view knows that there is damage");
    assert!(console.take_update(serial, false).is_some());
    server.draw(3, 0, 1, 1, &[argb(1)]);
    assert!(waker.take());
}

#[test]
fn copies_may_overlap_in_every_direction() {
    let size = 16_i32;
    let number = |x: i32, y: i32| argb(u8::try_from(y * size + x).unwrap());
    let all: Vec<u32> = (0..size * size)
        .map(|i| number(i % size, i / size))
        .collect();
    for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1), (2, 1), (-1, -2), (1, -1)] {
        let (console, mut server) = console();
        server.create(16, 16);
        server.draw(0, 0, 16, 16, &all);
        server.copy(4, 4, 4 + dx, 4 + dy, 8, 8);
        let got = pixels(&console);
        for y in 0..size {
            for x in 0..size {
                let is_moved = (4..12).contains(&(x - dx)) && (4..12).contains(&(y - dy));
                let from = if is_moved { (x - dx, y - dy) } else { (x, y) };
                let want = number(from.0, from.1).to_le_bytes();
                let at = usize::try_from(y * size + x).unwrap();
                assert_eq!(got[at][..3], want[..3], "by {dx},{dy} at {x},{y}");
            }
        }
    }
}

#[test]
fn a_new_surface_is_another_picture_even_of_the_same_size() {
    let (console, mut server) = console();
    server.create(8, 8);
    server.fill(0, 0, 8, 8, 0x00ff_ffff);
    server.mark();
    let old = console.look().surface.unwrap();
    server.destroy();
    assert_eq!(console.look().surface, None);
    assert!(console.take_update(old.serial, true).is_none());
    server.create(8, 8);
    let new = console.look().surface.unwrap();
    assert_ne!(new.serial, old.serial);
    assert!(!new.is_marked && !new.is_covered);
    assert!(console.take_update(old.serial, true).is_none());
    assert_eq!(pixels(&console), [[0; 4]; 64]);
}

#[test]
fn columns_that_together_cover_the_screen_make_it_covered() {
    let (console, mut server) = console();
    server.create(80, 16);
    server.mark();
    for (column, width) in [(0, 32), (64, 16), (64, 16), (0, 32), (32, 32)] {
        assert!(!console.look().surface.unwrap().is_covered);
        server.fill(column, 0, width, 16, 1);
    }
    assert!(console.look().surface.unwrap().is_covered);
}

#[test]
fn a_huge_surface_is_not_touched_before_it_is_drawn_on() {
    let (console, mut server) = console();
    let before = resident_bytes();
    server.create(16384, 16384);
    let serial = console.look().surface.unwrap().serial;
    let update = console.take_update(serial, true).unwrap();
    assert!(update.damage.is_none());
    assert_eq!(update.pixels().len(), 1 << 30);
    server.fill(16000, 16000, 384, 384, 0x0001_0203);
    let update = console.take_update(serial, true).unwrap();
    assert_eq!(
        update.damage.rects(),
        [FrameRect::new(16000, 16000, 384, 384)]
    );
    let mut view = SoftwareView::headless();
    let (layout, damage, mut update) = (update.layout, update.damage.clone(), update);
    view.begin_picture();
    view.upload(&layout, &damage, &mut update).unwrap();
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB", grown >> 20);
}

/// Bytes of memory that this process really uses, shared memory included.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap();
    kib.parse::<u64>().unwrap() << 10
}

#[test]
fn the_pointer_lies_with_its_hot_spot_where_the_server_says() {
    let (console, mut server) = console();
    // Half-transparent white, multiplied by its alpha, and one opaque pixel.
    server.cursor(100, 120, (2, 1), (1, 0), &[0x8080_8080, 0xff01_0203]);
    let look = console.look();
    assert!(look.pointer.is_visible);
    assert_eq!(look.pointer.position, GuestPoint { x: 99, y: 120 });
    let shape = look.shape.unwrap();
    assert_eq!(shape.kind, PointerKind::Colour);
    assert_eq!(shape.hot_spot, (1, 0));
    assert_eq!(shape.data, [255, 255, 255, 128, 3, 2, 1, 255]);
    server.hide_cursor();
    assert!(!console.look().pointer.is_visible);
    server.move_cursor(-5, 7);
    let look = console.look();
    assert!(look.pointer.is_visible, "a move shows it again");
    assert_eq!(look.pointer.position, GuestPoint { x: -6, y: 7 });
    assert!(Arc::ptr_eq(&look.shape.unwrap(), &shape));
}

#[test]
fn what_a_lost_channel_showed_is_gone() {
    let (console, mut server) = console();
    server.create(8, 8);
    server.fill(0, 0, 8, 8, 1);
    server.mark();
    server.cursor(1, 1, (1, 1), (0, 0), &[0xff00_0000]);
    assert!(console.look().surface.is_some());
    server.lose(ChannelKind::Cursor);
    let look = console.look();
    assert!(look.surface.is_some());
    assert!(!look.pointer.is_visible && look.shape.is_none());
    server.lose(ChannelKind::Display);
    assert_eq!(console.look().surface, None);
}

#[test]
fn what_cannot_be_drawn_is_told() {
    let (console, mut server) = console();
    server.create(8, 8);
    server.draw_compressed(0, 0, 8, 8);
    let surface = console.look().surface.unwrap();
    assert!(matches!(surface.incomplete, Some(Unsupported::Image(_))));
    assert!(!surface.is_covered);
    console.closed();
    server.create(8, 8);
    assert_eq!(console.look().surface.unwrap().incomplete, None);
}

#[test]
fn what_is_waited_for_is_passed_on() {
    let (console, _) = console();
    let _ = console.look();
    console.waker().take();
    console.set_missing(Some("waiting for the server"));
    assert!(console.waker().take());
    assert_eq!(
        console.look().missing.as_deref(),
        Some("waiting for the server")
    );
    console.set_missing(None);
    assert_eq!(console.look().missing, None);
}
