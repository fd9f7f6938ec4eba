//! The sampler: token by token gives what the full forward pass gives, and a response does not depend on its company.

use std::collections::BTreeSet;

use crate::batch::{Sequence, TrainSample};
use crate::kernel::LookBack;
use crate::learner::PolicyLearner;
use crate::loss::LossConfig;
use crate::measure::{Passes, attention};
use crate::model::{AttentionTap, KvCache, Policy, Tapped};
use crate::rollout::{DecodeEngine, Generated, Generation, RolloutEngine, SamplingConfig};
use crate::signal::{DecodePlan, Layers, SignalConfig};
use crate::types::{Completion, Finish, GenRequest, Purpose, RunRandom, TokenId, Tree};
use tch::{Kind, Tensor};

use super::common::{
    alone, distance, everywhere, leaf, logits, measured, policy, policy_by, policy_in, prompt, row, tokens,
};
use super::gradient::{TEMPERATURE, config, rates};

/// An eighth of the vocabulary, so that responses end at different times and rows leave the batch.
const EOS: [TokenId; 8] = [2, 9, 17, 25, 33, 40, 48, 56];

const PLAIN: SamplingConfig = SamplingConfig {
    temperature: 1.0,
    top_p: 1.0,
    top_k: 0,
    max_new_tokens: 24,
    min_new_tokens: 0,
    stop: Vec::new(),
    max_num_seqs: 512,
};

fn generation(sampling: SamplingConfig) -> Generation {
    Generation { random: RunRandom::new(5), purpose: Purpose::Rollout, step: 3, sampling }
}

/// Groups of 4, 1, 3 and 4 responses to prompts of 7, 3, 12 and 1 tokens.
fn requests() -> Vec<GenRequest> {
    let groups = [(7, 4), (3, 1), (12, 3), (1, 4)];
    let requests = (0..).zip(groups).flat_map(|(id, (length, size))| {
        let prompt = prompt(id, tokens(id, length));
        (0..size).map(move |sample| GenRequest { prompt: prompt.clone(), prefix: Vec::new(), sample })
    });
    requests.collect()
}

fn generate(policy: &Policy, requests: &[GenRequest], sampling: SamplingConfig) -> Vec<Completion> {
    let mut engine = DecodeEngine::new(EOS.to_vec(), 512, 1 << 14);
    engine.generate(policy, requests, &generation(sampling), &mut |_| Ok(())).unwrap().completions
}

/// What the full forward pass says about the token after each of `context ++ response[..i]`, f64 `[T, V]`.
fn next_logits(policy: &Policy, request: &GenRequest, response: &[TokenId]) -> Tensor {
    let sequence = [request.prompt.tokens.as_slice(), &request.prefix, response].concat();
    let first = (sequence.len() - response.len() - 1) as i64;
    let all = logits(policy, &policy.network.hidden(&alone(&sequence), None).unwrap());
    all.narrow(0, first, response.len() as i64).to_kind(Kind::Double)
}

/// Looks at layer 1 of a step and keeps what each row and head gives to all columns together, `[B, H]`.
struct Watch {
    fai: Vec<f32>, // (B, H, C)
    span: Vec<f32>,
    waad: Vec<f32>,
    counted: Vec<f32>,
    shape: [i64; 3],
    n_columns: i64,
}

impl Watch {
    fn new(policy: &Policy, cache: &KvCache) -> Self {
        let shape = [cache.n_rows(), policy.network.config.n_heads, cache.capacity()];
        let [b, h, c] = shape.map(|n| n as usize);
        let (per_column, span) = (vec![0.0; b * h * c], vec![0.0; b * h]);
        let (fai, waad, counted) = (per_column.clone(), per_column, vec![1.0; b]);
        Self { fai, span, waad, counted, shape, n_columns: cache.n_columns() + 1 }
    }

    fn totals(&self) -> Tensor {
        Tensor::from_slice(&self.fai).view(self.shape).sum_dim_intlist([-1i64].as_slice(), false, None)
    }
}

impl AttentionTap for Watch {
    fn wants(&self, layer: usize) -> bool {
        layer == 1
    }

    fn see(&mut self, layer: usize, attention: &Tensor) {
        assert_eq!((layer, attention.size()[2]), (1, self.n_columns));
        let room = self.shape[2] - self.n_columns;
        self.fai = Vec::try_from(attention.constant_pad_nd([0, room]).reshape([-1])).unwrap();
    }

    fn look_back(&mut self, layer: usize) -> anyhow::Result<LookBack<'_>> {
        assert_eq!(layer, 1);
        Ok(LookBack {
            span: &mut self.span,
            waad: &mut self.waad,
            fai: &mut self.fai,
            counted: &self.counted,
            window: 3,
            horizon: [0, 1000],
        })
    }
}

#[test]
fn steps_with_a_cache_equal_the_full_forward_pass() {
    let lens = [7i64, 3, 12, 1];
    // bf16 rounds in other places on the two ways and in the full pass.
    for (kind, tolerance) in [(Kind::Float, 1e-4), (Kind::BFloat16, 0.5)] {
        for (family, backend) in everywhere() {
            let policy = policy_by(family, kind, backend);
            let rows = lens.map(|n| tokens(n as u64, n as usize + 6));
            let full =
                |row: &Vec<TokenId>| logits(&policy, &policy.network.hidden(&alone(row), None).unwrap());
            let full: Vec<Tensor> = rows.iter().map(full).collect(); // (n + 6, V)
            let _guard = tch::no_grad_guard();
            let mut cache = policy.network.cache(&lens, 6);
            for (i, (row, n)) in rows.iter().zip(lens).enumerate() {
                let mut fill = |tapped: &Tapped<'_>| {
                    cache.fill(tapped.layer, i..i + 1, &tapped.keys.get(0), &tapped.values.get(0))
                };
                let _ = policy.network.hidden(&alone(&row[..n as usize]), Some(&mut fill)).unwrap();
            }
            let mut present = vec![0usize, 1, 2, 3];
            for i in 0..6 {
                if i == 3 {
                    cache.keep_rows(&[2, 1]);
                    present = vec![2, 1];
                }
                let next = present.iter().map(|r| i64::from(rows[*r][(lens[*r] + i) as usize]));
                let next = Tensor::from_slice(&next.collect::<Vec<_>>());
                let mut watch = Watch::new(&policy, &cache);
                let hidden = policy.network.step(&next, &mut cache, Some(&mut watch)).unwrap();
                let got = logits(&policy, &hidden); // (B, V)
                for (place, r) in (0..).zip(&present) {
                    let gap = distance(&got.get(place), &full[*r].get(lens[*r] + i));
                    assert!(
                        gap < tolerance,
                        "{family}, {backend:?}, {kind:?}, row {r}, step {i}: logits are off by {gap}"
                    );
                }
                let totals = watch.totals();
                assert!(distance(&totals, &totals.ones_like()) < 1e-4, "{totals:?}");
            }
        }
    }
}

/// What an update at learning rate 0 leaves behind, in weights or in caches, would show as a growing distance.
#[test]
fn twenty_updates_at_rate_0_leave_sampler_and_learner_as_near_as_they_were() {
    for (kind, bound) in [(Kind::Float, 1e-4), (Kind::BFloat16, 0.2)] {
        let mut policy = policy_in("qwen3", kind);
        let before = policy.network.master().copy();
        let mut learner = PolicyLearner::new(config(LossConfig::default(), 64), &policy);
        let mut gaps = Vec::new();
        for step in 1..=20 {
            let requests = requests();
            let mut engine = DecodeEngine::new(EOS.to_vec(), 512, 1 << 14);
            let sampling = SamplingConfig { temperature: TEMPERATURE, ..PLAIN };
            let generation = Generation { step, ..generation(sampling) };
            let completions =
                engine.generate(&policy, &requests, &generation, &mut |_| Ok(())).unwrap().completions;
            let samples: Vec<TrainSample> = requests
                .iter()
                .zip(&completions)
                .map(|(request, done)| TrainSample {
                    prompt: request.prompt.clone(),
                    tokens: done.tokens.clone(),
                    from: 0,
                    old_logprobs: Some(done.logprobs.clone()),
                    ref_logprobs: None,
                    advantages: vec![if request.sample == 0 { 1.0 } else { -0.5 }; done.tokens.len()],
                    values: None,
                    returns: None,
                    place: (request.prompt.id as usize, request.sample as usize),
                })
                .collect();
            let report = learner.update(&mut policy, &samples, rates(0.0), &mut |_| Ok(())).unwrap();
            assert!(report.not_finite.is_none() && report.metrics.get("optim/grad_norm").unwrap() > 0.0);
            gaps.push(report.first_gap.unwrap().mean);
        }
        assert_eq!((policy.network.master(), learner.state().updates), (&before, 20));
        let half = |gaps: &[f64]| gaps.iter().sum::<f64>() / gaps.len() as f64;
        let (early, late) = (half(&gaps[..10]), half(&gaps[10..]));
        assert!(gaps.iter().all(|gap| *gap < bound) && late < 2.0 * early, "{kind:?}: {gaps:?}");
    }
}

#[test]
fn recorded_logprobs_are_those_that_the_learner_measures() {
    for (family, backend) in everywhere() {
        let policy = policy_by(family, Kind::Float, backend);
        for temperature in [1.0, 0.7] {
            let requests = requests();
            let completions = generate(&policy, &requests, SamplingConfig { temperature, ..PLAIN });
            let early = completions.iter().filter(|c| c.finish == Finish::Eos && c.tokens.len() < 12).count();
            assert!(early >= 3, "{family}: only {early} rows left the batch early");
            assert!(
                completions.iter().any(|c| c.tokens.len() > 16),
                "{family}: nobody outlived the compaction"
            );
            let trees = requests.iter().zip(&completions).map(|(request, done)| Tree {
                prompt: request.prompt.clone(),
                leaves: vec![leaf(request.sample, done.tokens.clone(), done.logprobs.clone())],
            });
            let measured = measured(&policy, &trees.collect::<Vec<_>>(), temperature, 100);
            for (done, measured) in completions.iter().zip(measured) {
                assert_eq!(done.logprobs.len(), measured.len());
                let gaps = done.logprobs.iter().zip(measured).map(|(a, b)| (a - b).abs());
                assert!(gaps.clone().all(|gap| gap < 1e-4), "{family}: {:?}", gaps.collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn an_answer_does_not_depend_on_its_company() {
    for (family, backend) in everywhere() {
        let policy = policy_by(family, Kind::Float, backend);
        let requests = requests();
        let together = generate(&policy, &requests, PLAIN);
        let same = |alone: &Completion, together: &Completion| {
            assert_eq!((&alone.tokens, alone.finish), (&together.tokens, together.finish), "{family}");
            assert!(
                alone.logprobs.iter().zip(&together.logprobs).all(|(a, b)| (a - b).abs() < 1e-4),
                "{family}"
            );
        };
        for (request, together) in requests.iter().zip(&together) {
            same(&generate(&policy, std::slice::from_ref(request), PLAIN)[0], together);
        }
        // Few rows at a time, and prefills of one or two prompts.
        let mut narrow = DecodeEngine::new(EOS.to_vec(), 5, 16);
        let mut n_finished = 0;
        let parts = narrow
            .generate(&policy, &requests, &generation(PLAIN), &mut |n| {
                n_finished += n;
                Ok(())
            })
            .unwrap()
            .completions;
        parts.iter().zip(&together).for_each(|(part, together)| same(part, together));
        assert_eq!(n_finished, requests.len());

        let answers: std::collections::HashSet<_> = together.iter().map(|c| &c.tokens).collect();
        assert!(answers.len() > 4, "{family}: only {} different answers to 4 prompts", answers.len());
    }
}

/// The request that asks for the rest of an answer gets that rest, wherever the answer is cut.
#[test]
fn a_prefix_is_continued_as_if_it_had_just_been_written() {
    let policy = policy("qwen3");
    let request = requests().swap_remove(0);
    let whole = DecodeEngine::new(Vec::new(), 8, 99)
        .generate(&policy, std::slice::from_ref(&request), &generation(PLAIN), &mut |_| Ok(()))
        .unwrap()
        .completions
        .swap_remove(0);
    let cuts = [1, 9, 23];
    let rest = |cut: usize| GenRequest { prefix: whole.tokens[..cut].to_vec(), ..request.clone() };
    let parts = DecodeEngine::new(Vec::new(), 8, 99)
        .generate(&policy, &cuts.map(rest), &generation(PLAIN), &mut |_| Ok(()))
        .unwrap()
        .completions;
    for (cut, part) in cuts.into_iter().zip(parts) {
        assert_eq!(part.tokens, whole.tokens[cut..], "cut at {cut}");
        assert_eq!(part.finish, Finish::Length);
    }
}

/// Two requests each for branches off `answers`, near their beginnings, middles and ends.
fn branches_of(requests: &[GenRequest], answers: &[Completion]) -> Vec<GenRequest> {
    let of_answer = |(request, answer): (&GenRequest, &Completion)| {
        let (n, request) = (answer.tokens.len(), request.clone());
        let cuts: BTreeSet<usize> =
            [1, n / 2, n - 1].into_iter().filter(|cut| (1..n).contains(cut)).collect();
        let tokens = answer.tokens.clone();
        let branch = move |(cut, sample): (usize, u32)| GenRequest {
            prefix: [&request.prefix, &tokens[..cut]].concat(),
            sample: 100 + 2 * request.sample + sample,
            ..request.clone()
        };
        cuts.into_iter().flat_map(|cut| [(cut, 0), (cut, 1)]).map(branch)
    };
    requests.iter().zip(answers).flat_map(of_answer).collect()
}

/// Branches off responses whose keys and values were kept say what they say without, and read one token each.
#[test]
fn branches_go_on_from_what_was_kept() {
    let policy = policy("qwen3");
    let requests = requests();
    // Few rows at a time, so that some join others, and branches too.
    let engine = || DecodeEngine::new(EOS.to_vec(), 5, 1 << 14);
    let (mut keeping, mut plain) = (engine().keeping(2, usize::MAX), engine());
    let ask = |engine: &mut DecodeEngine, requests: &[GenRequest]| {
        let generated = engine.generate(&policy, requests, &generation(PLAIN), &mut |_| Ok(())).unwrap();
        (generated.completions, generated.counts)
    };
    let ((roots, first), (same, again)) = (ask(&mut keeping, &requests), ask(&mut plain, &requests));
    assert_eq!(roots, same);
    assert_eq!((first, first.reused), (again, 0));
    let branches = branches_of(&requests, &roots);
    let ((answers, kept), (anew, fresh)) = (ask(&mut keeping, &branches), ask(&mut plain, &branches));
    for ((kept, fresh), request) in answers.iter().zip(&anew).zip(&branches) {
        assert_eq!((&kept.tokens, kept.finish), (&fresh.tokens, fresh.finish), "{request:?}");
        let close = kept.logprobs.iter().zip(&fresh.logprobs).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(close, "{:?} {:?}", kept.logprobs, fresh.logprobs);
    }
    let n_groups =
        branches.chunk_by(|a, b| a.prompt.id == b.prompt.id && a.prefix == b.prefix).count() as u64;
    assert_eq!(kept.prefilled, n_groups, "a token for each group");
    assert!(fresh.prefilled > 2 * kept.prefilled, "{kept:?} {fresh:?}");
    assert!(kept.reused > 0 && fresh.reused == 0, "{kept:?} {fresh:?}");
    // So do branches off branches.
    let further = branches_of(&branches, &answers);
    let ((answers, kept), (anew, fresh)) = (ask(&mut keeping, &further), ask(&mut plain, &further));
    assert!(answers.iter().zip(&anew).all(|(kept, fresh)| kept.tokens == fresh.tokens));
    assert!(fresh.prefilled > 2 * kept.prefilled && kept.reused > 0, "{kept:?} {fresh:?}");
    // What was kept is gone, since the weights may change.
    assert_eq!(ask(&mut keeping, &branches[..2]).1.reused, 0);
}

/// Rows that have ended run on beside the others, here past the last position of the model.
#[test]
fn an_ended_row_disturbs_nobody_at_the_end_of_the_positions() {
    let policy = policy("llama");
    let prompt = prompt(0, tokens(0, 20));
    let sampling = SamplingConfig { max_new_tokens: 108, ..PLAIN };
    assert_eq!(policy.network.config.max_position_embeddings, 128);
    let fresh = |sample| GenRequest { prompt: prompt.clone(), prefix: Vec::new(), sample };
    let mut requests: Vec<GenRequest> = (0..10).map(fresh).collect();
    requests[9].prefix = tokens(7, 100);
    let mut engine = DecodeEngine::new(Vec::new(), 512, 1 << 14);
    let mut ask = |requests: &[GenRequest]| {
        engine
            .generate(&policy, requests, &generation(sampling.clone()), &mut |_| Ok(()))
            .unwrap()
            .completions
    };
    let (together, alone) = (ask(&requests), ask(&requests[..1]));
    assert_eq!((together[9].tokens.len(), together[0].tokens.len()), (8, 108));
    assert_eq!(together[0].tokens, alone[0].tokens);
}

#[test]
fn temperature_0_takes_the_most_likely_token() {
    for (family, backend) in everywhere() {
        let policy = policy_by(family, Kind::Float, backend);
        let requests = requests();
        let completions = generate(&policy, &requests, SamplingConfig { temperature: 0.0, ..PLAIN });
        for (request, done) in requests.iter().zip(&completions) {
            let next = next_logits(&policy, request, &done.tokens);
            assert_eq!(row(&done.tokens).squeeze_dim(0), next.argmax(-1, false), "{family}");
            let (logprobs, _) = next.log_softmax(-1, None).max_dim(-1, false);
            assert!(distance(&logprobs, &Tensor::from_slice(&done.logprobs)) < 1e-4, "{family}");
        }
    }
}

#[test]
fn recorded_logprobs_are_those_of_the_truncated_distribution() {
    let (temperature, top_k, top_p) = (0.8, 6, 0.7);
    let policy = policy("qwen2");
    let requests = requests();
    let sampling = SamplingConfig { temperature, top_k, top_p, ..PLAIN };
    let completions = generate(&policy, &requests, sampling);
    let mut kept_sizes = std::collections::HashSet::new();
    for (request, done) in requests.iter().zip(&completions) {
        let next = next_logits(&policy, request, &done.tokens) / temperature;
        for (i, (token, logprob)) in done.tokens.iter().zip(&done.logprobs).enumerate() {
            let probs = Vec::<f64>::try_from(next.get(i as i64).softmax(-1, None)).unwrap();
            let mut order: Vec<usize> = (0..probs.len()).collect();
            order.sort_by(|a, b| probs[*b].total_cmp(&probs[*a]));
            let top: f64 = order[..top_k].iter().map(|t| probs[*t]).sum();
            let mut kept = Vec::new();
            while kept.iter().map(|t: &usize| probs[*t]).sum::<f64>() < top_p * top {
                kept.push(order[kept.len()]);
            }
            assert!(kept.contains(&(*token as usize)), "token {token} is not among {kept:?}");
            let expected = (probs[*token as usize] / kept.iter().map(|t| probs[*t]).sum::<f64>()).ln();
            assert!((f64::from(*logprob) - expected).abs() < 1e-4, "{logprob}, expected {expected}");
            kept_sizes.insert(kept.len());
        }
    }
    assert!(kept_sizes.len() > 2, "top-p never had a choice: {kept_sizes:?}");
}

/// Rows that end, leave and are compacted away at different times keep all of their attention, and reading it changes
/// nothing of what is written.
#[test]
fn attention_read_on_the_way_is_that_of_the_full_forward_pass() {
    let config = SignalConfig { window: 4, horizon: [2, 9], layers: Layers::All, ..SignalConfig::default() };
    for (family, backend) in everywhere() {
        let (policy, requests) = (policy_by(family, Kind::Float, backend), requests());
        let plan = DecodePlan::new(&config, &policy.network.config);
        let Generated { completions: read, signals, .. } = DecodeEngine::new(EOS.to_vec(), 5, 16)
            .reading(plan)
            .generate(&policy, &requests, &generation(PLAIN), &mut |_| Ok(()))
            .unwrap();
        let plain = generate(&policy, &requests, PLAIN);
        let lengths: std::collections::HashSet<_> = read.iter().map(|done| done.tokens.len()).collect();
        assert!(lengths.len() > 3, "{family}: {lengths:?}");

        let sequences: Vec<Sequence<'_>> = requests
            .iter()
            .zip(&read)
            .map(|(request, done)| Sequence { prompt: &request.prompt.tokens, response: &done.tokens })
            .collect();
        let measured = attention(&policy, &sequences, &config, Passes::new(200)).unwrap();
        assert_eq!(signals.len(), read.len());
        for (((read, signals), plain), measured) in read.iter().zip(&signals).zip(&plain).zip(&measured) {
            assert_eq!((&read.tokens, read.finish), (&plain.tokens, plain.finish), "{family}");
            let heads = &signals.heads;
            assert_eq!(heads.len(), measured.heads.len());
            for (a, b) in heads.iter().zip(&measured.heads) {
                assert_eq!(a.id, b.id);
                assert!((a.span - b.span).abs() < 1e-4, "{family}: {} {}", a.span, b.span);
                assert!(
                    a.waad.len() == b.waad.len()
                        && a.waad.iter().zip(&b.waad).all(|(a, b)| (a - b).abs() < 1e-4)
                );
                assert!(
                    a.fai.len() == b.fai.len() && a.fai.iter().zip(&b.fai).all(|(a, b)| (a - b).abs() < 1e-5),
                    "{:?} {:?}",
                    a.fai,
                    b.fai
                );
            }
        }
    }
}
