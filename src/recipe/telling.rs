//! Which of many changes say something: a new entry of a list, or another type of a section, brings its defaults along, and what goes
//! takes them with it.

use std::collections::BTreeSet;

use toml::Table;

use super::change::Change;
use super::differences::{ABSENT, nested, reaches};
use super::reference::Reference;

/// Those of `changes` whose key was there before and is there now, or is not what it would be if nobody said it; of a section that
/// comes or goes with nothing but its defaults, the first.
#[must_use]
pub(crate) fn telling(changes: &[Change]) -> Vec<&Change> {
    let Ok(reference) = Reference::of_program() else { return changes.iter().collect() };
    let said = |of: fn(&Change) -> &String| said(&reference, changes, of);
    let (Some(before), Some(now)) = (said(|change| &change.before), said(|change| &change.now)) else {
        return changes.iter().collect();
    };
    let says = |change: &Change| match (change.before.as_str(), change.now.as_str()) {
        (ABSENT, value) => value != "[]" && now.contains(&change.key),
        (value, ABSENT) => value != "[]" && before.contains(&change.key),
        _ => true,
    };
    let mut told: Vec<&Change> = Vec::new();
    for change in changes {
        let stands_for_its_section = || {
            let section = reference.asked_for(&change.key).filter(|_| comes_or_goes(change));
            let is_told = |section: &str| {
                let is_within = |other: &Change| reaches(section, &other.key);
                changes.iter().any(|other| is_within(other) && says(other))
                    || told.iter().copied().any(is_within)
            };
            section.is_some_and(|section| !is_told(section))
        };
        if says(change) || stands_for_its_section() {
            told.push(change);
        }
    }
    told
}

/// What a person allows who allows `change`: the list or the section that comes or goes, or else its key.
#[must_use]
pub(crate) fn allowed(change: &Change) -> String {
    let own = change.key.as_str();
    if !comes_or_goes(change) {
        return own.to_owned();
    }
    let names = own.split('.').take_while(|step| step.parse::<usize>().is_err());
    let list = names.collect::<Vec<_>>().join(".");
    if list != own {
        return list;
    }
    let section = Reference::of_program().ok().and_then(|reference| reference.asked_for(own));
    section.unwrap_or(own).to_owned()
}

fn comes_or_goes(change: &Change) -> bool {
    change.before == ABSENT || change.now == ABSENT
}

/// The keys that are not their defaults in what `changes` have `of` each; `None` where that is no recipe's.
fn said(reference: &Reference, changes: &[Change], of: fn(&Change) -> &String) -> Option<BTreeSet<String>> {
    let mut entries = Table::new();
    for change in changes.iter().filter(|change| of(change) != ABSENT) {
        let read: Table = format!("value = {}", of(change)).parse().ok()?;
        entries.extend(read.into_iter().map(|(_, value)| (change.key.clone(), value)));
    }
    let departures = reference.departures(&nested(entries).ok()?);
    Some(departures.into_iter().map(|departure| departure.key).collect())
}
