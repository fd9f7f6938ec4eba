//! What an audit asks of the policy: gradients, and how log-probabilities answer to a change of the weights.
//!
//! ```text
//! d_t = <grad log pi(y_t | before), v>  =  (log pi_{theta + e v} - log pi_{theta - e v}) / 2 e  + O(e^2)
//! ```
//!
//! One direction costs two forward passes and serves all arms at once: `<g_s, v> = sum_t w_t d_t` whatever the weights.

use anyhow::Result;
use tch::{Device, Tensor};

use crate::batch::Sequence;
use crate::learner::{Weighted, add_weighted_scores};
use crate::measure::{Passes, logprobs};
use crate::model::{FreeMemory, Gradient, Policy};
use crate::types::{Purpose, RunRandom};

/// Largest change of a log-probability that the differences are taken at, nats: rounding is far below it, curvature too.
const REACH: f64 = 0.05;

/// The policy that is audited.
pub(crate) struct Audited<'a> {
    /// The policy; its weights are what they were whenever a call returns.
    pub policy: &'a mut Policy,
    /// Temperature of the sampling distribution.
    pub temperature: f64,
    /// How responses go through it.
    pub passes: Passes<'a>,
    /// Blocks as large as all weights come and go, and would leave holes of their size.
    free_memory: FreeMemory,
}

impl<'a> Audited<'a> {
    /// `policy` as it is audited.
    pub(crate) fn new(policy: &'a mut Policy, temperature: f64, passes: Passes<'a>) -> Self {
        Self { policy, temperature, passes, free_memory: FreeMemory::default() }
    }

    /// The gradient of the weighted log-probabilities of `responses`, added to `gradient`.
    ///
    /// # Errors
    /// As [`add_weighted_scores`].
    pub(crate) fn add_gradient(&mut self, responses: &[Weighted<'_>], gradient: &mut Gradient) -> Result<()> {
        let Passes { max_tokens, check } = self.passes;
        add_weighted_scores(self.policy, responses, self.temperature, max_tokens, check, gradient)?;
        self.free_memory.release_if_due();
        Ok(())
    }

    /// d_t of each token of `responses` along `direction`, `[n_params]`, by steps of `length` times it.
    ///
    /// # Errors
    /// If results cannot be copied to the host; that of a check.
    pub(crate) fn slopes(
        &mut self,
        responses: &[Sequence<'_>],
        direction: &Tensor,
        length: f64,
    ) -> Result<Vec<Vec<f32>>> {
        let (ahead, behind) =
            (self.at(responses, direction, length)?, self.at(responses, direction, -length)?);
        let slope = |(ahead, behind): (&f32, &f32)| {
            ((f64::from(*ahead) - f64::from(*behind)) / (2.0 * length)) as f32
        };
        let slopes = |(ahead, behind): (&Vec<f32>, &Vec<f32>)| ahead.iter().zip(behind).map(slope).collect();
        Ok(ahead.iter().zip(&behind).map(slopes).collect())
    }

    /// What to multiply `direction`, which is not 0, by so that the log-probabilities of `responses` change by [`REACH`] at most.
    ///
    /// # Errors
    /// As [`Audited::slopes`].
    pub(crate) fn step_length(&mut self, responses: &[Sequence<'_>], direction: &Tensor) -> Result<f64> {
        // A thousandth of the weights is a first guess; a change is nearly proportional to its step.
        let weights = self.policy.network.master().norm().double_value(&[]);
        let mut length = 1e-3 * weights / direction.norm().double_value(&[]);
        for _ in 0..2 {
            let slopes = self.slopes(responses, direction, length)?;
            let steepest = slopes.iter().flatten().fold(0f64, |most, slope| most.max(f64::from(slope.abs())));
            if steepest == 0.0 || !steepest.is_finite() {
                break;
            }
            length = REACH / steepest;
        }
        Ok(length)
    }

    /// Log-probabilities of `responses` at weights that are `length` times `direction` away.
    fn at(&mut self, responses: &[Sequence<'_>], direction: &Tensor, length: f64) -> Result<Vec<Vec<f32>>> {
        let weights = self.policy.network.master().copy();
        self.policy.network.update(|master| {
            let _ = master.g_add_(&(direction * length));
        })?;
        let found = logprobs(self.policy, responses, self.temperature, self.passes);
        self.policy.network.set_master(&weights)?;
        self.free_memory.release_if_due();
        Ok(found?.logprobs)
    }
}

/// Signs by lot, `[n_params]`, that depend on `random` and `number` alone, each times `scale` where there is one. Their products
/// with themselves are the identity on average, so that `E <g, z>^2 = |g|^2`.
///
/// # Errors
/// If there are more parameters than fit into memory.
pub(crate) fn probe(
    n_params: i64,
    random: RunRandom,
    number: u64,
    scale: Option<&Tensor>,
    device: Device,
) -> Result<Tensor> {
    let n = usize::try_from(n_params)?;
    let words = n.div_ceil(64) as u64;
    let bits = (0..words).map(|word| random.bits(Purpose::Probe, &[number, word]));
    let signs = bits.flat_map(|bits| (0..64).map(move |i| if bits >> i & 1 == 1 { 1f32 } else { -1.0 }));
    let signs = Tensor::from_slice(&signs.take(n).collect::<Vec<_>>()).to_device(device);
    Ok(scale.map_or_else(|| signs.shallow_clone(), |scale| &signs * scale))
}
