//! By way of the driver's own buffers, mapped once and for all (GL_EXT_buffer_storage).

#![expect(unsafe_code, reason = "copies into memory that GL mapped")]

use std::ptr::NonNull;

use glow::HasContext as _;
use ivshmem::{PixelStream, SharedSlice, Stores};
use picture::{Damage, FrameLayout};

use super::{Upload, UploadPath, chase, first_byte, frame_bytes};
use crate::context::egl::Instance;
use crate::error::{RenderError, UploadError};
use crate::gl::{Gl, Pixels, TexelRect, Texture};

/// `glBufferStorageEXT`; not in glow under this name, and the name without EXT is not there in GLES.
type BufferStorage = extern "system" fn(u32, isize, *const std::ffi::c_void, u32);

/// Buffers in the ring: one that the GPU reads, one that is filled, one to spare.
const RING: usize = 3;

/// Longest wait for the GPU to be done with a buffer, in nanoseconds.
const GPU_PATIENCE_NS: i32 = 1_000_000_000;

const TARGET: u32 = glow::PIXEL_UNPACK_BUFFER;
const ACCESS: u32 = glow::MAP_WRITE_BIT | glow::MAP_PERSISTENT_BIT | glow::MAP_COHERENT_BIT;

/// A mapped buffer; unmapped and freed by [`Slot::free`] or with its context.
struct Slot {
    buffer: glow::NativeBuffer,
    start: NonNull<u8>,
    len: usize,
}

impl Slot {
    fn new(gl: &Gl, storage: BufferStorage, len: usize) -> Result<Self, RenderError> {
        let (Ok(size), Ok(signed)) = (isize::try_from(len), i32::try_from(len)) else {
            return Err(RenderError::Missing {
                what: format!("buffers of {len} bytes"),
            });
        };
        // SAFETY: the context is current.
        let buffer = unsafe { gl.raw.create_buffer() };
        let buffer = buffer.map_err(|what| RenderError::Missing { what })?;
        // SAFETY: just made.
        unsafe { gl.raw.bind_buffer(TARGET, Some(buffer)) };
        storage(TARGET, size, std::ptr::null(), ACCESS);
        // SAFETY: the whole of the bound buffer, with the access it was made for.
        let start = unsafe { gl.raw.map_buffer_range(TARGET, 0, signed, ACCESS) };
        // SAFETY: no buffer may stay bound, or uploads from memory would read from it.
        unsafe { gl.raw.bind_buffer(TARGET, None) };
        let checked = gl.check("mapping a pixel buffer");
        match (NonNull::new(start), checked) {
            (Some(start), Ok(())) => Ok(Self { buffer, start, len }),
            (_, checked) => {
                // SAFETY: of this context.
                unsafe { gl.raw.delete_buffer(buffer) };
                checked?;
                Err(RenderError::Missing {
                    what: "memory for a pixel buffer".to_owned(),
                })
            }
        }
    }

    /// The mapped memory; only ever written to.
    fn memory(&self) -> SharedSlice<'_> {
        // SAFETY: `len` bytes from `start` are mapped until `free` takes the slot by value, so for the borrow's
        // lifetime; no reference to them exists; GL may read them meanwhile, which `SharedSlice` allows. The mapping
        // is for writing only: this module uses the window only as the destination of copies.
        unsafe { SharedSlice::from_raw(self.start, self.len) }
    }

    /// Gives the buffer back.
    fn free(self, gl: &Gl) {
        // SAFETY: of this context; deleting unmaps it, and the pointer goes with `self`.
        unsafe { gl.raw.delete_buffer(self.buffer) };
    }
}

/// One place of the ring.
#[derive(Default)]
struct Place {
    slot: Option<Slot>,
    /// Passed when the GPU has read the buffer.
    read: Option<glow::NativeFence>,
}

/// A ring of mapped buffers.
pub(crate) struct Persistent {
    storage: BufferStorage,
    ring: [Place; RING],
    next: usize,
}

impl Persistent {
    /// Makes an empty ring; `None` if the driver has no such buffers.
    pub(crate) fn new(gl: &Gl, egl: &Instance) -> Option<Self> {
        if !gl.has("GL_EXT_buffer_storage") {
            return None;
        }
        let address = egl.get_proc_address("glBufferStorageEXT")?;
        // SAFETY: the address of that function, whose signature GL_EXT_buffer_storage fixes.
        let storage =
            unsafe { std::mem::transmute::<extern "system" fn(), BufferStorage>(address) };
        Some(Self {
            storage,
            ring: Default::default(),
            next: 0,
        })
    }

    /// Waits until the GPU no longer reads the next buffer, and makes it large enough.
    fn acquire(&mut self, gl: &Gl, len: usize) -> Result<(), RenderError> {
        let place = &mut self.ring[self.next];
        if let Some(fence) = place.read.take() {
            let flags = glow::SYNC_FLUSH_COMMANDS_BIT;
            // SAFETY: a fence of this context, not yet deleted.
            let state = unsafe { gl.raw.client_wait_sync(fence, flags, GPU_PATIENCE_NS) };
            // SAFETY: as above; it was taken out, so nobody has it any more.
            unsafe { gl.raw.delete_sync(fence) };
            if state != glow::ALREADY_SIGNALED && state != glow::CONDITION_SATISFIED {
                gl.check("waiting for the GPU")?;
                return Err(RenderError::Gl {
                    doing: "waiting for the GPU",
                    code: state,
                });
            }
        }
        if place.slot.as_ref().is_some_and(|slot| slot.len >= len) {
            return Ok(());
        }
        if let Some(old) = place.slot.take() {
            old.free(gl);
        }
        place.slot = Some(Slot::new(gl, self.storage, len)?);
        Ok(())
    }
}

impl Upload for Persistent {
    fn path(&self) -> UploadPath {
        UploadPath::Persistent
    }

    fn stage(
        &mut self,
        gl: &Gl,
        layout: &FrameLayout,
        damage: &Damage,
        stream: &mut dyn PixelStream,
    ) -> Result<u64, UploadError> {
        self.acquire(gl, frame_bytes(layout)?)?;
        let Some(slot) = &self.ring[self.next].slot else {
            return Ok(0);
        };
        let done = chase(layout, damage, stream, |pixels, start, rows| {
            pixels.copy_rows_to(start, rows, slot.memory(), start, Stores::Auto)
        });
        // Streaming stores must have arrived before GL is told to read.
        ivshmem::store_fence();
        done
    }

    fn submit(
        &mut self,
        gl: &Gl,
        texture: &Texture,
        row_texels: u32,
        rects: &mut dyn Iterator<Item = TexelRect>,
    ) -> Result<(), RenderError> {
        let place = &mut self.ring[self.next];
        let Some(slot) = &place.slot else {
            return Ok(());
        };
        // SAFETY: a buffer of this context.
        unsafe { gl.raw.bind_buffer(TARGET, Some(slot.buffer)) };
        let mut copied = Ok(());
        for rect in rects {
            let start = first_byte(&rect, row_texels, texture.format().bytes());
            let pixels = Pixels::Buffer {
                offset: start.unwrap_or(usize::MAX),
                len: slot.len,
            };
            copied = gl.replace(texture, rect, row_texels, pixels);
            if copied.is_err() {
                break;
            }
        }
        // SAFETY: no buffer may stay bound, or uploads from memory would read from it.
        unsafe { gl.raw.bind_buffer(TARGET, None) };
        copied?;
        gl.check("copying pixels into a texture")?;
        // SAFETY: the context is current.
        let fence = unsafe { gl.raw.fence_sync(glow::SYNC_GPU_COMMANDS_COMPLETE, 0) };
        place.read = Some(fence.map_err(|what| RenderError::Missing { what })?);
        self.next = (self.next + 1) % RING;
        Ok(())
    }
}
