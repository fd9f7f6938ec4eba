//! Runs that never were, for tests.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use crate::recipe::Recipe;

/// A recipe that reads.
pub(super) const RECIPE: &str = r#"
[run]
name = "made_up"
seed = SEED
steps = 4
[model]
scratch = "countdown2m"
[data]
type = "countdown"
numbers = [3, 3]
max_number = 9
targets = [1, 30]
train_items = 8
eval_items = 4
[explore]
type = "group"
size = 4
[sampling]
max_new_tokens = 24
[[reward]]
type = "countdown"
preset = "exact"
[advantage]
type = "group"
[loss.policy]
type = "clip"
[optim]
lr = 1e-3
[batch]
prompts = 4
max_tokens = 512
[eval]
every = 2
"#;

/// A run that never was: avg@4 is `accuracies` after steps 0, 2, 4, greedy half of it; each step samples 100 tokens
/// and takes 3 seconds of which the evaluation is none. Half of the tokens are valid, and all in odd steps.
pub(super) fn made_up(folder: &Path, seed: u64, more: &[&str], accuracies: &[f64]) -> PathBuf {
    let overrides: Vec<String> = more.iter().map(|set| (*set).to_owned()).collect();
    let recipe = Recipe::parse("recipe", &RECIPE.replace("SEED", &seed.to_string()), &overrides).unwrap();
    fs::create_dir_all(folder.join("eval")).unwrap();
    fs::write(folder.join("resolved.toml"), recipe.to_toml().unwrap()).unwrap();
    let greedy = accuracies[0] / 2.0;
    let start = serde_json::json!({ "heldout": { "n": 32, "avg@4": accuracies[0], "greedy": greedy } });
    fs::write(folder.join("eval/step_000000.json"), start.to_string()).unwrap();
    let mut text = String::new();
    for (step, _) in (1..).zip(0..2 * (accuracies.len() - 1)) {
        let mut row = serde_json::json!({
            "step": step, "time/step": 3.0, "progress/tokens_generated": 100 * step, "progress/wall_s": 50 + 3 * step,
            "advantage/valid_token_frac": 0.5 + 0.5 * (step % 2) as f64,
        });
        if step % 2 == 0 {
            row["eval/heldout/avg@4"] = accuracies[step / 2].into();
            row["eval/heldout/greedy"] = (accuracies[step / 2] / 2.0).into();
        }
        text += &format!("{row}\n");
    }
    fs::write(folder.join("metrics.jsonl"), text).unwrap();
    folder.to_owned()
}
