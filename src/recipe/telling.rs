//! Which of many changes say something: a new entry of a list, or another type of a section, brings its defaults along, and what goes
//! takes them with it.

use std::collections::BTreeSet;

use toml::Table;

use super::change::Change;
use super::differences::{ABSENT, unflattened};
use super::reference::Reference;

/// Those of `changes` whose key was there before and is there now, or is not what it would be if nobody said it.
#[must_use]
pub(crate) fn telling(changes: &[Change]) -> Vec<&Change> {
    let (Some(before), Some(now)) =
        (said(changes, |change| &change.before), said(changes, |change| &change.now))
    else {
        return changes.iter().collect();
    };
    let says = |change: &&Change| match (change.before.as_str(), change.now.as_str()) {
        (ABSENT, value) => value != "[]" && now.contains(&change.key),
        (value, ABSENT) => value != "[]" && before.contains(&change.key),
        _ => true,
    };
    changes.iter().filter(says).collect()
}

/// The keys that are not their defaults in what `changes` have `of` each; `None` where that is no recipe's.
fn said(changes: &[Change], of: impl Fn(&Change) -> &String) -> Option<BTreeSet<String>> {
    let mut entries = Table::new();
    for change in changes.iter().filter(|change| of(change) != ABSENT) {
        let read: Table = format!("value = {}", of(change)).parse().ok()?;
        entries.extend(read.into_iter().map(|(_, value)| (change.key.clone(), value)));
    }
    let departures = Reference::of_program().ok()?.departures(&unflattened(entries).ok()?);
    Some(departures.into_iter().map(|departure| departure.key).collect())
}
