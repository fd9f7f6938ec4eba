//! What every metric means: one entry per key of `metrics.jsonl`.
//!
//! A placeholder `<...>` in a pattern stands for any text without a slash, up to the end of its part of the key:
//! `eval/<set>/avg@<k>` covers `eval/heldout/avg@4`.

use anyhow::{Result, ensure};

use crate::types::MetricRow;

/// One metric, or a family of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The key, or its pattern.
    pub key: &'static str,
    /// Unit of the number; empty for one without.
    pub unit: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

/// A share: 0 is none, 1 is all.
const SHARE: &str = "0..1";

/// All entries, in the order in which a person would read them.
pub(crate) const ENTRIES: &[Entry] = &[
    entry(
        "reward/mean",
        "",
        "Mean reward of the step's responses, those left out that a grader could not judge.",
    ),
    entry("reward/std", "", "Standard deviation of the reward over these responses."),
    entry(
        "reward/<part>/mean",
        "",
        "Mean of one part of the reward over these responses; `correct` is the accuracy.",
    ),
    entry("reward/status/<status>", SHARE, "Responses that the graders gave this status."),
    entry("group/solve_all", SHARE, "Prompts of which every response that was graded is correct."),
    entry("group/solve_none", SHARE, "Prompts of which no response is correct, though some were graded."),
    entry("group/mixed", SHARE, "Prompts with correct and wrong responses among those that were graded."),
    entry("group/zero_variance", SHARE, "Prompts whose graded responses all have the same reward."),
    entry("group/refill_rounds", "", "Generation rounds spent on replacing zero-variance groups."),
    entry(
        "group/discarded",
        "",
        "Prompts that were answered and left out: zero-variance groups, or trees not worth growing.",
    ),
    entry(
        "rollout/prefilled_tokens",
        "tokens",
        "Tokens of prompts and prefixes that were read before new ones.",
    ),
    entry("rollout/reused_tokens", "tokens", "Those whose keys and values an earlier response had left."),
    entry("tree/leaves", "", "Mean number of responses to a prompt."),
    entry(
        "tree/shared_token_frac",
        SHARE,
        "Response tokens that are another response's too, up to where this one forks off.",
    ),
    entry(
        "tree/valid_leaf_frac",
        SHARE,
        "Graded responses to prompts whose rewards tell the responses apart.",
    ),
    entry(
        "root/reward_mean",
        "",
        "Mean reward of roots, the responses that begin at the prompt, which no branching weighs: what the policy earns.",
    ),
    entry("root/correct_mean", SHARE, "Roots that are correct."),
    entry("root/length_mean", "tokens", "Mean length of roots."),
    entry("response_length/mean", "tokens", "Mean length of the responses."),
    entry("response_length/min", "tokens", "Length of the shortest response."),
    entry("response_length/max", "tokens", "Length of the longest response."),
    entry("response_length/clip_ratio", SHARE, "Responses cut off at the limit of new tokens."),
    entry(
        "policy/entropy",
        "nats",
        "Mean entropy of the distributions that response tokens came from, before the step moved the weights.",
    ),
    entry("policy/kl_ref", "nats", "Mean estimate per token of KL(policy || reference)."),
    entry(
        "policy/approx_kl",
        "nats",
        "Mean k3 estimate per token of KL(policy before || policy during the update).",
    ),
    entry(
        "policy/first_ratio_gap",
        "nats",
        "Largest distance between new and old log-probs before the step's first update; on policy 0 but for \
         rounding.",
    ),
    entry("policy/kl_coef", "", "Weight of the KL penalty in this step."),
    entry("policy/ratio_mean", "", "Mean over tokens of new probability / old probability."),
    entry("policy/clip_frac_low", SHARE, "Tokens whose loss is clipped at the lower bound of the ratio."),
    entry("policy/clip_frac_high", SHARE, "Tokens whose loss is clipped at the upper bound of the ratio."),
    entry(
        "loss/policy",
        "",
        "Policy loss as the recipe aggregates it, without the KL penalty; mean over the step's updates.",
    ),
    entry("loss/kl", "", "KL penalty, aggregated as the policy loss is, its coefficient included."),
    entry(
        "loss/entropy",
        "",
        "Entropy bonus, negated and aggregated as the policy loss is, its weight included.",
    ),
    entry("loss/value", "", "Loss of the critic's values, mean over tokens; mean over the step's updates."),
    entry("value/clip_frac", SHARE, "Tokens whose value loss is decided by the limit on the value's change."),
    entry(
        "value/explained_variance",
        "",
        "Share of the variance of the returns that the critic's values explain, before the update; 1 is all.",
    ),
    entry("advantage/mean", "", "Mean advantage over response tokens."),
    entry("advantage/std", "", "Standard deviation of the advantage over response tokens."),
    entry("advantage/min", "", "Smallest advantage of a response token."),
    entry("advantage/max", "", "Largest advantage of a response token."),
    entry(
        "advantage/valid_token_frac",
        SHARE,
        "Response tokens that are trained on with an advantage other than 0; what responses share counts for each, and continuations count.",
    ),
    entry("credit/boosted_frac", "", "Share of response tokens whose advantage credit strategies raise."),
    entry("credit/gain_mean", "", "Mean factor of credit over response tokens."),
    entry("credit/gain_sum", "", "Sum of the factors of credit over a response, mean over the responses."),
    entry(
        "credit/gain_gini",
        SHARE,
        "Gini's coefficient of the factors over response tokens: 0 where all tokens are paid alike.",
    ),
    entry(
        "credit/drift",
        "",
        "What credit adds to the mean advantage: a push on what was sampled, whether it was right or not.",
    ),
    entry(
        "credit/entropy_drift",
        "nats",
        "Minus the covariance of what credit adds with the sampler's log-probs, tokens of all states together: below 0 it makes the policy surer.",
    ),
    entry("credit/dominated_frac", "", "Share of anchors that an opener shortly before them dominates."),
    entry(
        "values/prefixes",
        "",
        "Prefixes of responses that were continued to find their value; those in common once.",
    ),
    entry("values/tokens_frac", SHARE, "Tokens that continuations took, of all that the step generated."),
    entry(
        "values/changes_squared",
        "",
        "Sum of the squared changes of the value over a response, less their noise; mean over the responses.",
    ),
    entry(
        "values/closure",
        "",
        "The same over the variance of the reward: 1 up to noise, or continuations are not drawn as responses are.",
    ),
    entry(
        "audit/slope",
        "",
        "How many times its error the slope of the mean reward under Adam is; at most 3: ratios are null.",
    ),
    entry(
        "audit/<arm>/ratio",
        "",
        "Progress per response of this credit under Adam, relative to uniform; above 1 it would help from here.",
    ),
    entry("audit/<arm>/low", "", "Lower end of its 95 % interval."),
    entry("audit/<arm>/high", "", "Upper end of its 95 % interval."),
    entry("audit/ceiling", "", "The same of the best credit by position, step, entropy, WAAD and FAI."),
    entry(
        "circuit/heads",
        "",
        "Heads that carry the answer: the fewest that hold four fifths of all heads' absolute cheap scores.",
    ),
    entry(
        "circuit/emergent",
        "",
        "Those among them that did not in the first measurement, before the first step.",
    ),
    entry("circuit/lost", "", "Heads that did in the first measurement and do not now."),
    entry(
        "circuit/turnover",
        SHARE,
        "Heads that came or went since the measurement before, of all that either has.",
    ),
    entry(
        "circuit/share_top10",
        SHARE,
        "What the ten strongest heads hold of all heads' absolute cheap scores.",
    ),
    entry(
        "mismatch/logprob_abs_mean",
        "nats",
        "Mean distance between the sampler's and the learner's log-probs; left out where the ratio starts from the sampler's.",
    ),
    entry(
        "mismatch/logprob_abs_max",
        "nats",
        "Largest distance between the sampler's and the learner's log-probs.",
    ),
    entry("mismatch/kl", "nats", "Mean k3 estimate per token of KL(sampler || learner)."),
    entry("mismatch/importance_mean", "", "Mean weight of importance sampling over response tokens."),
    entry("mismatch/importance_capped_frac", SHARE, "Tokens whose importance weight the cap changed."),
    entry(
        "engine/publish_s",
        "s",
        "Writing the weights for the servers of [engine], until all of them had loaded and proved them; part of time/generate.",
    ),
    entry("engine/resent", "", "Requests to servers that failed and were sent again."),
    entry(
        "engine/known_abs_mean",
        "nats",
        "Mean distance between a server's and the learner's log-probabilities of a known text, where weights were published.",
    ),
    entry("engine/known_abs_max", "nats", "The largest of these distances."),
    entry("off_policy/age_mean", "steps", "Mean age of the weights that the responses were sampled from."),
    entry("off_policy/age_max", "steps", "Age of the oldest weights that a response was sampled from."),
    entry("optim/lr", "", "Learning rate of the step's last update."),
    entry("optim/grad_norm", "", "Mean over updates of the gradient's global L2 norm before clipping."),
    entry(
        "optim/param_delta",
        "",
        "L2 norm of the change of all that learns, summed over the step's updates.",
    ),
    entry("optim/critic_lr", "", "Learning rate of the critic in this step."),
    entry("optim/critic_grad_norm", "", "Mean over updates of the critic's gradient norm before clipping."),
    entry(
        "optim/skipped",
        "",
        "1 where an update of this step was left out because a number was not finite, else 0.",
    ),
    entry("time/step", "s", "The whole step, without evaluation and checkpoint."),
    entry("time/generate", "s", "Sampling the responses, and those that continue them for values."),
    entry("time/score", "s", "Grading the responses."),
    entry("time/measure", "s", "Log-probabilities and entropies under the learner and the reference."),
    entry("time/credit", "s", "Estimating advantages and assigning credit."),
    entry("time/train", "s", "Packing, forward and backward passes, updates."),
    entry("time/eval", "s", "Evaluation after this step."),
    entry("time/circuit", "s", "Cheap scores of all heads after this step."),
    entry("time/checkpoint", "s", "The checkpoint written since the row before."),
    entry("perf/generate_tokens_per_s", "tokens/s", "Response tokens per second of sampling."),
    entry("perf/train_tokens_per_s", "tokens/s", "Prompt and response tokens per second of training."),
    entry("perf/tokens_per_s", "tokens/s", "Response tokens per second of the whole step."),
    entry("perf/mfu", SHARE, "Arithmetic of the step against what the machine could have done in its time."),
    entry(
        "perf/waited_frac",
        SHARE,
        "Share of the time that threads could have computed in which others had the processors.",
    ),
    entry("perf/rss_peak_gb", "GB", "Most main memory the process has held so far; no GPU's is in it."),
    entry("progress/prompts", "", "Prompts drawn since the start of the run."),
    entry("progress/samples", "", "Responses sampled since the start of the run."),
    entry("progress/tokens_generated", "tokens", "Response tokens sampled since the start of the run."),
    entry(
        "progress/wall_s",
        "s",
        "Time spent since the start of the run, pauses between processes left out.",
    ),
    entry("eval/<set>/avg@<k>", SHARE, "Accuracy over k sampled responses to each item of the set."),
    entry(
        "eval/<set>/pass@<k>",
        SHARE,
        "Unbiased estimate of the items solved by at least one of k responses; k is 2, 4, 8, ... and their number.",
    ),
    entry("eval/<set>/ci95", SHARE, "Half the width of the 95 % interval of avg@k."),
    entry("eval/<set>/greedy", SHARE, "Accuracy of the most likely token at every position."),
    entry("eval/<set>/greedy_ci95", SHARE, "Half the width of the 95 % interval of the greedy accuracy."),
    entry(
        "eval/<set>/explained_variance",
        "",
        "Share of the variance of the samples' rewards that the critic's values explain at each of their tokens.",
    ),
];

const fn entry(key: &'static str, unit: &'static str, meaning: &'static str) -> Entry {
    Entry { key, unit, meaning }
}

/// The entry that covers `key`.
#[must_use]
pub(crate) fn explain(key: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| covers(entry.key, key))
}

/// Keys of `row` that no entry covers.
#[must_use]
pub(crate) fn unknown_keys(row: &MetricRow) -> Vec<&str> {
    row.iter().map(|(key, _)| key).filter(|key| explain(key).is_none()).collect()
}

/// Whether everybody can say what every number of `row` is.
///
/// # Errors
/// If a key has two writers, or no entry here: a defect of the program.
pub(crate) fn check(row: &MetricRow) -> Result<()> {
    let twice = row.written_twice();
    ensure!(twice.is_none(), "metrics: two parts of the program report `{}`", twice.unwrap_or_default());
    let unknown = unknown_keys(row);
    ensure!(unknown.is_empty(), "metrics without an entry in the glossary: {}", unknown.join(", "));
    Ok(())
}

/// Whether `key` is an instance of `pattern`: equal part by part, placeholders aside.
fn covers(pattern: &str, key: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.split('/'), key.split('/'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if covers_part(pattern, part) => {}
            _ => return false,
        }
    }
}

fn covers_part(pattern: &str, part: &str) -> bool {
    match pattern.split_once('<') {
        None => pattern == part,
        Some((fixed, _)) => part.strip_prefix(fixed).is_some_and(|rest| !rest.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_entry() {
        for (i, entry) in ENTRIES.iter().enumerate() {
            // A pattern taken literally is an instance of itself, so this finds overlaps as well as repetitions.
            let covering: Vec<usize> =
                (0..ENTRIES.len()).filter(|j| covers(ENTRIES[*j].key, entry.key)).collect();
            assert_eq!(covering, [i], "{}", entry.key);
            assert!(entry.meaning.ends_with('.') && entry.meaning.len() > 10, "{}", entry.key);
        }
    }

    #[test]
    fn placeholders_cover_one_part_of_a_key() {
        for (key, expected) in [
            ("reward/correct/mean", Some("reward/<part>/mean")),
            ("reward/status/unparsable", Some("reward/status/<status>")),
            ("eval/heldout/avg@4", Some("eval/<set>/avg@<k>")),
            ("eval/heldout/pass@16", Some("eval/<set>/pass@<k>")),
            ("eval/heldout/avg@", None),
            ("eval/a/b/ci95", None),
            ("reward//mean", None),
            ("reward/means", None),
            ("reward", None),
        ] {
            assert_eq!(explain(key).map(|entry| entry.key), expected, "{key}");
        }
    }

    #[test]
    fn unknown_keys_are_found() {
        let row = [("reward/mean", 1.0), ("reward/maen", 1.0), ("loss", 0.0)].into_iter().collect();
        assert_eq!(unknown_keys(&row), ["loss", "reward/maen"]);
    }
}
