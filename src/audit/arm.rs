//! The arms of an audit: each a way to turn rewards into one number per token.

use anyhow::{Result, ensure};

use crate::credit::Credit;
use crate::credit::advantage::{AdvantageConfig, LeaveOneOutConfig};
use crate::credit::strategy::{CreditConfig, CreditEntry};
use crate::types::{Needs, RunRandom, Step};

/// The arm that the others are compared with: its expected gradient is that of the mean reward.
pub(crate) const UNIFORM: &str = "uniform";

/// The arm of segments that are paid by continuing both of their ends.
pub(crate) const SEGMENT: &str = "segment";

/// One arm.
pub(crate) struct Arm {
    /// What it is called.
    pub name: String,
    /// From rewards to the weights of tokens.
    pub credit: Credit,
}

impl Arm {
    /// Whether it goes by responses that continue others.
    pub(crate) fn continues(&self) -> bool {
        self.credit.estimator.settings().continues()
    }
}

/// The arms called `names`, uniform before all of them; without names every strategy, each that has one with its shuffled
/// control. A strategy has the settings of its entry in `chain` where that has one. An `advantage` that continues responses is an
/// arm too, called by its type.
///
/// # Errors
/// If there is no strategy of a name; the message names all there are.
pub(crate) fn arms(
    names: &[String],
    chain: &[CreditEntry],
    advantage: AdvantageConfig,
    random: RunRandom,
) -> Result<Vec<Arm>> {
    let all: Vec<String> = if names.is_empty() { everything() } else { names.to_vec() };
    let mut entries: Vec<CreditEntry> = Vec::new();
    let asked = |name: &str| names.is_empty() || names.iter().any(|own| own == name);
    let continued = Some(advantage).filter(|own| own.settings().continues() && asked(own.name()));
    ensure!(
        continued.is_some() || !names.iter().any(|name| name == SEGMENT),
        "{SEGMENT}: the recipe has no [values] that it could go by; audit one with [advantage] type = \"{SEGMENT}\""
    );
    for name in all.iter().filter(|name| *name != SEGMENT) {
        let wanted = CreditEntry::named(name)?;
        if wanted.strategy.is_uniform() || entries.iter().any(|known| known.name() == wanted.name()) {
            continue;
        }
        let own = chain.iter().find(|own| own.strategy.name() == wanted.strategy.name());
        entries
            .push(own.map_or(wanted.clone(), |own| CreditEntry { shuffle: wanted.shuffle, ..own.clone() }));
    }
    ensure!(
        continued.is_some() || !entries.is_empty(),
        "there is no strategy to compare with uniform; name one, such as rhythm"
    );
    let shaped = entries.into_iter().map(|entry| {
        // What is audited is what it does where it does something, whatever the step.
        let strategies = vec![entry.build(random, Step::MAX)];
        Arm { name: entry.name(), credit: Credit { strategies, ..unbiased() } }
    });
    let uniform = Arm { name: UNIFORM.to_owned(), credit: unbiased() };
    let continued = continued.map(|own| Arm { name: own.name().to_owned(), credit: Credit::new(own) });
    Ok(std::iter::once(uniform).chain(shaped).chain(continued).collect())
}

/// What all of `arms` must know of responses.
pub(crate) fn needs(arms: &[Arm]) -> Needs {
    arms.iter().fold(Needs::default(), |needs, arm| needs.union(arm.credit.needs(1)))
}

/// Rewards less the mean of the other responses: the gradient of the mean reward, without a bias.
fn unbiased() -> Credit {
    Credit::new(AdvantageConfig::LeaveOneOut(LeaveOneOutConfig {}))
}

/// Every strategy with its control.
fn everything() -> Vec<String> {
    let with_control = |name: &&str| {
        std::iter::once((*name).to_owned()).chain(CreditEntry::control_of(name)).collect::<Vec<_>>()
    };
    CreditConfig::NAMES.iter().filter(|name| **name != "late").flat_map(with_control).collect()
}
