//! Which engine is chosen, and the two output layers beside each other. What passes, steps, signals and values have in common
//! is compared on golden models in `crate::tests::numerics`.
#![expect(clippy::unwrap_used, reason = "tests")]

use tch::Kind;

use super::*;
use crate::model::config::Family;
use crate::model::config::tests::tiny;
use crate::model::layout::Slot;
use crate::tests::Draws;

const BACKENDS: [Backend; 2] = [Backend::Cpu, Backend::Ops];

#[test]
fn kernels_compute_on_the_cpu_what_they_know_unless_operations_are_asked_for() {
    for family in Family::ALL {
        let choose = |placement| Backend::choose(&tiny(family), placement);
        for kind in [Kind::Float, Kind::BFloat16] {
            let cpu = Placement::cpu(kind);
            let known = if family == Family::Gemma2 { Backend::Ops } else { Backend::Cpu };
            assert_eq!(choose(cpu), known, "{family:?}");
            assert_eq!(choose(cpu.by_ops()), Backend::Ops, "{family:?}");
            assert_eq!(choose(Placement { device: Device::Cuda(0), ..cpu }), Backend::Ops, "{family:?}");
        }
    }
}

/// Log-probabilities, entropies and gradients, with rows of the vocabulary that stand for no token and without.
#[test]
fn the_kernels_say_of_tokens_what_operations_say() {
    let draws = Draws::new(5);
    // A normaliser of 20 is rounded by 2e-6, which entropies and gradients multiply by some ten; how far both ways come apart
    // depends on the numbers drawn, and these on the processor. Logits of bf16 are rounded by 1 in 256.
    for (kind, stats, gradients) in [(Kind::Float, 1e-4, 1e-4), (Kind::BFloat16, 0.1, 0.05)] {
        let (n, v, e) = (9, 2500, 16);
        let normal = |shape: &[i64]| draws.normal(shape);
        let (weight, hidden) = (normal(&[v, e]).to_kind(kind), normal(&[n, e]).to_kind(kind));
        let targets = draws.below(v, n).clamp(8, 2498);
        let gone = Tensor::from_slice(&[0i64, 7, 2499]);
        for (entropies, without) in [(false, None), (true, None), (true, Some(&gone))] {
            let grad = StatsGrad { logprobs: normal(&[n]), entropies: entropies.then(|| normal(&[n])) };
            let [a, b] = BACKENDS.map(|backend| {
                let head = Head::new(&weight, 0.7, backend).without(without);
                let scored = head.score(&hidden, &targets).unwrap();
                let stats = [&scored.stats.logprobs, &scored.stats.entropies].map(Tensor::shallow_clone);
                let mut gradient = Gradient::zeros(v * e, Device::Cpu);
                let place = Slot { start: 0, shape: vec![v, e] };
                let d = head.backward(&hidden, &targets, scored, &grad, &mut gradient.part(&place)).unwrap();
                (stats, [d.to_kind(Kind::Float), gradient.to_tensor()])
            });
            for (a, b) in a.0.iter().zip(&b.0) {
                assert!(a.allclose(b, stats, stats, false), "{kind:?}: {a} {b}");
            }
            for (a, b) in a.1.iter().zip(&b.1) {
                let gap = ((a - b).norm() / b.norm()).double_value(&[]);
                assert!(gap < gradients, "{kind:?}: gradients are {gap} apart");
            }
        }
    }
}

/// From the same hidden states with the same uniform numbers. Logits of the two are rounded apart, so that a draw that falls
/// between two tokens may fall to either; of the likelihood of what was drawn nothing is lost.
#[test]
fn both_draw_alike() {
    let draws = Draws::new(9);
    let (b, v, e) = (200, 700, 16);
    let normal = |shape: &[i64]| draws.normal(shape);
    let (weight, hidden) = (normal(&[v, e]), normal(&[b, e]));
    let draws: Vec<Option<f64>> =
        (0..b).map(|row| (row % 10 > 0).then(|| (row as f64 * 0.618_034).fract())).collect();
    for truncation in [Truncation::NONE, Truncation { top_k: 20, top_p: 0.9 }] {
        let [cpu, ops] = BACKENDS
            .map(|backend| Head::new(&weight, 0.9, backend).draw(&hidden, &draws, truncation).unwrap());
        let same = cpu.iter().zip(&ops).filter(|(a, b)| a.0 == b.0).count();
        assert!(same >= 198, "{truncation:?}: {same} of 200 tokens are the same");
        for (a, b) in cpu.iter().zip(&ops).filter(|(a, b)| a.0 == b.0) {
            assert!((a.1 - b.1).abs() < 1e-4, "{truncation:?}: {a:?} {b:?}");
        }
    }
}
