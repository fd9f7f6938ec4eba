//! The phases of a run, and the most that each holds.
//!
//! ```text
//! load        the largest of: f32 as read beside masters and weights; the reference as read beside the policy; the critic as it is made
//! generate    keys and values, prompts
//! measure     a pass over responses
//! update      activations, logits, gradients on their way
//! save        f32 of all that learns, on the first rank, where it does not lie so in main memory anyway
//! resume      f32 of all that learns, on every rank, and moments as read: the policy's beside all that stays, or both models' beside
//!             weights and masters
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
        Phase::new("save", &held, [saved(subject)?]),
        resume(subject, &held)?,
    ])
}

/// Numbers of policy and critic that learn, and those of them whose moments this rank has.
fn learning(subject: &Subject) -> Result<[(i64, f64); 2]> {
    let policy = match subject.adapted()? {
        Some(adapted) => (adapted.n, adapted.n as f64),
        None => (subject.n_params(), subject.piece(subject.n_params())),
    };
    let critic = subject.recipe.critic.map_or(0, |_| Layout::of_critic(&subject.model).n_params());
    Ok([policy, (critic, subject.piece(critic))])
}

/// What a checkpoint holds in main memory while it is written.
fn saved(subject: &Subject) -> Result<Part> {
    let written = |(n, piece): (i64, f64)| {
        let lies_there = !subject.is_cuda() && piece >= n as f64;
        if lies_there { 0.0 } else { 4.0 * n as f64 }
    };
    Ok(Part::host("weights as written", learning(subject)?.into_iter().map(written).sum()))
}

/// Where a run goes on: the weights are read, and gone when the moments take their places.
fn resume(subject: &Subject, held: &[Part]) -> Result<Phase> {
    let [policy, critic] = learning(subject)?;
    let moments = 8.0 * (policy.1 + critic.1);
    let restored = Phase::new(
        "resume",
        held,
        [Part::host("weights as read", 4.0 * critic.0 as f64), Part::host("moments as read", moments)],
    );
    let begun: Vec<Part> =
        held.iter().filter(|part| !["moments", "gradient", "critic"].contains(&part.name)).cloned().collect();
    let weights = 4.0 * (policy.0 + critic.0) as f64;
    let read = Phase::new(
        "resume",
        &begun,
        [Part::host("weights as read", weights), Part::host("moments as read", moments)],
    );
    let largest = if read.total() > restored.total() { read } else { restored };
    Ok(largest)
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
