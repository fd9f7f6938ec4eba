//! `rlcredit export RUN_OR_MODEL DIR`: a policy as a model folder that stands alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use tch::Device;

use self::card::{Card, Trained};
use super::policy::{self, Choices, Loaded};
use crate::checkpoint::save_model_in;
use crate::files::{sync_folder, temporary_beside, write_whole};
use crate::model::{DeviceChoice, Dtype, StoredDtype, Trainable};
use crate::run::{Failure, saved_dtype_of};

mod card;
mod origin;

#[derive(Args)]
pub(super) struct Export {
    /// A run, a checkpoint, a folder or hub:ORG/NAME
    ///
    /// Of a run its newest checkpoint, or another, such as RUN@40; a folder of adapters is merged into their base
    #[arg(value_parser = policy::place)]
    model: PathBuf,
    /// Where it is kept: a folder that is not there yet
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Precision: f32, bf16 or f16
    ///
    /// Of the weights; without it that of the model which training started from
    #[arg(long, value_enum, hide_possible_values = true)]
    dtype: Option<StoredDtype>,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode> {
        let out = self.folder;
        check_free(&out).map_err(Failure::bad_input)?;
        // In single precision, so that weights and adapters are rounded once, in the end.
        let choices = Choices { device: DeviceChoice::Cpu, dtype: Dtype::F32, ..Choices::default() };
        let loaded = policy::load(&self.model, choices)?;
        let dtype = self.dtype.map_or_else(|| usual(&loaded.folder), Ok)?;
        let merged = |named: &dyn Fn(&str) -> String| match loaded.policy.network.trainable() {
            Trainable::Whole(_) => String::new(),
            Trainable::Adapters(layout) => {
                let base = named(&layout.base.name);
                format!(", adapters of rank {} merged into {base}", layout.settings.rank)
            }
        };
        let last = |path: &Path| path.file_name().map_or_else(String::new, |name| name.display().to_string());
        let trained = Trained::find(&loaded.folder);
        let from = trained.as_ref().map_or_else(|| last(&self.model), |trained| trained.name().to_owned());
        // A card says nothing of where folders lie on this machine.
        let public = |base: &str| if base.starts_with('/') { last(Path::new(base)) } else { base.to_owned() };
        let card = Card { name: last(&out), trained, dtype, merged: merged(&public), from };
        write(&loaded, &out, dtype, &card.text()?)?;
        let n = loaded.policy.network.layout.n_params() as f64 / 1e6;
        let merged = merged(&str::to_owned);
        super::say(format_args!("{}: {n:.1} M parameters in {dtype}{merged}", out.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The precision of the policy in `folder` where none is asked for.
fn usual(folder: &Path) -> Result<StoredDtype> {
    let dtype = saved_dtype_of(folder).context("the precision of the model that training started from");
    dtype.context("say which: --dtype bf16").map_err(Failure::bad_input)
}

/// That nothing is in the way of a new folder.
fn check_free(out: &Path) -> Result<()> {
    ensure!(
        out.symlink_metadata().is_err(),
        "{}: is there already, and nothing is overwritten; remove it or name another folder",
        out.display()
    );
    Ok(())
}

/// Writes the folder `out`, which is complete or absent.
fn write(loaded: &Loaded, out: &Path, dtype: StoredDtype, card: &str) -> Result<()> {
    let network = &loaded.policy.network;
    let whole = network.whole()?.to_device(Device::Cpu);
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("could not create {}", parent.display()))?;
    let temporary = temporary_beside(out)?;
    let written = || {
        let learnt = Trainable::Whole(&network.layout);
        save_model_in(&temporary, &network.config, learnt, &whole, &loaded.tokenizer, dtype)?;
        write_whole(&temporary.join("README.md"), |w| Ok(w.write_all(card.as_bytes())?))?;
        sync_folder(&temporary)?;
        fs::rename(&temporary, out).with_context(|| format!("could not rename to {}", out.display()))?;
        sync_folder(parent)
    };
    let written = written();
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_dir_all(&temporary);
    }
    written
}
