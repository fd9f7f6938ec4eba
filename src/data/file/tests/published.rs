//! The published files themselves, which are not part of the repository.

use rewards::{Task, math};

use super::super::Preset;
use super::*;

/// File, preset and rows.
const PUBLISHED: [(&str, Preset, usize); 8] = [
    ("gsm8k_train.jsonl", Preset::Gsm8k, 7473),
    ("gsm8k_test.jsonl", Preset::Gsm8k, 1319),
    ("math500.jsonl", Preset::Math500, 500),
    ("aime24.jsonl", Preset::Aime24, 30),
    ("aime25.jsonl", Preset::Aime25, 30),
    ("amc23.jsonl", Preset::Amc23, 40),
    ("minerva_math.jsonl", Preset::Minerva, 272),
    ("olympiadbench_en.jsonl", Preset::Olympiadbench, 675),
];

/// `RLCREDIT_BENCHMARKS=FOLDER cargo test --release --lib published -- --ignored --nocapture`: every row makes a problem,
/// and the golds that the `math` grader cannot read are listed.
#[test]
#[ignore = "needs the published files, in the folder RLCREDIT_BENCHMARKS"]
fn every_row_of_the_published_files_makes_a_problem() {
    let folder = PathBuf::from(std::env::var_os("RLCREDIT_BENCHMARKS").unwrap());
    for (name, preset, n_rows) in PUBLISHED {
        let file = FileConfig { path: folder.join(name), preset: Some(preset), ..FileConfig::default() };
        let (items, report) = file.items(None, None).unwrap();
        assert_eq!((report.n_rows, report.n_used), (n_rows, n_rows), "{}", report.broken_rows());
        let golds = items.iter().map(|item| match &item.task {
            Task::Question(question) => question.answer.as_str(),
            other => panic!("{other:?}"),
        });
        // Spelled otherwise, so that equal spelling does not decide.
        let unread: Vec<&str> = golds.filter(|gold| !math::judge(gold, &format!("${gold}$")).0).collect();
        println!("{name}: {report}; the math grader does not accept {} golds: {unread:?}", unread.len());
    }
}
