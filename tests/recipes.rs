//! The recipes that come with the project.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use rlcredit::recipe::{Draft, Recipe};
use rlcredit::run::Setup;

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
    for path in recipes("recipes") {
        let draft = Draft::load(&root().join(&path), &[]).unwrap();
        let setup = Setup::of_draft(draft).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        assert!(setup.recipe.notes().is_empty(), "{:?}", setup.recipe.notes());
    }
}

#[test]
fn those_of_the_papers_lack_only_the_models_they_name() {
    for path in recipes("recipes/paper") {
        let draft = Draft::load(&root().join(&path), &[]).unwrap();
        let error = Setup::of_draft(draft).map(drop).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.lines().count() == 1 && text.contains("models/Qwen3-"), "{text}");
    }
}

#[test]
fn the_countdown_recipes_differ_in_their_credit_alone() {
    let plain = Recipe::load(&root().join("recipes/countdown.toml"), &[]).unwrap();
    for strategy in ["local_chunk", "global_anchor", "rhythm", "random", "entropy"] {
        let path = root().join(format!("recipes/countdown_{strategy}.toml"));
        let mut recipe = Recipe::load(&path, &[]).unwrap();
        let credit = std::mem::take(&mut recipe.credit);
        let credit = toml::Table::try_from(&credit[0]).unwrap();
        assert_eq!(credit["type"].as_str(), Some(strategy));
        if !["random", "entropy"].contains(&strategy) {
            assert_eq!(recipe.signals, plain.signals);
        }
        recipe.signals = plain.signals.clone();
        recipe.run.name.clone_from(&plain.run.name);
        assert_eq!(recipe, plain, "{strategy}");
    }
}
