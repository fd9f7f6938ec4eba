//! A plan as a table, and what to do where it does not fit.

use std::fmt::Write as _;

use super::part::{Part, Phase};
use super::{Place, Plan, Remedy, Room, Times};
use crate::observe::duration;
use crate::table::Table;
use crate::types::counted;

/// Bytes in GB.
fn gb(bytes: f64) -> String {
    format!("{:.2}", bytes / 1e9)
}

impl Plan {
    /// Parts by phases, in GB, the sum of each last: parts that stay first, then the largest.
    pub(crate) fn table(&self) -> String {
        let mut names: Vec<(&'static str, Place)> = Vec::new();
        for Part { name, place, .. } in self.phases.iter().flat_map(|phase| &phase.parts) {
            if !names.contains(&(*name, *place)) {
                names.push((*name, *place));
            }
        }
        let held =
            |name: &(&str, Place)| self.phases.iter().filter(|phase| bytes(phase, *name) > 0.0).count();
        names.sort_by_key(|name| std::cmp::Reverse(held(name)));
        let row = |name: &(&'static str, Place)| {
            let beside = if self.on_gpu && name.1 == Place::Host { " (main memory)" } else { "" };
            let cells = self.phases.iter().map(|phase| match bytes(phase, *name) {
                0.0 => String::new(),
                found => gb(found),
            });
            std::iter::once(format!("{}{beside}", name.0)).chain(cells).collect()
        };
        let mut rows: Vec<Vec<String>> = names.iter().map(row).collect();
        let all = if self.on_gpu { "all on the GPU" } else { "all" };
        let sums = self.phases.iter().map(|phase| gb(self.of(phase)));
        rows.push(std::iter::once(all.to_owned()).chain(sums).collect());
        let header = self.phases.iter().map(|phase| phase.name.to_owned());
        let header = std::iter::once("GB of a rank".to_owned()).chain(header).collect();
        Table { header, rows }.plain()
    }

    /// The phase with the most, and its largest parts.
    pub(crate) fn largest(&self) -> String {
        let largest = self.phases.iter().max_by(|a, b| self.of(a).total_cmp(&self.of(b)));
        let Some(phase) = largest else { return String::new() };
        let mut parts: Vec<&Part> =
            phase.parts.iter().filter(|part| !self.on_gpu || part.place == Place::Device).collect();
        parts.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
        let parts: Vec<String> =
            parts.iter().take(4).map(|part| format!("{} {}", part.name, gb(part.bytes))).collect();
        format!("{} GB in the phase {} ({})", gb(self.of(phase)), phase.name, parts.join(", "))
    }

    /// Whether it fits into `room`, in words.
    pub(crate) fn verdict(&self, room: &Room) -> String {
        let (Some(usable), Some(bytes)) = (room.usable(), room.bytes) else {
            return format!("a rank holds at most {}; of {} nothing is known", self.largest(), room.of);
        };
        let fits = if self.fits(room) { "fits" } else { "does not fit" };
        let mut said = format!(
            "{fits}: a rank holds at most {}, and may take {} GB of the {} GB of {}",
            self.largest(),
            gb(usable),
            gb(bytes),
            room.of
        );
        if let Some(free) = room.free.filter(|free| *free < self.peak()) {
            let _ = write!(said, "; only {} GB are free at present", gb(free));
        }
        if self.on_gpu && self.host_peak() > 0.0 {
            let host = self.host_peak() * self.local_ranks as f64;
            let ranks = counted(self.local_ranks, "rank");
            let _ = write!(said, ". Main memory of a machine with {ranks}: {} GB", gb(host));
        }
        said
    }
}

/// What `phase` holds of the part `name`.
fn bytes(phase: &Phase, name: (&str, Place)) -> f64 {
    let own = phase.parts.iter().filter(|part| (part.name, part.place) == name);
    own.map(|part| part.bytes).sum()
}

/// What to change so that it fits, a line each; whether it does then.
pub(crate) fn advice(remedies: &[Remedy], fits: bool) -> Vec<String> {
    let line = |remedy: &Remedy| {
        format!("{}: saves {} GB, {} are left", remedy.change, gb(remedy.saves), gb(remedy.peak))
    };
    let mut lines: Vec<String> = remedies.iter().map(line).collect();
    let sets: Vec<&String> = remedies.iter().filter_map(|remedy| remedy.set.as_ref()).collect();
    // Of a key that is changed twice the second value counts.
    let key = |set: &str| set.split('=').next().unwrap_or_default().to_owned();
    let newest =
        sets.iter().enumerate().filter(|(i, set)| sets[i + 1..].iter().all(|later| key(later) != key(set)));
    let arguments: Vec<String> = newest.map(|(_, set)| format!("--set {set}")).collect();
    if fits && !arguments.is_empty() {
        lines.push(format!("as arguments: {}", arguments.join(" ")));
    }
    if !fits {
        lines.push(
            "even so it does not fit: take a smaller model, a larger device, or shorter responses".to_owned(),
        );
    }
    lines
}

impl Times {
    /// In words, of `n_steps` steps.
    pub(crate) fn said(&self, n_steps: u64) -> String {
        let Self { generate, measure, update } = self;
        format!(
            "a step takes about {:.1} s (generate {generate:.1}, measure {measure:.1}, update {update:.1}), {} {}, \
             evaluations not counted",
            self.step(),
            counted(n_steps, "step"),
            duration(self.step() * n_steps as f64)
        )
    }
}
