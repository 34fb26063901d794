//! Copies parts of a canvas into memory that the display server reads.

use ivshmem::{AccessError, SharedSlice};
use picture::{BufferRect, Canvas};

/// Copies one rectangle to the same place in a buffer of the same size and pitch.
///
/// # Errors
/// If the buffer is smaller than the canvas.
pub(crate) fn copy_rect(
    canvas: &Canvas,
    rect: BufferRect,
    into: SharedSlice<'_>,
) -> Result<(), AccessError> {
    for_each_run(canvas, rect, |offset, bytes| into.copy_from(offset, bytes))
}

/// Calls `f` with the offset and the bytes of each run of a rectangle: one run if the rows are whole, else one per row.
pub(crate) fn for_each_run<E>(
    canvas: &Canvas,
    rect: BufferRect,
    mut f: impl FnMut(usize, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let rect = rect.intersection(BufferRect::of_size(canvas.size()));
    if rect.is_empty() {
        return Ok(());
    }
    let (x, y) = (
        rect.x.unsigned_abs() as usize,
        rect.y.unsigned_abs() as usize,
    );
    let pitch = canvas.pitch_bytes();
    let row_bytes = rect.width as usize * 4;
    let (runs, run_bytes) = if row_bytes == pitch {
        (1, row_bytes * rect.height as usize)
    } else {
        (rect.height as usize, row_bytes)
    };
    for run in 0..runs {
        let offset = (y + run) * pitch + x * 4;
        if let Some(bytes) = canvas.bytes().get(offset..offset + run_bytes) {
            f(offset, bytes)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ivshmem::SharedMemory;
    use picture::Size;

    use super::*;

    #[test]
    fn only_the_rectangle_is_copied() {
        let mut canvas = Canvas::new(Size::new(8, 4));
        canvas.bytes_mut().fill(7);
        let memory = SharedMemory::create("test", 8 * 4 * 4).unwrap();
        copy_rect(&canvas, BufferRect::new(6, 2, 5, 5), memory.as_slice()).unwrap();
        let mut seen = vec![0; 8 * 4 * 4];
        memory.as_slice().copy_to(0, &mut seen).unwrap();
        for (i, byte) in seen.iter().enumerate() {
            let (x, y) = (i / 4 % 8, i / 32);
            assert_eq!(*byte == 7, x >= 6 && y >= 2, "byte {i}");
        }
    }

    #[test]
    fn whole_rows_are_one_run() {
        let canvas = Canvas::new(Size::new(8, 4));
        let mut runs = Vec::new();
        for_each_run(&canvas, BufferRect::new(0, 1, 8, 2), |at, bytes| {
            runs.push((at, bytes.len()));
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!(runs, [(32, 64)]);
    }
}
