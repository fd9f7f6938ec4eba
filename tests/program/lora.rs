//! Adapters: trained, resumed, measured, exported and refused, on the model that a plain run has made.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::place::{FINISHED, Place, RECIPE, copy};
use super::resume::killed_and_resumed_in;

/// A place with a model in `base`.
fn place() -> Place {
    let place = Place::new();
    copy(&FINISHED.path("runs/tiny/checkpoints/step_000006/model"), &place.path("base"));
    place
}

/// Adapters beside that model learn, without SFT.
fn recipe() -> String {
    let (before, rest) = RECIPE.split_once("[sft]").unwrap();
    let (_, behind) = rest.split_once("[data]").unwrap();
    of_base(before) + "[data]" + behind
}

fn of_base(recipe: &str) -> String {
    let lora = "path = \"base\"\ndtype = \"f32\"\n[model.lora]\nrank = 4\nalpha = 8";
    recipe.replace("scratch = \"countdown2m\"", lora)
}

fn sets(place: &Place, args: &[&str]) -> Value {
    let ended = place.run(&[&["eval", "--json", "--dtype", "f32"], args].concat());
    assert_eq!(ended.code, 0, "{args:?}: {}", ended.err);
    let mut results: Value = serde_json::from_str(&ended.out).unwrap();
    let mut set = results["sets"]["heldout"].take();
    for key in ["settings", "time"] {
        set.as_object_mut().unwrap().remove(key).unwrap();
    }
    set
}

/// With a reference, which is the base, and a divergence from it.
#[test]
fn a_run_of_adapters_resumes() {
    let kl = "[loss.kl]\ncoef = 0.1\nestimator = \"k3\"\n";
    let recipe = recipe().replace("lr = 1e-3", "lr = 1e-2\nweight_decay = 0.01") + kl;
    let place = killed_and_resumed_in(place(), &recipe);
    let rows = place.lines("runs/whole/metrics.jsonl");
    let of = |row: usize, key: &str| rows[row][key].as_f64().unwrap();
    assert!(of(5, "policy/kl_ref") > 0.0 && of(5, "loss/kl") > 0.0, "{}", rows[5]);
    assert!(rows.iter().filter(|row| row["optim/param_delta"].as_f64().unwrap() > 0.0).count() >= 4);
}

/// A run, a checkpoint, its folder of adapters, and what is exported of them, are one policy.
#[test]
fn a_run_of_adapters_is_what_its_folders_say() {
    let place = place();
    place.write("other.toml", recipe().replace("lr = 1e-3", "lr = 1e-2"));
    let ended = place.run(&["train", "other.toml", "--name", "whole"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains(" M parameters and 0.") && ended.err.contains(" M of adapters, which learn"));
    let last = "runs/whole/checkpoints/step_000006";
    let files = |folder: &str| {
        let mut names: Vec<String> = fs::read_dir(place.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let of_model = files(&format!("{last}/model"));
    assert_eq!(of_model[..2], ["adapter_config.json", "adapter_model.safetensors"], "{of_model:?}");
    assert!(
        !of_model.iter().any(|name| name == "config.json" || name == "model.safetensors"),
        "{of_model:?}"
    );
    let size = |file: &str| fs::metadata(place.path(file)).unwrap().len();
    let moments = size(&format!("{last}/optimizer.safetensors"));
    assert!(2 * size(&format!("{last}/model/adapter_model.safetensors")) > moments - 10_000, "{moments}");
    assert!(moments < size("base/model.safetensors"));
    let config = place.json(&format!("{last}/model/adapter_config.json"));
    assert_eq!(config["r"], 4);
    assert_eq!(Path::new(config["base_model_name_or_path"].as_str().unwrap()), place.path("base"));

    let mut own = place.json("runs/whole/eval/step_000006.json")["heldout"].take();
    own.as_object_mut().unwrap().remove("settings").unwrap();
    let adapter = format!("{last}/model");
    assert_eq!(sets(&place, &["runs/whole"]), own);
    assert_eq!(sets(&place, &[last]), own);
    assert_eq!(sets(&place, &[&adapter, "--recipe", "other.toml"]), own);
    let ended = place.run(&["export", "runs/whole", "merged/whole"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("merged/whole: ") && ended.out.contains("adapters of rank 4 merged into "));
    assert_eq!(sets(&place, &["merged/whole", "--recipe", "other.toml"]), own);
    let ended = place.run(&["export", "runs/whole", "merged/whole"]);
    assert!(ended.code == 2 && ended.err.contains("merged/whole: is there already"), "{}", ended.err);
    // A plain model is exported as it is.
    assert_eq!(place.run(&["export", "merged/whole", "again"]).code, 0);
    let bytes = |file: &str| fs::read(place.path(file)).unwrap();
    assert!(bytes("again/model.safetensors") == bytes("merged/whole/model.safetensors"));

    for args in [
        vec!["sample", &adapter, "Make 6 from 1, 2, 3.\n", "--max-new-tokens", "4"],
        vec!["inspect", "--run", "runs/whole", "--step", "6"],
        vec!["circuit", "runs/whole", "--set", "data.eval_items=20", "--set", "circuit.n_pairs=3", "--cheap"],
        vec![
            "audit",
            "runs/whole",
            "--set",
            "data.train_items=200",
            "--budget",
            "192",
            "--group",
            "4",
            "--continued",
            "0",
            "--probes",
            "1",
            "--credit",
            "entropy",
        ],
        vec![
            "bench",
            "--model",
            &adapter,
            "--prompts",
            "1",
            "--group",
            "2",
            "--new-tokens",
            "2",
            "--steps",
            "1",
        ],
    ] {
        let ended = place.run(&args);
        assert_eq!(ended.code, 0, "{args:?}: {}", ended.err);
    }
}

/// Adapters that imitated first, with heads left out, rollouts by a worker and a critic; models are kept for good.
#[test]
fn a_run_of_adapters_with_everything_resumes_too() {
    let recipe = of_base(RECIPE)
        .replace("[model.lora]", "scale_heads = \"0.1=0,1.2=0.5\"\n[model.lora]")
        .replace(
            "type = \"group\"\n[loss.policy]\ntype = \"clip\"",
            "type = \"gae\"\nlambda = 0.9\n[critic]\noptim = { lr = 1e-3 }\n[pipeline]\ntype = \"overlapped\"\n[loss.policy]\ntype = \"clip\"",
        )
        .replace("keep = 0", "keep = 0\nkeep_model_every = 3")
        .replace("lr = 1e-3\nsched", "lr = 1e-2\nsched");
    let place = killed_and_resumed_in(place(), &(recipe + "[loss.kl]\ncoef = 0.1\nestimator = \"k3\"\n"));
    // A reference that imitated is none of the base.
    assert!(place.path("runs/whole/reference/adapter_model.safetensors").is_file());
    let config = place.json("runs/whole/models/step_000003/model/adapter_config.json");
    assert_eq!(config["scale_heads"], "0.1=0,1.2=0.5");
    let mut own = place.json("runs/whole/eval/step_000003.json")["heldout"].take();
    own.as_object_mut().unwrap().remove("settings").unwrap();
    assert_eq!(sets(&place, &["runs/whole/models/step_000003", "--recipe", "other.toml"]), own);
}

/// Adapters are where others go on from, whole or by adapters.
#[test]
fn adapters_are_a_model_to_begin_with() {
    let place = place();
    place.write("lora.toml", recipe());
    let train = |args: &[&str]| place.run(&[&["train", "lora.toml", "--set", "run.steps=1"], args].concat());
    assert_eq!(train(&["--name", "first"]).code, 0);
    let first = "model.path=runs/first/checkpoints/step_000001/model";
    let ended = train(&["--name", "on", "--set", first]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let begun = |run: &str, moment: &str| {
        let mut of = place.json(&format!("runs/{run}/eval/{moment}.json"));
        of["heldout"]["avg@2"].take()
    };
    assert_eq!(begun("on", "step_000000"), begun("first", "step_000001"));
    let config = place.json("runs/on/checkpoints/step_000001/model/adapter_config.json");
    assert_eq!(Path::new(config["base_model_name_or_path"].as_str().unwrap()), place.path("base"));
    let ended = train(&["--name", "other", "--set", first, "--set", "model.lora.rank=3"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("[model.lora]: got rank 3, alpha 8, targets"), "{}", ended.err);

    place.write("whole.toml", recipe().replace("[model.lora]\nrank = 4\nalpha = 8", ""));
    let ended =
        place.run(&["train", "whole.toml", "--name", "whole", "--set", "run.steps=1", "--set", first]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(begun("whole", "step_000000"), begun("first", "step_000001"));
    assert!(place.path("runs/whole/checkpoints/step_000001/model/model.safetensors").is_file());
}

#[test]
fn what_makes_no_adapters_is_refused() {
    let place = place();
    place.write("lora.toml", recipe());
    let check = |set: &str| {
        let ended = place.run(&["check", "lora.toml", "--set", set]);
        assert_eq!(ended.code, 2, "{set}: {}", ended.out);
        ended.err
    };
    for (set, expected) in [
        ("model.lora.rank=0", "[model.lora] `rank`: got 0, expected at least 1"),
        (
            "model.lora.rank=193",
            "`rank`: got 193, expected at most 192, the smaller side of model.layers.0.self_attn.",
        ),
        (
            "model.lora.targets=[\"w1\"]",
            "[model.lora] `targets`: got \"w1\", expected some of q_proj, k_proj",
        ),
        (
            "model.lora.dropout=0.1",
            "[model.lora] `dropout`: got 0.1, expected 0: responses are sampled without",
        ),
        ("model.lora.rang=3", "rank"),
        ("model={scratch=\"countdown2m\", lora={}}", "[model] `lora` adapts a model that was trained"),
    ] {
        let said = check(set);
        assert!(said.contains(expected), "{set}: {said}");
    }
    assert_eq!(place.run(&["train", "lora.toml", "--name", "run", "--set", "run.steps=1"]).code, 0);
    let adapter = "runs/run/checkpoints/step_000001/model";

    // Another base under the same name: the run does not go on beside it.
    let weights = place.path("base/model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    let mut changed = bytes.clone();
    let last = changed.len() - 2;
    changed[last] ^= 1;
    fs::write(&weights, changed).unwrap();
    let ended = place.run(&["train", "lora.toml", "--name", "run", "--resume", "--set", "run.steps=1"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("base/model.safetensors: SHA-256 "), "{}", ended.err);
    fs::write(&weights, bytes).unwrap();

    fs::rename(place.path("base"), place.path("moved")).unwrap();
    let ended = place.run(&["sample", adapter, "Make 6 from 1, 2, 3.\n"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    for part in ["adapter_config.json: base_model_name_or_path: there is no folder ", "put the model back"] {
        assert!(ended.err.contains(part), "{}", ended.err);
    }
    // Others' adapters need no more than a file of theirs.
    fs::rename(place.path("moved"), place.path("base")).unwrap();
    copy(&place.path(adapter), &place.path("adapter"));
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
        let _ = fs::remove_file(place.path("adapter").join(name));
    }
    assert_eq!(place.run(&["sample", "adapter", "Make 6 from 1, 2, 3.\n", "--max-new-tokens", "2"]).code, 0);
    fs::remove_file(place.path("adapter/adapter_model.safetensors")).unwrap();
    let ended = place.run(&["sample", "adapter", "Make 6 from 1, 2, 3.\n"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("adapter/adapter_model.safetensors: missing beside"), "{}", ended.err);
}
