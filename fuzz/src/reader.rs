//! The relay's reader over whole memory images.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use clock::{Clock, Nanos};
use ivshmem::{PixelStream as _, SharedMemory};
use picture::GuestPoint;
use relay::{Event, Frame, Reader, ReaderOptions, Waker};

use super::script::{Script, beat, geometry, post, set};

const STEPS: u8 = 24;
/// Looks at the clock that one step may take; a wait of a second is 200 of them.
const LOOKS: i64 = 5_000;
const TICK: i64 = 5_000_000;

/// A clock that moves by being looked at, and so ends every wait.
#[derive(Clone, Default)]
struct Looking(Arc<AtomicI64>);

impl Clock for Looking {
    fn now(&self) -> Nanos {
        Nanos(self.0.fetch_add(TICK, Ordering::Relaxed))
    }
}

/// A reader on an image that changes while it is read.
pub fn relay_reader_image(data: &[u8]) {
    let script = Script::parse(data);
    let memory = Arc::new(script.memory());
    let clock = Looking::default();
    let mut reader = Reader::new(Arc::clone(&memory), ReaderOptions::default(), clock.clone());
    let waker = Waker::new().expect("an eventfd");
    for step in 0..STEPS {
        script.poke(&memory, step);
        beat(&memory);
        free_locks(&memory);
        post(&memory);
        let before = clock.0.load(Ordering::Relaxed);
        // A deadline in the past: one look at everything.
        match reader.next(&waker, Some(Nanos::ZERO)) {
            Event::Frame(frame) => use_frame(frame),
            Event::Pointer(update) => {
                if let Some(shape) = update.shape {
                    let rows = shape.data.len() / shape.pitch_bytes as usize;
                    assert!(shape.width <= 1024 && shape.height <= 1024 && rows <= 2048);
                    assert!(shape.hot_spot.0 < shape.width && shape.hot_spot.1 < shape.height);
                }
            }
            Event::Connected(info) => assert!(info.host_version().chars().count() <= 256),
            Event::Missing(link) => assert!(!link.to_string().is_empty()),
            _ => {}
        }
        let looks = (clock.0.load(Ordering::Relaxed) - before) / TICK;
        assert!(looks < LOOKS, "one step took {looks} looks at the clock");
        let _ = reader.set_cursor_position(GuestPoint {
            x: i32::MIN,
            y: step.into(),
        });
    }
    free_locks(&memory);
}

fn use_frame(mut frame: Frame<'_>) {
    let layout = *frame.layout();
    assert_eq!(frame.pixels().len() as u64, layout.data_bytes());
    assert!(layout.rows > 0 && layout.rows <= layout.frame.height);
    for rect in frame.damage().rects() {
        assert!(rect.right() <= u64::from(layout.frame.width));
        assert!(rect.bottom() <= u64::from(layout.frame.height));
    }
    let wanted = frame.pixels().len();
    if let Ok(available) = frame.wait_for(wanted / 2) {
        assert!(available <= wanted);
    }
    let _ = frame.wait_for(usize::MAX);
    let _ = frame.finish();
}

/// A stuck lock costs real time here; `lgmp_client_image` covers them without.
fn free_locks(memory: &SharedMemory) {
    for version in lgmp::WireVersion::ALL {
        let geometry = lgmp::Geometry::of(version);
        if std::ptr::eq(geometry, self::geometry(memory)) {
            for index in 0..lgmp::MAX_QUEUES {
                set(memory, geometry.queue_base(index) + geometry.queue.lock, 0);
                set(
                    memory,
                    geometry.queue_base(index) + geometry.queue.cm_lock,
                    0,
                );
            }
        }
    }
}
