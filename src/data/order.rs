//! The order in which the items of a data set are visited, epoch after epoch, as a pure function of the run's
//! seed.

use std::ops::Range;

use rand::seq::SliceRandom;

use crate::types::{Purpose, RunRandom};

/// The items at `positions` of an endless walk that visits all of `0..n_items` once per epoch, in an order
/// drawn anew for each: position `epoch * n_items + k` visits the `k`-th item of the permutation at
/// (`purpose`, epoch). `n_items` is at least 1.
pub(super) fn visits(
    random: &RunRandom,
    purpose: Purpose,
    n_items: usize,
    positions: Range<u64>,
) -> Vec<usize> {
    let n = n_items as u64;
    let mut items = Vec::new();
    let mut at = positions.start;
    while at < positions.end {
        let epoch = at / n;
        let mut permutation: Vec<usize> = (0..n_items).collect();
        permutation.shuffle(&mut random.stream(purpose, &[epoch]));
        let end = positions.end.min((epoch + 1) * n);
        items.extend_from_slice(&permutation[(at - epoch * n) as usize..(end - epoch * n) as usize]);
        at = end;
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_the_walk_join_and_every_epoch_is_a_permutation_of_its_own() {
        let random = RunRandom::new(3);
        let walk = |range| visits(&random, Purpose::PromptOrder, 10, range);
        let whole = walk(0..35);
        let pieces: Vec<usize> = (0..7).flat_map(|i| walk(i * 5..i * 5 + 5)).collect();
        assert_eq!(pieces, whole);
        assert_eq!([walk(0..7), walk(7..31), walk(31..35)].concat(), whole);
        for epoch in whole.chunks_exact(10) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(whole[..10], whole[10..20]);
        assert_ne!(whole, visits(&RunRandom::new(4), Purpose::PromptOrder, 10, 0..35));
        assert_ne!(whole, visits(&random, Purpose::SftOrder, 10, 0..35));
    }
}
