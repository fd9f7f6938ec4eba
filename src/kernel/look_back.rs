//! Adds up what the newest token of a row looks back at, while its attention is at hand: sums by distance, and what each column
//! receives. `signal::stream` says what they are for, and computes the same by libtorch's operations.

use super::parallel::DisjointSlices;
use super::softmax::dot;

/// Where sums over the attention of a decoding step go; B rows, H heads, C columns.
pub(crate) struct LookBack<'a> {
    /// Sum of attention times distance, over rows that count, `[B, H]`.
    pub span: &'a mut [f32],
    /// The row's own such sum with distances of at most `window`, in the column of its token, `[B, H, C]`.
    pub waad: &'a mut [f32],
    /// What each column receives of rows that count within the horizon, `[B, H, C]`.
    pub fai: &'a mut [f32],
    /// Whether each row counts: 1 or 0, `[B]`.
    pub counted: &'a [f32],
    /// Distances count at most this much in `waad`.
    pub window: usize,
    /// Nearest and farthest distance at which a column receives.
    pub horizon: [usize; 2],
}

/// The sums of all rows, for threads that work on one each.
pub(super) struct Sums<'a> {
    parts: [DisjointSlices<'a, f32>; 3], // span, waad, fai
    counted: &'a [f32],
    n_heads: usize,
    capacity: usize,
    horizon: [usize; 2],
    distances: Vec<f32>, // of the columns up to the new token, and at most the window
    windowed: Vec<f32>,
}

/// The sums of one row, `[H]` and `[H, C]` twice.
pub(super) struct OfRow<'a> {
    span: &'a mut [f32],
    waad: &'a mut [f32],
    fai: &'a mut [f32],
    counted: f32,
    all: &'a Sums<'a>,
}

impl<'a> Sums<'a> {
    /// For attention over the columns up to `column`.
    pub(super) fn new(look: LookBack<'a>, column: usize) -> Self {
        let LookBack { span, waad, fai, counted, window, horizon } = look;
        let (n_heads, capacity) = (span.len() / counted.len().max(1), waad.len() / span.len().max(1));
        Self {
            parts: [DisjointSlices::new(span), DisjointSlices::new(waad), DisjointSlices::new(fai)],
            counted,
            n_heads,
            capacity,
            horizon,
            distances: (0..=column).map(|s| (column - s) as f32).collect(),
            windowed: (0..=column).map(|s| (column - s).min(window) as f32).collect(),
        }
    }

    /// Those of row `b`.
    ///
    /// # Safety
    /// As for [`DisjointSlices::get`]: each row once at a time.
    pub(super) unsafe fn row(&self, b: usize) -> OfRow<'_> {
        let (h, width) = (self.n_heads, self.n_heads * self.capacity);
        let [span, waad, fai] = &self.parts;
        // SAFETY: the caller vouches.
        unsafe {
            OfRow {
                span: span.get(b * h..(b + 1) * h),
                waad: waad.get(b * width..(b + 1) * width),
                fai: fai.get(b * width..(b + 1) * width),
                counted: self.counted[b],
                all: self,
            }
        }
    }
}

impl OfRow<'_> {
    /// Takes in the attention of head `h` over the columns from `start` to the new token.
    #[inline(always)]
    pub(super) fn add(&mut self, h: usize, start: usize, attention: &[f32]) {
        let (column, [near, far]) = (start + attention.len() - 1, self.all.horizon);
        self.span[h] += self.counted * dot(attention, &self.all.distances[start..]);
        self.waad[h * self.all.capacity + column] = dot(attention, &self.all.windowed[start..]);
        let (from, to) = (column.saturating_sub(far).max(start), (column + 1).saturating_sub(near));
        if from < to {
            let received = &mut self.fai[h * self.all.capacity..][from..to];
            for (sum, weight) in received.iter_mut().zip(&attention[from - start..]) {
                *sum += self.counted * weight;
            }
        }
    }
}
