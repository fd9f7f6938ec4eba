//! What is said above the responses: how attention was read, and what the strategies raise.

use crate::inspect::Grouped;
use crate::inspect::gains::{Gain, gains};
use crate::inspect::text::Shown;
use crate::signal::{Heads, SignalConfig};
use crate::types::counted;

/// How attention was read of `n` responses, and the gains of those that are shown; name and value.
pub(super) fn facts(
    signals: &SignalConfig,
    grouped: &Grouped,
    n: usize,
    shown: &[Shown],
) -> Vec<(String, String)> {
    let Some(Shown { inspection: found, .. }) = shown.first() else { return Vec::new() };
    let layers: Vec<String> = found.layers.iter().map(usize::to_string).collect();
    let [near, far] = signals.horizon;
    let by = match (&signals.heads, grouped) {
        (Heads::All, _) => "all of them in both groups",
        (Heads::Listed(_) | Heads::OfCircuit(_), _) => "the same in both groups, as named",
        (Heads::Circuit, _) => "the same in both groups, of the circuit at the checkpoint",
        (_, Grouped::Given(_)) => "those of the checkpoint",
        (_, Grouped::Together) if n > 1 => "chosen by all responses together",
        _ => "chosen by each response",
    };
    let gain = |g: Gain<'_>| format!("{} {:.3} ({:.3})", g.strategy, g.mean, g.by_entropy);
    let gains: Vec<String> =
        gains(shown.iter().map(|shown| &shown.inspection)).into_iter().map(gain).collect();
    let (local, global, all) = (found.local.len(), found.global.len(), found.spans.len());
    [
        ("layers", layers.join(", ")),
        ("heads", format!("{local} local, {global} global of {all}, {by}")),
        (
            "window",
            format!(
                "{} for WAAD; FAI looks {near} to {} ahead",
                counted(signals.window, "token"),
                counted(far, "token")
            ),
        ),
        ("gains", format!("mean (weighted by entropy): {}", gains.join(", "))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
