//! The regular expressions of tokenizers backtrack. Onig counts how often, and gives a match up at a number that is its own for
//! the whole process.

use std::sync::Once;

/// Most times that one match may go back. Patterns of published tokenizers go back once for each character of a run, of
/// blanks for instance.
const MAX_RETRIES: std::ffi::c_ulong = 1_000_000;

/// Most places that one match keeps to go back to, of some 50 bytes each.
const MAX_PLACES: std::ffi::c_uint = 4_000_000;

/// Bounds every match from now on; one that goes beyond panics.
pub(super) fn bound_matches() {
    static ONCE: Once = Once::new();
    ONCE.call_once(set_limits);
}

#[expect(
    unsafe_code,
    reason = "the limits are set by functions of the C library that its bindings do not wrap"
)]
fn set_limits() {
    // SAFETY: both functions store a number in a global that matches read when they begin. `Once` lets one thread store at a
    // time, and no expression of ours is matched before, as every tokenizer is built behind this call.
    unsafe {
        onig_sys::onig_set_retry_limit_in_match(MAX_RETRIES);
        onig_sys::onig_set_match_stack_limit_size(MAX_PLACES);
    }
}
