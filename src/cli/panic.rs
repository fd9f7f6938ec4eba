//! A panic as one sentence. libtorch reports what it cannot do, like allocating more memory than there is, by exceptions
//! that its bindings turn into panics; a person is helped by what it said, not by where that was unwrapped.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

/// What `work` returns, or `None` if it panicked, which has been reported on standard error by then. With
/// `RUST_BACKTRACE` set the report is Rust's own.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Option<T> {
    if std::env::var_os("RUST_BACKTRACE").is_none_or(|value| value == "0") {
        panic::set_hook(Box::new(|panic| super::complain(&sentence(panic))));
    }
    panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

fn sentence(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let message =
        payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("no message");
    if let Some(said) = torch_error(message) {
        return format!("libtorch: {said}{}", remedy(&said));
    }
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    format!("a defect of the program at {place}: {message}; RUST_BACKTRACE=1 shows more")
}

/// The first line of what libtorch said, out of the debug format in which an unwrapped error appears.
fn torch_error(message: &str) -> Option<String> {
    let (_, said) = message.split_once("Torch(\"")?;
    let line = said.split(['\n']).next()?.split("\\n").next()?;
    Some(line.trim_end_matches("\")").replace("\\\"", "\""))
}

fn remedy(said: &str) -> &'static str {
    let said = said.to_lowercase();
    if said.contains("out of memory") || said.contains("allocate memory") {
        "; it takes less with a lower [sampling] max_num_seqs (responses decoded at once, also in evaluation) and with [batch] \
         gradient_checkpointing = true, which --resume accepts, and with a lower [batch] max_tokens (tokens trained on at once) or [sampling] max_new_tokens"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_is_quoted_by_its_first_line() {
        let message = "called `Result::unwrap()` on an `Err` value: Torch(\"[enforce fail at alloc_cpu.cpp:126] . \
                       can't allocate memory: \\\"8\\\" bytes\\nException raised from alloc_cpu\\nframe #0\")";
        let said = torch_error(message);
        assert_eq!(
            said.as_deref(),
            Some("[enforce fail at alloc_cpu.cpp:126] . can't allocate memory: \"8\" bytes")
        );
        assert!(said.is_some_and(|said| remedy(&said).contains("max_tokens")));
        assert_eq!(torch_error("index out of bounds"), None);
    }
}
