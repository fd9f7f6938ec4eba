//! The Jinja of chat templates: what transformers gives them beyond what the engine has by itself.
//!
//! `raise_exception`, `strftime_now`, `tojson` as Python writes JSON, the `generation` tags, loop controls, Python's
//! formats, numbers and methods of strings and mappings, Python's notion of what is a sequence, and blocks that swallow the
//! blanks before them and the line's end behind them.

use std::fmt;

use jiff::Zoned;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value, escape_formatter};

use super::bounds::charge;
use super::json::tojson;
use super::operators::{PERCENT, percent};
use super::strings::method;
use super::written::written;

/// Name of the one template in an environment.
pub(super) const NAME: &str = "chat";

/// Longest message of `raise_exception` that is told, in characters.
const MAX_RAISED: usize = 2000;

/// The function that writes the time.
pub(super) const STRFTIME_NOW: &str = "strftime_now";

/// What a template said in `raise_exception`.
#[derive(Debug)]
pub(super) struct Raised(pub String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

/// An environment that holds the template `source`, its operators rewritten, with the present as its time.
///
/// # Errors
/// If it is not Jinja, or uses a tag that is not known here.
pub(super) fn environment(source: String) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(method);
    environment.set_formatter(format);
    environment.add_filter("tojson", tojson);
    environment.add_filter("string", |state: &State, value: &Value| written(state, value));
    environment.add_filter("join", join);
    environment.add_test("sequence", is_sequence);
    environment
        .add_test("iterable", |value: &Value| is_sequence(value) || value.kind() == ValueKind::Iterable);
    environment.add_function(PERCENT, percent);
    environment.add_function("raise_exception", |state: &State, message: Value| -> Result<Value, Error> {
        let message: String = written(state, &message)?.chars().take(MAX_RAISED).collect();
        Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
    });
    set_clock(&mut environment, None);
    environment.add_template_owned(NAME, source)?;
    Ok(environment)
}

/// Makes `now` the time of `strftime_now`, or whatever time it is.
pub(super) fn set_clock(environment: &mut Environment<'_>, now: Option<Zoned>) {
    environment.add_function(STRFTIME_NOW, move |state: &State, format: &str| {
        // A directive is at most as wide as a byte says.
        charge(state, format.len().saturating_mul(128))?;
        let now = now.clone().unwrap_or_else(Zoned::now);
        jiff::fmt::strtime::format(format, &now)
            .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {error}")))
    });
}

/// Writes a value as Python does; most are the engine's own business.
fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let float = value.kind() == ValueKind::Number && !value.is_integer();
    if float || matches!(value.kind(), ValueKind::Seq | ValueKind::Map) {
        let text = written(state, value)?;
        return out.write_str(&text).map_err(Error::from);
    }
    escape_formatter(out, state, value)
}

/// The engine's filter, of items as Python writes them.
fn join(
    state: &mut State,
    value: &Value,
    joiner: Option<Value>,
    attribute: Option<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let attribute = attribute.or(kwargs.get("attribute")?);
    let joiner = joiner.or(kwargs.get("d")?);
    kwargs.assert_all_used()?;
    let items = match attribute.filter(|attribute| !attribute.is_none()) {
        None => value.clone(),
        Some(name) => {
            let named = Value::from(Kwargs::from_iter([("attribute", name)]));
            state.apply_filter("map", &[value.clone(), named])?
        }
    };
    let mut texts = Vec::new();
    for item in items.try_iter()? {
        texts.push(Value::from(written(state, &item)?));
    }
    let joiner = joiner.map(|joiner| written(state, &joiner)).transpose()?.unwrap_or_default();
    charge(state, joiner.len().saturating_mul(texts.len()))?;
    let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
    Ok(Value::from(texts.join(&joiner)))
}

/// `source` with every line's end a plain one, as Jinja reads it, and `{% generation %}`, which marks what a model is to
/// learn, made a block that changes nothing but the reach of what is set in it, as there.
pub(super) fn plain(source: &str) -> String {
    without_generation_tags(&source.replace("\r\n", "\n").replace('\r', "\n"))
}

fn without_generation_tags(source: &str) -> String {
    let mut parts = source.split("{%");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        result.push_str("{%");
        let tag = part.trim_start_matches(['-', '+']).trim_start();
        let plain =
            [("generation", "with"), ("endgeneration", "endwith")].iter().find_map(|(name, plain)| {
                let rest = tag.strip_prefix(name)?;
                let ends = rest.trim_start().trim_start_matches(['-', '+']).starts_with("%}");
                ends.then(|| format!("{}{plain}{rest}", &part[..part.len() - tag.len()]))
            });
        result.push_str(plain.as_deref().unwrap_or(part));
    }
    result
}

/// Python asks for a length and indices, which strings and mappings have too.
fn is_sequence(value: &Value) -> bool {
    let kinds = [ValueKind::Undefined, ValueKind::Seq, ValueKind::String, ValueKind::Map];
    kinds.contains(&value.kind())
}
