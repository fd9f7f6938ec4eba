//! `docs/recipe.md` is written from the settings of a recipe.

use std::fmt::Write;

use super::page_is;
use crate::recipe::{Entry, LeftOut, Reference, Section, Variant};

const INTRODUCTION: &str = "\
# Recipe reference

Every section and every key of a recipe: what it takes, what holds where it is left out, and what it does. The program says the
same of one of them:

```sh
rlcredit recipes --explain optim           # a section
rlcredit recipes --explain optim.lr        # a key
rlcredit recipes --explain credit.rhythm   # a choice of `type`
```

A recipe is a TOML file. `[optim]` is a table that it has once, `[[credit]]` an entry of a list. Where a section has a `type`, that
chooses which other keys it has. Beside the sections a recipe may name another one that it stands on, `base = \"other.toml\"`: what it
does not say is that one's. `--set optim.lr=1e-5` changes a key on the command line. A *required* key has no default and has to be
there; one with the default *none* may be left out, and its meaning says what happens then.

## Sections
";

/// `text` within a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// The key, or the section that it is, with a link to that.
fn name(entry: &Entry) -> String {
    match &entry.section {
        Some(path) => link(entry.name, path),
        None => code(entry.name),
    }
}

fn default(entry: &Entry) -> String {
    match &entry.left_out {
        LeftOut::Refused => "*required*".to_owned(),
        LeftOut::Value(value) => code(value),
        LeftOut::Defaults => "those of its keys".to_owned(),
        LeftOut::Nothing => "*none*".to_owned(),
    }
}

/// The table of `keys`, and below it what the values mean that have a meaning of their own.
fn table(page: &mut String, keys: &[Entry]) {
    _ = writeln!(page, "\n| key | takes | default | range | meaning |\n|---|---|---|---|---|");
    for entry in keys {
        let cells =
            [&entry.takes, &default(entry), &entry.range.join("; "), &entry.about].map(|text| cell(text));
        _ = writeln!(page, "| {} | {} |", name(entry), cells.join(" | "));
    }
    for Entry { name, choices, .. } in keys.iter().filter(|entry| !entry.choices.is_empty()) {
        _ = writeln!(page, "\n`{name}`:\n");
        for (value, meaning) in choices {
            let value = if value.starts_with('"') { code(value) } else { value.clone() };
            _ = writeln!(page, "- {value}: {meaning}");
        }
    }
}

/// The link to a section.
fn link(text: &str, path: &str) -> String {
    format!("[`{text}`](#{})", path.replace('.', ""))
}

/// The section that `section` repeats key by key, one less deep or before it.
fn original<'a>(section: &Section, all: &'a [Section]) -> Option<&'a Section> {
    let place =
        |own: &Section| (own.path.matches('.').count(), all.iter().position(|other| other.path == own.path));
    all.iter()
        .filter(|other| other.variants == section.variants && place(other) < place(section))
        .min_by_key(|own| place(own))
}

fn section(page: &mut String, section: &Section, all: &[Section]) {
    let heading = section.heading();
    _ = writeln!(page, "\n## `{heading}`\n\n{}", section.about);
    if let Some(original) = original(section, all) {
        _ = writeln!(page, "\nIts keys are those of {}.", link(&original.heading(), &original.path));
        return;
    }
    for Variant { name, about, keys } in &section.variants {
        if let Some(name) = name {
            _ = writeln!(page, "\n### `{heading} type = \"{name}\"`\n\n{about}");
        }
        match keys.is_empty() {
            true => _ = writeln!(page, "\nIt has no further keys."),
            false => table(page, keys),
        }
    }
}

fn page() -> String {
    let reference = Reference::of_program().unwrap();
    let (document, sections) = reference.sections.split_first().unwrap();
    let mut page = format!("{INTRODUCTION}\n| section | default | about |\n|---|---|---|\n");
    for entry in &document.variants[0].keys {
        _ = writeln!(page, "| {} | {} | {} |", name(entry), cell(&default(entry)), cell(&entry.about));
    }
    sections.iter().for_each(|own| section(&mut page, own, sections));
    page
}

#[test]
fn the_page_of_recipes_is_what_their_settings_say() {
    page_is("docs/recipe.md", &page());
}
