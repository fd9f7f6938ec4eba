//! The files of a Hugging Face folder that belong to a tokenizer: which are read, how much of them, and how they are saved.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Tokenizer, inspected};
use crate::files::{list, read_regular};
use crate::text::chat::{CHAT_TEMPLATE, MAX_SOURCE, SPECIAL_TOKENS};

pub(in crate::text) const TOKENIZER: &str = "tokenizer.json";
pub(in crate::text) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(in crate::text) const GENERATION_CONFIG: &str = "generation_config.json";
/// The model's own configuration; read for its special ids, never saved from here.
pub(in crate::text) const MODEL_CONFIG: &str = "config.json";

/// Files that are read.
const READ: [&str; 6] =
    [TOKENIZER, TOKENIZER_CONFIG, GENERATION_CONFIG, MODEL_CONFIG, SPECIAL_TOKENS, CHAT_TEMPLATE];
/// Files that only travel with a tokenizer.
const TRAVEL: [&str; 4] = ["added_tokens.json", "vocab.json", "merges.txt", "vocab.txt"];

/// Folder of the templates that a model has beside its default one; they travel too.
pub(super) const FURTHER_TEMPLATES: &str = "additional_chat_templates";
/// Most of these.
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
        _ if TRAVEL.contains(&name) => MAX_TRAVEL,
        _ => MAX_CONFIG,
    }
}

/// Name and content of those files of `dir` that are there.
///
/// # Errors
/// If one cannot be read, or is larger than such a file may be.
pub(super) fn read_files(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let names = READ.into_iter().chain(TRAVEL).map(str::to_owned);
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
    pub fn save(&self, dir: &Path) -> Result<()> {
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
