//! By way of private memory: works everywhere, and is the fastest on software drivers.

use ivshmem::PixelStream;
use picture::{Damage, FrameLayout};

use super::{Upload, UploadPath, chase, first_byte, frame_bytes};
use crate::error::{RenderError, UploadError};
use crate::gl::{Gl, Pixels, TexelRect, Texture};

/// A private copy of a frame; it grows to the largest one and stays.
#[derive(Debug, Default)]
pub(crate) struct Staging {
    bytes: Vec<u8>,
}

impl Upload for Staging {
    fn path(&self) -> UploadPath {
        UploadPath::Staging
    }

    fn stage(
        &mut self,
        _gl: &Gl,
        layout: &FrameLayout,
        damage: &Damage,
        stream: &mut dyn PixelStream,
    ) -> Result<u64, UploadError> {
        let len = frame_bytes(layout)?;
        if self.bytes.len() < len {
            // Freed first, then fresh: memory that nothing is copied into is never touched.
            self.bytes = Vec::new();
            self.bytes = vec![0; len];
        }
        chase(layout, damage, stream, |pixels, start, rows| {
            let into = self.bytes.get_mut(start..).unwrap_or_default();
            pixels.read_rows(start, rows, into)
        })
    }

    fn submit(
        &mut self,
        gl: &Gl,
        texture: &Texture,
        row_texels: u32,
        rects: &mut dyn Iterator<Item = TexelRect>,
    ) -> Result<(), RenderError> {
        for rect in rects {
            let start = first_byte(&rect, row_texels, texture.format().bytes());
            let bytes = start.and_then(|start| self.bytes.get(start..));
            gl.replace(
                texture,
                rect,
                row_texels,
                Pixels::Memory(bytes.unwrap_or_default()),
            )?;
        }
        gl.check("copying pixels into a texture")
    }
}
