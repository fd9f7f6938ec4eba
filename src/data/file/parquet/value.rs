//! A row of a Parquet file as JSON has it.

use anyhow::{Result, ensure};
use parquet::data_type::Decimal as Stored;
use parquet::record::{Field, Row};
use serde_json::{Map, Number, Value};

use crate::data::decimal::Decimal;
use crate::data::json::MAX_BYTES;

/// What a row has.
#[derive(Default)]
pub(super) struct Found {
    /// The values by column.
    pub fields: Map<String, Value>,
    /// The paths of those that are bytes and no text, which are null.
    pub bytes: Vec<String>,
    /// Bytes of all texts and names.
    pub size: usize,
}

/// What `row` has.
///
/// # Errors
/// If a text is larger than [`MAX_BYTES`].
pub(super) fn fields(row: Row) -> Result<Found> {
    let (mut found, mut fields) = (Found::default(), Map::new());
    for (name, field) in row.into_columns() {
        found.size += name.len();
        let value = match field {
            // The largest, which is not to be there twice.
            Field::Str(text) => text_of(text, &[&name], &mut found)?,
            other => value(&other, &[&name], &mut found)?,
        };
        fields.insert(name, value);
    }
    Ok(Found { fields, ..found })
}

fn object(row: &Row, prefix: &str, found: &mut Found) -> Result<Map<String, Value>> {
    let columns = row.get_column_iter().map(|(name, field)| {
        found.size += name.len();
        Ok((name.clone(), value(field, &[prefix, name], found)?))
    });
    columns.collect()
}

/// The value of `field`, whose path is made of the parts `path`.
fn value(field: &Field, path: &[&str], found: &mut Found) -> Result<Value> {
    let within = |inner: &str| format!("{}{inner}", path.concat());
    let items = |fields: &mut dyn Iterator<Item = &Field>, found: &mut Found| -> Result<Vec<Value>> {
        let path = within(".");
        (0..).zip(fields).map(|(index, field)| value(field, &[&path, &index.to_string()], found)).collect()
    };
    Ok(match field {
        Field::Group(row) => Value::Object(object(row, &within("."), found)?),
        Field::ListInternal(list) => Value::Array(items(&mut list.elements().iter(), found)?),
        Field::MapInternal(map) => {
            let keys = items(&mut map.entries().iter().map(|(key, _)| key), found)?;
            let keys = keys.iter().map(|key| key.as_str().map_or_else(|| key.to_string(), str::to_owned));
            let values = items(&mut map.entries().iter().map(|(_, value)| value), found)?;
            Value::Object(keys.zip(values).collect())
        }
        Field::Str(text) => text_of(text.clone(), path, found)?,
        Field::Bytes(stored) => match std::str::from_utf8(stored.data()) {
            Ok(text) => text_of(text.to_owned(), path, found)?,
            Err(_) => no_text(path, found),
        },
        Field::Decimal(stored) => decimal(stored).unwrap_or_else(|| no_text(path, found)),
        // The shortest decimal that is that number, as its own precision has it.
        Field::Float(number) => float(&number.to_string()),
        Field::Float16(number) => {
            let digits = (0..5).map(|digits| format!("{:.digits$e}", number.to_f32()));
            let mut same = digits.filter(|text| text.parse().is_ok_and(|read| *number == read));
            float(&same.next().unwrap_or_else(|| number.to_string()))
        }
        other => other.to_json_value(),
    })
}

fn no_text(path: &[&str], found: &mut Found) -> Value {
    found.bytes.push(path.concat());
    Value::Null
}

fn text_of(text: String, path: &[&str], found: &mut Found) -> Result<Value> {
    let most = MAX_BYTES >> 20;
    ensure!(
        text.len() <= MAX_BYTES,
        "{}: the text has more than the {most} MB that are read of one",
        path.concat()
    );
    found.size += text.len();
    Ok(Value::String(text))
}

/// What is infinite or no number is null.
fn float(text: &str) -> Value {
    text.parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}

/// With all its digits: without any behind the point a number as far as 64 bits hold it, and otherwise a text. `None` of
/// more bytes than any writer makes.
fn decimal(stored: &Stored) -> Option<Value> {
    const MOST: usize = 64;
    let scale = usize::try_from(stored.scale()).ok()?;
    let (is_negative, digits) =
        signed(stored.data()).filter(|_| stored.data().len() <= MOST && scale <= 3 * MOST)?;
    if scale == 0 {
        let text = Decimal::new(is_negative, &digits, 0).plain().ok()?;
        let number = text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from));
        return Some(number.unwrap_or(Value::String(text)));
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, behind) = digits.split_at(digits.len() - scale);
    Some(Value::String(format!("{}{whole}.{behind}", if is_negative { "-" } else { "" })))
}

/// Sign and digits of a whole number of any size, the highest byte first, negative ones as their complement.
fn signed(bytes: &[u8]) -> Option<(bool, String)> {
    const BASE: u64 = 1_000_000_000;
    let is_negative = *bytes.first()? >= 0x80;
    // The lowest nine digits first.
    let mut parts = vec![0_u64];
    let carried = |parts: &mut Vec<u64>, mut carry: u64, times: u64| {
        for part in &mut *parts {
            let sum = *part * times + carry;
            (*part, carry) = (sum % BASE, sum / BASE);
        }
        if carry > 0 {
            parts.push(carry);
        }
    };
    for byte in bytes {
        carried(&mut parts, u64::from(if is_negative { !byte } else { *byte }), 256);
    }
    carried(&mut parts, u64::from(is_negative), 1);
    let mut digits = parts.pop()?.to_string();
    digits.extend(parts.iter().rev().map(|part| format!("{part:09}")));
    Some((is_negative, digits))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use parquet::data_type::ByteArray;
    use parquet::record::Field;
    use serde_json::json;

    use super::*;

    fn read(fields: Vec<(&str, Field)>) -> (Value, Vec<String>) {
        let row = Row::new(fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect());
        let found = super::fields(row).unwrap();
        (Value::Object(found.fields), found.bytes)
    }

    fn one(field: Field) -> Value {
        read(vec![("a", field)]).0["a"].clone()
    }

    #[test]
    fn bytes_are_text_where_they_can_be() {
        let stored = |bytes: &[u8]| Field::Bytes(ByteArray::from(bytes.to_vec()));
        let inner = Row::new(vec![("b".to_owned(), stored(b"\xc3\xa9")), ("d".to_owned(), stored(b"\xff"))]);
        let (value, bytes) = read(vec![("a", stored(b"2+2?")), ("c", Field::Group(inner))]);
        assert_eq!(value, json!({"a": "2+2?", "c": {"b": "é", "d": null}}));
        assert_eq!(bytes, ["c.d"]);
    }

    #[test]
    fn floats_are_the_shortest_decimals_of_their_precision() {
        assert_eq!(one(Field::Float(0.1)), json!(0.1));
        assert_eq!(one(Field::Float(3.0)), json!(3.0));
        assert_eq!(one(Field::Float(f32::MAX)), json!(3.4028235e38));
        assert_eq!(one(Field::Float(f32::NAN)), Value::Null);
        assert_eq!(one(Field::Double(0.1)), json!(0.1));
        let half = |bits: &str| Field::Float16(bits.parse().unwrap());
        for text in ["0.1", "-2.5", "1024", "0.333", "0.00001"] {
            assert_eq!(one(half(text)), json!(text.parse::<f64>().unwrap()), "{text}");
        }
    }

    #[test]
    fn decimals_keep_their_digits() {
        let long = |value: i128, scale| {
            Field::Decimal(Stored::from_bytes(ByteArray::from(value.to_be_bytes().to_vec()), 38, scale))
        };
        let small = |value, scale| Field::Decimal(Stored::from_i32(value, 9, scale));
        for (field, expected) in [
            (small(-4, 0), json!(-4)),
            (small(0, 2), json!("0.00")),
            (small(1250, 2), json!("12.50")),
            (small(-5, 3), json!("-0.005")),
            (small(i32::MIN, 0), json!(i32::MIN)),
            (long(42_391_158_275_216_203_514_294_433_201, 0), json!("42391158275216203514294433201")),
            (long(i128::MIN, 10), json!("-17014118346046923173168730371.5884105728")),
            (long(1_000_000_000_000_000_000, 9), json!("1000000000.000000000")),
        ] {
            assert_eq!(one(field), expected);
        }
        for value in [0, 1, -1, 255, -256, 999_999_999, 1_000_000_000, -1_000_000_000, i128::MAX, i128::MIN] {
            let (is_negative, digits) = signed(&value.to_be_bytes()).unwrap();
            assert_eq!(format!("{}{digits}", if is_negative { "-" } else { "" }), value.to_string());
        }
    }
}
