//! The learner's gradient: equal for every cut into micro-batches, and that of plain autograd.

use crate::batch::{BatchConfig, Reads, Sequence, TokenBatch, TrainSample};
use crate::learner::{LearnerConfig, PolicyLearner, Rates, UpdateReport};
use crate::loss::{
    Aggregation, CispoConfig, ClipConfig, GspoConfig, KlConfig, KlPlace, LossConfig, PolicyLossConfig,
    token_weights,
};
use crate::model::{Output, Policy, Slot};
use crate::optim::OptimConfig;
use crate::types::{KlEstimator, SharedPrefix, Tree};
use tch::{Device, Kind, Tensor};

use super::common::{
    BACKENDS, FAMILIES, KERNELS, alone, distance, everywhere, leaf, logits, measured, numbers, policy,
    policy_by, policy_in, row, samples, tokens,
};

pub(super) const TEMPERATURE: f64 = 0.8;
const LONGEST: usize = 16;
const KL_COEF: f64 = 0.4;
const ALL: [Aggregation; 4] = [
    Aggregation::TokenMean,
    Aggregation::SeqMeanTokenMean,
    Aggregation::SeqMeanTokenSum,
    Aggregation::Constant,
];

/// No momentum and no clipping, so that after an update the first moment is the gradient.
pub(super) fn config(loss: LossConfig, max_tokens: usize) -> LearnerConfig {
    let optim: OptimConfig =
        serde_json::from_str(r#"{"lr": 0.0, "betas": [0.0, 0.9], "max_grad_norm": 0.0}"#).unwrap();
    LearnerConfig {
        loss,
        optim,
        batch: BatchConfig {
            prompts: 3,
            minibatches: 1,
            epochs: 1,
            max_tokens,
            gradient_checkpointing: false,
            shared_prefix: SharedPrefix::EveryPath,
        },
        temperature: TEMPERATURE,
        max_new_tokens: LONGEST,
    }
}

/// This learning rate, and the weight of the penalty that the tests' losses name.
pub(super) fn rates(lr: f64) -> Rates {
    Rates { lr, kl_coef: KL_COEF }
}

/// A divergence with the weight of [`rates`].
fn kl(estimator: KlEstimator) -> Option<KlConfig> {
    Some(KlConfig { coef: KL_COEF, estimator, place: KlPlace::Loss, adaptive: None })
}

fn learner_gradient(
    policy: &mut Policy,
    config: LearnerConfig,
    samples: &[TrainSample],
) -> (Tensor, UpdateReport) {
    let mut learner = PolicyLearner::new(config, policy);
    let mut heard = Vec::new();
    let report = learner
        .update(policy, samples, rates(0.0), &mut |n| {
            heard.push(n);
            Ok(())
        })
        .unwrap();
    assert_eq!(heard.iter().sum::<usize>(), samples.len() * config.batch.epochs, "{heard:?}");
    assert_eq!(report.not_finite, None);
    (learner.state().first.shallow_clone(), report)
}

/// The samples with the log-probabilities that `policy` gives them as old ones, moved by up to `noise`.
fn with_old(policy: &Policy, mut samples: Vec<TrainSample>, noise: f32) -> Vec<TrainSample> {
    let trees = samples.iter().map(|s| Tree {
        prompt: s.prompt.clone(),
        leaves: vec![leaf(0, s.tokens.clone(), vec![-1.0; s.tokens.len()])],
    });
    let old = measured(policy, &trees.collect::<Vec<_>>(), TEMPERATURE, 64);
    for (i, (sample, old)) in (0..).zip(samples.iter_mut().zip(old)) {
        let moved = old.iter().zip(numbers(1000 + i, old.len())).map(|(old, x)| old + noise * x);
        sample.old_logprobs = Some(moved.collect());
    }
    samples
}

fn with_reference(mut samples: Vec<TrainSample>) -> Vec<TrainSample> {
    for (i, sample) in (0..).zip(&mut samples) {
        let n = sample.tokens.len();
        sample.ref_logprobs = Some(numbers(2000 + i, n).into_iter().map(|x| x - 3.0).collect());
    }
    samples
}

/// The slow, obvious way: each sample alone, all logits, autograd to every parameter. `token_loss` maps log-probabilities
/// and entropies `[n]` of a sample to losses.
fn reference_gradient(
    policy: &Policy,
    samples: &[TrainSample],
    aggregation: Aggregation,
    token_loss: impl Fn(&TrainSample, &Tensor, &Tensor) -> Tensor,
) -> Tensor {
    let decoder = policy.network.decoder();
    let weights = decoder.weights;
    let mut leaves = weights.inner(&policy.network.layout);
    leaves.push((policy.network.layout.embed.clone(), weights.embed.shallow_clone()));
    if let (Output::Vocabulary(slot), Output::Vocabulary(weight)) =
        (&policy.network.layout.output, &weights.output)
    {
        leaves.push((slot.clone(), weight.shallow_clone()));
    }
    let lengths: Vec<usize> = samples.iter().map(|s| s.tokens.len()).collect();
    let losses: Vec<Tensor> = samples
        .iter()
        .zip(token_weights(aggregation, &lengths, LONGEST))
        .map(|(sample, weight)| {
            let all = alone(&[sample.prompt.tokens.as_slice(), &sample.tokens].concat());
            let hidden = decoder.hidden(&all, decoder.embed(&all.tokens), None); // (T, E)
            let n = sample.tokens.len() as i64;
            let predicting = logits(policy, &hidden).narrow(0, all.n_tokens() as i64 - n - 1, n);
            let predicted = (predicting / TEMPERATURE).log_softmax(-1, None); // (n, V)
            let logprobs = predicted.gather(1, &row(&sample.tokens).transpose(0, 1), false).squeeze_dim(1); // (n)
            let entropies = -(predicted.exp() * &predicted).sum_dim_intlist([-1i64].as_slice(), false, None); // (n)
            (token_loss(sample, &logprobs, &entropies) * weight).sum(None)
        })
        .collect();
    let loss = Tensor::stack(&losses, 0).sum(None);
    let inputs: Vec<&Tensor> = leaves.iter().map(|(_, leaf)| leaf).collect();
    let grads = Tensor::run_backward(&[loss], &inputs, false, false);
    let mut gradient = policy.network.zero_gradient();
    for ((slot, _), grad) in leaves.iter().zip(&grads) {
        gradient.part(slot).add(grad);
    }
    gradient.to_tensor()
}

/// Every parameter's gradient is that of `expected`, and there is one.
fn assert_equal(policy: &Policy, got: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    for entry in policy.network.layout.entries() {
        let part = |flat: &Tensor| flat.narrow(0, entry.start, entry.n_elements());
        let scale = part(expected).abs().max().double_value(&[]);
        assert!(scale > 1e-6, "{what}, {}: no gradient", entry.name);
        let gap = distance(&part(got), &part(expected)) / scale;
        assert!(gap < tolerance, "{what}, {}: off by {gap} of its largest element {scale}", entry.name);
    }
}

#[test]
fn the_gradient_is_that_of_reinforce_while_the_ratio_is_1() {
    for family in FAMILIES {
        let mut policy = policy(family);
        let reinforce = |policy: &Policy, aggregation| {
            reference_gradient(policy, &samples(), aggregation, |sample, logprobs, _| {
                -logprobs * Tensor::from_slice(&sample.advantages)
            })
        };
        let gspo: GspoConfig = serde_json::from_str("{}").unwrap();
        let cispo: CispoConfig = serde_json::from_str("{}").unwrap();
        for policy_loss in [PolicyLossConfig::Gspo(gspo), PolicyLossConfig::Cispo(cispo)] {
            let loss = LossConfig::from(policy_loss);
            let reference = reinforce(&policy, loss.aggregation());
            let samples = with_old(&policy, samples(), 0.0);
            let (gradient, _) = learner_gradient(&mut policy, config(loss, 40), &samples);
            assert_equal(&policy, &gradient, &reference, 1e-3, &format!("{family}, {loss:?}"));
        }
        for aggregation in ALL {
            let reference = reinforce(&policy, aggregation);
            let clip = LossConfig { aggregation: Some(aggregation), ..LossConfig::default() };
            let (gradient, report) = learner_gradient(&mut policy, config(clip, 40), &samples());
            assert_equal(&policy, &gradient, &reference, 1e-4, &format!("{family}, {aggregation:?}"));
            let lengths: Vec<usize> = samples().iter().map(|s| s.tokens.len()).collect();
            let weights = token_weights(aggregation, &lengths, LONGEST);
            let sums = samples().into_iter().map(|s| s.advantages.iter().map(|a| f64::from(*a)).sum::<f64>());
            let loss: f64 = -sums.zip(weights).map(|(sum, weight)| sum * weight).sum::<f64>();
            let gap = report.metrics.get("loss/policy").unwrap() - loss;
            assert!(
                loss.abs() > 1e-3 && gap.abs() < 1e-5 * loss.abs().max(1.0),
                "{aggregation:?}: {loss}, off by {gap}"
            );
        }
    }
}

#[test]
fn the_gradient_is_that_of_the_clipped_loss_and_the_divergence() {
    let estimators = [KlEstimator::K1, KlEstimator::K2, KlEstimator::K3];
    for ((family, backend), estimator) in everywhere().zip(estimators.into_iter().cycle()) {
        let mut policy = policy_by(family, Kind::Float, backend);
        let samples = with_reference(with_old(&policy, samples(), 0.3));
        let clip = LossConfig {
            policy: PolicyLossConfig::Clip(ClipConfig { clip_low: 0.2, clip_high: 0.3, dual_clip: None }),
            aggregation: Some(Aggregation::TokenMean),
            entropy_bonus: 0.2,
            kl: kl(estimator),
        };
        let reference =
            reference_gradient(&policy, &samples, clip.aggregation(), |sample, new, entropies| {
                let tensor = |values: &Option<Vec<f32>>| Tensor::from_slice(values.as_ref().unwrap());
                let advantages = Tensor::from_slice(&sample.advantages);
                let ratio = (new - tensor(&sample.old_logprobs)).exp();
                let clipped = ratio.clamp(0.8, 1.3);
                let d = tensor(&sample.ref_logprobs) - new;
                let kl = match estimator {
                    KlEstimator::K1 => -d,
                    KlEstimator::K2 => &d * &d * 0.5,
                    KlEstimator::K3 => d.exp() - &d - 1.0,
                };
                -(&ratio * &advantages).minimum(&(clipped * &advantages)) + kl * KL_COEF - entropies * 0.2
            });
        let (gradient, report) = learner_gradient(&mut policy, config(clip, 40), &samples);
        assert_equal(&policy, &gradient, &reference, 1e-4, family);
        for key in ["policy/clip_frac_low", "policy/clip_frac_high", "policy/approx_kl"] {
            assert!(report.metrics.get(key).unwrap() > 0.0, "{family}: {key} is 0");
        }
        let tokens = samples.iter().zip(&report.seen);
        let tokens = tokens.flat_map(|(s, seen)| seen.logprobs.iter().zip(s.ref_logprobs.as_ref().unwrap()));
        let divergences: Vec<f64> =
            tokens.map(|(new, reference)| estimator.token(*new, *reference)).collect();
        let expected = divergences.iter().sum::<f64>() / divergences.len() as f64;
        let got = report.metrics.get("policy/kl_ref").unwrap();
        assert!((got - expected).abs() < 1e-5 * expected.abs().max(1.0), "{family}: {got} {expected}");
        assert!(report.metrics.get("loss/entropy").unwrap() < -0.1, "{family}");
        let gap = report.metrics.get("policy/first_ratio_gap").unwrap();
        assert!((0.3..0.4501).contains(&gap), "{family}: {gap}");
    }
}

#[test]
fn before_the_first_update_nothing_has_moved() {
    for family in FAMILIES {
        let mut policy = policy(family);
        let samples = with_old(&policy, samples(), 0.0);
        let (_, report) = learner_gradient(&mut policy, config(LossConfig::default(), 40), &samples);
        let metric = |key: &str| report.metrics.get(key).unwrap();
        assert!((metric("policy/ratio_mean") - 1.0).abs() < 1e-5);
        assert!(metric("policy/approx_kl").abs() < 1e-6);
        assert!(metric("policy/first_ratio_gap") < 1e-4);
        assert_eq!((metric("policy/clip_frac_low"), metric("policy/clip_frac_high")), (0.0, 0.0));
        for (sample, first) in samples.iter().zip(report.seen.iter().map(|seen| &seen.logprobs)) {
            let old = sample.old_logprobs.as_ref().unwrap();
            assert!(
                old.iter().zip(first).all(|(a, b)| (a - b).abs() < 1e-4),
                "samples and results are out of order"
            );
        }
    }
}

/// Nor does computing activations anew, not even a bit of it.
#[test]
fn the_cut_into_micro_batches_and_the_order_of_samples_change_nothing() {
    for family in KERNELS {
        let mut policy = policy(family);
        let samples = with_reference(with_old(&policy, samples(), 0.3));
        let clip = |aggregation| {
            let kl = kl(KlEstimator::K3);
            LossConfig { aggregation: Some(aggregation), kl, entropy_bonus: 0.1, ..LossConfig::default() }
        };
        let gspo: GspoConfig = serde_json::from_str(r#"{"clip_low": 0.05, "clip_high": 0.05}"#).unwrap();
        let cispo: CispoConfig = serde_json::from_str("{}").unwrap();
        let losses = ALL.map(clip);
        for loss in losses
            .into_iter()
            .chain([PolicyLossConfig::Gspo(gspo), PolicyLossConfig::Cispo(cispo)].map(LossConfig::from))
        {
            let mut gradient = |samples: &[TrainSample], max_tokens| {
                learner_gradient(&mut policy, config(loss, max_tokens), samples).0
            };
            let whole = gradient(&samples, 1 << 14);
            let mut shuffled: Vec<TrainSample> =
                [3, 8, 0, 5, 1, 7, 2, 6, 4].map(|i| samples[i].clone()).to_vec();
            shuffled.iter_mut().for_each(|s| s.place.0 = 0); // one minibatch whatever the order
            let others = [gradient(&samples, 100), gradient(&samples, 20), gradient(&shuffled, 60)];
            for other in others {
                assert_equal(&policy, &other, &whole, 1e-4, &format!("{family}, {loss:?}"));
            }
            let mut again = config(loss, 1 << 14);
            again.batch.gradient_checkpointing = true;
            assert_eq!(
                learner_gradient(&mut policy, again, &samples).0,
                whole,
                "{family}, {loss:?}: recompute"
            );
        }
    }
}

/// Sequences that share their beginnings, of lengths that need several grids.
#[test]
fn the_kernels_gradient_is_that_of_autograd() {
    let shared = tokens(1, 9);
    let rows = [30, 29, 25, 12, 11, 3].map(|n| [&shared[..], &tokens(n, n as usize)].concat());
    let sequences: Vec<Sequence<'_>> =
        rows.iter().map(|row| Sequence { prompt: &row[..4], response: &row[4..] }).collect();
    for family in KERNELS {
        for (kind, least) in [(Kind::Float, 1.0 - 1e-9), (Kind::BFloat16, 0.99)] {
            let policies = BACKENDS.map(|backend| policy_by(family, kind, backend));
            let policy = &policies[0];
            let batch = TokenBatch::new(&sequences, Reads::Predictors, Device::Cpu);
            let n = batch.inputs.n_tokens();
            assert_eq!(n, 9 + rows.iter().map(|row| row.len() - 10).sum::<usize>());
            let width = policy.network.config.hidden_size;
            let d_hidden =
                Tensor::from_slice(&numbers(5, n * width as usize)).view([-1, width]).to_kind(kind);
            let passes = [false, true].map(|recompute| {
                policies.each_ref().map(|policy| policy.network.forward(&batch.inputs, recompute).unwrap())
            });
            let gap = distance(&passes[0][0].hidden, &passes[0][1].hidden);
            assert!(gap < if kind == Kind::Float { 1e-5 } else { 0.2 }, "{family}, {kind:?}: {gap}");
            let gradients = passes.map(|ways| {
                let mut policies = policies.iter();
                ways.map(|forward| {
                    let policy = policies.next().unwrap();
                    let mut gradient = policy.network.zero_gradient();
                    policy.network.backward(&batch.inputs, forward, &d_hidden, &mut gradient).unwrap();
                    gradient.to_tensor()
                })
            });
            let [kept, recomputed] = gradients;
            assert_eq!(kept[0], recomputed[0], "{family}, {kind:?}");
            assert!(
                distance(&kept[1], &recomputed[1])
                    < 1e-5 * f64::from(kept[1].abs().max().double_value(&[]) as f32)
            );
            let [got, expected] = kept;
            for entry in
                policy.network.layout.entries().iter().filter(|entry| !entry.name.starts_with("lm_head"))
            {
                let part =
                    |flat: &Tensor| flat.narrow(0, entry.start, entry.n_elements()).to_kind(Kind::Double);
                let (a, b) = (part(&got), part(&expected));
                let cosine = a.dot(&b).double_value(&[]) / (a.norm() * b.norm()).double_value(&[]);
                let size = (a.norm() / b.norm()).double_value(&[]);
                let what = format!("{family}, {kind:?}, {}: {cosine}, {size}", entry.name);
                assert!(cosine > least && (size - 1.0).abs() < (1.0 - least).sqrt(), "{what}");
            }
        }
    }
}

/// The embedding of a token that no sample holds gets no gradient through the input side.
/// A tree whose prefix is trained on once: its samples with weight on their own tokens alone.
#[test]
fn a_shared_prefix_is_trained_on_once() {
    let mut policy = policy("qwen3");
    let whole = samples();
    let from = |i: usize, n: usize| if i.is_multiple_of(3) { 0 } else { n / 2 };
    let once: Vec<TrainSample> = whole
        .iter()
        .enumerate()
        .map(|(i, s)| TrainSample { from: from(i, s.tokens.len()), ..s.clone() })
        .collect();
    for aggregation in ALL {
        let loss = LossConfig { aggregation: Some(aggregation), ..LossConfig::default() };
        let (expected, _) = learner_gradient(&mut policy, config(loss, 64), &once);
        for max_tokens in [22, 40, 1000] {
            let (got, _) = learner_gradient(&mut policy, config(loss, max_tokens), &once);
            assert_equal(&policy, &got, &expected, 1e-5, &format!("{aggregation:?}, {max_tokens}"));
        }
        let (all, _) = learner_gradient(&mut policy, config(loss, 64), &whole);
        assert!(distance(&all, &expected) > 1e-3, "{aggregation:?}: prefixes pull as well");
        // Where the prefixes' advantages are 0 they pull nowhere; what is left is what the weights make of the lengths.
        if aggregation == Aggregation::SeqMeanTokenSum || aggregation == Aggregation::Constant {
            let mut still = whole.clone();
            for (i, sample) in still.iter_mut().enumerate() {
                let from = from(i, sample.tokens.len());
                sample.advantages[..from].fill(0.0);
            }
            let (still, _) = learner_gradient(&mut policy, config(loss, 64), &still);
            assert_equal(&policy, &still, &expected, 1e-5, &format!("{aggregation:?}, advantages of 0"));
        }
    }
}

#[test]
fn tied_embeddings_get_the_gradients_of_both_ends() {
    let mut policy = policy("qwen3");
    let Slot { start, shape } = policy.network.layout.embed.clone();
    let (gradient, _) = learner_gradient(&mut policy, config(LossConfig::default(), 40), &samples());
    let embed = gradient.narrow(0, start, shape[0] * shape[1]).view(shape.as_slice());
    let both = reference_gradient(&policy, &samples(), Aggregation::TokenMean, |sample, logprobs, _| {
        -logprobs * Tensor::from_slice(&sample.advantages)
    });
    assert!(distance(&embed, &both.narrow(0, start, shape[0] * shape[1]).view(shape.as_slice())) < 1e-5);
    // Token 0 is in no sample: its row moves by the output side alone, and it does move.
    assert!(samples().iter().all(|s| !s.tokens.contains(&0) && !s.prompt.tokens.contains(&0)));
    assert!(embed.get(0).abs().max().double_value(&[]) > 1e-6);
}

#[test]
fn a_bf16_gradient_points_where_the_f32_gradient_does() {
    for family in FAMILIES {
        let gradient = |kind| {
            let mut policy = policy_in(family, kind);
            learner_gradient(&mut policy, config(LossConfig::default(), 40), &samples()).0
        };
        let (a, b) = (gradient(tch::Kind::Float), gradient(tch::Kind::BFloat16));
        let cosine = a.dot(&b).double_value(&[]) / (a.norm() * b.norm()).double_value(&[]);
        assert!(cosine > 0.99, "{family}: {cosine}");
    }
}
