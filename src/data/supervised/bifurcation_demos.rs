//! Responses to bifurcation problems, drawn anew for every example.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rewards::{Bifurcation, Task, TaskKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Example, Limits, Problems, SourceSettings, Texts, example};
use crate::data::bifurcation::BifurcationConfig;
use crate::data::{DataConfig, PromptBuilder};
use crate::text::Tokenizer;
use crate::types::{Prompt, Purpose, Rules, RunRandom};

/// Keys of `type = "bifurcation_demos"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResponsesConfig {
    /// Chance that a fork is taken knowingly; else each branch is as likely as the others.
    #[serde(default)]
    pub skill: f64,
}

struct Responses {
    skill: f64,
    config: BifurcationConfig,
    problems: Vec<(Arc<Prompt>, Bifurcation)>,
    tokenizer: Tokenizer,
    limits: Limits,
}

impl SourceSettings for ResponsesConfig {
    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        rules.share("skill", self.skill);
        rules
    }

    fn is_of_problems(&self) -> bool {
        true
    }

    fn is_of(&self) -> Option<TaskKind> {
        Some(TaskKind::Bifurcation)
    }

    fn texts(
        &self,
        Problems { config, train }: Problems<'_>,
        builder: &PromptBuilder<'_>,
        limits: Limits,
    ) -> Result<Box<dyn Texts>> {
        let DataConfig::Bifurcation(config) = config else {
            bail!("bifurcation_demos: expected [data] `type` = \"bifurcation\"");
        };
        let tokenizer = builder.tokenizer();
        ensure!(!train.is_empty(), "demonstrations: there are no training problems, expected at least one");
        let problems = train.iter().map(|prompt| {
            let Task::Bifurcation(problem) = &prompt.task else {
                bail!("prompt {}: there are demonstrations of bifurcations alone", prompt.id);
            };
            Ok((Arc::clone(prompt), problem.clone()))
        });
        let problems: Vec<(Arc<Prompt>, Bifurcation)> = problems.collect::<Result<_>>()?;
        let prompt = train.iter().map(|prompt| prompt.tokens.len()).max().unwrap_or(0);
        let response = most_tokens(config, tokenizer)?.saturating_add(1);
        limits.check(prompt, response).context("the longest demonstrations")?;
        Ok(Box::new(Responses {
            skill: self.skill,
            config: config.clone(),
            problems,
            tokenizer: tokenizer.clone(),
            limits,
        }))
    }
}

/// Tokens that no response exceeds, the end-of-sequence token left out.
fn most_tokens(config: &BifurcationConfig, tokenizer: &Tokenizer) -> Result<usize> {
    let mut most = 0;
    for words in config.alternatives()? {
        let lengths = words.iter().map(|word| Ok(tokenizer.encode(word)?.len()));
        most += lengths.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or(0);
    }
    Ok(most)
}

impl Texts for Responses {
    fn n(&self) -> usize {
        self.problems.len()
    }

    fn example(&self, i: usize, number: u64, random: &RunRandom) -> Result<Example> {
        let (prompt, problem) = &self.problems[i];
        let rng = &mut random.stream(Purpose::Demonstrations, &[number]);
        let text = self.config.respond(&prompt.text, problem, self.skill, rng)?;
        let example = example(prompt.tokens.clone(), &text, &self.tokenizer)?;
        let within = self.limits.check(example.prompt.len(), example.response.len());
        within.with_context(|| format!("demonstration {number}"))?;
        Ok(example)
    }
}
