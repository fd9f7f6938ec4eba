//! Steps that took far longer than the others of their run, as on a machine that was busy with something else.
//!
//! ```text
//! stalled = { k : time_k > 10 median(time) }       worth a word where Σ_stalled time > 0.05 Σ time
//! ```
//!
//! A few of them decide the training time of a run, which is a sum.

/// How much longer than the median step a stalled one takes.
const FAR: f64 = 10.0;

/// Share of the training time from which on stalled steps matter.
const SHARE: f64 = 0.05;

/// The stalled steps of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stall {
    /// How many there are.
    pub n: usize,
    /// Seconds of all of them.
    pub seconds: f64,
    /// The same as a share of the training time.
    pub share: f64,
    /// Seconds of the median step.
    pub median: f64,
}

impl Stall {
    /// The stalled steps among `seconds`, one entry per step, if they matter.
    pub(super) fn from_seconds(seconds: &[f64]) -> Option<Self> {
        let mut sorted = seconds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let median = *sorted.get(sorted.len() / 2)?;
        let stalled: Vec<f64> = sorted.iter().copied().filter(|step| *step > FAR * median).collect();
        let total: f64 = stalled.iter().sum();
        let share = total / seconds.iter().sum::<f64>();
        (share > SHARE).then_some(Self { n: stalled.len(), seconds: total, share, median })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_steps_matter_from_a_twentieth_of_the_time_on() {
        let steps = |n: usize, long: &[f64]| [vec![2.0; n], long.to_vec()].concat();
        assert_eq!(Stall::from_seconds(&[]), None);
        assert_eq!(Stall::from_seconds(&steps(100, &[])), None);
        // 19 s is long, but not far above 2 s.
        assert_eq!(Stall::from_seconds(&steps(5, &[19.0])), None);
        // 21 s of 421 s and of 419 s: 5 % is 21.05 s and 20.95 s.
        assert_eq!(Stall::from_seconds(&steps(200, &[21.0])), None);
        assert!(Stall::from_seconds(&steps(199, &[21.0])).is_some());
        let stall = Stall::from_seconds(&steps(20, &[25.0, 35.0]));
        assert_eq!(stall, Some(Stall { n: 2, seconds: 60.0, share: 0.6, median: 2.0 }));
    }
}
