//! A toy that must learn, and a run that cannot.

use super::place::{Place, RECIPE};

/// SFT teaches three answers to each of eight problems, of which one is right: about a third of all answers
/// is right until rewards say which.
#[test]
fn reward_teaches_which_of_three_answers_is_right() {
    let place = Place::new();
    let (mut problems, mut texts) = (String::new(), String::new());
    for (a, b) in [(3, 2), (5, 4), (7, 3), (8, 6), (9, 2), (6, 5), (9, 7), (8, 3)] {
        let target = a + b;
        problems += &format!("{{\"numbers\": [{a}, {b}], \"target\": {target}}}\n");
        for operator in ["+", "-", "*"] {
            let (prompt, answer) =
                (format!("Make {target} from {a}, {b}.\n"), format!("<answer>{a}{operator}{b}</answer>"));
            texts += &format!("{}\n", serde_json::json!({ "prompt": prompt, "response": answer }));
        }
    }
    place.write("problems.jsonl", problems);
    place.write("texts.jsonl", texts);
    place.write("learn.toml", LEARN);
    // By the kernels, and as a GPU would; runs whose last bits differ go apart, but not in what they learn.
    for (name, backend, dtype) in [("ops", "ops", "f32"), ("half", "ops", "bf16"), ("learn", "auto", "auto")]
    {
        let (backend, dtype) = (format!("model.backend=\"{backend}\""), format!("model.dtype=\"{dtype}\""));
        let ended = place.run(&["train", "learn.toml", "--name", name, "--set", &backend, "--set", &dtype]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        let accuracy = |moment: &str| {
            place.json(&format!("runs/{name}/eval/{moment}.json"))["heldout"]["avg@8"].as_f64().unwrap()
        };
        let [random, before, after] = ["before_sft", "step_000000", "step_000015"].map(accuracy);
        assert!(
            random < 0.05 && (0.2..0.6).contains(&before) && after > 0.8,
            "{name}: {random} {before} {after}\n{}",
            ended.out
        );
    }
    let before = place.json("runs/learn/eval/step_000000.json")["heldout"]["avg@8"].as_f64().unwrap();

    let report = &place.json("runs/learn/eval/step_000000.json")["heldout"];
    let items = place.lines("runs/learn/eval/step_000000.heldout.jsonl");
    for k in [2, 4, 8] {
        // Chance that k of the eight responses, drawn without putting back, are all wrong.
        let missed = |n_correct: f64| -> f64 {
            (0..k).map(|i| f64::from(8 - i)).map(|left| (left - n_correct).max(0.0) / left).product()
        };
        let passes = items.iter().map(|item| 1.0 - missed(item["n_correct"].as_f64().unwrap()));
        let expected = passes.sum::<f64>() / items.len() as f64;
        let got = report[format!("pass@{k}")].as_f64().unwrap();
        assert!((got - expected).abs() < 1e-12 && got > before, "pass@{k}: {got}, expected {expected}");
    }
}

const LEARN: &str = r#"
[run]
name = "learn"
steps = 15
[model]
scratch = "countdown2m"
[sft]
steps = 60
batch_size = 24
lr = 3e-3
source = { type = "jsonl", path = "texts.jsonl" }
[data]
type = "files"
train = [{ path = "problems.jsonl", fields = { numbers = "numbers", target = "target" } }]
eval = [{ name = "heldout", path = "problems.jsonl", fields = { numbers = "numbers", target = "target" } }]
[explore]
type = "group"
size = 8
[sampling]
max_new_tokens = 12
[[reward]]
type = "countdown"
[advantage]
type = "group"
[loss.policy]
type = "clip"
[optim]
lr = 2e-4
[batch]
prompts = 8
[eval]
samples = 8
"#;

#[test]
fn a_run_that_has_nothing_to_learn_from_says_so() {
    let place = Place::new();
    let (before, rest) = RECIPE.split_once("[sft]").unwrap();
    let (_, after) = rest.split_once("[data]").unwrap();
    place.write("tiny.toml", format!("{before}[data]{after}"));
    let ended =
        place.run(&["train", "tiny.toml", "--set", "run.steps=12", "--set", "sampling.max_new_tokens=4"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let rows = place.lines("runs/tiny/metrics.jsonl");
    assert!(rows.iter().all(|row| row["group/zero_variance"] == 1.0), "a response earned something");
    let notes: Vec<&str> =
        ended.err.lines().filter(|line| line.starts_with("warning: no group had a signal")).collect();
    assert_eq!(notes.len(), 2, "{}", ended.err);
    for (note, steps) in notes.iter().zip([10, 12]) {
        assert!(note.starts_with(&format!("warning: no group had a signal in {steps} steps: ")), "{note}");
        assert!(note.contains("[sft]"), "{note}");
    }
    assert_eq!(rows.len(), 12);
}
