//! `rollouts/step_000040.jsonl`: every response of a step with all that was decided about it.
//!
//! One object per response. Lists hold one number per response token, floats in the fewest digits that read back to
//! the same `f32`; a number that is not finite is `null`. Keys of what was not measured are absent. `answer`, what a grader found
//! in the response, is `null` where there was none. Files of earlier versions have no `prompt`, `gold` and `answer`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use rewards::Status;
use serde::Serialize;

use crate::files::write_whole;
use crate::types::{Finish, Span, Step, TokenId, TrainedTree};

/// Writes the responses of `trees`, in order, to `path`; the file appears whole or not at all.
///
/// # Errors
/// If the file cannot be written, or a fork names a leaf that its tree does not have.
pub(crate) fn write(path: &Path, step: Step, trees: &[TrainedTree]) -> Result<()> {
    write_whole(path, |mut writer| {
        for tree in trees {
            for leaf in 0..tree.tree().leaves.len() {
                serde_json::to_writer(&mut writer, &Response::new(step, tree, leaf)?)?;
                writer.write_all(b"\n")?;
            }
        }
        Ok(())
    })
}

/// One line; the order of the fields is that of the file.
#[derive(Serialize)]
struct Response<'a> {
    step: Step,
    prompt_id: u64,
    sample: u32,
    /// `sample` of the response that this one forked from.
    parent: Option<u32>,
    /// Number of response tokens shared with the parent.
    fork_at: Option<usize>,
    /// The problem as the policy read it.
    prompt: &'a str,
    prompt_tokens: &'a [TokenId],
    gold: String,
    tokens: &'a [TokenId],
    text: &'a str,
    answer: Option<&'a str>,
    finish: Finish,
    reward: f64,
    reward_parts: &'a BTreeMap<String, f64>,
    status: Status,
    /// Whether every grader that counts has judged it; said where one has not.
    #[serde(skip_serializing_if = "is_true")]
    graded: bool,
    /// How far rounding may have moved the reward.
    #[serde(skip_serializing_if = "is_zero")]
    rounding: f64,
    /// What graders have to say of it, a line each, with its name where there are several; why there is no judgement, where one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    logprobs: &'a [f32],
    /// The weights that a server drew the tokens from: `[{"version": "rlcredit-5f3a10c2-7", "start": 0, "end": 58}]`.
    #[serde(skip_serializing_if = "<[Span]>::is_empty")]
    versions: &'a [Span],
    #[serde(skip_serializing_if = "Option::is_none")]
    old_logprobs: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entropies: Option<&'a [f32]>,
    advantages: &'a [f32],
    /// Factor of credit per token, already in the advantages.
    gamma: &'a [f32],
    #[serde(skip_serializing_if = "Option::is_none")]
    waad: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fai: Option<&'a [Option<f32>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returns: Option<&'a [f32]>,
    trained: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl<'a> Response<'a> {
    fn new(step: Step, trained: &'a TrainedTree, index: usize) -> Result<Self> {
        let credited = &trained.credited;
        let measured = &credited.measured;
        let tree = &measured.tree;
        let leaf = &tree.leaves[index];
        let place = || format!("prompt {}, leaf {index}", tree.prompt.id);
        let parent = leaf.fork.map(|fork| {
            let parent = tree.leaves.get(fork.parent);
            parent
                .map(|p| p.sample)
                .with_context(|| format!("{}: its parent, leaf {}, is missing", place(), fork.parent))
        });
        let is_trained = credited.trained.get(index);
        Ok(Self {
            step,
            prompt_id: tree.prompt.id,
            sample: leaf.sample,
            parent: parent.transpose()?,
            fork_at: leaf.fork.map(|fork| fork.at),
            prompt: &tree.prompt.text,
            prompt_tokens: &tree.prompt.tokens,
            gold: tree.prompt.gold(),
            tokens: &leaf.tokens,
            text: &leaf.text,
            answer: leaf.verdict.answer.as_deref(),
            finish: leaf.finish,
            reward: leaf.verdict.value,
            reward_parts: &leaf.verdict.parts,
            status: leaf.verdict.status,
            graded: leaf.is_graded,
            rounding: leaf.rounding,
            note: leaf.verdict.note.as_deref(),
            logprobs: &leaf.logprobs,
            versions: &leaf.versions,
            old_logprobs: trained.old_logprobs(index),
            entropies: trained.entropies(index),
            advantages: credited.advantages.path(index),
            gamma: credited.gains.path(index),
            waad: measured.signals.as_ref().map(|signals| signals.waad.path(index)),
            fai: measured.signals.as_ref().map(|signals| signals.fai.path(index)),
            values: measured.values.as_ref().map(|field| field.path(index)),
            returns: credited.returns.as_ref().map(|field| field.path(index)),
            trained: is_trained
                .with_context(|| format!("{}: not said whether it is trained on", place()))?
                .is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use rewards::{Countdown, Task, Verdict};
    use serde_json::Value;

    use super::*;
    use crate::types::{CreditedTree, Fork, Leaf, MeasuredTree, OldLogprobs, PathField, Prompt, Seen, Tree};

    fn leaf(sample: u32, fork: Option<Fork>, tokens: Vec<TokenId>) -> Leaf {
        let parts = BTreeMap::from([("correct".to_owned(), 1.0)]);
        let logprobs = tokens.iter().map(|t| -0.1 * *t as f32).collect();
        let verdict = Verdict::new(1.0, parts, Status::Ok);
        Leaf {
            sample,
            fork,
            tokens,
            logprobs,
            finish: Finish::Eos,
            versions: Vec::new(),
            text: "3 + 4".into(),
            verdict,
            is_graded: true,
            rounding: 0.0,
        }
    }

    fn trained() -> TrainedTree {
        let task = Task::Countdown(Countdown { numbers: vec![3, 4], target: 7 });
        let prompt = Arc::new(Prompt { id: 11, text: "reach 7".into(), tokens: vec![5, 6], task });
        // The first response was lost, so that indices of leaves and numbers of samples differ.
        let leaves = vec![leaf(1, None, vec![1, 2, 3]), leaf(2, Some(Fork { parent: 0, at: 1 }), vec![1, 4])];
        let tree = Tree { prompt, leaves };
        let old_logprobs = OldLogprobs::Measured(PathField::from_fn(&tree, |l, t| -0.1 - (l + t) as f32));
        let advantages = PathField::from_fn(&tree, |_, _| 0.7);
        let measured = MeasuredTree { old_logprobs, ..MeasuredTree::bare(tree) };
        let gains = PathField::from_fn(&measured.tree, |_, _| 1.0);
        let trained = vec![Some(0), None];
        let credited = CreditedTree { measured, advantages, returns: None, gains, trained };
        TrainedTree { credited, seen: vec![None, None] }
    }

    #[test]
    fn a_line_holds_the_keys_in_the_order_of_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("step_000040.jsonl");
        write(&path, 40, &[trained(), trained()]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(
            lines[1],
            "{\"step\":40,\"prompt_id\":11,\"sample\":2,\"parent\":1,\"fork_at\":1,\"prompt\":\"reach 7\",\"prompt_tokens\":[5,6],\
             \"gold\":\"7\",\"tokens\":[1,4],\"text\":\"3 + 4\",\"answer\":null,\"finish\":\"eos\",\"reward\":1.0,\"reward_parts\":{\"correct\":1.0},\
             \"status\":\"ok\",\"logprobs\":[-0.1,-0.4],\"old_logprobs\":[-1.1,-2.1],\"advantages\":[0.7,0.7],\
             \"gamma\":[1.0,1.0],\"trained\":false}"
        );
        let first: Value = serde_json::from_str(lines[0]).unwrap();
        assert_eq!((&first["parent"], &first["fork_at"]), (&Value::Null, &Value::Null));
        assert_eq!(first["trained"], true);

        let mut served = trained();
        let of = |version: &str, start, end| Span { version: version.into(), start, end };
        served.credited.measured.tree.leaves[1].versions = vec![of("a", 0, 1), of("b", 1, 2)];
        write(&path, 40, &[served]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let versions = r#""logprobs":[-0.1,-0.4],"versions":[{"version":"a","start":0,"end":1},{"version":"b","start":1,"end":2}],"#;
        assert!(text.lines().nth(1).unwrap().contains(versions), "{text}");
    }

    #[test]
    fn what_the_update_saw_stands_in_for_what_was_not_measured_before_it() {
        let mut tree = trained();
        let seen = Seen { logprobs: vec![-3.0, -4.0], entropies: vec![0.5, 0.25] };
        tree.seen[1] = Some(seen.clone());
        assert_eq!(tree.old_logprobs(1), Some(&[-1.1, -2.1][..]), "measured");
        assert_eq!((tree.entropies(0), tree.entropies(1)), (None, Some(seen.entropies.as_slice())));
        tree.credited.measured.old_logprobs = OldLogprobs::FirstPass;
        assert_eq!((tree.old_logprobs(0), tree.old_logprobs(1)), (None, Some(seen.logprobs.as_slice())));
        tree.credited.measured.old_logprobs = OldLogprobs::Sampler;
        assert_eq!(tree.old_logprobs(1), Some(tree.tree().leaves[1].logprobs.as_slice()));
    }

    #[test]
    fn a_dangling_fork_is_an_error_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("step_000001.jsonl");
        let mut tree = trained();
        tree.credited.measured.tree.leaves[1].fork = Some(Fork { parent: 9, at: 1 });
        let error = format!("{:#}", write(&path, 1, &[tree]).unwrap_err());
        assert!(error.ends_with("prompt 11, leaf 1: its parent, leaf 9, is missing"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
