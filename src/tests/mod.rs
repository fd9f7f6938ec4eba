//! Tests that several rooms take part in; those of one room stand beside it, those of the built program in `tests/program`.

use std::path::Path;
use std::process::Command;

mod chat;
mod checkpoint_store;
mod console;
mod docs;
mod draws;
mod engines;
mod interrupt;
mod metrics_page;
mod numerics;
mod recipe_page;
mod recipes;
mod schedules;

pub(crate) use draws::Draws;

/// A test of `module` that acts as a child process, as `module_path!` and the function's name give it.
fn child(module: &str, name: &str) -> Vec<String> {
    let (_, inner) = module.split_once("::").unwrap();
    // On a single thread, as on a single core, the harness would begin the child's first line with the test's name.
    ["--exact", &format!("{inner}::{name}"), "--nocapture", "--test-threads=2"].map(str::to_owned).to_vec()
}

/// This very program of tests.
fn myself() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

/// Holds a page that is written from the code against `expected`; with `RENEW=1` it is written anew.
fn page_is(page: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs =
        found.lines().zip(expected.lines()).zip(1..).find(|((found, expected), _)| found != expected);
    assert!(
        found == expected,
        "{page} is not what the code says, first where {differs:?}; renew it with `RENEW=1 cargo test --release --lib page`"
    );
}
