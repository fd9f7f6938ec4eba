//! Plans and what may be added to the folder of a comparison.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use super::collect::testing::RECIPE;
use super::*;

fn recipe(dir: &Path) -> PathBuf {
    let path = dir.join("recipe.toml");
    std::fs::write(&path, RECIPE.replace("SEED", "7")).unwrap();
    path
}

fn wanted(recipe: &Path, credit: &[&str], vary: &[&str]) -> Wanted {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Wanted {
        recipe: recipe.to_owned(),
        credit: owned(credit),
        vary: owned(vary),
        seeds: 2,
        ..Wanted::default()
    }
}

fn refusal(wanted: Wanted) -> String {
    let error = Plan::new(wanted).unwrap_err();
    let failure = error.downcast_ref::<crate::run::Failure>();
    assert_eq!(failure.map(crate::run::Failure::exit_code), Some(2), "{error:#}");
    error.to_string()
}

#[test]
fn arms_are_the_product_of_all_choices_and_seeds_follow_the_recipe() {
    let dir = tempfile::tempdir().unwrap();
    let vary = ["loss.clip_high=0.2, 0.28", "signals.horizon=[2,8],[4,9]"];
    let plan = Plan::new(wanted(&recipe(dir.path()), &["uniform", "rhythm"], &vary)).unwrap();
    let labels: Vec<&str> = plan.arms.iter().map(|arm| arm.label.as_str()).collect();
    assert_eq!(labels.len(), 8);
    assert_eq!(labels[0], "uniform, loss.clip_high=0.2, signals.horizon=[2,8]");
    assert_eq!(labels[3], "uniform, loss.clip_high=0.28, signals.horizon=[4,9]");
    assert_eq!(labels[7], "rhythm, loss.clip_high=0.28, signals.horizon=[4,9]");
    assert_eq!(plan.seeds, [7, 8]);
    let runs: Vec<(&str, u64)> = plan.runs().map(|(arm, seed)| (arm.label.as_str(), seed)).collect();
    assert_eq!((runs.len(), runs[7], runs[8]), (16, (labels[7], 7), (labels[0], 8)));

    let setup = plan.setup(&plan.arms[7], 8).unwrap();
    assert_eq!((setup.recipe.run.seed, setup.recipe.credit.len()), (8, 1));
    assert_eq!(setup.recipe.run.name, "rhythm+loss.clip_high=0.28+signals.horizon=%5B4%2C9%5D_seed_8");
    assert!(
        (setup.recipe.signals.horizon, plan.setup(&plan.arms[0], 7).unwrap().recipe.credit.is_empty())
            == ([4, 9], true)
    );
}

#[test]
fn a_strategy_has_the_settings_that_the_recipe_gives_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path());
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text + "\n[[credit]]\ntype = \"rhythm\"\ngain = 1.75\n").unwrap();
    let plan = Plan::new(wanted(&path, &["rhythm", "entropy", "uniform"], &[])).unwrap();
    let chain = |arm: usize| plan.setup(&plan.arms[arm], 7).unwrap().recipe.credit;
    assert!(format!("{:?}", chain(0)).contains("Rhythm(RhythmConfig { gain: 1.75, "), "{:?}", chain(0));
    assert!(format!("{:?}", chain(1)).contains("Entropy(EntropyConfig { gain: 1.5, ") && chain(1).len() == 1);
    assert!(chain(2).is_empty());
    // Without --credit the chain is the recipe's.
    let plan = Plan::new(wanted(&path, &[], &["optim.lr=1e-4,1e-3"])).unwrap();
    assert_eq!(plan.arms[1].label, "optim.lr=1e-3");
    assert_eq!(plan.setup(&plan.arms[1], 7).unwrap().recipe.credit.len(), 1);
}

#[test]
fn mistakes_are_named_by_arm_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path());
    let text = refusal(wanted(&path, &["uniform", "rythm"], &[]));
    assert!(
        text.starts_with("--credit: no credit strategy is called \"rythm\"; expected one of uniform"),
        "{text}"
    );
    let text = refusal(wanted(&path, &["uniform", "random"], &["loss.clip_high=0.2,-1"]));
    assert!(
        text.starts_with(
            "arm uniform, loss.clip_high=-1 / random, loss.clip_high=-1: --vary loss.clip_high=-1: [loss]"
        ),
        "{text}"
    );
    let text = refusal(wanted(&path, &["uniform", "random"], &["loss.clip_hihg=0.2"]));
    assert!(text.starts_with("every arm: --vary loss.clip_hihg=0.2: [loss] `clip_hihg`"), "{text}");
    assert!(text.contains("did you mean `clip_high`"), "{text}");
    let text = refusal(wanted(&path, &["uniform", "rhythm", "uniform"], &[]));
    assert_eq!(text, "arm uniform is there twice; name each arm once");
    let text = refusal(wanted(&path, &[], &["loss.clip_high=0.3,0.30"]));
    assert!(text.contains("arms loss.clip_high=0.3 and loss.clip_high=0.30 are the same recipe"), "{text}");
    let text = refusal(wanted(&path, &[], &["run.seed=1,2"]));
    assert!(text.contains("--seeds N sets the seeds"), "{text}");
    let text = refusal(wanted(&path, &[], &["optim.lr"]));
    assert!(text.contains("--vary optim.lr: there is no `=`"), "{text}");
    let text = refusal(Wanted { seeds: 0, ..wanted(&path, &["uniform"], &[]) });
    assert_eq!(text, "--seeds: got 0, expected at least 1");
    let baseline = Some(String::from("random"));
    let text = refusal(Wanted { baseline, ..wanted(&path, &["uniform", "rhythm"], &[]) });
    assert_eq!(text, "--baseline: no arm is called `random`; the arms are uniform / rhythm");
    let text = refusal(wanted(&dir.path().join("none.toml"), &["uniform"], &[]));
    assert!(text.contains("none.toml: cannot be read"), "{text}");
}

#[test]
fn quick_shortens_and_an_override_counts_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path());
    let mut quick = Wanted { quick: true, ..wanted(&path, &["uniform"], &[]) };
    let plan = Plan::new(quick.clone()).unwrap();
    assert_eq!((plan.quick.as_slice(), plan.base.run.steps), (&[String::from("eval.samples=2")][..], 4));
    quick.overrides = vec![String::from("eval.samples=3")];
    assert!(Plan::new(quick.clone()).unwrap().quick.is_empty());
    quick.overrides = ["run.steps=100", "eval.every=0"].map(String::from).into();
    let plan = Plan::new(quick.clone()).unwrap();
    assert_eq!(plan.quick, ["eval.samples=2"]);
    assert_eq!((plan.base.run.steps, plan.base.eval.every, plan.base.eval.samples), (100, 0, 2));
}

#[test]
fn a_comparison_grows_by_arms_and_seeds_and_refuses_another_recipe() {
    let dir = tempfile::tempdir().unwrap();
    let (path, root) = (recipe(dir.path()), dir.path().join("out"));
    let open = |wanted: Wanted, command: &str| {
        let plan = Plan::new(wanted).unwrap();
        ComparisonFolder::open(&root, &plan, command).map(|folder| folder.manifest)
    };
    let first = open(wanted(&path, &["uniform", "rhythm"], &[]), "one").unwrap();
    assert_eq!(first.runs.len(), 4);
    assert_eq!(open(wanted(&path, &["uniform", "rhythm"], &[]), "one").unwrap(), first);
    let grown = Wanted { seeds: 3, ..wanted(&path, &["uniform", "random"], &[]) };
    let grown = open(grown, "two").unwrap();
    let labels: Vec<&str> = grown.arms.iter().map(|arm| arm.label.as_str()).collect();
    assert_eq!((labels, grown.runs.len()), (vec!["uniform", "rhythm", "random"], 8));
    assert_eq!(grown.commands, ["one", "two"]);

    let before = std::fs::read(root.join("comparison.json")).unwrap();
    let changed = |sets: &[&str]| {
        let overrides = sets.iter().map(|set| (*set).to_owned()).collect();
        let error = open(Wanted { overrides, ..wanted(&path, &["uniform"], &[]) }, "three").unwrap_err();
        let failure = error.downcast_ref::<crate::run::Failure>().unwrap();
        assert_eq!(failure.exit_code(), 3, "{error}");
        error.to_string()
    };
    let text = changed(&["optim.lr=0.002", "run.steps=5"]);
    for part in
        ["optim.lr: 0.002 now, 0.001 in the comparison", "run.steps: 5 now, 4 in the comparison", "--out"]
    {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(std::fs::read(root.join("comparison.json")).unwrap(), before);
    // Other seeds are no other recipe.
    let overrides = vec![String::from("run.seed=20")];
    let seeds = open(Wanted { overrides, ..wanted(&path, &["random"], &[]) }, "four").unwrap();
    assert_eq!(seeds.baseline, "uniform", "stays until another one is named");
    assert_eq!(seeds.runs.last(), Some(&(String::from("random"), 21)));

    let baseline = Some(String::from("random"));
    let named = open(Wanted { baseline, ..wanted(&path, &["uniform", "random"], &[]) }, "five").unwrap();
    assert_eq!(named.baseline, "random");

    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("thesis.tex"), "").unwrap();
    let plan = Plan::new(wanted(&path, &["uniform"], &[])).unwrap();
    let error = ComparisonFolder::open(&other, &plan, "one").unwrap_err().to_string();
    assert!(error.contains("other: holds something that is no comparison"), "{error}");
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
    let _held = ComparisonFolder::open(&root, &plan, "one").unwrap();
    let error = ComparisonFolder::open(&root, &plan, "one").unwrap_err().to_string();
    assert!(error.contains("another process is comparing in this folder"), "{error}");
}
