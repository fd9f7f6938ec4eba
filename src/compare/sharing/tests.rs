//! What is shared, and what keeps runs apart.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use super::super::testing::made_up;
use super::*;

const SFT: &str = "sft={steps=5, batch_size=2, lr=1e-3, source={type=\"countdown_demos\"}}";
const FILES: &str = "data={type=\"files\", train=[{path=\"train.jsonl\", preset=\"countdown_tasks\"}], \
     eval=[{path=\"eval.jsonl\", preset=\"countdown_tasks\"}]}";
const PAIRS: &str = "sft={steps=5, batch_size=2, lr=1e-3, source={type=\"jsonl\", path=\"pairs.jsonl\"}}";

struct Runs(tempfile::TempDir);

impl Runs {
    /// A run whose files have these contents and that answered its first evaluation so.
    fn run(&self, name: &str, seed: u64, more: &[&str], files: &[(&str, &str)], answer: &str) -> RunRecord {
        let folder = made_up(&self.0.path().join(name), seed, more, &[0.1, 0.2, 0.3]);
        let files: serde_json::Map<_, _> = files
            .iter()
            .map(|(path, hash)| ((*path).to_owned(), serde_json::json!({"size": 1, "sha256": hash})))
            .collect();
        let inputs = serde_json::json!({"dtype": "f32", "files": files});
        fs::write(folder.join("inputs.json"), inputs.to_string()).unwrap();
        let item = serde_json::json!({"prompt_id": 8, "prompt": "1?", "responses": [{"text": answer}]});
        fs::write(folder.join("eval/step_000000.heldout.jsonl"), format!("{item}\n")).unwrap();
        RunRecord::read(&folder).unwrap().unwrap()
    }

    /// What keeps two runs of a seed apart: policy, prompts, items.
    fn apart(&self, one: &[&str], other: &[&str]) -> [String; 3] {
        let [one, other] = [("a", one), ("b", other)].map(|(name, more)| self.run(name, 0, more, &[], "1"));
        said(&[one, other])
    }
}

fn said(runs: &[RunRecord; 2]) -> [String; 3] {
    let arms = runs.iter().map(|run| (run.folder.display().to_string(), vec![run.clone()]));
    let apart = Apart::from_arms(&arms.collect::<Vec<_>>()).unwrap();
    let said = [&apart.policy, &apart.prompts, &apart.items]
        .map(|why| why.iter().cloned().collect::<Vec<_>>().join(" "));
    let shared = apart.shared().unwrap();
    let empty = said.each_ref().map(String::is_empty);
    assert_eq!([shared.policy, shared.prompts, shared.items], empty);
    assert_eq!(apart.notes().len(), empty.iter().filter(|is_empty| !**is_empty).count());
    said
}

#[test]
fn recipes_say_what_runs_share() {
    let runs = Runs(tempfile::tempdir().unwrap());
    for (one, other, policy, prompts, items) in [
        (
            &["credit=[{type=\"rhythm\"}]", "loss.policy.clip_high=0.3", "explore.size=8"][..],
            &[][..],
            "",
            "",
            "",
        ),
        (&["batch.prompts=2"], &[], "", "batch.prompts", ""),
        // Without SFT the policy knows nothing of the problems.
        (&["data.eval_items=3"], &[], "", "data.eval_items", "data.eval_items"),
        (&[SFT, "sft.steps=6"], &[SFT], "sft.steps", "", ""),
        (&[SFT, "data.max_number=8"], &[SFT], "data.max_number", "data.max_number", "data.max_number"),
        (&["model.device=\"cpu\""], &[], "model.device", "", ""),
    ] {
        assert_eq!(runs.apart(one, other), [policy, prompts, items], "{one:?} {other:?}");
    }
}

#[test]
fn files_say_what_runs_share() {
    let runs = Runs(tempfile::tempdir().unwrap());
    let before = [("train.jsonl", "a"), ("eval.jsonl", "b"), ("pairs.jsonl", "c")];
    let edited = |which: usize, sets: &[&str]| {
        let mut after = before;
        after[which].1 = "new";
        said(&[runs.run("a", 0, sets, &before, "1"), runs.run("b", 0, sets, &after, "1")])
    };
    let sets = [FILES, PAIRS];
    assert_eq!(edited(0, &sets), ["", "the content of train.jsonl", ""]);
    assert_eq!(edited(1, &sets), ["", "", "the content of eval.jsonl"]);
    assert_eq!(edited(2, &sets), ["the content of pairs.jsonl", "", ""]);
    let train = "the content of train.jsonl";
    assert_eq!(edited(0, &[FILES, SFT]), [train, train, ""], "SFT imitates solutions of them");
    // The same problems in another place are the same problems.
    let moved = |hash| {
        let one = runs.run("a", 0, &[FILES], &before, "1");
        let sets = [FILES, "data.eval.0.path=\"old.jsonl\""];
        said(&[one, runs.run("b", 0, &sets, &[before[0], ("old.jsonl", hash)], "1")])
    };
    assert_eq!(
        (moved("b"), moved("x")),
        (<[&str; 3]>::default().map(String::from), ["", "", "data.eval"].map(String::from))
    );
}

#[test]
fn what_is_made_of_files_says_what_runs_share() {
    const TWO: &str = "data={type=\"files\", train=[{path=\"a.jsonl\", preset=\"countdown_tasks\"}, \
         {path=\"b.jsonl\", preset=\"countdown_tasks\"}], eval=[{path=\"c.jsonl\", preset=\"countdown_tasks\"}]}";
    let runs = Runs(tempfile::tempdir().unwrap());
    let files = [("a.jsonl", "a"), ("b.jsonl", "b"), ("c.jsonl", "c"), ("d.jsonl", "a")];
    let apart = |more: &[&str]| {
        let run = |name: &str, more: &[&str]| runs.run(name, 0, &[&[TWO], more].concat(), &files, "1");
        said(&[run("a", &[]), run("b", more)])
    };
    let [train, eval] = ["data.train", "data.eval"];
    for (more, prompts, items) in [
        (&[][..], "", ""),
        // Moved, what was read is the same; swapped, problems come in another order.
        (&["data.train.0.path=\"d.jsonl\""], "", ""),
        (&["data.train.0.path=\"b.jsonl\"", "data.train.1.path=\"a.jsonl\""], train, ""),
        (&["data.train.1.path=\"unknown.jsonl\""], train, ""),
        (&["data.train.1.limit=5"], train, ""),
        (&["data.train.1.fields={target=\"goal\"}"], train, ""),
        (&["data.eval.0.fields={target=\"goal\"}"], "", eval),
        (&["data.eval.0.limit=5"], "", eval),
        (&["data.prompt=\"{target} of {numbers}\""], "data.prompt", "data.prompt"),
        (&["data.broken=\"skip\""], "data.broken", "data.broken"),
        (&["data.max_prompt_tokens=9"], "data.max_prompt_tokens", ""),
        (&["chat={}"], "chat", "chat"),
        (&["chat={system=\"Think.\"}"], "chat.system", "chat.system"),
    ] {
        assert_eq!(apart(more), ["", prompts, items], "{more:?}");
    }
    let third = "data.train=[{path=\"a.jsonl\", preset=\"countdown_tasks\"}]";
    assert_eq!(apart(&[third]), ["", train, ""]);
    // Edited between the runs, each file says so for itself.
    let edited = |which: usize| {
        let mut after = files;
        after[which].1 = "new";
        said(&[runs.run("a", 0, &[TWO], &files, "1"), runs.run("b", 0, &[TWO], &after, "1")])
    };
    assert_eq!(edited(1), ["", "the content of b.jsonl", ""]);
    assert_eq!(edited(2), ["", "", "the content of c.jsonl"]);
    assert_eq!(edited(3), [""; 3], "neither run reads it");
}

#[test]
fn a_policy_that_answers_otherwise_is_another_one() {
    let runs = Runs(tempfile::tempdir().unwrap());
    let one = runs.run("a", 0, &[], &[], "1");
    let answers = "their answers before the first step";
    assert_eq!(said(&[one.clone(), runs.run("b", 0, &[], &[], "2")]), [answers, "", ""]);
    // Asked otherwise it answers otherwise.
    assert_eq!(said(&[one.clone(), runs.run("b", 0, &["eval.temperature=0.5"], &[], "2")]), ["", "", ""]);
    let arms = [(String::from("a"), vec![one, runs.run("c", 1, &[], &[], "3")])];
    assert_eq!(Apart::from_arms(&arms).unwrap().shared(), None, "no seed has two runs");
}
