//! A page on circuits that needs nothing but itself.

use anyhow::{Context, Result};
use serde::Serialize;

use super::emergence::Emergence;
use super::file::CircuitFile;
use crate::types::Step;

const TEMPLATE: &str = include_str!("page.html");
/// Where the numbers go.
const PLACE: &str = "{{data}}";
/// Edges of a circuit that the page can draw.
const MOST_EDGES: usize = 400;

/// What is shown.
#[derive(Serialize)]
pub(crate) struct Page<'a> {
    /// Whose circuits they are.
    pub title: &'a str,
    /// What a shell takes to find them.
    pub command: &'a str,
    /// The circuits, the base before those of checkpoints.
    pub circuits: Vec<CircuitFile>,
    /// What becomes of heads, if the circuits are of checkpoints.
    pub emergence: Option<&'a Emergence>,
    /// The checkpoints.
    pub steps: &'a [Step],
    /// Accuracy behind each, where it is known.
    pub accuracy: &'a [Option<f64>],
}

impl Page<'_> {
    /// The document.
    ///
    /// # Errors
    /// If the numbers cannot be written down.
    pub(crate) fn html(mut self) -> Result<String> {
        self.circuits.iter_mut().for_each(|circuit| circuit.edges.truncate(MOST_EDGES));
        let (before, after) = TEMPLATE.split_once(PLACE).context("page.html has no place for the numbers")?;
        // Nothing in the data can end the element that holds it, whatever a model is called.
        let data = serde_json::to_string(&self)?.replace('<', "\\u003c");
        Ok([before, &data, after].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_the_network_for_nothing() {
        for word in ["http:", "https:", "src=", "url(", "import ", "fetch("] {
            assert!(!TEMPLATE.contains(word), "{word}");
        }
        assert!(TEMPLATE.contains("default-src 'none'") && TEMPLATE.matches(PLACE).count() == 1);
    }
}
