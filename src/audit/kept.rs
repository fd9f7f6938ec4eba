//! What an audit has found so far, so that one that was interrupted goes on.
//!
//! ```text
//! FOLDER/kept.jsonl      first line: what is audited, and how; then {"key": .., "value": ..}, a line for each piece
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::{Lock, append_to, difference, read_regular_text, write_whole};

/// Name of the file.
const FILE: &str = "kept.jsonl";
/// Held while an audit writes.
const LOCK: &str = ".lock";
/// Bytes of the file that are read at most.
const LARGEST: u64 = 1 << 30;

/// A piece of an audit.
#[derive(Serialize, Deserialize)]
struct Piece {
    key: String,
    value: Value,
}

/// Pieces by their keys.
#[derive(Default)]
pub(crate) struct Kept {
    pieces: HashMap<String, Value>,
    file: Option<(PathBuf, File)>,
    /// So that two processes do not write into one folder.
    _lock: Option<Lock>,
}

impl Kept {
    /// What lies in `folder` of the audit that `settings` describe; what a process left half written is dropped.
    ///
    /// # Errors
    /// If the folder holds another audit, or cannot be read or written.
    pub(crate) fn open(folder: &Path, settings: &Value) -> Result<Self> {
        let path = folder.join(FILE);
        std::fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
        let lock = Lock::try_acquire(&folder.join(LOCK))?.with_context(|| {
            format!(
                "{}: another process audits into this folder; wait for it or choose another with --out",
                folder.display()
            )
        })?;
        let text = if path.exists() { read_regular_text(&path, LARGEST)? } else { String::new() };
        let mut lines = text.lines();
        let mut whole = String::new();
        if let Some(first) = lines.next() {
            let known: Value = serde_json::from_str(first).unwrap_or_default();
            // One that came to nothing holds nothing to lose.
            let holds_pieces = lines.clone().next().is_some();
            if known != *settings && holds_pieces {
                bail!(
                    "{}: holds another audit: {}; choose another folder with --out, or remove this one",
                    folder.display(),
                    difference(&known, settings)
                );
            }
        }
        whole += &format!("{settings}\n");
        let mut pieces = HashMap::new();
        for line in lines {
            let Ok(piece) = serde_json::from_str::<Piece>(line) else { break };
            whole += &format!("{line}\n");
            pieces.insert(piece.key, piece.value);
        }
        write_whole(&path, |w| Ok(w.write_all(whole.as_bytes())?))?;
        let file = append_to(&path)?;
        Ok(Self { pieces, file: Some((path, file)), _lock: Some(lock) })
    }

    /// How many pieces there are.
    pub(crate) fn n(&self) -> usize {
        self.pieces.len()
    }

    /// Makes sure that what goes by the name `key` is `value`, as it was when other pieces were made.
    ///
    /// # Errors
    /// If it is not: what is kept does not fit what is found now.
    pub(crate) fn same(&mut self, key: &str, value: String) -> Result<()> {
        let known: String = self.piece(key, || Ok(value.clone()))?;
        let folder =
            self.file.as_ref().and_then(|(path, _)| path.parent()).unwrap_or(Path::new("")).display();
        ensure!(
            known == value,
            "{folder}: the {key} there are others than are sampled now, by the same settings: another machine, precision or SFT; go on \
             where it was begun, choose another folder with --out, or remove this one"
        );
        Ok(())
    }

    /// The piece called `key`, which is made by `make` where it is not there.
    ///
    /// # Errors
    /// If it cannot be made, read or kept.
    pub(crate) fn piece<T: Serialize + DeserializeOwned>(
        &mut self,
        key: &str,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if let Some(value) = self.pieces.get(key) {
            return T::deserialize(value).with_context(|| format!("what was kept as {key}"));
        }
        let made = make()?;
        let value = serde_json::to_value(&made)?;
        if let Some((path, file)) = &mut self.file {
            let line = serde_json::to_string(&Piece { key: key.to_owned(), value: value.clone() })?;
            writeln!(file, "{line}").with_context(|| path.display().to_string())?;
        }
        self.pieces.insert(key.to_owned(), value);
        Ok(made)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn audits_differ_by_the_key_that_does() {
        let known = json!({ "format": 2, "recipe": { "data": { "layout": "sF", "seed": 1 }, "credit": [] } });
        let wanted =
            json!({ "format": 2, "recipe": { "data": { "layout": "sFd", "seed": 1 }, "credit": [] } });
        assert_eq!(difference(&known, &wanted), "`recipe.data.layout` was \"sF\" and is \"sFd\" now");
        let more = json!({ "format": 2, "recipe": known["recipe"], "values": 1 });
        assert_eq!(difference(&known, &more), "`values` was not there and is 1 now");
        assert_eq!(difference(&Value::Null, &known), "its first line does not read");
    }

    #[test]
    fn pieces_are_made_once_and_a_torn_line_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let settings = json!({ "prompts": 8 });
        let made = |kept: &mut Kept, key: &str, value: f64| kept.piece(key, || Ok(value)).unwrap();
        let mut kept = Kept::open(dir.path(), &settings).unwrap();
        assert_eq!(
            (made(&mut kept, "a", 0.1), made(&mut kept, "b", 2.0), made(&mut kept, "a", 3.0)),
            (0.1, 2.0, 0.1)
        );
        drop(kept);
        let file = dir.path().join(FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, &text[..text.len() - 4]).unwrap();
        let mut kept = Kept::open(dir.path(), &settings).unwrap();
        assert_eq!((kept.n(), made(&mut kept, "a", 5.0), made(&mut kept, "b", 4.0)), (1, 0.1, 4.0));
        assert!(
            Kept::open(dir.path(), &settings).err().unwrap().to_string().contains("another process audits")
        );
        drop(kept);
        assert_eq!(Kept::open(dir.path(), &settings).unwrap().n(), 2);
        let empty = tempfile::tempdir().unwrap();
        drop(Kept::open(empty.path(), &settings).unwrap());
        assert_eq!(Kept::open(empty.path(), &json!({ "prompts": 9 })).unwrap().n(), 0);
        let error = Kept::open(dir.path(), &json!({ "prompts": 9 })).err().unwrap().to_string();
        assert!(error.contains("`prompts` was 8 and is 9 now"), "{error}");
    }

    #[test]
    fn what_was_made_of_other_responses_is_not_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let again =
            |value: &str| Kept::open(dir.path(), &Value::Null).unwrap().same("responses", value.into());
        again("a").unwrap();
        again("a").unwrap();
        let error = again("b").unwrap_err().to_string();
        assert!(error.contains("the responses there are others") && error.contains("--out"), "{error}");
    }

    /// Numbers come back to the last bit, or an audit that went on would not be the one that was not interrupted.
    #[test]
    fn numbers_are_kept_exactly() {
        let dir = tempfile::tempdir().unwrap();
        let numbers = vec![1.0 / 3.0, 1e-310, 2f64.powi(60) + 256.0, -0.0];
        Kept::open(dir.path(), &Value::Null).unwrap().piece("n", || Ok(numbers.clone())).unwrap();
        let again: Vec<f64> =
            Kept::open(dir.path(), &Value::Null).unwrap().piece("n", || bail!("kept")).unwrap();
        assert!(again.iter().zip(&numbers).all(|(a, b)| a.to_bits() == b.to_bits()), "{again:?}");
    }
}
