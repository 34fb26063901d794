//! The software renderer: composes picture, pointer and message into a canvas, touching only what changed.
//!
//! Scaling takes place on the converted 8-bit sRGB values, after the conversion of kvmfr.md 4.8.

use crate::canvas::Canvas;
use crate::convert::Converter;
use crate::damage::{BufferDamage, Damage};
use crate::format::{PixelFormat, Transfer};
use crate::frame::FrameLayout;
use crate::geometry::{BufferRect, Size};
use crate::png::RgbImage;
use crate::pointer::{PointerShape, PointerState};
use crate::scene::{Placement, Scene, ViewOptions};
use crate::text::TextCache;

mod layer;
mod pointer;
mod scale;
mod source;

use pointer::PreparedPointer;
use scale::Scaler;
use source::Source;

/// Composes scenes into a canvas from a private copy of the guest's pixels.
///
/// One canvas belongs to one compositor: it must hold what the last call left in it, see [`Compositor::invalidate`].
#[derive(Debug)]
pub struct Compositor {
    store: Store,
    converter: Converter,
    shown: Option<Shown>,
    pointer: PreparedPointer,
    text: TextCache,
    scaler: Scaler,
}

/// The private copy of the guest's pixels.
#[derive(Debug, Default)]
struct Store {
    layout: Option<FrameLayout>,
    bytes: Vec<u8>,
}

/// What the last call drew, apart from the guest's pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shown {
    buffer: Size,
    layout: Option<FrameLayout>,
    view: ViewOptions,
    dimmed: bool,
}

impl Default for Compositor {
    fn default() -> Self {
        Self::new()
    }
}

impl Compositor {
    /// Makes a compositor without a picture.
    #[must_use]
    pub fn new() -> Self {
        Self {
            store: Store::default(),
            converter: Converter::new(PixelFormat::Bgra8, Transfer::Srgb),
            shown: None,
            pointer: PreparedPointer::default(),
            text: TextCache::default(),
            scaler: Scaler::default(),
        }
    }

    /// The private copy of the frame, `layout.data_bytes()` long, to be filled as [`crate::transfer::spans`] lists.
    ///
    /// A layout that differs from the last one empties it (all zero): then everything has to be copied.
    pub fn frame_store_mut(&mut self, layout: &FrameLayout) -> &mut [u8] {
        if self.store.layout != Some(*layout) {
            let bytes = usize::try_from(layout.data_bytes()).unwrap_or(usize::MAX);
            self.store.layout = Some(*layout);
            // Freed first, then fresh: memory that nothing is copied into is never touched.
            self.store.bytes = Vec::new();
            self.store.bytes = vec![0; bytes];
            self.shown = None;
            if (self.converter.format(), self.converter.transfer())
                != (layout.format, layout.transfer)
            {
                self.converter = Converter::new(layout.format, layout.transfer);
            }
        }
        &mut self.store.bytes
    }

    /// Forgets the frame: the next one begins all zero, even in the same layout.
    pub fn clear_frame(&mut self) {
        self.store.layout = None;
    }

    /// The private copy as it is and its layout; `None` before the first frame.
    #[must_use]
    pub fn frame_store(&self) -> Option<(&FrameLayout, &[u8])> {
        let layout = self.store.layout.as_ref()?;
        Some((layout, &self.store.bytes))
    }

    /// Makes the next call draw everything: the canvas was replaced or written by others.
    pub fn invalidate(&mut self) {
        self.shown = None;
    }

    /// Draws what changed since the last call; returns which pixels of the canvas may differ now.
    ///
    /// `damage` is what changed in the frame store since the last call. A scene whose layout is not that of the
    /// frame store shows black in the picture's place.
    pub fn compose(
        &mut self,
        canvas: &mut Canvas,
        scene: &Scene<'_>,
        damage: &Damage,
    ) -> BufferDamage {
        let buffer = canvas.size();
        let placement = scene
            .layout
            .map(|layout| Placement::new(layout, buffer, &scene.view));
        let dirty = self.find_dirty(placement.as_ref(), buffer, scene, damage);
        let bytes = match scene.layout {
            Some(layout) if self.store.layout == Some(*layout) => self.store.bytes.as_slice(),
            _ => &[],
        };
        if let (Some(layout), Some(placement)) = (scene.layout, &placement) {
            self.scaler.prepare(placement);
            self.pointer.prepare_axes(placement);
            let source = Source::new(layout, placement.turn, bytes, &self.converter);
            // Each rectangle gets all its layers before the next: where two overlap, the pointer must not be blended twice.
            for &rect in dirty.rects() {
                layer::fill_around(canvas, rect, placement.target);
                let part = rect.intersection(placement.target);
                self.scaler.draw(canvas, part, placement, &source);
                self.pointer.draw(canvas, part);
                if scene.dimmed {
                    layer::dim(canvas, part);
                }
                layer::blend(canvas, rect, self.text.bitmap());
            }
        } else {
            for &rect in dirty.rects() {
                layer::fill_around(canvas, rect, BufferRect::default());
                layer::blend(canvas, rect, self.text.bitmap());
            }
        }
        dirty
    }

    /// Takes over the scene and finds what has to be drawn again.
    fn find_dirty(
        &mut self,
        placement: Option<&Placement>,
        buffer: Size,
        scene: &Scene<'_>,
        damage: &Damage,
    ) -> BufferDamage {
        let now = Shown {
            buffer,
            layout: scene.layout.copied(),
            view: scene.view,
            dimmed: scene.dimmed,
        };
        let whole = BufferRect::of_size(buffer);
        let mut dirty = BufferDamage::NONE;
        // Pointer and message must be taken over in any case.
        let (old, is_moved) = (
            self.pointer.rect(),
            self.pointer.update(scene.visible_pointer(), placement),
        );
        let (old_text, is_rewritten) = (
            self.text.bitmap().rect,
            self.text.update(scene.status, buffer),
        );
        if self.shown.replace(now) != Some(now) {
            dirty.add(whole);
            return dirty;
        }
        if let Some(placement) = placement {
            for rect in damage.rects_in(placement.frame) {
                dirty.add(placement.frame_to_buffer(rect));
            }
        }
        if is_moved {
            dirty.add(old.intersection(whole));
            dirty.add(self.pointer.rect());
        }
        if is_rewritten {
            dirty.add(old_text.intersection(whole));
            dirty.add(self.text.bitmap().rect);
        }
        dirty
    }
}

/// Makes a picture of what the guest's user sees: upright, in the frame's size, with the pointer if one is given.
///
/// `bytes` are the frame's rows as stored; rows that are missing are black.
#[must_use]
pub fn screenshot(
    layout: &FrameLayout,
    bytes: &[u8],
    pointer: Option<(&PointerShape, PointerState)>,
) -> RgbImage {
    let mut compositor = Compositor::new();
    let store = compositor.frame_store_mut(layout);
    let len = store.len().min(bytes.len());
    store[..len].copy_from_slice(&bytes[..len]);
    let mut canvas = Canvas::new(layout.upright());
    let scene = Scene {
        layout: Some(layout),
        shape: pointer.map(|(shape, _)| shape),
        pointer: pointer.map(|(_, state)| state).unwrap_or_default(),
        ..Scene::default()
    };
    compositor.compose(&mut canvas, &scene, &Damage::FULL);
    let (pixels, _) = canvas.bytes().as_chunks::<4>();
    let rgb = pixels.iter().flat_map(|&[b, g, r, _]| [r, g, b]).collect();
    RgbImage::new(canvas.size(), rgb).unwrap_or_default()
}

#[cfg(test)]
mod tests;
