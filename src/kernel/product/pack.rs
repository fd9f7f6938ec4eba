//! Layouts in which pairs of neighbours in K lie together, low half first.

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::number::Bf16;
use super::super::prefetch::prefetch;
use super::Matrix;
use super::tile::{LANES, ROWS};

/// How many lines ahead of those in work are fetched.
const AHEAD: usize = 32;

/// The numbers `b[depth, columns]` as `[pairs, width]`, the width filled up with zeros to whole registers.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn pack_panel(b: &Matrix<'_>, depth: &Range<usize>, columns: &Range<usize>, out: &mut [u32]) {
    let width = columns.len().next_multiple_of(LANES);
    if b.transposed {
        return transpose(b, depth, columns, width, out);
    }
    let lines = Lines::new(b, depth, columns);
    for (k, out) in depth.clone().step_by(2).zip(out.chunks_exact_mut(width)) {
        let (out, rest) = out.split_at_mut(columns.len());
        lines.zip(k, out);
        rest.fill(0);
    }
}

/// The numbers `a[rows, depth]` as `[tiles, pairs, ROWS]`; rows that the last tile lacks keep what was there.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn pack_tiles(a: &Matrix<'_>, depth: &Range<usize>, rows: &Range<usize>, out: &mut [u32]) {
    let tile = depth.len().div_ceil(2) * ROWS;
    let lines = Lines::new(a, depth, rows);
    let mut pairs = vec![0; rows.len()];
    for (p, k) in depth.clone().step_by(2).enumerate() {
        match a.transposed {
            true => lines.zip(k, &mut pairs),
            false => {
                pairs.iter_mut().zip(rows.clone()).for_each(|(to, row)| *to = pair(a, row, k, depth.end))
            }
        }
        for (tile, pairs) in out.chunks_exact_mut(tile).zip(pairs.chunks(ROWS)) {
            let tile = &mut tile[p * ROWS..];
            // Of a size that is known, a copy is two instructions.
            match <&[u32; ROWS]>::try_from(pairs) {
                Ok(pairs) => tile[..ROWS].copy_from_slice(pairs),
                Err(_) => tile[..pairs.len()].copy_from_slice(pairs),
            }
        }
    }
}

/// Part of a matrix whose lines run across K.
struct Lines<'a> {
    numbers: &'a [Bf16],
    line: usize,
    across: Range<usize>,
    end: usize,
    /// Stands for the line behind the last.
    zeros: Vec<Bf16>,
}

impl<'a> Lines<'a> {
    fn new(matrix: &Matrix<'a>, depth: &Range<usize>, across: &Range<usize>) -> Self {
        let zeros = vec![Bf16::default(); across.len() * (depth.len() % 2)];
        Self { numbers: matrix.numbers, line: matrix.line, across: across.clone(), end: depth.end, zeros }
    }

    /// The pairs of lines `k` and `k + 1`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn zip(&self, k: usize, out: &mut [u32]) {
        let line = |k: usize| &self.numbers[k * self.line + self.across.start..][..self.across.len()];
        // Lines are far apart; the processor does not see by itself which come next.
        for ahead in k + AHEAD..self.end.min(k + AHEAD + 2) {
            prefetch(line(ahead));
        }
        let high = if k + 1 < self.end { line(k + 1) } else { &self.zeros };
        for ((out, low), high) in out.iter_mut().zip(line(k)).zip(high) {
            *out = join(*low, *high);
        }
    }
}

/// The numbers `k` and `k + 1` of line `line`, of a matrix whose lines run along K; zero for one that is not below `end`.
fn pair(matrix: &Matrix<'_>, line: usize, k: usize, end: usize) -> u32 {
    let line = &matrix.numbers[line * matrix.line..][..end];
    join(line[k], line.get(k + 1).copied().unwrap_or_default())
}

#[inline(always)]
fn join(low: Bf16, high: Bf16) -> u32 {
    u32::from(low.0) | u32::from(high.0) << 16
}

/// A panel from a matrix whose lines run along K.
#[target_feature(enable = "avx512f")]
fn transpose(b: &Matrix<'_>, depth: &Range<usize>, lines: &Range<usize>, width: usize, out: &mut [u32]) {
    let n_pairs = depth.len().div_ceil(2);
    for first in (0..width).step_by(LANES) {
        for p in (0..n_pairs).step_by(LANES) {
            let k = depth.start + 2 * p;
            let out = &mut out[p * width + first..];
            if first + LANES <= lines.len() && k + 2 * LANES <= depth.end {
                let from = &b.numbers[(lines.start + first) * b.line..][..LANES * b.line];
                // SAFETY: 16 lines of 16 pairs are there.
                unsafe { transpose_square(from[k..].as_ptr(), b.line, out, width) };
                continue;
            }
            for (i, out) in out.chunks_mut(width).take(LANES.min(n_pairs - p)).enumerate() {
                for (j, out) in out[..LANES].iter_mut().enumerate() {
                    let line = first + j;
                    *out = if line < lines.len() {
                        pair(b, lines.start + line, k + 2 * i, depth.end)
                    } else {
                        0
                    };
                }
            }
        }
    }
}

/// 16 pairs of 16 lines, the lines `line` numbers apart, as 16 lines `width` pairs apart.
///
/// # Safety
/// `from` leads to 16 such lines of 32 numbers each, and the processor has AVX512F.
#[target_feature(enable = "avx512f")]
unsafe fn transpose_square(from: *const Bf16, line: usize, out: &mut [u32], width: usize) {
    assert!(out.len() >= (LANES - 1) * width + LANES);
    // SAFETY: the caller vouches for what is read, the assertion for what is written.
    unsafe {
        let rows: [__m512i; LANES] = std::array::from_fn(|i| _mm512_loadu_si512(from.add(i * line).cast()));
        // Of two rows, then of four: their numbers in columns 4 l + c, l being the quarter of the register.
        let twos: [__m512i; LANES] = std::array::from_fn(|i| match i % 2 {
            0 => _mm512_unpacklo_epi32(rows[i], rows[i + 1]),
            _ => _mm512_unpackhi_epi32(rows[i - 1], rows[i]),
        });
        let fours: [__m512i; LANES] = std::array::from_fn(|i| {
            let (row, c) = (i / 4 * 4, i % 4);
            match c % 2 {
                0 => _mm512_unpacklo_epi64(twos[row + c / 2], twos[row + c / 2 + 2]),
                _ => _mm512_unpackhi_epi64(twos[row + c / 2], twos[row + c / 2 + 2]),
            }
        });
        for c in 0..4 {
            let evens = [0, 8].map(|i| _mm512_shuffle_i32x4::<0x88>(fours[i + c], fours[i + 4 + c]));
            let odds = [0, 8].map(|i| _mm512_shuffle_i32x4::<0xdd>(fours[i + c], fours[i + 4 + c]));
            let columns = [
                _mm512_shuffle_i32x4::<0x88>(evens[0], evens[1]),
                _mm512_shuffle_i32x4::<0x88>(odds[0], odds[1]),
                _mm512_shuffle_i32x4::<0xdd>(evens[0], evens[1]),
                _mm512_shuffle_i32x4::<0xdd>(odds[0], odds[1]),
            ];
            for (quarter, column) in columns.into_iter().enumerate() {
                _mm512_storeu_si512(out.as_mut_ptr().add((4 * quarter + c) * width).cast(), column);
            }
        }
    }
}
