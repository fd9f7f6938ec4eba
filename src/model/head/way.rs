//! What a chunk of logits says, and its gradient: by kernels, or by libtorch's operations.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::{StatsGrad, fill};
use crate::kernel::{self, Bf16, Number, RowGradient, RowStats, Targets};

/// What a chunk of logits says; f32, `[n]` each.
pub(super) struct RowNumbers {
    pub(super) logprobs: Tensor,
    pub(super) entropies: Tensor,
    pub(super) normalisers: Tensor,
}

/// How a chunk of logits is read, and turned into its gradient.
#[derive(Clone, Copy)]
pub(super) struct Way {
    /// Whether logits that fit into one chunk are kept for the gradient.
    pub(super) keeps: bool,
    /// Takes the logits of the rows `without` a token out of them.
    pub(super) stats: fn(
        logits: &mut Tensor,
        targets: &Tensor,
        temperature: f64,
        without: Option<&Tensor>,
    ) -> Result<RowNumbers>,
    pub(super) back:
        fn(Tensor, targets: &Tensor, temperature: f64, &RowNumbers, &StatsGrad) -> Result<Tensor>,
}

/// In one pass over the logits each, in place.
pub(super) const BY_KERNELS: Way = Way {
    keeps: true,
    stats: |logits, targets, temperature, without| {
        fill(logits, -1, without, f64::NEG_INFINITY);
        match logits.kind() {
            Kind::BFloat16 => stats_by_kernel::<Bf16>(logits, targets, temperature),
            _ => stats_by_kernel::<f32>(logits, targets, temperature),
        }
    },
    back: |logits, targets, temperature, numbers, grad| match logits.kind() {
        Kind::BFloat16 => back_by_kernel::<Bf16>(logits, targets, temperature, numbers, grad),
        _ => back_by_kernel::<f32>(logits, targets, temperature, numbers, grad),
    },
};

/// The same by libtorch's operations, on any device.
pub(super) const BY_OPERATIONS: Way =
    Way { keeps: false, stats: stats_by_operations, back: back_by_operations };

fn stats_by_kernel<T: Number>(logits: &Tensor, targets: &Tensor, temperature: f64) -> Result<RowNumbers> {
    let empty = || Tensor::empty(targets.size(), (Kind::Float, Device::Cpu));
    let mut numbers = RowNumbers { logprobs: empty(), entropies: empty(), normalisers: empty() };
    let ids = Vec::<i64>::try_from(targets)?;
    let stats = RowStats {
        logprobs: kernel::view_mut(&mut numbers.logprobs)?,
        entropies: kernel::view_mut(&mut numbers.entropies)?,
        normalisers: kernel::view_mut(&mut numbers.normalisers)?,
    };
    let targets = Targets { ids: &ids, by: temperature.recip() as f32 };
    kernel::token_stats(kernel::view::<T>(logits)?, targets, stats);
    Ok(numbers)
}

fn back_by_kernel<T: Number>(
    mut logits: Tensor,
    targets: &Tensor,
    temperature: f64,
    numbers: &RowNumbers,
    grad: &StatsGrad,
) -> Result<Tensor> {
    let ids = Vec::<i64>::try_from(targets)?;
    let d_logprobs = grad.logprobs.contiguous();
    let d_entropies = grad.entropies.as_ref().map(Tensor::contiguous);
    let gradient = RowGradient {
        d_logprobs: kernel::view(&d_logprobs)?,
        d_entropies: d_entropies.as_ref().map(kernel::view).transpose()?.unwrap_or_default(),
        entropies: kernel::view(&numbers.entropies)?,
        normalisers: kernel::view(&numbers.normalisers)?,
    };
    let targets = Targets { ids: &ids, by: temperature.recip() as f32 };
    kernel::token_stats_back(kernel::view_mut::<T>(&mut logits)?, targets, gradient);
    Ok(logits)
}

fn stats_by_operations(
    logits: &mut Tensor,
    targets: &Tensor,
    temperature: f64,
    without: Option<&Tensor>,
) -> Result<RowNumbers> {
    let mut logits = logits.to_kind(Kind::Float) / temperature;
    fill(&mut logits, -1, without, f64::NEG_INFINITY);
    let lse = logits.logsumexp([-1i64].as_slice(), true); // (n, 1)
    let logprobs = logits.gather(-1, &targets.unsqueeze(1), false) - &lse;
    let probs = logits.softmax(-1, None);
    // Nothing times minus infinity would be no number.
    fill(&mut logits, -1, without, 0.0);
    let entropies = &lse - (probs * logits).sum_dim_intlist([-1i64].as_slice(), true, None);
    let [logprobs, entropies, normalisers] = [logprobs, entropies, lse].map(|x| x.squeeze_dim(1));
    Ok(RowNumbers { logprobs, entropies, normalisers })
}

fn back_by_operations(
    logits: Tensor,
    targets: &Tensor,
    temperature: f64,
    numbers: &RowNumbers,
    grad: &StatsGrad,
) -> Result<Tensor> {
    let kind = logits.kind();
    let column = |x: &Tensor| x.unsqueeze(1); // (n, 1)
    let logs = logits.to_kind(Kind::Float) / temperature - column(&numbers.normalisers);
    let d_logprob = column(&grad.logprobs);
    let mut d_logits = match &grad.entropies {
        None => logs.exp() * -&d_logprob,
        Some(entropies) => {
            -logs.exp() * (&d_logprob + column(entropies) * (logs + column(&numbers.entropies)))
        }
    };
    let _ = d_logits.scatter_add_(-1, &targets.unsqueeze(1), &d_logprob);
    Ok((d_logits / temperature).to_kind(kind))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_say_what_operations_say() {
        tch::manual_seed(5);
        // A normaliser of 20 is rounded by 2e-6, which entropies and gradients multiply by some ten; how far
        // both ways come apart depends on the numbers drawn, and these on the processor.
        let rounding = 1e-4;
        for (kind, tolerance) in [(Kind::Float, rounding), (Kind::BFloat16, 1e-2)] {
            let (n, v) = (9, 2500);
            let normal = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
            let logits = (normal(&[n, v]) * 4.0).to_kind(kind);
            let targets = Tensor::randint(v, [n], (Kind::Int64, Device::Cpu));
            let rows = Tensor::from_slice(&[0i64, 7, 2499]);
            let targets = targets.clamp(8, 2498);
            for (entropies, without) in
                [(None, None), (Some(normal(&[n])), None), (Some(normal(&[n])), Some(&rows))]
            {
                let grad = StatsGrad { logprobs: normal(&[n]), entropies };
                let [a, b] = [BY_KERNELS, BY_OPERATIONS].map(|way| {
                    let numbers = (way.stats)(&mut logits.copy(), &targets, 0.7, without).unwrap();
                    let d = (way.back)(logits.copy(), &targets, 0.7, &numbers, &grad).unwrap();
                    [numbers.logprobs, numbers.entropies, numbers.normalisers, d.to_kind(Kind::Float)]
                });
                for (i, (a, b)) in a.iter().zip(&b).enumerate() {
                    let tolerance = if i < 3 { rounding } else { tolerance };
                    assert!(a.allclose(b, tolerance, rounding, false), "{kind:?}, {i}");
                }
            }
        }
    }
}
