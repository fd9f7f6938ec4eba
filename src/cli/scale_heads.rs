//! `--scale-heads`: which heads' writes are multiplied by what.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Error, Result, anyhow, ensure};

use crate::circuit::{CircuitFile, HeadSet};
use crate::model::{HeadScales, ModelConfig};

/// How heads of a file are written.
const OF_FILE: &str =
    "FILE.json:heads, FILE.json:heads[:10] for the ten of most importance, or FILE.json:heads[:10]=1.3";

/// As it was written on the command line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ScaleHeads {
    /// One by one.
    Listed(HeadScales),
    /// Those of a file, by importance.
    OfFile { path: PathBuf, set: HeadSet, most: Option<usize>, factor: f64 },
}

impl FromStr for ScaleHeads {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((path, rest)) = text.rsplit_once(".json:") else {
            return text.parse().map(Self::Listed).map_err(|error| anyhow!("{error:#}; or {OF_FILE}"));
        };
        let (chosen, factor) = rest.split_once('=').unwrap_or((rest, "0"));
        let factor = factor
            .parse()
            .ok()
            .filter(|factor: &f64| factor.is_finite())
            .with_context(|| format!("got factor {factor:?}, expected a finite number"))?;
        let (set, most) = match chosen.strip_suffix(']').and_then(|chosen| chosen.split_once("[:")) {
            Some((set, most)) => {
                let n = most.parse().ok().filter(|n| *n > 0);
                (
                    set,
                    Some(n.with_context(|| {
                        format!("got [:{most}], expected a number of heads such as [:10]")
                    })?),
                )
            }
            None => (chosen, None),
        };
        Ok(Self::OfFile { path: format!("{path}.json").into(), set: set.parse()?, most, factor })
    }
}

impl ScaleHeads {
    /// What a model that it is done to is called beside its own name.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Listed(scales) => {
                let all = scales.to_string().replace('=', "x").replace(',', "+");
                // It names a folder.
                if all.len() <= 60 { all } else { format!("{}heads", scales.factors().count()) }
            }
            Self::OfFile { path, set, most, factor } => {
                let stem = path.file_stem().map_or_else(String::new, |stem| stem.display().to_string());
                let most = most.map_or_else(String::new, |most| most.to_string());
                let factor = if *factor == 0.0 { String::new() } else { format!("x{factor}") };
                format!("{stem}.{set}{most}{factor}")
            }
        }
    }

    /// What it comes to for a model of shape `config`.
    ///
    /// # Errors
    /// If the file is no circuit, is of another shape of model, or has no such heads; if the model lacks a head.
    pub(super) fn resolve(&self, config: &ModelConfig) -> Result<HeadScales> {
        let scales = match self {
            Self::Listed(scales) => scales.clone(),
            Self::OfFile { path, set, most, factor } => {
                let file = CircuitFile::of_model(path, config)?;
                let heads = file.ranked(*set).with_context(|| path.display().to_string())?;
                ensure!(
                    !heads.is_empty(),
                    "{}: {set} has no heads, so that there is nothing to scale",
                    path.display()
                );
                HeadScales::all(heads.into_iter().take(most.unwrap_or(usize::MAX)), *factor)
            }
        };
        scales.check(config)?;
        Ok(scales)
    }
}
