//! Which runs a comparison is made of: arms (recipes times credit strategies times varied keys) times seeds.
//!
//! ```text
//! --credit uniform,rhythm  --vary loss.policy.clip_high=0.2,0.28  --seeds 2      recipe with run.seed = 7
//!
//! uniform, loss.policy.clip_high=0.2    uniform, loss.policy.clip_high=0.28             seed 7: all arms, then seed 8: all arms
//! rhythm, loss.policy.clip_high=0.2     rhythm, loss.policy.clip_high=0.28
//! ```

use std::path::PathBuf;

use anyhow::Result;
use toml::Value;

use super::arms::{Arm, arms, bad, list, with_controls};
use super::base::{Base, check_measured};
use super::course::{resolved, why_same};
use super::notes::differing;
use crate::recipe::{Draft, Problems, Recipe};
use crate::run::{Setup, keep_time};

/// What a person asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The recipes that runs are made from.
    pub recipes: Vec<PathBuf>,
    /// Overrides for all runs, `section.key=value`.
    pub overrides: Vec<String>,
    /// Names of credit strategies; none leaves each recipe's chain.
    pub credit: Vec<String>,
    /// Whether each of them comes with its shuffled self.
    pub controls: bool,
    /// Keys with their values, `section.key=value,value`.
    pub vary: Vec<String>,
    /// Number of seeds, from the recipes' on.
    pub seeds: u64,
    /// Label of the arm that the others are compared with; without it the first of the comparison.
    pub baseline: Option<String>,
    /// Whether to shorten the runs as [`quick`](super::base::quick) says.
    pub quick: bool,
}

/// Runs that have been checked and can be made.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The recipes, each called differently, with the overrides of all arms and none of a single one.
    pub bases: Vec<Base>,
    /// The sides, none of them twice.
    pub arms: Vec<Arm>,
    /// The seeds, rising.
    pub seeds: Vec<u64>,
    /// Label of the arm that the others are compared with, where one was named; it may be an arm of an earlier plan.
    pub baseline: Option<String>,
}

impl Plan {
    /// Reads the recipes and checks every arm in full. Nothing is written.
    ///
    /// # Errors
    /// [`Problems`] of a recipe itself; a [`Failure::BadInput`](crate::run::Failure::BadInput) that lists everything wrong
    /// with the arms, by arm.
    pub(crate) fn new(wanted: Wanted) -> Result<Self> {
        let Wanted { recipes, overrides, credit, controls, vary, seeds, baseline, quick } = wanted;
        let read = |file: &PathBuf| Base::read(file, &overrides, quick);
        let bases: Vec<Base> = recipes.iter().map(read).collect::<Result<_>>()?;
        let first =
            bases.first().ok_or_else(|| bad(String::from("no recipe was given, expected one at least")))?;
        require_fit(&bases)?;
        let seeds = seed_range(first.recipe.run.seed, seeds)?;
        let credit = if controls { with_controls(credit) } else { credit };
        let arms = arms(&bases, &credit, &vary)?;
        let plan = Self { bases, arms, seeds, baseline };
        plan.check()?;
        Ok(plan)
    }

    /// What is compared: the name of the recipe, or of the first and how many more there are.
    #[must_use]
    pub(crate) fn title(&self) -> String {
        let name = self.bases.first().map_or("", |base| base.recipe.run.name.as_str());
        match self.bases.len().saturating_sub(1) {
            0 => name.to_owned(),
            more => format!("{name} and {more} more"),
        }
    }

    /// What a person should know before the runs are made.
    ///
    /// # Errors
    /// If an arm is of a recipe that the plan does not have.
    pub(crate) fn notes(&self) -> Result<Vec<String>> {
        let mut notes: Vec<String> = Vec::new();
        for note in self.bases.iter().flat_map(|base| base.recipe.notes()) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        let recipes: Vec<Recipe> = self.arms.iter().map(|arm| self.recipe(arm)).collect::<Result<_>>()?;
        notes.extend(differing(recipes.iter()));
        Ok(notes)
    }

    /// Calls arms that are among `known` already as they are called there, whatever the recipes beside them.
    pub(super) fn take_labels(&mut self, known: &[Arm]) {
        for arm in &mut self.arms {
            let same = |known: &&Arm| known.recipe == arm.recipe && known.overrides == arm.overrides;
            if let Some(known) = known.iter().find(same) {
                arm.label.clone_from(&known.label);
            }
        }
    }

    /// Overrides of all recipes by the quick setting.
    #[must_use]
    pub(crate) fn quick(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for set in self.bases.iter().flat_map(|base| &base.quick) {
            if !all.contains(set) {
                all.push(set.clone());
            }
        }
        all
    }

    /// The recipe that the runs of `arm` are made from.
    ///
    /// # Errors
    /// If the arm is of a recipe that the plan does not have.
    pub(crate) fn base(&self, arm: &Arm) -> Result<&Base> {
        let found = self.bases.iter().find(|base| base.recipe.run.name == arm.recipe);
        found.ok_or_else(|| bad(format!("arm {}: its recipe `{}` is not given", arm.label, arm.recipe)))
    }

    /// All runs in the order in which they are made: every arm of a seed before the next seed, so that what has been made
    /// at any time can be compared.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&Arm, u64)> {
        self.seeds.iter().flat_map(|seed| self.arms.iter().map(|arm| (arm, *seed)))
    }

    /// What the run of `arm` with `seed` is made of.
    ///
    /// # Errors
    /// Everything wrong with its recipe.
    pub(crate) fn setup(&self, arm: &Arm, seed: u64) -> Result<Setup> {
        self.setup_beside(arm, seed, Vec::new())
    }

    /// As [`Plan::setup`], at the time of the first of `folders` that has one: runs that are compared are asked the same.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn setup_beside(&self, arm: &Arm, seed: u64, folders: Vec<PathBuf>) -> Result<Setup> {
        let mut draft = self.draft(arm, seed)?;
        draft.change(|recipe| keep_time(recipe, folders));
        Setup::of_draft(draft)
    }

    /// The recipe of `arm` with the first seed, its precision resolved.
    pub(super) fn recipe(&self, arm: &Arm) -> Result<Recipe> {
        resolved(self.draft(arm, self.seeds[0])?.finish()?)
    }

    fn draft(&self, arm: &Arm, seed: u64) -> Result<Draft> {
        let own = [format!("run.seed={seed}"), format!("run.name={}", Value::String(arm.run_name(seed)))];
        self.base(arm)?.draft(&[&arm.overrides[..], &own].concat())
    }

    /// Every arm must be a run that can be made, and another one than those before it.
    fn check(&self) -> Result<()> {
        let mut wrong: Vec<(String, Vec<&str>)> = Vec::new();
        let mut sound = Vec::new();
        for arm in &self.arms {
            let Err(error) = self.check_arm(arm) else {
                sound.push(arm);
                continue;
            };
            for line in sentences(&error, arm) {
                match wrong.iter_mut().find(|(other, _)| *other == line) {
                    Some((_, labels)) => labels.push(&arm.label),
                    None => wrong.push((line, vec![&arm.label])),
                }
            }
        }
        let lines = wrong.into_iter().map(|(line, labels)| match labels.len() {
            n if n == self.arms.len() && n > 1 => format!("every arm: {line}"),
            _ => format!("arm {}: {line}", list(&labels)),
        });
        let mut lines: Vec<String> = lines.collect();
        lines.extend(self.twins(&sound)?);
        if lines.is_empty() { Ok(()) } else { Err(bad(lines.join("\n"))) }
    }

    fn check_arm(&self, arm: &Arm) -> Result<()> {
        let (Some(first), Some(last)) = (self.seeds.first(), self.seeds.last()) else { return Ok(()) };
        arm.require_nameable(*last)?;
        check_measured(&self.setup(arm, *first)?.recipe)
    }

    /// A sentence for each arm that trains the same as one before it.
    fn twins(&self, arms: &[&Arm]) -> Result<Vec<String>> {
        let mut seen: Vec<(&str, Recipe)> = Vec::new();
        let mut found = Vec::new();
        for arm in arms {
            let (label, recipe) = (arm.label.as_str(), self.recipe(arm)?);
            for (other, known) in &seen {
                let Some(why) = why_same(known, &recipe)? else { continue };
                found.push(match *other == label {
                    true => format!("arm {label} is there twice; name each arm once"),
                    false => format!(
                        "arms {other} and {label} train the same: {why}; leave one of them out (a second command may add \
                         arms to the folder of the first)"
                    ),
                });
                break;
            }
            seen.push((label, recipe));
        }
        Ok(found)
    }
}

/// Every problem of an error as a line, the overrides that an arm is made of called what the person called them.
fn sentences(error: &anyhow::Error, arm: &Arm) -> Vec<String> {
    let Some(Problems(problems)) = error.downcast_ref() else { return vec![format!("{error:#}")] };
    let said = |place: &str| match place.strip_prefix("--set ") {
        Some(set) if arm.overrides.iter().any(|own| own == set) => match set.strip_prefix("credit=[") {
            Some(_) => format!("--credit ({set})"),
            None => format!("--vary {set}"),
        },
        _ => place.to_owned(),
    };
    problems.iter().map(|problem| format!("{}: {}", said(&problem.place), problem.message)).collect()
}

/// Recipes are told apart by their names, and the runs of a seed must have one seed.
fn require_fit(bases: &[Base]) -> Result<()> {
    let mut wrong = Vec::new();
    for (index, base) in bases.iter().enumerate() {
        let (run, file) = (&base.recipe.run, base.file.display());
        if let Some(other) = bases[..index].iter().find(|other| other.recipe.run.name == run.name) {
            wrong.push(format!(
                "{file}: [run] name is \"{}\", as that of {}; call it something else",
                run.name,
                other.file.display()
            ));
        }
        let (first, seed) = (bases[0].recipe.run.seed, run.seed);
        if seed != first {
            wrong.push(format!(
                "{file}: [run] seed is {seed}, but {first} in {}; set it for all, --set run.seed={first}",
                bases[0].file.display()
            ));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(bad(wrong.join("\n"))) }
}

fn seed_range(first: u64, n: u64) -> Result<Vec<u64>> {
    if n == 0 {
        return Err(bad(String::from("--seeds: got 0, expected at least 1")));
    }
    // The largest whole number that TOML can write.
    let last = first.checked_add(n - 1).filter(|last| i64::try_from(*last).is_ok());
    let last = last.ok_or_else(|| bad(format!("--seeds: got {n}, too many from seed {first} on")))?;
    Ok((first..=last).collect())
}
