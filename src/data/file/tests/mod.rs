//! Rows, what they mean, and the problems that files make. `scripts/fixtures/data.py` made the Parquet files.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{FileConfig, FilesConfig};

mod columns;
mod files;
mod hostile;
mod published;
mod rows;
mod stored;

/// A folder with files of these contents.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `text` without the folder's path.
    fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }

    /// A configuration as a recipe has it, paths within the folder.
    fn config(&self, json: Value) -> FilesConfig {
        let mut config: FilesConfig = serde_json::from_value(json).unwrap();
        let files: Vec<&mut FileConfig> = config.train.iter_mut().chain(&mut config.eval).collect();
        for file in files {
            file.path = self.path(&file.path.display().to_string());
        }
        config
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data").join(name)
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else { panic!("{value}") };
    fields
}
