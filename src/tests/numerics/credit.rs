//! Chains of strategies, with every setting they have, against each definition written out once more in the script of the
//! golden file.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::credit::Credit;
use crate::credit::advantage::{AdvantageConfig, GroupConfig, Scale};
use crate::credit::strategy::CreditConfig;
use crate::types::{Finish, Leaf, MeasuredTree, PathField, Prompt, RunRandom, Signals, Tree};
use rewards::{Countdown, Status, Task, Verdict};
use serde::Deserialize;

use super::common::golden_json;

#[derive(Deserialize)]
struct Golden {
    seed: u64,
    step: u64,
    prompt: u64,
    responses: Vec<Numbers>,
    advantages: Vec<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Numbers {
    waad: Vec<f32>,
    fai: Vec<Option<f32>>,
    entropies: Vec<f32>,
}

#[derive(Deserialize)]
struct Case {
    chain: Vec<CreditConfig>,
    gamma: Vec<Vec<f32>>,
}

impl Golden {
    fn tree(&self) -> MeasuredTree {
        let task = Task::Countdown(Countdown { numbers: vec![1, 2], target: 3 });
        let prompt = Prompt { id: self.prompt, text: "p".into(), tokens: vec![1], task };
        let leaf = |(sample, numbers): (u32, &Numbers)| Leaf {
            sample,
            fork: None,
            tokens: vec![1; numbers.waad.len()],
            logprobs: vec![-1.0; numbers.waad.len()],
            finish: Finish::Eos,
            versions: Vec::new(),
            text: String::new(),
            verdict: Verdict::new(self.advantages[sample as usize].into(), BTreeMap::new(), Status::Ok),
            is_graded: true,
            rounding: 0.0,
        };
        let tree = Tree { prompt: Arc::new(prompt), leaves: (0..).zip(&self.responses).map(leaf).collect() };
        let waad = PathField::from_fn(&tree, |leaf, t| self.responses[leaf].waad[t]);
        let fai = PathField::from_fn(&tree, |leaf, t| self.responses[leaf].fai[t]);
        let entropies = Some(PathField::from_fn(&tree, |leaf, t| self.responses[leaf].entropies[t]));
        let signals = Some(Signals { waad, fai });
        MeasuredTree { entropies, signals, ..MeasuredTree::bare(tree) }
    }

    fn check(&self, case: &Case) {
        let strategies = case.chain.iter().map(|config| config.build(RunRandom::new(self.seed))).collect();
        // A reward's distance to the mean, which is 0: the reward itself.
        let estimator = AdvantageConfig::Group(GroupConfig { scale: Scale::None });
        let credit = Credit { strategies, ..Credit::new(estimator) };
        let (trees, _) = credit.assign(vec![self.tree()], self.step, 0.0).unwrap();
        for (leaf, expected) in case.gamma.iter().enumerate() {
            let (gamma, advantages) = (trees[0].gains.path(leaf), trees[0].advantages.path(leaf));
            let close = |a: f32, b: f32| (a - b).abs() < 1e-6;
            let same =
                gamma.len() == expected.len() && gamma.iter().zip(expected).all(|(a, b)| close(*a, *b));
            assert!(same, "{:?}, response {leaf}: {gamma:?} {expected:?}", case.chain);
            let advantage = self.advantages[leaf];
            assert!(advantages.iter().zip(gamma).all(|(a, gamma)| close(*a, gamma * advantage)));
        }
    }
}

#[test]
fn chains_of_strategies_give_what_their_definitions_say() {
    let golden: Golden = serde_json::from_value(golden_json("signals.json")["credit"].clone()).unwrap();
    golden.cases.iter().for_each(|case| golden.check(case));
    // `late` is a strategy of tests alone.
    for name in CreditConfig::NAMES.iter().filter(|name| **name != "late") {
        let plain = [CreditConfig::named(name).unwrap()];
        assert!(golden.cases.iter().any(|case| case.chain == plain), "no case of {name} with its defaults");
    }
}
