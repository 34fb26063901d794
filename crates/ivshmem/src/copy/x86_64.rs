//! Copy kernels in x86-64 assembly.
//!
//! Sources: Intel SDM volume 1, 10.4.6 (caching hints, non-temporal stores), volume 2 (MOVNTDQ, MOVNTDQA, SFENCE, MFENCE),
//! volume 3A, 12.3.1 (write-combined memory); System V AMD64 ABI (the direction flag is clear).

use std::arch::asm;
use std::arch::x86_64::_mm256_zeroupper;

/// A cache line.
const LINE: usize = 64;
/// Kernels copy multiples of this: a turn of their loops, or two.
const BLOCK: usize = 128;
/// Copies shorter than this are not worth aligning.
const SHORT: usize = 512;

/// Orders all earlier stores before all later ones, streaming and write-combined ones included.
pub(super) fn store_fence() {
    // SAFETY: the instruction touches no memory and no register.
    unsafe { asm!("sfence", options(nostack, preserves_flags)) };
}

/// Orders all earlier loads and stores before all later ones, streaming and write-combined ones included.
pub(super) fn full_fence() {
    // SAFETY: the instruction touches no memory and no register.
    unsafe { asm!("mfence", options(nostack, preserves_flags)) };
}

/// Copies `len` bytes. Streaming stores are not fenced here.
///
/// # Safety
/// `len` bytes must be readable at `from` and writable at `into`.
pub(super) unsafe fn copy(
    from: *const u8,
    into: *mut u8,
    len: usize,
    stream_loads: bool,
    stream_stores: bool,
) {
    // A streaming access has to be aligned. When both sides cannot be, the loads go first: a plain load of
    // write-combined memory costs far more than a plain store.
    let (head, both) = if stream_loads {
        let together = (from.addr() ^ into.addr()).is_multiple_of(LINE);
        (from.addr().wrapping_neg() % LINE, together)
    } else {
        (into.addr().wrapping_neg() % LINE, true)
    };
    if len < SHORT {
        // SAFETY: the caller's promise.
        return unsafe { short(from, into, len) };
    }
    // SAFETY: `head < LINE < SHORT <= len`.
    unsafe { short(from, into, head) };
    let bytes = (len - head) / BLOCK * BLOCK;
    let kernel = choose(stream_loads, stream_stores && both);
    // SAFETY: `head + bytes <= len`; `choose` looked at the processor, and `head` aligned the side that streams.
    unsafe { kernel(from.wrapping_add(head), into.wrapping_add(head), bytes) };
    let done = head + bytes;
    // SAFETY: `done <= len`.
    unsafe { short(from.wrapping_add(done), into.wrapping_add(done), len - done) };
}

/// Copies `bytes`, a multiple of [`BLOCK`].
type Kernel = unsafe fn(*const u8, *mut u8, usize);

/// The kernel for this processor.
fn choose(stream_loads: bool, stream_stores: bool) -> Kernel {
    // Streaming loads came with SSE4.1; every processor with AVX2 has them.
    let wide = std::arch::is_x86_feature_detected!("avx2");
    let stream_loads = stream_loads && (wide || std::arch::is_x86_feature_detected!("sse4.1"));
    match (wide, stream_loads, stream_stores) {
        (true, false, false) => avx2,
        (true, false, true) => avx2_stream_stores,
        (true, true, false) => avx2_stream_loads,
        (true, true, true) => avx2_stream_both,
        (false, false, false) => sse2,
        (false, false, true) => sse2_stream_stores,
        (false, true, false) => sse41_stream_loads,
        (false, true, true) => sse41_stream_both,
    }
}

/// Copies fewer bytes than are worth a kernel: sixteen at a time, then single ones.
///
/// # Safety
/// `len` bytes must be readable at `from` and writable at `into`.
unsafe fn short(from: *const u8, into: *mut u8, len: usize) {
    let (mut at, mut left) = (0, len);
    while left >= 16 {
        // SAFETY: `at + 16 <= len`; the instructions take any alignment.
        unsafe {
            asm!(
                "movdqu {v}, [{from}]",
                "movdqu [{into}], {v}",
                from = in(reg) from.wrapping_add(at),
                into = in(reg) into.wrapping_add(at),
                v = out(xmm_reg) _,
                options(nostack, preserves_flags),
            );
        }
        at += 16;
        left -= 16;
    }
    if left >= 8 {
        // SAFETY: `at + 8 <= len`; the instructions take any alignment.
        unsafe {
            asm!(
                "mov {v}, [{from}]",
                "mov [{into}], {v}",
                from = in(reg) from.wrapping_add(at),
                into = in(reg) into.wrapping_add(at),
                v = out(reg) _,
                options(nostack, preserves_flags),
            );
        }
        at += 8;
    }
    while at < len {
        // SAFETY: `at < len`, and a byte is always aligned.
        let byte = unsafe { from.wrapping_add(at).read_volatile() };
        // SAFETY: as above.
        unsafe { into.wrapping_add(at).write_volatile(byte) };
        at += 1;
    }
}

/// Zeroes `len` bytes.
///
/// # Safety
/// `len` bytes must be writable at `into`.
pub(super) unsafe fn zero(into: *mut u8, len: usize) {
    // SAFETY: writes exactly the `len` bytes the caller vouches for; the direction flag is clear by the ABI.
    unsafe {
        asm!(
            "rep stosb",
            inout("rdi") into => _,
            inout("rcx") len => _,
            in("al") 0_u8,
            options(nostack, preserves_flags),
        );
    }
}

/// Defines a kernel that moves four vectors of `$width` bytes at a time.
macro_rules! kernel {
    ($name:ident, $feature:literal, $class:ident, $width:literal, $load:literal, $store:literal $(, $finish:path)?) => {
        /// Copies `bytes`, a multiple of [`BLOCK`].
        ///
        /// # Safety
        /// The processor has the feature; `bytes` are readable at `from` and writable at `into`; the
        /// side that streams is aligned to its vectors.
        #[target_feature(enable = $feature)]
        unsafe fn $name(from: *const u8, into: *mut u8, bytes: usize) {
            // SAFETY: reads and writes `bytes` behind the two addresses and changes the listed
            // registers only; the loop ends because a turn moves a divisor of [`BLOCK`].
            unsafe {
                asm!(
                    "test {bytes}, {bytes}",
                    "jz 3f",
                    "2:",
                    concat!($load, " {a}, [{from}]"),
                    concat!($load, " {b}, [{from} + ", $width, "]"),
                    concat!($load, " {c}, [{from} + 2 * ", $width, "]"),
                    concat!($load, " {d}, [{from} + 3 * ", $width, "]"),
                    concat!($store, " [{into}], {a}"),
                    concat!($store, " [{into} + ", $width, "], {b}"),
                    concat!($store, " [{into} + 2 * ", $width, "], {c}"),
                    concat!($store, " [{into} + 3 * ", $width, "], {d}"),
                    concat!("add {from}, 4 * ", $width),
                    concat!("add {into}, 4 * ", $width),
                    concat!("sub {bytes}, 4 * ", $width),
                    "jnz 2b",
                    "3:",
                    from = inout(reg) from => _,
                    into = inout(reg) into => _,
                    bytes = inout(reg) bytes => _,
                    a = out($class) _,
                    b = out($class) _,
                    c = out($class) _,
                    d = out($class) _,
                    options(nostack),
                );
            }
            // The compiler does not see that the upper halves are in use; left so, they slow down the SSE code after.
            $($finish();)?
        }
    };
}

kernel!(
    avx2,
    "avx2",
    ymm_reg,
    32,
    "vmovdqu",
    "vmovdqu",
    _mm256_zeroupper
);
kernel!(
    avx2_stream_stores,
    "avx2",
    ymm_reg,
    32,
    "vmovdqu",
    "vmovntdq",
    _mm256_zeroupper
);
kernel!(
    avx2_stream_loads,
    "avx2",
    ymm_reg,
    32,
    "vmovntdqa",
    "vmovdqu",
    _mm256_zeroupper
);
kernel!(
    avx2_stream_both,
    "avx2",
    ymm_reg,
    32,
    "vmovntdqa",
    "vmovntdq",
    _mm256_zeroupper
);
kernel!(sse2, "sse2", xmm_reg, 16, "movdqu", "movdqu");
kernel!(sse2_stream_stores, "sse2", xmm_reg, 16, "movdqu", "movntdq");
kernel!(
    sse41_stream_loads,
    "sse4.1",
    xmm_reg,
    16,
    "movntdqa",
    "movdqu"
);
kernel!(
    sse41_stream_both,
    "sse4.1",
    xmm_reg,
    16,
    "movntdqa",
    "movntdq"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_this_processor_has_copies_every_block() {
        let wide = std::arch::is_x86_feature_detected!("avx2");
        let sse41 = std::arch::is_x86_feature_detected!("sse4.1");
        let kernels: [(bool, Kernel); 8] = [
            (wide, avx2),
            (wide, avx2_stream_stores),
            (wide, avx2_stream_loads),
            (wide, avx2_stream_both),
            (true, sse2),
            (true, sse2_stream_stores),
            (sse41, sse41_stream_loads),
            (sse41, sse41_stream_both),
        ];
        #[repr(align(64))]
        struct Aligned([u8; 4 * BLOCK]);
        for (index, (present, kernel)) in kernels.into_iter().enumerate() {
            if !present {
                continue;
            }
            for blocks in 0..4 {
                let from = Aligned(std::array::from_fn(|at| (at * 7 + 1) as u8));
                let mut into = Aligned([0; 4 * BLOCK]);
                // SAFETY: the processor has the feature, both sides are aligned and hold four blocks.
                unsafe { kernel(from.0.as_ptr(), into.0.as_mut_ptr(), blocks * BLOCK) };
                store_fence();
                let (copied, rest) = into.0.split_at(blocks * BLOCK);
                assert_eq!(copied, &from.0[..blocks * BLOCK], "kernel {index}");
                assert!(rest.iter().all(|&byte| byte == 0), "kernel {index}");
            }
        }
    }
}
