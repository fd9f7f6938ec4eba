#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use proptest::prelude::*;
use rewards::{Response, RewardConfig};

use super::*;
use crate::text::words_tokenizer;

const LAYOUT: &str = "sF..dF.eEdEs.";

fn config() -> BifurcationConfig {
    serde_json::from_value(serde_json::json!({
        "layout": LAYOUT, "branches": 3, "signs": 7, "decoys": 5, "train_items": 900, "eval_items": 100,
    }))
    .unwrap()
}

fn problem(item: &Item) -> &Bifurcation {
    let Task::Bifurcation(problem) = &item.task else { panic!("{:?}", item.task) };
    problem
}

#[test]
fn problems_are_distinct_and_a_sign_stands_for_the_same_branch_everywhere() {
    let items = config().items().unwrap();
    let eval = &items.eval[0].items;
    assert_eq!((items.train.len(), eval.len()), (900, 100));
    let all = || items.train.iter().chain(eval);
    assert_eq!(all().map(|item| item.text.as_str()).collect::<HashSet<_>>().len(), 1000);
    let mut meaning = HashMap::new();
    for item in all() {
        let (number, signs) = item.text.strip_prefix("Map ").unwrap().split_once(": ").unwrap();
        assert!(number.parse::<u32>().unwrap() < 1000);
        let problem = problem(item);
        assert_eq!(problem.words, LAYOUT.len());
        assert_eq!(problem.forks.iter().map(|fork| fork.at).collect::<Vec<_>>(), [1, 5]);
        for (sign, fork) in signs.strip_suffix(".\n").unwrap().split(", ").zip(&problem.forks) {
            assert_eq!(*meaning.entry(sign.to_owned()).or_insert_with(|| fork.right.clone()), fork.right);
        }
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    meaning.values().for_each(|branch| *counts.entry(branch.as_str()).or_default() += 1);
    let mut counts: Vec<usize> = counts.into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [2, 2, 3]);
}

#[test]
fn the_seed_decides() {
    assert_eq!(config().items().unwrap(), config().items().unwrap());
    assert_ne!(config().items().unwrap(), BifurcationConfig { seed: 1, ..config() }.items().unwrap());
}

#[test]
fn few_signs_leave_branches_that_are_never_right_and_two_that_are() {
    let config = BifurcationConfig { branches: 8, signs: 2, ..config() };
    let items = config.items().unwrap();
    let rights: HashSet<&str> = items
        .train
        .iter()
        .flat_map(|item| problem(item).forks.iter().map(|fork| fork.right.as_str()))
        .collect();
    assert_eq!(rights.len(), 2);
}

#[test]
fn what_cannot_be_is_refused() {
    for (layout, expected) in [
        ("", "layout: got \"\", expected 1 to 256 characters, each one of F, s, E, d, e and ."),
        ("Fx", "layout: got \"Fx\", expected 1 to 256 characters, each one of F, s, E, d, e and ."),
        ("..d", "layout: got \"..d\", expected at least one F"),
        ("sFs", "layout: got \"sFs\", expected no more s than F"),
        ("EF", "layout: got \"EF\", expected its own F before each E"),
        ("FEE", "layout: got \"FEE\", expected its own F before each E"),
        ("Fde.e", "layout: got \"Fde.e\", expected its own d before each e"),
    ] {
        let config = BifurcationConfig { layout: layout.to_owned(), ..config() };
        assert!(config.rules().problems().contains(&expected.to_owned()), "{:?}", config.rules().problems());
        assert!(config.items().is_err());
    }
    let broken = BifurcationConfig {
        layout: "F".repeat(257),
        branches: 1,
        signs: 17,
        decoys: 65,
        train_items: 0,
        eval_items: 0,
        ..config()
    };
    let problems = broken.rules().problems();
    let keys: Vec<_> = problems.iter().map(|problem| problem.split(':').next().unwrap()).collect();
    assert_eq!(keys, ["layout", "branches", "signs", "decoys", "train_items", "eval_items"]);
    let many = BifurcationConfig { layout: "F".to_owned(), train_items: 7000, eval_items: 1, ..config() };
    let error = many.items().unwrap_err().to_string();
    assert!(error.contains("ask for 7001, but 1 forks with signs = 7 have only 7000 problems"), "{error}");
    let all = BifurcationConfig { train_items: 6999, ..many };
    assert_eq!(all.items().unwrap().train.len(), 6999);
}

#[test]
fn every_word_is_one_token() {
    let tokenizer = words_tokenizer().unwrap();
    let all = BifurcationConfig { branches: 8, decoys: 64, signs: 16, ..config() };
    for words in all.alternatives().unwrap() {
        for word in words {
            assert_eq!(tokenizer.encode(&word).unwrap().len(), 1, "{word:?}");
        }
    }
    // "Map ", number, ": ", sign, ", ", sign, ".\n"
    for item in all.items().unwrap().train {
        assert_eq!(tokenizer.encode(&item.text).unwrap().len(), 7, "{:?}", item.text);
    }
}

/// `layout` behind a fork, without what repeats more than there is.
fn possible(layout: &str) -> String {
    let mut kept = String::from("F");
    for character in layout.chars() {
        let longer = BifurcationConfig { layout: format!("{kept}{character}"), ..config() };
        if longer.rules().problems().is_empty() {
            kept = longer.layout;
        }
    }
    kept
}

proptest! {
    #[test]
    fn a_response_is_as_the_layout_has_it(
        layout in "[FsEde.]{1,40}", (seed, skill) in (0u64..1000, 0usize..3),
    ) {
        let skill = [0.0, 0.5, 1.0][skill];
        let layout = possible(&layout);
        let config = BifurcationConfig { layout, seed, train_items: 4, eval_items: 1, ..config() };
        let grader: RewardConfig = serde_json::from_str(r#"{"type": "bifurcation"}"#).unwrap();
        let grader = grader.settings().build(&[]).unwrap();
        for item in config.items().unwrap().train {
            let mut rng = RunRandom::new(seed).stream(Purpose::Demonstrations, &[]);
            let text = config.respond(&item.text, problem(&item), skill, &mut rng).unwrap();
            let words: Vec<&str> = text.split_whitespace().collect();
            prop_assert_eq!(words.len(), config.layout.len());
            let of = |kind: char| -> Vec<&str> {
                config.layout.chars().zip(&words).filter(|(c, _)| *c == kind).map(|(_, word)| *word).collect()
            };
            let signs = item.text.split_once(": ").unwrap().1.trim_end_matches(".\n");
            prop_assert!(signs.split(", ").collect::<Vec<_>>().starts_with(&of('s')));
            prop_assert!(of('F').starts_with(&of('E')) && of('d').starts_with(&of('e')));
            prop_assert!(of('F').iter().all(|word| BRANCHES[..3].contains(word)));
            prop_assert!(of('d').iter().all(|word| DECOYS[..5].contains(word)));
            prop_assert_eq!(of('.'), FILLERS.iter().copied().cycle().take(of('.').len()).collect::<Vec<_>>());
            let verdict = grader.score(&item.task, &Response::new(&text));
            let rights: Vec<&str> = problem(&item).forks.iter().map(|fork| fork.right.as_str()).collect();
            prop_assert_eq!(verdict.correct(), of('F') == rights);
            prop_assert!(skill < 1.0 || verdict.correct());
            let values = problem(&item).values(&words, &vec![0.5; rights.len()]);
            prop_assert_eq!(values.last(), Some(&verdict.value));
        }
    }
}
