//! A circuit on disk: what `rlcredit circuit` writes and others read.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use super::config::{Aggregate, MetricKind};
use super::curve::Point;
use super::findings::Importance;
use super::graph::{Edge, Graph};
use super::{CircuitConfig, Findings, SourceScores};
use crate::files::read_regular_text;
use crate::model::ModelConfig;
use crate::types::{HeadId, program};

/// Bytes of a file that are read at most.
const LARGEST: u64 = 1 << 30;

/// The circuit of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CircuitFile {
    /// The model as it was typed.
    pub model: String,
    /// Number of pairs.
    pub pairs: usize,
    /// How it was found.
    pub settings: Settings,
    /// Layers of the model.
    pub layers: usize,
    /// Query heads of a layer.
    pub heads: usize,
    /// All nodes of the model, in order.
    pub nodes: Vec<String>,
    /// Edges, the largest mean absolute scores first.
    pub edges: Vec<ScoredEdge>,
    /// Every head of the model, by layer and number.
    pub heads_importance: Vec<ScoredHead>,
    /// What the circuit alone does.
    pub faithfulness: Faithfulness,
    /// What circuits of other sizes do, where that was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<Point>,
    /// How it differs from the circuit of another model, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Versus>,
}

/// Heads beside those of another circuit, each list by importance: lost ones by that in the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Versus {
    /// The other model as it was typed.
    pub model: String,
    /// Heads of this circuit alone.
    pub emergent: Vec<HeadId>,
    /// Heads of both.
    pub retained: Vec<HeadId>,
    /// Heads of the other alone.
    pub lost: Vec<HeadId>,
}

/// Some heads of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, Display, VariantNames)]
#[strum(serialize_all = "snake_case", parse_err_ty = Error, parse_err_fn = unknown_set)]
pub(crate) enum HeadSet {
    /// All of them.
    Heads,
    /// Those that the base does not have.
    Emergent,
    /// Those that the base has too.
    Retained,
    /// Those of the base alone.
    Lost,
}

fn unknown_set(name: &str) -> Error {
    anyhow!("{name:?} is no set of heads; expected one of {}", HeadSet::VARIANTS.join(", "))
}

/// What of [`CircuitConfig`] shapes a circuit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// As [`CircuitConfig::steps`].
    pub steps: usize,
    /// As [`CircuitConfig::edges`].
    pub edges: usize,
    /// As [`CircuitConfig::threshold`].
    pub threshold: f64,
    /// As [`CircuitConfig::metric`].
    pub metric: MetricKind,
    /// As [`CircuitConfig::aggregate`].
    pub aggregate: Aggregate,
}

impl From<&CircuitConfig> for Settings {
    fn from(config: &CircuitConfig) -> Self {
        let CircuitConfig { steps, edges, threshold, metric, aggregate, .. } = *config;
        Self { steps, edges, threshold, metric, aggregate }
    }
}

/// An edge by names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScoredEdge {
    /// Its source.
    pub from: String,
    /// Its destination.
    pub to: String,
    /// Mean score over the pairs.
    pub score: f64,
    /// Mean absolute score.
    pub abs: f64,
}

/// A head's part; 0 outside of the circuit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScoredHead {
    /// Its layer.
    pub layer: usize,
    /// Its number there.
    pub head: usize,
    /// Sum of `abs` over the circuit's edges that leave it.
    pub importance: f64,
    /// That over the sum of all heads'.
    pub share: f64,
    /// Share of the pairs whose own circuit has it.
    pub frequency: f64,
}

/// Mean losses, and how much of the way from corrupted to clean the circuit goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Faithfulness {
    /// Of the clean runs.
    pub clean: f64,
    /// Of the corrupted runs.
    pub corrupted: f64,
    /// Through the circuit.
    pub circuit: f64,
    /// `(circuit - corrupted) / (clean - corrupted)`; `None` if these are equal.
    pub recovered: Option<f64>,
}

/// The cheap scores of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SourceFile {
    /// The model as it was typed.
    pub model: String,
    /// Number of pairs.
    pub pairs: usize,
    /// How they were found.
    pub settings: Settings,
    /// Layers of the model.
    pub layers: usize,
    /// Query heads of a layer.
    pub heads: usize,
    /// Every source, in order.
    pub sources: Vec<ScoredSource>,
}

/// What a source adds to the loss, all its edges together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScoredSource {
    /// The source.
    pub node: String,
    /// Mean score over the pairs.
    pub score: f64,
    /// Mean absolute score.
    pub abs: f64,
}

impl SourceFile {
    /// Of what was found in the model that was typed as `model`.
    pub(crate) fn new(found: &SourceScores, model: &str, settings: &CircuitConfig) -> Self {
        let source = |node: usize| ScoredSource {
            node: found.graph.node_name(node),
            score: found.score[node],
            abs: found.abs[node],
        };
        Self {
            model: model.to_owned(),
            pairs: found.n_pairs,
            settings: settings.into(),
            layers: found.graph.layers,
            heads: found.graph.heads,
            sources: (0..found.graph.n_sources()).map(source).collect(),
        }
    }
}

impl CircuitFile {
    /// Of what was found in the model that was typed as `model`; with `all_edges` every edge of the graph.
    pub(crate) fn new(found: &Findings, model: &str, settings: &CircuitConfig, all_edges: bool) -> Self {
        let graph = found.graph;
        let mut listed: Vec<Edge> = if all_edges { graph.edges().collect() } else { found.circuit.clone() };
        let at = |edge: &Edge| edge.from * graph.n_destinations() + edge.to;
        // Of equal ones the earlier stays before.
        listed.sort_by(|a, b| found.abs[at(b)].total_cmp(&found.abs[at(a)]));
        let mut names: BTreeMap<usize, String> = BTreeMap::new();
        let mut edge = |edge: &Edge| ScoredEdge {
            from: names.entry(edge.from).or_insert_with(|| graph.node_name(edge.from)).clone(),
            to: graph.reader_name(edge.to),
            score: found.score[at(edge)],
            abs: found.abs[at(edge)],
        };
        let [clean, corrupted, circuit] = found.losses;
        let head = |(HeadId { layer, head }, part): (HeadId, Importance)| {
            let Importance { importance, share, frequency } = part;
            ScoredHead { layer, head, importance, share, frequency }
        };
        Self {
            model: model.to_owned(),
            pairs: found.n_pairs,
            settings: settings.into(),
            layers: graph.layers,
            heads: graph.heads,
            nodes: (0..=graph.n_sources()).map(|node| graph.node_name(node)).collect(),
            edges: listed.iter().map(&mut edge).collect(),
            heads_importance: found.heads().into_iter().map(head).collect(),
            faithfulness: Faithfulness { clean, corrupted, circuit, recovered: found.recovered() },
            curve: found.curve.clone(),
            base: None,
        }
    }

    /// The circuit in the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read or is none.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = read_regular_text(path, LARGEST)
            .with_context(|| format!("{}: expected the file of a circuit", path.display()))?;
        serde_json::from_str(&text).with_context(|| {
            let path = path.display();
            match serde_json::from_str::<SourceFile>(&text) {
                Ok(_) => format!("{path}: cheap scores, which name no circuit; find it without --cheap"),
                Err(_) => {
                    let program = program();
                    format!("{path}: no circuit, which `{program} circuit MODEL --pairs FILE --out OUT.json` writes")
                }
            }
        })
    }

    /// The circuit in the file at `path`, which is to be that of a model of shape `config`.
    ///
    /// # Errors
    /// If it cannot be read, is none, or is of another shape.
    pub(crate) fn of_model(path: &Path, config: &ModelConfig) -> Result<Self> {
        let file = Self::read(path)?;
        let (got, expected) = (Graph { layers: file.layers, heads: file.heads }, Graph::of(config));
        ensure!(
            got == expected,
            "{}: the circuit of {} layers of {} heads, and the model has {} of {}; find the circuit of this model",
            path.display(),
            got.layers,
            got.heads,
            expected.layers,
            expected.heads
        );
        Ok(file)
    }

    /// The heads of `set`, those of most importance first.
    ///
    /// # Errors
    /// If the circuit stands beside no other, and these are asked for.
    pub(crate) fn ranked(&self, set: HeadSet) -> Result<Vec<HeadId>> {
        let versus = || {
            self.base.as_ref().with_context(|| {
                format!(
                    "{set}: the circuit of {} stands beside no other; find it with --base MODEL",
                    self.model
                )
            })
        };
        Ok(match set {
            HeadSet::Heads => {
                let mut heads: Vec<&ScoredHead> =
                    self.heads_importance.iter().filter(|head| head.importance > 0.0).collect();
                heads.sort_by(|a, b| b.importance.total_cmp(&a.importance));
                heads.into_iter().map(|own| HeadId { layer: own.layer, head: own.head }).collect()
            }
            HeadSet::Emergent => versus()?.emergent.clone(),
            HeadSet::Retained => versus()?.retained.clone(),
            HeadSet::Lost => versus()?.lost.clone(),
        })
    }
}
