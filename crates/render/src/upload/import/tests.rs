//! The way from an import into the renderer's own texture, with a texture of ours in place of the import: the driver
//! shows the same texels in both.

use ivshmem::{SharedMemory, SharedSlice};
use picture::convert::Converter;
use picture::{FrameRect, PixelFormat, Size, Transfer};

use super::*;
use crate::conversion::{ImportedTexels, StoredKind};
use crate::gl::{ImageTarget, ImportedTexture, Pixels, TargetCall, TexelFormat, TexelRect};
use crate::options::RenderOptions;

const FRAME: Size = Size::new(37, 20);

/// A context without a window; nothing, loudly, if this machine cannot have one.
fn context() -> Option<(Context, Gl)> {
    match Context::surfaceless(&RenderOptions::default()) {
        Ok(context) => {
            let gl = Gl::new(context.egl()).unwrap();
            Some((context, gl))
        }
        Err(error) => {
            testkit::skip("surfaceless EGL", &error.to_string());
            None
        }
    }
}

/// Every format with every transfer that converts it differently.
const KINDS: [(PixelFormat, Transfer); 8] = [
    (PixelFormat::Bgra8, Transfer::Srgb),
    (PixelFormat::Rgba8, Transfer::Srgb),
    (PixelFormat::Rgba10, Transfer::Srgb),
    (PixelFormat::Rgba10, Transfer::Pq2020),
    (PixelFormat::Rgba16F, Transfer::Linear),
    (PixelFormat::Rgba16F, Transfer::ScRgb),
    (PixelFormat::Bgr24Packed, Transfer::Srgb),
    (PixelFormat::Rgb24, Transfer::Srgb),
];

fn layout(format: PixelFormat, transfer: Transfer) -> FrameLayout {
    let mut layout = FrameLayout::packed(format, FRAME);
    layout.pitch_bytes = layout.pitch_bytes.next_multiple_of(8) + 8;
    layout.transfer = transfer;
    layout
}

fn noise(len: u64, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A texture with the texels that the driver would show of these bytes.
fn texels(gl: &Gl, source: &ImageSource, bytes: &[u8]) -> crate::gl::Texture {
    let is_blue_first = source.fourcc == u32::from_le_bytes(*b"AR24");
    let format = match is_blue_first {
        true => TexelFormat::Bgra8,
        false => TexelFormat::Rgba8,
    };
    let texture = gl.texture(format, source.size).unwrap();
    let Size { width, height } = source.size;
    let whole = TexelRect {
        x: 0,
        y: 0,
        width,
        height,
    };
    let row = source.pitch_bytes / 4;
    gl.replace(&texture, whole, row, Pixels::Memory(bytes))
        .unwrap();
    texture
}

#[test]
fn imports_are_converted_as_the_software_renderer_does() {
    let Some((_context, gl)) = context() else {
        return;
    };
    if !gl.has_bgra {
        testkit::skip("imports", "no textures of B, G, R, A");
        return;
    }
    let mut desktop = Desktop::new(&gl).unwrap();
    for (seed, (format, transfer)) in KINDS.into_iter().enumerate() {
        // A plain copy, where there can be one, and by a program.
        for is_readable in [true, false] {
            let layout = layout(format, transfer);
            let bytes = noise(layout.data_bytes(), seed as u64 + 1);
            let memory = SharedMemory::create("stand-in", bytes.len()).unwrap();
            memory.as_slice().copy_from(0, &bytes).unwrap();
            let source = ImageSource::of(&layout, gl.has_bgra, gl.max_texture).unwrap();
            let texture = texels(&gl, &source, &bytes);
            let framebuffer = is_readable.then(|| gl.framebuffer(&texture).unwrap());
            let image = ImportedTexture::stand_in(&texture, framebuffer);
            let all = desktop.needed(&layout, &Damage::FULL, &gl).unwrap();
            desktop
                .take_over_imported(&gl, &image, source.texels, &layout, &all)
                .unwrap();
            assert!(gl.wait_for_gpu(GPU_PATIENCE_NS).unwrap());
            desktop.accept(&gl, &all);
            let what = format!("{format:?} {transfer:?} {is_readable}");
            let agrees = |damage: &Damage, pixels: SharedSlice<'_>| {
                desktop.compare(&gl, &layout, damage, pixels).unwrap().0 == Verdict::Right
            };
            // The check looks at rows of the first rectangle only: so at each row by itself.
            for y in 0..FRAME.height {
                let mut row = Damage::NONE;
                row.add(FrameRect::new(0, y, FRAME.width, 1));
                assert!(agrees(&row, memory.as_slice()), "{what}: row {y}");
            }
            // What the check says is worth something: one wrong pixel and it says no.
            let converter = Converter::new(format, transfer);
            let pixel = format.bytes_per_pixel() as usize;
            let (old, new) = (&bytes[..pixel], vec![0x3c; pixel]);
            assert_ne!(converter.bgr(old), converter.bgr(&new));
            memory.as_slice().copy_from(0, &new).unwrap();
            assert!(
                !agrees(&Damage::FULL, memory.as_slice()),
                "{what}: a wrong pixel"
            );
        }
    }
}

#[test]
fn only_damage_is_taken_from_an_import() {
    let Some((_context, gl)) = context() else {
        return;
    };
    let layout = layout(PixelFormat::Rgba8, Transfer::Srgb);
    let mut desktop = Desktop::new(&gl).unwrap();
    let source = ImageSource::of(&layout, gl.has_bgra, gl.max_texture).unwrap();
    let memory = |bytes: &[u8]| {
        let memory = SharedMemory::create("stand-in", bytes.len()).unwrap();
        memory.as_slice().copy_from(0, bytes).unwrap();
        memory
    };
    let (old, new) = (noise(layout.data_bytes(), 1), noise(layout.data_bytes(), 2));
    let mut part = Damage::NONE;
    part.add(FrameRect::new(5, 3, 20, 8));
    for (bytes, damage) in [(&old, Damage::FULL), (&new, part.clone())] {
        let texture = texels(&gl, &source, bytes);
        let framebuffer = gl.framebuffer(&texture).unwrap();
        let image = ImportedTexture::stand_in(&texture, Some(framebuffer));
        let damage = desktop.needed(&layout, &damage, &gl).unwrap();
        desktop
            .take_over_imported(&gl, &image, source.texels, &layout, &damage)
            .unwrap();
        desktop.accept(&gl, &damage);
    }
    let agrees = |damage: &Damage, bytes: &[u8]| {
        let memory = memory(bytes);
        let verdict = desktop.compare(&gl, &layout, damage, memory.as_slice());
        verdict.unwrap().0 == Verdict::Right
    };
    assert!(agrees(&part, &new));
    for rect in [
        FrameRect::new(0, 0, 37, 3),
        FrameRect::new(0, 3, 5, 8),
        FrameRect::new(25, 3, 12, 8),
        FrameRect::new(0, 11, 37, 9),
    ] {
        let mut rest = Damage::NONE;
        rest.add(rect);
        assert!(agrees(&rest, &old), "{rect:?}");
    }
}

#[test]
fn every_program_for_imports_is_accepted_by_the_driver() {
    let Some((context, gl)) = context() else {
        return;
    };
    let has_external =
        TargetCall::new(&gl, context.egl()).is_ok_and(|target| target.has(ImageTarget::External));
    for target in [ImageTarget::Plain, ImageTarget::External] {
        if target == ImageTarget::External && !has_external {
            testkit::skip("external images", "the driver has none");
            continue;
        }
        for (format, transfer) in KINDS {
            for texels in [
                ImportedTexels::Pixels,
                ImportedTexels::Words,
                ImportedTexels::Bytes,
            ] {
                let layout = layout(format, transfer);
                let kind = StoredKind::Imported(target, texels);
                let conversion = crate::conversion::Conversion::new(&gl, &layout, kind).unwrap();
                assert!(conversion.suits(&layout, kind));
                let own = StoredKind::Own(TexelFormat::R32Ui);
                assert!(!conversion.suits(&layout, own));
                conversion.free(&gl);
            }
        }
    }
}

/// A host that is as far as it is.
struct Host<'a> {
    memory: &'a SharedMemory,
    written: usize,
    asked: usize,
}

impl PixelStream for Host<'_> {
    fn pixels(&self) -> SharedSlice<'_> {
        self.memory.as_slice()
    }

    fn wait_for(&mut self, bytes: usize) -> Result<usize, Stalled> {
        self.asked = bytes;
        Ok(self.written.min(bytes))
    }
}

#[test]
fn all_of_the_damage_is_waited_for_and_nothing_below_it() {
    let layout = layout(PixelFormat::Bgra8, Transfer::Srgb);
    let memory = SharedMemory::create("host", 4096).unwrap();
    let pitch = layout.pitch_bytes as usize;
    let mut damage = Damage::NONE;
    damage.add(FrameRect::new(0, 9, 4, 3));
    damage.add(FrameRect::new(30, 2, 4, 3));
    let mut host = Host {
        memory: &memory,
        written: 12 * pitch,
        asked: 0,
    };
    assert_eq!(wait_for(&layout, &damage, &mut host), Ok(()));
    assert_eq!(host.asked, 12 * pitch);
    host.written -= 1;
    let stalled = wait_for(&layout, &damage, &mut host).unwrap_err();
    assert_eq!(
        (stalled.available, stalled.wanted),
        (12 * pitch - 1, 12 * pitch)
    );
    host.written = 0;
    assert_eq!(wait_for(&layout, &Damage::NONE, &mut host), Ok(()));
}

/// A picture of ours in place of an import, and what it is taken over into.
struct Stage {
    gl: Gl,
    _context: Context,
    desktop: Desktop,
    layout: FrameLayout,
    memory: SharedMemory,
    lateness: Lateness,
}

impl Stage {
    fn new() -> Option<Self> {
        let (context, gl) = context()?;
        Some(Self {
            desktop: Desktop::new(&gl).unwrap(),
            gl,
            _context: context,
            layout: layout(PixelFormat::Rgba8, Transfer::Srgb),
            memory: SharedMemory::create("stage", 1 << 16).unwrap(),
            lateness: Lateness::default(),
        })
    }

    /// Takes a frame over with a GPU that answers like this; returns the waits it was asked for as well.
    fn pass(
        &mut self,
        bytes: &[u8],
        damage: &Damage,
        answers: &[bool],
    ) -> (Result<(), Failure>, Vec<i32>) {
        self.memory.as_slice().copy_from(0, bytes).unwrap();
        let source = ImageSource::of(&self.layout, self.gl.has_bgra, self.gl.max_texture).unwrap();
        let texture = texels(&self.gl, &source, bytes);
        let framebuffer = self.gl.framebuffer(&texture).unwrap();
        let image = ImportedTexture::stand_in(&texture, Some(framebuffer));
        let mut host = Host {
            memory: &self.memory,
            written: bytes.len(),
            asked: 0,
        };
        let damage = self.desktop.needed(&self.layout, damage, &self.gl).unwrap();
        let mut waits = Vec::new();
        let mut answers = answers.iter();
        let mut wait = |patience_ns| {
            waits.push(patience_ns);
            Ok(*answers.next().expect("asked too often"))
        };
        let mut pass = Pass {
            gl: &self.gl,
            desktop: &mut self.desktop,
            layout: &self.layout,
            damage: &damage,
            lateness: &mut self.lateness,
            wait: &mut wait,
        };
        let done = pass
            .begin(&mut host)
            .and_then(|()| pass.copy(&image, source.texels));
        assert!(host.asked > 0, "the host was not waited for");
        (done, waits)
    }

    fn verdict(&self, bytes: &[u8], damage: &Damage) -> Verdict {
        self.memory.as_slice().copy_from(0, bytes).unwrap();
        let pixels = self.memory.as_slice();
        let compared = self.desktop.compare(&self.gl, &self.layout, damage, pixels);
        compared.unwrap().0
    }
}

#[test]
fn a_frame_is_given_back_when_the_gpu_has_read_it() {
    let Some(mut stage) = Stage::new() else {
        return;
    };
    let bytes = noise(stage.layout.data_bytes(), 1);
    let (done, waits) = stage.pass(&bytes, &Damage::FULL, &[true]);
    assert!(done.is_ok());
    assert_eq!(waits, [GPU_PATIENCE_NS], "within half a second");
    assert_eq!(stage.verdict(&bytes, &Damage::FULL), Verdict::Right);
    assert!(stage.desktop.take_damage().is_full());
}

#[test]
fn a_gpu_that_is_late_leaves_the_picture_before() {
    let Some(mut stage) = Stage::new() else {
        return;
    };
    let usual = stage.layout;
    let (old, new) = (noise(usual.data_bytes(), 1), noise(usual.data_bytes(), 2));
    // The first one of all.
    let (done, _) = stage.pass(&old, &Damage::FULL, &[false]);
    assert!(matches!(done, Err(Failure::Late)));
    assert!(stage.desktop.layout().is_none());
    assert!(stage.pass(&old, &Damage::FULL, &[true, true]).0.is_ok());
    assert!(stage.desktop.take_damage().is_full());
    // Another layout.
    stage.layout.rotation = picture::Rotation::Deg180;
    assert!(stage.pass(&new, &Damage::FULL, &[false]).0.is_err());
    assert_eq!(stage.desktop.layout(), Some(&usual));
    assert!(stage.desktop.take_damage().is_none());
    stage.layout = usual;
    assert_eq!(stage.verdict(&old, &Damage::FULL), Verdict::Right);
    // Now that it is known to be behind it gets nothing to do before it has caught up.
    let (done, waits) = stage.pass(&new, &Damage::FULL, &[false]);
    assert!(matches!(done, Err(Failure::Late)));
    assert_eq!(waits, [GPU_PATIENCE_NS / 2]);
    assert_eq!(stage.verdict(&old, &Damage::FULL), Verdict::Right);
    assert!(stage.desktop.take_damage().is_none());
    // Whatever came of the copy, the next frame that is taken over is copied as a whole.
    let mut part = Damage::NONE;
    part.add(FrameRect::new(1, 1, 2, 2));
    let (done, waits) = stage.pass(&new, &part, &[true, true]);
    assert!(done.is_ok());
    assert_eq!(waits, [GPU_PATIENCE_NS / 2; 2], "together half a second");
    assert_eq!(stage.verdict(&new, &Damage::FULL), Verdict::Right);
    let needed = stage.desktop.needed(&usual, &part, &stage.gl).unwrap();
    assert!(!needed.is_full());
}

#[test]
fn the_next_rung_is_taken_when_the_gpu_is_late_again_and_again() {
    let Some(mut stage) = Stage::new() else {
        return;
    };
    let bytes = noise(stage.layout.data_bytes(), 1);
    for round in 1..MAX_LATE {
        assert!(stage.pass(&bytes, &Damage::FULL, &[false]).0.is_err());
        assert!(!stage.lateness.is_too_much(), "{round}");
    }
    assert!(stage.pass(&bytes, &Damage::FULL, &[true, true]).0.is_ok());
    let mut last = Ok(());
    for _ in 0..MAX_LATE {
        assert!(!stage.lateness.is_too_much());
        last = stage.pass(&bytes, &Damage::FULL, &[false]).0;
    }
    assert!(stage.lateness.is_too_much());
    let fault = last.err().and_then(Failure::fault);
    assert!(matches!(fault, Some(Fault::Passing(_))), "{fault:?}");
}

#[test]
fn a_picture_that_is_all_alike_proves_nothing() {
    let Some(mut stage) = Stage::new() else {
        return;
    };
    let flat = vec![0x55; usize::try_from(stage.layout.data_bytes()).unwrap()];
    assert!(stage.pass(&flat, &Damage::FULL, &[true]).0.is_ok());
    assert_eq!(stage.verdict(&flat, &Damage::FULL), Verdict::Unclear);
    assert_eq!(stage.verdict(&flat, &Damage::NONE), Verdict::Unclear);
    let noise = noise(stage.layout.data_bytes(), 1);
    assert_eq!(stage.verdict(&noise, &Damage::FULL), Verdict::Wrong);
    assert_eq!(stage.verdict(&noise, &Damage::NONE), Verdict::Unclear);
    assert!(stage.pass(&noise, &Damage::FULL, &[true]).0.is_ok());
    assert_eq!(stage.verdict(&noise, &Damage::FULL), Verdict::Right);
}

#[test]
fn a_guest_that_changes_its_layout_cannot_fill_the_log() {
    let mut ration = Ration::default();
    let mut lines = 0;
    for _ in 0..10 * LOG_INTERVAL {
        if ration.frame() {
            ration.spend();
            lines += 1;
        }
    }
    assert!((LOG_BURST..=LOG_BURST + 10).contains(&lines), "{lines}");
}
