//! How the models of an evaluation are called.

use std::path::{Path, PathBuf};

use crate::run_folder::RunFolder;

/// `NAME=PATH` or a path, whose name then comes from it.
pub(super) fn named(given: &str) -> (String, PathBuf) {
    let plain = |name: &str| !name.is_empty() && name.chars().all(is_plain);
    match given.split_once('=').filter(|(name, _)| plain(name) && !Path::new(given).exists()) {
        Some((name, path)) => (name.to_owned(), path.into()),
        None => (name_of(Path::new(given)), given.into()),
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-+@".contains(c)
}

/// The last part of `path`; of what lies within a run that of the run, and of the checkpoint.
fn name_of(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = match RunFolder::around(&whole).filter(|run| run.root() != whole) {
        Some(run) => {
            let step = whole.strip_prefix(run.checkpoints()).ok().and_then(|rest| rest.iter().next());
            let parts = [last(run.root()), step.map(|step| step.to_string_lossy().into_owned())];
            parts.into_iter().flatten().collect::<Vec<_>>().join("@")
        }
        // As it was typed, but for `.` and `..`.
        None => last(path).or_else(|| last(&whole)).unwrap_or_default(),
    };
    name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect()
}
