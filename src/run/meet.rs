//! How the ranks of a run come together: what they must have in common, and what is said when one is lost.

use std::env;
use std::fmt::Write as _;

use anyhow::Result;
use distributed::{Trouble, World};
use sha2::{Digest, Sha256};
use tch::{Cuda, Device};

use super::inputs::InputFiles;
use super::{Failure, Setup};
use crate::model::Policy;
use crate::ranks::{Lost, Ranks, Teams};
use crate::types::{counted, program};

impl Setup {
    /// Meets the other ranks of `world`, each with this run before it: the GPU of each is that of its number on its machine. `exit_code`
    /// says what an error means to whoever started the process.
    ///
    /// # Errors
    /// A [`Failure`] if a rank does not come in time, or is not about to make the same run; if the recipe asks for what a rank does alone.
    pub(crate) fn meet(&mut self, world: &World, exit_code: fn(&anyhow::Error) -> u8) -> Result<()> {
        if self.recipe.audit.as_ref().is_some_and(|audit| audit.every > 0) {
            return Err(Failure::BadInput(format!(
                "[audit] every: got a number, expected 0 in a run of {}: an audit is made by one process. Audit the checkpoints \
                 instead: {} audit RUN",
                counted(world.size, "rank"),
                program()
            ))
            .into());
        }
        if let Device::Cuda(_) = self.placement.device {
            let n_gpus = usize::try_from(Cuda::device_count()).unwrap_or(1).max(1);
            let is_confined =
                ["CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS"].iter().any(|name| env::var_os(name).is_some());
            self.placement.device = Device::Cuda(gpu_of(world, n_gpus, is_confined)?);
        }
        let (facts, on_gpu) = (self.facts(world)?, self.placement.device != Device::Cpu);
        self.teams =
            Teams::join(world, self.recipe.parallel, &facts, on_gpu, exit_code).map_err(|error| {
                let text = format!("{error:#}");
                let trouble = error.downcast_ref::<distributed::Error>().map(|error| error.trouble);
                match trouble {
                    Some(Trouble::Disagreement) => Failure::BadInput(text),
                    _ => Failure::Lost { text, speaks: true },
                }
            })?;
        Ok(())
    }

    /// What all ranks must have in common, by what a person calls it.
    fn facts(&self, world: &World) -> Result<Vec<(&'static str, String)>> {
        let hash = |bytes: &[u8]| {
            Sha256::digest(bytes)[..8].iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        // Weights that learn are compared as they are loaded, see [`same_weights`].
        let inputs = serde_json::to_vec(&InputFiles { weights: None, ..InputFiles::of_now(self)? })?;
        let device = match self.placement.device {
            Device::Cpu => "cpu",
            _ => "gpu",
        };
        Ok(vec![
            ("the number of ranks", world.size.to_string()),
            ("the version of rlcredit", env!("CARGO_PKG_VERSION").to_owned()),
            ("the libtorch it was built with", env!("LIBTORCH_VERSION").to_owned()),
            ("the recipe", hash(self.recipe.to_toml()?.as_bytes())),
            ("the files that it names", hash(&inputs)),
            ("the number of parameters", self.model.n_params().to_string()),
            ("the precision", self.placement.dtype().to_string()),
            ("the device", device.to_owned()),
            ("the backend", self.backend().to_string()),
        ])
    }
}

/// The GPU of this process, by its number among the `n_gpus` that it sees. `is_confined` where its launcher chooses those; one that gives
/// each process a GPU of its own shows it no other.
fn gpu_of(world: &World, n_gpus: usize, is_confined: bool) -> Result<usize, Failure> {
    if n_gpus == 1 && is_confined {
        return Ok(0);
    }
    if world.local_size > n_gpus {
        return Err(Failure::BadInput(format!(
            "{} on a machine with {}; start as many as it has: torchrun --nproc-per-node={n_gpus}",
            counted(world.local_size, "rank"),
            counted(n_gpus, "GPU")
        )));
    }
    Ok(world.local_rank)
}

/// Sees to it that all ranks have loaded the same weights, which each machine may have on a disk of its own.
///
/// # Errors
/// If they differ, on every rank.
pub(super) fn same_weights(ranks: &Ranks, policy: &Policy) -> Result<()> {
    if ranks.is_alone() {
        return Ok(());
    }
    let all = ranks.exchange(Ok(policy.network.digest()))?;
    let Some(other) = all.iter().position(|digest| *digest != all[0]) else { return Ok(()) };
    Err(Failure::BadInput(format!(
        "rank {other} has loaded other weights than rank 0, though their sizes agree; give all machines the same files of [model]"
    ))
    .into())
}

/// `error` of the ranks `teams`, `when` it came; where one of them is lost, as the [`Failure`] that says which, and `what_now`.
pub(super) fn explain(teams: &Teams, error: anyhow::Error, when: &str, what_now: &str) -> anyhow::Error {
    let error = teams.explain(error);
    let Some(lost) = error.downcast_ref::<Lost>() else { return error };
    Failure::Lost { text: format!("{when}: {lost}; {what_now}"), speaks: lost.speaks }.into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_the_gpu_of_its_number_or_the_only_one_that_it_sees() {
        let world = |local_rank| World {
            rank: local_rank,
            size: 4,
            local_rank,
            local_size: 4,
            host: "node1".to_owned(),
            port: 1,
            serves: false,
            attempt: String::new(),
        };
        assert_eq!(gpu_of(&world(3), 8, false).unwrap(), 3);
        assert_eq!(gpu_of(&world(3), 4, true).unwrap(), 3);
        assert_eq!(gpu_of(&world(3), 1, true).unwrap(), 0);
        let few = gpu_of(&world(3), 1, false).unwrap_err().to_string();
        assert!(
            few.starts_with("4 ranks on a machine with 1 GPU;") && few.ends_with("--nproc-per-node=1"),
            "{few}"
        );
        assert!(gpu_of(&world(0), 2, true).is_err());
    }
}
