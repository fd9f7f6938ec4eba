//! Recipes read, compared and checked against the disk.
#![expect(clippy::unwrap_used, reason = "tests")]

mod base;
mod data;
mod elsewhere;
mod mistakes;
mod overrides;
mod round_trip;
mod telling;

use std::{fs, path::Path};

use super::{Draft, Problems, Recipe};

/// A recipe of the tests' own, so that tuning the project's recipes breaks none of them.
const BASE: &str = include_str!("base.toml");

fn parse(text: &str, overrides: &[&str]) -> Result<Recipe, Problems> {
    let overrides: Vec<String> = overrides.iter().map(|&entry| entry.to_owned()).collect();
    Recipe::parse("x.toml", text, &overrides)
}

fn problems(text: &str, overrides: &[&str]) -> Vec<String> {
    let problems = parse(text, overrides).unwrap_err();
    problems.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn files_that_are_missing_are_named_with_their_key() {
    let check = |overrides: &[&str]| {
        let mut draft = Draft::from(parse(BASE, overrides).unwrap());
        draft.check_files();
        draft.finish()
    };
    assert!(check(&[]).is_ok());
    let overrides = [
        "model={path=\"no/model\"}",
        "data={type=\"files\", train=[{path=\"no/a.jsonl\", preset=\"countdown_tasks\"}], \
         eval=[{path=\"no/b.jsonl\", preset=\"countdown_tasks\"}]}",
    ];
    let problems = check(&overrides).unwrap_err();
    assert_eq!(
        problems.0.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(),
        ["model.path", "data.train", "data.eval"]
    );
    assert_eq!(
        problems.0[0].to_string(),
        "countdown: [model] `path`: no/model: expected an existing folder; a path in a recipe begins at the recipe's folder, one \
         behind --set at the working directory"
    );
}

#[test]
fn a_resumed_run_may_change_what_leaves_its_course_alone() {
    let differ = |overrides: &[&str], both: &[&str]| {
        let whole: Vec<_> = both.iter().chain(overrides).copied().collect();
        let (here, there) = (parse(BASE, &whole).unwrap(), parse(BASE, both).unwrap());
        here.differences(&there).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let free = [
        "run.name=b",
        "checkpoint.every=1",
        "observe.tensorboard=false",
        "run.steps=500",
        "sampling.max_num_seqs=8",
    ];
    assert_eq!(differ(&free, &[]), Vec::<String>::new());
    assert_eq!(differ(&["run.steps=500"], &["optim.schedule=cosine"]), ["run.steps: 500 here, 120 there"]);
    assert_eq!(
        differ(&["optim.lr=1e-4", "loss.kl.coef=0.5", "run.seed=7", "reward.0.preset=tinyzero"], &[]),
        [
            "loss.kl.coef: 0.5 here, absent there",
            "loss.kl.estimator: \"k3\" here, absent there",
            "loss.kl.place: \"loss\" here, absent there",
            "optim.lr: 0.0001 here, 0.00005 there",
            "reward.0.preset: \"tinyzero\" here, \"exact\" there",
            "run.seed: 7 here, 0 there",
        ]
    );
}

#[test]
fn every_recipe_of_the_project_loads_and_names_its_command() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
    let mut found = 0;
    let mut folders = vec![folder.clone()];
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(here).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                Recipe::load(&path, &[]).unwrap_or_else(|problems| panic!("{problems}"));
                let name = path.strip_prefix(&folder).unwrap().display();
                let command = format!("# scripts/rlcredit train recipes/{name}");
                assert_eq!(fs::read_to_string(&path).unwrap().lines().next(), Some(command.as_str()));
                found += 1;
            }
        }
    }
    assert!(found > 0);
}
