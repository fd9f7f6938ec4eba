//! How long many texts are: quantiles and a histogram.

use serde::Serialize;

/// Most bars of a histogram.
const BARS: usize = 8;

/// Lengths of at least one text, tokens or characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Lengths {
    /// The shortest.
    pub min: usize,
    /// At least half are as long at most.
    pub median: usize,
    /// At least nine of ten are as long at most.
    pub p90: usize,
    /// The longest.
    pub max: usize,
    /// Counts from `min` to `max`, in ranges of one width.
    pub bars: Vec<Bar>,
}

/// How many lengths lie in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Bar {
    /// Its smallest length.
    pub from: usize,
    /// Its largest length.
    pub to: usize,
    /// How many.
    pub n: usize,
}

impl Lengths {
    /// Of these; `None` where there are none.
    #[must_use]
    pub(crate) fn new(mut lengths: Vec<usize>) -> Option<Self> {
        lengths.sort_unstable();
        let (min, max) = (*lengths.first()?, *lengths.last()?);
        let quantile = |tenths: usize| lengths.get((lengths.len() * tenths).div_ceil(10) - 1).copied();
        let width = (max - min + 1).div_ceil(BARS);
        let bars = (min..=max).step_by(width).map(|from| {
            let below = |bound| lengths.partition_point(|length| *length < bound);
            Bar { from, to: max.min(from + width - 1), n: below(from + width) - below(from) }
        });
        Some(Self { min, median: quantile(5)?, p90: quantile(9)?, max, bars: bars.collect() })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn quantiles_and_bars_of_known_lengths() {
        let lengths = Lengths::new((1..=100).rev().collect()).unwrap();
        assert_eq!((lengths.min, lengths.median, lengths.p90, lengths.max), (1, 50, 90, 100));
        let bars: Vec<_> = lengths.bars.iter().map(|bar| (bar.from, bar.to, bar.n)).collect();
        assert_eq!(bars.len(), BARS);
        assert_eq!((bars[0], bars[1], bars[7]), ((1, 13, 13), (14, 26, 13), (92, 100, 9)));
    }

    #[test]
    fn few_lengths_have_few_bars() {
        assert_eq!(Lengths::new(Vec::new()), None);
        let one = Lengths::new(vec![7, 7]).unwrap();
        assert_eq!((one.min, one.median, one.p90, one.max), (7, 7, 7, 7));
        assert_eq!(one.bars, [Bar { from: 7, to: 7, n: 2 }]);
        let two = Lengths::new(vec![5, 3, 5]).unwrap();
        assert_eq!(two.median, 5);
        assert_eq!(two.bars.iter().map(|bar| bar.n).collect::<Vec<_>>(), [1, 0, 2]);
        assert_eq!(Lengths::new(vec![0; 3]).unwrap().max, 0);
    }
}
