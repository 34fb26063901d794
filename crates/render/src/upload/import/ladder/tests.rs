use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex};

use ivshmem::{Export, SharedMemory};
use picture::{PixelFormat, Size};
use rustix::io::Errno;

use super::*;
use crate::error::RenderError;

/// Bytes of a frame block in these tests.
const BLOCK: usize = 1 << 16;

/// Gives out descriptors that are no DMA-BUFs, and notes what was asked for.
#[derive(Clone, Default)]
struct Exports {
    ranges: Arc<Mutex<Vec<(u64, u64)>>>,
    error: Option<Errno>,
}

impl Export for Exports {
    fn export(&self, offset: u64, len: u64) -> Result<OwnedFd, Errno> {
        self.ranges.lock().unwrap().push((offset, len));
        match self.error {
            Some(error) => Err(error),
            None => Ok(std::fs::File::open("/dev/null").unwrap().into()),
        }
    }
}

/// Images that are numbers.
#[derive(Default)]
struct Images {
    next: u32,
    alive: Vec<u32>,
    error: Option<&'static str>,
}

impl CloseImages for Images {
    type Image = u32;

    fn close(&mut self, image: u32) {
        let index = self.alive.iter().position(|alive| *alive == image);
        self.alive.remove(index.expect("closed twice"));
    }
}

impl MakeImages for Images {
    fn make(&mut self, buffer: &DmaBuf, source: &ImageSource) -> Result<u32, Failure> {
        assert!(buffer.as_fd().as_raw_fd() >= 0);
        let needed = source.pitch_bytes as usize * source.size.height as usize;
        assert!(
            buffer.offset() + needed <= buffer.len(),
            "outside of its buffer"
        );
        if let Some(error) = self.error {
            return Err(error.to_owned().into());
        }
        self.next += 1;
        self.alive.push(self.next);
        Ok(self.next)
    }
}

/// A memory of eight frame blocks and all that goes with it.
struct Bed {
    memory: SharedMemory,
    exports: Exports,
    images: Images,
    ladder: Ladder<u32>,
}

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Image(u32),
    Refused,
    Foreign,
    Failed(Fault),
    Bad,
}

impl Bed {
    fn new(exports: Exports) -> Self {
        let mut bed = Self {
            memory: SharedMemory::create("ladder", 8 * BLOCK).unwrap(),
            exports,
            images: Images::default(),
            ladder: Ladder::new(),
        };
        bed.begin();
        bed
    }

    fn begin(&mut self) {
        self.ladder.close(&mut self.images);
        let export = Box::new(self.exports.clone());
        self.ladder
            .begin(Ok(DmaBufs::with_export(&self.memory, export)));
    }

    fn frame(&mut self, block: usize, layout: &FrameLayout) -> Became {
        let pixels = self
            .memory
            .as_slice()
            .subslice(block * BLOCK, BLOCK)
            .unwrap();
        let found = find(&mut self.ladder, &mut self.images, pixels, layout);
        match &found {
            Became::Failed(fault) => self.ladder.fail(&mut self.images, layout, fault.clone()),
            Became::Image(_) => self.ladder.taken(),
            _ => {}
        }
        found
    }

    fn exported(&self) -> usize {
        self.exports.ranges.lock().unwrap().len()
    }
}

fn find(
    ladder: &mut Ladder<u32>,
    images: &mut Images,
    pixels: SharedSlice<'_>,
    layout: &FrameLayout,
) -> Became {
    match ladder.find(images, pixels, layout, |l| ImageSource::of(l, true, 4096)) {
        Ok(Found::Image(entry)) => Became::Image(entry.image),
        Ok(Found::Refused) => Became::Refused,
        Ok(Found::Foreign) => Became::Foreign,
        Err(Failure::Rung(fault)) => Became::Failed(fault),
        Err(Failure::Frame(_) | Failure::Late) => Became::Bad,
    }
}

fn layout(width: u32) -> FrameLayout {
    FrameLayout::packed(PixelFormat::Bgra8, Size::new(width, 20))
}

#[test]
fn each_block_is_imported_once() {
    let mut bed = Bed::new(Exports::default());
    for _ in 0..5 {
        assert_eq!(bed.frame(0, &layout(30)), Became::Image(1));
        assert_eq!(bed.frame(3, &layout(30)), Became::Image(2));
    }
    assert_eq!((bed.exported(), bed.ladder.imports()), (2, 2));
    let ranges = bed.exports.ranges.lock().unwrap();
    assert_eq!(
        *ranges,
        [(0, 4096), (3 * BLOCK as u64, 4096)],
        "whole pages, and no more"
    );
}

#[test]
fn another_layout_closes_everything_of_the_one_before() {
    let mut bed = Bed::new(Exports::default());
    bed.frame(0, &layout(30));
    bed.frame(1, &layout(30));
    assert_eq!(bed.frame(0, &layout(31)), Became::Image(3));
    assert_eq!(bed.images.alive, [3]);
    let mut turned = layout(31);
    turned.rotation = picture::Rotation::Deg90;
    assert_eq!(bed.frame(0, &turned), Became::Image(4));
    assert_eq!(bed.images.alive, [4]);
}

#[test]
fn a_new_session_imports_anew() {
    let mut bed = Bed::new(Exports::default());
    bed.frame(0, &layout(30));
    bed.begin();
    assert!(bed.images.alive.is_empty());
    assert_eq!(bed.frame(0, &layout(30)), Became::Image(2));
    bed.ladder.close(&mut bed.images);
    bed.ladder.begin(Err("gone".to_owned()));
    assert_eq!(bed.frame(0, &layout(30)), Became::Refused);
    assert_eq!(bed.ladder.reason(), Some("gone"));
    assert_eq!(bed.exported(), 2);
}

#[test]
fn blocks_that_wander_keep_the_number_of_images_bounded() {
    let mut bed = Bed::new(Exports::default());
    for block in [0, 1, 2, 3, 0, 4] {
        bed.frame(block, &layout(30));
    }
    assert_eq!(
        bed.images.alive,
        [1, 3, 4, 5],
        "the one that was used least recently went"
    );
    assert_eq!(bed.frame(0, &layout(30)), Became::Image(1));
}

#[test]
fn a_layout_that_fails_is_not_tried_again() {
    for (exports, error) in [
        (Exports::default(), Some("no such thing")),
        (
            Exports {
                error: Some(Errno::INVAL),
                ..Exports::default()
            },
            None,
        ),
    ] {
        let mut bed = Bed::new(exports);
        bed.images.error = error;
        let first = bed.frame(0, &layout(30));
        let Became::Failed(Fault::Lasting(reason)) = first else {
            panic!("{first:?}");
        };
        assert_eq!(bed.frame(0, &layout(30)), Became::Refused);
        assert_eq!(bed.frame(1, &layout(30)), Became::Refused);
        assert_eq!(bed.exported(), 1);
        assert_eq!(bed.ladder.reason(), Some(reason.as_str()));
        // Another one may do better, and does not make the first one any better.
        bed.images.error = None;
        if error.is_some() {
            assert_eq!(bed.frame(0, &layout(32)), Became::Image(1));
            assert_eq!(bed.frame(0, &layout(30)), Became::Refused);
        }
    }
}

#[test]
fn a_guest_cannot_make_us_try_for_ever() {
    let mut bed = Bed::new(Exports::default());
    bed.images.error = Some("no such thing");
    for round in 0..100 {
        bed.frame(0, &layout(10 + round % 20));
    }
    assert_eq!(bed.exported(), MAX_FAILURES as usize);
    assert_eq!(bed.ladder.reason(), Some(GIVEN_UP));
    bed.images.error = None;
    assert_eq!(bed.frame(0, &layout(50)), Became::Refused);
    bed.begin();
    assert_eq!(bed.frame(0, &layout(50)), Became::Image(1));
}

#[test]
fn a_layout_that_comes_back_is_not_counted_again() {
    let mut bed = Bed::new(Exports::default());
    bed.images.error = Some("no such thing");
    for round in 0..100 {
        bed.frame(0, &layout(10 + round % 2));
    }
    assert_eq!(bed.exported(), 2);
    bed.images.error = None;
    assert_eq!(bed.frame(0, &layout(30)), Became::Image(1));
}

#[test]
fn layouts_that_are_known_not_to_work_do_not_stop_the_others() {
    let mut bed = Bed::new(Exports::default());
    for round in 0..20 {
        // Wider than the driver's limit.
        let wide = FrameLayout::packed(PixelFormat::Bgra8, Size::new(4097 + round, 2));
        let became = bed.frame(0, &wide);
        let Became::Failed(Fault::Layout(reason)) = &became else {
            panic!("{became:?}");
        };
        assert_eq!(bed.ladder.reason(), Some(reason.as_str()));
        assert_eq!(bed.frame(0, &wide), Became::Refused);
    }
    assert_eq!(bed.exported(), 0);
    assert_eq!(bed.frame(0, &layout(30)), Became::Image(1));
}

#[test]
fn what_may_pass_is_tried_again_after_a_growing_delay() {
    for error in [Errno::NOMEM, Errno::MFILE, Errno::NFILE] {
        let mut bed = Bed::new(Exports {
            error: Some(error),
            ..Exports::default()
        });
        for round in 0..10 {
            let became = bed.frame(0, &layout(30));
            assert!(
                matches!(became, Became::Failed(Fault::Passing(_))),
                "{became:?}"
            );
            assert!(
                bed.ladder
                    .reason()
                    .is_some_and(|said| said.contains("later"))
            );
            let delay = (PAUSES.0 << round).min(PAUSES.1);
            for _ in 0..delay {
                assert_eq!(bed.frame(0, &layout(30)), Became::Refused, "{round}");
            }
            assert_eq!(bed.exported(), round + 1);
        }
        bed.exports.error = None;
        bed.begin();
        assert_eq!(bed.frame(0, &layout(30)), Became::Image(1));
    }
}

#[test]
fn a_delay_is_short_again_when_it_has_worked_for_long() {
    let mut bed = Bed::new(Exports::default());
    let late = || Fault::Passing("late".to_owned());
    let waits = |bed: &mut Bed| {
        bed.ladder.fail(&mut bed.images, &layout(30), late());
        assert!(bed.images.alive.is_empty());
        let mut frames = 0;
        while bed.frame(0, &layout(30)) == Became::Refused {
            frames += 1;
        }
        frames
    };
    assert_eq!(waits(&mut bed), 60);
    assert_eq!(waits(&mut bed), 120);
    for _ in 0..240 {
        bed.frame(0, &layout(30));
    }
    assert_eq!(waits(&mut bed), 60);
}

#[test]
fn pixels_that_lie_elsewhere_are_never_exported() {
    let mut bed = Bed::new(Exports::default());
    let other = SharedMemory::create("other", BLOCK).unwrap();
    let found = find(
        &mut bed.ladder,
        &mut bed.images,
        other.as_slice(),
        &layout(30),
    );
    assert_eq!(found, Became::Foreign);
    assert_eq!(bed.exported(), 0);
}

#[test]
fn a_frame_longer_than_its_pixels_is_never_exported() {
    let mut bed = Bed::new(Exports::default());
    let mut long = layout(30);
    long.pitch_bytes = BLOCK as u32 / 20 + 4;
    assert_eq!(bed.frame(7, &long), Became::Bad);
    assert_eq!(
        bed.frame(0, &long),
        Became::Bad,
        "though it lies in the memory"
    );
    assert_eq!(bed.exported(), 0);
}

#[test]
fn one_picture_of_a_layout_is_checked() {
    let mut bed = Bed::new(Exports::default());
    let is_checked = |bed: &mut Bed, block: usize, layout: &FrameLayout| {
        let pixels = bed
            .memory
            .as_slice()
            .subslice(block * BLOCK, BLOCK)
            .unwrap();
        let source = |layout: &FrameLayout| ImageSource::of(layout, true, 4096);
        match bed.ladder.find(&mut bed.images, pixels, layout, source) {
            Ok(Found::Image(entry)) => entry.is_checked,
            _ => panic!("no image"),
        }
    };
    assert!(!is_checked(&mut bed, 0, &layout(30)));
    assert!(!is_checked(&mut bed, 1, &layout(30)));
    bed.ladder.checked();
    for block in 0..3 {
        assert!(is_checked(&mut bed, block, &layout(30)));
    }
    assert!(!is_checked(&mut bed, 0, &layout(31)));
}

#[test]
fn what_ends_the_renderer_or_the_frame_is_not_the_rungs_fault() {
    let lost: Failure = RenderError::ContextLost.into();
    assert!(matches!(lost, Failure::Frame(_)));
    let stalled = ivshmem::Stalled {
        available: 0,
        wanted: 1,
    };
    assert!(matches!(stalled.into(), Failure::Frame(_)));
    let gl = RenderError::Gl {
        doing: "copying",
        code: 0x0502,
    };
    assert!(matches!(gl.into(), Failure::Rung(_)));
}
