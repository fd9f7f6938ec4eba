//! Panics of libraries over what others have written, as errors: nothing of them reaches the terminal.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// What `work` returns.
///
/// # Errors
/// If it panics, with the first line of what was said. What `work` has changed by then is not to be used again.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !SILENT.get() {
                loud(panic);
            }
        }));
    });
    let before = SILENT.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    SILENT.set(before);
    result.map_err(|said| message(&*said))
}

fn message(said: &(dyn Any + Send)) -> String {
    let text = said.downcast_ref::<&str>().copied();
    let text = text.or_else(|| said.downcast_ref::<String>().map(String::as_str));
    let line = text.and_then(|text| text.lines().next()).unwrap_or("no reason was given");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_what_it_said() {
        assert_eq!(caught(|| 1), Ok(1));
        let list: [u32; 0] = [];
        let index = std::hint::black_box(3);
        assert_eq!(
            caught(|| list[index]),
            Err("index out of bounds: the len is 0 but the index is 3".to_owned())
        );
        assert_eq!(caught(|| -> u32 { panic!("no\nmore") }), Err("no".to_owned()));
        assert!(!SILENT.get());
    }
}
