//! Pages that need nothing but themselves: a template with the numbers in it as JSON.

use anyhow::{Context, Result};
use serde::Serialize;

/// Where the numbers go.
const PLACE: &str = "{{data}}";

/// `template` with `data` in its place.
///
/// # Errors
/// If the template has no place for them, or they cannot be written as JSON.
pub(crate) fn fill(template: &str, data: &impl Serialize) -> Result<String> {
    let (before, after) = template.split_once(PLACE).context("the page has no place for its numbers")?;
    // Nothing in the data can end the element that holds it, whatever the texts in it are.
    let data = serde_json::to_string(data)?.replace('<', "\\u003c");
    Ok([before, &data, after].concat())
}

/// That a template asks the network for nothing, and has one place for numbers.
#[cfg(test)]
pub(crate) fn assert_whole(template: &str) {
    for word in ["http:", "https:", "src=", "url(", "import ", "fetch("] {
        assert!(!template.contains(word), "{word}");
    }
    assert!(template.contains("default-src 'none'") && template.matches(PLACE).count() == 1);
}
