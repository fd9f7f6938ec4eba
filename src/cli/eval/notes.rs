//! What a person may not expect of an evaluation, said before it begins.

use std::path::PathBuf;

use crate::run_folder::RunFolder;

/// A sentence each, of `models` by name and folder; `has_files` where `--data` names the problems.
pub(super) fn of(models: &[(String, PathBuf)], has_files: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let whole = |path: &PathBuf| path.canonicalize().ok();
    for (n, (name, path)) in models.iter().enumerate() {
        let is_same = |(_, other): &&(String, PathBuf)| whole(path).is_some() && whole(other) == whole(path);
        if let Some((other, _)) = models[..n].iter().find(is_same) {
            notes.push(format!("note: {name} is the same model as {other}: what tells them apart is chance"));
        }
    }
    if has_files && models.iter().any(|(_, path)| RunFolder::around(path).is_some()) {
        notes.push(
            "note: --data asks, samples and judges in a way of its own (the header has it), not as the run does; for that change the \
             run's problems: --set 'data.eval=[{path=\"FILE\", ...}]' in place of --data, where its [data] is of files"
                .to_owned(),
        );
    }
    notes
}
