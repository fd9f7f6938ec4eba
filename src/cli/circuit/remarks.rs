//! What is odd about a circuit that was found.

use crate::circuit::{CircuitConfig, Findings, MetricKind};

/// What a person should know before reading anything off the circuit.
pub(super) fn remarks(found: &Findings, config: &CircuitConfig) -> Vec<String> {
    let n_edges = found.graph.n_edges();
    let mut remarks = Vec::new();
    if config.steps == 1 && config.metric == MetricKind::Kl {
        remarks.push("one step by \"kl\" is the clean run itself, where the gradient is 0: these scores are rounding; take more steps".to_owned());
    }
    if found.circuit.len() == n_edges {
        remarks.push(format!(
            "all {n_edges} edges are in the circuit, so that nothing is left out; --curve shows what fewer do, --set circuit.edges=N takes them"
        ));
    }
    if found.circuit.is_empty() {
        remarks.push(format!(
            "none of the {} strongest edges lies on a path from the embeddings to the logits; take more (--curve shows how many), or a lower \
             circuit.threshold",
            config.edges.min(n_edges)
        ));
    }
    if found.recovered().is_some_and(|share| share < 0.0) && !found.circuit.is_empty() {
        remarks.push(
            "less than nothing is recovered: through this circuit the answer is worse than on the corrupted prompts, so it does not explain \
             it; take more edges or steps, or pairs that differ in less"
                .to_owned(),
        );
    }
    remarks
}
