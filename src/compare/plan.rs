//! Which runs a comparison is made of: arms (credit strategies times varied keys) times seeds.
//!
//! ```text
//! --credit uniform,rhythm  --vary loss.clip_high=0.2,0.28  --seeds 2      recipe with run.seed = 7
//!
//! uniform, loss.clip_high=0.2    uniform, loss.clip_high=0.28             seed 7: all arms, then seed 8: all arms
//! rhythm, loss.clip_high=0.2     rhythm, loss.clip_high=0.28
//! ```
//!
//! The recipe's text is read once, so that an edit of the file while the runs go on changes none of them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use toml::Value;

use super::arms::{Arm, arms, bad, list};
use super::course::{resolved, why_same};
use crate::recipe::{Draft, Problems, Recipe};
use crate::run::{Failure, Setup};

/// What a person asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The recipe that all runs share.
    pub recipe: PathBuf,
    /// Overrides for all runs, `section.key=value`.
    pub overrides: Vec<String>,
    /// Names of credit strategies; none leaves the recipe's chain.
    pub credit: Vec<String>,
    /// Keys with their values, `section.key=value,value`.
    pub vary: Vec<String>,
    /// Number of seeds, from the recipe's on.
    pub seeds: u64,
    /// Label of the arm that the others are compared with; without it the first of the comparison.
    pub baseline: Option<String>,
    /// Whether to shorten the runs as [`quick`] says.
    pub quick: bool,
}

/// Runs that have been checked and can be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the recipe was read.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// The recipe with the overrides of all arms and none of a single one.
    pub base: Recipe,
    /// Overrides of all arms.
    pub common: Vec<String>,
    /// Those of them that come from [`quick`].
    pub quick: Vec<String>,
    /// The sides, none of them twice.
    pub arms: Vec<Arm>,
    /// The seeds, rising.
    pub seeds: Vec<u64>,
    /// Label of the arm that the others are compared with, where one was named; it may be an arm of an earlier plan.
    pub baseline: Option<String>,
}

impl Plan {
    /// Reads the recipe and checks every arm in full. Nothing is written.
    ///
    /// # Errors
    /// [`Problems`] of the recipe itself; a [`Failure::BadInput`] that lists everything wrong with the arms, by arm.
    pub fn new(wanted: Wanted) -> Result<Self> {
        let Wanted { recipe, overrides, credit, vary, seeds, baseline, quick: is_quick } = wanted;
        let file = recipe.display().to_string();
        let text = std::fs::read_to_string(&recipe)
            .with_context(|| format!("{file}: cannot be read"))
            .map_err(Failure::bad_input)?;
        let mut quick_overrides = Vec::new();
        if is_quick {
            quick_overrides = quick(&Recipe::parse(&file, &text, &overrides)?);
            // What a person sets counts more.
            let key = |set: &str| set.split('=').next().unwrap_or_default().trim().to_owned();
            quick_overrides.retain(|quick| overrides.iter().all(|own| key(own) != key(quick)));
        }
        let common = [quick_overrides.clone(), overrides].concat();
        let base = Recipe::parse(&file, &text, &common)?;
        let arms = arms(&base, &credit, &vary)?;
        let seeds = seed_range(base.run.seed, seeds)?;
        let plan = Self { file: recipe, text, base, common, quick: quick_overrides, arms, seeds, baseline };
        plan.check()?;
        Ok(plan)
    }

    /// All runs in the order in which they are made: every arm of a seed before the next seed, so that what has been made
    /// at any time can be compared.
    pub fn runs(&self) -> impl Iterator<Item = (&Arm, u64)> {
        self.seeds.iter().flat_map(|seed| self.arms.iter().map(|arm| (arm, *seed)))
    }

    /// What the run of `arm` with `seed` is made of.
    ///
    /// # Errors
    /// Everything wrong with its recipe.
    pub fn setup(&self, arm: &Arm, seed: u64) -> Result<Setup> {
        Setup::of_draft(self.draft(arm, seed)?)
    }

    /// The recipe of `arm` with the first seed, its precision resolved.
    pub(super) fn recipe(&self, arm: &Arm) -> Result<Recipe> {
        resolved(self.draft(arm, self.base.run.seed)?.finish()?)
    }

    fn draft(&self, arm: &Arm, seed: u64) -> Result<Draft> {
        let own = [format!("run.seed={seed}"), format!("run.name={}", Value::String(arm.run_name(seed)))];
        let overrides: Vec<String> = self.common.iter().chain(&arm.overrides).chain(&own).cloned().collect();
        Ok(Draft::parse(&self.file.display().to_string(), &self.text, &overrides)?)
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
        let last = self.seeds.last().copied().unwrap_or(self.base.run.seed);
        arm.require_nameable(last)?;
        self.setup(arm, self.base.run.seed).map(drop)
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

/// The overrides of `--quick`: at most 30 steps, evaluated every 10 with at most 2 samples per item. The warm start stays,
/// so that a full comparison finds it ready. For `recipes/countdown.toml`, two strategies and two seeds take about a
/// quarter of an hour on two cores, nearly half of it warm starts.
#[must_use]
pub fn quick(recipe: &Recipe) -> Vec<String> {
    let cap = |key: &str, now: u64, most: u64| (now == 0 || now > most).then(|| format!("{key}={most}"));
    let steps = cap("run.steps", recipe.run.steps, 30);
    let every = cap("eval.every", recipe.eval.every, 10);
    let samples = cap("eval.samples", recipe.eval.samples as u64, 2);
    [steps, every, samples].into_iter().flatten().collect()
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

fn seed_range(first: u64, n: u64) -> Result<Vec<u64>> {
    if n == 0 {
        return Err(bad(String::from("--seeds: got 0, expected at least 1")));
    }
    // The largest whole number that TOML can write.
    let last = first.checked_add(n - 1).filter(|last| i64::try_from(*last).is_ok());
    let last = last.ok_or_else(|| bad(format!("--seeds: got {n}, too many from seed {first} on")))?;
    Ok((first..=last).collect())
}
