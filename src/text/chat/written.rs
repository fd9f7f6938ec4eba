//! Values as Python writes them, `str` and `repr`, within the steps that a rendering has left: lists that hold one another
//! twice over are short to make and endless to write.

use std::fmt::{self, Write};

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::bounds::{bytes_left, charge, exhausted};
use super::json::float;

/// Deepest nesting that is written.
const MAX_DEPTH: usize = 200;

/// `value` as Python's `str`.
///
/// # Errors
/// If it takes more than the rendering has left.
pub(super) fn written(state: &State, value: &Value) -> Result<String, Error> {
    let mut out = Bounded { text: String::new(), left: bytes_left(state) };
    let done = match value.as_str() {
        Some(text) => out.write_str(text),
        None => write_repr(&mut out, value, 0),
    };
    finish(state, out, done)
}

/// `value` as Python's `repr`: texts quoted.
///
/// # Errors
/// As [`written`].
pub(super) fn repr(state: &State, value: &Value) -> Result<String, Error> {
    let mut out = Bounded { text: String::new(), left: bytes_left(state) };
    let done = write_repr(&mut out, value, 0);
    finish(state, out, done)
}

fn finish(state: &State, out: Bounded, done: fmt::Result) -> Result<String, Error> {
    done.map_err(|_| exhausted())?;
    charge(state, out.text.len())?;
    Ok(out.text)
}

/// A text that becomes no longer than it may.
struct Bounded {
    text: String,
    left: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.left = self.left.checked_sub(text.len()).ok_or(fmt::Error)?;
        self.text.push_str(text);
        Ok(())
    }
}

fn write_repr(out: &mut Bounded, value: &Value, depth: usize) -> fmt::Result {
    if depth > MAX_DEPTH {
        return Err(fmt::Error);
    }
    match value.kind() {
        ValueKind::String => quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Number if !value.is_integer() => {
            let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
            match number.is_finite() {
                true => out.write_str(&float(number)),
                false => out.write_str(&float(number).to_lowercase().replace("infinity", "inf")),
            }
        }
        ValueKind::Seq => {
            let tuple = value.is_tuple();
            out.write_str(if tuple { "(" } else { "[" })?;
            let mut n = 0;
            for item in value.try_iter().into_iter().flatten() {
                out.write_str(if n > 0 { ", " } else { "" })?;
                write_repr(out, &item, depth + 1)?;
                n += 1;
            }
            out.write_str(match (tuple, n) {
                (true, 1) => ",)",
                (true, _) => ")",
                (false, _) => "]",
            })
        }
        ValueKind::Map => {
            out.write_str("{")?;
            for (i, key) in value.try_iter().into_iter().flatten().enumerate() {
                out.write_str(if i > 0 { ", " } else { "" })?;
                write_repr(out, &key, depth + 1)?;
                out.write_str(": ")?;
                write_repr(out, &value.get_item(&key).unwrap_or_default(), depth + 1)?;
            }
            out.write_str("}")
        }
        _ => write!(out, "{value}"),
    }
}

/// A text in quotes, single ones unless only those are in it.
fn quoted(out: &mut Bounded, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            c if c == quote => write!(out, "\\{c}"),
            c if c.is_control() || (c.is_whitespace() && c != ' ') => match u32::from(c) {
                code @ ..=0xff => write!(out, "\\x{code:02x}"),
                code => write!(out, "\\u{code:04x}"),
            },
            c => out.write_char(c),
        }?;
    }
    out.write_char(quote)
}
