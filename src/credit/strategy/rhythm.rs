//! Coupled rhythm credit (arXiv 2510.13554, section 4): anchors get more, and an anchor inside a chunk shares its extra with
//! the token that opened the chunk.
//!
//! ```text
//! gamma_t = 1 + (g - 1) ( [t anchor, not dominated] + (1 - alpha) [t dominated] + alpha [t opens for a dominated one] )
//! ```
//!
//! The indicators add up on a token that is both; `overlap = "cap"` ends at g, `"overwrite"` lets the opener's share stand
//! alone.

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ApplyTo, Boost, CreditStrategy, Curve, Gains, Mark, Response, Role, Share, StrategySettings, Take,
    Threshold, dominated, top,
};
use crate::types::{Needs, Rules, RunRandom};

/// Settings of [`CreditConfig::Rhythm`](super::CreditConfig::Rhythm).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RhythmConfig {
    /// What the advantage of an anchor is multiplied by; a dominated one shares what is above 1.
    pub gain: f64,
    /// Share of a response's tokens that are anchors, rounded up.
    pub fraction: f64,
    /// Which end of the ranking by FAI is taken for anchors.
    pub take: Take,
    /// k: how many tokens before a dominated anchor its opener is looked for.
    pub lookback: usize,
    /// An anchor with a WAAD above this is not dominated.
    pub tau_waad: Threshold,
    /// An anchor is dominated only if a jump before it reaches this.
    pub tau_jump: Threshold,
    /// Share of a dominated anchor's extra credit that goes to its opener.
    pub alpha: f64,
    /// What a token gets that is an anchor and an opener.
    pub overlap: Overlap,
    /// Which advantages are reshaped.
    pub apply_to: ApplyTo,
}

/// What a token gets that is an anchor and the opener of another anchor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Overlap {
    /// The sum of both extras.
    #[default]
    Add,
    /// The sum, at most the whole `gain`.
    Cap,
    /// The opener's extra alone.
    Overwrite,
}

impl Default for RhythmConfig {
    fn default() -> Self {
        let Boost { gain, fraction, take, apply_to } = Boost::default();
        Self {
            gain,
            fraction,
            take,
            lookback: 3,
            tau_waad: Threshold::Median,
            tau_jump: Threshold::Median,
            alpha: 0.5,
            overlap: Overlap::Add,
            apply_to,
        }
    }
}

impl StrategySettings for RhythmConfig {
    fn rules(&self) -> Rules {
        let Self { gain, fraction, take, apply_to, lookback, tau_waad, tau_jump, alpha, overlap: _ } = *self;
        let mut rules = Boost { gain, fraction, take, apply_to }.rules();
        rules.share("alpha", alpha);
        rules.expect("lookback", lookback, "at least 1 token", lookback > 0);
        for (key, threshold) in [("tau_waad", tau_waad), ("tau_jump", tau_jump)] {
            threshold.rule(key, &mut rules);
        }
        rules
    }

    fn idle(&self, max_new_tokens: usize) -> Vec<String> {
        let lookback = self.lookback;
        let idle = (lookback >= max_new_tokens).then(|| {
            format!(
                "`lookback` = {lookback} is longer than any response ([sampling] `max_new_tokens` = {max_new_tokens}), so it \
                 bounds nothing"
            )
        });
        Vec::from_iter(idle)
    }

    fn build(&self, _: RunRandom) -> Box<dyn CreditStrategy> {
        Box::new(*self)
    }
}

const ANCHOR: Role = Role::new("anchor", 'A', Some(Curve::Fai));
const DOMINATED: Role = Role {
    share: Some(Share { metric: "credit/dominated_frac", of: ANCHOR.name }),
    ..Role::new("dominated", 'D', Some(Curve::Fai))
};
const OPENER: Role = Role::new("opener", 'o', Some(Curve::Waad));

/// The rhythm of a response: positions of its tokens, each list in order and without repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rhythm {
    anchors: Vec<usize>,
    /// Those of them that an opener dominates.
    dominated: Vec<usize>,
    /// One that opens for several anchors is one all the same.
    openers: Vec<usize>,
}

impl RhythmConfig {
    /// The rhythm of a response with this WAAD and FAI.
    fn anatomy(&self, waad: &[f32], fai: &[Option<f32>]) -> Rhythm {
        let anchors = top(fai, self.fraction, self.take);
        let found = dominated(&anchors, waad, self.lookback, self.tau_waad, self.tau_jump);
        let mut openers: Vec<usize> = found.iter().map(|d| d.intro).collect();
        openers.sort_unstable();
        openers.dedup();
        Rhythm { anchors, dominated: found.iter().map(|d| d.anchor).collect(), openers }
    }
}

impl CreditStrategy for RhythmConfig {
    fn needs(&self) -> Needs {
        Needs { waad: true, fai: true, ..Needs::default() }
    }

    fn apply_to(&self) -> ApplyTo {
        self.apply_to
    }

    fn gains(&self, response: &Response<'_>) -> Result<Gains> {
        let Rhythm { anchors, dominated, openers } = self.anatomy(response.waad()?, response.fai()?);
        let mut share = vec![0.0; response.n_tokens];
        anchors.iter().for_each(|s| share[*s] = 1.0);
        dominated.iter().for_each(|s| share[*s] = 1.0 - self.alpha);
        for opener in &openers {
            let own = &mut share[*opener];
            *own = match self.overlap {
                Overlap::Add => *own + self.alpha,
                Overlap::Cap => (*own + self.alpha).min(1.0),
                Overlap::Overwrite => self.alpha,
            };
        }
        let values = share.iter().map(|share| (1.0 + (self.gain - 1.0) * share) as f32).collect();
        let marks = [(&ANCHOR, anchors), (&DOMINATED, dominated), (&OPENER, openers)];
        let marks = marks.into_iter().map(|(role, tokens)| Mark { role, tokens }).collect();
        Ok(Gains { values, marks })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::types::Coordinates;

    /// Jumps 4, 5, 0.5, 1.5, 0, 0; medians 2.5 and 1.
    const WAAD: [f32; 6] = [2.0, 6.0, 1.0, 1.5, 3.0, 3.0];
    /// Anchors 1, 2 and 4; of the other end 0, 3 and 4.
    const FAI: [Option<f32>; 6] = [Some(0.1), Some(0.5), Some(0.4), Some(0.2), Some(0.3), None];

    fn gamma(config: RhythmConfig) -> Vec<f32> {
        config.gains(&Response::new(Coordinates::default(), &WAAD, &FAI, &[0.0; 6])).unwrap().values
    }

    const BASE: RhythmConfig = RhythmConfig {
        gain: 1.5,
        fraction: 0.4,
        take: Take::Top,
        lookback: 3,
        tau_waad: Threshold::Median,
        tau_jump: Threshold::Median,
        alpha: 0.5,
        overlap: Overlap::Add,
        apply_to: ApplyTo::Both,
    };

    #[test]
    fn a_dominated_anchor_shares_with_its_opener() {
        assert_eq!(RhythmConfig::default(), BASE);
        // Anchor 2 is dominated by 1, an anchor itself; 1 and 4 reach farther back than the median.
        let rhythm = Rhythm { anchors: vec![1, 2, 4], dominated: vec![2], openers: vec![1] };
        assert_eq!(BASE.anatomy(&WAAD, &FAI), rhythm);
        assert_eq!(gamma(BASE), [1.0, 1.75, 1.25, 1.0, 1.5, 1.0]);
        assert_eq!(gamma(RhythmConfig { gain: 3.0, ..BASE }), [1.0, 4.0, 2.0, 1.0, 3.0, 1.0]);
        assert_eq!(gamma(RhythmConfig { alpha: 0.25, ..BASE }), [1.0, 1.625, 1.375, 1.0, 1.5, 1.0]);
        assert_eq!(gamma(RhythmConfig { alpha: 1.0, ..BASE }), [1.0, 2.0, 1.0, 1.0, 1.5, 1.0]);
    }

    #[test]
    fn an_anchor_that_opens_as_well_gets_the_sum_the_gain_or_the_openers_share() {
        let of = |overlap, alpha| gamma(RhythmConfig { overlap, alpha, ..BASE });
        assert_eq!(of(Overlap::Cap, 0.5), [1.0, 1.5, 1.25, 1.0, 1.5, 1.0]);
        assert_eq!(of(Overlap::Cap, 0.25), [1.0, 1.5, 1.375, 1.0, 1.5, 1.0]);
        assert_eq!(of(Overlap::Overwrite, 0.5), [1.0, 1.25, 1.25, 1.0, 1.5, 1.0]);
        assert_eq!(of(Overlap::Overwrite, 0.25), [1.0, 1.125, 1.375, 1.0, 1.5, 1.0]);
    }

    #[test]
    fn fixed_thresholds_are_each_of_their_own_signal() {
        let with = |waad, jump| {
            let (tau_waad, tau_jump) = (Threshold::Value(waad), Threshold::Value(jump));
            RhythmConfig { tau_waad, tau_jump, ..BASE }.anatomy(&WAAD, &FAI).dominated
        };
        // WAAD of the anchors is 6, 1 and 3, the largest jump before them 4, 5 and 5. Both bounds belong to those they let in.
        assert_eq!(with(6.0, 4.0), [1, 2, 4]);
        assert_eq!(with(6.0, 5.0), [2, 4]);
        assert!(with(5.0, 6.0).is_empty());
        assert_eq!(with(2.9, 4.0), [2]);
        assert!(with(0.5, 0.0).is_empty());
    }

    #[test]
    fn the_other_end_of_the_ranking_and_another_share_are_other_anchors() {
        let bottom = RhythmConfig { take: Take::Bottom, ..BASE };
        // 0 has nothing before it, 3 has token 1 before it, 4 reaches too far back.
        let rhythm = Rhythm { anchors: vec![0, 3, 4], dominated: vec![3], openers: vec![1] };
        assert_eq!(bottom.anatomy(&WAAD, &FAI), rhythm);
        assert_eq!(gamma(bottom), [1.5, 1.25, 1.0, 1.25, 1.5, 1.0]);
        assert_eq!(gamma(RhythmConfig { fraction: 0.1, ..BASE }), [1.0, 1.5, 1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn the_opener_is_looked_for_no_farther_back_than_the_lookback() {
        let near = RhythmConfig { take: Take::Bottom, lookback: 1, ..BASE };
        assert!(near.anatomy(&WAAD, &FAI).dominated.is_empty()); // the jump right before token 3 is 0.5
        let two = RhythmConfig { lookback: 2, ..near };
        assert_eq!(two.anatomy(&WAAD, &FAI).openers, [1]);
    }
}
