//! The sentences about mistakes in a document: what is wrong, where, and the likeliest remedy.

use toml::Value;

use super::{
    elsewhere::{self, Elsewhere},
    schema::{Key, Shape, TYPE, Takes},
    syntax::short,
};
use crate::types::nearest;

/// Keys that had another name or another place, and where they are now. Those that only moved are found by themselves.
const MOVED: &[(&str, &str)] = &[
    ("advantage.drop_uniform", "write `zero_variance` = \"drop\" in [groups]"),
    ("advantage.shared", "it is called `shared_prefix` and belongs in [batch]"),
    ("advantage.without_signal", "it is called `zero_variance` and belongs in [groups]"),
    ("batch.recompute", "it is called `gradient_checkpointing`"),
    ("loss.type", "it belongs in [loss.policy]"),
    ("sampling.max_rows", "it is called `max_num_seqs`"),
    ("sft.lr_warmup_steps", "it is called `warmup_steps`"),
];

/// `[optim]` for `optim`, `[[reward]] #1` for `reward.0`; nothing for the document itself.
pub(super) fn section(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((list, index)) if index.parse::<usize>().is_ok() => {
            let number = index.parse::<usize>().map_or(0, |index| index + 1);
            format!("[[{list}]] #{number}")
        }
        _ if path.is_empty() => String::new(),
        _ => format!("[{path}]"),
    }
}

/// ``[optim] `lr` `` for `optim.lr`, `[optim]` for `optim`.
pub(super) fn name(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((_, last)) if last.parse::<usize>().is_ok() => section(path),
        Some((table, key)) => format!("{} `{}`", section(table), short(key)),
        None => section(path),
    }
}

/// What serde calls a type, as a person says it.
pub(super) fn human(expected: &str) -> String {
    let phrase = match expected {
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" => "text in quotes",
        "path string" => "a path in quotes",
        "a sequence" => "a list",
        "a map" => "a table",
        other => match other.strip_prefix("an array of length ") {
            Some(length) => return format!("a list of {length}"),
            None => other,
        },
    };
    phrase.to_owned()
}

/// A table that was looked into.
#[derive(Clone, Copy)]
pub(super) struct Here<'s> {
    /// Its path from the top; empty there.
    pub(super) path: &'s str,
    /// What it may hold.
    pub(super) shape: &'s Shape,
    /// The choice that its `type` is, where it makes one.
    pub(super) variant: Option<&'s str>,
}

/// A key or section that does not exist; with it, the name in the same table that was meant, where one is near.
pub(super) fn unknown_key(
    root: &Shape,
    Here { path, shape, variant }: Here<'_>,
    key: &str,
    value: &Value,
) -> (String, Option<&'static str>) {
    let own = |keys: &[Key]| keys.iter().map(|key| key.name).collect::<Vec<_>>();
    let mut valid = shape.keys(variant).map(own).unwrap_or_default();
    valid.extend(variant.map(|_| TYPE));
    let mut homes = Vec::new();
    collect_homes(root, "", key, &mut homes);
    if path.is_empty() {
        return unknown_section(root, key, value, &homes);
    }
    let shown = short(key);
    let here = match variant {
        Some(variant) => format!("{} `{shown}` is not a key of {TYPE} = \"{variant}\"", section(path)),
        None => format!("{} `{shown}` is not a key here", section(path)),
    };
    let other_choices: Vec<_> = shape
        .variants
        .iter()
        .filter(|(_, keys)| keys.iter().any(|k| k.name == key))
        .filter_map(|(name, _)| name.map(|name| format!("{TYPE} = \"{name}\"")))
        .collect();
    let moved =
        MOVED.iter().find(|(old, _)| old.strip_prefix(path).is_some_and(|old| old == format!(".{key}")));
    if let Some((_, now)) = moved {
        return (format!("{here}; {now}"), None);
    }
    if !other_choices.is_empty() {
        return (format!("{here}; it belongs to {}", other_choices.join(" and ")), None);
    }
    if let Some(known) = elsewhere::key(path, key) {
        let (hint, meant) = of_other_trainer(root, path, known, &valid);
        return (format!("{here}; {hint}"), meant);
    }
    let meant = nearest(key, &valid);
    let hint = match (meant, homes.as_slice()) {
        (Some(meant), []) => format!("did you mean `{meant}`?"),
        (Some(meant), homes) => {
            format!("did you mean `{meant}`? (`{key}` belongs in {})", homes.join(" or "))
        }
        (None, []) if valid.is_empty() => "this section has no keys".to_owned(),
        (None, []) => format!("the keys are {}", valid.join(", ")),
        (None, homes) => format!("it belongs in {}", homes.join(" or ")),
    };
    (format!("{here}; {hint}"), meant)
}

/// What is here what another trainer calls `known`, said in the table at `path`, which has the keys `valid`; with it, the one of them that
/// was meant.
fn of_other_trainer(
    root: &Shape,
    path: &str,
    known: &Elsewhere,
    valid: &[&'static str],
) -> (String, Option<&'static str>) {
    let remark = |begin: &str, end: &str| match known.remark {
        "" => String::new(),
        remark => format!("{begin}{remark}{end}"),
    };
    // In a table of the same key, such as that of another optimiser, it is meant there.
    let meant = known.homes.iter().find_map(|home| {
        let (table, key) = home.rsplit_once('.').unwrap_or(("", home));
        let is_here = table == path || is_alike(table, path);
        valid.iter().copied().find(|own| is_here && *own == key)
    });
    if let Some(meant) = meant {
        return (format!("did you mean `{meant}`?{}", remark(" (", ")")), Some(meant));
    }
    let remark = remark(": ", "");
    if known.homes.is_empty() {
        return (format!("it has no counterpart{remark}"), None);
    }
    let heading = |table: &str| {
        let is_list =
            root.keys(None).unwrap_or_default().iter().any(|key| key.name == table && key.is_list());
        self::heading(table, is_list)
    };
    let parts = |home: &'static str| home.rsplit_once('.').unwrap_or(("", home));
    if let [home] = known.homes {
        let (table, key) = parts(home);
        return (format!("it is called `{key}` and belongs in {}{remark}", heading(table)), None);
    }
    let place = |home: &&'static str| {
        let (table, key) = parts(home);
        format!("{} `{key}`", heading(table))
    };
    let places: Vec<String> = known.homes.iter().map(place).collect();
    (format!("it is {} here{remark}", places.join(" or ")), None)
}

/// Whether what optimises at `path` is set as at `table`.
fn is_alike(table: &str, path: &str) -> bool {
    table == "optim" && matches!(path, "critic.optim" | "sft")
}

/// Sections that had another name.
const RENAMED: &[(&str, &str)] = &[("warmup", "sft")];

fn unknown_section(
    root: &Shape,
    key: &str,
    value: &Value,
    homes: &[String],
) -> (String, Option<&'static str>) {
    if let Some((old, now)) = RENAMED.iter().find(|(old, _)| *old == key) {
        return (format!("[{old}] is not a section; it is called [{now}]"), Some(now));
    }
    if !matches!(value, Value::Table(_) | Value::Array(_)) {
        let known = elsewhere::key("run", key).filter(|_| homes.is_empty());
        let hint = match (homes, known) {
            ([], Some(known)) => of_other_trainer(root, "", known, &[]).0,
            ([], None) => "is no key of any".to_owned(),
            (homes, _) => format!("belongs in {}", homes.join(" or ")),
        };
        let and = if homes.is_empty() && known.is_some() { ";" } else { " and" };
        return (format!("`{}` stands outside of all sections{and} {hint}", short(key)), None);
    }
    if let Some(here) = elsewhere::section(key) {
        let each = elsewhere::within(value).into_iter().map(|(path, known)| {
            let homes = known.homes.iter().map(|home| home.rsplit_once('.').unwrap_or(("", home)));
            let homes: Vec<String> = homes.map(|(table, key)| format!("[{table}] `{key}`")).collect();
            match (homes.is_empty(), known.remark) {
                (true, remark) => format!("`{path}` has no counterpart ({remark})"),
                (false, "") => format!("`{path}` is {}", homes.join(" or ")),
                (false, remark) => format!("`{path}` is {} ({remark})", homes.join(" or ")),
            }
        });
        let each: Vec<String> = each.collect();
        let each = if each.is_empty() { String::new() } else { format!(": {}", each.join(", ")) };
        return (format!("[{key}] is not a section; what it holds elsewhere is in {here}{each}"), None);
    }
    let sections = root.keys(None).unwrap_or_default();
    let names: Vec<_> = sections.iter().map(|section| section.name).collect();
    let meant = nearest(key, &names).and_then(|name| sections.iter().find(|section| section.name == name));
    let hint = match meant {
        Some(section) => format!("did you mean {}?", heading(section.name, section.is_list())),
        None => format!("the sections are {}", names.join(", ")),
    };
    (format!("[{}] is not a section; {hint}", short(key)), meant.map(|section| section.name))
}

/// Keys `own` of a section that is not there, and which stand in the table at `path` instead.
pub(super) fn swallowed(section: &Key, path: &str, own: &[&str]) -> String {
    const SHOWN: usize = 4;
    let shown = own.iter().take(SHOWN).map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let more = if own.len() > SHOWN { ", ..." } else { "" };
    let heading = heading(section.name, section.is_list());
    let place = if path.is_empty() {
        "stand outside of all sections".to_owned()
    } else {
        format!("stand in {}", self::section(path))
    };
    format!(
        "{heading} is missing, and its keys {shown}{more} {place}; write {heading} above the first of them"
    )
}

/// A value of the wrong type, or none of the choices.
pub(super) fn wrong_value(path: &str, takes: &Takes, value: &Value) -> String {
    match takes {
        Takes::Tables(shape) if shape.list && matches!(value, Value::Table(_)) => {
            format!("[{path}] is one of a list; write [[{path}]]")
        }
        Takes::Tables(shape) => {
            let needs = if path.contains('.') { name(path) } else { format!("`{path}`") };
            format!("{needs}: got {}, expected a section {}", got(value), heading(path, shape.list))
        }
        Takes::Choice(choices) => wrong_choice(path, choices, value),
        Takes::Plain(expected) => {
            let hint = match value {
                Value::String(text) if text.parse::<f64>().is_ok() && expected.contains("number") => {
                    "; write it without quotes"
                }
                _ => "",
            };
            format!("{}: got {}, expected {expected}{hint}", name(path), got(value))
        }
    }
}

/// None of the choices.
pub(super) fn wrong_choice(path: &str, choices: &[&str], value: &Value) -> String {
    let known = value.as_str().and_then(|text| elsewhere::value(path, text)).map(str::to_owned);
    let near = || Some(format!("did you mean \"{}\"?", nearest(value.as_str()?, choices)?));
    let near = known.or_else(near).map_or_else(String::new, |near| format!("; {near}"));
    format!("{}: got {}, expected {}{near}", name(path), got(value), one_of(choices))
}

/// A required key that takes one of `choices` and is not there.
pub(super) fn missing_choice(path: &str, choices: &[&str]) -> String {
    format!("{} is missing; it takes {}", name(path), one_of(choices))
}

/// A required key or section that is not there.
pub(super) fn missing(path: &str, takes: &Takes) -> String {
    match takes {
        Takes::Tables(shape) => format!("{} is missing; {}", heading(path, shape.list), needs(shape)),
        Takes::Choice(choices) => missing_choice(path, choices),
        Takes::Plain(expected) => format!("{} is missing; it takes {expected}", name(path)),
    }
}

fn needs(shape: &Shape) -> String {
    let choices = shape.choices();
    if !choices.is_empty() {
        return format!("it needs `{TYPE}`: {}", one_of(&choices));
    }
    let keys = shape.keys(None).unwrap_or_default().iter();
    let (required, free): (Vec<_>, Vec<_>) = keys.partition(|key| key.required);
    let list =
        |keys: &[&Key]| keys.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ");
    if required.is_empty() {
        format!("its keys are {}", list(&free))
    } else {
        format!("it needs {}", list(&required))
    }
}

/// The section at `path` as it is written: `[optim]`, and of a list `[[reward]]`.
pub(super) fn heading(path: &str, list: bool) -> String {
    if list { format!("[[{path}]]") } else { format!("[{path}]") }
}

fn one_of(choices: &[&str]) -> String {
    let quoted = choices.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    if choices.len() == 1 { quoted } else { format!("one of {quoted}") }
}

fn got(value: &Value) -> String {
    match value {
        Value::Table(_) => "a section".to_owned(),
        value => short(&value.to_string()),
    }
}

/// The sections that have a key of this name.
fn collect_homes(shape: &Shape, path: &str, name: &str, homes: &mut Vec<String>) {
    for (_, keys) in &shape.variants {
        if !path.is_empty() && keys.iter().any(|key| key.name == name) {
            let home = heading(path, shape.list);
            if !homes.contains(&home) {
                homes.push(home);
            }
        }
        for key in keys {
            if let Takes::Tables(inner) = &key.takes {
                let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
                collect_homes(inner, &path, name, homes);
            }
        }
    }
}
