//! Seeing credit: what a policy's attention says about given responses, and what each strategy makes of it.
//!
//! ```text
//! lines --source--> subjects --measure, groups, strategies--> inspections --terminal, html--> something to look at
//! ```
//!
//! Nothing is computed here that training does not compute: signals come from [`signal`], gains and marks from
//! [`strategy`], whatever strategies there are.

mod branching;
pub(crate) mod gains;
pub(crate) mod html;
pub(crate) mod source;
mod strategies;
pub(crate) mod terminal;
pub(crate) mod text;

use anyhow::Result;
pub(crate) use branching::{Branching, Steps};
use indexmap::IndexMap;
use serde::Serialize;
pub(crate) use strategies::Strategies;

use crate::batch::Sequence;
use crate::credit::strategy::{self, Mark, Response};
use crate::measure::{self, Passes};
use crate::model::Policy;
use crate::signal::{self, HeadGroups, SignalConfig};
use crate::types::{Coordinates, HeadId, HeadSignals, Step, TokenId};

/// A response to look at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subject {
    /// What it is called: `answers.jsonl:3`.
    pub label: String,
    /// Tokens of the prompt, never empty.
    pub prompt: Vec<TokenId>,
    /// Tokens of the response, R of them, never none.
    pub response: Vec<TokenId>,
    /// The gain that training gave each token, `[R]`; `None` where the response is none of a run.
    pub trained: Option<Vec<f32>>,
    /// Where a run sampled it; `None` where the response is none of a run.
    pub sampled: Option<Sampled>,
}

impl Subject {
    /// Its tokens.
    fn sequence(&self) -> Sequence<'_> {
        Sequence { prompt: &self.prompt, response: &self.response }
    }

    /// The coordinates of its random draws, as in the run that sampled it.
    fn coordinates(&self) -> Coordinates {
        let of = |own: &Sampled| Coordinates {
            step: own.step,
            prompt: own.prompt_id,
            sample: u64::from(own.sample),
        };
        self.sampled.as_ref().map(of).unwrap_or_default()
    }
}

/// A response of a run as its rollouts have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Sampled {
    /// Step that sampled it.
    pub step: Step,
    /// Its prompt.
    pub prompt_id: u64,
    /// Its number among the responses to the prompt.
    pub sample: u32,
    /// Number of the response that it forked off, if it did.
    pub parent: Option<u32>,
    /// Tokens that the two share.
    pub fork_at: Option<usize>,
    /// Its reward.
    pub reward: f64,
    /// Advantages that it was trained with, `[R]`; one that is not finite is `None`.
    pub advantages: Vec<Option<f32>>,
}

/// Which groups of heads signals are averaged over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grouped {
    /// Those that the spans of all responses choose, as a training step does.
    Together,
    /// Each response has groups of its own.
    PerSequence,
    /// These.
    Given(HeadGroups),
}

/// All that is known about one response of R tokens. Lists of one number per token, and positions, count from the first
/// response token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Inspection {
    /// Prompt and response.
    pub tokens: Vec<TokenId>,
    /// Where in `tokens` the response begins.
    pub response_start: usize,
    /// Log-probability of each token, `[R]`.
    pub logprobs: Vec<f32>,
    /// Entropy of the distribution of each token, nats, `[R]`.
    pub entropies: Vec<f32>,
    /// Layers that were read.
    pub layers: Vec<usize>,
    /// Layer, head, and mean backward distance of its attention in this response, tokens.
    pub spans: Vec<(usize, usize, f32)>,
    /// Heads whose mean is WAAD.
    pub local: Vec<HeadId>,
    /// Heads whose mean is FAI.
    pub global: Vec<HeadId>,
    /// WAAD, `[R]`.
    pub waad: Vec<f32>,
    /// FAI, `[R]`; `None` where no later token lies within the horizon.
    pub fai: Vec<Option<f32>>,
    /// Change of WAAD to the next token, `[R]`.
    pub jump: Vec<f32>,
    /// Under each strategy's name the gain of each token, `[R]`; under [`TRAINED`], where it is known, what training gave:
    /// all strategies of the run's chain together, 1 where they spare the advantage's sign.
    pub gamma: IndexMap<String, Vec<f32>>,
    /// Under each strategy's name the tokens that it singles out.
    pub marks: IndexMap<String, Vec<Mark>>,
    /// Its steps, and where branches would leave it.
    #[serde(flatten)]
    pub steps: Steps,
}

/// The name of what training gave, among those of strategies.
pub(crate) const TRAINED: &str = "trained";

/// What is looked through.
#[derive(Clone, Copy)]
pub(crate) struct Lens<'a> {
    /// Whose attention it is.
    pub policy: &'a Policy,
    /// Temperature of the sampling distribution.
    pub temperature: f64,
    /// How attention is read.
    pub signals: &'a SignalConfig,
    /// How responses go through the policy.
    pub passes: Passes<'a>,
}

/// Looks at `subjects` through `lens`; one inspection for each, in order.
///
/// # Errors
/// If there is no subject, or results cannot be copied to the host.
pub(crate) fn inspect(
    lens: &Lens<'_>,
    strategies: &Strategies,
    grouped: &Grouped,
    branching: &Branching,
    subjects: &[Subject],
) -> Result<Vec<Inspection>> {
    let sequences: Vec<Sequence<'_>> = subjects.iter().map(Subject::sequence).collect();
    let Lens { policy, temperature, signals: config, passes } = *lens;
    let (stats, signals) = measure::logprobs_and_attention(policy, &sequences, temperature, config, passes)?;
    let steps = branching.steps(lens, subjects, &stats)?;
    let choose = |responses: &[HeadSignals]| HeadGroups::choose(config, responses);
    let common = match grouped {
        Grouped::Together => Some(choose(&signals)?),
        Grouped::PerSequence => None,
        Grouped::Given(groups) => Some(groups.clone()),
    };
    let stats = stats.logprobs.into_iter().zip(stats.entropies);
    let each = subjects.iter().zip(&signals).zip(stats).zip(steps);
    each.map(|(((subject, signals), (logprobs, entropies)), steps)| {
        let groups = common.clone().map_or_else(|| choose(std::slice::from_ref(signals)), Ok)?;
        Inspection::new(subject, logprobs, entropies, signals, groups, strategies, steps)
    })
    .collect()
}

impl Inspection {
    fn new(
        subject: &Subject,
        logprobs: Vec<f32>,
        entropies: Vec<f32>,
        signals: &HeadSignals,
        groups: HeadGroups,
        strategies: &Strategies,
        steps: Steps,
    ) -> Result<Self> {
        let (waad, fai) = (signal::waad(signals, &groups)?, signal::fai(signals, &groups)?);
        let response = Response::new(subject.coordinates(), &waad, &fai, &entropies);
        let (mut gamma, mut marks) = (IndexMap::new(), IndexMap::new());
        for (name, found) in strategies.of(&response)? {
            gamma.insert(name.clone(), found.values);
            marks.insert(name, found.marks);
        }
        gamma.extend(subject.trained.clone().map(|trained| (TRAINED.to_owned(), trained)));
        let mut layers: Vec<usize> = signals.heads.iter().map(|head| head.id.layer).collect();
        layers.dedup();
        Ok(Self {
            tokens: [subject.prompt.as_slice(), &subject.response].concat(),
            response_start: subject.prompt.len(),
            logprobs,
            entropies,
            layers,
            spans: signals.heads.iter().map(|head| (head.id.layer, head.id.head, head.span)).collect(),
            local: groups.local,
            global: groups.global,
            jump: strategy::jumps(&waad),
            waad,
            fai,
            gamma,
            marks,
            steps,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests {
    use super::*;
    use crate::types::{HeadSignal, RunRandom};

    /// Six tokens after a prompt of two; the anchors are 1, 2 and 4, of which 2 is dominated and 1 its opener.
    pub(crate) fn inspection() -> Inspection {
        let head = |head, span, waad: [f32; 6], fai: [f32; 5]| HeadSignal {
            id: HeadId { layer: 1, head },
            span,
            waad: waad.to_vec(),
            fai: fai.to_vec(),
        };
        let local = head(0, 1.0, [2.0, 6.0, 1.0, 1.5, 3.0, 3.0], [0.0; 5]);
        let global = head(1, 9.0, [0.0; 6], [0.1, 0.5, 0.4, 0.2, 0.3]);
        let signals = HeadSignals { heads: vec![local, global] };
        let (prompt, response) = (vec![7, 8], vec![3, 4, 5, 6, 7, 8]);
        let subject = Subject { label: "here".into(), prompt, response, trained: None, sampled: None };
        let groups = HeadGroups::choose(&Default::default(), std::slice::from_ref(&signals)).unwrap();
        let strategies = Strategies::new(&[], RunRandom::new(0));
        let (logprobs, entropies) = (vec![-0.5; 6], vec![0.25; 6]);
        let steps = Steps {
            steps: vec![(0, 3), (3, 6)],
            fci: vec![0.0, 0.25],
            branch_at: vec![3],
            branch_before_step: vec![2],
        };
        Inspection::new(&subject, logprobs, entropies, &signals, groups, &strategies, steps).unwrap()
    }

    #[test]
    fn gains_and_marks_are_those_of_the_strategies() {
        let found = inspection();
        assert_eq!((found.layers.as_slice(), found.response_start), (&[1][..], 2));
        assert_eq!(found.tokens, [7, 8, 3, 4, 5, 6, 7, 8]);
        assert_eq!(found.jump, [4.0, 5.0, 0.5, 1.5, 0.0, 0.0]);
        let marks = |name: &str| -> Vec<(&str, &[usize])> {
            found.marks[name].iter().map(|mark| (mark.role.name, mark.tokens.as_slice())).collect()
        };
        assert_eq!(marks("local_chunk"), [("large jump", &[0, 1, 3][..])]);
        // Medians 2.5 and 1: tokens 1 and 4 reach farther back than that.
        assert_eq!(marks("rhythm"), [("anchor", &[1, 2, 4][..]), ("dominated", &[2]), ("opener", &[1])]);
        assert_eq!(found.gamma["local_chunk"], [1.5, 1.5, 1.0, 1.5, 1.0, 1.0]);
        assert_eq!(found.gamma["global_anchor"], [1.0, 1.5, 1.5, 1.0, 1.5, 1.0]);
        assert_eq!(found.gamma["rhythm"], [1.0, 1.75, 1.25, 1.0, 1.5, 1.0]);
        let shown: Vec<&str> = found.gamma.keys().map(String::as_str).collect();
        let others = strategy::CreditConfig::NAMES.iter().filter(|name| **name != "uniform");
        assert_eq!(shown, others.copied().collect::<Vec<_>>());
    }

    /// Its file and its lines in the registry are all that anybody wrote of it.
    #[test]
    fn a_strategy_that_was_added_is_seen_everywhere() {
        let shown = text::Shown {
            label: "here".into(),
            prompt: "Make 6.\n".into(),
            pieces: ["a", "b", "c", "d", "e", "f"].map(String::from).to_vec(),
            sampled: None,
            inspection: inspection(),
        };
        let style = terminal::Style { color: false, columns: 40, by: "late".into() };
        let terminal = terminal::Terminal::new(style, std::slice::from_ref(&shown));
        assert!(terminal.legend().ends_with("\nl late"), "{}", terminal.legend());
        assert!(terminal.draw(&shown).contains("abcdef\n   ▓▓▓\n   lll\n"), "{}", terminal.draw(&shown));
        let role = "{\"name\":\"late\",\"letter\":\"l\",\"curve\":null,\"tokens\":[3,4,5]}";
        assert!(serde_json::to_string(&shown).unwrap().contains(role));
        let gains = gains::gains([&shown.inspection].into_iter());
        assert!(gains.iter().any(|gain| gain.strategy == "late" && gain.mean == 1.25));
        assert!(html::page(&[], &[shown]).unwrap().contains("\"late\":[1.0,1.0,1.0,1.5,1.5,1.5]"));
    }

    #[test]
    fn numbers_are_written_in_their_fewest_digits() {
        let mut found = inspection();
        found.logprobs[0] = -0.1;
        let json = serde_json::to_string(&found).unwrap();
        for part in [
            "\"logprobs\":[-0.1,-0.5,",
            "\"spans\":[[1,0,1.0],[1,1,9.0]]",
            ",0.3,null]",
            "\"global\":[[1,1]]",
            "{\"name\":\"dominated\",\"letter\":\"D\",\"curve\":\"fai\",\"tokens\":[2]}",
        ] {
            assert!(json.contains(part), "{part}: {json}");
        }
    }
}
