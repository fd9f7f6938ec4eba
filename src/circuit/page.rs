//! A page on circuits that needs nothing but itself.

use anyhow::Result;
use serde::Serialize;

use super::emergence::Emergence;
use super::file::CircuitFile;
use crate::page;
use crate::types::Step;

const TEMPLATE: &str = include_str!("page.html");
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
        page::fill(TEMPLATE, &self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_the_network_for_nothing() {
        page::assert_whole(TEMPLATE);
    }
}
