//! The reference on a terminal.

use super::{Entry, LeftOut, Section, Variant};
use crate::recipe::schema::TYPE;
use crate::types::program;

/// A whole section.
pub(super) fn section(section: &Section) -> String {
    let head = match section.path.as_str() {
        "" => format!("{}\n", section.about),
        _ => format!("{}\n{}", section.heading(), indented(&section.about)),
    };
    let variants = section.variants.iter().map(|own| match own.name {
        Some(_) => variant(section, own),
        None => keys(own),
    });
    std::iter::once(head).chain(variants).collect::<Vec<_>>().join("\n")
}

/// One choice of `type`.
pub(super) fn variant(section: &Section, variant: &Variant) -> String {
    let head = format!("{}\n{}", chosen(section, variant), indented(&variant.about));
    match variant.keys.is_empty() {
        true => head,
        false => head + "\n" + &keys(variant),
    }
}

/// One key with its type, range and default, as `recipes --explain` says it.
pub(super) fn key(section: &Section, variant: &Variant, entry: &Entry) -> String {
    format!("{} {}", chosen(section, variant), self::entry(entry))
}

fn keys(variant: &Variant) -> String {
    variant.keys.iter().map(entry).collect::<Vec<_>>().join("\n")
}

fn entry(entry: &Entry) -> String {
    let Entry { name, takes, choices, left_out, range, about, section } = entry;
    let within = section.iter().map(|path| format!("its keys: {} recipes --explain {path}", program()));
    let choices = choices.iter().map(|(value, meaning)| format!("  {value}: {meaning}"));
    let range = range.iter().map(|range| format!("; {range}")).collect::<String>();
    let lines = [about.clone(), format!("takes {takes}{range}")].into_iter().chain(choices).chain(within);
    let left_out = match left_out {
        LeftOut::Refused => "required".to_owned(),
        LeftOut::Value(value) => format!("default {value}"),
        LeftOut::Defaults => "default: that of each of its keys".to_owned(),
        LeftOut::Nothing => "default none".to_owned(),
    };
    format!("{name}\n{}", lines.chain([left_out]).map(|line| indented(&line)).collect::<String>())
}

/// `[explore] type = "tree"`, or the section alone where nothing is chosen.
fn chosen(section: &Section, variant: &Variant) -> String {
    let heading = section.heading();
    variant.name.map_or(heading.clone(), |name| format!("{heading} {TYPE} = \"{name}\""))
}

fn indented(line: &str) -> String {
    format!("    {line}\n")
}
