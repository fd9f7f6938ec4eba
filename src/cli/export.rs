//! `rlcredit export RUN_OR_MODEL --out FOLDER`: a policy as a model folder that stands alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use tch::Device;

use super::policy::{self, Choices, Loaded};
use crate::checkpoint::save_model;
use crate::files::{sync_folder, temporary_beside};
use crate::model::{DeviceChoice, Dtype, Trainable};
use crate::run::Failure;

#[derive(Args)]
pub(super) struct Export {
    /// A run, whose newest checkpoint counts, a checkpoint such as RUN@40, a folder of adapters or a Hugging Face model
    #[arg(value_parser = policy::place)]
    model: PathBuf,
    /// Folder to write, which is not there yet
    #[arg(long)]
    out: PathBuf,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode> {
        check_free(&self.out).map_err(Failure::bad_input)?;
        // In single precision, so that weights and adapters are rounded once, by whoever reads them.
        let choices = Choices { device: DeviceChoice::Cpu, dtype: Dtype::F32, ..Choices::default() };
        let loaded = policy::load(&self.model, choices)?;
        let merged = write(&loaded, &self.out)?;
        super::say(format_args!(
            "{}: {:.1} M parameters in f32{merged}",
            self.out.display(),
            loaded.policy.network.layout.n_params() as f64 / 1e6
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// That nothing is in the way of a new folder.
fn check_free(out: &Path) -> Result<()> {
    ensure!(
        out.symlink_metadata().is_err(),
        "--out {}: is there already, and nothing is overwritten; remove it or name another folder",
        out.display()
    );
    Ok(())
}

/// Writes the folder `out`, which is complete or absent; what was merged, as a part of a sentence.
fn write(loaded: &Loaded, out: &Path) -> Result<String> {
    let network = &loaded.policy.network;
    let whole = network.whole()?.to_device(Device::Cpu);
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("could not create {}", parent.display()))?;
    let temporary = temporary_beside(out)?;
    let written = || {
        save_model(
            &temporary,
            &network.config,
            Trainable::Whole(&network.layout),
            &whole,
            &loaded.tokenizer,
        )?;
        sync_folder(&temporary)?;
        fs::rename(&temporary, out).with_context(|| format!("could not rename to {}", out.display()))?;
        sync_folder(parent)
    };
    let written = written();
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_dir_all(&temporary);
    }
    written?;
    Ok(match network.trainable() {
        Trainable::Whole(_) => String::new(),
        Trainable::Adapters(layout) => {
            format!(", adapters of rank {} merged into {}", layout.settings.rank, layout.base.name)
        }
    })
}
