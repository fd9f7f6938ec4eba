#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::recipe::Recipe;

const RECIPE: &str = r#"
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
[loss]
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
    let folder = RunFolder::create(runs, "test").unwrap();
    let store = Store::new(folder.checkpoints(), 2).unwrap();
    let ledger = Ledger::open(setup, &folder, store, console, RECIPE, None).unwrap();
    Run::begin(setup, initial_policy(setup).unwrap(), Vec::new(), ledger, console).unwrap()
}

/// Weights that stay finite and make logits that do not.
fn break_policy(policy: &mut Policy) {
    let norm = policy.layout.final_norm.clone();
    let _ =
        policy.update(|master| master.narrow(0, norm.start, norm.n_elements()).fill_(f64::from(f32::MAX)));
}

#[test]
fn steps_without_a_finite_distribution_are_skipped_until_there_are_ten_in_a_row() {
    let setup = Setup::new(Recipe::parse("test.toml", RECIPE, &[]).unwrap()).unwrap();
    let (dir, console) = (tempfile::tempdir().unwrap(), Console::new());
    let mut run = begin(&setup, dir.path(), &console);
    let good = run.policy.master().copy();
    break_policy(&mut run.policy);
    run.step = 1;
    let row = run.train_step().unwrap();
    assert_eq!((row.get("optim/skipped"), run.refused_in_a_row), (Some(1.0), 1));
    assert_eq!(run.learner.optimizer.state().updates, 0);

    run.policy.set_master(&good).unwrap();
    run.step = 2;
    let row = run.train_step().unwrap();
    assert_eq!((row.get("optim/skipped"), run.refused_in_a_row), (Some(0.0), 0));
    assert_eq!(run.learner.optimizer.state().updates, 1);

    break_policy(&mut run.policy);
    run.step = 0;
    let error = run.go(&Interrupt::default()).unwrap_err();
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.exit_code(), 4);
    let text = failure.to_string();
    assert!(
        text.starts_with("step 10: 10 updates in a row were not finite, the last because prompt "),
        "{text}"
    );
    assert!(text.contains("the distribution of token 0 is not finite"), "{text}");
}

/// The wrong log-probability stands where the measurement before the first update would have put it.
#[test]
fn a_first_pass_that_contradicts_the_measurement_ends_the_run() {
    let setup = Setup::new(Recipe::parse("test.toml", RECIPE, &[]).unwrap()).unwrap();
    let (dir, console) = (tempfile::tempdir().unwrap(), Console::new());
    let mut run = begin(&setup, dir.path(), &console);
    run.step = 1;
    let trees = run.source.next(&run.policy, 1, &mut |_| ()).unwrap().trees;
    let measurer = Measurer { policy: &run.policy, reference: None, temperature: 1.0, max_tokens: 512 };
    let measured = measurer.measure(trees, run.needs()).unwrap();
    let credited = credit(measured, run.estimator.as_ref(), setup.recipe.advantage.without_signal()).unwrap();
    let mismatch = metrics::Mismatch { mean: 0.0, max: 0.0, kl: 0.0 };

    let mut samples = flatten(&credited);
    let report = run.learner.update(&mut run.policy, &samples, 0.0, &mut |_| ()).unwrap();
    assert!(run.check_first_step(&mismatch, &report.metrics).is_ok());
    samples[1].old_logprobs.as_mut().unwrap()[0] -= 0.1;
    let report = run.learner.update(&mut run.policy, &samples, 0.0, &mut |_| ()).unwrap();
    let error = run.check_first_step(&mismatch, &report.metrics).unwrap_err();
    assert!(error.to_string().contains("the new-to-old log-ratio by 1.00e-1"), "{error:#}");
    run.step = 2;
    assert!(run.check_first_step(&mismatch, &report.metrics).is_ok());
}
