//! The text of a recipe and of those that it stands on, `base = "other.toml"`.

use std::path::{Path, PathBuf};

use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    explain::human,
    place::{make_whole, settle},
    problem::{Problem, Problems},
    schema::{BASE, TYPE},
    shipped::Shipped,
    syntax::{self, Lines, short},
};
use crate::files::{STDIN, read_regular_text};
use crate::types::program;

/// Size of the largest recipe that is read, bytes; the longest of this project have some three thousand.
const LARGEST: u64 = 1 << 20;

/// The text of a recipe and of those that it stands on, each read once.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// The recipe first, each on the one behind it. Never empty.
    pub(super) layers: Vec<Layer>,
}

/// The text of one file.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// What messages call it.
    pub file: String,
    pub text: String,
}

impl Text {
    /// Reads the recipe at `path`.
    ///
    /// # Errors
    /// If it, or a recipe that it stands on, is not a file that can be read, is far too large, not UTF-8 or not TOML; if
    /// it stands on itself.
    pub(crate) fn read(path: &Path) -> Result<Self, Problems> {
        let file = path.display().to_string();
        let text = read_regular_text(path, LARGEST)
            .map_err(|error| Problems::alone(&file, format!("cannot be read: {error}{}", shipped(path))))?;
        Self::parse(&file, &text)
    }

    /// As [`Text::read`], of `text` that would lie in `file`.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let mut layers = vec![Layer { file: file.to_owned(), text: text.to_owned() }];
        // What comes by standard input stands on files from here.
        let mut paths = vec![PathBuf::from(if file == STDIN { "" } else { file })];
        while let (Some(top), Some(path)) = (layers.last(), paths.last()) {
            let Some((line, base)) = top.base()? else { break };
            let next = path.parent().unwrap_or(Path::new("")).join(base);
            let chain = chain(&paths, &next);
            let refuse = |message: String| {
                Problems(vec![Problem {
                    place: format!("{}:{line}", top.file),
                    key: BASE.to_owned(),
                    message,
                }])
            };
            if paths.iter().any(|path| is_same(path, &next)) {
                return Err(refuse(format!(
                    "`{BASE}`: {chain}: stands on itself; one of them has to stand alone"
                )));
            }
            let text = read_regular_text(&next, LARGEST).map_err(|error| {
                refuse(format!(
                    "`{BASE}`: {chain}: cannot be read: {error}; the path starts at the folder of this file"
                ))
            })?;
            layers.push(Layer { file: next.display().to_string(), text });
            paths.push(next);
        }
        Ok(Self { layers })
    }

    /// What messages call the recipe.
    pub(super) fn file(&self) -> &str {
        self.layers.first().map_or("", |layer| &layer.file)
    }

    /// One text that says all of it: as it was written where it stands alone, else what the files say together.
    #[must_use]
    pub(crate) fn whole(&self) -> String {
        match &self.layers[..] {
            [alone] => alone.text.clone(),
            layers => {
                let files: Vec<&str> = layers.iter().map(|layer| &*layer.file).collect();
                let mut whole = Table::new();
                for layer in layers.iter().rev() {
                    let Ok(mut table) = layer.table() else { continue };
                    // Its paths begin elsewhere than those of the recipe.
                    if Path::new(&layer.file).parent() != Path::new(self.file()).parent() {
                        settle(&mut table, &layer.file);
                        make_whole(&mut table);
                    }
                    merge(&mut whole, table, "", &mut |_| ());
                }
                format!("# {}\n\n{whole}", files.join(" on "))
            }
        }
    }
}

impl Layer {
    /// What it says, without the name of its base.
    ///
    /// # Errors
    /// If it is not TOML.
    pub(super) fn table(&self) -> Result<Table, Problems> {
        let table = self.text.parse::<Table>();
        let mut table = table.map_err(|_| Problems(syntax::problems(&self.file, &self.text)))?;
        table.remove(BASE);
        Ok(table)
    }

    /// The line that names its base, and the name.
    fn base(&self) -> Result<Option<(usize, String)>, Problems> {
        self.table()?;
        let (table, _) = DeTable::parse_recoverable(&self.text);
        let Some((key, value)) = table.get_ref().get_key_value(BASE) else { return Ok(None) };
        let line = Lines::parse(&self.text).of_offset(key.span().start);
        match value.get_ref() {
            DeValue::String(name) => Ok(Some((line, name.to_string()))),
            _ => Err(Problems(vec![Problem {
                place: format!("{}:{line}", self.file),
                key: BASE.to_owned(),
                message: format!(
                    "`{BASE}`: got {}, expected {}",
                    short(&self.text[value.span()]),
                    human("path string")
                ),
            }])),
        }
    }
}

/// Puts `above` on `below`: tables key by key, all else in the place of what was there. A table of another `type` takes the
/// place of the whole, for its keys are others. `replaced` hears of the paths that do; `path` is that of the tables.
pub(super) fn merge(below: &mut Table, above: Table, path: &str, replaced: &mut dyn FnMut(&str)) {
    for (key, value) in above {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if !is_another(below, &above) => {
                merge(below, above, &path, replaced);
            }
            (_, value) => {
                replaced(&path);
                below.insert(key, value);
            }
        }
    }
}

fn is_another(below: &Table, above: &Table) -> bool {
    above.get(TYPE).is_some_and(|chosen| below.get(TYPE) != Some(chosen))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    canonical(one) == canonical(other)
}

/// What to do where `path` is not there but a recipe of that name comes with the program.
fn shipped(path: &Path) -> String {
    let own = path.to_str().filter(|_| !path.exists()).and_then(Shipped::find);
    own.map_or_else(String::new, |own| {
        format!(
            "; a recipe of that name comes with rlcredit: `{} recipes copy {}` writes it",
            program(),
            own.name
        )
    })
}

/// `a.toml on b.toml`.
fn chain(paths: &[PathBuf], next: &Path) -> String {
    let files = paths.iter().map(PathBuf::as_path).chain([next]);
    files.map(|path| path.display().to_string()).collect::<Vec<_>>().join(" on ")
}
