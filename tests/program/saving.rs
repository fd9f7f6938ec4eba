//! What may go wrong with files that a run writes or continues from.

use std::fs;

use super::place::{FINISHED, Place, assert_same_run, finish};

/// Spoils the file `name` of the newest checkpoint and gives what `--resume` says, which must be a refusal.
fn refusal(name: &str, spoil: impl Fn(&mut Vec<u8>)) -> String {
    let place = Place::after_step_3();
    let path = place.path("runs/tiny/checkpoints/step_000003").join(name);
    let mut bytes = fs::read(&path).unwrap();
    spoil(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let ended = place.run(&["train", "tiny.toml", "--resume"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(!place.path("runs/tiny/rollouts/step_000004.jsonl").exists());
    ended.err
}

#[test]
fn a_damaged_checkpoint_is_refused_by_the_name_of_the_file() {
    for name in ["model/model.safetensors", "optimizer.safetensors", "state.json", "model/tokenizer.json"] {
        let said = refusal(name, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
        let expected = format!("error: runs/tiny/checkpoints/step_000003/{name}: damaged: SHA-256 ");
        assert!(said.contains(&expected), "{said}");
        let said = refusal(name, |bytes| bytes.truncate(bytes.len() - 1));
        assert!(said.contains(&format!("{name}: damaged: ")) && said.contains(" bytes, expected "), "{said}");
    }
    let said = refusal("manifest.json", |bytes| bytes.truncate(20));
    assert!(said.contains("manifest.json: damaged: "), "{said}");
}

#[test]
fn a_missing_file_of_a_checkpoint_is_named_and_another_checkpoint_offered() {
    let place = Place::new();
    super::place::copy(&FINISHED.path("runs"), &place.path("runs"));
    fs::remove_file(place.path("runs/tiny/checkpoints/step_000006/optimizer.safetensors")).unwrap();
    let ended = place.run(&["train", "tiny.toml", "--resume"]);
    assert_eq!(ended.code, 3);
    for part in
        ["step_000006/optimizer.safetensors: missing", "to continue from step_000003 write that name into"]
    {
        assert!(ended.err.contains(part), "{}", ended.err);
    }
    place.write("runs/tiny/checkpoints/latest", "step_000003\n");
    assert_eq!(place.run(&["train", "tiny.toml", "--resume"]).code, 0);
    assert_same_run(&FINISHED.path("runs/tiny"), &place.path("runs/tiny"));
}

#[test]
fn a_changed_recipe_is_refused_with_the_difference() {
    let place = Place::after_step_3();
    let before = place.read("runs/tiny/resolved.toml");
    let args = ["train", "tiny.toml", "--resume", "--set", "optim.lr=5e-4", "--set", "batch.prompts=2"];
    let ended = place.run(&args);
    assert_eq!(ended.code, 3);
    for part in ["optim.lr: 0.0005 now, 0.001 in the run", "batch.prompts: 2 now, 4 in the run", "--name"] {
        assert!(ended.err.contains(part), "{}", ended.err);
    }
    assert_eq!(place.read("runs/tiny/resolved.toml"), before);
    // What does not shape the run is free.
    let ended = place.run(&["train", "tiny.toml", "--resume", "--set", "checkpoint.every=1"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
}

#[test]
fn an_existing_run_needs_resume_and_resume_needs_a_run() {
    let place = Place::after_step_3();
    let ended = place.run(&["train", "tiny.toml"]);
    assert_eq!(ended.code, 2);
    for part in ["runs/tiny already holds a run, with checkpoint step_000003", "--resume", "--name"] {
        assert!(ended.err.contains(part), "{}", ended.err);
    }
    let ended = place.run(&["train", "tiny.toml", "--resume", "--name", "other"]);
    assert_eq!(ended.code, 3);
    assert!(ended.err.contains("runs/other: no run to continue"), "{}", ended.err);
    assert!(!place.path("runs/other").exists());
}

#[test]
fn a_run_without_its_recipe_is_called_damaged_either_way_and_mended_as_told() {
    let place = Place::after_step_3();
    fs::remove_file(place.path("runs/tiny/resolved.toml")).unwrap();
    for (args, code) in
        [(&["tiny.toml"][..], 2), (&["tiny.toml", "--resume"], 3), (&["runs/tiny", "--resume"], 3)]
    {
        let ended = place.run(&[&["train"], args].concat());
        assert_eq!(ended.code, code, "{}", ended.err);
        let said = "runs/tiny: damaged: resolved.toml is missing, but there is checkpoint step_000003";
        assert!(ended.err.contains(said), "{}", ended.err);
        assert!(ended.err.contains("rlcredit check runs/tiny/recipe.toml --name tiny "), "{}", ended.err);
    }
    let resolved = place.run(&["check", "runs/tiny/recipe.toml", "--resolved"]);
    place.write("runs/tiny/resolved.toml", resolved.out);
    assert_eq!(place.run(&["train", "runs/tiny", "--resume"]).code, 0);
    assert_same_run(&FINISHED.path("runs/tiny"), &place.path("runs/tiny"));

    fs::create_dir_all(place.path("runs/other")).unwrap();
    place.write("runs/other/notes.txt", "mine");
    for more in [&[][..], &["--resume"]] {
        let ended = place.run(&[&["train", "tiny.toml", "--name", "other"], more].concat());
        for part in ["runs/other: there are files in there", "--name, or remove the folder"] {
            assert!(ended.err.contains(part), "{}", ended.err);
        }
    }
}

/// Under a name that is not the recipe's and that a shell would take apart, with a key set besides.
#[test]
fn a_run_with_a_name_of_its_own_is_mended_by_the_very_command_that_is_named() {
    let place = Place::warmed();
    let set = ["--set", "run.steps=1"];
    let ended = place.run(&[&["train", "tiny.toml", "--name", "my 1st (run)"], &set[..]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let path = "runs/my 1st (run)/resolved.toml";
    let resolved = place.read(path);
    for damage in [Some(resolved.replace("lr = 0.001", "lr = 0.003")), None] {
        match &damage {
            Some(text) => place.write(path, text),
            None => fs::remove_file(place.path(path)).unwrap(),
        }
        let refused = place.run(&["train", "runs/my 1st (run)", "--resume"]);
        assert_eq!(refused.code, 3, "{}", refused.err);
        let command = refused.err.split('`').find(|part| part.contains("rlcredit check ")).unwrap();
        let command = format!("{command} {}", set.join(" "));
        let ended = finish(place.command("sh", &["-c", &command]).spawn().unwrap());
        assert_eq!((ended.code, place.read(path)), (0, resolved.clone()), "{command}: {}", ended.err);
        let ended = place.run(&["train", "runs/my 1st (run)", "--resume"]);
        assert_eq!(ended.code, 0, "{}", ended.err);
    }
}

/// A limit on the size of a file stands in for a full disk: the write fails half way, as it would there.
#[test]
fn a_full_disk_costs_no_checkpoint() {
    let place = Place::after_step_3();
    // 4 MiB, in blocks of 512 or 1,024 bytes: more than a step's rollouts, less than the weights.
    let ended = place.limited("trap '' XFSZ; ulimit -f 4096", &["train", "tiny.toml", "--resume"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    let said = "error: the checkpoint of step 6 could not be written into runs/tiny/checkpoints \
                (runs/tiny/checkpoints/step_000003 is untouched); repair the cause, then continue with --resume";
    assert!(ended.err.contains(said), "{}", ended.err);
    assert!(ended.err.contains("model.safetensors: File too large"), "{}", ended.err);
    assert_eq!(fs::read_dir(place.path("runs/tiny/checkpoints")).unwrap().count(), 2);
    let ended = place.run(&["train", "tiny.toml", "--resume"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_same_run(&FINISHED.path("runs/tiny"), &place.path("runs/tiny"));
}

#[test]
fn a_full_disk_before_the_first_checkpoint_is_a_sentence_too() {
    let place = Place::new();
    for blocks in [1, 16, 4096] {
        let name = format!("limit_{blocks}");
        let limits = format!("trap '' XFSZ; ulimit -f {blocks}");
        let ended = place.limited(&limits, &["train", "tiny.toml", "--name", &name]);
        assert_eq!(ended.code, 1, "{}", ended.err);
        let errors: Vec<&str> = ended.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains("runs/"), "{}", ended.err);
    }
    let ended = place.run(&["train", "tiny.toml"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_same_run(&FINISHED.path("runs/tiny"), &place.path("runs/tiny"));
}
