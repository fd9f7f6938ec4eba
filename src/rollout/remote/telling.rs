//! A draw whose log-probability is known whatever the weights: it tells at which door a server answers, and whether its numbers belong
//! to the distribution that it draws from.

use super::call::{Fault, Wire};
use super::config::ServersConfig;
use super::dialect::{Ask, Dialect, Telling};
use super::models::Addressee;
use crate::rollout::SamplingConfig;
use crate::types::TokenId;

/// New tokens of the draw.
const N_NEW: usize = 4;

/// Asks for such a draw.
pub(super) struct Teller<'a> {
    /// Asks.
    pub wire: &'a Wire,
    /// How servers are spoken to.
    pub dialect: &'a dyn Dialect,
    /// What the recipe says of them.
    pub config: &'a ServersConfig,
    /// The distribution of training.
    pub sampling: &'a SamplingConfig,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// What comes before the draw.
    pub context: &'a [TokenId],
    /// Who draws.
    pub model: Addressee<'a>,
}

impl Teller<'_> {
    /// The first door, from `first` on, at which the server at `url` answers.
    ///
    /// # Errors
    /// If it answers at none, or its log-probabilities are not those of what it draws from.
    pub(super) async fn door(&self, url: &str, first: usize) -> Result<usize, Fault> {
        let telling = self.dialect.telling(self.sampling, self.vocabulary);
        let ask = Ask {
            model: self.model,
            // The wrong way round, so that nothing is certain of what follows: a draw of the likeliest token tells nothing there.
            tokens: self.context.iter().rev().copied().collect(),
            n_new: N_NEW,
            seed: 0,
            sampling: telling
                .as_ref()
                .map_or_else(|| self.sampling.ending_anywhere(), |telling| telling.sampling.clone()),
            eos: &[],
            begun: &[],
            stops: None,
        };
        for door in first..self.dialect.n_doors() {
            let said = self.wire.ask(url, &self.dialect.generate(&ask, door), self.config.timeout()).await?;
            said.has(self.model)?;
            if [403, 404, 405].contains(&said.status) && door + 1 < self.dialect.n_doors() {
                continue;
            }
            said.good()?;
            let answer = self.dialect.answer(&said, &ask)?;
            if let Some(telling) = &telling {
                self.check(url, telling, &answer.logprobs)?;
            }
            return Ok(door);
        }
        Ok(first)
    }

    fn check(&self, url: &str, telling: &Telling, logprobs: &[f32]) -> Result<(), Fault> {
        // Not `>`: a NaN must not pass.
        let fits = |number: &f32| (number - telling.logprob).abs() <= telling.tolerance;
        let off = match logprobs.iter().find(|number| !fits(number)) {
            Some(off) => *off,
            None if logprobs.is_empty() => f32::NAN,
            None => return Ok(()),
        };
        Err(Fault::lasting(
            url,
            format_args!(
                "gives log-probabilities that are not those of the distribution that it draws from: {off:.3} for a token that has \
                 {:.3}; {}",
                telling.logprob,
                self.dialect.cure()
            ),
        ))
    }
}
