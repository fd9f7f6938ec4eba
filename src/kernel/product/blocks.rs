//! Cutting a product into blocks, and these over the threads.

use std::cell::RefCell;
use std::ops::Range;

use super::super::number::{Bf16, Number};
use super::super::parallel::{DisjointSlices, for_each, n_threads};
use super::Matrix;
use super::pack::{pack_panel, pack_tiles};
use super::tile::{Cell, LANES, Panel, ROWS, Rows, tiles};

/// Most of K and of N that is worked on at a time: a panel of `B` stays in the second cache, a block in the third. Sums that
/// are rounded take in as much of K as can be, others leave room for rows in another layout.
const ROUNDED_DEPTH: usize = 4096;
const DEPTH: usize = 1536;
const COLUMNS: usize = 1024;

/// Pairs that are worth a thread's while to lay out.
const LEAST_PACKED: usize = 1 << 14;

/// Columns of a panel.
const PANEL: usize = 4 * LANES;

thread_local! {
    /// The block of `B` under way.
    static BLOCK: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    /// The rows of `A` under way, if they need another layout.
    static LINES: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// Adds `A B` to `out`.
pub(super) fn add(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32]) {
    multiply(a, b, out, DEPTH);
}

/// Puts `A B` into `out`.
pub(super) fn set(a: Matrix<'_>, b: Matrix<'_>, out: &mut [Bf16]) {
    let ((m, k), (_, n)) = (a.shape, b.shape);
    if (1..=ROUNDED_DEPTH).contains(&k) {
        return multiply(a, b, out, ROUNDED_DEPTH);
    }
    let mut sums = vec![0f32; out.len()];
    multiply(a, b, &mut sums, DEPTH);
    let to = DisjointSlices::new(out);
    for_each(m, |i| {
        // SAFETY: every row is written once.
        let to = unsafe { to.get(i * n..(i + 1) * n) };
        for (to, sum) in to.iter_mut().zip(&sums[i * n..]) {
            *to = Bf16::from_f32(*sum);
        }
    });
}

/// What a cell takes in is a sum over all of K, or over each block of it, of at most `most`, in turn.
fn multiply<C: Cell>(a: Matrix<'_>, b: Matrix<'_>, out: &mut [C], most: usize) {
    let ((m, k), (_, n)) = (a.shape, b.shape);
    let out = DisjointSlices::new(out);
    let chunk = ROWS * (m.div_ceil(ROWS) / (16 * n_threads())).clamp(1, 8);
    BLOCK.with_borrow_mut(|block| {
        for depth in ranges(k, most) {
            for columns in ranges(n, COLUMNS) {
                let panels = pack(&b, &depth, &columns, block);
                for_each(m.div_ceil(chunk), |i| {
                    let rows = i * chunk..((i + 1) * chunk).min(m);
                    with_lines(&a, rows.clone(), &depth, |lines| {
                        // SAFETY: every row of C is written by one thread alone.
                        unsafe { tiles(lines, &panels, &out, rows.start, n) };
                    });
                });
            }
        }
    });
}

/// The panels of `b[depth, columns]`, laid out in `block`.
fn pack<'b>(
    b: &Matrix<'_>,
    depth: &Range<usize>,
    columns: &Range<usize>,
    block: &'b mut Vec<u32>,
) -> Vec<Panel<'b>> {
    let pairs = depth.len().div_ceil(2);
    let len = pairs * columns.len().next_multiple_of(LANES);
    if block.len() < len {
        block.resize(len, 0);
    }
    let panels: Vec<Range<usize>> = steps(columns.clone(), PANEL).collect();
    // Of few panels each is cut in K, so that every thread has some to do.
    let parts = (n_threads() / panels.len()).min(len / LEAST_PACKED).max(1);
    let size = depth.len().div_ceil(parts).next_multiple_of(2 * LANES);
    let stretches: Vec<Range<usize>> = steps(depth.clone(), size).collect();
    let place = DisjointSlices::new(block);
    for_each(panels.len() * stretches.len(), |i| {
        let (panel, stretch) = (i / stretches.len(), &stretches[i % stretches.len()]);
        let width = panels[panel].len().next_multiple_of(LANES);
        let start = panel * PANEL * pairs + (stretch.start - depth.start) / 2 * width;
        // SAFETY: every stretch of a panel has a place of its own, and `product` asks for the processor's features.
        unsafe {
            let out = place.get(start..start + stretch.len().div_ceil(2) * width);
            pack_panel(b, stretch, &panels[panel], out);
        }
    });
    panels
        .into_iter()
        .zip(block[..len].chunks(PANEL * pairs))
        .map(|(columns, numbers)| Panel { columns, numbers })
        .collect()
}

/// The `rows` of `a` as the tiles read them.
fn with_lines(a: &Matrix<'_>, rows: Range<usize>, depth: &Range<usize>, work: impl FnOnce(&Rows<'_>)) {
    if !a.transposed && a.line.is_multiple_of(2) {
        return work(&Rows::direct(&a.numbers[rows.start * a.line..], a.line, rows.len(), depth));
    }
    LINES.with_borrow_mut(|lines| {
        let pairs = depth.len().div_ceil(2);
        lines.resize(pairs * rows.len().next_multiple_of(ROWS), 0);
        // SAFETY: `product` asks for the processor's features.
        unsafe { pack_tiles(a, depth, &rows, lines) };
        work(&Rows::packed(lines, rows.len(), pairs));
    });
}

/// `0..n` in equal parts of at most `most`, each but the last an even number.
fn ranges(n: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let size = n.div_ceil(n.div_ceil(most).max(1)).next_multiple_of(PANEL).min(most).max(1);
    steps(0..n, size)
}

fn steps(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    range.clone().step_by(size).map(move |start| start..(start + size).min(range.end))
}
