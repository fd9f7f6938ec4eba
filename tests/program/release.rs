//! A release: one file that runs where it is unpacked.

use std::fs;
use std::process::Command;

use super::place::Place;

/// In an empty environment, in another folder, with nothing of the checkout in sight.
#[test]
#[ignore = "packs half a gigabyte, a minute: cargo test --release --test program release -- --ignored"]
fn a_release_runs_where_it_is_unpacked() {
    let place = Place::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/release");
    let out = place.path("dist");
    let made =
        Command::new(script).args(["--program", env!("CARGO_BIN_EXE_rlcredit")]).arg(&out).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let name = concat!("rlcredit-", env!("CARGO_PKG_VERSION"), "-x86_64-linux");
    fs::create_dir(place.path("elsewhere")).unwrap();
    let unpacked = Command::new("tar")
        .args(["--extract", "--file"])
        .arg(out.join(format!("{name}.tar.gz")))
        .current_dir(place.path("elsewhere"))
        .status();
    assert!(unpacked.unwrap().success());
    let home = place.path("elsewhere").join(name);
    let run = |args: &[&str]| {
        let ended =
            Command::new(home.join("bin/rlcredit")).args(args).env_clear().current_dir("/").output().unwrap();
        assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    };
    assert!(run(&["--version"]).starts_with("rlcredit "));
    let runs = place.path("runs");
    let recipe = home.join("recipes/countdown_quick.toml");
    let sets = ["run.steps=1", "sft.steps=2", "batch.prompts=2", "eval.every=0", "data.eval_items=4"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    run(&[&["train", recipe.to_str().unwrap(), "--runs", runs.to_str().unwrap()], &sets[..]].concat());
    assert!(runs.join("countdown_quick/checkpoints/step_000001").is_dir());
    for file in [
        "LICENSE",
        "README.md",
        "docs/getting-started.md",
        "share/man/man1/rlcredit-train.1",
        "share/bash-completion/completions/rlcredit",
        "share/zsh/site-functions/_rlcredit",
        "share/fish/vendor_completions.d/rlcredit.fish",
        "share/licences/README",
    ] {
        assert!(home.join(file).is_file(), "{file}");
    }
    let page = fs::read_to_string(home.join("share/man/man1/rlcredit-train.1")).unwrap();
    assert!(!page.contains(env!("CARGO_MANIFEST_DIR")), "{page}");
    // Where it was built is nobody's business, and nothing is looked for there.
    let binary = fs::read(home.join("bin/rlcredit")).unwrap();
    let torch = b"/torch/lib:$ORIGIN";
    assert!(!binary.windows(torch.len()).any(|part| part == torch));
}
