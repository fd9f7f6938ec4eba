//! JSON as it is written in files of others: every number keeps its digits, and every key stands once.
//!
//! A whole number of more than 64 bits becomes the text of its digits. One with a point or an exponent becomes a double, which
//! has 17 digits; where these are not the number, it becomes the text of its digits too, written without an exponent.

use std::cell::Cell;

use anyhow::{Error, Result, anyhow};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::{Entry, Map};
use serde_json::{Number, Value};

use super::decimal::Decimal;

/// Most bytes of a line of a file, and of an item of an array.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// Most values in one, those within lists and objects included: each takes some hundred bytes of memory.
const MAX_VALUES: usize = 1_000_000;

/// The value that `text` is.
///
/// # Errors
/// If it is no JSON; if a key stands twice in an object, the value holds more than a million others, or a number has more
/// digits than [`Decimal::MAX_DIGITS`]; each with the column, and the line where there are several.
pub(super) fn parse(text: &[u8]) -> Result<Value> {
    let may_lose = Cell::new(false);
    match read(text, &may_lose) {
        Ok(value) if !may_lose.get() => Ok(value),
        Err(error) if !error.to_string().starts_with("number out of range") => Err(placed(&error, text)),
        read_so_far => match spell_out(text)? {
            Some(text) => read(&text, &may_lose).map_err(|error| placed(&error, &text)),
            None => read_so_far.map_err(|error| placed(&error, text)),
        },
    }
}

fn read(text: &[u8], may_lose: &Cell<bool>) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let (left, has_float) = (Cell::new(MAX_VALUES), Cell::new(false));
    let value = Exact { left: &left, has_float: &has_float, may_lose }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    may_lose.set(may_lose.get() || has_float.get() && has_long_number(text));
    Ok(value)
}

/// Whether a number of `text` may have more than the 15 digits that every double holds: such a one covers one of every 16
/// bytes.
fn has_long_number(text: &[u8]) -> bool {
    let is_part = |byte: &u8| b"+-.eE0123456789".contains(byte);
    let mut covered = (15..text.len()).step_by(16).filter(|&at| is_part(&text[at]));
    covered.any(|at| {
        let before = text[..at].iter().rev().take(15).take_while(|byte| is_part(byte)).count();
        let behind = text[at..].iter().take(16).take_while(|byte| is_part(byte)).count();
        before + behind >= 16
    })
}

/// Reads a value, and notes what a plain reading of it would lose.
#[derive(Clone, Copy)]
struct Exact<'c> {
    /// Values that may still come.
    left: &'c Cell<usize>,
    /// Whether a number has become a double.
    has_float: &'c Cell<bool>,
    /// Whether one has that is so small that few digits of it are left.
    may_lose: &'c Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Exact<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1);
        let too_many = || de::Error::custom(format!("more than {MAX_VALUES} values in one"));
        self.left.set(left.ok_or_else(too_many)?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Exact<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        /// Below about this, doubles have fewer digits.
        const TINY: f64 = 1e-300;
        self.has_float.set(true);
        if value.abs() < TINY {
            self.may_lose.set(true);
        }
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            match fields.entry(key) {
                Entry::Vacant(free) => {
                    free.insert(entries.next_value_seed(self)?);
                }
                Entry::Occupied(taken) => {
                    let key: String = taken.key().chars().take(60).collect();
                    return Err(de::Error::custom(format!("the key {key:?} stands twice")));
                }
            }
        }
        Ok(Value::Object(fields))
    }
}

/// `text` with every number that a double does not hold as a text of its digits; `None` where there is none.
fn spell_out(text: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut spelled = Vec::new();
    let (mut at, mut copied) = (0, 0);
    while let Some(&byte) = text.get(at) {
        let rest = &text[at..];
        match byte {
            b'"' => at += text_length(rest),
            b'-' | b'0'..=b'9' => {
                let length = rest.iter().take_while(|byte| b"+-.eE0123456789".contains(byte)).count();
                if let Some(digits) =
                    spelled_out(&rest[..length]).map_err(|error| anyhow!("{error} at column {}", at + 1))?
                {
                    spelled.extend_from_slice(&text[copied..at]);
                    spelled.extend_from_slice(format!("\"{digits}\"").as_bytes());
                    copied = at + length;
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    spelled.extend_from_slice(&text[copied..]);
    Ok((copied > 0).then_some(spelled))
}

/// Bytes of the text in quotes with which `rest` begins.
fn text_length(rest: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = rest.iter().skip(1).position(|&byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(rest.len(), |inner| inner + 2)
}

/// The digits of `number`; `None` where 64 bits hold it or, of one with a point or an exponent, a double does; or it is no
/// number. A double is shown with an exponent where it is large, as no whole number is written.
fn spelled_out(number: &[u8]) -> Result<Option<String>> {
    let Ok(text) = std::str::from_utf8(number) else { return Ok(None) };
    if text.parse::<u64>().is_ok() || text.parse::<i64>().is_ok() {
        return Ok(None);
    }
    let (Some(written), Ok(double)) = (Decimal::parse(text), text.parse::<f64>()) else { return Ok(None) };
    let is_whole = text.bytes().all(|byte| byte != b'.' && !byte.eq_ignore_ascii_case(&b'e'));
    if !is_whole && Decimal::parse(&format!("{double:e}")).is_some_and(|held| held == written) {
        return Ok(None);
    }
    written.plain().map(Some)
}

/// What `error` says of `text`, with the column, and the line where there are several.
fn placed(error: &serde_json::Error, text: &[u8]) -> Error {
    let message = error.to_string();
    let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason);
    let (line, column) = (error.line(), error.column());
    let reason = foreign(text, line, column).map_or_else(
        || reason.to_owned(),
        |(word, instead)| format!("{word} is no JSON, which has {instead}"),
    );
    match line {
        0 => anyhow!("{reason}"),
        1 => anyhow!("{reason} at column {column}"),
        _ => anyhow!("{reason} at line {line} of it, column {column}"),
    }
}

/// The word of another language that stands in `text` at this place, counted from 1, and what JSON has instead.
fn foreign(text: &[u8], line: usize, column: usize) -> Option<(&'static str, &'static str)> {
    const WORDS: [(&str, &str); 8] = [
        ("-Infinity", "no such number; write null"),
        ("Infinity", "no such number; write null"),
        ("NaN", "no such number; write null"),
        ("nan", "no such number; write null"),
        ("None", "null"),
        ("undefined", "null"),
        ("True", "true"),
        ("False", "false"),
    ];
    let line = text.split(|&byte| byte == b'\n').nth(line.checked_sub(1)?)?;
    // Of some words the first letters may begin a word of JSON.
    let starts = || (0..3).filter_map(|back| line.get(column.checked_sub(1 + back)?..));
    WORDS.into_iter().find(|(word, _)| starts().any(|rest| rest.starts_with(word.as_bytes())))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Value {
        parse(text.as_bytes()).unwrap()
    }

    fn refused(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn numbers_keep_their_digits_wherever_they_stand() {
        for (text, expected) in [
            ("42391158275216203514294433201", json!("42391158275216203514294433201")),
            ("[100000000000000000000, 1e20]", json!(["100000000000000000000", 1e20])),
            ("[18446744073709551615, 18446744073709551616]", json!([u64::MAX, "18446744073709551616"])),
            ("{\"a\": {\"b\": [-9223372036854775809]}}", json!({"a": {"b": ["-9223372036854775809"]}})),
            ("3.14159265358979323846", json!("3.14159265358979323846")),
            ("1.23456789012345678901e5", json!("123456.789012345678901")),
            ("[1.234567e-320, 0.0]", json!([format!("0.{}1234567", "0".repeat(319)), 0.0])),
            ("-1.5e-400", json!(format!("-0.{}15", "0".repeat(399)))),
            ("1e400", json!(format!("1{}", "0".repeat(400)))),
            (
                "{\"1234567890123456789012\": \"1234567890123456789012 \\\" 12345678901234567890123\", \"a\": 0.5}",
                json!({"1234567890123456789012": "1234567890123456789012 \" 12345678901234567890123", "a": 0.5}),
            ),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_double_holds_stays_a_number() {
        for text in
            ["1.0", "1e3", "72.0", "0.1", "-0.0", "0.30000000000000004", "1e23", "0.5000000000000000000000"]
        {
            assert!(parsed(text).is_f64(), "{text}");
        }
        assert_eq!(parsed("[1, -1, 18446744073709551615]"), json!([1, -1, u64::MAX]));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_column() {
        for (text, expected) in [
            ("{\"a\": 1, \"a\": 2}", "the key \"a\" stands twice at column 12"),
            ("{\"a\": {\"b\": 1, \"\\u0062\": 2}}", "the key \"b\" stands twice"),
            ("{\"a\": NaN}", "NaN is no JSON, which has no such number; write null at column 7"),
            ("{\"a\": -Infinity}", "-Infinity is no JSON"),
            ("{\"a\": nan}", "nan is no JSON"),
            ("{\"a\": None}", "None is no JSON, which has null at column 7"),
            ("{\"a\": \"\\ud800\"}", "hex escape at column"),
            ("{\"a\": \"\0\"}", "control character"),
            ("{\n\"a\":\n 1,}", "trailing comma at line 3 of it, column 4"),
            ("1 2", "trailing characters at column 3"),
            ("01234567890123456789012", "invalid number at column 2"),
        ] {
            assert!(refused(text).contains(expected), "{text}: {}", refused(text));
        }
        assert!(parse(b"\"\xff\"").unwrap_err().to_string().starts_with("invalid unicode"));
    }

    #[test]
    fn what_would_take_the_memory_is_refused() {
        assert!(refused(&"[".repeat(100_000)).starts_with("recursion limit exceeded at column 128"));
        let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
        assert!(
            refused(&many).starts_with("more than 1000000 values in one at column"),
            "{}",
            refused(&many)
        );
        let digits = "7".repeat(1_000_000);
        for text in [format!("{{\"a\": {digits}}}"), format!("{{\"a\": 0.{digits}}}")] {
            let expected = "a number of 1000000 digits, more than the 10000 that are read; write it as a text at column 7";
            assert_eq!(refused(&text), expected);
        }
        assert!(refused("1e-99999999999999999999").contains("digits, more than"));
    }

    #[test]
    fn a_number_reads_as_it_was_written() {
        const DIGITS: &str = "3141592653589793238462643383279502884197169399375105820974944592307816";
        for (whole, behind) in (1..40).flat_map(|whole| (1..30).map(move |behind| (whole, behind))) {
            let text = format!("-{}.{}7", &DIGITS[..whole], &DIGITS[whole..whole + behind]);
            let read = match parsed(&text) {
                Value::String(digits) => digits,
                other => other.as_f64().unwrap().to_string(),
            };
            assert_eq!(read, text);
        }
    }
}
