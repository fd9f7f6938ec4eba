//! The recipes that come with the project.

use std::path::{Path, PathBuf};

use crate::credit::strategy::{CreditConfig, CreditEntry};
use crate::recipe::{Draft, Recipe};
use crate::run::Setup;
use crate::signal::SignalConfig;
use toml::{Table, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The recipes in `folder`, as paths from the root.
fn recipes(folder: &str) -> Vec<PathBuf> {
    let files = root().join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut recipes: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.strip_prefix(root()).unwrap().to_path_buf())
        .collect();
    recipes.sort();
    assert!(!recipes.is_empty(), "{folder}");
    recipes
}

#[test]
fn those_of_the_embedded_policy_need_nothing_else() {
    let of_countdown =
        |path: &PathBuf| path.starts_with("recipes") && path.display().to_string().contains("countdown");
    for path in recipes("recipes").into_iter().filter(of_countdown) {
        let draft = Draft::load(&root().join(&path), &[]).unwrap();
        let setup = Setup::of_draft(draft).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        assert!(setup.recipe.notes().is_empty(), "{:?}", setup.recipe.notes());
    }
}

#[test]
fn those_of_larger_models_lack_only_models_and_files() {
    let paper = recipes("recipes/paper");
    let names: Vec<_> = paper.iter().filter_map(|path| path.file_stem()?.to_str()).collect();
    assert_eq!(
        names,
        [
            "attnrl_1.5b",
            "attnrl_7b",
            "countdown_4b_rhythm",
            "countdown_8b_rhythm",
            "math_4b_rhythm",
            "math_8b_rhythm",
            "treerl_1.5b"
        ]
    );
    for path in paper.into_iter().chain(recipes("recipes")) {
        let recipe = Recipe::load(&root().join(&path), &[]).unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(recipe.notes(), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn the_countdown_recipes_differ_in_their_credit_alone() {
    let plain = Recipe::load(&root().join("recipes/countdown.toml"), &[]).unwrap();
    for strategy in ["local_chunk", "global_anchor", "rhythm", "random", "entropy"] {
        let path = root().join(format!("recipes/countdown_{strategy}.toml"));
        let mut recipe = Recipe::load(&path, &[]).unwrap();
        let credit = std::mem::take(&mut recipe.credit);
        let credit = Table::try_from(&credit[0]).unwrap();
        assert_eq!(credit["type"].as_str(), Some(strategy));
        if !["random", "entropy"].contains(&strategy) {
            assert_eq!(recipe.signals, plain.signals);
        }
        recipe.signals = plain.signals.clone();
        recipe.run.name.clone_from(&plain.run.name);
        assert_eq!(recipe, plain, "{strategy}");
    }
}

#[test]
fn the_page_on_credit_shows_every_setting_with_its_default() {
    let page = std::fs::read_to_string(root().join("docs/credit.md")).unwrap();
    let mut blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let (block, _) = blocks.find(|(block, _)| block.contains("\n[signals]")).unwrap();
    let shown: Table = block.parse().unwrap();
    assert_eq!(shown["credit"][0], Value::try_from(CreditEntry::named("rhythm").unwrap()).unwrap());
    assert_eq!(shown["signals"], Value::try_from(SignalConfig::default()).unwrap());
    assert_eq!(shown.len(), 2);
    assert!(CreditConfig::NAMES.iter().all(|name| page.contains(name)));
}
