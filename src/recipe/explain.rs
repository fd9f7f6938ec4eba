//! The sentences about mistakes in a document: what is wrong, where, and the likeliest remedy.

use toml::Value;

use super::{
    schema::{Key, Shape, TYPE, Takes},
    syntax::short,
};
use crate::types::nearest;

/// Names other trainers use, and ours.
const ELSEWHERE: &[(&str, &str)] = &[
    ("batch_size", "prompts"),
    ("beta", "coef"),
    ("clip_grad", "max_grad_norm"),
    ("epsilon", "clip_low"),
    ("epsilon_high", "clip_high"),
    ("gradient_clip", "max_grad_norm"),
    ("group_size", "size"),
    ("kl_coef", "coef"),
    ("learning_rate", "lr"),
    ("loss_agg_mode", "aggregation"),
    ("lr_scheduler", "schedule"),
    ("lr_scheduler_type", "schedule"),
    ("max_completion_length", "max_new_tokens"),
    ("max_response_length", "max_new_tokens"),
    ("max_steps", "steps"),
    ("min_tokens", "min_new_tokens"),
    ("num_fewshot", "few_shot"),
    ("num_generations", "size"),
    ("ppo_epochs", "epochs"),
    ("stop_sequences", "stop"),
    ("stop_strings", "stop"),
];

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
    let ours = ELSEWHERE.iter().find(|(other, _)| *other == key).map_or(key, |(_, ours)| ours);
    let meant = valid.iter().copied().find(|name| *name == ours).or_else(|| nearest(key, &valid));
    let mut homes = Vec::new();
    collect_homes(root, "", ours, &mut homes);
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
    let hint = match (meant, homes.as_slice()) {
        _ if !other_choices.is_empty() => format!("it belongs to {}", other_choices.join(" and ")),
        (Some(meant), []) => format!("did you mean `{meant}`?"),
        (Some(meant), _) if ours != key => format!("did you mean `{meant}`?"),
        (Some(meant), homes) => {
            format!("did you mean `{meant}`? (`{key}` belongs in {})", homes.join(" or "))
        }
        (None, []) if valid.is_empty() => "this section has no keys".to_owned(),
        (None, []) => format!("the keys are {}", valid.join(", ")),
        (None, homes) if ours == key => format!("it belongs in {}", homes.join(" or ")),
        (None, homes) => format!("it is called `{ours}` and belongs in {}", homes.join(" or ")),
    };
    (format!("{here}; {hint}"), meant)
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
        let hint = match homes {
            [] => "is no key of any".to_owned(),
            homes => format!("belongs in {}", homes.join(" or ")),
        };
        return (format!("`{}` stands outside of all sections and {hint}", short(key)), None);
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
    let near = value.as_str().and_then(|text| nearest(text, choices));
    let near = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
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
