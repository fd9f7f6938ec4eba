//! The innermost loop: a tile of C, six rows by up to 64 columns, in 24 of the 32 registers.

use std::marker::PhantomData;
use std::mem::transmute;
use std::ops::Range;

use std::arch::x86_64::*;

use super::super::number::Bf16;
use super::super::parallel::DisjointSlices;
use super::super::prefetch::prefetch;

/// Numbers of a register, f32.
pub(super) const LANES: usize = 16;

/// Rows of a tile.
pub(super) const ROWS: usize = 6;

/// Pairs between two looks ahead: a cache line.
const LINE: usize = 16;

/// Columns of B, pair after pair: `[pairs, width]`, the width filled up to whole registers.
pub(super) struct Panel<'a> {
    pub columns: Range<usize>,
    pub numbers: &'a [u32],
}

/// Some rows of A: pair `p` of row `r` of tile `t` is the number `t * tile + r * row + p * pair` from `start`.
pub(super) struct Rows<'a> {
    start: *const u32,
    tile: usize,
    row: usize,
    pair: usize,
    len: usize,
    pairs: usize,
    _numbers: PhantomData<&'a [u32]>,
}

impl<'a> Rows<'a> {
    /// The first `len` rows of `numbers`, as they are; both `line` and the ends of `depth` are even.
    pub(super) fn direct(numbers: &'a [Bf16], line: usize, len: usize, depth: &Range<usize>) -> Self {
        assert!(numbers.len() >= len * line && depth.end <= line, "rows of {line}");
        let (start, row) = (numbers[depth.start..].as_ptr().cast(), line / 2);
        Self { start, tile: ROWS * row, row, pair: 1, len, pairs: depth.len() / 2, _numbers: PhantomData }
    }

    /// `len` rows, tile after tile: `[tiles, pairs, ROWS]`.
    pub(super) fn packed(numbers: &'a [u32], len: usize, pairs: usize) -> Self {
        assert_eq!(numbers.len(), pairs * len.next_multiple_of(ROWS), "tiles of {pairs} pairs");
        let (start, tile) = (numbers.as_ptr(), pairs * ROWS);
        Self { start, tile, row: 1, pair: ROWS, len, pairs, _numbers: PhantomData }
    }
}

/// What C consists of.
pub(super) trait Cell: Copy + Default + Send {
    /// Takes in the sums of 16 neighbours.
    ///
    /// # Safety
    /// They are there, and the processor has AVX512-BF16.
    unsafe fn take(at: *mut Self, sums: __m512);
}

impl Cell for Bf16 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16,avx512bw,avx512vl")]
    unsafe fn take(at: *mut Self, sums: __m512) {
        // SAFETY: the caller vouches for the places; a register of 16 bf16 is one of 16 integers.
        unsafe { _mm256_storeu_si256(at.cast(), transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(sums))) };
    }
}

impl Cell for f32 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16,avx512bw,avx512vl")]
    unsafe fn take(at: *mut Self, sums: __m512) {
        // SAFETY: the caller vouches for the places.
        unsafe { _mm512_storeu_ps(at, _mm512_add_ps(_mm512_loadu_ps(at), sums)) };
    }
}

/// The rows `first..first + rows.len` of C, `[M, n]`, in all columns of `panels`.
///
/// # Safety
/// No other thread may use these rows at the time, and the processor has AVX512-BF16.
pub(super) unsafe fn tiles<C: Cell>(
    rows: &Rows<'_>,
    panels: &[Panel<'_>],
    out: &DisjointSlices<'_, C>,
    first: usize,
    n: usize,
) {
    for panel in panels {
        let width = panel.columns.len().div_ceil(LANES);
        assert_eq!(panel.numbers.len(), rows.pairs * width * LANES, "a panel of {width} registers");
        for r in (0..rows.len).step_by(ROWS) {
            // SAFETY: panel and rows have all pairs; the caller vouches for C and the processor.
            unsafe {
                let own = out.get((first + r) * n..(first + rows.len.min(r + ROWS)) * n);
                match width {
                    1 => tile::<C, 1>(rows, r, panel, own, n),
                    2 => tile::<C, 2>(rows, r, panel, own, n),
                    3 => tile::<C, 3>(rows, r, panel, own, n),
                    _ => tile::<C, 4>(rows, r, panel, own, n),
                }
            }
        }
    }
}

/// A tile `Z` registers wide, from row `r` on; `out` are its rows of C.
///
/// # Safety
/// `panel.numbers` holds `rows.pairs` lines of `Z` registers, and the processor has AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bf16,avx512bw,avx512vl")]
unsafe fn tile<C: Cell, const Z: usize>(
    rows: &Rows<'_>,
    r: usize,
    panel: &Panel<'_>,
    out: &mut [C],
    n: usize,
) {
    let n_rows = (rows.len - r).min(ROWS);
    let mut sums = [[_mm512_setzero_ps(); Z]; ROWS];
    // SAFETY: `tiles` has looked at the panel's length; a row past the last is the last again.
    unsafe {
        let from: [*const u32; ROWS] =
            std::array::from_fn(|i| rows.start.add(r / ROWS * rows.tile + i.min(n_rows - 1) * rows.row));
        out.chunks_exact(n).for_each(|line| prefetch(&line[panel.columns.clone()]));
        for stretch in (0..rows.pairs).step_by(LINE) {
            if rows.pair == 1 {
                for from in from {
                    _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(stretch + rows.tile).cast());
                }
            }
            for p in stretch..(stretch + LINE).min(rows.pairs) {
                let line = panel.numbers.as_ptr().add(p * Z * LANES);
                let b: [__m512bh; Z] =
                    std::array::from_fn(|z| transmute(_mm512_loadu_si512(line.add(z * LANES).cast())));
                for (sums, from) in sums.iter_mut().zip(from) {
                    let a = from.add(p * rows.pair).cast::<i32>().read_unaligned();
                    let a = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(a));
                    for (sum, b) in sums.iter_mut().zip(&b) {
                        *sum = _mm512_dpbf16_ps(*sum, a, *b);
                    }
                }
            }
        }
        for (sums, out) in sums.iter().zip(out.chunks_exact_mut(n)) {
            for (out, sums) in out[panel.columns.clone()].chunks_mut(LANES).zip(sums) {
                match out.len() {
                    LANES => C::take(out.as_mut_ptr(), *sums),
                    n => {
                        let mut whole = [C::default(); LANES];
                        whole[..n].copy_from_slice(out);
                        C::take(whole.as_mut_ptr(), *sums);
                        out.copy_from_slice(&whole[..n]);
                    }
                }
            }
        }
    }
}
