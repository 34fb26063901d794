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
            let what = format!("{format:?} {transfer:?} {is_readable}");
            let agrees = |damage: &Damage, pixels: SharedSlice<'_>| {
                desktop.agrees_with(&gl, &layout, damage, pixels).unwrap()
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
    }
    let agrees = |damage: &Damage, bytes: &[u8]| {
        let memory = memory(bytes);
        desktop
            .agrees_with(&gl, &layout, damage, memory.as_slice())
            .unwrap()
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
