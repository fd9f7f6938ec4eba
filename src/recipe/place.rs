//! Where the paths of a recipe begin: at the folder of the file that says them.
//!
//! ```text
//! in a file        ../data/train.jsonl   from the file's folder; where nothing lies there, but from the working directory, that is meant
//! behind --set     data/train.jsonl      from the working directory
//! both             ~/data/train.jsonl    from the home of who starts it
//! ```
//!
//! Runs of earlier versions have kept paths from the working directory, in the same file.
//!
//! A recipe that was read names its files from the working directory, as short as can be; what a run keeps of it has whole paths, so that
//! it means the same from everywhere.

use std::collections::BTreeSet;
use std::env;
use std::path::{Component, Path, PathBuf};

use toml::{Table, Value};

use crate::circuit::MADE;
use crate::files::at_home;
use crate::run_folder::RunAt;

/// The keys whose values are paths; a star is any entry of a list.
const KEYS: [&str; 7] = [
    "model.path",
    "data.train.*.path",
    "data.eval.*.path",
    "sft.source.path",
    "signals.heads.circuit",
    "circuit.pairs",
    "engine.weights",
];

/// What a run calls the recipe that it keeps.
const RESOLVED: &str = "resolved.toml";

/// Has the paths in `table`, which the file `file` says, begin at the working directory. Gives those that have done so already.
pub(super) fn settle(table: &mut Table, file: &str) -> BTreeSet<String> {
    let file = Path::new(file);
    let is_of_run = file.file_name().is_some_and(|name| name == RESOLVED);
    let folder = file.parent().filter(|_| !is_of_run).unwrap_or(Path::new(""));
    let mut elsewhere = BTreeSet::new();
    each_path(table, &mut |given| match found(folder, given) {
        Found::There(path) => Some(path),
        Found::Here => {
            elsewhere.insert(given.to_owned());
            None
        }
    });
    elsewhere
}

/// Has the paths in `table` begin at the root of the file system.
pub(super) fn make_whole(table: &mut Table) {
    each_path(table, &mut |given| whole(Path::new(given)).to_str().map(str::to_owned));
}

/// `path` from the root of the file system.
#[must_use]
pub(crate) fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| short(&path))
}

/// `path` as it is shown: from the working directory, where it lies in it.
#[must_use]
pub(crate) fn shown(path: &Path) -> &Path {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(here).ok().filter(|path| !path.as_os_str().is_empty()).unwrap_or(path)
}

/// Where a file may be.
enum Found {
    /// At this place, or nowhere.
    There(String),
    /// At the path as it is given, and not in the recipe's folder.
    Here,
}

fn found(folder: &Path, given: &str) -> Found {
    if let Some(path) = at_home(given) {
        return Found::There(path);
    }
    let is_here = folder.as_os_str().is_empty() || folder == Path::new(".");
    if is_here || Path::new(given).is_absolute() {
        return Found::There(given.to_owned());
    }
    let there = short(&folder.join(given));
    match there.to_str() {
        Some(there) if is_there(there) || !is_there(given) => Found::There(there.to_owned()),
        _ => Found::Here,
    }
}

/// Whether something lies at `path`, or it names a checkpoint of a run that does.
fn is_there(path: &str) -> bool {
    let named = || RunAt::parse(path).is_ok_and(|at| at.folder.root().is_dir());
    Path::new(path).exists() || named()
}

/// `path` without `a/..`, unless a link has that mean another place.
fn short(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for part in path.components() {
        let is_named = matches!(short.components().next_back(), Some(Component::Normal(_)));
        match part {
            Component::CurDir => {}
            Component::ParentDir if is_named => _ = short.pop(),
            part => short.push(part),
        }
    }
    let same = match (path.canonicalize(), short.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        (one, other) => one.is_err() && other.is_err(),
    };
    if same && !short.as_os_str().is_empty() { short } else { path.to_owned() }
}

/// Puts what `change` makes of it in the place of each path in `table`.
pub(crate) fn each_path(table: &mut Table, change: &mut dyn FnMut(&str) -> Option<String>) {
    for key in KEYS {
        let mut names: Vec<&str> = key.split('.').collect();
        let last = names.pop().unwrap_or_default();
        in_tables(table, &names, &mut |table| {
            if let Some(Value::String(path)) = table.get_mut(last)
                && !(key == "circuit.pairs" && MADE.contains(&path.as_str()))
                && let Some(changed) = change(path)
            {
                *path = changed;
            }
        });
    }
}

/// Shows `visit` the tables that `names` lead to.
fn in_tables(table: &mut Table, names: &[&str], visit: &mut dyn FnMut(&mut Table)) {
    let Some((name, rest)) = names.split_first() else { return visit(table) };
    match (table.get_mut(*name), rest) {
        (Some(Value::Table(inner)), rest) => in_tables(inner, rest, visit),
        (Some(Value::Array(items)), ["*", rest @ ..]) => {
            for item in items {
                if let Value::Table(inner) = item {
                    in_tables(inner, rest, visit);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::*;

    /// The value at `model.path` of a recipe `recipes/x.toml` in `folder` that says `path`.
    fn settled(folder: &Path, path: &str) -> (String, Vec<String>) {
        let mut table: Table =
            format!("[model]\npath = {path:?}\n[circuit]\npairs = \"think\"\n").parse().unwrap();
        let file = folder.join("recipes/x.toml");
        let elsewhere = settle(&mut table, file.to_str().unwrap());
        assert_eq!(table["circuit"]["pairs"].as_str(), Some("think"));
        (table["model"]["path"].as_str().unwrap().to_owned(), elsewhere.into_iter().collect())
    }

    #[test]
    fn paths_begin_at_the_folder_of_the_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for inner in ["recipes/models/a", "models/b", "runs/x"] {
            fs::create_dir_all(root.join(inner)).unwrap();
        }
        let at = |path: &str| root.join(path).display().to_string();
        for (given, expected) in [
            ("models/a", at("recipes/models/a")),
            ("./models/a", at("recipes/models/a")),
            ("../models/b", at("models/b")),
            ("../runs/x@40", at("runs/x@40")),
            // Where it should be.
            ("models/c", at("recipes/models/c")),
            ("/models/d", "/models/d".to_owned()),
        ] {
            assert_eq!(settled(root, given), (expected, Vec::new()), "{given}");
        }
        // Tests run in the folder of the crate.
        assert_eq!(settled(root, "src/recipe"), ("src/recipe".to_owned(), vec!["src/recipe".to_owned()]));
        let home = env::home_dir().unwrap().display().to_string();
        assert_eq!(settled(root, "~/models/a").0, format!("{home}/models/a"));
        assert_eq!(settled(root, "~").0, home);
        assert_eq!(settled(root, "~who/a").0, at("recipes/~who/a"));
    }

    #[test]
    fn what_a_run_has_kept_begins_at_the_working_directory() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        let mut table: Table = "model.path = \"a\"".parse().unwrap();
        let elsewhere = settle(&mut table, folder.path().join("resolved.toml").to_str().unwrap());
        assert_eq!((table["model"]["path"].as_str(), elsewhere.len()), (Some("a"), 0));
    }

    #[test]
    fn a_link_keeps_its_meaning() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("far/below")).unwrap();
        fs::write(root.join("far/data"), "").unwrap();
        std::os::unix::fs::symlink(root.join("far/below"), root.join("link")).unwrap();
        let through = root.join("link/../data");
        assert_eq!(short(&through), through);
        assert_eq!(short(&root.join("far/below/../data")), root.join("far/data"));
    }

    #[test]
    fn what_a_run_keeps_has_whole_paths() {
        let mut table: Table =
            "data.train = [{ path = \"a\" }, { path = \"/b\" }]\nengine.weights = \"w\"\n".parse().unwrap();
        make_whole(&mut table);
        let here = env::current_dir().unwrap();
        let at = |index: usize| table["data"]["train"][index]["path"].as_str().unwrap().to_owned();
        assert_eq!((at(0), at(1).as_str()), (here.join("a").display().to_string(), "/b"));
        assert_eq!(table["engine"]["weights"].as_str().unwrap(), here.join("w").display().to_string());
        assert_eq!(shown(&here.join("a")), Path::new("a"));
        assert_eq!(shown(Path::new("/b")), Path::new("/b"));
    }
}
