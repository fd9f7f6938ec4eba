//! What a pass over the model reads: tokens, and the sequences that run through them.
//!
//! A token with a given past has one hidden state, however many sequences go on from it. So a pass computes each such
//! token once, in rows `[N, ..]` without padding; attention alone lays the sequences out side by side, in *slots*:
//!
//! ```text
//! tokens     p0 p1 a2 a3 b2                  two responses to one prompt
//! slots      p0 p1 a2 a3                     a grid [B, T]; b's last slot is padding
//!            p0 p1 b2 b2
//! ```

use std::ops::Range;

use tch::{Device, Tensor};

use crate::kernel::Slots;
use crate::types::TokenId;

/// The tokens of a pass and their sequences.
pub(crate) struct Inputs {
    /// Token ids, int64 `[N]`.
    pub tokens: Tensor,
    /// Place of each token in its sequences, int64 `[N]`.
    pub(super) positions: Tensor,
    pub(super) grids: Vec<Grid>,
    pub(super) slots: Slots,
    // Token of each slot and home of each token once more, where libtorch's operations read them.
    spread: Tensor, // int64 [S]
    home: Tensor,   // int64 [N]
}

/// Sequences of about one length side by side: B rows of T slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// The sequences.
    pub rows: Range<usize>,
    /// T, the longest of them.
    pub width: usize,
    /// The first of the grid's slots; they follow each other row by row.
    pub start: usize,
}

impl Grid {
    /// All its slots.
    pub(super) fn slots(&self) -> Range<usize> {
        self.start..self.start + self.rows.len() * self.width
    }
}

impl Inputs {
    /// `tokens` and the sequences through them: the indices of each one's tokens, none empty, every token in one of them and
    /// always at the same place. Sequences of like length should stand next to each other, the longer ones first.
    #[must_use]
    pub(crate) fn new(tokens: &[TokenId], sequences: &[Vec<usize>], device: Device) -> Self {
        let grids = side_by_side(sequences);
        let slots = slots(tokens.len(), sequences, &grids);
        let index = |places: &[usize]| {
            Tensor::from_slice(&places.iter().map(|i| *i as i64).collect::<Vec<_>>()).to_device(device)
        };
        let ids: Vec<i64> = tokens.iter().map(|id| i64::from(*id)).collect();
        Self {
            tokens: Tensor::from_slice(&ids).to_device(device),
            positions: index(&slots.position),
            spread: index(&slots.token),
            home: index(&slots.home),
            grids,
            slots,
        }
    }

    /// Rows of equal length that share nothing: `rows` `[B, T]`, row after row.
    #[must_use]
    pub(crate) fn rows(tokens: &[TokenId], n_rows: usize, device: Device) -> Self {
        let width = tokens.len() / n_rows.max(1);
        debug_assert_eq!(width * n_rows, tokens.len(), "rows of equal length");
        let row = |b: usize| (b * width..(b + 1) * width).collect();
        Self::new(tokens, &(0..n_rows).map(row).collect::<Vec<_>>(), device)
    }

    /// Number of tokens.
    #[must_use]
    pub(crate) fn n_tokens(&self) -> usize {
        self.slots.home.len()
    }

    /// Number of positions that its tokens take: the length of the longest sequence.
    pub(super) fn n_positions(&self) -> i64 {
        self.grids.iter().map(|grid| grid.width as i64).max().unwrap_or(0)
    }

    /// `x` `[N, W]` in the slots of `grid`, `[B, T, W]`.
    pub(super) fn spread(&self, x: &Tensor, grid: &Grid) -> Tensor {
        let slots = grid.slots();
        let index = self.spread.narrow(0, slots.start as i64, slots.len() as i64);
        gather_rows(x, &index).view([grid.rows.len() as i64, grid.width as i64, -1])
    }

    /// What stands in the home slot of each token: `x` `[S, W]` to `[N, W]`.
    pub(super) fn gather(&self, x: &Tensor) -> Tensor {
        gather_rows(x, &self.home)
    }
}

/// Rows `index` `[M]` of `x` `[N, W]`: `[M, W]`. Its gradient sums in a fixed order on every device, that of `index_select`
/// does not.
pub(crate) fn gather_rows(x: &Tensor, index: &Tensor) -> Tensor {
    Tensor::embedding(x, index, -1, false, false)
}

/// The gradient of [`gather_rows`]: `d` `[M, W]` added up into the `n` rows that they were taken from.
pub(crate) fn scatter_add_rows(d: &Tensor, index: &Tensor, n: usize) -> Tensor {
    use tch::Kind;
    Tensor::embedding_dense_backward(&d.to_kind(Kind::Float), index, n as i64, -1, false).to_kind(d.kind())
}

/// The slots of `sequences` through `n` tokens, grid after grid.
fn slots(n: usize, sequences: &[Vec<usize>], grids: &[Grid]) -> Slots {
    let mut slots = Slots { home: vec![0; n], position: vec![0; n], ..Slots::default() };
    let mut all: Vec<Vec<usize>> = vec![Vec::new(); n];
    for grid in grids {
        for row in grid.rows.clone() {
            let sequence = &sequences[row];
            let start = slots.token.len();
            for (position, token) in sequence.iter().enumerate() {
                all[*token].push(start + position);
                slots.position[*token] = position;
            }
            // Nothing sees what stands behind a sequence's end, whatever it is.
            let padding = sequence.last().copied().unwrap_or(0);
            let padded = sequence.iter().copied().chain(std::iter::repeat(padding));
            slots.token.extend(padded.take(grid.width));
            slots.sequence.resize(start + grid.width, row);
            slots.sequences.push(start..start + grid.width);
        }
    }
    for (token, own) in all.into_iter().enumerate() {
        slots.home[token] = own.first().copied().unwrap_or(0);
        slots.first.push(slots.all.len());
        slots.all.extend(own);
    }
    slots.first.push(slots.all.len());
    slots
}

/// Grids of neighbours, in each of which no sequence is shorter than three quarters of the first.
fn side_by_side(sequences: &[Vec<usize>]) -> Vec<Grid> {
    let mut grids: Vec<Grid> = Vec::new();
    for (row, sequence) in sequences.iter().enumerate() {
        let n = sequence.len();
        match grids.last_mut() {
            Some(grid) if n <= grid.width && 4 * n >= 3 * grid.width => grid.rows.end = row + 1,
            last => {
                let start = last.map_or(0, |grid| grid.slots().end);
                grids.push(Grid { rows: row..row + 1, width: n, start });
            }
        }
    }
    grids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_of_like_length_stand_side_by_side() {
        // Tokens 0 and 1 are a prompt of three responses.
        let sequences = [vec![0, 1, 2, 3, 4], vec![0, 1, 5, 6], vec![0, 7]];
        let inputs = Inputs::new(&[9; 8], &sequences, Device::Cpu);
        let grid = |rows: Range<usize>, width, start| Grid { rows, width, start };
        assert_eq!(inputs.grids, [grid(0..2, 5, 0), grid(2..3, 2, 10)]);
        assert_eq!(inputs.slots.token, [0, 1, 2, 3, 4, 0, 1, 5, 6, 6, 0, 7]);
        assert_eq!(inputs.slots.position, [0, 1, 2, 3, 4, 2, 3, 1]);
        for (token, home) in inputs.slots.home.iter().enumerate() {
            assert_eq!(inputs.slots.token[*home], token);
        }
    }
}
