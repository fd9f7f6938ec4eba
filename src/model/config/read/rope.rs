//! The rotary embedding of a `config.json`.
//!
//! Version 4 of transformers keeps `rope_theta` and `rope_scaling` (its kind under `rope_type`, formerly `type`) at the top,
//! version 5 puts both into `rope_parameters`.

use serde_json::Value;

use super::super::fields::{FETCH_AGAIN, Fields, shown};
use super::super::{Llama3Scaling, Rope};
use super::CHOOSE_WITHOUT;

const CHOOSE_ALIKE: &str = "angles of their own for each kind of layer are not supported; choose a model whose layers \
                            all turn alike";

/// As transformers 5 does: `rope_scaling`, where not empty, hides `rope_parameters`; a theta in there goes before one at
/// the top.
pub(super) fn rope(fields: &mut Fields<'_>, max_position_embeddings: Option<i64>) -> Option<Rope> {
    let full = |value: &&Value| value.as_object().is_none_or(|object| !object.is_empty());
    let old = fields.get("rope_scaling").filter(full).is_some();
    let place = if old { "rope_scaling" } else { "rope_parameters" };
    if let Some(got) = fields.get(place).filter(|got| !got.is_object()) {
        fields.problem(place, shown(Some(got)), "an object or null", FETCH_AGAIN);
        return None;
    }
    let within = |key: &str| format!("{place}.{key}");
    let of_place = || fields.get(place).and_then(Value::as_object).into_iter().flatten();
    if let Some((key, got)) = of_place().find(|(_, got)| got.is_object()) {
        let key = within(&key.escape_debug().to_string());
        fields.problem(
            &key,
            shown(Some(got)),
            format!("rope_type and rope_theta right in {place}"),
            CHOOSE_ALIKE,
        );
        return None;
    }

    for key in [within("partial_rotary_factor"), "partial_rotary_factor".to_owned()] {
        if let Some(got) = fields.get(&key).filter(|got| got.as_f64() != Some(1.0)) {
            fields.problem(&key, shown(Some(got)), "1.0", CHOOSE_WITHOUT);
        }
    }
    let key = within("rope_theta");
    let key = if fields.get(&key).is_some() { &key } else { "rope_theta" };
    let theta = fields.number(key, 1.0..=1e18, Some(10_000.0));

    let scaling = match rope_type(fields, place)?.as_deref() {
        None | Some("default") => None,
        Some(_) => Some(llama3_scaling(fields, within, max_position_embeddings)?),
    };
    Some(Rope { theta: theta?, scaling })
}

/// "default", "llama3" or nothing; the outer `None` where a problem was recorded.
fn rope_type(fields: &mut Fields<'_>, place: &str) -> Option<Option<String>> {
    let within = |key: &str| format!("{place}.{key}");
    let (new, old) = (within("rope_type"), within("type"));
    let key = if fields.get(&new).is_some() { &new } else { &old };
    let got = fields.get(key);
    if let (Some(new), Some(other)) = (fields.get(&new), fields.get(&old))
        && new != other
    {
        fields.problem(
            &old,
            shown(Some(other)),
            format!("the same as rope_type = {}", shown(Some(new))),
            FETCH_AGAIN,
        );
        return None;
    }
    match got.map(Value::as_str) {
        Some(Some(name @ ("default" | "llama3"))) => Some(Some(name.to_owned())),
        // A factor without a kind is a scaling that lost its name.
        None if fields.get(&within("factor")).is_none() => Some(None),
        None => {
            fields.problem(&new, "nothing", "\"default\" or \"llama3\" beside a factor", FETCH_AGAIN);
            None
        }
        Some(_) => {
            let remedy = "this is not supported; choose another model, or remove it and stay within the original context";
            fields.problem(key, shown(got), "\"default\" or \"llama3\"", remedy);
            None
        }
    }
}

fn llama3_scaling(
    fields: &mut Fields<'_>,
    within: impl Fn(&str) -> String,
    max_position_embeddings: Option<i64>,
) -> Option<Llama3Scaling> {
    let factor = fields.number(&within("factor"), 1.0..=1e9, None);
    let low = fields.number(&within("low_freq_factor"), 1e-9..=1e9, None);
    let key = within("high_freq_factor");
    let high = fields.number(&key, 1e-9..=1e9, None);
    if let (Some(low), Some(high)) = (low, high)
        && high <= low
    {
        fields.problem(&key, high, format!("more than low_freq_factor = {low}"), FETCH_AGAIN);
    }
    let original = fields.count(&within("original_max_position_embeddings"), max_position_embeddings);
    Some(Llama3Scaling {
        factor: factor?,
        low_freq_factor: low?,
        high_freq_factor: high?,
        original_max_position_embeddings: original?,
    })
}
