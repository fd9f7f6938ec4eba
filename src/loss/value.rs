//! The clipped loss of a critic's values (PPO):
//!
//! ```text
//! V_clip = old + clamp(V - old, -clip, clip)
//! loss   = max((V - R)^2, (V_clip - R)^2) / 2
//! ```

use tch::Tensor;

/// What the value loss knows of N response tokens; f32 `[N]` each.
pub(crate) struct ValueInput<'a> {
    /// Values under the weights being trained; gradients flow here.
    pub new_values: &'a Tensor,
    /// Values before the step's first update.
    pub old_values: &'a Tensor,
    /// What they should have been.
    pub returns: &'a Tensor,
}

/// The loss of every token, and where the clip decides it, `[N]` each. A `clip` of 0 is none.
pub(crate) fn value_loss(clip: f64, input: &ValueInput<'_>) -> (Tensor, Tensor) {
    let ValueInput { new_values: new, old_values: old, returns } = *input;
    let plain = (new - returns).square() / 2.0;
    if clip == 0.0 {
        let nowhere = plain.detach().less(f64::NEG_INFINITY);
        return (plain, nowhere);
    }
    let limited = (old + (new - old).clamp(-clip, clip) - returns).square() / 2.0;
    let decides = limited.detach().greater_tensor(&plain.detach());
    (plain.maximum(&limited), decides)
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::super::testing::assert_close;
    use super::*;

    /// The value moves from 1 to 1.5, and counts as 1.2.
    #[test]
    fn the_worse_of_plain_and_clipped_counts() {
        let of = |clip: f64, returns: f32| {
            let new = Tensor::from_slice(&[1.5f32]).set_requires_grad(true);
            let (old, returns) = (Tensor::from_slice(&[1f32]), Tensor::from_slice(&[returns]));
            let (loss, decides) =
                value_loss(clip, &ValueInput { new_values: &new, old_values: &old, returns: &returns });
            loss.sum(Kind::Float).backward();
            (loss.detach(), new.grad(), decides.int64_value(&[0]) == 1)
        };
        for (clip, returns, loss, gradient, decided) in
            [(0.2, 2.0, 0.32, 0.0, true), (0.2, 0.0, 1.125, 1.5, false), (0.0, 2.0, 0.125, -0.5, false)]
        {
            let got = of(clip, returns);
            assert_close(&got.0, &Tensor::from_slice(&[loss as f32]));
            assert_close(&got.1, &Tensor::from_slice(&[gradient as f32]));
            assert_eq!(got.2, decided);
        }
    }
}
