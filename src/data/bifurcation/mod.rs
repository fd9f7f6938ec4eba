//! Bifurcations: responses of which a few words, at known places, decide the reward, so that the exact value of every prefix
//! is known ([`rewards::Bifurcation::values`]).
//!
//! ```text
//! prompt    Map 417: amber, cobalt.            a number that tells problems apart, and a sign for each fork
//! layout    sF..dF.E                           what stands at each place of a response, see [`layout::Place`]
//! response  amber left go on owl up past left  the branch of amber is left, that of cobalt is up
//! ```
//!
//! Which branch a sign stands for is drawn once, by the seed, and the same at every fork and in every problem: it is what can be
//! learnt.

use std::collections::HashSet;

use anyhow::{Context, Result, bail, ensure};
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rewards::{Bifurcation, Branching, Task, TaskKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::layout::{MAX_PLACES, Place, places, repeated};
use self::words::{BRANCHES, DECOYS, FILLERS, SIGNS};
use super::{DataSettings, EvalItems, HELDOUT, Item, Items};
use crate::types::{Purpose, Rules, RunRandom};

mod layout;
mod words;

/// Numbers that tell problems with the same signs apart, each one token.
const NUMBERS: u32 = 1000;

/// Keys of `type = "bifurcation"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BifurcationConfig {
    /// Seed of the problems and of the branch that each sign stands for. It is not the seed of the run, so that runs with
    /// different seeds meet the same problems.
    #[serde(default)]
    pub seed: u64,
    /// What each word of a response is, a character each: `F` a fork, `s` the sign of a fork, the first `s` that of the first
    /// `F`, `E` its branch repeated likewise, `d` a decoy, which may be any, `e` a decoy repeated, `.` a filler, always the same.
    pub layout: String,
    /// Branches of a fork, 2 to 8.
    pub branches: usize,
    /// Different signs that a prompt may name, 2 to 16; each stands for one branch.
    pub signs: usize,
    /// Different decoys, 2 to 64.
    #[serde(default = "decoys")]
    pub decoys: usize,
    /// Problems to learn from.
    pub train_items: usize,
    /// Problems to measure on; none of them is among the training problems.
    pub eval_items: usize,
}

fn decoys() -> usize {
    DECOYS.len()
}

/// What a prompt names: its number, and which sign stands for each fork.
type Named = (u32, Vec<usize>);

impl DataSettings for BifurcationConfig {
    fn rules(&self) -> Rules {
        let Self { seed: _, layout, branches, signs, decoys, train_items, eval_items } = self;
        let mut rules = Rules::default();
        let got = format!("{layout:?}");
        let expected = format!("1 to {MAX_PLACES} characters, each one of F, s, E, d, e and .");
        let n_places = places(layout).map_or(0, |places| places.len());
        rules.expect("layout", &got, &expected, (1..=MAX_PLACES).contains(&n_places));
        rules.expect("layout", &got, "at least one F", layout.contains('F'));
        let n = |wanted| layout.chars().filter(|character| *character == wanted).count();
        rules.expect("layout", &got, "no more s than F", n('s') <= n('F'));
        for (original, repeat) in [('F', 'E'), ('d', 'e')] {
            let expected = format!("its own {original} before each {repeat}");
            rules.expect("layout", &got, &expected, repeated(layout, original, repeat).is_some());
        }
        for (key, got, most) in [
            ("branches", branches, BRANCHES.len()),
            ("signs", signs, SIGNS.len()),
            ("decoys", decoys, DECOYS.len()),
        ] {
            rules.expect(key, got, &format!("2 to {most}"), (2..=most).contains(got));
        }
        rules.positive("train_items", *train_items);
        rules.positive("eval_items", *eval_items);
        rules
    }

    fn items(&self) -> Result<Items> {
        if let [problem, ..] = self.rules().problems().as_slice() {
            bail!("bifurcation: {problem}");
        }
        let places = self.places()?;
        let n_forks = places.iter().filter(|place| **place == Place::Fork).count();
        let there =
            (self.signs as u64).saturating_pow(u32::try_from(n_forks)?).saturating_mul(NUMBERS.into());
        let wanted = self.train_items.saturating_add(self.eval_items);
        ensure!(
            wanted as u64 <= there,
            "bifurcation: train_items + eval_items ask for {wanted}, but {n_forks} forks with signs = {} have only {there} \
             problems; ask for fewer, or for more signs or forks",
            self.signs
        );
        let mut rng = RunRandom::new(self.seed).stream(Purpose::Items, &[]);
        let rights = self.rights(&mut rng);
        let mut known: HashSet<Named> = HashSet::with_capacity(wanted);
        let mut items = Vec::with_capacity(wanted);
        while items.len() < wanted {
            let number = rng.random_range(0..NUMBERS);
            let named = (number, (0..n_forks).map(|_| rng.random_range(0..self.signs)).collect());
            if known.insert(named.clone()) {
                items.push(item(&named, &places, &rights));
            }
        }
        let eval = items.split_off(self.train_items);
        Ok(Items::generated(items, EvalItems { name: HELDOUT.to_owned(), items: eval }))
    }

    fn kinds(&self) -> Vec<TaskKind> {
        vec![TaskKind::Bifurcation]
    }

    fn n_train(&self) -> Option<usize> {
        Some(self.train_items)
    }
}

impl BifurcationConfig {
    fn places(&self) -> Result<Vec<Place>> {
        places(&self.layout).with_context(|| format!("bifurcation: layout: got {:?}", self.layout))
    }

    /// The branch that each sign stands for; every branch is that of equally many signs, or of one more.
    fn rights(&self, rng: &mut impl RngExt) -> Vec<&'static str> {
        let mut branches = BRANCHES[..self.branches].to_vec();
        branches.shuffle(rng);
        let mut rights: Vec<&str> = branches.iter().copied().cycle().take(self.signs).collect();
        rights.shuffle(rng);
        rights
    }

    /// The words that may stand at each place of a response, each with the blank behind it.
    ///
    /// # Errors
    /// If the layout cannot be.
    pub(super) fn alternatives(&self) -> Result<Vec<Vec<String>>> {
        let words = |place| match place {
            Place::Fork | Place::Echo(_) => &BRANCHES[..self.branches],
            Place::Sign(_) => &SIGNS[..self.signs],
            Place::Decoy | Place::Repeat(_) => &DECOYS[..self.decoys],
            Place::Filler => &FILLERS,
        };
        let spaced = |words: &[&str]| words.iter().map(|word| format!("{word} ")).collect();
        Ok(self.places()?.into_iter().map(|place| spaced(words(place))).collect())
    }

    /// A response to `problem`, whose text is `prompt`. With chance `skill` a branch is the right one; else it is any, as every
    /// decoy is.
    ///
    /// # Errors
    /// If the problem is not one of this configuration.
    pub(super) fn respond(
        &self,
        prompt: &str,
        problem: &Bifurcation,
        skill: f64,
        rng: &mut impl RngExt,
    ) -> Result<String> {
        let places = self.places()?;
        let mut rights = problem.forks.iter().map(|fork| fork.right.as_str());
        let signs: Vec<&str> =
            prompt.split(|c: char| !c.is_alphabetic()).filter(|word| SIGNS.contains(word)).collect();
        let (mut taken, mut met, mut fillers) = (Vec::new(), Vec::new(), FILLERS.iter().copied().cycle());
        let mut text = String::new();
        for place in places {
            let word = match place {
                Place::Fork => {
                    let right =
                        rights.next().context("bifurcation: the problem has fewer forks than `layout`")?;
                    let any = BRANCHES[..self.branches].choose(rng).copied().unwrap_or_default();
                    let branch = if rng.random_bool(skill) { right } else { any };
                    taken.push(branch);
                    branch
                }
                Place::Sign(fork) => signs.get(fork).copied().unwrap_or_default(),
                Place::Echo(fork) => taken.get(fork).copied().unwrap_or_default(),
                Place::Decoy => {
                    let decoy = DECOYS[..self.decoys].choose(rng).copied().unwrap_or_default();
                    met.push(decoy);
                    decoy
                }
                Place::Repeat(decoy) => met.get(decoy).copied().unwrap_or_default(),
                Place::Filler => fillers.next().unwrap_or_default(),
            };
            text += word;
            text.push(' ');
        }
        Ok(text)
    }
}

/// The problem that is called so.
fn item((number, signs): &Named, places: &[Place], rights: &[&str]) -> Item {
    let names: Vec<&str> = signs.iter().map(|sign| SIGNS[*sign]).collect();
    let text = format!("Map {number}: {}.\n", names.join(", "));
    let forks = places.iter().enumerate().filter(|(_, place)| **place == Place::Fork);
    let forks = forks.zip(signs).map(|((at, _), sign)| Branching { at, right: rights[*sign].to_owned() });
    Item {
        before: Vec::new(),
        place: None,
        text,
        task: Task::Bifurcation(Bifurcation { words: places.len(), forks: forks.collect() }),
    }
}

#[cfg(test)]
mod tests;
