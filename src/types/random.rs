//! Randomness as a pure function of where it is used.
//!
//! Every draw is `hash(run seed, purpose, coordinates)`; there is no generator whose state would have to be
//! saved, and the order or batching of work cannot change a result.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a draw is for; keeps the streams of different uses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Initial weights of a scratch model.
    Init,
    /// Items of a generated data set.
    Items,
    /// Demonstrations of SFT.
    Demonstrations,
    /// Order of SFT's texts.
    SftOrder,
    /// Order of the training prompts.
    PromptOrder,
    /// Sampling of training responses.
    Rollout,
    /// Sampling of evaluation responses.
    Eval,
    /// Sampling on behalf of a person (`rlcredit sample`).
    Sample,
    /// Tokens that random credit chooses.
    Credit,
    /// Places that branches leave a response at.
    Branch,
    /// Responses that branches leave.
    Expand,
    /// The order of gains that a control shuffles.
    Shuffle,
    /// Prompts and responses of an audit.
    Audit,
    /// Signs of an audit's random directions.
    Probe,
    /// Heads that a control scales.
    Heads,
    /// Prompts that differ in what a circuit explains.
    Pairs,
    /// Adapters before training.
    Adapters,
}

/// Which response draws are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coordinates {
    /// The step that samples it.
    pub step: u64,
    /// Its prompt.
    pub prompt: u64,
    /// Its number among the responses to that prompt.
    pub sample: u64,
}

impl Coordinates {
    /// A draw about the response, or about its token `number`.
    #[must_use]
    pub(crate) fn draw(self, number: u64) -> [u64; 4] {
        let Self { step, prompt, sample } = self;
        [step, prompt, sample, number]
    }
}

/// The randomness of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunRandom {
    seed: u64,
}

impl RunRandom {
    /// The randomness of the run with this seed.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// 64 uniform bits at `coordinates` (step, prompt, sample, position, ... as the purpose has them).
    #[must_use]
    pub(crate) fn bits(&self, purpose: Purpose, coordinates: &[u64]) -> u64 {
        let start = mix(self.seed ^ mix(purpose as u64 + 1));
        coordinates.iter().fold(start, |state, c| mix(state.rotate_left(23) ^ mix(*c)))
    }

    /// A uniform number in `[0, 1)` at `coordinates`.
    #[must_use]
    pub(crate) fn uniform(&self, purpose: Purpose, coordinates: &[u64]) -> f64 {
        (self.bits(purpose, coordinates) >> 11) as f64 * (-53f64).exp2()
    }

    /// A generator that starts at `coordinates`, for uses that draw many numbers in a fixed order.
    #[must_use]
    pub(crate) fn stream(&self, purpose: Purpose, coordinates: &[u64]) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.bits(purpose, coordinates))
    }
}

/// The finaliser of SplitMix64 over the golden-ratio increment: a bijection that flips half the bits.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_every_coordinate_and_on_nothing_else() {
        let random = RunRandom::new(7);
        let base = random.bits(Purpose::Rollout, &[1, 2, 3]);
        assert_eq!(base, random.bits(Purpose::Rollout, &[1, 2, 3]));
        assert_ne!(base, RunRandom::new(8).bits(Purpose::Rollout, &[1, 2, 3]));
        assert_ne!(base, random.bits(Purpose::Eval, &[1, 2, 3]));
        for other in [[1, 2, 4], [1, 3, 2], [2, 1, 3], [0, 2, 3]] {
            assert_ne!(base, random.bits(Purpose::Rollout, &other));
        }
    }

    #[test]
    fn uniform_draws_fill_the_unit_interval_evenly() {
        let random = RunRandom::new(0);
        let mut counts = [0u32; 10];
        for i in 0..100_000 {
            let u = random.uniform(Purpose::Rollout, &[1, i, 0]);
            counts[(u * 10.0) as usize] += 1;
        }
        // 10,000 expected in each bin, standard deviation 95.
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
    }
}
