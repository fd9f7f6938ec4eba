//! The output layer by libtorch's operations. Its gradient is made by hand, as logits are too many to be kept for autograd.

use tch::Tensor;

use crate::model::gradient::GradientPart;
use crate::model::head::{Head, RowNumbers, Rows, StatsGrad, fill};

pub(super) fn score(head: &Head<'_>, rows: &Rows) -> RowNumbers {
    let mut logits = head.logits(&rows.hidden); // (n, V)
    fill(&mut logits, -1, head.without, f64::NEG_INFINITY);
    let lse = logits.logsumexp([-1i64].as_slice(), true); // (n, 1)
    let logprobs = logits.gather(-1, &rows.targets.unsqueeze(1), false) - &lse;
    let probs = logits.softmax(-1, None);
    // Nothing times minus infinity would be no number.
    fill(&mut logits, -1, head.without, 0.0);
    let entropies = &lse - (probs * logits).sum_dim_intlist([-1i64].as_slice(), true, None);
    let [logprobs, entropies, normalisers] = [logprobs, entropies, lse].map(|x| x.squeeze_dim(1));
    RowNumbers { logprobs, entropies, normalisers }
}

pub(super) fn pull_back(
    head: &Head<'_>,
    rows: &Rows,
    numbers: &RowNumbers,
    grad: &StatsGrad,
    d_weight: &mut GradientPart<'_>,
) -> Tensor {
    let column = |x: &Tensor| x.unsqueeze(1); // (n, 1)
    let logits = head.logits(&rows.hidden); // (n, V)
    let logs = &logits - column(&numbers.normalisers);
    let d_logprob = column(&grad.logprobs);
    let mut d_logits = match &grad.entropies {
        None => logs.exp() * -&d_logprob,
        Some(entropies) => {
            -logs.exp() * (&d_logprob + column(entropies) * (logs + column(&numbers.entropies)))
        }
    };
    let _ = d_logits.scatter_add_(-1, &column(&rows.targets), &d_logprob);
    if let Some(c) = head.softcap {
        d_logits *= 1.0 - (logits * (head.temperature / c)).square();
    }
    fill(&mut d_logits, -1, head.without, 0.0);
    let d_logits = (d_logits / head.temperature).to_kind(head.weight.kind());
    if d_weight.is_wanted() {
        d_weight.add(&d_logits.transpose(0, 1).mm(&rows.hidden));
    }
    d_logits.mm(head.weight)
}
