//! Training by libtorch's operations, the way of a GPU, held against the kernels.

use std::fs;

use serde_json::Value;

use super::place::{FINISHED, Place, RECIPE, copy};

/// Entries of [`RECIPE`] that this replaces, by what: the rhythm of the policy's own attention, a critic, trees.
const RHYTHM: [(&str, &str); 1] = [(
    "[loss.policy]",
    "[signals]\nhorizon = [2, 8]\n[[credit]]\ntype = \"rhythm\"\n[[credit]]\ntype = \"entropy\"\n[loss.policy]",
)];
const PPO: [(&str, &str); 1] = [(
    "type = \"group\"\n[loss.policy]",
    "type = \"gae\"\nlambda = 0.9\n[critic]\noptim = { lr = 1e-3 }\n[loss]\nentropy_bonus = 0.01\n[loss.kl]\n\
     coef = 0.1\nestimator = \"k3\"\n[loss.policy]",
)];
const TREES: [(&str, &str); 2] = [
    (
        "type = \"group\"\nsize = 4\n[sampling]",
        "type = \"tree\"\nroots = 3\nbranches = 2\ncontinuations = 2\n[explore.rule]\ntype = \"attention\"\ndistance = 1\n\
         min_start = 0\nmin_gap = 0\n[sampling]\ntop_k = 40\ntop_p = 0.98",
    ),
    ("[advantage]\ntype = \"group\"", "[advantage]\ntype = \"tree\""),
];

/// A place with the warm policy of [`RECIPE`] as a folder, and `recipe.toml`, which starts from it with `changes`.
fn place(changes: &[(&str, &str)]) -> Place {
    let place = Place::new();
    let warm = fs::read_dir(FINISHED.path("runs/.warm_starts")).unwrap().map(|entry| entry.unwrap().path());
    let warm = warm.map(|kept| kept.join("step_000020/model")).find(|model| model.is_dir()).unwrap();
    copy(&warm, &place.path("warm"));
    let (before, rest) = RECIPE.split_once("[sft]").unwrap();
    let (_, after) = rest.split_once("[data]").unwrap();
    let recipe = format!("{before}[data]{after}").replace("scratch = \"countdown2m\"", "path = \"warm\"");
    let recipe = changes.iter().fold(recipe, |recipe, (old, new)| {
        assert!(recipe.contains(old), "{old}");
        recipe.replace(old, new)
    });
    place.write("recipe.toml", recipe);
    place
}

/// The metrics of two steps by `backend` in `dtype`.
fn train(place: &Place, backend: &str, dtype: &str) -> Vec<Value> {
    let name = format!("{backend}_{dtype}");
    let (backend, dtype) = (format!("model.backend=\"{backend}\""), format!("model.dtype=\"{dtype}\""));
    let sets = [&backend, &dtype, "model.device=\"cpu\"", "run.steps=2", "eval.every=0", "eval.samples=1"];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let ended =
        place.run(&["train", "recipe.toml", "--name", &name].into_iter().chain(sets).collect::<Vec<_>>());
    assert_eq!(ended.code, 0, "{name}: {}", ended.err);
    place.lines(&format!("runs/{name}/metrics.jsonl"))
}

/// The first step in f32 is the same but for rounding, whatever it needs; in bf16 it is near that of f32, and what samples and
/// what learns agree.
fn check(changes: &[(&str, &str)], keys: &[&str]) {
    let place = place(changes);
    let [cpu, ops, half] = [("auto", "f32"), ("ops", "f32"), ("ops", "bf16")]
        .map(|(backend, dtype)| train(&place, backend, dtype));
    let of = |row: &Value, key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key}: {row}"));
    let usual =
        ["reward/mean", "response_length/mean", "policy/entropy", "optim/grad_norm", "optim/param_delta"];
    for key in usual.iter().chain(keys) {
        let (a, b) = (of(&cpu[0], key), of(&ops[0], key));
        assert!((a - b).abs() < 0.01 * a.abs() + 1e-3, "{key}: {a} by kernels, {b} by operations");
    }
    // What top-k and top-p leave out is a difference too, and the same for all.
    let mismatch = |row: &Value| of(row, "mismatch/logprob_abs_mean");
    for (rows, most) in [(&ops, 1e-3), (&half, 0.1)] {
        assert_eq!(rows.len(), 2);
        for (row, by_kernels) in rows.iter().zip(&cpu) {
            assert!((mismatch(row) - mismatch(by_kernels)).abs() < most, "{by_kernels} {row}");
        }
    }
    let entropy = |rows: &[Value]| of(&rows[0], "policy/entropy");
    assert!((entropy(&half) - entropy(&ops)).abs() < 0.3, "{} {}", entropy(&half), entropy(&ops));
    for key in keys {
        assert!(of(&half[0], key).is_finite());
    }
}

#[test]
fn rhythm_trains_by_operations_as_by_kernels() {
    check(&RHYTHM, &["credit/boosted_frac", "credit/gain_mean"]);
}

#[test]
fn ppo_trains_by_operations_as_by_kernels() {
    check(&PPO, &["loss/value", "optim/critic_grad_norm", "policy/kl_ref", "loss/entropy"]);
}

#[test]
fn trees_train_by_operations_as_by_kernels() {
    check(&TREES, &["tree/leaves", "tree/shared_token_frac"]);
}

#[test]
fn the_backend_is_said_and_a_change_of_it_too() {
    let place = Place::after_step_3();
    let environment = place.json("runs/tiny/env.json");
    assert_eq!(environment["backend"], "cpu");
    let ended = place.run(&["train", "tiny.toml", "--resume", "--set", "model.backend=\"ops\""]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for said in ["model.backend: \"ops\" now, \"auto\" in the run", "(backend ops now, cpu before)"] {
        assert!(ended.err.contains(said), "{said}: {}", ended.err);
    }
    let resumed = place.lines("runs/tiny/history.jsonl").pop().unwrap();
    assert_eq!(resumed["changes"][0]["effect"], "speed_or_measuring");
    for (backend, said) in [("auto", "cpu"), ("ops", "ops")] {
        let set = format!("model.backend=\"{backend}\"");
        let ended = place.run(&["check", "tiny.toml", "--set", &set, "--set", "model.dtype=\"f32\""]);
        assert!(ended.out.contains(&format!("computes in f32 on cpu, backend {said}")), "{}", ended.out);
    }
    let ended = place.run(&["check", "tiny.toml", "--set", "model.backend=\"cuda\""]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("expected one of \"auto\", \"ops\""), "{}", ended.err);
}
