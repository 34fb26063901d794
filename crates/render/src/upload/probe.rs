//! Finds the best way of the pixels by trying.
//!
//! Extension strings tell what a driver claims; whether it works, and how fast, only a picture tells.

use std::time::{Duration, Instant};

use ivshmem::{PixelStream, SharedMemory, SharedSlice, Stalled};
use picture::{Damage, FrameLayout, PixelFormat, Size};

use super::{Persistent, Staging, Upload, UploadPath};
use crate::context::egl::Instance;
use crate::error::{RenderError, UploadError};
use crate::gl::{Gl, TexelFormat, TexelRect, Texture};

/// The picture that is tried with: 2 MiB, so that copying is what is timed.
const SIZE: Size = Size::new(1024, 512);

/// How often the copy is timed; the shortest time counts.
const ROUNDS: usize = 3;

/// A picture that nobody writes any more.
struct Still<'a>(SharedSlice<'a>);

impl PixelStream for Still<'_> {
    fn pixels(&self) -> SharedSlice<'_> {
        self.0
    }

    fn wait_for(&mut self, _bytes: usize) -> Result<usize, Stalled> {
        Ok(self.0.len())
    }
}

/// Chooses among the ways that give the right picture: the wanted one, else the first that is not clearly slower
/// than another.
pub(crate) fn choose(
    gl: &Gl,
    egl: &Instance,
    wanted: Option<UploadPath>,
) -> Result<Box<dyn Upload>, RenderError> {
    let mut ways: Vec<Box<dyn Upload>> = Vec::with_capacity(2);
    if let Some(persistent) = Persistent::new(gl, egl) {
        ways.push(Box::new(persistent));
    }
    ways.push(Box::new(Staging::default()));
    if let Some(wanted) = wanted.filter(|wanted| *wanted != UploadPath::Import) {
        let way = ways.into_iter().find(|way| way.path() == wanted);
        return way.ok_or_else(|| RenderError::Missing {
            what: format!("the upload path {wanted:?}"),
        });
    }
    let mut best: Option<(Duration, Box<dyn Upload>)> = None;
    for mut way in ways {
        let path = way.path();
        match measure(gl, way.as_mut()) {
            Ok(Some(time)) => {
                tracing::debug!(?path, ?time, "upload path works");
                // A quarter faster, or it is not worth leaving the way that leaves the CPU alone.
                let is_better = best.as_ref().is_none_or(|(least, _)| time < *least * 3 / 4);
                if is_better {
                    best = Some((time, way));
                }
            }
            Ok(None) => tracing::warn!(?path, "the driver garbles pixels on this upload path"),
            Err(error) => tracing::warn!(?path, %error, "upload path does not work"),
        }
    }
    best.map(|(_, way)| way)
        .ok_or_else(|| RenderError::Missing {
            what: "any working way to upload pixels".to_owned(),
        })
}

/// The shortest time of a full upload; `None` if the picture came out wrong.
fn measure(gl: &Gl, way: &mut dyn Upload) -> Result<Option<Duration>, UploadError> {
    let layout = FrameLayout::packed(PixelFormat::Rgba8, SIZE);
    let len = SIZE.area() as usize * 4;
    let memory = SharedMemory::create("upload-probe", len).map_err(|error| {
        UploadError::Render(RenderError::Missing {
            what: format!("memory to try uploads with ({error})"),
        })
    })?;
    // Every byte of a row and every row differ.
    let pattern: Vec<u8> = (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect();
    memory.as_slice().copy_from(0, &pattern)?;
    let texture = gl.texture(TexelFormat::Rgba8, SIZE)?;
    let measured = measure_into(gl, way, &layout, memory.as_slice(), &texture, &pattern);
    gl.delete_texture(texture);
    measured
}

fn measure_into(
    gl: &Gl,
    way: &mut dyn Upload,
    layout: &FrameLayout,
    memory: SharedSlice<'_>,
    texture: &Texture,
    pattern: &[u8],
) -> Result<Option<Duration>, UploadError> {
    let mut best = Duration::MAX;
    // The first round makes buffers and is not counted.
    for round in 0..=ROUNDS {
        let start = Instant::now();
        way.stage(gl, layout, &Damage::FULL, &mut Still(memory))?;
        let whole = TexelRect {
            x: 0,
            y: 0,
            width: SIZE.width,
            height: SIZE.height,
        };
        way.submit(gl, texture, SIZE.width, &mut std::iter::once(whole))?;
        gl.finish();
        if round > 0 {
            best = best.min(start.elapsed());
        }
    }
    let mut got = vec![0; pattern.len()];
    let framebuffer = gl.framebuffer(texture)?;
    gl.read_from(Some(framebuffer));
    let read = gl.read_pixels(SIZE, &mut got);
    gl.read_from(None);
    gl.draw_into(None, SIZE);
    gl.delete_framebuffer(framebuffer);
    read?;
    Ok((got == pattern).then_some(best))
}
