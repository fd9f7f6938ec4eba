//! Models with some of their heads scaled, or told not to think, beside themselves, and beside as many random heads of the same layers.

use std::collections::HashSet;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};
use clap::ValueEnum;
use rand::seq::IndexedRandom;

use crate::cli::policy;
use crate::cli::scale_heads::ScaleHeads;
use crate::eval::{Changed, Versus};
use crate::exam::Chat;
use crate::files::model_folder::TOKENIZER;
use crate::hub::source;
use crate::model::{HeadScales, ModelConfig};
use crate::table::Table;
use crate::text::Tokenizer;
use crate::types::{HeadId, Purpose, RunRandom};

/// Whether models think before they answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Thinking {
    On,
    Off,
    Both,
}

/// Heads that are scaled, and what that is called.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Way {
    name: Option<String>,
    heads: ScaleHeads,
}

impl FromStr for Way {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // A head, 1.2, or a file begins otherwise.
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        };
        let named = text.split_once('=').filter(|(name, _)| is_name(name));
        let (name, heads) = named.map_or((None, text), |(name, heads)| (Some(name.to_owned()), heads));
        Ok(Self { name, heads: heads.parse()? })
    }
}

impl Way {
    fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.heads.label())
    }
}

/// A model as it is measured.
pub(super) struct Arm {
    /// How it is called.
    pub name: String,
    /// Place of the model among those that were named.
    pub model: usize,
    /// Its folder.
    pub folder: PathBuf,
    /// What its heads are multiplied by.
    pub heads: HeadScales,
    /// How problems are put to it.
    pub chat: Chat,
}

/// What is done to each model.
pub(super) struct Ways<'a> {
    /// Heads that are scaled, way by way.
    pub scaled: &'a [Way],
    /// Controls of each.
    pub n_random: usize,
    /// Whether it is said, and which.
    pub thinking: Option<Thinking>,
    /// How problems are put to all.
    pub chat: &'a Chat,
    /// Draws controls.
    pub random: RunRandom,
}

impl Ways<'_> {
    /// All that is measured: each of `models`, by its name and path, as it is and in each way.
    ///
    /// # Errors
    /// If there is no such model, a way cannot be taken with it, or a layer has too few other heads for a control.
    pub(super) fn of(&self, models: &[(String, PathBuf)]) -> Result<(Vec<Arm>, Vec<Changed>)> {
        let (mut arms, mut interventions) = (Vec::new(), Vec::new());
        for (model, (name, path)) in models.iter().enumerate() {
            let folder = policy::model_folder(path)?;
            if self.thinking.is_some() {
                let tokenizer = Tokenizer::from_folder(source(&folder)?.folder_with(TOKENIZER))?;
                self.chat.check_thinking(&tokenizer).with_context(|| format!("--thinking: {name}"))?;
            }
            let first = arms.len();
            for (suffix, chat) in self.chats()? {
                let base = arms.len();
                let itself = Arm {
                    name: format!("{name}{suffix}"),
                    model,
                    folder: folder.clone(),
                    heads: HeadScales::default(),
                    chat,
                };
                if base > first && !self.scaled.is_empty() {
                    interventions.push(Changed { own: base, itself: first, controls: Vec::new() });
                }
                interventions.extend(self.of_model(itself, &mut arms)?);
            }
        }
        let mut names = HashSet::new();
        for Arm { name, .. } in &arms {
            ensure!(
                names.insert(name),
                "two models would be called {name}; name them, such as NAME=HEADS for --scale-heads"
            );
        }
        Ok((arms, interventions))
    }

    /// How problems are put, way by way, and what that adds to a model's name.
    fn chats(&self) -> Result<Vec<(&'static str, Chat)>> {
        let told = |thinks| self.chat.thinking(thinks).context("--thinking");
        Ok(match self.thinking {
            None => vec![("", self.chat.clone())],
            Some(Thinking::On) => vec![("", told(true)?)],
            Some(Thinking::Off) => vec![("", told(false)?)],
            Some(Thinking::Both) => vec![("", told(true)?), ("+no_thinking", told(false)?)],
        })
    }

    /// The model `itself` with its heads scaled, and its controls.
    fn of_model(&self, itself: Arm, all: &mut Vec<Arm>) -> Result<Vec<Changed>> {
        let Arm { name, model, folder, chat, .. } = &itself;
        let arm = |name: String, heads: HeadScales| {
            let (folder, chat) = (folder.clone(), chat.clone());
            Arm { name, model: *model, folder, heads, chat }
        };
        let base = all.len();
        all.push(arm(name.clone(), HeadScales::default()));
        let config = ModelConfig::from_folder(&source(folder)?.folder)?;
        let intervene = |way: &Way| {
            let heads = way.heads.resolve(&config).with_context(|| format!("{name}: --scale-heads"))?;
            let label = format!("{name}+{}", way.label());
            let drawn = (0..self.n_random).map(|draw| others(&heads, &config, self.random, draw as u64));
            let drawn: Vec<HeadScales> = drawn.collect::<Result<_>>().with_context(|| label.clone())?;
            let (own, n) = (all.len(), drawn.len());
            all.push(arm(label.clone(), heads));
            let controls = drawn.into_iter().enumerate();
            all.extend(controls.map(|(draw, heads)| arm(format!("{label}+random{}", draw + 1), heads)));
            Ok(Changed { own, itself: base, controls: (own + 1..own + 1 + n).collect() })
        };
        self.scaled.iter().map(intervene).collect()
    }
}

/// What is shown: all models side by side, or where something is done to them each of these beside the model itself and its controls.
pub(super) fn tables(versus: &Versus<'_>, changed: &[Changed]) -> Vec<(String, Table)> {
    if changed.is_empty() { versus.tables() } else { versus.beside_controls(changed) }
}

/// As many heads of each layer with the same factors, none of them among `heads`.
fn others(heads: &HeadScales, config: &ModelConfig, random: RunRandom, draw: u64) -> Result<HeadScales> {
    let mut all = HeadScales::default();
    for layer in 0..config.n_layers as usize {
        let factors: Vec<f64> =
            heads.factors().filter(|(id, _)| id.layer == layer).map(|(_, factor)| factor).collect();
        let is_scaled = |head: usize| heads.factors().any(|(id, _)| id == HeadId { layer, head });
        let free: Vec<usize> = (0..config.n_heads as usize).filter(|head| !is_scaled(*head)).collect();
        ensure!(
            factors.len() <= free.len(),
            "--random-heads: {} of the {} heads of layer {layer} are scaled, so that there are not as many others; scale fewer, such as \
             heads[:5], or leave --random-heads out",
            factors.len(),
            config.n_heads
        );
        let mut rng = random.stream(Purpose::Heads, &[draw, layer as u64]);
        let chosen = free.sample(&mut rng, factors.len());
        for (head, factor) in chosen.zip(factors) {
            all = all.and(HeadScales::all([HeadId { layer, head: *head }], factor))?;
        }
    }
    Ok(all)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::config::Family;
    use crate::model::config::tests::tiny;

    #[test]
    fn a_way_may_have_a_name() {
        let read = |text: &str| text.parse::<Way>().unwrap();
        assert_eq!(
            read("quiet=1.2=0,0.3=0"),
            Way { name: Some("quiet".to_owned()), heads: "1.2=0,0.3=0".parse().unwrap() }
        );
        assert_eq!(read("loud=c.json:heads[:5]=1.3").heads, "c.json:heads[:5]=1.3".parse().unwrap());
        for unnamed in ["1.2=0", "c.json:heads[:5]=1.3", "c.json:heads"] {
            assert_eq!(read(unnamed).name, None, "{unnamed}");
        }
        assert_eq!(
            (read("loud=1.2=2").label(), read("1.2=2").label()),
            ("loud".to_owned(), "1.2x2".to_owned())
        );
    }

    #[test]
    fn controls_are_other_heads_of_the_same_layers() {
        let config = ModelConfig { n_heads: 4, n_layers: 3, ..tiny(Family::Qwen3) };
        let heads: HeadScales = "0.1=0,2.0=1.3,2.3=0.5".parse().unwrap();
        let by_layer = |heads: &HeadScales| {
            let mut all: Vec<(usize, String)> =
                heads.factors().map(|(id, factor)| (id.layer, factor.to_string())).collect();
            all.sort();
            all
        };
        let drawn: Vec<HeadScales> =
            (0..20).map(|draw| others(&heads, &config, RunRandom::new(3), draw).unwrap()).collect();
        for other in &drawn {
            assert_eq!(by_layer(other), by_layer(&heads));
            assert!(other.factors().all(|(id, _)| heads.factors().all(|(own, _)| own != id)), "{other}");
        }
        assert!(drawn.iter().any(|other| other != &drawn[0]));
        let many: HeadScales = "1.0=0,1.1=0,1.2=0".parse().unwrap();
        let said = others(&many, &config, RunRandom::new(3), 0).unwrap_err().to_string();
        assert!(said.starts_with("--random-heads: 3 of the 4 heads of layer 1 are scaled"), "{said}");
    }
}
