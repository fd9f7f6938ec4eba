//! The filter `tojson` as transformers has it: Python's `json.dumps(value, ensure_ascii=False)`.
//!
//! ```text
//! {{ x | tojson }}                      {"a": 1, "b": ["é", null, 1e+16]}
//! {{ x | tojson(indent=2) }}            one entry a line, two blanks deep
//! {{ x | tojson(separators=(",", ":"), sort_keys=true, ensure_ascii=true) }}
//! ```

use std::fmt::Write;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::bounds::{bytes_left, charge, exhausted};

/// Deepest nesting that is written; JSON that is read has no deeper one.
const MAX_DEPTH: usize = 127;

/// The filter.
///
/// # Errors
/// If something in `value` has no form in JSON, an option is not known, or it takes more than the rendering has left.
pub(super) fn tojson(state: &State, value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let indent: Option<Value> = kwargs.get("indent")?;
    let indent = match indent.filter(|indent| !indent.is_none()) {
        None => None,
        Some(indent) => Some(match indent.as_str() {
            Some(text) => text.to_owned(),
            None => {
                let blanks = usize::try_from(indent)?;
                charge(state, blanks)?;
                " ".repeat(blanks)
            }
        }),
    };
    let separators: Option<Vec<String>> = kwargs.get("separators")?;
    let [item, key] = match separators.as_deref() {
        None => [if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()],
        Some([item, key]) => [item.clone(), key.clone()],
        Some(_) => return Err(invalid("tojson: `separators` are two strings".to_owned())),
    };
    let writer = Writer {
        indent,
        item,
        key,
        ascii: kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sorted: kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        most: bytes_left(state),
    };
    kwargs.assert_all_used()?;
    let mut out = String::new();
    writer.write(value, 0, &mut out)?;
    charge(state, out.len())?;
    Ok(out)
}

/// How JSON is written.
struct Writer {
    /// Blanks of one level; all on one line if `None`.
    indent: Option<String>,
    /// Between entries.
    item: String,
    /// Between a key and its value.
    key: String,
    ascii: bool,
    sorted: bool,
    /// Longest text.
    most: usize,
}

impl Writer {
    fn write(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        if out.len() > self.most || depth > MAX_DEPTH {
            return Err(exhausted());
        }
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number if value.is_integer() => out.push_str(&value.to_string()),
            ValueKind::Number => out.push_str(&float(f64::try_from(value.clone())?)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq => {
                let items = value.try_iter()?.map(|item| (None, item)).collect();
                self.entries(['[', ']'], items, depth, out)?;
            }
            ValueKind::Map => {
                let keys = value.try_iter()?;
                let entries = keys.map(|key| {
                    let item = value.get_item(&key)?;
                    Ok((Some(self.key_text(&key)?), item))
                });
                let mut entries: Vec<_> = entries.collect::<Result<_, Error>>()?;
                if self.sorted {
                    entries.sort_by(|a, b| a.0.cmp(&b.0));
                }
                self.entries(['{', '}'], entries, depth, out)?;
            }
            kind => return Err(invalid(format!("tojson: {kind} has no form in JSON"))),
        }
        Ok(())
    }

    fn entries(
        &self,
        [open, close]: [char; 2],
        entries: Vec<(Option<String>, Value)>,
        depth: usize,
        out: &mut String,
    ) -> Result<(), Error> {
        let line = |depth: usize, out: &mut String| {
            if let Some(indent) = &self.indent {
                out.push('\n');
                (0..depth).for_each(|_| out.push_str(indent));
            }
        };
        out.push(open);
        let any = !entries.is_empty();
        for (i, (key, value)) in entries.into_iter().enumerate() {
            if i > 0 {
                out.push_str(&self.item);
            }
            line(depth + 1, out);
            if let Some(key) = key {
                self.string(&key, out);
                out.push_str(&self.key);
            }
            self.write(&value, depth + 1, out)?;
        }
        if any {
            line(depth, out);
        }
        out.push(close);
        Ok(())
    }

    /// A key as text; keys that are not text read as their JSON.
    fn key_text(&self, key: &Value) -> Result<String, Error> {
        if let Some(text) = key.as_str() {
            return Ok(text.to_owned());
        }
        let mut text = String::new();
        self.write(key, 0, &mut text)?;
        Ok(text)
    }

    fn string(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if c < ' ' || (self.ascii && c > '~') => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        // Writing to a string cannot fail.
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

/// A number as Python's JSON has it, which is its `repr` but for those that are not finite.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{number:?}")
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
