//! What a person lets change as a run goes on.
//!
//! ```text
//! recipe now - recipe of the run = changes --was it meant? is it allowed?--> changes, recorded in the history
//! ```

use anyhow::{Result, bail};

use super::history::{self, Event, Happened};
use crate::recipe::{Change, Effect, allowed, reaches, telling};
use crate::run_folder::RunFolder;
use crate::types::{program, shell_word};

/// What was said on the command line that takes a run up again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consent {
    /// Its `--set`.
    pub set: Vec<String>,
    /// Its `--allow`: keys that shape learning, or sections of them.
    pub allow: Vec<String>,
}

impl Consent {
    /// That the run in `folder` may go on with `changes`.
    ///
    /// # Errors
    /// If a change was not meant, since an earlier `--set` is missing; if one is not allowed, or cannot be.
    pub(super) fn check(&self, folder: &RunFolder, changes: &[Change]) -> Result<()> {
        self.check_meant(folder, changes)?;
        let is_refused = |change: &&Change| match change.effect {
            Effect::Nothing | Effect::SpeedOrMeasuring => false,
            Effect::Learning => !self.allow.iter().any(|key| reaches(key, &change.key)),
            Effect::Beginning => true,
        };
        let refused: Vec<Change> = changes.iter().filter(is_refused).cloned().collect();
        if refused.is_empty() {
            return Ok(());
        }
        let root = folder.root().display();
        let lines: Vec<String> =
            telling(&refused).into_iter().map(|change| format!("  {}", told(change))).collect();
        let remedies = self.remedies(folder, &refused);
        bail!(
            "{root}: the recipe differs from that of the run in what shapes it:\n{}\n{remedies}",
            lines.join("\n")
        );
    }

    /// What to do about `refused` changes.
    fn remedies(&self, folder: &RunFolder, refused: &[Change]) -> String {
        let root = shell_word(&folder.root().display().to_string());
        let mut keys: Vec<String> = refused.iter().map(allowed).collect();
        keys.dedup();
        let may = refused.iter().all(|change| change.effect == Effect::Learning);
        let allow = match may {
            true => format!("allow that they change from here on (--allow {}), ", keys.join(" --allow ")),
            false => String::new(),
        };
        let program = program();
        format!(
            "set these back, go on by the run's own recipe ({program} train {root} --resume), {allow}fork the run ({program} train --from \
             {root} --name NEW --set KEY=VALUE), or start another run with --name"
        )
    }

    /// That no key changes because this command lacks what an earlier one set.
    fn check_meant(&self, folder: &RunFolder, changes: &[Change]) -> Result<()> {
        let history = history::read(folder).unwrap_or_default();
        let earlier: Vec<&String> = history.iter().flat_map(|event: &Event| &event.set).collect();
        let sets = |set: &str, key: &str| {
            let name = set.split('=').next().unwrap_or_default().trim();
            reaches(name, key) || reaches(key, name)
        };
        let begins = |event: &Event| [Happened::Begun, Happened::Forked].contains(&event.event);
        // Runs of earlier versions did not write down what they were given.
        let is_of_old = !history.iter().any(begins);
        let is_shorter = |change: &Change| {
            let number = |text: &str| text.parse::<u64>().unwrap_or_default();
            is_of_old && change.key == "run.steps" && number(&change.now) < number(&change.before)
        };
        let is_lost = |change: &&Change| {
            !self.set.iter().any(|set| sets(set, &change.key))
                && (earlier.iter().any(|set| sets(set, &change.key)) || is_shorter(change))
        };
        let lost: Vec<String> =
            changes.iter().filter(is_lost).map(|change| format!("  {}", told(change))).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let root = folder.root().display();
        let (program, own) = (program(), shell_word(&root.to_string()));
        bail!(
            "{root}: what the run was given by --set would be lost:\n{}\ngo on by the run's own recipe: {program} train {own} --resume; \
             or say with --set what they are to be from here on",
            lost.join("\n")
        );
    }
}

/// `change` as a person is told of it.
pub(super) fn told(Change { key, before, now, effect }: &Change) -> String {
    let why = match effect {
        Effect::Beginning => " (the run began with it)",
        Effect::Nothing | Effect::SpeedOrMeasuring | Effect::Learning => "",
    };
    format!("{key}: {now} now, {before} in the run{why}")
}
