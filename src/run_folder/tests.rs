#![expect(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::types::RunId;

fn write_recipe(run: &RunFolder, given: Option<&str>, resolved: &str) {
    let mut manifest = RunManifest::new(RunId::draw().unwrap());
    fs::write(run.inputs(), "{}").unwrap();
    run.write_recipe(&mut manifest, given, resolved).unwrap();
}

#[test]
fn a_new_run_refuses_the_folder_of_another() {
    let runs = tempfile::tempdir().unwrap();
    let run = RunFolder::create(runs.path(), "countdown").unwrap();
    write_recipe(&run, Some("seed = 0 # mine\n"), "seed = 0\nsteps = 1\n");
    assert_eq!(fs::read_to_string(run.recipe()).unwrap(), "seed = 0 # mine\n");

    let error = RunFolder::create(runs.path(), "countdown").unwrap_err().to_string();
    for part in ["countdown already holds a run, without a checkpoint", "--resume", "--name"] {
        assert!(error.contains(part), "{error}");
    }
    fs::write(run.checkpoints().join("latest"), "step_000040\n").unwrap();
    let error = RunFolder::create(runs.path(), "countdown").unwrap_err().to_string();
    assert!(error.contains("with checkpoint step_000040;"), "{error}");
    assert_eq!(RunFolder::open(runs.path(), "countdown").unwrap(), run);
}

#[test]
fn an_empty_folder_is_free_and_an_absent_run_cannot_continue() {
    let runs = tempfile::tempdir().unwrap();
    fs::create_dir(runs.path().join("empty")).unwrap();
    let started = RunFolder::create(runs.path(), "empty").unwrap();
    // Killed before `resolved.toml` was there, so that --resume cannot take it up either.
    let lock = started.lock().unwrap();
    fs::write(started.recipe(), "").unwrap();
    assert!(RunFolder::create(runs.path(), "empty").is_ok());
    let error = started.lock().unwrap_err().to_string();
    assert!(error.contains("another process is training in this folder"), "{error}");
    drop(lock);
    assert!(started.lock().is_ok());
    fs::write(started.rollouts(1), "").unwrap();
    assert!(RunFolder::create(runs.path(), "empty").is_err());

    let error = RunFolder::open(runs.path(), "other").unwrap_err().to_string();
    assert!(error.contains("other: no run to continue") && error.contains("without --resume"), "{error}");
    assert!(!runs.path().join("other").exists());
}

#[test]
fn a_checkpoint_is_known_to_be_of_its_run() {
    let runs = tempfile::tempdir().unwrap();
    let run = RunFolder::create(runs.path(), "countdown").unwrap();
    let model = run.checkpoint(3).join("model");
    fs::create_dir_all(&model).unwrap();
    assert_eq!(RunFolder::around(&model), None);
    write_recipe(&run, None, "");
    for within in [&run.root().to_owned(), &run.checkpoints(), &run.checkpoint(3), &model] {
        assert_eq!(RunFolder::around(within).as_ref(), Some(&run), "{}", within.display());
    }
    // What else lies there, or beside it, is none of the run's models.
    for other in [run.root().join("rollouts"), runs.path().to_owned(), run.root().join("absent/model")] {
        assert_eq!(RunFolder::around(&other), None, "{}", other.display());
    }
    // Through a link, whose own path says nothing.
    let link = runs.path().join("link");
    std::os::unix::fs::symlink(&model, &link).unwrap();
    let found = RunFolder::around(&link).unwrap();
    assert_eq!(found.root(), fs::canonicalize(run.root()).unwrap());
}
