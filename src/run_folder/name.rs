//! What a run may be called: the name of its folder, on any system.

use anyhow::{Result, bail};

/// Longest name that file systems allow, bytes.
const LONGEST: usize = 255;

/// Names of devices on Windows, whatever stands behind a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// That `name` is the name of one folder, and of none that means something else.
///
/// # Errors
/// What it is instead, as [`run`] `name` of a recipe.
pub(crate) fn check_name(name: &str) -> Result<()> {
    match misnamed(name) {
        Some(problem) => bail!("[run] `name`: {problem}"),
        None => Ok(()),
    }
}

/// Why `name` is not the name of one folder, or of one that means something else: `got ..., expected ...`.
#[must_use]
pub(crate) fn misnamed(name: &str) -> Option<String> {
    let shown: String = name.chars().take(60).collect();
    let shown = if shown.len() < name.len() { format!("{shown}...") } else { shown };
    let is_one = !name.is_empty() && name.trim() == name && !name.contains('/');
    let foreign = |c: char| c.is_control() || "\\:*?\"<>|".contains(c);
    let expected = if let Some(c) = name.chars().find(|c| foreign(*c)) {
        format!("no {c:?}, which not every system allows in the name of a folder")
    } else if !is_one || name.chars().all(|c| c == '.') {
        "the name of one folder".to_owned()
    } else if name.starts_with('.') {
        "no dot at its start: such folders are hidden, and SFT runs are kept in one".to_owned()
    } else if name.ends_with('.') || is_device(name) {
        "a name that every system can give a folder".to_owned()
    } else if name.len() > LONGEST {
        format!("at most {LONGEST} bytes, this has {}", name.len())
    } else {
        return None;
    };
    Some(format!("got {shown:?}, expected {expected}"))
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim().to_ascii_lowercase();
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    DEVICES.contains(&&*stem) || port.is_some_and(|n| n.len() == 1 && n != "0" && n.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_folder_everywhere() {
        for name in ["countdown", "a b", "run-1.2", "lr=1e-5", "ü", "console", "com10", &"x".repeat(255)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let (long, dots) = ("x".repeat(256), "..".to_owned());
        for name in [
            "",
            " ",
            " a",
            "a ",
            ".",
            &dots,
            "...",
            "a/b",
            "/tmp",
            "../a",
            "a\\b",
            "a:b",
            "a\nb",
            "a\0b",
            ".warm_starts",
            ".hidden",
            "a.",
            "con",
            "NUL",
            "aux.txt",
            "COM1",
            "lpt9.log",
            &long,
        ] {
            let error = check_name(name).map_or_else(|error| error.to_string(), |()| String::new());
            assert!(
                error.starts_with("[run] `name`: got \"") && error.contains("expected "),
                "{name:?}: {error}"
            );
            assert!(error.len() < 200, "{error}");
        }
    }
}
