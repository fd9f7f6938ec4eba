//! Pictures of how circuits change: a heat map of layers by heads, and cohorts over checkpoints.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::emergence::Emergence;
use crate::picture::{GREY, Picture, colour};
use crate::types::Step;

/// Sizes in points: of a cell of the heat map, of what is beside it; of the panel of cohorts and what is beside that.
const CELL: u32 = 26;
const SIDE: u32 = 56;
const HEAD: u32 = 44;
const PANEL: (u32, u32) = (620, 330);
const LEGEND: u32 = 150;

/// How often each head is in the circuit, over all checkpoints.
pub(crate) struct HeatMap {
    /// What stands above.
    pub title: String,
    /// Shares by layer and head, 0 to 1.
    pub rows: Vec<Vec<f64>>,
}

/// How many heads of each cohort are alive at each checkpoint, one upon the other.
pub(crate) struct Cohorts<'a> {
    /// What stands above.
    pub title: String,
    /// The checkpoints.
    pub steps: &'a [Step],
    /// As [`Emergence::cohorts`].
    pub alive: &'a [Vec<usize>],
}

impl HeatMap {
    /// Of `emergence`, for a model of `layers` layers of `heads` heads.
    pub(crate) fn new(title: String, emergence: &Emergence, layers: usize, heads: usize) -> Self {
        let n = emergence.sets.len().max(1) as f64;
        let mut rows = vec![vec![0.0; heads]; layers];
        for sets in &emergence.sets {
            for head in sets.emergent.iter().chain(&sets.retained) {
                rows[head.layer][head.head] += 1.0 / n;
            }
        }
        Self { title, rows }
    }
}

/// From white to a dark blue.
fn shade(share: f64) -> RGBColor {
    let mix = |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * share).round() as u8;
    RGBColor(mix(246, 8), mix(248, 64), mix(250, 129))
}

fn failed<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> anyhow::Error {
    anyhow!("could not draw: {error}")
}

impl Picture for HeatMap {
    fn size(&self) -> (u32, u32) {
        let heads = self.rows.first().map_or(0, Vec::len) as u32;
        ((SIDE + heads * CELL + 120).max(380), HEAD + self.rows.len() as u32 * CELL + 52)
    }

    fn draw<B: DrawingBackend>(&self, root: &DrawingArea<B, Shift>, scale: f64) -> Result<()> {
        let px = |points: u32| (f64::from(points) * scale) as i32;
        let text = |size: f64| ("sans-serif", size * scale).into_font().color(&BLACK);
        let centred = |size: f64| text(size).pos(Pos::new(HPos::Center, VPos::Center));
        root.fill(&WHITE).map_err(failed)?;
        root.draw(&Text::new(self.title.as_str(), (px(14), px(12)), text(15.0))).map_err(failed)?;
        for (layer, row) in self.rows.iter().enumerate() {
            // The last layer on top, as information rises.
            let y = HEAD + (self.rows.len() - 1 - layer) as u32 * CELL;
            let label = Text::new(layer.to_string(), (px(SIDE - 14), px(y + CELL / 2)), centred(11.0));
            root.draw(&label).map_err(failed)?;
            for (head, share) in row.iter().enumerate() {
                let x = SIDE + head as u32 * CELL;
                let corners = [(px(x) + 1, px(y) + 1), (px(x + CELL) - 1, px(y + CELL) - 1)];
                root.draw(&Rectangle::new(corners, shade(*share).filled())).map_err(failed)?;
            }
        }
        let below = HEAD + self.rows.len() as u32 * CELL;
        for head in 0..self.rows.first().map_or(0, Vec::len) {
            let x = SIDE + head as u32 * CELL + CELL / 2;
            root.draw(&Text::new(head.to_string(), (px(x), px(below + 12)), centred(11.0)))
                .map_err(failed)?;
        }
        let place = (px(SIDE), px(below + 28));
        root.draw(&Text::new("head; layers from below", place, text(12.0))).map_err(failed)?;
        let right = SIDE + self.rows.first().map_or(0, Vec::len) as u32 * CELL + 18;
        for (i, share) in [1.0, 0.75, 0.5, 0.25, 0.0].into_iter().enumerate() {
            let y = HEAD + i as u32 * 20;
            let corners = [(px(right), px(y)), (px(right + 16), px(y + 16))];
            root.draw(&Rectangle::new(corners, shade(share).filled())).map_err(failed)?;
            root.draw(&Rectangle::new(corners, GREY.stroke_width(1))).map_err(failed)?;
            let label = format!("{:.0} %", 100.0 * share);
            root.draw(&Text::new(label, (px(right + 22), px(y + 2)), text(11.0))).map_err(failed)?;
        }
        Ok(())
    }
}

impl Picture for Cohorts<'_> {
    fn size(&self) -> (u32, u32) {
        (PANEL.0 + LEGEND, PANEL.1 + HEAD)
    }

    fn draw<B: DrawingBackend>(&self, root: &DrawingArea<B, Shift>, scale: f64) -> Result<()> {
        let px = |points: f64| (points * scale) as i32;
        let text = |size: f64| ("sans-serif", size * scale).into_font().color(&BLACK);
        root.fill(&WHITE).map_err(failed)?;
        root.draw(&Text::new(self.title.as_str(), (px(14.0), px(12.0)), text(15.0))).map_err(failed)?;
        let total = |i: usize| self.alive.iter().map(|cohort| cohort[i]).sum::<usize>();
        let most = (0..self.steps.len()).map(total).max().unwrap_or(1).max(1) as f64;
        let area = root.margin(px(f64::from(HEAD)), px(6.0), px(8.0), px(f64::from(LEGEND)));
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(px(40.0))
            .y_label_area_size(px(46.0))
            .build_cartesian_2d(0.0..self.steps.len() as f64, 0.0..most * 1.05)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(222, 222, 222).stroke_width(px(0.8).max(1) as u32))
            .axis_style(GREY.stroke_width(px(1.0).max(1) as u32))
            // Each stands below its bar.
            .x_labels(0)
            .y_label_formatter(&|y| format!("{y:.0}"))
            .label_style(text(12.0))
            .axis_desc_style(text(13.0))
            .x_desc("step")
            .y_desc("heads in the circuit")
            .draw()
            .map_err(failed)?;
        for i in 0..self.steps.len() {
            let mut below = 0.0;
            for (index, cohort) in self.alive.iter().enumerate().filter(|(_, cohort)| cohort[i] > 0) {
                let above = below + cohort[i] as f64;
                let corners = [(i as f64 + 0.08, below), (i as f64 + 0.92, above)];
                chart
                    .draw_series([Rectangle::new(corners, colour(index).mix(0.85).filled())])
                    .map_err(failed)?;
                below = above;
            }
        }
        let every = self.steps.len().div_ceil(14);
        for (i, step) in self.steps.iter().enumerate().step_by(every) {
            let (x, y) = chart.plotting_area().map_coordinate(&(i as f64 + 0.5, 0.0));
            let style = text(12.0).pos(Pos::new(HPos::Center, VPos::Top));
            root.draw(&Text::new(step.to_string(), (x, y + px(6.0)), style)).map_err(failed)?;
        }
        let names = std::iter::once("base".to_owned())
            .chain(self.steps.iter().map(|step| format!("first in {step}")));
        let living = |index: usize| self.alive[index].iter().any(|n| *n > 0);
        // As many as there is room for.
        let shown = names.enumerate().filter(|(index, _)| living(*index)).take(16);
        for (line, (index, name)) in shown.enumerate() {
            let (x, y) = (f64::from(PANEL.0) + 12.0, f64::from(HEAD) + line as f64 * 20.0);
            let corners = [(px(x), px(y)), (px(x + 14.0), px(y + 14.0))];
            root.draw(&Rectangle::new(corners, colour(index).mix(0.85).filled())).map_err(failed)?;
            root.draw(&Text::new(name, (px(x + 20.0), px(y)), text(12.0))).map_err(failed)?;
        }
        Ok(())
    }
}
