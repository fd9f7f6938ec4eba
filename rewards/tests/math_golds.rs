//! The grader on the golds of published benchmarks: each equals itself in any dress, and neither its neighbour nor a
//! perturbed copy of itself.
//!
//! The folder is named by `RLCREDIT_BENCHMARKS` and holds the published files `gsm8k_test.jsonl`, `math500.jsonl`, ...;
//! files that are not there are left out.
//!
//! ```text
//! RLCREDIT_BENCHMARKS=benchmarks cargo test --release -p rewards --test math_golds -- --ignored --nocapture
//! ```
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use rewards::math::{Equality, equal, extract};
use serde_json::Value;

/// Where a row has its gold answer.
type Gold = fn(&Value) -> Option<String>;

const FILES: [(&str, Gold); 8] = [
    ("gsm8k_test", |row| Some(row["answer"].as_str()?.rsplit_once("####")?.1.trim().into())),
    ("gsm8k_train", |row| Some(row["answer"].as_str()?.rsplit_once("####")?.1.trim().into())),
    ("math500", answer),
    ("aime24", answer),
    ("aime25", answer),
    ("amc23", answer),
    ("minerva_math", |row| extract(row["solution"].as_str()?)),
    ("olympiadbench_en", |row| Some(row["final_answer"][0].as_str()?.into())),
];

fn answer(row: &Value) -> Option<String> {
    Some(row["answer"].as_str().map_or_else(|| row["answer"].to_string(), Into::into))
}

/// The different golds of a file, in its order.
fn golds(path: &Path, gold: Gold) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let rows = fs::read_to_string(path).unwrap();
    let golds = rows.lines().map(|line| gold(&serde_json::from_str(line).unwrap()).unwrap());
    golds.filter(|gold| seen.insert(gold.clone())).collect()
}

/// Other spellings of `gold`, each with the name of its kind.
fn rewritings(gold: &str) -> Vec<(&'static str, String)> {
    let math = gold.trim_matches('$');
    let bare = if math.contains('$') { gold } else { math };
    let mut all = vec![
        ("dollars", format!("${bare}$")),
        ("display", format!("\\[ {bare} \\]")),
        ("blanks", format!("  {gold} ")),
        ("period", format!("{gold}.")),
        ("style", format!("\\displaystyle {gold}")),
        ("thin blank", format!("{gold}\\,")),
        ("operators", gold.replace('=', " = ").replace('+', " + ")),
        ("dfrac", gold.replace("\\frac", "\\dfrac")),
        ("tfrac", gold.replace("\\frac", "\\tfrac")),
        ("sizes", gold.replace("\\left", "").replace("\\right", "")),
        ("blanks out", gold.replace(", ", ",").replace(" + ", "+").replace(" - ", "-")),
    ];
    if items(bare).is_none()
        && let Ok(number) = bare.replace(',', "").parse::<f64>()
        && number.fract() == 0.0
        && number.abs() < 1e15
    {
        all.push(("zeros", format!("{number:.2}")));
        all.push(("fraction", format!("\\frac{{{}}}{{4}}", 4.0 * number)));
    }
    if let Some(list) = items(bare) {
        all.push(("reversed", list.iter().rev().copied().collect::<Vec<_>>().join(", ")));
        if list.iter().collect::<BTreeSet<_>>().len() == list.len() {
            all.push(("set", format!("\\{{{}\\}}", list.join(", "))));
        }
    }
    all
}

/// Texts that say something else than `gold`.
fn perturbations(gold: &str) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for (at, digit) in gold.match_indices(|c: char| c.is_ascii_digit()) {
        let other = if digit == "9" { "8".into() } else { (digit.parse::<u8>().unwrap() + 1).to_string() };
        all.push(("digit", format!("{}{other}{}", &gold[..at], &gold[at + 1..])));
    }
    let bare = gold.trim_matches('$').trim();
    let single = items(bare).is_none() && !bare.contains(['=', '{', '(', '\\', 'x']);
    if single && bare.chars().any(|c| ('1'..='9').contains(&c)) {
        all.push(("sign", bare.strip_prefix('-').map_or_else(|| format!("-{bare}"), Into::into)));
    }
    if let Some(list) = items(bare) {
        all.push(("missing", list[1..].join(", ")));
        all.push(("extra", format!("{bare}, 987")));
    }
    all
}

/// What stands between the commas of a list of numbers.
fn items(text: &str) -> Option<Vec<&str>> {
    let list: Vec<_> = text.split(',').map(|item| item.trim().trim_matches('$')).collect();
    let plain = |item: &&str| !item.is_empty() && !item.contains(['(', '[', '{', '\\', '=', ' ']);
    let grouped = list.iter().skip(1).all(|item| item.len() == 3) && !text.contains(", ");
    (list.len() > 1 && list.iter().all(plain) && !grouped).then_some(list)
}

#[derive(Default)]
struct Counts(BTreeMap<String, (usize, usize)>);

impl Counts {
    fn count(&mut self, kind: &str, right: bool, what: impl FnOnce() -> String) {
        let (n_right, n_all) = self.0.entry(kind.into()).or_default();
        (*n_right, *n_all) = (*n_right + usize::from(right), *n_all + 1);
        if !right {
            println!("{kind}: {}", what());
        }
    }
}

#[test]
#[ignore = "needs the folder named by RLCREDIT_BENCHMARKS"]
fn golds_equal_themselves_and_nothing_else() {
    let folder = std::env::var("RLCREDIT_BENCHMARKS").unwrap();
    let mut counts = Counts::default();
    for (name, gold) in FILES {
        let path = Path::new(&folder).join(format!("{name}.jsonl"));
        if !path.exists() {
            continue;
        }
        let golds = golds(&path, gold);
        for (at, gold) in golds.iter().enumerate() {
            let verdict = |answer: &str| format!("{name}: {gold} | {answer} | {:?}", equal(gold, answer));
            let accepted = |answer: &str| equal(gold, answer) == Equality::Equal;
            // What cannot be read is undecided.
            let read = equal(gold, "123456.5") == Equality::Different;
            counts.count("readable", read, || gold.clone());
            counts.count("identity", accepted(gold), || verdict(gold));
            let reply = extract(&format!("Hence the answer is $\\boxed{{{gold}}}$."));
            counts.count("boxed", reply.as_deref().is_some_and(accepted), || verdict(gold));
            let reply = extract(&format!("We find it.\n\n**Answer:** {gold}"));
            counts.count("phrase", reply.as_deref().is_some_and(accepted), || {
                format!("{}, extracted {reply:?}", verdict(gold))
            });
            for (kind, answer) in rewritings(gold) {
                counts.count(&format!("rewriting, {kind}"), accepted(&answer), || verdict(&answer));
            }
            for (kind, answer) in perturbations(gold) {
                counts.count(&format!("perturbation, {kind}"), !accepted(&answer), || verdict(&answer));
            }
            if let Some(next) = golds.get(at + 1) {
                counts.count("neighbour", !accepted(next), || verdict(next));
                let there = equal(next, gold) == Equality::Equal;
                counts.count("symmetry", there == accepted(next), || verdict(next));
            }
        }
    }
    let (mut right, mut all) = (0, 0);
    for (kind, (n_right, n_all)) in &counts.0 {
        println!("{kind:24} {n_right:6} of {n_all:6}");
        (right, all) = (right + n_right, all + n_all);
    }
    println!("all                      {right:6} of {all:6}, {:.2} %", 100.0 * right as f64 / all as f64);
    assert!(1000 * right >= 995 * all);
}
