//! What a recipe asks of the disk: the files it names are there.

use std::path::Path;

use super::{
    Recipe,
    problem::{Problem, Problems},
};
use crate::data::{DataConfig, supervised::SourceConfig};

/// What a model folder holds besides its weights.
const MODEL_FILES: [&str; 2] = ["config.json", "tokenizer.json"];

impl Recipe {
    /// Checks that the files named by the recipe exist, without reading them; relative paths start at the working directory.
    ///
    /// # Errors
    /// Every file or folder that is missing, with the key that names it.
    pub fn check_files(&self) -> Result<(), Problems> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, key: &str, section: &str, name: &str, path: &Path, expected: &str| {
            if !holds {
                let message = format!(
                    "[{section}] `{name}`: expected {expected}; paths start at the working directory"
                );
                problems.push(Problem { place: path.display().to_string(), key: key.to_owned(), message });
            }
        };
        if let Some(folder) = &self.model.path {
            require(folder.is_dir(), "model.path", "model", "path", folder, "an existing folder");
            if folder.is_dir() {
                for file in MODEL_FILES {
                    let path = folder.join(file);
                    require(
                        path.is_file(),
                        "model.path",
                        "model",
                        "path",
                        &path,
                        "this file in the model's folder",
                    );
                }
            }
        }
        if let DataConfig::Jsonl(data) = &self.data {
            require(data.path.is_file(), "data.path", "data", "path", &data.path, "an existing file");
            require(
                data.eval_path.is_file(),
                "data.eval_path",
                "data",
                "eval_path",
                &data.eval_path,
                "an existing file",
            );
        }
        if let Some(SourceConfig::Jsonl(source)) = self.warmup.as_ref().map(|warmup| &warmup.source) {
            require(
                source.path.is_file(),
                "warmup.source.path",
                "warmup.source",
                "path",
                &source.path,
                "an existing file",
            );
        }
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }
}
