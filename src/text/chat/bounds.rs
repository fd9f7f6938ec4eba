//! What a template may take. Templates come with a model's files, from anybody: what they ask for is bounded before it is done.
//!
//! ```text
//! source     128 KiB, 4,096 words and signs in a tag (real ones have 30 KiB and 200)
//! rendering  200,000 steps (an instruction, or 64 bytes written or read) and one for each byte of the conversation
//! output     by the steps: 64 bytes each
//! depth      a stack of its own, for what nests as deep as the steps allow
//! ```

use minijinja::{Error, ErrorKind, State};

use crate::text::caught::Allowance;

/// Longest source, in bytes.
pub(in crate::text) const MAX_SOURCE: usize = 128 << 10;

/// Most words and signs of one tag: operators nest as deep as there are some.
pub(super) const MAX_TOKENS: usize = 4096;

/// Steps of a rendering, beside one for each byte that it is given.
pub(super) const STEPS: u64 = 200_000;

/// Bytes of data that cost one step, as the engine counts.
const STEP_BYTES: u64 = 64;

/// What compiling or rendering takes at most, beside the steps: lists in lists nest as deep as these allow, and are compared
/// and written without any.
pub(super) const ALLOWANCE: Allowance =
    Allowance { stack_bytes: 256 << 20, cpu_s: 5.0, memory_bytes: 512 << 20 };

/// Takes the steps that `bytes` of data cost, before they are read or written.
///
/// # Errors
/// If they are not left.
pub(super) fn charge(state: &State, bytes: usize) -> Result<(), Error> {
    state.consume_fuel(bytes as u64 / STEP_BYTES + 1)
}

/// How many bytes the steps that are left pay for.
pub(super) fn bytes_left(state: &State) -> usize {
    let left = state.fuel_levels().map_or(u64::MAX, |(_, left)| left);
    usize::try_from(left.saturating_mul(STEP_BYTES)).unwrap_or(usize::MAX)
}

/// That no steps are left.
pub(super) fn exhausted() -> Error {
    Error::from(ErrorKind::OutOfFuel)
}
