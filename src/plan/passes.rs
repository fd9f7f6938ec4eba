//! What passes hold, in bytes. Letters as in [`crate::model::config`]; T tokens read, N predicted, S seen by attention, w bytes of a
//! number in the compute precision, G = 2 F, Q = H D, A = (H + 2 K) D.
//!
//! ```text
//! kept of a layer     cpu   T (w (2 E + A + Q + G) + 8)
//!                     ops   T w (E + Q + 2 G) + S (w (3 Q + Q) + 4 H) + T (norms: 16 E of bf16, 20 E of f32, and of heads 6 (H + K) D, 8)
//! checkpointing             T w E of each layer, and one layer as above
//! back through one    cpu   T w max(F + 4 E, A + Q + 4 E) + S w (2 A + Q)
//!                     ops   T w (2 G + 4 E) + S w 2 A, the gradient of its weights, w each, and maps of short sequences
//! output layer        cpu   chunk w, and of f32 the gradient of its weight, 4 V E
//!                     ops   chunk (w + 20), and the gradient of its weight, w V E
//! ```
//!
//! A chunk is what the output layer makes of logits at a time, `MAX_LOGITS` at most.

use super::part::Part;
use super::subject::{Micro, Shape, Subject};
use crate::kernel::KEY_BLOCK;
use crate::model::{Backend, MAX_LOGITS};
use crate::rollout::explore::ExploreSettings;

/// Numbers of attention's maps that kernels hold: scores, weights and their gradients.
const MAPS: f64 = 3.0 * (1 << 21) as f64;
/// Sequences up to this length are attended to by plain products on a CPU, by `ops`.
const SHORT: f64 = 512.0;
/// Bytes beside each logit by `ops`: logits, probabilities and products of both in f32.
const OPS_LOGITS: f64 = 20.0;

/// Bytes that are kept of one layer for the backward pass.
fn kept(subject: &Subject, Micro { read: t, seen: s, .. }: Micro) -> f64 {
    let Shape { e, f, h, q, kv, w, .. } = subject.shape();
    match subject.backend() {
        Backend::Cpu => t * (w * (2.0 * e + 2.0 * q + 2.0 * kv + 2.0 * f) + 8.0),
        Backend::Ops => {
            let norms = if subject.is_f32() { 20.0 * e } else { 16.0 * e };
            let of_heads = if subject.is_f32() { 8.0 } else { 6.0 };
            let of_heads = if subject.model.qk_norm { of_heads * (q + kv) } else { 0.0 };
            t * (w * (e + q + 4.0 * f) + norms + of_heads) + s * (4.0 * w * q + 4.0 * h) + maps(subject, s)
        }
    }
}

/// Attention maps that `ops` keeps on a CPU, where sequences are short.
fn maps(subject: &Subject, seen: f64) -> f64 {
    let Shape { h, w, .. } = subject.shape();
    let longest = (subject.prompt() + subject.response()) as f64;
    if subject.is_cuda() || longest > SHORT { 0.0 } else { w * h * longest * seen }
}

/// Bytes that one layer takes on the way back, its weights' gradient included.
fn back(subject: &Subject, Micro { read: t, seen: s, .. }: Micro) -> f64 {
    let Shape { e, f, q, kv, w, .. } = subject.shape();
    let all = q + 2.0 * kv;
    let largest = (2.0 * f * e).max(all * e);
    match subject.backend() {
        Backend::Cpu => {
            let rows = (f + 4.0 * e).max(all + q + 4.0 * e);
            let gradient = if subject.is_f32() { 4.0 * largest } else { 0.0 };
            t * w * rows + s * w * (2.0 * all + q) + w * MAPS + gradient
        }
        Backend::Ops => {
            let weights = e * (2.0 * q + 2.0 * kv + 3.0 * f);
            t * w * (4.0 * f + 4.0 * e) + s * w * 2.0 * all + w * weights + 2.0 * maps(subject, s)
        }
    }
}

/// Logits that the output layer makes at a time.
fn chunk(subject: &Subject, predicted: f64) -> f64 {
    let Shape { v, .. } = subject.shape();
    (predicted * v).min((MAX_LOGITS as f64).max(v))
}

/// Bytes of the output layer's logits where no gradient is asked for.
fn scored(subject: &Subject, predicted: f64) -> f64 {
    let Shape { w, .. } = subject.shape();
    let beside = if subject.backend() == Backend::Ops { OPS_LOGITS } else { 0.0 };
    chunk(subject, predicted) * (w + beside)
}

/// What an update holds beside what stays, of a micro-batch that fills the budget of tokens.
pub(super) fn update(subject: &Subject) -> Vec<Part> {
    let Shape { v, e, l, w, .. } = subject.shape();
    let micro = subject.micro();
    let kept = kept(subject, micro);
    let activations = match subject.recipe.batch.gradient_checkpointing {
        true => l * micro.read * w * e + kept,
        false => l * kept,
    };
    let ends = w * e * (2.0 * micro.read + 2.0 * micro.predicted);
    let of_output = match subject.backend() {
        // Adapters leave the output layer as it is.
        _ if subject.recipe.model.lora.is_some() => 0.0,
        Backend::Cpu if !subject.is_f32() => 0.0,
        Backend::Cpu | Backend::Ops => w * v * e,
    };
    let output = scored(subject, micro.predicted) + of_output;
    // Whichever is more: the output layer comes first, then one layer after the other.
    let passing = if subject.recipe.batch.gradient_checkpointing {
        output.max(back(subject, micro) + kept) - kept
    } else {
        output.max(back(subject, micro))
    };
    vec![
        Part::device("activations", activations + ends),
        Part::device("logits, or one layer on the way back", passing.max(0.0)),
    ]
}

/// What a pass without gradient holds over `micro`.
fn forward(subject: &Subject, Micro { read: t, seen: s, predicted }: Micro) -> f64 {
    let Shape { e, f, q, kv, w, .. } = subject.shape();
    let attention = t * w * (3.0 * e + 2.0 * (q + kv)) + s * w * 2.0 * (q + 2.0 * kv);
    let mlp = match subject.backend() {
        Backend::Cpu => t * w * (4.0 * e + 3.0 * f),
        Backend::Ops => t * w * (6.0 * e + 5.0 * f),
    };
    let layer = attention.max(mlp) + 2.0 * maps(subject, s);
    layer.max(scored(subject, predicted) + w * e * (t + predicted))
}

/// What measuring holds: one pass, and attention that was read of the responses, two numbers for each of their tokens and heads.
pub(super) fn measure(subject: &Subject) -> Vec<Part> {
    vec![Part::device("a pass over responses", forward(subject, subject.micro())), signals(subject)]
}

/// What is known of the attention of a rank's responses.
pub(super) fn signals(subject: &Subject) -> Part {
    let layers = subject.recipe.signals.layers_of(subject.shape().l as usize).len() as f64;
    let tokens = (subject.responses().div_ceil(subject.ranks) * subject.response()) as f64;
    let is_read = subject.reads_attention();
    Part::host("signals", if is_read { 2.0 * 4.0 * layers * subject.shape().h * tokens } else { 0.0 })
}

/// What generating holds: keys and values of the responses at once and of those that branches leave, the pass over their prompts,
/// and the distributions that tokens are drawn from. Where servers answer, evaluations hold as much.
pub(super) fn generate(subject: &Subject) -> Vec<Part> {
    let Shape { v, w, l, .. } = subject.shape();
    let rows = subject.rows() as f64;
    let of_layer = rows * cache_per_response(subject) / l;
    let to_each = subject.recipe.exploration().most() as f64;
    let contexts = (rows / to_each).ceil() * subject.prompt() as f64;
    let read = contexts.min(subject.recipe.batch.max_tokens as f64);
    let reading = forward(subject, Micro { read, seen: read, predicted: rows.min(read) });
    let drawing = match subject.backend() {
        Backend::Cpu => w * v * rows,
        // Probabilities, their sums in double precision, and what is left of them.
        Backend::Ops => (rows * v).min((1u64 << 25) as f64) * (w + 24.0),
    };
    vec![
        Part::device(
            if subject.is_remote() { "keys and values of evaluations" } else { "keys and values" },
            of_layer * (l + 1.0),
        ),
        Part::device("keys and values for branches", left(subject)),
        Part::device("reading prompts, or drawing tokens", reading.max(drawing)),
        signals(subject),
    ]
}

/// Bytes of keys and values that responses leave for those that branch off them under the same weights.
fn left(subject: &Subject) -> f64 {
    let exploration = subject.recipe.exploration();
    let has_one_call = subject.recipe.pipeline.settings().has_one_call();
    if has_one_call || exploration.rounds() == 0 { 0.0 } else { exploration.kept_bytes() as f64 }
}

/// Bytes of keys and values of one response with its prompt, in all layers.
pub(super) fn cache_per_response(subject: &Subject) -> f64 {
    let Shape { l, kv, w, .. } = subject.shape();
    let columns = subject.prompt() + subject.decoded();
    // Kernels hold keys in blocks.
    let columns = match subject.backend() {
        Backend::Cpu => columns.next_multiple_of(KEY_BLOCK),
        Backend::Ops => columns,
    };
    2.0 * w * l * kv * columns as f64
}
