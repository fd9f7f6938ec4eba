//! Models with some of their heads scaled, beside themselves, and beside as many random heads of the same layers.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rand::seq::IndexedRandom;

use crate::cli::policy;
use crate::cli::scale_heads::ScaleHeads;
use crate::eval::Versus;
use crate::model::{HeadScales, ModelConfig};
use crate::table::Table;
use crate::types::{HeadId, Purpose, RunRandom};

/// A model as it is measured.
pub(super) struct Arm {
    /// How it is called.
    pub name: String,
    /// The model.
    pub folder: PathBuf,
    /// What its heads are multiplied by.
    pub heads: HeadScales,
}

/// A model with scaled heads, by places among all arms.
pub(super) struct Intervention {
    /// It.
    pub own: usize,
    /// The model with no head scaled.
    pub base: usize,
    /// The model with random heads scaled instead.
    pub controls: Vec<usize>,
}

/// What is done to each model.
pub(super) struct Ways<'a> {
    /// Heads that are scaled, way by way.
    pub scaled: &'a [ScaleHeads],
    /// Controls of each.
    pub n_random: usize,
    /// Draws these.
    pub random: RunRandom,
}

impl Ways<'_> {
    /// All that is measured: each of `models`, by its name and path, as it is and in each way.
    ///
    /// # Errors
    /// If there is no such model, a way cannot be taken with it, or a layer has too few other heads for a control.
    pub(super) fn of(&self, models: &[(String, PathBuf)]) -> Result<(Vec<Arm>, Vec<Intervention>)> {
        let (mut arms, mut interventions) = (Vec::new(), Vec::new());
        for (name, path) in models {
            interventions.extend(self.of_model(name, &policy::model_folder(path)?, &mut arms)?);
        }
        let mut names = HashSet::new();
        for Arm { name, .. } in &arms {
            ensure!(
                names.insert(name),
                "--scale-heads: two ways would be called {name}; give each once, and files different names"
            );
        }
        Ok((arms, interventions))
    }

    fn of_model(&self, name: &str, folder: &Path, all: &mut Vec<Arm>) -> Result<Vec<Intervention>> {
        let base = all.len();
        let arm = |name: String, heads: HeadScales| Arm { name, folder: folder.to_owned(), heads };
        all.push(arm(name.to_owned(), HeadScales::default()));
        let config = ModelConfig::from_folder(folder)?;
        let intervene = |way: &ScaleHeads| {
            let heads = way.resolve(&config).with_context(|| format!("{name}: --scale-heads"))?;
            let label = format!("{name}+{}", way.label());
            let drawn = (0..self.n_random).map(|draw| others(&heads, &config, self.random, draw as u64));
            let drawn: Vec<HeadScales> = drawn.collect::<Result<_>>().with_context(|| label.clone())?;
            let (own, n) = (all.len(), drawn.len());
            all.push(arm(label.clone(), heads));
            let controls = drawn.into_iter().enumerate();
            all.extend(controls.map(|(draw, heads)| arm(format!("{label}+random{}", draw + 1), heads)));
            Ok(Intervention { own, base, controls: (own + 1..own + 1 + n).collect() })
        };
        self.scaled.iter().map(intervene).collect()
    }
}

/// What is shown: all models side by side, or where heads are scaled each of these beside the model itself and its controls.
pub(super) fn tables(versus: &Versus<'_>, interventions: &[Intervention]) -> Vec<(String, Table)> {
    let rows: Vec<(usize, usize, &[usize])> =
        interventions.iter().map(|way| (way.own, way.base, way.controls.as_slice())).collect();
    if rows.is_empty() { versus.tables() } else { versus.beside_controls(&rows) }
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
