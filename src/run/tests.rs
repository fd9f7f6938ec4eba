#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::interrupt::Stopped;
use crate::learner::sft::fine_tune;
use crate::learner::{LearnerConfig, PolicyLearner};
use crate::model::Policy;
use crate::optim::AdamWState;
use crate::recipe::Recipe;
use crate::types::{NotFinite, RatioStart};

pub(super) const RECIPE: &str = r#"
[run]
name = "test"
steps = 12
[model]
scratch = "countdown2m"
dtype = "f32"
device = "cpu"
[data]
type = "countdown"
numbers = [3, 3]
max_number = 9
targets = [1, 50]
train_items = 20
eval_items = 1
[explore]
type = "group"
size = 2
[sampling]
max_new_tokens = 4
[[reward]]
type = "countdown"
[advantage]
type = "group"
[loss.policy]
type = "clip"
[optim]
lr = 1e-4
[batch]
prompts = 2
[checkpoint]
every = 5
"#;

/// A run before its first step, in a folder under `runs`.
fn begin<'s>(setup: &'s Setup, runs: &std::path::Path, console: &'s Console) -> Run<'s> {
    let home = home::Home::begin(runs, &setup.recipe).unwrap();
    let writer = RunWriter::open(setup, home, console, Some(RECIPE), &[]).unwrap();
    Run::begin(setup, initial_policy(setup).unwrap(), None, Vec::new(), writer, console).unwrap()
}

/// Weights that stay finite and make logits that do not.
fn break_policy(policy: &mut Policy) {
    let norm = policy.network.layout.final_norm.clone();
    let _ = policy
        .network
        .update(|master| master.narrow(0, norm.start, norm.n_elements()).fill_(f64::from(f32::MAX)));
}

fn setup(overrides: &[&str]) -> Setup {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    Setup::new(Recipe::parse("test.toml", RECIPE, &overrides).unwrap()).unwrap()
}

#[test]
fn steps_without_a_finite_distribution_are_skipped_until_there_are_ten_in_a_row() {
    let (setup, dir, console) = (setup(&[]), tempfile::tempdir().unwrap(), Console::new());
    let mut run = begin(&setup, dir.path(), &console);
    let good = run.trainer.policy.network.master().copy();
    break_policy(&mut run.trainer.policy);
    let row = run.train_step(&Interrupt::default()).unwrap();
    assert_eq!((row.get("optim/skipped"), run.guards.refused_in_a_row()), (Some(1.0), 1));
    assert_eq!(run.trainer.learner.state().updates, 0);
    let dump = std::fs::read_to_string(dir.path().join("test/refused/step_000001.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = dump.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line["logprobs"] == serde_json::json!([null])), "{dump}");

    run.trainer.policy.network.set_master(&good).unwrap();
    let row = run.train_step(&Interrupt::default()).unwrap();
    assert_eq!((row.get("optim/skipped"), run.guards.refused_in_a_row()), (Some(0.0), 0));
    assert_eq!(run.trainer.learner.state().updates, 1);

    break_policy(&mut run.trainer.policy);
    run.step = 0;
    let error = run.go(&Interrupt::default()).unwrap_err();
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.exit_code(), 4);
    let text = failure.to_string();
    assert!(
        text.starts_with("step 10: 10 updates in a row were not finite, the last because prompt "),
        "{text}"
    );
    for part in [
        "the log-probability under the sampler of token 0 is NaN",
        "refused/step_000010.jsonl, there is no checkpoint yet; lower [optim] lr",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_policy_in_doubt_is_not_saved() {
    let (setup, dir, console) = (setup(&[]), tempfile::tempdir().unwrap(), Console::new());
    let mut run = begin(&setup, dir.path(), &console);
    run.step = 1;
    assert!(run.save_if_sound().unwrap().ends_with("checkpoints/step_000001"));
    let not_saved = |run: &mut Run<'_>| {
        run.step += 1;
        let said = run.save_if_sound().unwrap();
        assert!(said.starts_with("not saved, since the policy may be broken: the newest checkpoint is "));
        assert!(said.ends_with("checkpoints/step_000001"), "{said}");
    };
    run.guards = Guards::new(1);
    not_saved(&mut run);
    run.guards = Guards::new(0);
    assert_eq!(run.guards.before_saving(&setup, &run.trainer.policy).unwrap(), []);
    break_policy(&mut run.trainer.policy);
    not_saved(&mut run);
    let error = run.checkpoint().unwrap_err();
    assert_eq!(error.downcast_ref::<Failure>().unwrap().exit_code(), 4);
    assert!(error.to_string().contains("checkpoints/step_000001; lower [optim] lr = 0.0001"), "{error:#}");
    let _ = run.trainer.policy.network.update(|master| master.fill_(f64::NAN));
    not_saved(&mut run);

    let error = run.evaluate(&Interrupt::default()).unwrap_err();
    assert_eq!(error.downcast_ref::<Failure>().unwrap().exit_code(), 4);
    let text = error.to_string();
    assert!(text.starts_with("evaluation after step 4: prompt "), "{text}");
    assert!(text.contains("checkpoints/step_000001; lower [optim] lr = 0.0001"), "{text}");
}

#[test]
fn sft_that_is_not_finite_says_what_is_and_stops_the_run() {
    let sft = "sft={steps = 2, batch_size = 2, lr = 0.01, source = {type = \"countdown_demos\"}}";
    let setup = setup(&[sft]);
    let (config, source) = (setup.recipe.sft.as_ref().unwrap(), setup.sft_source.as_ref().unwrap());
    let mut policy = initial_policy(&setup).unwrap();
    break_policy(&mut policy);
    let before = policy.network.master().copy();
    let error = fine_tune(&mut policy, config, source, None, &mut |_| Ok(true)).unwrap_err();
    assert_eq!(error.to_string(), "SFT, step 1: the loss is NaN; lower [sft] lr = 0.01");
    assert!(error.is::<NotFinite>());
    assert_eq!(policy.network.master(), &before);
}

/// A learner at another temperature than the one it measures with stands for every disagreement there is.
#[test]
fn the_first_update_is_checked_whenever_it_comes() {
    for truncated in [&[][..], &["sampling.top_p=0.9"][..]] {
        let (setup, dir, console) = (setup(truncated), tempfile::tempdir().unwrap(), Console::new());
        let mut run = begin(&setup, dir.path(), &console);
        let good = run.trainer.policy.network.master().copy();
        break_policy(&mut run.trainer.policy);
        let _ = run.train_step(&Interrupt::default()).unwrap();
        assert_eq!((run.guards.refused_in_a_row(), run.trainer.ratio_start(3)), (1, RatioStart::Measured));

        run.trainer.policy.network.set_master(&good).unwrap();
        let config = LearnerConfig { temperature: 2.0, ..setup.learner_config() };
        let honest =
            std::mem::replace(&mut run.trainer.learner, PolicyLearner::new(config, &run.trainer.policy));
        let error = run.train_step(&Interrupt::default()).unwrap_err();
        assert!(error.to_string().starts_with("step 2: learner and itself disagree"), "{error:#}");

        run.trainer.policy.network.set_master(&good).unwrap();
        run.trainer.learner = honest;
        let _ = run.train_step(&Interrupt::default()).unwrap();
        assert_eq!(run.trainer.ratio_start(3), RatioStart::FirstPass);
        run.trainer.learner = PolicyLearner::new(config, &run.trainer.policy);
        let optimizer = run.state().unwrap().optimizer;
        run.trainer.learner.restore(AdamWState { updates: 1, ..optimizer }).unwrap();
        assert!(run.train_step(&Interrupt::default()).is_ok());
    }
}

/// Numbers of a row that do not depend on the clock.
fn untimed(row: &MetricRow) -> Vec<(String, u64)> {
    let timed = |key: &str| ["time/", "perf/", "progress/wall_s"].iter().any(|start| key.starts_with(start));
    row.iter().filter(|(key, _)| !timed(key)).map(|(key, value)| (key.to_owned(), value.to_bits())).collect()
}

#[test]
fn a_step_that_a_signal_ends_is_as_if_it_had_not_begun() {
    let (setup, console) = (setup(&[]), Console::new());
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut undisturbed = begin(&setup, other.path(), &console);
    let expected = undisturbed.train_step(&Interrupt::default()).unwrap();

    let mut run = begin(&setup, dir.path(), &console);
    let before = run.state().unwrap().source;
    let error = run.train_step(&Interrupt::by(StopSignal::HangUp)).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Stopped(StopSignal::HangUp)));
    assert_eq!((run.step, run.trainer.learner.state().updates), (0, 0));
    let state = run.state().unwrap();
    assert_eq!(state.source, before, "what is saved is from before the step");
    run.trainer.source.restore(state.source).unwrap();
    let row = run.train_step(&Interrupt::default()).unwrap();
    assert_eq!(untimed(&row), untimed(&expected));
    assert_eq!(run.trainer.policy.network.master(), undisturbed.trainer.policy.network.master());
}

#[test]
fn an_evaluation_that_a_signal_ends_is_made_when_the_run_goes_on() {
    let (setup, dir, console) = (setup(&["eval.every=1"]), tempfile::tempdir().unwrap(), Console::new());
    let mut run = begin(&setup, dir.path(), &console);
    let row = run.train_step(&Interrupt::default()).unwrap();
    assert!(run.evaluate(&Interrupt::by(StopSignal::Terminate)).unwrap_err().is::<Stopped>());
    run.unfinished = Some(row.clone());
    assert!(run.advance(&Interrupt::by(StopSignal::Terminate)).unwrap_err().is::<Stopped>());
    assert_eq!(run.state().unwrap().unfinished, Some(row));
    run.advance(&Interrupt::default()).unwrap();
    assert_eq!((run.step, run.unfinished.is_none()), (1, true));
    let metrics = std::fs::read_to_string(dir.path().join("test/metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 1);
    assert!(metrics.contains("eval/heldout/avg@"), "{metrics}");
}
