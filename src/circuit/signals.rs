//! Credit from causes: attention is read of the heads that carry the answer, and not of those that look nearest and farthest.

use anyhow::{Result, ensure};

use super::file::{CircuitFile, HeadSet};
use crate::model::ModelConfig;
use crate::signal::{CircuitHeads, Heads, SignalConfig};
use crate::types::HeadId;

/// `signals` for a model of shape `config`: where they name a circuit's file, its heads in place of it.
///
/// # Errors
/// If the file is no circuit of such a model or has no head; if a head or layer is none of the model's.
pub(crate) fn with_heads_of_file(signals: &SignalConfig, config: &ModelConfig) -> Result<SignalConfig> {
    let mut signals = signals.clone();
    if let Heads::OfCircuit(of) = &signals.heads {
        signals.heads = Heads::Listed(most_important(of, config)?);
    }
    let misfit = signals.misfits(usize::try_from(config.n_layers)?, usize::try_from(config.n_heads)?);
    ensure!(misfit.is_none(), misfit.unwrap_or_default());
    Ok(signals)
}

/// The heads that `of` asks for, those of most importance first.
fn most_important(of: &CircuitHeads, config: &ModelConfig) -> Result<Vec<HeadId>> {
    let mut heads = CircuitFile::of_model(&of.circuit, config)?.ranked(HeadSet::Heads)?;
    ensure!(
        !heads.is_empty(),
        "{}: the circuit has no head that attention could be read of; find one with more edges (--set circuit.edges=N)",
        of.circuit.display()
    );
    let n = ((of.top * heads.len() as f64 + 0.5).floor() as usize).max(1);
    heads.truncate(n);
    Ok(heads)
}
