//! What an audit leaves behind: `audit.json`, `audit.md`, and `audit.html`, a page that needs nothing but itself.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::summary::Summary;
use crate::files::write_whole;
use crate::types::TokenId;

const TEMPLATE: &str = include_str!("page.html");
/// Where the numbers go.
const PLACE: &str = "{{data}}";

#[derive(Serialize)]
struct Data<'a> {
    title: &'a str,
    command: &'a str,
    facts: Vec<String>,
    summary: &'a Summary,
    /// Texts of the tokens of each response that is shown.
    pieces: Vec<Vec<String>>,
}

impl Summary {
    /// Writes all of it into `folder`, which is there. `title` says what was audited, `command` is what a shell takes, `pieces`
    /// gives the texts of tokens.
    ///
    /// # Errors
    /// If a file cannot be written, or the tokens have no texts.
    pub(crate) fn write(
        &self,
        folder: &Path,
        title: &str,
        command: &str,
        pieces: impl Fn(&[TokenId]) -> Result<Vec<String>>,
    ) -> Result<()> {
        let pieces = self.tokens.shown.iter().map(|shown| pieces(&shown.tokens)).collect::<Result<_>>()?;
        let page = page(&Data { title, command, facts: self.facts(), summary: self, pieces })?;
        let files = [
            ("audit.json", serde_json::to_string_pretty(self)? + "\n"),
            ("audit.md", self.markdown(&format!("Audit of {title}"), command)),
            ("audit.html", page),
        ];
        for (name, text) in files {
            write_whole(&folder.join(name), |w| Ok(w.write_all(text.as_bytes())?))?;
        }
        Ok(())
    }
}

fn page(data: &Data<'_>) -> Result<String> {
    let (before, after) = TEMPLATE.split_once(PLACE).context("page.html has no place for the numbers")?;
    // Nothing in the data can end the element that holds it, whatever a token's text is.
    let data = serde_json::to_string(data)?.replace('<', "\\u003c");
    Ok([before, &data, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_the_network_for_nothing() {
        for word in ["http:", "https:", "src=", "url(", "import ", "fetch("] {
            assert!(!TEMPLATE.contains(word), "{word}");
        }
        assert!(TEMPLATE.contains("default-src 'none'") && TEMPLATE.matches(PLACE).count() == 1);
    }
}
