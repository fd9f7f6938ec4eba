//! Plans and what may be added to the folder of a comparison.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use super::testing::RECIPE;
use super::*;

fn recipe(dir: &Path) -> PathBuf {
    let path = dir.join("recipe.toml");
    std::fs::write(&path, RECIPE.replace("SEED", "7")).unwrap();
    path
}

fn wanted(recipe: &Path, credit: &[&str], vary: &[&str]) -> Wanted {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Wanted {
        recipes: vec![recipe.to_owned()],
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
    let vary = ["loss.policy.clip_high=0.2, 0.28", "data.targets=[1,30],[2,20]"];
    let plan = Plan::new(wanted(&recipe(dir.path()), &["uniform", "rhythm"], &vary)).unwrap();
    let labels: Vec<&str> = plan.arms.iter().map(|arm| arm.label.as_str()).collect();
    assert_eq!(labels.len(), 8);
    assert_eq!(labels[0], "uniform, loss.policy.clip_high=0.2, data.targets=[1,30]");
    assert_eq!(labels[3], "uniform, loss.policy.clip_high=0.28, data.targets=[2,20]");
    assert_eq!(labels[7], "rhythm, loss.policy.clip_high=0.28, data.targets=[2,20]");
    assert_eq!(plan.seeds, [7, 8]);
    let runs: Vec<(&str, u64)> = plan.runs().map(|(arm, seed)| (arm.label.as_str(), seed)).collect();
    assert_eq!((runs.len(), runs[7], runs[8]), (16, (labels[7], 7), (labels[0], 8)));

    let setup = plan.setup(&plan.arms[7], 8).unwrap();
    assert_eq!((setup.recipe.run.seed, setup.recipe.credit.len()), (8, 1));
    assert_eq!(setup.recipe.run.name, "rhythm+loss.policy.clip_high=0.28+data.targets=%5B2%2C20%5D_seed_8");
    assert!(format!("{:?}", setup.recipe.data).contains("targets: [2, 20]"), "{:?}", setup.recipe.data);
    assert!(plan.setup(&plan.arms[0], 7).unwrap().recipe.credit.is_empty());
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
    assert!(
        format!("{:?}", chain(1)).contains("Entropy(EntropyConfig(Boost { gain: 1.5, ")
            && chain(1).len() == 1
    );
    assert!(chain(2).is_empty());
    // One that only a file and a line of the registry know is compared as the others are.
    let plan = Plan::new(wanted(&path, &["late", "uniform"], &[])).unwrap();
    assert!(format!("{:?}", plan.setup(&plan.arms[0], 7).unwrap().recipe.credit).contains("Late("));
    // Without --credit the chain is the recipe's.
    let plan = Plan::new(wanted(&path, &[], &["optim.lr=1e-4,1e-3"])).unwrap();
    assert_eq!(plan.arms[1].label, "optim.lr=1e-3");
    assert_eq!(plan.setup(&plan.arms[1], 7).unwrap().recipe.credit.len(), 1);
}

#[test]
fn controls_stand_behind_the_strategies_that_they_are_of() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path());
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text + "\n[[credit]]\ntype = \"rhythm\"\ngain = 1.75\n").unwrap();
    let names = ["uniform", "random", "rhythm", "entropy", "shuffled_entropy"];
    let plan = Plan::new(Wanted { controls: true, ..wanted(&path, &names, &[]) }).unwrap();
    let labels: Vec<&str> = plan.arms.iter().map(|arm| arm.label.as_str()).collect();
    assert_eq!(labels, ["uniform", "random", "rhythm", "shuffled_rhythm", "entropy", "shuffled_entropy"]);
    let credit = plan.setup(&plan.arms[3], 7).unwrap().recipe.credit;
    let rhythm = plan.setup(&plan.arms[2], 7).unwrap().recipe.credit;
    assert!(credit[0].shuffle && !rhythm[0].shuffle && credit[0].strategy == rhythm[0].strategy);
    // The name alone says whether gains are shuffled, whatever the recipe's own entry does.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text + "shuffle = true\n").unwrap();
    let plan = Plan::new(wanted(&path, &["rhythm"], &[])).unwrap();
    assert!(!plan.setup(&plan.arms[0], 7).unwrap().recipe.credit[0].shuffle);
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
    assert!(text.ends_with("; did you mean rhythm?"), "{text}");
    let text = refusal(wanted(&path, &["uniform", "random"], &["loss.policy.clip_high=0.2,-1"]));
    assert!(
        text.starts_with(
            "arm uniform, loss.policy.clip_high=-1 / random, loss.policy.clip_high=-1: --vary loss.policy.clip_high=-1: [loss.policy]"
        ),
        "{text}"
    );
    let text = refusal(wanted(&path, &["uniform", "random"], &["loss.policy.clip_hihg=0.2"]));
    assert!(
        text.starts_with("every arm: --vary loss.policy.clip_hihg=0.2: [loss.policy] `clip_hihg`"),
        "{text}"
    );
    assert!(text.contains("did you mean `clip_high`"), "{text}");
    let text = refusal(wanted(&path, &["uniform", "rhythm", "uniform"], &[]));
    assert_eq!(text, "arm uniform is there twice; name each arm once");
    let text = refusal(wanted(&path, &[], &["loss.policy.clip_high=0.3,0.30"]));
    let said = "arms loss.policy.clip_high=0.3 and loss.policy.clip_high=0.30 train the same: their recipes are equal; leave";
    assert!(text.contains(said), "{text}");
    let text = refusal(wanted(&path, &[], &["run.seed=1,2"]));
    assert!(text.contains("--seeds N sets the seeds"), "{text}");
    let text = refusal(wanted(&path, &[], &["optim.lr"]));
    assert!(text.contains("--vary optim.lr: there is no `=`"), "{text}");
    let text = refusal(Wanted { seeds: 0, ..wanted(&path, &["uniform"], &[]) });
    assert_eq!(text, "--seeds: got 0, expected at least 1");
    let text = refusal(wanted(&dir.path().join("none.toml"), &["uniform"], &[]));
    assert!(text.contains("none.toml: cannot be read"), "{text}");
}

#[test]
fn several_recipes_are_arms_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (recipe(dir.path()), dir.path().join("two.toml"));
    let text = std::fs::read_to_string(&one).unwrap().replace("\"made_up\"", "\"other\"");
    let credit = "\n[[credit]]\ntype = \"rhythm\"\ngain = 1.75\n";
    std::fs::write(&two, text.replace("size = 4", "size = 5") + credit).unwrap();
    let both =
        |credit: &[&str]| Wanted { recipes: vec![one.clone(), two.clone()], ..wanted(&one, credit, &[]) };
    let plan = Plan::new(both(&[])).unwrap();
    let labels = |plan: &Plan| plan.arms.iter().map(|arm| arm.label.clone()).collect::<Vec<_>>();
    assert_eq!(
        (labels(&plan), plan.title()),
        (vec!["made_up".into(), "other".into()], "made_up and 1 more".into())
    );
    let sizes: Vec<usize> =
        plan.arms.iter().map(|arm| plan.setup(arm, 8).unwrap().recipe.explore.settings().most()).collect();
    assert_eq!(sizes, [4, 5]);
    let plan = Plan::new(both(&["uniform", "rhythm"])).unwrap();
    let expected = ["made_up, uniform", "made_up, rhythm", "other, uniform", "other, rhythm"];
    assert_eq!(labels(&plan), expected);
    let gains = plan.arms.iter().map(|arm| format!("{:?}", plan.setup(arm, 7).unwrap().recipe.credit));
    let gains: Vec<bool> = gains.map(|credit| credit.contains("gain: 1.75")).collect();
    assert_eq!(
        gains,
        [false, false, false, true],
        "a strategy has the settings that its own recipe gives it"
    );

    let root = dir.path().join("out");
    let open = |wanted: Wanted| ComparisonFolder::open(&root, &mut Plan::new(wanted).unwrap(), "one");
    assert_eq!(open(wanted(&one, &[], &[])).unwrap().manifest.arms.len(), 1);
    let grown = open(both(&[])).unwrap().manifest;
    assert_eq!((grown.recipes, grown.arms.len()), (vec!["made_up".into(), "other".into()], 2));
    let root_of_one = dir.path().join("of_one");
    let open_of_one = |wanted: Wanted| {
        let mut plan = Plan::new(wanted).unwrap();
        ComparisonFolder::open(&root_of_one, &mut plan, "one").map(|folder| folder.manifest)
    };
    open_of_one(wanted(&one, &["uniform", "rhythm"], &[])).unwrap();
    let grown = open_of_one(both(&["uniform", "rhythm"])).unwrap();
    let known: Vec<&str> = grown.arms.iter().map(|arm| arm.label.as_str()).collect();
    assert_eq!(
        known,
        ["uniform", "rhythm", "other, uniform", "other, rhythm"],
        "what is there keeps its label"
    );
    let text = open(wanted(&one, &[], &[])).unwrap_err().to_string();
    assert!(text.contains("recipe other: not given now, one of those in the comparison"), "{text}");
    let text =
        open(Wanted { overrides: vec!["optim.lr=0.002".into()], ..both(&[]) }).unwrap_err().to_string();
    assert!(text.contains("recipe other: optim.lr: 0.002 now, 0.001 in the comparison"), "{text}");

    std::fs::write(&two, RECIPE.replace("SEED", "8")).unwrap();
    let text = refusal(both(&[]));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("two.toml: [run] name is \"made_up\", as that of "), "{text}");
    assert!(lines[1].contains("two.toml: [run] seed is 8, but 7 in "), "{text}");
}

#[test]
fn arms_that_train_the_same_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path());
    let text = refusal(wanted(&path, &["uniform", "rhythm", "entropy"], &["signals.window=5,10"]));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "rhythm reads attention: {text}");
    for (line, arm) in lines.iter().zip(["uniform", "entropy"]) {
        let said = format!(
            "arms {arm}, signals.window=5 and {arm}, signals.window=10 train the same: no strategy of theirs reads \
             attention, so [signals] has no effect; leave one of them out"
        );
        assert!(line.starts_with(&said), "{line}");
    }
    assert!(Plan::new(wanted(&path, &["rhythm"], &["signals.window=5,10"])).is_ok());
    for vary in ["credit=[],[{type=\"uniform\"}]", "checkpoint.every=1,2"] {
        let text = refusal(wanted(&path, &[], &[vary]));
        assert!(text.contains("what they set differently has no effect on what is learned"), "{text}");
    }
    assert!(Plan::new(wanted(&path, &[], &["model.dtype=f32,bf16"])).is_ok());
    let text = refusal(wanted(&path, &[], &["model.dtype=auto,f32,bf16"]));
    assert!(text.lines().count() == 1 && text.contains("arms model.dtype=auto and model.dtype="), "{text}");
}

#[test]
fn a_run_that_no_folder_can_be_called_after_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path());
    // `optim.lr=0.001` + zeros + `_seed_9`, of which the last seed has a byte more.
    let vary = |zeros: usize| format!("optim.lr=0.001{}", "0".repeat(zeros));
    let plan = |zeros, seeds| Plan::new(Wanted { seeds, ..wanted(&path, &[], &[&vary(zeros)]) });
    let fits = 255 - "optim.lr=0.001_seed_9".len();
    assert_eq!(plan(fits, 3).unwrap().arms[0].run_name(9).len(), 255);
    for (zeros, seeds) in [(fits, 4), (fits + 1, 1)] {
        let error = plan(zeros, seeds).unwrap_err().to_string();
        assert!(error.contains("in 256 bytes, and a name may have 255"), "{error}");
    }
}

#[test]
fn quick_shortens_and_an_override_counts_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path());
    let mut quick = Wanted { quick: true, ..wanted(&path, &["uniform"], &[]) };
    let plan = Plan::new(quick.clone()).unwrap();
    assert_eq!(
        (plan.quick().as_slice(), plan.bases[0].recipe.run.steps),
        (&[String::from("eval.samples=2")][..], 4)
    );
    quick.overrides = vec![String::from("eval.samples=3")];
    assert!(Plan::new(quick.clone()).unwrap().quick().is_empty());
    quick.overrides = ["run.steps=100", "eval.every=100"].map(String::from).into();
    let plan = Plan::new(quick.clone()).unwrap();
    assert_eq!(plan.quick(), ["eval.samples=2"]);
    let base = &plan.bases[0].recipe;
    assert_eq!((base.run.steps, base.eval.every, base.eval.samples), (100, 100, 2));
}

#[test]
fn runs_that_are_not_measured_alike_are_refused_arm_by_arm() {
    let dir = tempfile::tempdir().unwrap();
    let path = recipe(dir.path());
    let said = |overrides: &[&str], vary: &[&str]| {
        let overrides = overrides.iter().map(|set| (*set).to_owned()).collect();
        Plan::new(Wanted { overrides, ..wanted(&path, &[], vary) }).unwrap_err().to_string()
    };
    let best = "checkpoint.best=\"eval/heldout/avg@2\"";
    let text = said(&[best, "eval.samples=2"], &["eval.patience=0,3"]);
    assert!(
        text.starts_with("arm eval.patience=3: [eval] `patience`: got 3, and a comparison is of runs"),
        "{text}"
    );
    let text = said(&["eval.before=false"], &["optim.lr=0.1,0.2"]);
    assert!(text.starts_with("every arm: [eval] `before`: got false"), "{text}");
    let text = said(&[], &["eval.every=0,2"]);
    assert!(text.starts_with("arm eval.every=0: [eval] `every`: got 0"), "{text}");
}

/// The process that replaces a checkpoint may be alive, and the comparison does not hold the run.
#[test]
fn a_run_whose_last_checkpoint_is_being_replaced_is_not_finished_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = Plan::new(wanted(&recipe(dir.path()), &["uniform"], &[])).unwrap();
    let folder = ComparisonFolder::open(&dir.path().join("out"), &mut plan, "one").unwrap();
    let is_finished = || folder.is_finished("uniform_seed_7", 4).unwrap();
    assert!(!is_finished());
    let checkpoints = folder.runs().join("uniform_seed_7/checkpoints");
    let last = crate::checkpoint::Store::new(&checkpoints, 2).unwrap().write(4, |_| Ok(())).unwrap();
    assert!(is_finished() && !folder.is_finished("uniform_seed_7", 5).unwrap());
    let aside = checkpoints.join(".step_000004.old.tmp-1");
    std::fs::rename(&last, &aside).unwrap();
    assert!(!is_finished() && aside.is_dir() && !last.exists());
    std::fs::rename(&aside, &last).unwrap();
    std::fs::write(last.join("state.json"), r#"{"unfinished":{}}"#).unwrap();
    assert!(!is_finished());
}

#[test]
fn a_comparison_grows_by_arms_and_seeds_and_refuses_another_recipe() {
    let dir = tempfile::tempdir().unwrap();
    let (path, root) = (recipe(dir.path()), dir.path().join("out"));
    let open = |wanted: Wanted, command: &str| {
        let mut plan = Plan::new(wanted).unwrap();
        ComparisonFolder::open(&root, &mut plan, command).map(|folder| folder.manifest)
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

    // The baseline may be an arm of an earlier command.
    let named =
        |baseline: &str| Wanted { baseline: Some(baseline.to_owned()), ..wanted(&path, &["entropy"], &[]) };
    let text = open(named("global_anchor"), "six").unwrap_err().to_string();
    assert_eq!(
        text,
        "--baseline: no arm is called `global_anchor`; the arms are uniform / rhythm / random / entropy"
    );
    assert_eq!(open(named("uniform"), "six").unwrap().baseline, "uniform");

    // An arm may have one label only.
    let same =
        |credit: &[&str], vary: &str| open(wanted(&path, credit, &[vary]), "seven").unwrap_err().to_string();
    let text = same(&["uniform"], "signals.window=5");
    assert!(
        text.starts_with("arm uniform, signals.window=5 trains the same as uniform, which the"),
        "{text}"
    );
    open(wanted(&path, &[], &["loss.policy.clip_high=0.3"]), "seven").unwrap();
    let text = same(&[], "loss.policy.clip_high=0.30");
    assert!(
        text.contains("arm loss.policy.clip_high=0.30 trains the same as loss.policy.clip_high=0.3, which"),
        "{text}"
    );
    // Whatever `auto` comes to here, one of these is another precision.
    let other = ["f32", "bf16"].map(|dtype| {
        let overrides = vec![format!("model.dtype=\"{dtype}\"")];
        open(Wanted { overrides, ..wanted(&path, &["uniform"], &[]) }, "eight")
            .map_err(|error| error.to_string())
    });
    let refused: Vec<&String> = other.iter().filter_map(|opened| opened.as_ref().err()).collect();
    assert!(refused.len() == 1 && refused[0].contains("model.dtype: "), "{refused:?}");

    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let mut none = Plan::new(named("random")).unwrap();
    let error = ComparisonFolder::open(&dir.path().join("new"), &mut none, "one").unwrap_err().to_string();
    assert_eq!(error, "--baseline: no arm is called `random`; the arms are entropy");
    assert!(!dir.path().join("new").exists());
    std::fs::write(other.join("thesis.tex"), "").unwrap();
    let mut plan = Plan::new(wanted(&path, &["uniform"], &[])).unwrap();
    let error = ComparisonFolder::open(&other, &mut plan, "one").unwrap_err().to_string();
    assert!(error.contains("other: holds something that is no comparison"), "{error}");
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
    let _held = ComparisonFolder::open(&root, &mut plan, "one").unwrap();
    let error = ComparisonFolder::open(&root, &mut plan, "one").unwrap_err().to_string();
    assert!(error.contains("another process is comparing in this folder"), "{error}");
}
