//! The files of a Hugging Face folder that belong to a tokenizer: which are read, how much of them, and how they are saved.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Tokenizer, inspected};
use crate::files::model_folder::{FURTHER_TEMPLATES, MODEL_FILES, TOKENIZER};
use crate::files::{list, read_regular};
use crate::text::chat::MAX_SOURCE;

/// Most templates that a model has beside its default one.
const MAX_FURTHER: usize = 100;

/// Largest configuration, in bytes; the largest published ones have some 1 MB.
const MAX_CONFIG: u64 = 4 << 20;
/// Largest of the files that only travel, in bytes; the largest published ones have some 10 MB.
const MAX_TRAVEL: u64 = 32 << 20;

/// Most bytes that are read of the file `name`. All files together are bounded by that.
pub(in crate::text) fn most_bytes(name: &str) -> u64 {
    match name {
        TOKENIZER => inspected::MAX_FILE as u64,
        _ if name.ends_with(".jinja") => MAX_SOURCE as u64,
        _ if MODEL_FILES.iter().any(|file| file.name == name && !file.is_read) => MAX_TRAVEL,
        _ => MAX_CONFIG,
    }
}

/// Name and content of those files of `dir` that are there.
///
/// # Errors
/// If one cannot be read, or is larger than such a file may be.
pub(super) fn read_files(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let names = MODEL_FILES.iter().map(|file| file.name.to_owned());
    let mut files = BTreeMap::new();
    for name in names.chain(further_templates(dir)?) {
        let path = dir.join(&name);
        if path.exists() {
            let content = read_regular(&path, most_bytes(&name));
            files.insert(name, content.with_context(|| format!("{}: cannot be read", path.display()))?);
        }
    }
    Ok(files)
}

/// The names of the templates beside the default one. What else lies there, such as folders of editors, is no business of ours.
fn further_templates(dir: &Path) -> Result<Vec<String>> {
    let folder = dir.join(FURTHER_TEMPLATES);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in list(&folder)? {
        let template = entry.file_name().into_string().ok().filter(|name| name.ends_with(".jinja"));
        if let Some(name) = template.filter(|_| entry.path().is_file()) {
            names.push(format!("{FURTHER_TEMPLATES}/{name}"));
        }
    }
    let n = names.len();
    ensure!(n <= MAX_FURTHER, "{}: {n} templates, expected at most {MAX_FURTHER}", folder.display());
    Ok(names)
}

impl Tokenizer {
    /// Writes the tokenizer's files, those it was read from or generated with, into the folder `dir`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn save(&self, dir: &Path) -> Result<()> {
        for (name, content) in &self.files {
            let path = dir.join(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)
                    .with_context(|| format!("{}: cannot be created", folder.display()))?;
            }
            fs::write(&path, content).with_context(|| format!("{}: cannot be written", path.display()))?;
        }
        Ok(())
    }
}
