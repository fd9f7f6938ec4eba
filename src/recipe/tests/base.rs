//! Recipes that stand on others.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{BASE, Draft, Recipe};

/// A folder with `below/base.toml`, which is [`BASE`], and `x.toml` with `text`.
fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    fs::write(folder.path().join("below/base.toml"), BASE).unwrap();
    fs::write(folder.path().join("x.toml"), text).unwrap();
    folder
}

fn load(folder: &Path, overrides: &[&str]) -> Result<Recipe, String> {
    let overrides: Vec<String> = overrides.iter().map(|&entry| entry.to_owned()).collect();
    let said =
        |problems: super::Problems| problems.to_string().replace(&format!("{}/", folder.display()), "");
    Recipe::load(&folder.join("x.toml"), &overrides).map_err(said)
}

const ON_BASE: &str = "base = \"below/base.toml\"\n";

#[test]
fn what_a_recipe_does_not_say_is_its_bases() {
    let folder = folder(&format!("{ON_BASE}[run]\nname = \"x\"\n[data]\nnumbers = [3, 4]\n"));
    let plain = Recipe::parse("x.toml", BASE, &[]).unwrap();
    let overrides = ["run.name=x".to_owned(), "data.numbers=[3, 4]".to_owned()];
    let changed = Recipe::parse("x.toml", BASE, &overrides).unwrap();
    let read = load(folder.path(), &[]).unwrap();
    assert_eq!(read, changed);
    assert_ne!(read, plain);
    assert_eq!(load(folder.path(), &["run.seed=7"]).unwrap().run.seed, 7);
}

#[test]
fn lists_and_tables_of_another_type_take_the_place_of_those_below() {
    let text =
        "[[reward]]\ntype = \"countdown\"\npreset = \"tinyzero\"\n[advantage]\ntype = \"leave_one_out\"\n";
    let folder = folder(&format!("{ON_BASE}{text}"));
    // The `scale` of the base's group would be no key of this type.
    let toml = load(folder.path(), &[]).unwrap().to_toml().unwrap();
    assert!(BASE.contains("scale = ") && toml.contains("type = \"leave_one_out\""), "{toml}");
    assert_eq!(toml.matches("[[reward]]").count(), 1);
    assert!(toml.contains("preset = \"tinyzero\""), "{toml}");
}

#[test]
fn the_whole_text_needs_no_other_file() {
    let folder = folder(&format!("{ON_BASE}[optim]\nlr = 2e-4\n"));
    let draft = Draft::load(&folder.path().join("x.toml"), &[]).unwrap();
    let whole = draft.text().to_owned();
    fs::remove_dir_all(folder.path().join("below")).unwrap();
    assert_eq!(Recipe::parse("whole.toml", &whole, &[]).unwrap(), draft.finish().unwrap());
}

#[test]
fn a_recipe_that_stands_alone_is_kept_as_it_was_written() {
    assert_eq!(Draft::parse("x.toml", BASE, &[]).unwrap().text(), BASE);
}

#[test]
fn what_is_wrong_is_placed_in_the_file_that_says_it() {
    let folder = folder(&format!("{ON_BASE}[optim]\nlr = 9.0\n"));
    let path = folder.path().join("below/base.toml");
    let line = BASE.lines().position(|line| line == "[batch]").unwrap() + 2;
    fs::write(&path, BASE.replace("[batch]\n", "[batch]\nepochs = 0\n")).unwrap();
    let said = load(folder.path(), &[]).unwrap_err();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("x.toml:3: [optim] `lr`: got 9, expected"), "{said}");
    assert_eq!(lines[1..], [format!("below/base.toml:{line}: [batch] `epochs`: got 0, expected at least 1")]);
    fs::write(&path, "[run\n").unwrap();
    assert!(load(folder.path(), &[]).unwrap_err().starts_with("below/base.toml:1: `[run` is not TOML"));
}

#[test]
fn bases_that_cannot_be_are_refused_with_their_chain() {
    let folder = folder("\nbase = \"y.toml\"\n");
    let missing = load(folder.path(), &[]).unwrap_err();
    assert!(missing.starts_with("x.toml:2: `base`: x.toml on y.toml: cannot be read: "), "{missing}");
    fs::write(folder.path().join("y.toml"), "base = \"./x.toml\"").unwrap();
    let said = load(folder.path(), &[]).unwrap_err();
    assert!(said.starts_with("y.toml:1: `base`: x.toml on y.toml on ./x.toml: stands on itself"), "{said}");
    fs::write(folder.path().join("x.toml"), "base = 3").unwrap();
    assert_eq!(load(folder.path(), &[]).unwrap_err(), "x.toml:1: `base`: got 3, expected a path in quotes");
    fs::write(folder.path().join("x.toml"), ON_BASE).unwrap();
    let said = load(folder.path(), &["base=y.toml"]).unwrap_err();
    assert_eq!(said, "--set base=y.toml: `base` is said in a file; name a file that says it");
}
