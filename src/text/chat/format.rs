//! Python's formats with `%`: `%[(key)][flags][width][.precision]type`, of which the engine writes single numbers.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

use super::bounds::{bytes_left, charge, exhausted};
use super::written::{repr, written};

/// `text % given`, `given` being a value, a tuple of them or a mapping.
///
/// # Errors
/// If the format is none, or what is given does not fit it, or the result is longer than the rendering has left.
pub(super) fn formatted(state: &State, text: &str, given: &Value) -> Result<String, Error> {
    charge(state, text.len())?;
    let values: Vec<Value> = if given.is_tuple() { given.try_iter()?.collect() } else { vec![given.clone()] };
    let mut values = Values { given, values: values.into_iter(), by_key: false };
    let (mut out, mut rest) = (String::new(), text);
    while let Some((plain, behind)) = rest.split_once('%') {
        out.push_str(plain);
        rest = behind;
        if let Some(behind) = rest.strip_prefix('%') {
            out.push('%');
            rest = behind;
            continue;
        }
        let (field, behind) = Field::parse(rest, &mut values)?;
        rest = behind;
        out.push_str(&field.written(state)?);
        if out.len() > bytes_left(state) {
            return Err(exhausted());
        }
    }
    out.push_str(rest);
    // A mapping, which a list is to Python, need not be used.
    let mapping = !given.is_tuple() && matches!(given.kind(), ValueKind::Map | ValueKind::Seq);
    if values.values.next().is_some() && !values.by_key && !mapping {
        return Err(invalid("not all arguments converted during string formatting"));
    }
    Ok(out)
}

/// What is on the right of the operator.
struct Values<'v> {
    given: &'v Value,
    values: std::vec::IntoIter<Value>,
    by_key: bool,
}

impl Values<'_> {
    fn next(&mut self) -> Result<Value, Error> {
        self.values.next().ok_or_else(|| invalid("not enough arguments for format string"))
    }

    fn number(&mut self) -> Result<i64, Error> {
        i64::try_from(self.next()?).map_err(|_| invalid("* wants int"))
    }
}

/// One field of a format, with its value.
struct Field {
    value: Value,
    /// Of `-+ #0`.
    flags: String,
    width: usize,
    precision: Option<usize>,
    kind: char,
}

impl Field {
    /// The field that `rest` begins with, behind its `%`, and what is behind it.
    fn parse<'t>(rest: &'t str, values: &mut Values<'_>) -> Result<(Self, &'t str), Error> {
        let (key, rest) = match rest.strip_prefix('(') {
            None => (None, rest),
            Some(inner) => {
                let (key, rest) = inner.split_once(')').ok_or_else(|| invalid("incomplete format key"))?;
                (Some(key), rest)
            }
        };
        let behind_flags = rest.trim_start_matches(['-', '+', ' ', '#', '0']);
        let mut flags = rest[..rest.len() - behind_flags.len()].to_owned();
        let (width, rest) = count(behind_flags, values)?;
        let width = width.unwrap_or(0);
        if width < 0 {
            flags.push('-');
        }
        let (precision, rest) = match rest.strip_prefix('.') {
            None => (None, rest),
            Some(rest) => {
                let (precision, rest) = count(rest, values)?;
                (Some(usize::try_from(precision.unwrap_or(0)).unwrap_or(0)), rest)
            }
        };
        let rest = rest.trim_start_matches(['h', 'l', 'L']);
        let kind = rest.chars().next().ok_or_else(|| invalid("incomplete format"))?;
        let value = match key {
            None => values.next()?,
            Some(_) if values.given.kind() != ValueKind::Map => {
                return Err(invalid("format requires a mapping"));
            }
            Some(key) => {
                values.by_key = true;
                let value = values.given.get_item(&Value::from(key))?;
                if value.is_undefined() {
                    return Err(invalid(&format!("the mapping of a format has no {key:?}")));
                }
                value
            }
        };
        let width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        Ok((Self { value, flags, width, precision, kind }, &rest[kind.len_utf8()..]))
    }

    fn written(&self, state: &State) -> Result<String, Error> {
        let Self { value, flags, width, precision, kind } = self;
        charge(state, width.saturating_add(precision.unwrap_or(0)))?;
        let text = match kind {
            's' | 'r' | 'a' => {
                let text = if *kind == 's' { written(state, value)? } else { repr(state, value)? };
                let text = if *kind == 'a' { ascii(&text) } else { text };
                match precision {
                    Some(most) => text.chars().take(*most).collect(),
                    None => text,
                }
            }
            'c' if value.as_str().is_some_and(|text| text.chars().count() != 1) => {
                return Err(invalid("%c requires an int or a single character"));
            }
            'c' => format(FormatStyle::Printf, "%c", std::slice::from_ref(value))?,
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => return self.whole(),
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
                let precision = precision.map(|n| format!(".{n}")).unwrap_or_default();
                return self.engine(&format!("{precision}{kind}"), value);
            }
            kind => return Err(invalid(&format!("unsupported format character {kind:?}"))),
        };
        let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
        Ok(if flags.contains('-') { text + &blanks } else { blanks + &text })
    }

    /// A whole number, its precision being the fewest digits.
    fn whole(&self) -> Result<String, Error> {
        let value = &self.value;
        let truncated = match value.kind() {
            ValueKind::Number if !value.is_integer() && "diu".contains(self.kind) => {
                let number = f64::try_from(value.clone())?.trunc();
                if !number.is_finite() {
                    return Err(invalid("cannot convert float to integer"));
                }
                Value::from(number as i128)
            }
            ValueKind::Number if value.is_integer() => value.clone(),
            ValueKind::Bool => Value::from(i64::from(value.is_true())),
            kind => return Err(invalid(&format!("%{} format: a number is required, not {kind}", self.kind))),
        };
        let kind = if self.kind == 'u' { 'd' } else { self.kind };
        let Some(fewest) = self.precision else { return self.engine(&kind.to_string(), &truncated) };
        let flags: String = self.flags.chars().filter(|flag| "+ #".contains(*flag)).collect();
        let plain = format(FormatStyle::Printf, &format!("%{flags}{kind}"), &[truncated])?;
        let prefix = plain.find(|c: char| c.is_ascii_hexdigit()).unwrap_or(0);
        let prefix = if flags.contains('#') && "oxX".contains(kind) { prefix + 2 } else { prefix };
        let (sign, digits) = plain.split_at(prefix);
        let zeros = "0".repeat(fewest.saturating_sub(digits.len()));
        let number = format!("{sign}{zeros}{digits}");
        let missing = self.width.saturating_sub(number.len());
        Ok(match (self.flags.contains('-'), self.flags.contains('0')) {
            (true, _) => number + &" ".repeat(missing),
            (false, true) => format!("{sign}{}{zeros}{digits}", "0".repeat(missing)),
            (false, false) => " ".repeat(missing) + &number,
        })
    }

    /// `value` as the engine writes a number.
    fn engine(&self, ending: &str, value: &Value) -> Result<String, Error> {
        let width = if self.width > 0 { self.width.to_string() } else { String::new() };
        let flags = if width.is_empty() { self.flags.replace(['0', '-'], "") } else { self.flags.clone() };
        format(FormatStyle::Printf, &format!("%{flags}{width}{ending}"), std::slice::from_ref(value))
    }
}

/// A number written at the start of `rest`, or `*` for the next value, and what is behind it.
fn count<'t>(rest: &'t str, values: &mut Values<'_>) -> Result<(Option<i64>, &'t str), Error> {
    if let Some(rest) = rest.strip_prefix('*') {
        return Ok((Some(values.number()?), rest));
    }
    let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &rest[..rest.len() - behind.len()];
    let number = digits.parse().map_err(|_| invalid("too large a number in a format"));
    Ok(((!digits.is_empty()).then_some(number).transpose()?, behind))
}

/// `text` with what is not ASCII as Python's escapes.
fn ascii(text: &str) -> String {
    let escaped = |c: char| match u32::from(c) {
        ..=0x7f => c.to_string(),
        code @ ..=0xff => format!("\\x{code:02x}"),
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    text.chars().map(escaped).collect()
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.to_owned())
}
