//! The curves as figures: held-out accuracy by step, by generated tokens and by training time.
//!
//! A line is the mean over the finished seeds of an arm, its band the 95 % interval (Student's t). Seeds that were
//! evaluated at the same places are averaged there; tokens and seconds differ between seeds, so there the straight pieces
//! between evaluations are averaged, up to where the shortest of them ends.

use std::path::Path;

use anyhow::{Context, Result};

use super::collect::Point;

use super::statistics::{Mean, interpolate};
use super::summary::{ArmSummary, Summary};
use crate::files::write_whole;
use crate::picture;
use crate::types::counted;

/// Places at which curves are averaged that have none in common.
const GRID: usize = 120;

/// Most marks on a line.
const MARKS: usize = 12;

/// What the curves are drawn against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Training steps.
    Step,
    /// Response tokens sampled for training.
    Tokens,
    /// Seconds of training steps.
    Time,
}

impl Axis {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Step, Self::Tokens, Self::Time];

    /// As a word.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Tokens => "tokens",
            Self::Time => "time",
        }
    }

    /// Name of its files, without an extension.
    #[must_use]
    pub(crate) fn file_stem(self) -> String {
        format!("curves_by_{}", self.name())
    }

    fn of(self, point: &Point) -> f64 {
        match self {
            Self::Step => point.step as f64,
            Self::Tokens => point.tokens,
            Self::Time => point.seconds,
        }
    }

    /// What the axis is called and what its numbers are divided by, for numbers up to `most`.
    fn scale(self, most: f64) -> (&'static str, f64) {
        match self {
            Self::Step => ("training steps", 1.0),
            Self::Tokens if most >= 1e6 => ("response tokens sampled, millions", 1e6),
            Self::Tokens if most >= 1e4 => ("response tokens sampled, thousands", 1e3),
            Self::Tokens => ("response tokens sampled", 1.0),
            Self::Time if most >= 7200.0 => ("training time, hours", 3600.0),
            Self::Time if most >= 120.0 => ("training time, minutes", 60.0),
            Self::Time => ("training time, seconds", 1.0),
        }
    }
}

/// Something to be drawn: panels side by side and one legend.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// Above everything.
    pub title: String,
    /// From left to right.
    pub panels: Vec<Panel>,
    /// What each line is, in the order of [`Panel::lines`].
    pub legend: Vec<String>,
    /// What lines and bands are.
    pub caption: String,
}

/// One pair of axes.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// Name and unit of the vertical axis.
    pub y_name: String,
    /// Name and unit of the horizontal axis.
    pub x_name: &'static str,
    /// Ends of the horizontal axis.
    pub x: [f64; 2],
    /// Ends of the vertical axis, %.
    pub y: [f64; 2],
    /// One per arm; empty where nothing was measured.
    pub lines: Vec<Vec<Place>>,
}

/// A place on a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    /// On the horizontal axis.
    pub x: f64,
    /// Mean over seeds, %.
    pub mean: f64,
    /// The interval, %.
    pub band: Option<[f64; 2]>,
    /// Whether it bears a mark.
    pub mark: bool,
}

/// Writes all figures into `folder`; does nothing before the first run is finished.
///
/// # Errors
/// If one cannot be drawn or written.
pub(crate) fn write(summary: &Summary, folder: &Path) -> Result<()> {
    if summary.n_finished == 0 {
        return Ok(());
    }
    for axis in Axis::ALL {
        let figure = figure(summary, axis);
        let path = |extension: &str| folder.join(format!("{}.{extension}", axis.file_stem()));
        let svg = picture::svg(&figure).with_context(|| path("svg").display().to_string())?;
        write_whole(&path("svg"), |w| Ok(w.write_all(svg.as_bytes())?))?;
        let png = picture::png(&figure).with_context(|| path("png").display().to_string())?;
        write_whole(&path("png"), |w| Ok(w.write_all(&png)?))?;
    }
    Ok(())
}

fn figure(summary: &Summary, axis: Axis) -> Figure {
    let avg = panel(summary, axis, format!("{}, %", summary.avg_name()), |point| Some(point.avg));
    let greedy = panel(summary, axis, String::from("greedy accuracy, %"), |point| point.greedy);
    let partial = match summary.partial {
        true => format!(" ({} of {})", summary.n_finished, counted(summary.n_runs, "run")),
        false => String::new(),
    };
    let arms = baseline_first(summary);
    let counts: Vec<usize> = arms.iter().map(|arm| arm.finished().count()).collect();
    let seeds = |n: usize| counted(n, "seed");
    let all_same = counts.windows(2).all(|pair| pair[0] == pair[1]);
    let legend = arms.iter().zip(&counts).map(|(arm, n)| match all_same {
        true => arm.label.clone(),
        false => format!("{}, {}", arm.label, seeds(*n)),
    });
    let over = counts.first().filter(|_| all_same).map_or_else(|| String::from("seeds"), |n| seeds(*n));
    Figure {
        title: format!("{}: held-out accuracy by {}{partial}", summary.title, axis.name()),
        panels: [avg, greedy].into_iter().flatten().collect(),
        legend: legend.collect(),
        caption: match over.as_str() {
            "1 seed" => over,
            "2 seeds" => format!("mean over {over}"),
            _ => format!("mean and 95 % interval over {over}"),
        },
    }
}

/// The order in which arms are drawn: whatever it is called, the baseline is the bold black line.
fn baseline_first(summary: &Summary) -> Vec<&ArmSummary> {
    let mut arms: Vec<_> = summary.arms.iter().collect();
    arms.sort_by_key(|arm| arm.label != summary.baseline);
    arms
}

/// `None` where nothing was measured.
fn panel(summary: &Summary, axis: Axis, y_name: String, value: fn(&Point) -> Option<f64>) -> Option<Panel> {
    let curves: Vec<Vec<Vec<(f64, f64)>>> =
        baseline_first(summary).iter().map(|arm| curves(arm, axis, value)).collect();
    let places = || curves.iter().flatten().flatten();
    let most = places().map(|(x, _)| *x).fold(0.0, f64::max);
    let (x_name, unit) = axis.scale(most);
    // From the curves, not from the bands: with two seeds these are wider than anything worth seeing.
    let low = places().map(|(_, y)| *y).fold(f64::INFINITY, f64::min);
    let high = places().map(|(_, y)| *y).fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return None;
    }
    let margin = (0.08 * (high - low)).max(0.5);
    let lines = curves.iter().map(|seeds| line(seeds, unit)).collect();
    let y = [(low - margin).max(0.0), (high + margin).min(100.0)];
    Some(Panel { y_name, x_name, x: [0.0, (most / unit).max(f64::MIN_POSITIVE)], y, lines })
}

/// A curve per finished seed, %.
fn curves(arm: &ArmSummary, axis: Axis, value: fn(&Point) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let of_run = |curve: &[Point]| -> Option<Vec<(f64, f64)>> {
        curve.iter().map(|point| Some((axis.of(point), 100.0 * value(point)?))).collect()
    };
    arm.finished().filter_map(|run| of_run(&run.curve)).collect()
}

fn line(seeds: &[Vec<(f64, f64)>], unit: f64) -> Vec<Place> {
    let Some(first) = seeds.first() else { return Vec::new() };
    let places = |curve: &[(f64, f64)]| curve.iter().map(|(x, _)| *x).collect::<Vec<_>>();
    let own = places(first);
    let grid = if seeds.iter().all(|curve| places(curve) == own) { own } else { common_grid(seeds) };
    let every = grid.len().div_ceil(MARKS).max(1);
    let at = |(index, x): (usize, &f64)| {
        let values: Vec<f64> = seeds.iter().filter_map(|curve| interpolate(curve, *x)).collect();
        let Mean { mean, ci95: band, .. } = Mean::from_values(&values)?;
        Some(Place { x: x / unit, mean, band, mark: index.is_multiple_of(every) || index + 1 == grid.len() })
    };
    grid.iter().enumerate().filter_map(at).collect()
}

/// Places between the latest beginning and the earliest end of the curves.
fn common_grid(seeds: &[Vec<(f64, f64)>]) -> Vec<f64> {
    let begin = seeds.iter().filter_map(|curve| curve.first()).map(|(x, _)| *x).fold(0.0, f64::max);
    let end = seeds.iter().filter_map(|curve| curve.last()).map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
    (0..GRID)
        .map(|i| match i + 1 {
            // Exactly the end, which rounding could overstep.
            GRID => end,
            _ => begin + (end - begin) * i as f64 / (GRID - 1) as f64,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::summary::{Origin, testing::arms};
    use super::*;

    #[test]
    fn seeds_with_other_places_are_averaged_between_them() {
        let curve = |from: f64, to: f64| vec![(0.0, from), (2.0, to)];
        let same = line(&[curve(10.0, 20.0), curve(15.0, 30.0), curve(20.0, 40.0)], 2.0);
        let means: Vec<_> = same.iter().map(|place| (place.x, place.mean)).collect();
        assert_eq!(means, [(0.0, 15.0), (1.0, 30.0)]);
        let [low, high] = same[0].band.unwrap();
        let half = 4.302_652_73 * 5.0 / 3f64.sqrt();
        assert!((low + high - 30.0).abs() < 1e-9 && ((high - low) / 2.0 - half).abs() < 1e-6);
        assert_eq!(line(&[curve(10.0, 20.0), curve(20.0, 40.0)], 2.0)[0].band, None);

        let other = line(&[vec![(0.0, 10.0), (2.0, 30.0)], vec![(0.0, 10.0), (4.0, 50.0)]], 1.0);
        assert_eq!(other.len(), GRID);
        assert!(other.iter().all(|place| (place.mean - (10.0 + 10.0 * place.x)).abs() < 1e-9));
        assert_eq!(other.last().map(|place| place.x), Some(2.0));
    }

    #[test]
    fn the_baseline_is_drawn_first_and_the_others_keep_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let of = |baseline: &str| {
            let origin = Origin { baseline: baseline.into(), n_runs: 6, ..Origin::default() };
            let summary = Summary::new(origin, arms(dir.path())).unwrap();
            figure(&summary, Axis::ALL[0]).legend
        };
        assert_eq!(of("uniform"), ["uniform, 3 seeds", "rhythm, 2 seeds"]);
        assert_eq!(of("rhythm"), ["rhythm, 2 seeds", "uniform, 3 seeds"]);
    }

    #[test]
    fn figures_are_whole_files_with_every_arm() {
        let dir = tempfile::tempdir().unwrap();
        let origin = Origin { baseline: String::from("uniform"), n_runs: 6, ..Origin::default() };
        let summary = Summary::new(origin, arms(dir.path())).unwrap();
        write(&summary, dir.path()).unwrap();
        for axis in Axis::ALL {
            let svg = std::fs::read_to_string(dir.path().join(format!("{}.svg", axis.file_stem()))).unwrap();
            for part in
                ["<svg", "</svg>", "uniform, 3 seeds", "rhythm, 2 seeds", "avg@4, %", "greedy accuracy, %"]
            {
                assert!(svg.contains(part), "{part} in {}", axis.name());
            }
            let png = std::fs::read(dir.path().join(format!("{}.png", axis.file_stem()))).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            // The first arm's colour and the second's, as in `draw`.
            for colour in [[0, 0, 0], [230, 159, 0]] {
                assert!(pixels.chunks(3).filter(|pixel| **pixel == colour).count() > 500, "{colour:?}");
            }
        }
    }
}
