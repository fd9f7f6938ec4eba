//! Seeing credit: what a policy's attention says about given responses, and what each strategy makes of it.
//!
//! ```text
//! lines --source--> subjects --measure, groups, strategies--> inspections --terminal, html--> something to look at
//! ```
//!
//! Nothing is computed here that training does not compute: signals, sets and coefficients come from [`signal`] and
//! [`strategy`].

mod branching;
pub mod gains;
pub mod html;
pub mod source;
pub mod terminal;
pub mod text;

use anyhow::Result;
pub use branching::{Branching, Steps};
use serde::Serialize;

use crate::batch::Sequence;
use crate::credit::strategy::{
    self, CreditConfig, CreditStrategy, GlobalAnchorConfig, LocalChunkConfig, Response, Rhythm, RhythmConfig,
};
use crate::measure::Measurer;
use crate::signal::{self, HeadGroups};
use crate::types::{HeadId, HeadSignals, Step, TokenId};

/// A response to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// What it is called: `answers.jsonl:3`.
    pub label: String,
    /// Tokens of the prompt, never empty.
    pub prompt: Vec<TokenId>,
    /// Tokens of the response, R of them, never none.
    pub response: Vec<TokenId>,
    /// Coefficient that training gave each token, `[R]`; `None` where the response is none of a run.
    pub trained: Option<Vec<f32>>,
    /// Where a run sampled it; `None` where the response is none of a run.
    pub sampled: Option<Sampled>,
}

impl Subject {
    /// Its tokens.
    fn sequence(&self) -> Sequence<'_> {
        Sequence { prompt: &self.prompt, response: &self.response }
    }
}

/// A response of a run as its rollouts have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sampled {
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

/// Settings of the strategies that read attention.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Strategies {
    /// Of `local_chunk`.
    pub local_chunk: LocalChunkConfig,
    /// Of `global_anchor`.
    pub global_anchor: GlobalAnchorConfig,
    /// Of `rhythm`.
    pub rhythm: RhythmConfig,
}

impl Strategies {
    /// The settings that a recipe's chain names; the defaults of strategies that it does not hold.
    #[must_use]
    pub fn of(chain: &[CreditConfig]) -> Self {
        let mut settings = Self::default();
        for entry in chain {
            match *entry {
                CreditConfig::LocalChunk(config) => settings.local_chunk = config,
                CreditConfig::GlobalAnchor(config) => settings.global_anchor = config,
                CreditConfig::Rhythm(config) => settings.rhythm = config,
                _ => {} // not shown by itself; what it gave in a run is part of `trained`
            }
        }
        settings
    }
}

/// Which groups of heads signals are averaged over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouped {
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
pub struct Inspection {
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
    /// Tokens with the largest jumps, as `local_chunk` takes them.
    pub t_loc: Vec<usize>,
    /// Anchors: tokens with the largest FAI, as `rhythm` takes them.
    pub t_glob: Vec<usize>,
    /// Those anchors that an opener dominates.
    pub dominated: Vec<usize>,
    /// The openers, each once.
    pub intro: Vec<usize>,
    /// Coefficients of each strategy.
    pub gamma: Gammas,
    /// Its steps, and where branches would leave it.
    #[serde(flatten)]
    pub steps: Steps,
}

/// Coefficient of each token under each strategy, `[R]` each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gammas {
    /// Under `local_chunk`.
    pub local_chunk: Vec<f32>,
    /// Under `global_anchor`.
    pub global_anchor: Vec<f32>,
    /// Under `rhythm`.
    pub rhythm: Vec<f32>,
    /// What training gave: all strategies of the run's chain together, 1 where they spare the advantage's sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained: Option<Vec<f32>>,
}

/// Whose coefficients are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Those of `local_chunk`.
    LocalChunk,
    /// Those of `global_anchor`.
    GlobalAnchor,
    /// Those of `rhythm`.
    Rhythm,
    /// Those that training gave.
    Trained,
}

impl By {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::LocalChunk, Self::GlobalAnchor, Self::Rhythm, Self::Trained];

    /// The strategy's name in recipes, or `trained`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LocalChunk => "local_chunk",
            Self::GlobalAnchor => "global_anchor",
            Self::Rhythm => "rhythm",
            Self::Trained => "trained",
        }
    }
}

impl Gammas {
    /// The coefficients `by`, `[R]`; `None` where training's are not known.
    #[must_use]
    pub fn by(&self, by: By) -> Option<&[f32]> {
        match by {
            By::LocalChunk => Some(&self.local_chunk),
            By::GlobalAnchor => Some(&self.global_anchor),
            By::Rhythm => Some(&self.rhythm),
            By::Trained => self.trained.as_deref(),
        }
    }
}

/// Looks at `subjects` with the policy of `measurer`; one inspection for each, in order.
///
/// # Errors
/// If there is no subject, or results cannot be copied to the host.
pub fn inspect(
    measurer: &Measurer<'_>,
    strategies: &Strategies,
    grouped: &Grouped,
    branching: &Branching,
    subjects: &[Subject],
) -> Result<Vec<Inspection>> {
    let sequences: Vec<Sequence<'_>> = subjects.iter().map(Subject::sequence).collect();
    let found = measurer.ask(measurer.policy, &sequences, true, true)?;
    let steps = branching.steps(measurer, subjects, &found.entropies)?;
    let choose = |responses: &[HeadSignals]| HeadGroups::choose(measurer.signals, responses);
    let common = match grouped {
        Grouped::Together => Some(choose(&found.signals)?),
        Grouped::PerSequence => None,
        Grouped::Given(groups) => Some(groups.clone()),
    };
    let stats = found.logprobs.into_iter().zip(found.entropies);
    let each = subjects.iter().zip(&found.signals).zip(stats).zip(steps);
    each.map(|(((subject, signals), stats), steps)| {
        let groups = common.clone().map_or_else(|| choose(std::slice::from_ref(signals)), Ok)?;
        Inspection::new(subject, stats, signals, groups, strategies, steps)
    })
    .collect()
}

impl Inspection {
    fn new(
        subject: &Subject,
        (logprobs, entropies): (Vec<f32>, Vec<f32>),
        signals: &HeadSignals,
        groups: HeadGroups,
        strategies: &Strategies,
        steps: Steps,
    ) -> Result<Self> {
        let (waad, fai) = (signal::waad(signals, &groups)?, signal::fai(signals, &groups)?);
        let Strategies { local_chunk, global_anchor, rhythm } = strategies;
        let Rhythm { anchors, dominated, openers } = rhythm.anatomy(&waad, &fai);
        let response = Response::from_signals(&waad, &fai, &entropies);
        let gamma = Gammas {
            local_chunk: local_chunk.gamma(&response)?.values,
            global_anchor: global_anchor.gamma(&response)?.values,
            rhythm: rhythm.gamma(&response)?.values,
            trained: subject.trained.clone(),
        };
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
            t_loc: local_chunk.chosen(&waad),
            t_glob: anchors,
            dominated,
            intro: openers,
            jump: strategy::jumps(&waad),
            waad,
            fai,
            gamma,
            steps,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests {
    use super::*;
    use crate::credit::strategy::{RandomConfig, UniformConfig};
    use crate::types::HeadSignal;

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
        let strategies = Strategies::default();
        let stats = (vec![-0.5; 6], vec![0.25; 6]);
        let steps = Steps {
            steps: vec![(0, 3), (3, 6)],
            fci: vec![0.0, 0.25],
            branch_at: vec![3],
            branch_before_step: vec![2],
        };
        Inspection::new(&subject, stats, &signals, groups, &strategies, steps).unwrap()
    }

    #[test]
    fn sets_and_coefficients_are_those_of_the_strategies() {
        let found = inspection();
        assert_eq!((found.layers.as_slice(), found.response_start), (&[1][..], 2));
        assert_eq!(found.tokens, [7, 8, 3, 4, 5, 6, 7, 8]);
        assert_eq!(found.jump, [4.0, 5.0, 0.5, 1.5, 0.0, 0.0]);
        assert_eq!((found.t_loc, found.t_glob), (vec![0, 1, 3], vec![1, 2, 4]));
        // Medians 2.5 and 1: tokens 1 and 4 reach farther back than that.
        assert_eq!((found.dominated, found.intro), (vec![2], vec![1]));
        assert_eq!(found.gamma.local_chunk, [1.5, 1.5, 1.0, 1.5, 1.0, 1.0]);
        assert_eq!(found.gamma.global_anchor, [1.0, 1.5, 1.5, 1.0, 1.5, 1.0]);
        assert_eq!(found.gamma.rhythm, [1.0, 1.75, 1.25, 1.0, 1.5, 1.0]);
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
        ] {
            assert!(json.contains(part), "{part}: {json}");
        }
    }

    #[test]
    fn a_chain_brings_its_own_settings() {
        let own = RhythmConfig { alpha: 0.25, ..RhythmConfig::default() };
        let chain = [
            CreditConfig::Uniform(UniformConfig {}),
            CreditConfig::Rhythm(own),
            CreditConfig::Random(RandomConfig::default()),
        ];
        assert_eq!(Strategies::of(&chain), Strategies { rhythm: own, ..Strategies::default() });
    }
}
