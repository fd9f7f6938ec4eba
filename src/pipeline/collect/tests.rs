//! Grafting over random trees.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use rewards::{Countdown, Task};

use super::*;
use crate::ranks::Ranks;
use crate::score::Scorer;
use crate::text::countdown_tokenizer;
use crate::types::{Finish, TokenId};

fn completion(tokens: Vec<TokenId>) -> Completion {
    let logprobs = tokens.iter().map(|token| -0.01 * *token as f32).collect();
    Completion { tokens, logprobs, finish: Finish::Eos, versions: Vec::new() }
}

/// Responses to each of some prompts, and branches: which response, where, and how they go on.
type Shape = Vec<(Vec<Vec<TokenId>>, Vec<(usize, usize, Vec<TokenId>)>)>;

fn shape() -> impl Strategy<Value = Shape> {
    let tokens = || prop::collection::vec(3..90u32, 1..12);
    let tree = prop::collection::vec(tokens(), 1..5).prop_flat_map(move |roots| {
        let branch = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), tokens());
        let lengths: Vec<usize> = roots.iter().map(Vec::len).collect();
        let branch = branch.prop_filter_map(
            "a root of one token has no place for a branch",
            move |(root, at, new)| {
                let root = root.index(lengths.len());
                let places = lengths[root].checked_sub(1).filter(|n| *n > 0)?;
                Some((root, 1 + at.index(places), new))
            },
        );
        // Where no root is long enough, none branches.
        let most = if roots.iter().any(|root| root.len() > 1) { 6 } else { 1 };
        (Just(roots), prop::collection::vec(branch, 0..most))
    });
    prop::collection::vec(tree, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn growing_keeps_every_path_from_root_to_leaf(shape in shape()) {
        let tokenizer = Arc::new(countdown_tokenizer().unwrap());
        let scorer = Scorer::new(&[serde_json::from_str(r#"{"type": "countdown"}"#).unwrap()]).unwrap();
        let judge = Judge { scorer: Arc::new(scorer), tokenizer: Arc::clone(&tokenizer), stops: None, overlong: None, ranks: Ranks::default() };
        let prompt = |id| {
            let task = Task::Countdown(Countdown { numbers: vec![1, 2], target: 3 });
            Arc::new(Prompt { id, text: "?".into(), tokens: vec![3], task })
        };
        let prompts: Vec<_> = (0..shape.len() as u64).map(prompt).collect();
        let requests = |prompt: &Arc<Prompt>, n: usize| {
            let request = |sample| GenRequest { prompt: Arc::clone(prompt), prefix: Vec::new(), sample };
            (0..n as u32).map(request).collect::<Vec<_>>()
        };
        let of_roots = prompts.iter().zip(&shape).flat_map(|(prompt, (roots, _))| requests(prompt, roots.len())).collect();
        let answers = shape.iter().flat_map(|(roots, _)| roots.iter().cloned().map(completion)).collect();
        let trees = judge.trees(of_roots, answers, &mut |_| Ok(())).unwrap();
        prop_assert!(trees.iter().zip(&shape).all(|(tree, (roots, _))| tree.leaves.len() == roots.len()));

        let of_trees = shape.iter().enumerate().flat_map(|(i, (_, branches))| {
            branches.iter().map(move |(parent, at, _)| Branch { tree: i, fork: Fork { parent: *parent, at: *at } })
        });
        let branches = PendingBranches { trees, branches: of_trees.collect() };
        let asked = branches.requests();
        let answers = shape.iter().flat_map(|(_, branches)| branches.iter().map(|(.., new)| completion(new.clone())));
        let whole = branches.grown(asked, answers.collect(), &judge, &mut |_| Ok(())).unwrap();
        for (tree, (roots, branches)) in whole.iter().zip(&shape) {
            let numbers: Vec<u32> = tree.leaves.iter().map(|leaf| leaf.sample).collect();
            prop_assert_eq!(numbers, (0..(roots.len() + branches.len()) as u32).collect::<Vec<_>>());
            let paths = roots.iter().cloned().chain(branches.iter().map(|(parent, at, new)| [&roots[*parent][..*at], new].concat()));
            for (leaf, path) in tree.leaves.iter().zip(paths) {
                prop_assert_eq!(&leaf.logprobs, &completion(path.clone()).logprobs);
                prop_assert_eq!(&leaf.tokens, &path);
                prop_assert_eq!(&leaf.text, &tokenizer.decode(&path, true).unwrap());
            }
            let new: usize = roots.iter().chain(branches.iter().map(|(.., new)| new)).map(Vec::len).sum();
            prop_assert_eq!(tree.n_sampled_tokens(), new);
        }
    }
}
