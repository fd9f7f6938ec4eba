//! What an audit leaves behind: `audit.json`, `audit.md`, and `audit.html`, a page that needs nothing but itself.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::summary::Summary;
use crate::files::write_whole;
use crate::page;
use crate::types::TokenId;

const TEMPLATE: &str = include_str!("page.html");

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
        let page =
            page::fill(TEMPLATE, &Data { title, command, facts: self.facts(), summary: self, pieces })?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_the_network_for_nothing() {
        page::assert_whole(TEMPLATE);
    }
}
