//! `--set section.key=value`.

use super::{BASE, parse, problems};
use crate::{data::DataConfig, loss::KlPlace, types::KlEstimator};

#[test]
fn overrides_change_the_recipe() {
    let recipe = parse(
        BASE,
        &[
            "optim.lr=1e-5",
            "run.name=other",
            "reward.0.weight=0.5",
            "loss.kl.coef=0.01",
            "data.numbers=[3, 4]",
            "optim.lr=2e-5",
        ],
    );
    let recipe = recipe.unwrap();
    assert_eq!((recipe.optim.lr, recipe.run.name.as_str(), recipe.reward[0].weight), (2e-5, "other", 0.5));
    let kl = recipe.loss.kl().unwrap();
    assert_eq!((kl.coef, kl.estimator, kl.place, kl.adaptive), (0.01, KlEstimator::K3, KlPlace::Loss, None));
    let DataConfig::Countdown(data) = recipe.data else { unreachable!("the recipe is of Countdown") };
    assert_eq!(data.numbers, [3, 4]);
}

#[test]
fn overrides_that_cannot_be_applied_are_explained() {
    assert_eq!(
        problems(
            BASE,
            &[
                "optim",
                "a..b=1",
                "reward.1.weight=2",
                "credit.0.gain=2",
                "optim.lr.x=3",
                "optim.betas=[0.9",
                "run.seed=.5",
                "optim.lrr=1",
                "batch.prompts=47"
            ]
        ),
        [
            "--set optim: there is no `=`; write --set section.key=value",
            "--set a..b=1: `a..b` is not the path of a key; write --set section.key=value",
            "--set reward.1.weight=2: `reward.1` does not exist; the list has 1, counted from 0",
            "--set credit.0.gain=2: `credit` is not in the recipe, so it has no entries; set it as a whole: --set 'credit=[{...}]'",
            "--set optim.lr.x=3: `optim.lr` is a value without keys; set it as a whole",
            "--set optim.betas=[0.9: `[0.9` is not a TOML value: unclosed array, expected `]`",
            "--set run.seed=.5: `.5` is not a number that TOML can write; as text, put it in quotes",
            "--set optim.lrr=1: [optim] `lrr` is not a key here; did you mean `lr`?",
            "--set batch.prompts=47: [batch] `minibatches`: got 2, expected a divisor of `prompts` = 47, such as 1 or 47",
        ]
    );
}
