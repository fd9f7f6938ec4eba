//! A broken policy is never saved.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::{Guard, Objection};
use crate::model::{Inputs, Policy};
use crate::run::Setup;

/// Asks the policy for one distribution before it is saved. Costs far less than writing the weights.
pub(super) struct Soundness;

impl Guard for Soundness {
    fn before_saving(&self, setup: &Setup, policy: &Policy) -> Result<Option<Objection>> {
        let doubt =
            || Objection::Never(String::from("the policy's distribution over tokens is no longer finite"));
        Ok((!is_sound(setup, policy)?).then(doubt))
    }
}

/// Whether the weights are finite and so is the distribution over the token after the first training problem.
fn is_sound(setup: &Setup, policy: &Policy) -> Result<bool> {
    /// Numbers that are summed up at a time: they are all copied in double precision.
    const PART: i64 = 1 << 20;
    let is_finite = |part: &Tensor| part.sum(Kind::Double).double_value(&[]).is_finite();
    let own = policy.network.master().split(PART, 0).iter().all(is_finite);
    let all = policy.network.pieces().ranks().exchange(Ok(own))?;
    if all.contains(&false) {
        return Ok(false);
    }
    let Some(prompt) = setup.data.train.first() else { return Ok(true) };
    let inputs = Inputs::rows(&prompt.tokens, 1, policy.network.placement.device);
    let hidden = policy.network.hidden(&inputs, None)?;
    let last = hidden.narrow(0, hidden.size()[0] - 1, 1); // (1, E)
    let probs = policy.head(setup.recipe.sampling.temperature).probabilities(&last);
    Ok(probs.sum(Kind::Double).double_value(&[]).is_finite())
}
