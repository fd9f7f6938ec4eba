//! The phases of a run, and the most that each holds.
//!
//! ```text
//! load        the largest of: f32 as read beside masters and weights; the reference as read beside the policy; the critic as it is made
//! generate    keys and values, prompts
//! measure     a pass over responses
//! update      activations, logits, gradients on their way
//! save        f32 of all that learns, on the first rank, and a copy of the moments of a model; so it is where a run goes on
//! ```

use anyhow::Result;

use super::held::{base, beside, held, under_way, weights};
use super::part::{Part, Phase};
use super::passes;
use super::subject::Subject;
use crate::model::Layout;

/// All of them, of the first rank, which holds the most.
///
/// # Errors
/// If the adapters of the recipe do not fit the model.
pub(super) fn phases(subject: &Subject) -> Result<Vec<Phase>> {
    let held = held(subject)?;
    let mut update = passes::update(subject);
    update.push(Part::device("gradients under way", under_way(subject)));
    update.push(passes::signals(subject));
    Ok(vec![
        load(subject)?,
        Phase::new("generate", &held, passes::generate(subject)),
        Phase::new("measure", &held, passes::measure(subject)),
        Phase::new("update", &held, update),
        Phase::new("save", &held, saved(subject)?),
    ])
}

/// What a checkpoint holds in main memory while it is written: the weights of policy and critic, and the moments of either.
fn saved(subject: &Subject) -> Result<[Part; 2]> {
    let (policy, piece) = match subject.adapted()? {
        Some(adapted) => (adapted.n, adapted.n as f64),
        None => (subject.n_params(), subject.piece(subject.n_params())),
    };
    let critic = subject.recipe.critic.map_or(0, |_| Layout::of_critic(&subject.model).n_params());
    let moments = 8.0 * piece.max(subject.piece(critic));
    let weights = 4.0 * (policy + critic) as f64;
    Ok([Part::host("weights as written", weights), Part::host("moments as written", moments)])
}

/// The largest of the moments before the first step.
fn load(subject: &Subject) -> Result<Phase> {
    let (n, base) = (subject.n_params() as f64, base(subject));
    let w = subject.shape().w;
    let adapted = subject.adapted()?;
    let compute = if subject.is_f32() { 0.0 } else { w * n };
    let read = Part::host("weights as read", if subject.is_cuda() { 4.0 * n } else { 0.0 });
    let whole = Part::device("weights in f32", 4.0 * n);
    let mut moments =
        vec![Phase::new("load", &base, [read.clone(), whole, Part::device("weights", compute)])];
    let own = weights(subject, adapted);
    let masters = match adapted {
        Some(adapted) => 4.0 * adapted.n as f64,
        None if subject.is_f32() => 0.0,
        None => 4.0 * subject.piece(subject.n_params()),
    };
    let policy = [base, vec![Part::device("weights", own), Part::device("masters", masters)]].concat();
    if subject.recipe.loss.kl().is_some() && adapted.is_none() {
        let read = Part::host("weights as read", 4.0 * n);
        let whole = Part::device("weights in f32", 4.0 * n);
        let reference = if subject.is_f32() { 0.0 } else { beside(subject) };
        moments.push(Phase::new("load", &policy, [read, whole, Part::device("reference", reference)]));
    }
    if subject.recipe.critic.is_some() {
        let critic = Layout::of_critic(&subject.model).n_params() as f64;
        // Of pieces, or of weights and adapters, the whole is put together first.
        let is_whole = adapted.is_none() && subject.piece(subject.n_params()) >= n;
        let reference =
            if subject.recipe.loss.kl().is_some() && adapted.is_none() { beside(subject) } else { 0.0 };
        moments.push(Phase::new(
            "load",
            &policy,
            [
                Part::device("reference", reference),
                Part::device("weights in f32", if is_whole { 0.0 } else { 4.0 * n }),
                Part::device("critic", 4.0 * critic + if subject.is_f32() { 0.0 } else { w * critic }),
            ],
        ));
    }
    let largest = moments.into_iter().max_by(|a, b| a.total().total_cmp(&b.total()));
    Ok(largest.unwrap_or_else(|| Phase::new("load", &[], [])))
}
