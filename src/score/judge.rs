//! What an engine wrote becomes text, is graded, and grows together to trees.
//!
//! ```text
//! requests, completions --text--> responses --graders--> scores --overlong--> scores --> leaves --> trees
//! ```

use std::sync::Arc;

use anyhow::Result;
use rayon::prelude::*;
use rewards::{Response, Task};

use super::{Penalty, Score, Scorer};
use crate::ranks::Ranks;
use crate::text::{Stops, Tokenizer};
use crate::types::{Completion, Finish, GenRequest, Leaf, Progress, Prompt, Tree};

/// Judges responses as training or an evaluation does.
#[derive(Clone)]
pub(crate) struct Judge {
    /// The graders.
    pub scorer: Arc<Scorer>,
    /// Turns tokens into text.
    pub tokenizer: Arc<Tokenizer>,
    /// Strings that end responses, which graders see up to there.
    pub stops: Option<Stops>,
    /// What responses near the limit of new tokens lose.
    pub overlong: Option<Penalty>,
    /// Those that judge together: each its share.
    pub ranks: Ranks,
}

/// A response from the first token after its prompt on.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    /// Its number among those of its prompt.
    pub sample: u32,
    /// What it answers.
    pub prompt: Arc<Prompt>,
    /// All of its tokens.
    pub completion: Completion,
}

impl Judge {
    /// The scored trees of `completions`, the whole responses that `requests` asked for. Requests of one prompt are
    /// neighbours. `progress` is asked now and then whether to go on.
    ///
    /// # Errors
    /// As [`Judge::leaves`].
    pub(crate) fn trees(
        &self,
        requests: Vec<GenRequest>,
        completions: Vec<Completion>,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Tree>> {
        let prompts: Vec<Arc<Prompt>> = requests.iter().map(|request| Arc::clone(&request.prompt)).collect();
        let whole = requests.into_iter().zip(completions).map(|(request, completion)| Whole {
            sample: request.sample,
            prompt: request.prompt,
            completion,
        });
        let mut trees: Vec<Tree> = Vec::new();
        for (prompt, leaf) in prompts.into_iter().zip(self.leaves(whole.collect(), progress)?) {
            match trees.last_mut().filter(|tree| tree.prompt.id == prompt.id) {
                Some(tree) => tree.leaves.push(leaf),
                None => trees.push(Tree { prompt, leaves: vec![leaf] }),
            }
        }
        Ok(trees)
    }

    /// The responses as scored leaves that nothing forks, in their order. `progress` is asked now and then whether to go on.
    ///
    /// # Errors
    /// If a response cannot be decoded, or a grader does not work; that of `progress`.
    pub(crate) fn leaves(&self, whole: Vec<Whole>, progress: &mut Progress<'_>) -> Result<Vec<Leaf>> {
        let texts = self.texts(&whole)?;
        // Programs that grade may fail on one rank and not on another: each response is judged once.
        let own = self.ranks.share(&vec![1; whole.len()]);
        let scores = self.scores(&whole[own.clone()], &texts[own], progress);
        let scores = self.ranks.exchange(scores)?.concat();
        Ok(assemble(whole, texts, scores))
    }

    /// As [`Judge::leaves`], but for responses that were judged before, as `scores` say.
    ///
    /// # Errors
    /// If a response cannot be decoded.
    pub(crate) fn leaves_again(&self, whole: Vec<Whole>, scores: Vec<Score>) -> Result<Vec<Leaf>> {
        let texts = self.texts(&whole)?;
        Ok(assemble(whole, texts, scores))
    }

    /// The responses as text.
    fn texts(&self, whole: &[Whole]) -> Result<Vec<String>> {
        let text = |whole: &Whole| {
            let Completion { tokens, finish, .. } = &whole.completion;
            let text = self.tokenizer.decode(tokens, true)?;
            match self.stops.as_ref().filter(|_| *finish == Finish::Stop) {
                Some(stops) => stops.cut(tokens, text),
                None => Ok(text),
            }
        };
        whole.par_iter().map(text).collect()
    }

    /// What the responses, of which `texts` are, are worth.
    fn scores(&self, whole: &[Whole], texts: &[String], progress: &mut Progress<'_>) -> Result<Vec<Score>> {
        let items = whole.iter().zip(texts).map(|(Whole { prompt, completion, .. }, text)| {
            let (tokens, cut_off) = (Some(completion.tokens.len()), completion.finish == Finish::Length);
            let in_thought = rewards::leaves_thought_open(&prompt.text);
            (&prompt.task, Response { tokens, cut_off, in_thought, ..Response::new(text) })
        });
        let mut scores = self.scorer.score_all(&items.collect::<Vec<(&Task, Response<'_>)>>(), progress)?;
        if let Some(overlong) = self.overlong {
            for (score, whole) in scores.iter_mut().zip(whole) {
                score.add_part("overlong", overlong.of(whole.completion.tokens.len()));
            }
        }
        Ok(scores)
    }
}

fn assemble(whole: Vec<Whole>, texts: Vec<String>, scores: Vec<Score>) -> Vec<Leaf> {
    let leaf = |((Whole { sample, completion, .. }, text), score)| {
        let Completion { tokens, logprobs, finish, versions } = completion;
        let Score { verdict, is_graded, rounding } = score;
        Leaf { sample, fork: None, tokens, logprobs, finish, versions, text, verdict, is_graded, rounding }
    };
    whole.into_iter().zip(texts).zip(scores).map(leaf).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::PenaltyConfig;
    use super::*;
    use crate::text::countdown_tokenizer;

    /// The leaf that `text`, its tokens and more, becomes as a response to `prompt`, whose answer is 2.
    fn judged(overlong: Option<Penalty>, prompt: &str, text: &str, finish: Finish) -> Leaf {
        let tokenizer = Arc::new(countdown_tokenizer().unwrap());
        let scorer = Scorer::new(&[serde_json::from_str(r#"{"type": "math"}"#).unwrap()]).unwrap();
        let task = Task::Question(rewards::Question::new("2"));
        let prompt = Arc::new(Prompt { id: 0, text: prompt.into(), tokens: vec![3], task });
        let request = GenRequest { prompt, prefix: Vec::new(), sample: 0 };
        let tokens = tokenizer.encode(text).unwrap();
        let completion =
            Completion { logprobs: vec![-1.0; tokens.len()], tokens, finish, versions: Vec::new() };
        let judge =
            Judge { scorer: Arc::new(scorer), tokenizer, stops: None, overlong, ranks: Ranks::default() };
        let mut trees = judge.trees(vec![request], vec![completion], &mut |_| Ok(())).unwrap();
        trees.remove(0).leaves.remove(0)
    }

    #[test]
    fn a_guess_in_a_thought_that_the_prompt_has_opened_is_not_paid() {
        for finish in [Finish::Eos, Finish::Length] {
            for (prompt, text, right) in [
                ("1+1=", "\\boxed{2}", true),
                ("1+1=<think>", "\\boxed{2}", false),
                ("1+1=<think>\n", "so \\boxed{2}", false),
                ("1+1=<think>\n", "so</think>\\boxed{2}", true),
                ("1+1=<think>\n\n</think>\n\n", "\\boxed{2}", true),
            ] {
                let leaf = judged(None, prompt, text, finish);
                assert_eq!(leaf.verdict.correct(), right, "{prompt} {text}");
                assert!(leaf.is_graded, "to have no answer is a judgement");
            }
        }
    }

    #[test]
    fn special_tokens_are_text_but_for_those_that_end_or_pad() {
        let leaf = judged(None, "1+1=", "<unk>\\boxed{2}<eos><pad>", Finish::Eos);
        assert_eq!((leaf.text.as_str(), leaf.verdict.correct()), ("<unk>\\boxed{2}", true));
    }

    #[test]
    fn what_a_long_response_loses_is_a_part_of_its_reward() {
        let free = judged(None, "1+1=", "\\boxed{2}", Finish::Eos);
        let limit = free.tokens.len();
        let overlong = Penalty { config: PenaltyConfig { buffer: 4, factor: 0.5 }, limit };
        let leaf = judged(Some(overlong), "1+1=", "\\boxed{2}", Finish::Eos);
        assert_eq!((free.verdict.value, leaf.verdict.value), (1.0, 0.5));
        assert_eq!((leaf.verdict.parts["overlong"], leaf.verdict.correct()), (-0.5, true));
        assert!(leaf.rounding > free.rounding);
    }
}
