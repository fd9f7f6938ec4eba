//! Any recipe written out reads back equal; no text makes the reader fall over.

use proptest::prelude::*;

use super::{super::*, BASE, parse};
use crate::{
    credit::advantage::{BatchBaselineConfig, GaeConfig, GroupConfig, LeaveOneOutConfig, Scale, TreeConfig},
    loss::{
        AdaptiveKl, Aggregation, CispoConfig, ClipConfig, GspoConfig, KlConfig, KlPlace, PolicyLossConfig,
    },
    optim::Schedule,
    pipeline::ZeroVariance,
    run_folder::misnamed,
    types::KlEstimator,
};

fn loss() -> impl Strategy<Value = LossConfig> {
    let aggregation = prop_oneof![
        Just(Aggregation::TokenMean),
        Just(Aggregation::SeqMeanTokenMean),
        Just(Aggregation::SeqMeanTokenSum),
        Just(Aggregation::Constant),
    ];
    let estimator = prop_oneof![Just(KlEstimator::K1), Just(KlEstimator::K2), Just(KlEstimator::K3)];
    let place = prop_oneof![Just(KlPlace::Loss), Just(KlPlace::Reward)];
    let adaptive = (1e-6..1e3, 1.0..1e9).prop_map(|(target, horizon)| AdaptiveKl { target, horizon });
    let kl = (1e-9..1e3, estimator, place, proptest::option::of(adaptive));
    let kl = kl.prop_map(|(coef, estimator, place, adaptive)| KlConfig { coef, estimator, place, adaptive });
    let limits = (1e-6..0.999, 1e-6..1e6, proptest::option::of(1.001..1e3));
    let policy = (0..3, limits).prop_map(|(which, (clip_low, clip_high, dual_clip))| match which {
        0 => PolicyLossConfig::Clip(ClipConfig { clip_low, clip_high, dual_clip }),
        1 => PolicyLossConfig::Gspo(GspoConfig { clip_low, clip_high }),
        _ => PolicyLossConfig::Cispo(CispoConfig { clip_low, clip_high }),
    });
    let terms = (proptest::option::of(aggregation), 0.0..1e3, proptest::option::of(kl));
    (policy, terms).prop_map(|(policy, (aggregation, entropy_bonus, kl))| LossConfig {
        policy,
        aggregation,
        entropy_bonus,
        kl,
    })
}

fn advantage() -> impl Strategy<Value = AdvantageConfig> {
    let scale = prop_oneof![Just(Scale::GroupStd), Just(Scale::BatchStd), Just(Scale::None)];
    (0..4, scale).prop_map(|(which, scale)| match which {
        0 => AdvantageConfig::Group(GroupConfig { scale }),
        1 => AdvantageConfig::LeaveOneOut(LeaveOneOutConfig {}),
        2 => AdvantageConfig::BatchBaseline(BatchBaselineConfig {}),
        _ => AdvantageConfig::Tree(TreeConfig {}),
    })
}

fn groups() -> impl Strategy<Value = GroupsConfig> {
    let rounds = proptest::option::of(1..9usize);
    let refill = rounds.prop_map(|refill_rounds| (ZeroVariance::Refill, refill_rounds));
    prop_oneof![Just((ZeroVariance::Keep, None)), Just((ZeroVariance::Drop, None)), refill]
        .prop_map(|(zero_variance, refill_rounds)| GroupsConfig { zero_variance, refill_rounds })
}

/// Estimator and critic, which come together or not at all.
fn estimate() -> impl Strategy<Value = (AdvantageConfig, Option<CriticConfig>)> {
    let gae = (0.0..=1.0, 0.0..=1.0, any::<bool>(), 0.0..1e3, optim()).prop_map(
        |(gamma, lambda, whiten, clip, optim)| {
            let gae = AdvantageConfig::Gae(GaeConfig { gamma, lambda, whiten });
            (gae, Some(CriticConfig { clip, warmup_steps: 0, optim }))
        },
    );
    prop_oneof![advantage().prop_map(|advantage| (advantage, None)), gae]
}

fn optim() -> impl Strategy<Value = OptimConfig> {
    let decay = prop_oneof![Just(Schedule::Linear), Just(Schedule::Cosine)];
    let schedule = prop_oneof![Just((Schedule::Constant, None)), (decay, proptest::option::of(0.0..=1.0))];
    (1e-12..1.0, [0.0..1.0, 0.0..1.0], 1e-15..1e-3, 0.0..1.0, 0.0..1e3, any::<u32>(), schedule).prop_map(
        |(lr, mut betas, eps, weight_decay, max_grad_norm, warmup_steps, (schedule, final_lr_ratio))| {
            betas.sort_by(f64::total_cmp);
            OptimConfig {
                lr,
                betas,
                eps,
                weight_decay,
                max_grad_norm,
                warmup_steps: warmup_steps.into(),
                schedule,
                final_lr_ratio,
            }
        },
    )
}

proptest! {
    #[test]
    fn a_recipe_written_out_reads_back_equal(
        name in "[a-zA-Z0-9é_][a-zA-Z0-9 é'._-]{0,8}[a-zA-Z0-9_-]",
        seed in 0..i64::MAX as u64,
        path in proptest::option::of("[a-z'\"\\\\/ .é-]{1,12}"),
        warmed in any::<bool>(),
        (loss, groups, (advantage, critic), optim) in (loss(), groups(), estimate(), optim()),
        (minibatches, of_each, epochs) in (1..20usize, 1..20usize, 1..5usize),
        weights in proptest::collection::vec(prop_oneof![-1e9..-1e-9, 1e-9..1e9], 1..4),
        (top_p, every, tensorboard) in (1e-9..=1.0, any::<u32>(), any::<bool>()),
    ) {
        // `NUL` and its like are no folders everywhere.
        prop_assume!(misnamed(&name).is_none());
        let base = parse(BASE, &[]).unwrap();
        let recipe = Recipe {
            run: RunConfig { name, seed, ..base.run },
            model: match path {
                Some(path) => ModelSettings { path: Some(path.into()), scratch: None, ..base.model },
                None => base.model,
            },
            sft: base.sft.filter(|_| warmed),
            loss,
            groups: if critic.is_none() { groups } else { GroupsConfig::default() },
            advantage,
            critic,
            optim,
            batch: BatchConfig { prompts: minibatches * of_each, minibatches, epochs, ..base.batch },
            reward: weights.into_iter().map(|weight| RewardEntry { weight, ..base.reward[0].clone() }).collect(),
            sampling: SamplingConfig { top_p, ..base.sampling.clone() },
            checkpoint: CheckpointConfig { every: every.into(), ..base.checkpoint.clone() },
            observe: ObserveConfig { tensorboard, ..base.observe },
            ..base
        };
        let text = recipe.to_toml().unwrap();
        let back = parse(&text, &[]);
        prop_assert_eq!(back.as_ref(), Ok(&recipe), "{}", text);
        prop_assert_eq!(recipe.differences(&back.unwrap()).unwrap(), vec![]);
    }

    #[test]
    fn no_text_panics(text in "[\\[\\]a-z=.\"\n 0-9#{},-]{0,60}", entry in "[a-z.=0-9\\[\"]{0,20}") {
        prop_assert!(parse(&text, &[&entry]).is_err());
    }

    #[test]
    fn a_recipe_cut_short_or_garbled_is_explained(at in 0..BASE.len(), with in "[a-z0-9=\\[\\]\"]{1,3}") {
        let text: String = BASE.bytes().take(at).map(char::from).chain(with.chars()).collect();
        if let Err(problems) = parse(&text, &[]) {
            prop_assert!(!problems.0.is_empty());
            prop_assert!(problems.0.iter().all(|problem| !problem.message.is_empty() && !problem.message.contains('\n')));
        }
    }
}
