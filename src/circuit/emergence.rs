//! How circuits change: which heads emerge while a policy trains, which stay, and which are lost.
//!
//! ```text
//! emergent = heads(checkpoint) - heads(base),  retained = both,  lost = heads(base) - heads(checkpoint)
//! effect   = (share(checkpoint) - share(base)) / (share(checkpoint) + share(base) + 1e-6);  over checkpoints its mean
//! cohort   = heads that first appear in a checkpoint, and how many of them each later one has
//! ```

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::file::{CircuitFile, HeadSet, Versus};
use crate::types::HeadId;

/// Keeps an effect finite where neither has the head.
const NEAR_ZERO: f64 = 1e-6;

/// Circuits of the checkpoints of a run beside that of a base.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Emergence {
    /// Heads of each checkpoint beside the base.
    pub sets: Vec<Sets>,
    /// First checkpoint, from 0, in which a head emerges.
    pub first: Vec<First>,
    /// Effect of each head, checkpoint by checkpoint.
    pub effect: Vec<Vec<Effect>>,
    /// Its mean over checkpoints.
    pub mean_effect: Vec<Effect>,
    /// Heads of the base that each checkpoint has; then heads that first appear in a checkpoint, how many that one and each later
    /// one has.
    pub cohorts: Vec<Vec<usize>>,
}

/// Heads of a checkpoint beside the base, each in order of layer and number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Sets {
    /// Not in the base.
    pub emergent: Vec<HeadId>,
    /// In both.
    pub retained: Vec<HeadId>,
    /// In the base alone.
    pub lost: Vec<HeadId>,
    /// Not in the circuit before, be that of the base or of the checkpoint before.
    pub new: usize,
}

/// Where a head first emerges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct First {
    /// Its layer.
    pub layer: usize,
    /// Its number there.
    pub head: usize,
    /// The checkpoint, from 0.
    pub checkpoint: usize,
}

/// How much more or less a head counts than in the base, from -1 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Effect {
    /// Its layer.
    pub layer: usize,
    /// Its number there.
    pub head: usize,
    /// The effect.
    pub effect: f64,
}

impl Emergence {
    /// Of `checkpoints` in the order of training.
    ///
    /// # Errors
    /// If they are of models of different shapes.
    pub(crate) fn new(base: &CircuitFile, checkpoints: &[CircuitFile]) -> Result<Self> {
        for other in checkpoints {
            ensure!(
                (other.layers, other.heads) == (base.layers, base.heads),
                "{} has {} layers of {} heads, and the base {} has {} of {}; heads can be compared of one shape alone",
                other.model,
                other.layers,
                other.heads,
                base.model,
                base.layers,
                base.heads
            );
        }
        let of_base = active(base);
        let heads: Vec<BTreeSet<HeadId>> = checkpoints.iter().map(active).collect();
        let before = |i: usize| if i == 0 { &of_base } else { &heads[i - 1] };
        let sets = heads.iter().enumerate().map(|(i, own)| Sets {
            emergent: own.difference(&of_base).copied().collect(),
            retained: own.intersection(&of_base).copied().collect(),
            lost: of_base.difference(own).copied().collect(),
            new: own.difference(before(i)).count(),
        });
        let mut first: BTreeMap<HeadId, usize> = BTreeMap::new();
        for (checkpoint, own) in heads.iter().enumerate() {
            own.difference(&of_base).for_each(|head| {
                first.entry(*head).or_insert(checkpoint);
            });
        }
        let effect: Vec<Vec<Effect>> = checkpoints.iter().map(|own| effects(base, own)).collect();
        let mean_effect = (0..base.heads_importance.len()).filter_map(|i| {
            let all = effect.iter().filter_map(|of_heads| of_heads.get(i));
            let sum: f64 = all.map(|own| own.effect).sum();
            Some(Effect { effect: sum / effect.len() as f64, ..*effect.first()?.get(i)? })
        });
        let alive =
            |cohort: &BTreeSet<HeadId>| heads.iter().map(|own| own.intersection(cohort).count()).collect();
        let cohort = |i: usize| -> Vec<usize> {
            alive(&first.iter().filter(|(_, checkpoint)| **checkpoint == i).map(|(head, _)| *head).collect())
        };
        let cohorts = std::iter::once(alive(&of_base)).chain((0..heads.len()).map(cohort)).collect();
        Ok(Self {
            sets: sets.collect(),
            mean_effect: mean_effect.collect(),
            first: first
                .iter()
                .map(|(HeadId { layer, head }, checkpoint)| First {
                    layer: *layer,
                    head: *head,
                    checkpoint: *checkpoint,
                })
                .collect(),
            effect,
            cohorts,
        })
    }
}

impl CircuitFile {
    /// The same, said beside `base`.
    ///
    /// # Errors
    /// If the two are of models of different shapes.
    pub(crate) fn beside(mut self, base: &Self) -> Result<Self> {
        let sets = Emergence::new(base, std::slice::from_ref(&self))?.sets;
        let (own, other) = (self.ranked(HeadSet::Heads)?, base.ranked(HeadSet::Heads)?);
        let by_importance = |all: &[HeadId], some: &[HeadId]| {
            all.iter().filter(|head| some.contains(head)).copied().collect::<Vec<_>>()
        };
        self.base = sets.first().map(|sets| Versus {
            model: base.model.clone(),
            emergent: by_importance(&own, &sets.emergent),
            retained: by_importance(&own, &sets.retained),
            lost: by_importance(&other, &sets.lost),
        });
        Ok(self)
    }
}

/// The heads of a circuit.
fn active(circuit: &CircuitFile) -> BTreeSet<HeadId> {
    let own = circuit.heads_importance.iter().filter(|own| own.importance > 0.0);
    own.map(|own| HeadId { layer: own.layer, head: own.head }).collect()
}

fn effects(base: &CircuitFile, own: &CircuitFile) -> Vec<Effect> {
    let both = base.heads_importance.iter().zip(&own.heads_importance);
    both.map(|(pre, post)| Effect {
        layer: post.layer,
        head: post.head,
        effect: (post.share - pre.share) / (post.share + pre.share + NEAR_ZERO),
    })
    .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::CircuitConfig;
    use super::super::file::{Faithfulness, ScoredHead};
    use super::*;

    /// One layer of four heads with these shares.
    fn circuit(model: &str, shares: [f64; 4]) -> CircuitFile {
        let head = |(head, share)| ScoredHead { layer: 0, head, importance: share, share, frequency: 0.0 };
        CircuitFile {
            model: model.to_owned(),
            pairs: 1,
            settings: (&CircuitConfig::default()).into(),
            layers: 1,
            heads: 4,
            nodes: Vec::new(),
            edges: Vec::new(),
            heads_importance: shares.into_iter().enumerate().map(head).collect(),
            faithfulness: Faithfulness { clean: 0.0, corrupted: 1.0, circuit: 0.5, recovered: Some(0.5) },
            curve: Vec::new(),
            base: None,
        }
    }

    #[test]
    fn heads_emerge_stay_and_go() {
        let base = circuit("base", [0.6, 0.4, 0.0, 0.0]);
        let of = [[0.2, 0.0, 0.8, 0.0], [0.5, 0.2, 0.0, 0.3], [0.4, 0.0, 0.3, 0.3]];
        let checkpoints: Vec<CircuitFile> = of.into_iter().map(|shares| circuit("run", shares)).collect();
        let found = Emergence::new(&base, &checkpoints).unwrap();
        let head = |head| HeadId { layer: 0, head };
        let sets = |emergent: &[usize], retained: &[usize], lost: &[usize], new| Sets {
            emergent: emergent.iter().map(|i| head(*i)).collect(),
            retained: retained.iter().map(|i| head(*i)).collect(),
            lost: lost.iter().map(|i| head(*i)).collect(),
            new,
        };
        assert_eq!(
            found.sets,
            [sets(&[2], &[0], &[1], 1), sets(&[3], &[0, 1], &[], 2), sets(&[2, 3], &[0], &[1], 1)]
        );
        let first = |head, checkpoint| First { layer: 0, head, checkpoint };
        assert_eq!(found.first, [first(2, 0), first(3, 1)]);
        // Of the base, of the first, the second and the third checkpoint.
        assert_eq!(found.cohorts, [[1, 2, 1], [1, 0, 1], [0, 1, 1], [0, 0, 0]]);
        assert!((found.effect[0][0].effect - (0.2 - 0.6) / (0.8 + 1e-6)).abs() < 1e-12);
        let mean = (found.effect[0][3].effect + found.effect[1][3].effect + found.effect[2][3].effect) / 3.0;
        assert!((found.mean_effect[3].effect - mean).abs() < 1e-12 && mean > 0.66);
        let beside = checkpoints[2].clone().beside(&base).unwrap();
        let versus = beside.base.as_ref().unwrap();
        assert_eq!(
            (versus.emergent.as_slice(), versus.lost.as_slice()),
            (&[head(2), head(3)][..], &[head(1)][..])
        );
        assert_eq!(beside.ranked(HeadSet::Heads).unwrap()[0], head(0));
        let other = CircuitFile { heads: 3, ..circuit("other", of[0]) };
        let said = Emergence::new(&base, &[other]).unwrap_err().to_string();
        assert!(said.starts_with("other has 1 layers of 3 heads, and the base base has 1 of 4"), "{said}");
    }
}
