//! The clipped loss of a critic's values (PPO):
//!
//! ```text
//! V_clip = old + clamp(V - old, -clip, clip)
//! loss   = max((V - R)^2, (V_clip - R)^2) / 2
//! ```

use tch::Tensor;

/// What the value loss knows of N response tokens; f32 `[N]` each.
pub struct ValueInput<'a> {
    /// Values under the weights being trained; gradients flow here.
    pub new_values: &'a Tensor,
    /// Values before the step's first update.
    pub old_values: &'a Tensor,
    /// What they should have been.
    pub returns: &'a Tensor,
}

/// The loss of every token, and where the clip decides it, `[N]` each. A `clip` of 0 is none.
pub fn value_loss(clip: f64, input: &ValueInput<'_>) -> (Tensor, Tensor) {
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
