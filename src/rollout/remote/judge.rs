//! Whether an answer is one, and whether a server has the weights that it says it has.

use super::call::Fault;
use super::dialect::{Answer, Ask, End};
use super::publish::Known;
use crate::learner::Gap;
use crate::types::{Completion, Finish, Span, TokenId};

/// Largest mean distance between a server's and the learner's log-probabilities of a known text that rounding explains, nats: bf16
/// on both sides shows 0.1.
const TOLERANCE: f64 = 0.3;

/// The completion that `answer` is, if it is one to `ask` of a server that calls its weights `version`. One whose distribution was not
/// finite ends with the token that came from it.
pub(super) fn completion(
    url: &str,
    ask: &Ask<'_>,
    answer: Answer,
    version: &str,
    vocabulary: usize,
) -> Result<Completion, Fault> {
    let Answer { mut tokens, mut logprobs, end, versions: spans, cached: _ } = answer;
    if end == End::Abort {
        return Err(Fault::passing(url, "gave a response up (`abort`) before its end"));
    }
    if let Some(other) = spans.iter().flatten().find(|span| span.version != version) {
        let what = format_args!(
            "drew tokens {}..{} from the weights {:?}, expected {version:?}: it was restarted, or another run gives it its \
             weights; a server serves one run",
            other.start, other.end, other.version
        );
        return Err(Fault::passing(url, what));
    }
    let n = tokens.len();
    // Where adapters were asked, it is they that answered.
    let drew_from = ask.model.adapter.unwrap_or(version);
    let versions = |end| vec![Span { version: drew_from.to_owned(), start: 0, end }];
    let wrong = |what: String| Err(Fault::lasting(url, what));
    if logprobs.len() != n {
        return wrong(format!(
            "answered {n} tokens with {} log-probabilities, expected one for each",
            logprobs.len()
        ));
    }
    if let Some(beyond) = tokens.iter().find(|token| **token as usize >= vocabulary) {
        return wrong(format!(
            "drew token {beyond}, which is none of the {vocabulary} of [model]: it serves another model; start it with this one"
        ));
    }
    if let Some(broken) = logprobs.iter().position(|number| !number.is_finite()) {
        tokens.truncate(broken + 1);
        logprobs.truncate(broken + 1);
        return Ok(Completion { tokens, logprobs, finish: Finish::Length, versions: versions(broken + 1) });
    }
    let stopped = stopped(ask, &tokens).map_err(|error| Fault::lasting(url, format_args!("{error:#}")))?;
    let finish = finish(ask, &tokens, stopped, end).map_err(|what| Fault::lasting(url, what))?;
    if !name_all(spans.as_deref().unwrap_or_default(), n) {
        return wrong(format!("does not say from which weights it drew each of {n} tokens"));
    }
    // What comes behind is of a server that draws several tokens before it looks at the text.
    let n = stopped.map_or(n, |last| last + 1);
    tokens.truncate(n);
    logprobs.truncate(n);
    Ok(Completion { tokens, logprobs, finish, versions: versions(n) })
}

/// Why the response `tokens` ends, which a string ends with its token `stopped`, and of which the server says that it ends by `end`;
/// what is wrong with that.
fn finish(ask: &Ask<'_>, tokens: &[TokenId], stopped: Option<usize>, end: End) -> Result<Finish, String> {
    let n = tokens.len();
    let ends = |token| ask.eos.contains(token);
    let early = tokens[..n.saturating_sub(1)].iter().position(ends);
    if let Some(early) = early.filter(|early| stopped.is_none_or(|stopped| *early < stopped)) {
        return Err(format!(
            "went on behind the end token {}, token {early} of {n}; it does not heed `stop_token_ids`",
            tokens[early]
        ));
    }
    let finish = match (stopped, tokens.last().is_some_and(ends)) {
        (Some(_), _) => Finish::Stop,
        (None, true) => Finish::Eos,
        (None, false) => Finish::Length,
    };
    if finish == Finish::Eos && n <= ask.least() {
        return Err(format!(
            "ended a response with its token {n}, expected at least {} before the end; it does not heed a least number of tokens",
            ask.least()
        ));
    }
    match end {
        End::Stop if finish == Finish::Length => Err(format!(
            "ended a response with token {:?}, expected one of the end tokens {:?}{}: it has end tokens of its own; start it with \
             the generation settings that docs/engines.md names",
            tokens.last(),
            ask.eos,
            if ask.stops.is_some() { " or a string of [sampling] `stop`" } else { "" }
        )),
        End::Length if n != ask.n_new && finish == Finish::Length => Err(format!(
            "cut a response off after {n} tokens, expected {}; start it with a longer context than {} tokens, or lower \
             [sampling] `max_new_tokens`",
            ask.n_new,
            ask.tokens.len() + n
        )),
        _ => Ok(finish),
    }
}

/// The first of `tokens` that completes a string which ends responses.
fn stopped(ask: &Ask<'_>, tokens: &[TokenId]) -> anyhow::Result<Option<usize>> {
    let Some(stops) = ask.stops else { return Ok(None) };
    // Nearly always there is none, and that is known at once.
    if !stops.occur(ask.begun, tokens)? {
        return Ok(None);
    }
    for last in ask.least()..tokens.len() {
        if stops.completed(ask.begun, &tokens[..=last])? {
            return Ok(Some(last));
        }
    }
    Ok(None)
}

/// Whether `spans`, where there are some, name the weights of each of `n` tokens.
fn name_all(spans: &[Span], n: usize) -> bool {
    let end = spans.iter().try_fold(0, |end, span| (span.start == end).then_some(span.end));
    spans.is_empty() || end == Some(n)
}

/// Whether the server at `url`, which recites the known text as `after` with new weights, has recited it otherwise before, if the learner
/// has: to the last bit the same is what comes of a server that says that it has loaded weights and has not.
pub(super) fn moved(url: &str, known: &Known, before: &[f32], after: &[f32]) -> Result<(), Fault> {
    if !known.moved || before != after {
        return Ok(());
    }
    Err(Fault::lasting(
        url,
        format_args!(
            "says that it has loaded new weights, and all {} log-probabilities of a known text are what they were before, where the              learner's have changed; expected others: can it reload weights as docs/engines.md has it?",
            after.len()
        ),
    ))
}

/// How far the numbers of the server at `url` are from those of the learner, if that is near enough. Where the learner's own are not
/// finite, its weights are broken, and nothing can be said.
pub(super) fn gap(url: &str, known: &Known, server: &[f32]) -> Result<Gap, Fault> {
    let own = &known.logprobs;
    if own.len() != server.len() {
        let what = format_args!(
            "answered {} log-probabilities of a text of {} tokens, expected {}",
            server.len(),
            known.tokens.len(),
            own.len()
        );
        return Err(Fault::lasting(url, what));
    }
    let gap = Gap::from_distances(own.iter().zip(server).map(|(own, its)| f64::from((own - its).abs())));
    // Not `>`: a NaN must not pass.
    if gap.mean <= TOLERANCE || own.iter().any(|number| !number.is_finite()) {
        return Ok(gap);
    }
    Err(Fault::lasting(
        url,
        format_args!(
            "does not compute with the weights that it was given: the log-probabilities of {} known tokens differ from the \
             learner's by {:.3} on average and {:.3} at most, expected at most {TOLERANCE} on average. It serves another model than \
             [model] names, quantises it, or renewed only a part of it; start it anew from that model as docs/engines.md says",
            own.len(),
            gap.mean,
            gap.max
        ),
    ))
}
