//! The order in which a step asks, scores and observes, by a scripted engine.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::data::sampler::{PromptSampler, SamplerConfig, SamplerState};
use crate::model::{Placement, Policy, Preset};
use crate::pipeline::{
    Collector, Discarded, OnPolicy, OneStepOff, Overlapped, RolloutBatch, RolloutSource, RootReader,
};
use crate::ranks::Ranks;
use crate::rollout::explore::branch::{EntropyConfig, RuleConfig};
use crate::rollout::explore::{ExploreConfig, GroupConfig, TreeConfig};
use crate::rollout::{Generated, Generation, RolloutEngine, SamplingConfig, ScriptedEngine};
use crate::score::{Judge, Penalty, PenaltyConfig, Scorer};
use crate::signal::Segmenter;
use crate::text::{Tokenizer, countdown_tokenizer};
use crate::types::{Completion, Finish, GenRequest, Progress, Prompt, Purpose, RunRandom, Tree};
use anyhow::Result;
use rewards::{Countdown, Task};

/// What happened, in order.
#[derive(Debug, PartialEq)]
enum Event {
    Drawn(Vec<u64>),
    Asked(Vec<(u64, u32)>),
    Observed(Vec<(u64, Vec<f64>)>),
}

type Log = Arc<Mutex<Vec<Event>>>;

struct LoggedSampler(Box<dyn PromptSampler>, Log);

impl PromptSampler for LoggedSampler {
    fn draw(&mut self, n: usize) -> Vec<Arc<Prompt>> {
        let drawn = self.0.draw(n);
        self.1.lock().unwrap().push(Event::Drawn(drawn.iter().map(|p| p.id).collect()));
        drawn
    }

    fn prompt(&self, id: u64) -> Option<Arc<Prompt>> {
        self.0.prompt(id)
    }

    fn observe(&mut self, trees: &[Tree]) {
        let seen = trees
            .iter()
            .map(|tree| (tree.prompt.id, tree.leaves.iter().map(|leaf| leaf.verdict.value).collect()))
            .collect();
        self.1.lock().unwrap().push(Event::Observed(seen));
        self.0.observe(trees);
    }

    fn state(&self) -> SamplerState {
        self.0.state()
    }

    fn restore(&mut self, state: SamplerState) -> Result<()> {
        self.0.restore(state)
    }
}

struct LoggedEngine(ScriptedEngine, Log);

impl RolloutEngine for LoggedEngine {
    fn generate(
        &mut self,
        policy: &Policy,
        requests: &[GenRequest],
        generation: &Generation,
        finished: &mut Progress<'_>,
    ) -> Result<Generated> {
        let generated = self.0.generate(policy, requests, generation, finished)?;
        let asked = self.0.calls.last().unwrap().clone();
        self.1.lock().unwrap().push(Event::Asked(asked));
        Ok(generated)
    }
}

#[test]
fn a_step_draws_then_asks_for_all_groups_then_shows_the_sampler_their_rewards() {
    let tokenizer = Arc::new(countdown_tokenizer().unwrap());
    let prompts = (0..5).map(|id| {
        let task = Task::Countdown(Countdown { numbers: vec![1, 2], target: 3 });
        Arc::new(Prompt { id, text: "Make 3 from 1, 2.\n".into(), tokens: vec![3], task })
    });
    let random = RunRandom::new(0);
    let log = Log::default();
    let answer = |text: &str| {
        let tokens = tokenizer.encode(&format!("<answer>{text}</answer>")).unwrap();
        Completion { logprobs: vec![-1.0; tokens.len()], tokens, finish: Finish::Eos, versions: Vec::new() }
    };
    // Of every group of three the second is right.
    let script = (0..6 * 3).map(|i| answer(if i % 3 == 1 { "1+2" } else { "2-1" })).collect();
    let scorer =
        Scorer::new(&[serde_json::from_str(r#"{"type": "countdown", "weight": 2.0}"#).unwrap()]).unwrap();
    let collector = Collector {
        sampler: Box::new(LoggedSampler(
            SamplerConfig::default().settings().build(prompts.collect(), random).unwrap(),
            Arc::clone(&log),
        )),
        explorer: ExploreConfig::Group(GroupConfig { size: 3 }).settings().build(),
        reader: reader(&tokenizer, random),
        engine: Box::new(LoggedEngine(ScriptedEngine { script, calls: Vec::new() }, Arc::clone(&log))),
        judge: Judge {
            scorer: Arc::new(scorer),
            tokenizer: Arc::clone(&tokenizer),
            stops: None,
            overlong: None,
            ranks: Ranks::default(),
        },
        generation: Generation {
            random,
            purpose: Purpose::Rollout,
            step: 0,
            sampling: SamplingConfig {
                temperature: 1.0,
                top_p: 1.0,
                top_k: 0,
                max_new_tokens: 24,
                min_new_tokens: 0,
                stop: Vec::new(),
                max_num_seqs: 512,
            },
        },
    };
    let mut source = OnPolicy { collector, n_prompts: 2, refill_rounds: 0 };
    let shape = Preset::Countdown2m.config(tokenizer.vocab_size() as i64);
    let policy = Policy::scratch(shape, &random, Placement::cpu_f32()).unwrap();
    for step in 1..=3 {
        let mut finished = 0;
        let rollouts = source
            .next(&policy, step, &mut |n| {
                finished += n;
                Ok(())
            })
            .unwrap();
        assert_eq!((rollouts.trees.len(), finished), (2, 6));
        assert!(rollouts.trees.iter().all(|tree| tree.leaves[1].text == "<answer>1+2</answer>"));
    }
    let error = source.next(&policy, 4, &mut |_| Ok(())).err().unwrap().to_string();
    assert!(error.contains("the script has no completion left"), "{error}");

    let log = log.lock().unwrap();
    for step in log[..9].chunks_exact(3) {
        let [Event::Drawn(drawn), Event::Asked(asked), Event::Observed(seen)] = step else {
            panic!("{step:?}")
        };
        assert_eq!(
            drawn.iter().collect::<BTreeSet<_>>().len(),
            2,
            "a prompt came twice in a step: {drawn:?}"
        );
        let expected: Vec<(u64, u32)> =
            drawn.iter().flat_map(|id| (0..3).map(|sample| (*id, sample))).collect();
        assert_eq!(*asked, expected);
        let rewards: Vec<(u64, Vec<f64>)> = drawn.iter().map(|id| (*id, vec![0.0, 2.0, 0.0])).collect();
        assert_eq!(*seen, rewards);
    }
}

/// A source of two prompts a step, three responses each, that are right where `right` says so.
fn scripted(right: &[bool], refill_rounds: usize, overlong: Option<Penalty>) -> (OnPolicy, Policy) {
    let tokenizer = Arc::new(countdown_tokenizer().unwrap());
    let prompts = (0..9).map(|id| {
        let task = Task::Countdown(Countdown { numbers: vec![1, 2], target: 3 });
        Arc::new(Prompt { id, text: "Make 3 from 1, 2.\n".into(), tokens: vec![3], task })
    });
    let random = RunRandom::new(0);
    let answer = |right: &bool| {
        let tokens =
            tokenizer.encode(if *right { "<answer>1+2</answer>" } else { "<answer>2-1</answer>" }).unwrap();
        Completion { logprobs: vec![-1.0; tokens.len()], tokens, finish: Finish::Eos, versions: Vec::new() }
    };
    let sampling = SamplingConfig {
        temperature: 1.0,
        top_p: 1.0,
        top_k: 0,
        max_new_tokens: 8,
        min_new_tokens: 0,
        stop: Vec::new(),
        max_num_seqs: 512,
    };
    let scorer = Scorer::new(&[serde_json::from_str(r#"{"type": "countdown"}"#).unwrap()]).unwrap();
    let collector = Collector {
        sampler: SamplerConfig::default().settings().build(prompts.collect(), random).unwrap(),
        explorer: ExploreConfig::Group(GroupConfig { size: 3 }).settings().build(),
        reader: reader(&tokenizer, random),
        engine: Box::new(ScriptedEngine { script: right.iter().map(answer).collect(), calls: Vec::new() }),
        judge: Judge {
            scorer: Arc::new(scorer),
            tokenizer: Arc::clone(&tokenizer),
            stops: None,
            overlong,
            ranks: Ranks::default(),
        },
        generation: Generation { random, purpose: Purpose::Rollout, step: 0, sampling },
    };
    let source = OnPolicy { collector, n_prompts: 2, refill_rounds };
    let shape = Preset::Countdown2m.config(tokenizer.vocab_size() as i64);
    (source, Policy::scratch(shape, &random, Placement::cpu_f32()).unwrap())
}

/// A reader of roots.
fn reader(tokenizer: &Tokenizer, random: RunRandom) -> RootReader {
    let segmenter = Arc::new(Segmenter::new(tokenizer).unwrap());
    RootReader { segmenter, temperature: 1.0, max_tokens: 1 << 12, random, ranks: Ranks::default() }
}

#[test]
fn zero_variance_groups_give_their_place_to_others_while_rounds_are_left() {
    let (flat, mixed) = ([false; 3], [true, false, false]);
    let all_right = [true; 3];
    // Round by round: two groups, one of them flat; one group, flat; one group with a signal.
    let script = [flat, mixed, all_right, mixed].concat();
    for (rounds, has_signal, expected) in [
        (0, [false, true], Discarded { rounds: 0, prompts: 0, samples: 0, tokens: 0 }),
        (1, [true, false], Discarded { rounds: 1, prompts: 1, samples: 3, tokens: 15 }),
        (2, [true, true], Discarded { rounds: 2, prompts: 2, samples: 6, tokens: 30 }),
        (5, [true, true], Discarded { rounds: 2, prompts: 2, samples: 6, tokens: 30 }),
    ] {
        let (mut source, policy) = scripted(&script, rounds, None);
        let rollouts = source.next(&policy, 1, &mut |_| Ok(())).unwrap();
        let signals: Vec<bool> = rollouts.trees.iter().map(|tree| tree.has_signal()).collect();
        assert_eq!((signals.as_slice(), rollouts.discarded), (&has_signal[..], expected), "{rounds} rounds");
        assert_ne!(rollouts.trees[0].prompt.id, rollouts.trees[1].prompt.id);
    }
}

#[test]
fn a_response_near_the_limit_loses_reward_and_its_graders_verdict_stays() {
    let overlong = Penalty { config: PenaltyConfig { buffer: 4, factor: 1.0 }, limit: 8 };
    let (mut source, policy) = scripted(&[true, false, false, true, true, true], 0, Some(overlong));
    let rollouts = source.next(&policy, 1, &mut |_| Ok(())).unwrap();
    // Five tokens of at most eight, of which the last four cost.
    let rewards: Vec<f64> = rollouts.trees[0].leaves.iter().map(|leaf| leaf.verdict.value).collect();
    assert_eq!((rollouts.trees[0].leaves[0].tokens.len(), rewards), (5, vec![0.75, -0.25, -0.25]));
    let verdict = &rollouts.trees[0].leaves[0].verdict;
    assert!(verdict.correct() && verdict.parts["overlong"] == -0.25, "{verdict:?}");
}

/// Two prompts a step, two roots each, of which each is left at one place by one other.
#[test]
fn one_call_serves_the_branches_of_a_step_and_the_first_responses_of_the_next() {
    let (source, policy) = scripted(&[true, false].repeat(11), 0, None);
    let mut collector = source.collector;
    let tree = TreeConfig {
        roots: 2,
        branches: 1,
        continuations: 1,
        rule: RuleConfig::Entropy(EntropyConfig {}),
        ..TreeConfig::default()
    };
    collector.explorer = ExploreConfig::Tree(tree).settings().build();
    let log = Log::default();
    let script = (0..30).map(|i| Completion {
        tokens: vec![5, 6 + i % 7, 4, 9],
        logprobs: vec![-0.1 * (i + 1) as f32; 4],
        finish: Finish::Eos,
        versions: Vec::new(),
    });
    let engine = ScriptedEngine { script: script.collect(), calls: Vec::new() };
    collector.engine = Box::new(LoggedEngine(engine, Arc::clone(&log)));
    let mut source = OneStepOff { collector, n_prompts: 2, pending: None };
    let batches: Vec<RolloutBatch> =
        (1..=3).map(|step| source.next(&policy, step, &mut |_| Ok(())).unwrap()).collect();

    let log = log.lock().unwrap();
    let asked: Vec<&[(u64, u32)]> = log
        .iter()
        .map(|event| match event {
            Event::Asked(asked) => asked.as_slice(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(asked.len(), 4, "one call a step, and one before the first for its roots");
    assert_eq!(asked[0].len(), 4);
    let mut waiting = asked[0];
    for call in &asked[1..] {
        let (branches, roots) = call.split_at(4);
        let expected: Vec<(u64, u32)> =
            waiting.iter().map(|(prompt, sample)| (*prompt, sample + 2)).collect();
        assert_eq!(branches, expected, "branches first, numbered on");
        assert!(roots.len() == 4 && roots.iter().all(|(_, sample)| *sample < 2), "then roots");
        waiting = roots;
    }
    for (rollouts, age) in batches.iter().zip([0, 1, 1]) {
        assert_eq!(rollouts.ages, [age; 2]);
        for tree in &rollouts.trees {
            assert_eq!(tree.leaves.len(), 4);
            for leaf in &tree.leaves[2..] {
                let fork = leaf.fork.unwrap();
                let parent = &tree.leaves[fork.parent];
                assert_eq!(leaf.logprobs[..fork.at], parent.logprobs[..fork.at], "of whom it was sampled by");
                assert!(leaf.logprobs[fork.at..].iter().all(|own| *own != parent.logprobs[0]));
            }
        }
    }
}

/// An engine whose second call panics.
struct Breaking(Box<dyn RolloutEngine>, bool);

impl RolloutEngine for Breaking {
    fn generate(
        &mut self,
        policy: &Policy,
        requests: &[GenRequest],
        generation: &Generation,
        finished: &mut Progress<'_>,
    ) -> Result<Generated> {
        assert!(!std::mem::replace(&mut self.1, true), "a fuse blew");
        self.0.generate(policy, requests, generation, finished)
    }
}

#[test]
fn a_worker_that_dies_ends_the_run_with_its_cause() {
    let group = [true, false, false];
    let (on_policy, policy) = scripted(&[group, group].concat(), 0, None);
    let mut source = Overlapped::new(on_policy);
    assert_eq!(source.next(&policy, 1, &mut |_| Ok(())).unwrap().ages, [0, 0]);
    let error = format!("{:#}", source.next(&policy, 2, &mut |_| Ok(())).err().unwrap());
    assert_eq!(error, "gathering the next responses: the script has no completion left");

    let (mut on_policy, policy) = scripted(&[group, group, group, group].concat(), 0, None);
    let script = std::mem::replace(&mut on_policy.collector.engine, Box::new(ScriptedEngine::default()));
    on_policy.collector.engine = Box::new(Breaking(script, false));
    let mut source = Overlapped::new(on_policy);
    assert!(source.next(&policy, 1, &mut |_| Ok(())).is_ok());
    let error = format!("{:#}", source.state().err().unwrap());
    assert_eq!(error, "the worker that gathers the next responses died: a fuse blew");
    let lost = format!("{:#}", source.next(&policy, 2, &mut |_| Ok(())).err().unwrap());
    assert!(lost.contains("what gathers is lost"), "{lost}");
}
