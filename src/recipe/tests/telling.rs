//! Which changes are told.

use super::{BASE, parse};
use crate::recipe::{allowed, telling};

fn keys(before: &[&str], now: &[&str]) -> Vec<String> {
    let changes = parse(BASE, now).unwrap().changes(&parse(BASE, before).unwrap()).unwrap();
    telling(&changes).into_iter().map(|change| change.key.clone()).collect()
}

#[test]
fn defaults_that_come_along_are_not_told() {
    assert_eq!(keys(&[], &["credit=[{type=\"rhythm\"}]"]), ["credit.0.type"]);
    assert_eq!(keys(&["credit=[{type=\"rhythm\"}]"], &["credit=[]"]), ["credit.0.type"]);
    let told = keys(&[], &["credit=[{type=\"rhythm\", gain=2.0}]", "optim.lr=1e-7"]);
    assert_eq!(told, ["credit.0.gain", "credit.0.type", "optim.lr"]);
    assert_eq!(keys(&["optim.lr=1e-6"], &["optim.lr=1e-7"]), ["optim.lr"]);
}

#[test]
fn what_comes_behind_other_entries_is_told() {
    let (one, two) = ("{type=\"rhythm\"}", "{type=\"entropy\", gain=3.0}");
    let both = format!("credit=[{one}, {two}]");
    let one = format!("credit=[{one}]");
    assert_eq!(keys(&[&one], &[&both]), ["credit.1.gain", "credit.1.type"]);
    assert_eq!(keys(&[&both], &[&one]), ["credit.1.gain", "credit.1.type"]);
}

/// Whatever differs, something is told of it.
#[test]
fn a_section_of_nothing_but_defaults_is_told_by_its_first_key() {
    for (section, others) in [
        ("importance_sampling", &[][..]),
        ("importance_sampling", &["optim.lr=1e-7"]),
        ("circuit", &["importance_sampling={}"]),
    ] {
        let set = format!("{section}={{}}");
        let now: Vec<&str> = others.iter().copied().chain([set.as_str()]).collect();
        for told in [keys(others, &now), keys(&now, others), keys(&[], &now)] {
            let of_it = told.iter().filter(|key| key.starts_with(section)).count();
            assert!(of_it >= 1 && told.len() <= 3, "{section}: {told:?}");
        }
    }
    // What a person allows is the section.
    let changes =
        parse(BASE, &["importance_sampling={}"]).unwrap().changes(&parse(BASE, &[]).unwrap()).unwrap();
    assert!(changes.iter().all(|change| allowed(change) == "importance_sampling"), "{changes:?}");
    let changes = parse(BASE, &["optim.lr=1e-7"]).unwrap().changes(&parse(BASE, &[]).unwrap()).unwrap();
    assert_eq!(changes.iter().map(allowed).collect::<Vec<_>>(), ["optim.lr"]);
}
