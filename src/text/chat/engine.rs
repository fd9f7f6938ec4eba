//! The Jinja of chat templates: what transformers gives them beyond what the engine has by itself.
//!
//! `raise_exception`, `strftime_now`, `tojson` as Python writes JSON, the `generation` tags, loop controls, Python's
//! methods of strings and mappings, Python's notion of what is a sequence, and blocks that swallow the blanks before
//! them and the line's end behind them.

use std::fmt;

use jiff::Zoned;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Tuple, ValueKind, from_args};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::json::tojson;

/// Name of the one template in an environment.
pub(super) const NAME: &str = "chat";

/// What a template said in `raise_exception`.
#[derive(Debug)]
pub(super) struct Raised(pub String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

/// An environment that holds the template `source`.
///
/// # Errors
/// If it is not Jinja, or uses a tag that is not known here.
pub(super) fn environment(source: &str) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(method);
    environment.add_filter("tojson", tojson);
    environment.add_test("sequence", is_sequence);
    environment
        .add_test("iterable", |value: &Value| is_sequence(value) || value.kind() == ValueKind::Iterable);
    environment.add_function("raise_exception", |message: Value| -> Result<Value, Error> {
        let message = message.to_string();
        Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
    });
    environment.add_function("strftime_now", |format: &str| {
        jiff::fmt::strtime::format(format, &Zoned::now())
            .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {error}")))
    });
    // Jinja reads every line's end as a plain one.
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    environment.add_template_owned(NAME, without_generation_tags(&source))?;
    Ok(environment)
}

/// `source` with `{% generation %}`, which marks what a model is to learn, made a block that changes nothing but the
/// reach of what is set in it, as there.
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

/// Python's methods of strings and mappings.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return pycompat::unknown_method_callback(state, value, name, args);
    };
    match name {
        "removeprefix" | "removesuffix" => {
            let (part,): (&str,) = from_args(args)?;
            let rest = if name == "removeprefix" { text.strip_prefix(part) } else { text.strip_suffix(part) };
            Ok(rest.unwrap_or(text).into())
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            let found =
                if name == "partition" { text.split_once(separator) } else { text.rsplit_once(separator) };
            let parts = match found {
                Some((before, after)) => [before, separator, after],
                None if name == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            Ok(Value::from(Tuple::from(parts.map(Value::from))))
        }
        "rsplit" => {
            let (separator, most): (&str, Option<usize>) = from_args(args)?;
            let parts = text.rsplitn(most.map_or(usize::MAX, |most| most.saturating_add(1)), separator);
            let parts: Vec<_> = parts.map(Value::from).collect();
            Ok(parts.into_iter().rev().collect())
        }
        _ => pycompat::unknown_method_callback(state, value, name, args),
    }
}
