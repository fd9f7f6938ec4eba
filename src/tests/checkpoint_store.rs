//! Checkpoints are complete or absent, whatever happens while they are written.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{child, myself};
use crate::checkpoint::{CheckpointConfig, Latest, Store, VerifiedCheckpoint, is_unfinished};
use crate::types::{Purpose, RunRandom};

/// Fills a checkpoint with files that depend on the step alone.
fn fill(step: u64) -> impl FnOnce(&Path) -> anyhow::Result<()> {
    move |folder| {
        fs::create_dir(folder.join("model"))?;
        fs::write(folder.join("model/model.safetensors"), vec![step as u8; 200_000])?;
        fs::write(folder.join("optimizer.safetensors"), vec![!step as u8; 400_000])?;
        Ok(fs::write(folder.join("state.json"), step.to_string())?)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

/// The step of the latest checkpoint, which must be whole.
fn latest_step(store: &Store) -> u64 {
    let Some(latest) = store.latest().unwrap() else { return 0 };
    let checkpoint = VerifiedCheckpoint::open(&latest.folder).unwrap();
    let state = fs::read_to_string(checkpoint.file("state.json").unwrap()).unwrap();
    assert_eq!(state, checkpoint.step().to_string());
    checkpoint.step()
}

/// A checkpoint whose step is still to be evaluated says so until it is written anew, and a process killed between the two
/// leaves one of them in its place.
#[test]
fn a_checkpoint_that_waits_for_its_evaluation_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 2).unwrap();
    let state = |text: &'static str| move |dir: &Path| Ok(fs::write(dir.join("state.json"), text)?);
    let (waiting, done) = (r#"{"step":3,"unfinished":{"a":1}}"#, r#"{"step":3}"#);
    let read = |folder: &Path| fs::read_to_string(folder.join("step_000003/state.json")).unwrap();
    store.write(3, state(waiting)).unwrap();
    assert!(is_unfinished(&folder.path().join("step_000003")).unwrap());
    store.write(3, state(done)).unwrap();
    assert_eq!(read(folder.path()), done);
    store.write(3, state(waiting)).unwrap();
    assert_eq!(read(folder.path()), done, "what is whole is kept");

    // Killed behind each of the two renames, and while the old one is removed.
    let (target, old) = (folder.path().join("step_000003"), folder.path().join(".step_000003.old.tmp-1"));
    fs::rename(&target, &old).unwrap();
    let store = Store::new(folder.path(), 2).unwrap();
    assert_eq!(names(folder.path()), ["latest", "step_000003"]);
    assert_eq!(store.latest().unwrap().unwrap().note, None);
    for left in ["state.json", "manifest.json"] {
        fs::create_dir(&old).unwrap();
        fs::copy(target.join(left), old.join(left)).unwrap();
        Store::new(folder.path(), 2).unwrap();
        assert_eq!((names(folder.path()).len(), read(folder.path())), (2, done.to_owned()));
    }
}

const REPLACER: &str = "CHECKPOINT_STORE_REPLACER";

/// Not a test of its own: what the child process of the next test does, which may open few files at once.
#[test]
fn child_replaces_what_it_cannot_remove() {
    let Some(folder) = std::env::var_os(REPLACER) else { return };
    let store = Store::new(folder, 2).unwrap();
    store.write(3, |dir| Ok(fs::write(dir.join("state.json"), r#"{"step":3}"#)?)).unwrap();
    println!("\nreplaced");
}

/// As with a file that somebody has open on a network disk: the removal of a folder opens those in it one within the other.
#[test]
fn a_checkpoint_that_cannot_be_removed_is_replaced_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 2).unwrap();
    let state = r#"{"step":3,"unfinished":{"a":1}}"#;
    let checkpoint = store.write(3, |dir| Ok(fs::write(dir.join("state.json"), state)?)).unwrap();
    fs::create_dir_all(checkpoint.join("d/".repeat(100))).unwrap();

    let ended = Command::new("sh")
        .args(["-c", "ulimit -n 60; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(child(module_path!(), "child_replaces_what_it_cannot_remove"))
        .env(REPLACER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success() && said.contains("replaced"), "{said}");
    assert_eq!(fs::read_to_string(checkpoint.join("state.json")).unwrap(), r#"{"step":3}"#);
    let left = names(folder.path());
    assert!(left.len() == 3 && left[0].starts_with(".step_000003.old.tmp-"), "removed after all: {left:?}");

    // The next start takes the new one, and removes what is left.
    let store = Store::new(folder.path(), 2).unwrap();
    assert_eq!(names(folder.path()), ["latest", "step_000003"]);
    assert_eq!(store.latest().unwrap().unwrap().note, None);
}

#[test]
fn the_newest_are_kept_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("checkpoints"), 2).unwrap();
    assert_eq!(store.latest().unwrap(), None);
    for step in [20, 40, 60] {
        store.write(step, fill(step)).unwrap();
    }
    let folder = folder.path().join("checkpoints");
    assert_eq!(names(&folder), ["latest", "step_000040", "step_000060"]);
    assert_eq!(fs::read_to_string(folder.join("latest")).unwrap(), "step_000060\n");
    assert_eq!(store.latest().unwrap(), Some(Latest { folder: folder.join("step_000060"), note: None }));

    let checkpoint = VerifiedCheckpoint::open(folder.join("step_000060")).unwrap();
    let files: Vec<&str> = checkpoint.files().collect();
    assert_eq!(files, ["model/model.safetensors", "optimizer.safetensors", "state.json"]);
    assert!(checkpoint.file("critic/model.safetensors").is_err());

    let all = Store::new(&folder, 0).unwrap();
    (61..65).for_each(|step| drop(all.write(step, fill(step)).unwrap()));
    assert_eq!(names(&folder).len(), 7, "keep = 0 keeps all");
}

#[test]
fn the_manifest_holds_sizes_and_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 2).unwrap();
    let path = store.write(1, |folder| Ok(fs::write(folder.join("state.json"), "abc")?)).unwrap();
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(path.join("manifest.json")).unwrap()).unwrap();
    // SHA-256 of "abc" as FIPS 180-2 gives it.
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let files = serde_json::json!({ "state.json": { "size": 3, "sha256": sha256 } });
    assert_eq!(manifest, serde_json::json!({ "step": 1, "files": files }));
}

#[test]
fn a_step_that_is_already_saved_is_kept_unless_it_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 2).unwrap();
    let path = store.write(7, fill(7)).unwrap();
    store.write(7, |_| anyhow::bail!("not to be called")).unwrap();
    fs::write(path.join("state.json"), "8").unwrap();
    store.write(7, fill(7)).unwrap();
    assert_eq!(latest_step(&store), 7);
}

#[test]
fn damage_is_found_and_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 2).unwrap();
    store.write(20, fill(20)).unwrap();
    let path = store.write(40, fill(40)).unwrap();
    let optimizer = path.join("optimizer.safetensors");
    let error = || format!("{:#}", VerifiedCheckpoint::open(&path).unwrap_err());

    let mut bytes = fs::read(&optimizer).unwrap();
    bytes[123_456] ^= 1;
    fs::write(&optimizer, &bytes).unwrap();
    assert!(error().contains("optimizer.safetensors: damaged: SHA-256 "), "{}", error());
    fs::write(&optimizer, &bytes[..1_000]).unwrap();
    assert!(error().contains("optimizer.safetensors: damaged: 1000 bytes, expected 400000"), "{}", error());
    fs::remove_file(&optimizer).unwrap();
    assert!(error().contains("optimizer.safetensors: missing"), "{}", error());
    fs::write(path.join("manifest.json"), "{").unwrap();
    assert!(error().contains("manifest.json: damaged"), "{}", error());

    assert!(error().contains("to continue from step_000020 write that name into"), "{}", error());
    fs::write(folder.path().join("latest"), "step_000020").unwrap();
    assert_eq!(latest_step(&store), 20);
}

#[test]
fn a_latest_that_names_nothing_is_replaced_by_the_newest_complete_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 0).unwrap();
    for step in [9, 10] {
        store.write(step, fill(step)).unwrap();
    }
    // A folder without a manifest is not complete, however high its number.
    fs::create_dir(folder.path().join("step_000011")).unwrap();
    for (wrong, expected) in
        [("step_000099\n", "names step_000099, which"), ("../x", "names ../x"), ("", "is missing")]
    {
        fs::write(folder.path().join("latest"), wrong).unwrap();
        let latest = store.latest().unwrap().unwrap();
        assert_eq!(latest.folder, folder.path().join("step_000010"));
        assert!(latest.note.as_deref().unwrap().contains(expected), "{:?}", latest.note);
    }
}

#[test]
fn checkpoints_that_are_all_gone_are_missed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 2).unwrap();
    let checkpoint = store.write(8, fill(8)).unwrap();
    fs::remove_dir_all(&checkpoint).unwrap();
    let error = store.latest().unwrap_err().to_string();
    assert!(
        error.contains("latest names step_000008, which is gone") && error.contains("begin again"),
        "{error}"
    );
    store.write(9, fill(9)).unwrap();
    assert_eq!(latest_step(&store), 9);
}

#[test]
fn a_full_disk_costs_only_the_checkpoint_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 1).unwrap();
    store.write(20, fill(20)).unwrap();
    let error = store.write(40, |folder| {
        fill(40)(folder)?;
        // The device that is always full.
        let mut full = fs::OpenOptions::new().write(true).open("/dev/full")?;
        Ok(full.write_all(b"more")?)
    });
    let error = format!("{:#}", error.unwrap_err());
    let folder_name = folder.path().display();
    let expected = format!(
        "could not write {folder_name}/step_000040: the disk is full ({folder_name}/step_000020 is untouched); make \
         room, then continue with --resume"
    );
    assert_eq!(error, expected);
    assert_eq!(names(folder.path()), ["latest", "step_000020"]);
    assert_eq!(latest_step(&store), 20);
}

#[test]
fn unknown_keys_of_the_recipe_are_refused() {
    let parse = |text: &str| serde_json::from_str::<CheckpointConfig>(text);
    assert_eq!(
        parse("{}").unwrap(),
        CheckpointConfig { every: 50, keep: 2, best: None, keep_model_every: 0 }
    );
    assert_eq!(parse(r#"{"every": 20}"#).unwrap().every, 20);
    assert!(parse(r#"{"evry": 20}"#).is_err());
}

const CHILD: &str = "CHECKPOINT_STORE_CHILD";

/// Not a test of its own: what the child process of the next test does, writing until it is killed.
#[test]
fn child_writes_until_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let store = Store::new(folder, 2).unwrap();
    println!("\nwriting");
    for step in latest_step(&store) + 1.. {
        store.write(step, fill(step)).unwrap();
    }
}

#[test]
fn killed_at_any_moment_the_latest_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let random = RunRandom::new(0);
    let (mut reached, mut cut_short) = (0, 0);
    for round in 0..40 {
        let mut writer = myself()
            .args(child(module_path!(), "child_writes_until_killed"))
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Loading the libraries takes longer than the writes; only these are to be cut short.
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "writing"));
        std::thread::sleep(Duration::from_micros(10_000 + random.bits(Purpose::Sample, &[round]) % 40_000));
        writer.kill().unwrap();
        writer.wait().unwrap();
        cut_short += usize::from(names(folder.path()).iter().any(|name| name.starts_with('.')));

        let store = Store::new(folder.path(), 2).unwrap();
        assert!(names(folder.path()).iter().all(|name| !name.starts_with('.')), "leftovers are removed");
        let step = latest_step(&store);
        assert!(step >= reached, "step {step} after {reached}");
        reached = step;
    }
    assert!(
        reached > 0 && cut_short > 0,
        "{reached} steps, {cut_short} writes cut short: nothing was tested"
    );
}
