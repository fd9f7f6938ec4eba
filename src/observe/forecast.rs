//! When a run will be done: steps as long as the last ones and growing as these did, and what happens between steps as often
//! as the recipe says.
//!
//! ```text
//! left = R * (step + growth * min(R, n) / 2 + rest) + sum over evaluations, circuits, checkpoints: number left * mean seconds
//! step      mean time of the last 8 steps        growth    slope of the last n <= 64, s per step
//! rest      mean of what a step took beyond all that is timed: rows, rollouts, audits
//! ```
//!
//! Growth is believed as far ahead as it was seen, and no step is taken to be longer than one whose responses all reach the
//! limit of new tokens.

use std::collections::VecDeque;

use crate::types::{MetricRow, Step};

/// Steps that tell how long the next ones will take.
const RECENT: usize = 8;
/// Steps that tell how that grows.
const TREND: usize = 64;

/// What a run is going to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Steps in all.
    pub steps: Step,
    /// Steps between evaluations, measurements of heads and checkpoints, and after the last step; 0: then alone.
    pub every: [Step; 3],
    /// Most tokens of a response.
    pub max_new_tokens: usize,
}

/// The times of what happens beside steps, in the order of [`Schedule::every`].
const BESIDE: [&str; 3] = ["time/eval", "time/circuit", "time/checkpoint"];

/// Foretells how long a run will take.
#[derive(Clone, Debug)]
pub(crate) struct Forecast {
    schedule: Schedule,
    /// Seconds and mean length of the last steps.
    steps: VecDeque<(f64, f64)>,
    /// Seconds that each kind of [`BESIDE`] took so far, and how often it happened.
    beside: [(f64, u32); 3],
    /// Seconds beyond all that is timed, and over how many steps.
    rest: (f64, u32),
    /// The run's clock at the last step.
    wall_s: Option<f64>,
}

impl Forecast {
    /// That of a run of which nothing is known but that an evaluation took `evaluation_s`, if there was one.
    #[must_use]
    pub(crate) fn new(schedule: Schedule, evaluation_s: Option<f64>) -> Self {
        let evaluation = evaluation_s.map_or((0.0, 0), |seconds| (seconds, 1));
        let beside = [evaluation, (0.0, 0), (0.0, 0)];
        Self { schedule, steps: VecDeque::new(), beside, rest: (0.0, 0), wall_s: None }
    }

    /// Takes note of the row of a step.
    pub(crate) fn see(&mut self, row: &MetricRow) {
        let time = |key: &str| row.get(key).filter(|seconds| seconds.is_finite());
        let Some(step_s) = time("time/step") else { return };
        let beside = BESIDE.map(time);
        for ((sum, n), seconds) in self.beside.iter_mut().zip(beside) {
            (*sum, *n) = (*sum + seconds.unwrap_or(0.0), *n + u32::from(seconds.is_some()));
        }
        let wall_s = time("progress/wall_s");
        if let (Some(before), Some(now)) = (self.wall_s, wall_s) {
            let timed = step_s + beside.iter().flatten().sum::<f64>();
            self.rest = (self.rest.0 + (now - before - timed).max(0.0), self.rest.1 + 1);
        }
        self.wall_s = wall_s;
        self.steps.push_back((step_s, row.get("response_length/mean").unwrap_or(0.0)));
        if self.steps.len() > TREND {
            self.steps.pop_front();
        }
    }

    /// Seconds from the end of `step` to that of the run; `None` before the first step, and of a run that is done.
    #[must_use]
    pub(crate) fn left(&self, step: Step) -> Option<f64> {
        let Schedule { steps, every, .. } = self.schedule;
        let left = steps.checked_sub(step).filter(|left| *left > 0)?;
        let beside: f64 = self
            .beside
            .iter()
            .zip(every)
            .map(|((sum, n), every)| {
                let times = occurrences(step, steps, every);
                if *n == 0 { 0.0 } else { times as f64 * sum / f64::from(*n) }
            })
            .sum();
        let rest = if self.rest.1 == 0 { 0.0 } else { self.rest.0 / f64::from(self.rest.1) };
        Some(left as f64 * (self.step_s(left)? + rest) + beside)
    }

    /// Mean seconds of the next `left` steps; `None` before the first.
    fn step_s(&self, left: Step) -> Option<f64> {
        let n = self.steps.len();
        let recent = self.steps.iter().skip(n.saturating_sub(RECENT));
        let n_recent = n.min(RECENT);
        let (seconds, length) = recent.fold((0.0, 0.0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
        if n_recent == 0 {
            return None;
        }
        let (seconds, length) = (seconds / n_recent as f64, length / n_recent as f64);
        // The first steps tell nothing of where they lead.
        let growth = if n < RECENT { 0.0 } else { slope(self.steps.iter().map(|step| step.0)) };
        let ahead = left.min(n as Step) as f64 / 2.0;
        let most = if length > 0.0 { self.schedule.max_new_tokens as f64 / length } else { 1.0 };
        Some((seconds + growth * ahead).clamp(seconds / 2.0, seconds * most.max(1.0)))
    }
}

/// How often something happens after `step` that happens every `every` steps and after the last of `steps`.
fn occurrences(step: Step, steps: Step, every: Step) -> Step {
    let regular = |upto: Step| upto.checked_div(every).unwrap_or(0);
    let at_the_end = every == 0 || !steps.is_multiple_of(every);
    regular(steps) - regular(step) + Step::from(at_the_end)
}

/// Slope of the straight line that is nearest to `values`, at 0, 1, 2, ...
fn slope(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    let centre = (n - 1.0) / 2.0;
    let (mut product, mut square) = (0.0, 0.0);
    for (i, value) in values.enumerate() {
        let x = i as f64 - centre;
        product += x * value;
        square += x * x;
    }
    if square > 0.0 { product / square } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule { steps: 100, every: [20, 0, 50], max_new_tokens: 80 };

    fn row(step_s: f64, wall_s: f64, more: &[(&'static str, f64)]) -> MetricRow {
        let own = [("time/step", step_s), ("progress/wall_s", wall_s), ("response_length/mean", 40.0)];
        own.into_iter().chain(more.iter().copied()).collect()
    }

    #[test]
    fn evaluations_and_checkpoints_that_are_left_count() {
        let mut forecast = Forecast::new(SCHEDULE, Some(30.0));
        assert_eq!(forecast.left(0), None);
        forecast.see(&row(2.0, 100.0, &[]));
        // 99 steps, and evaluations after 20, 40, 60, 80 and 100.
        assert_eq!(forecast.left(1), Some(99.0 * 2.0 + 5.0 * 30.0));
        // Half a second a step is spent on what nobody times.
        forecast.see(&row(2.0, 102.5, &[]));
        assert_eq!(forecast.left(2), Some(98.0 * 2.5 + 5.0 * 30.0));
        forecast.see(&row(2.0, 117.0, &[("time/eval", 10.0), ("time/checkpoint", 2.0)]));
        let rest = (0.5 + 0.5) / 2.0;
        assert!(
            (forecast.left(3).unwrap_or(0.0) - (97.0 * (2.0 + rest) + 5.0 * 20.0 + 2.0 * 2.0)).abs() < 1e-9
        );
        assert_eq!(forecast.left(100), None, "done");
    }

    #[test]
    fn what_happens_after_the_last_step_counts_once() {
        for (step, steps, every, expected) in [
            (0, 100, 20, 5),
            (20, 100, 20, 4),
            (19, 100, 20, 5),
            (0, 90, 20, 5),
            (0, 90, 0, 1),
            (80, 90, 20, 1),
        ] {
            assert_eq!(occurrences(step, steps, every), expected, "{step} of {steps}, every {every}");
        }
    }

    /// A step takes a tenth of a second longer each time; whoever goes by the mean so far is far off.
    #[test]
    fn growing_responses_are_foretold() {
        let growing = |step: u64| 1.0 + 0.1 * step as f64;
        let schedule = Schedule { steps: 60, every: [0, 0, 0], max_new_tokens: 400 };
        let mut forecast = Forecast::new(schedule, None);
        (1..=30).for_each(|step| forecast.see(&row(growing(step), 0.0, &[])));
        let truth: f64 = (31..=60).map(growing).sum();
        let told = forecast.left(30).unwrap_or(0.0);
        assert!((told / truth - 1.0).abs() < 0.1, "{told} and {truth}");
        // Responses of 40 tokens cannot grow beyond 44.
        let bounded = Forecast { schedule: Schedule { max_new_tokens: 44, ..schedule }, ..forecast };
        let last = (23..=30).map(growing).sum::<f64>() / 8.0;
        assert!((bounded.left(30).unwrap_or(0.0) - 30.0 * last * 1.1).abs() < 1e-6);
    }
}
