//! Searches for the solutions of the training problems, drawn anew for every example.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rewards::{Countdown, Task, TaskKind};

use super::{Example, Limits, Problems, SourceSettings, Texts, example};
use crate::data::PromptBuilder;
use crate::data::demonstrations::{self, DemoConfig, MAX_VALUE, demonstrate};
use crate::text::Tokenizer;
use crate::types::{Prompt, Purpose, Rules, RunRandom};

struct Demonstrations {
    config: DemoConfig,
    problems: Vec<(Arc<Prompt>, Countdown)>,
    tokenizer: Tokenizer,
    limits: Limits,
}

impl SourceSettings for DemoConfig {
    fn rules(&self) -> Rules {
        let Self { max_lines, guesses, give_up, style: _, max_value } = self;
        let mut rules = Rules::default();
        rules.positive("max_lines", *max_lines);
        rules.positive("guesses", *guesses);
        rules.share("give_up", *give_up);
        let expected = format!("1 to {MAX_VALUE}");
        rules.expect("max_value", max_value, &expected, (1..=MAX_VALUE).contains(max_value));
        rules
    }

    fn is_of_problems(&self) -> bool {
        true
    }

    fn is_of(&self) -> Option<TaskKind> {
        Some(TaskKind::Countdown)
    }

    fn texts(
        &self,
        Problems { train, .. }: Problems<'_>,
        builder: &PromptBuilder<'_>,
        limits: Limits,
    ) -> Result<Box<dyn Texts>> {
        let tokenizer = builder.tokenizer();
        ensure!(!train.is_empty(), "demonstrations: there are no training problems, expected at least one");
        let problems = train.iter().map(|prompt| {
            let Task::Countdown(problem) = &prompt.task else {
                bail!("prompt {}: there are demonstrations of Countdown alone", prompt.id);
            };
            demonstrations::check(problem, self.max_value)
                .with_context(|| format!("prompt {}", prompt.id))?;
            Ok((Arc::clone(prompt), problem.clone()))
        });
        let problems: Vec<(Arc<Prompt>, Countdown)> = problems.collect::<Result<_>>()?;
        let lengths = problems.iter().map(|(prompt, problem)| (prompt.tokens.len(), problem.numbers.len()));
        if let Some((prompt, numbers)) = longest(lengths) {
            let response = demonstrations::most_tokens(numbers, self, tokenizer)?.saturating_add(1);
            limits.check(prompt, response).context("the longest demonstrations")?;
        }
        Ok(Box::new(Demonstrations { config: self.clone(), problems, tokenizer: tokenizer.clone(), limits }))
    }
}

impl Texts for Demonstrations {
    fn n(&self) -> usize {
        self.problems.len()
    }

    fn example(&self, i: usize, number: u64, random: &RunRandom) -> Result<Example> {
        let (prompt, problem) = &self.problems[i];
        let rng = &mut random.stream(Purpose::Demonstrations, &[number]);
        let text = demonstrate(problem, &self.config, rng);
        let example = example(prompt.tokens.clone(), &text, &self.tokenizer)?;
        let within = self.limits.check(example.prompt.len(), example.response.len());
        within.with_context(|| format!("demonstration {number}"))?;
        Ok(example)
    }
}

/// Lengths of the longest prompt and of the longest list of numbers.
fn longest(lengths: impl Iterator<Item = (usize, usize)>) -> Option<(usize, usize)> {
    lengths.reduce(|(a, b), (c, d)| (a.max(c), b.max(d)))
}
