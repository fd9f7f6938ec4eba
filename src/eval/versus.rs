//! Several policies on the same problems: each one's numbers, and how far they are from those of one of them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::paired::{average, difference};
use super::table::percent;
use super::{Estimate, EvalItem, EvalReport, Problem};
use crate::files::write_whole;
use crate::table::Table;

/// What one policy reached on every set.
pub(crate) struct Measured {
    /// How it is called.
    pub name: String,
    /// Set by set, with what was said of each problem.
    pub sets: Vec<(EvalReport, Vec<EvalItem>)>,
}

/// Policies beside one of them.
pub(crate) struct Versus<'a> {
    all: &'a [Measured],
    /// The different problems of each set, policy by policy.
    problems: Vec<Vec<Vec<Problem>>>,
    baseline: usize,
}

/// A policy that something was done to, by places among all.
pub(crate) struct Changed {
    /// It.
    pub own: usize,
    /// The same as it is.
    pub itself: usize,
    /// The same with something else done to it, for comparison.
    pub controls: Vec<usize>,
}

/// One share of every problem, and how many responses of a row it comes from.
struct Share {
    name: String,
    of: Box<dyn Fn(&Problem) -> f64>,
    responses: usize,
}

impl<'a> Versus<'a> {
    /// `all` beside the one at index `baseline`.
    ///
    /// # Errors
    /// If they have not been asked the same problems as often.
    pub(crate) fn new(all: &'a [Measured], baseline: usize) -> Result<Self> {
        ensure!(baseline < all.len(), "no policy to compare with");
        let asked = |measured: &Measured| -> Vec<(String, usize, Vec<u64>)> {
            let of = |(report, items): &(EvalReport, Vec<EvalItem>)| {
                (report.set.clone(), report.k, items.iter().map(|item| item.prompt_id).collect())
            };
            measured.sets.iter().map(of).collect()
        };
        for other in all {
            ensure!(
                asked(other) == asked(&all[baseline]),
                "{} and {} were not asked the same problems equally often",
                other.name,
                all[baseline].name
            );
        }
        let pooled = |(set, (_, items)): (usize, &(EvalReport, Vec<EvalItem>))| {
            let everybody: Vec<&[EvalItem]> =
                all.iter().filter_map(|other| Some(other.sets.get(set)?.1.as_slice())).collect();
            Problem::pooled_beside(items, &everybody)
        };
        let problems = all.iter().map(|measured| measured.sets.iter().enumerate().map(pooled).collect());
        Ok(Self { all, problems: problems.collect(), baseline })
    }

    fn n_sets(&self) -> usize {
        self.all[self.baseline].sets.len()
    }

    fn shares(&self) -> Vec<Share> {
        let Some((report, _)) = self.all[self.baseline].sets.first() else { return Vec::new() };
        let k = report.k;
        let mut shares = vec![
            Share { name: format!("avg@{k}"), of: Box::new(Problem::share), responses: k },
            Share { name: format!("pass@{k}"), of: Box::new(move |problem| problem.pass(k)), responses: k },
            Share { name: format!("maj@{k}"), of: Box::new(|problem| problem.majority), responses: 1 },
        ];
        if report.greedy.is_some() {
            let of = |problem: &Problem| problem.greedy.unwrap_or(0.0);
            shares.push(Share { name: "greedy".to_owned(), of: Box::new(of), responses: 1 });
        }
        shares
    }

    /// How far policy `other` is from the baseline on each set.
    fn differences(&self, share: &Share, other: usize) -> Vec<Estimate> {
        let sets = self.problems[other].iter().zip(&self.problems[self.baseline]);
        let differences = sets.map(|(own, base)| {
            let pairs = own.iter().zip(base).map(|(own, base)| ((share.of)(own), (share.of)(base)));
            difference(&pairs.collect::<Vec<_>>(), share.responses * rows_each(base))
        });
        differences.collect()
    }

    /// What policy `index` reached on each set.
    fn values(&self, share: &Share, index: usize) -> Vec<Estimate> {
        let of_set = |problems: &Vec<Problem>| {
            super::estimate(problems.iter().map(&share.of), share.responses * rows_each(problems))
        };
        self.problems[index].iter().map(of_set).collect()
    }

    /// Name and number of problems of each set.
    fn sets(&self) -> impl Iterator<Item = (&str, usize)> {
        self.all[self.baseline].sets.iter().map(|(report, _)| (report.set.as_str(), report.n))
    }

    /// How far policy `own` is from the mean of policies `others`, problem by problem, as the mean over sets.
    fn to_mean_of(&self, share: &Share, own: usize, others: &[usize]) -> Option<Estimate> {
        if others.is_empty() {
            return None;
        }
        let of_set = |(set, problems): (usize, &Vec<Problem>)| {
            let mean = |i: usize| {
                let all = others.iter().map(|other| (share.of)(&self.problems[*other][set][i]));
                all.sum::<f64>() / others.len() as f64
            };
            let pairs = problems.iter().enumerate().map(|(i, problem)| ((share.of)(problem), mean(i)));
            difference(&pairs.collect::<Vec<_>>(), share.responses * rows_each(problems))
        };
        let of_sets: Vec<Estimate> = self.problems[own].iter().enumerate().map(of_set).collect();
        average(&of_sets)
    }

    /// For each share a row for each of some policies: its own, to another, and to the mean of its controls, if it has any, as means
    /// over sets.
    #[must_use]
    pub(crate) fn beside_controls(&self, rows: &[Changed]) -> Vec<(String, Table)> {
        let cell = |estimate: Option<Estimate>, show: fn(&Estimate) -> String| {
            estimate.as_ref().map_or_else(String::new, show)
        };
        if rows.is_empty() {
            return Vec::new();
        }
        // Without controls there is nothing to say of them.
        let n_columns = if rows.iter().all(|row| row.controls.is_empty()) { 4 } else { 6 };
        let table = |share: &Share| {
            let value = |i: usize| cell(average(&self.values(share, i)), percent);
            let row = |Changed { own, itself, controls }: &Changed| {
                let of_controls: Vec<Estimate> =
                    controls.iter().filter_map(|i| average(&self.values(share, *i))).collect();
                let cells = [
                    self.all[*own].name.clone(),
                    value(*own),
                    value(*itself),
                    cell(self.to_mean_of(share, *own, &[*itself]), signed),
                    cell(average(&of_controls), |estimate| format!("{:.1}", 100.0 * estimate.mean)),
                    cell(self.to_mean_of(share, *own, controls), signed),
                ];
                cells[..n_columns].to_vec()
            };
            let header = [
                &format!("{} (in %)", share.name),
                "changed",
                "as it is",
                "difference",
                "random heads",
                "difference to these",
            ];
            let header = header.map(str::to_owned)[..n_columns].to_vec();
            (share.name.clone(), Table { header, rows: rows.iter().map(row).collect() })
        };
        self.shares().iter().map(table).collect()
    }

    /// One table for each share: a row for each set, and one for their mean where there are several.
    #[must_use]
    pub(crate) fn tables(&self) -> Vec<(String, Table)> {
        let table = |share: &Share| {
            let base = &self.all[self.baseline].name;
            let mut header = vec![format!("{} (in %)", share.name), "n".to_owned()];
            let total: usize = self.sets().map(|(_, n)| n).sum();
            let mut rows: Vec<Vec<String>> =
                self.sets().map(|(set, n)| vec![set.to_owned(), n.to_string()]).collect();
            let has_mean = self.n_sets() > 1;
            if has_mean {
                rows.push(vec!["mean".to_owned(), total.to_string()]);
            }
            let mut add = |name: String, estimates: Vec<Estimate>, show: fn(&Estimate) -> String| {
                header.push(name);
                let mean = has_mean.then(|| average(&estimates)).flatten();
                rows.iter_mut()
                    .zip(estimates.iter().chain(&mean))
                    .for_each(|(row, estimate)| row.push(show(estimate)));
            };
            add(base.clone(), self.values(share, self.baseline), percent);
            for (i, other) in self.others() {
                add(other.name.clone(), self.values(share, i), percent);
                add(format!("{} - {base}", other.name), self.differences(share, i), signed);
            }
            (share.name.clone(), Table { header, rows })
        };
        self.shares().iter().map(table).collect()
    }

    /// Writes `comparison.json` and `comparison.md` into the folder `out`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(crate) fn write(&self, out: &Path, changed: &[Changed]) -> Result<()> {
        fs::create_dir_all(out).with_context(|| format!("could not make {}", out.display()))?;
        write_whole(&out.join("comparison.json"), |mut w| {
            serde_json::to_writer_pretty(&mut w, &self.to_json(changed))?;
            Ok(w.write_all(b"\n")?)
        })?;
        let tables = self.tables().into_iter().chain(self.beside_controls(changed));
        let tables: Vec<String> = tables.map(|(_, table)| table.markdown() + "\n").collect();
        write_whole(&out.join("comparison.md"), |w| Ok(w.write_all(tables.join("\n").as_bytes())?))
    }

    fn others(&self) -> impl Iterator<Item = (usize, &Measured)> {
        self.all.iter().enumerate().filter(|(i, _)| *i != self.baseline)
    }

    /// All of it as one object: by share, then set, or `mean`, then policy.
    #[must_use]
    pub(crate) fn to_json(&self, changed: &[Changed]) -> Value {
        let shown = |estimate: &Estimate| json!({ "mean": estimate.mean, "ci95": estimate.ci95 });
        let mut by_share = Map::new();
        for share in self.shares() {
            let mut sets: Map<String, Value> =
                self.sets().map(|(set, n)| (set.to_owned(), json!({ "n": n, "models": {} }))).collect();
            let mut mean = Map::new();
            for (i, measured) in self.all.iter().enumerate() {
                let values = self.values(&share, i);
                let differences = self.differences(&share, i);
                let is_other = measured.name != self.all[self.baseline].name;
                let entry = |value: &Estimate, difference: &Estimate| {
                    let mut entry = shown(value);
                    if is_other {
                        entry["difference"] = shown(difference);
                    }
                    entry
                };
                for ((_, set), (value, difference)) in sets.iter_mut().zip(values.iter().zip(&differences)) {
                    set["models"][&measured.name] = entry(value, difference);
                }
                if let Some((value, difference)) = average(&values).zip(average(&differences)) {
                    mean.insert(measured.name.clone(), entry(&value, &difference));
                }
            }
            by_share.insert(share.name, json!({ "sets": sets, "mean": mean }));
        }
        let models: Vec<&str> = self.all.iter().map(|measured| measured.name.as_str()).collect();
        let mut all =
            json!({ "baseline": self.all[self.baseline].name, "models": models, "shares": by_share });
        if !changed.is_empty() {
            let of = |row| self.changed_to_json(row, shown);
            all["changed"] = changed.iter().map(of).collect();
        }
        all
    }

    /// A changed policy beside itself as it is and beside its controls, as means over sets.
    fn changed_to_json(&self, row: &Changed, shown: fn(&Estimate) -> Value) -> Value {
        let name = |i: &usize| self.all[*i].name.as_str();
        let mut by_share = Map::new();
        for share in self.shares() {
            let to = |others: &[usize]| self.to_mean_of(&share, row.own, others).as_ref().map(shown);
            let differences = json!({ "difference": to(&[row.itself]), "to_controls": to(&row.controls) });
            by_share.insert(share.name.clone(), differences);
        }
        let controls: Vec<&str> = row.controls.iter().map(name).collect();
        json!({ "model": name(&row.own), "itself": name(&row.itself), "controls": controls, "shares": by_share })
    }
}

/// Rows that ask each problem, at least.
fn rows_each(problems: &[Problem]) -> usize {
    problems.iter().map(|problem| problem.n_rows).min().unwrap_or(1)
}

/// `+2.5 [-1.0, 6.1]`, in percentage points.
fn signed(difference: &Estimate) -> String {
    let [low, high] = difference.ci95.map(|end| 100.0 * end);
    format!("{:+.1} [{low:+.1}, {high:+.1}]", 100.0 * difference.mean)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::rollout::SamplingConfig;

    /// A set of problems with so many of two samples correct, the first of which is the majority's.
    fn measured(name: &str, sets: &[(&str, &[usize])]) -> Measured {
        let sampling = SamplingConfig {
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            max_new_tokens: 8,
            min_new_tokens: 0,
            stop: Vec::new(),
            max_num_seqs: 4,
        };
        let response = |correct: bool| {
            serde_json::from_value(json!({
                "text": "", "n_tokens": 2, "finish": "eos", "answer": "1", "correct": correct, "status": "ok"
            }))
            .unwrap()
        };
        let of_set = |(set, right): &(&str, &[usize])| {
            let item = |(id, n): (u64, &usize)| EvalItem {
                prompt_id: id,
                place: None,
                prompt: id.to_string(),
                gold: String::new(),
                responses: vec![response(*n > 0), response(*n > 1)],
                n_correct: *n,
                majority: Some(0),
                greedy: None,
            };
            let items: Vec<EvalItem> = (0..).zip(*right).map(item).collect();
            (EvalReport::new(set, &items, 2, sampling.clone()), items)
        };
        Measured { name: name.to_owned(), sets: sets.iter().map(of_set).collect() }
    }

    #[test]
    fn policies_stand_beside_the_baseline() {
        let all = [
            measured("new", &[("a", &[2, 1, 0]), ("b", &[2, 2])]),
            measured("base", &[("a", &[0, 1, 0]), ("b", &[2, 0])]),
        ];
        let versus = Versus::new(&all, 1).unwrap();
        let json = versus.to_json(&[]);
        let a = &json["shares"]["avg@2"]["sets"]["a"];
        assert_eq!((a["n"].as_u64(), a["models"]["new"]["mean"].as_f64()), (Some(3), Some(0.5)));
        let got = &a["models"]["new"]["difference"];
        let expected = difference(&[(1.0, 0.0), (0.5, 0.5), (0.0, 0.0)], 2);
        assert_eq!(
            (got["mean"].as_f64(), got["ci95"][0].as_f64()),
            (Some(expected.mean), Some(expected.ci95[0]))
        );
        assert!(a["models"]["base"].get("difference").is_none());
        let mean = json["shares"]["avg@2"]["mean"]["new"]["difference"]["mean"].as_f64().unwrap();
        assert!((mean - (1.0 / 3.0 + 0.5) / 2.0).abs() < 1e-12);

        let tables = versus.tables();
        let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["avg@2", "pass@2", "maj@2"]);
        let table = &tables[0].1;
        assert_eq!(table.header, ["avg@2 (in %)", "n", "base", "new", "new - base"]);
        let first: Vec<&str> = table.rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(first, ["a", "b", "mean"]);
        assert!(table.rows[0][4].starts_with("+33.3 [") && table.rows.iter().all(|row| row.len() == 5));
    }

    #[test]
    fn what_is_changed_stands_beside_itself_and_the_mean_of_its_controls() {
        let of = |name, correct: &[usize]| measured(name, &[("a", correct)]);
        let all = [of("m", &[0, 1, 0]), of("m+x", &[2, 1, 0]), of("c1", &[1, 1, 0]), of("c2", &[0, 0, 0])];
        let versus = Versus::new(&all, 0).unwrap();
        let row = || Changed { own: 1, itself: 0, controls: vec![2, 3] };
        let found = &versus.to_json(&[row()])["changed"][0];
        assert_eq!(
            (&found["model"], &found["itself"], &found["controls"]),
            (&json!("m+x"), &json!("m"), &json!(["c1", "c2"]))
        );
        let expected = difference(&[(1.0, 0.25), (0.5, 0.25), (0.0, 0.0)], 2);
        let got = &found["shares"]["avg@2"]["to_controls"];
        assert_eq!(*got, json!({ "mean": expected.mean, "ci95": expected.ci95 }));
        let expected = difference(&[(1.0, 0.0), (0.5, 0.5), (0.0, 0.0)], 2);
        assert_eq!(found["shares"]["avg@2"]["difference"]["mean"].as_f64(), Some(expected.mean));
        let (_, table) = &versus.beside_controls(&[row()])[0];
        assert!(table.rows[0][3].starts_with("+33.3 [") && table.rows[0][4] == "16.7", "{:?}", table.rows);
        assert!(table.rows[0][5].starts_with("+33.3 ["), "{:?}", table.rows);
        let alone = Changed { controls: Vec::new(), ..row() };
        assert_eq!(versus.beside_controls(&[alone])[0].1.header.len(), 4);
    }

    #[test]
    fn rows_that_ask_the_same_are_one_problem() {
        let mut all = [measured("new", &[("a", &[2, 1, 0, 1])]), measured("base", &[("a", &[0, 1, 0, 0])])];
        let items = all.iter_mut().flat_map(|measured| &mut measured.sets).flat_map(|(_, items)| items);
        items.for_each(|item| item.prompt = (item.prompt_id % 2).to_string());
        let json = Versus::new(&all, 1).unwrap().to_json(&[]);
        for (share, pairs, responses) in [
            ("avg@2", [(0.5, 0.0), (0.5, 0.25)], 4),
            ("pass@2", [(pass(2), 0.0), (pass(2), pass(1))], 4),
            ("maj@2", [(0.5, 0.0), (1.0, 0.5)], 2),
        ] {
            let expected = difference(&pairs, responses);
            let got = &json["shares"][share]["sets"]["a"]["models"]["new"]["difference"];
            assert_eq!(*got, json!({"mean": expected.mean, "ci95": expected.ci95}), "{share}");
        }
    }

    /// Chance that one of two of four samples is right where `n` are.
    fn pass(n: usize) -> f64 {
        crate::eval::statistics::pass_at_k(4, n, 2)
    }

    #[test]
    fn other_problems_cannot_be_compared() {
        let all = [measured("one", &[("a", &[2, 1])]), measured("other", &[("a", &[2, 1, 0])])];
        let error = Versus::new(&all, 0).err().unwrap().to_string();
        assert_eq!(error, "other and one were not asked the same problems equally often");
    }
}
