//! Python's methods of texts, mappings and lists, as far as a template may call them.

use std::sync::Arc;

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::bounds::{bytes_left, charge, exhausted};
use super::characters as class;

/// Calls the method `name` of `value`.
///
/// # Errors
/// If there is none, its arguments are others, or its result is more than the rendering has left.
pub(super) fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    match (value.as_str(), value.kind(), name) {
        (Some(text), ..) => {
            charge(state, text.len())?;
            of_text(state, text, name, args)
        }
        (None, ValueKind::Seq | ValueKind::Map, "copy") => from_args(args).map(|()| value.clone()),
        (None, ValueKind::Seq, "index") => {
            let (wanted,): (&Value,) = from_args(args)?;
            let at = value.try_iter()?.position(|item| item == *wanted);
            at.map(Value::from).ok_or_else(|| invalid("the value of index is not in the list"))
        }
        _ => pycompat::unknown_method_callback(state, value, name, args),
    }
}

fn of_text(state: &State, text: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let mut args = Args::new(args)?;
    let result = match name {
        "count" | "find" | "index" | "rfind" | "rindex" | "startswith" | "endswith" => {
            searched(text, name, &mut args)?
        }
        "split" | "rsplit" | "splitlines" | "partition" | "rpartition" => parts(text, name, &mut args)?,
        "center" | "ljust" | "rjust" | "zfill" | "expandtabs" => padded(state, text, name, &mut args)?,
        "strip" | "lstrip" | "rstrip" => {
            let chars: Option<Arc<str>> = args.optional("chars")?;
            let strips = |c: char| chars.as_ref().map_or(class::is_space(c), |chars| chars.contains(c));
            charge(state, text.len().saturating_mul(chars.as_ref().map_or(1, |chars| chars.len())))?;
            let text = if name == "rstrip" { text } else { text.trim_start_matches(strips) };
            Value::from(if name == "lstrip" { text } else { text.trim_end_matches(strips) })
        }
        "removeprefix" | "removesuffix" => {
            let part: Arc<str> = args.required("prefix")?;
            let rest =
                if name == "removeprefix" { text.strip_prefix(&*part) } else { text.strip_suffix(&*part) };
            Value::from(rest.unwrap_or(text))
        }
        "replace" => replaced(state, text, &mut args)?,
        "join" => joined(state, text, &args.value("iterable")?.unwrap_or_default())?,
        "format" => return formatted(state, text, args),
        _ => match class::changed(text, name) {
            Some(changed) => Value::from(changed),
            None => Value::from(class::is(text, name).ok_or_else(|| Error::from(ErrorKind::UnknownMethod))?),
        },
    };
    args.finish(name)?;
    Ok(result)
}

/// The arguments of a call, by place or by name.
struct Args<'a> {
    all: &'a [Value],
    by_place: std::slice::Iter<'a, Value>,
    by_name: Kwargs,
}

impl<'a> Args<'a> {
    fn new(all: &'a [Value]) -> Result<Self, Error> {
        let (by_place, by_name) = match all.split_last() {
            Some((last, by_place)) if last.is_kwargs() => (by_place, Kwargs::try_from(last.clone())?),
            _ => (all, Kwargs::from_iter(std::iter::empty::<(String, Value)>())),
        };
        Ok(Self { all, by_place: by_place.iter(), by_name })
    }

    /// The next argument, which has a name as well; `None` is as good as none.
    fn optional<T: TryFrom<Value, Error = Error>>(&mut self, name: &str) -> Result<Option<T>, Error> {
        self.value(name)?.map(T::try_from).transpose()
    }

    fn value(&mut self, name: &str) -> Result<Option<Value>, Error> {
        let value = match self.by_place.next() {
            Some(value) => Some(value.clone()),
            None => self.by_name.get::<Option<Value>>(name)?,
        };
        Ok(value.filter(|value| !value.is_none()))
    }

    fn required<T: TryFrom<Value, Error = Error>>(&mut self, name: &str) -> Result<T, Error> {
        self.optional(name)?.ok_or_else(|| Error::from(ErrorKind::MissingArgument))
    }

    fn finish(mut self, name: &str) -> Result<(), Error> {
        match self.by_place.next() {
            Some(_) => Err(invalid(&format!("{name}: too many arguments"))),
            None => self.by_name.assert_all_used(),
        }
    }
}

/// Searches, within the characters that two further arguments bound.
fn searched(text: &str, name: &str, args: &mut Args<'_>) -> Result<Value, Error> {
    let wanted = args.value("sub")?.ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
    let (start, end): (Option<i64>, Option<i64>) = (args.optional("start")?, args.optional("end")?);
    let bounded = start.is_some() || end.is_some();
    let length = if bounded { text.chars().count() } else { text.len() };
    let bound = |at: i64| if at < 0 { length.saturating_add_signed(at as isize) } else { at as usize };
    let (start, end) = (start.map_or(0, bound), end.map_or(length, bound).min(length));
    let outside = start > end;
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
    let part = match bounded {
        false => text,
        true if outside => "",
        true => &text[byte(start)..byte(end)],
    };
    if name.ends_with("with") {
        let found = |one: &Value| {
            let one = one
                .as_str()
                .ok_or_else(|| invalid(&format!("{name}: expected a text or a tuple of texts")))?;
            Ok(!outside && if name == "startswith" { part.starts_with(one) } else { part.ends_with(one) })
        };
        if wanted.as_str().is_some() || !wanted.is_tuple() {
            return found(&wanted).map(Value::from);
        }
        let found = wanted.try_iter()?.map(|one| found(&one)).collect::<Result<Vec<bool>, Error>>()?;
        return Ok(Value::from(found.contains(&true)));
    }
    let Some(wanted) = wanted.as_str() else { return Err(invalid(&format!("{name}: expected a text"))) };
    if name == "count" {
        return Ok(Value::from(if outside { 0 } else { part.matches(wanted).count() }));
    }
    let at = if name.starts_with('r') { part.rfind(wanted) } else { part.find(wanted) };
    match at.filter(|_| !outside) {
        Some(at) => Ok(Value::from(start + part[..at].chars().count())),
        None if name.ends_with("find") => Ok(Value::from(-1)),
        None => Err(invalid("substring not found")),
    }
}

/// The parts of `text`.
fn parts(text: &str, name: &str, args: &mut Args<'_>) -> Result<Value, Error> {
    if name == "splitlines" {
        let ends = args.optional::<bool>("keepends")?.unwrap_or(false);
        return Ok(class::lines(text, ends).into_iter().map(Value::from).collect());
    }
    if name.ends_with("partition") {
        let separator: Arc<str> = args.required("sep")?;
        if separator.is_empty() {
            return Err(invalid("empty separator"));
        }
        let first = name == "partition";
        let found = if first { text.split_once(&*separator) } else { text.rsplit_once(&*separator) };
        let parts = match found {
            Some((before, after)) => [before, &separator, after],
            None if first => [text, "", ""],
            None => ["", "", text],
        };
        return Ok(Value::from(Tuple::from(parts.map(Value::from))));
    }
    let separator: Option<Arc<str>> = args.optional("sep")?;
    let most: Option<i64> = args.optional("maxsplit")?;
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX - 1);
    let mut parts: Vec<&str> = match (separator.as_deref(), name) {
        (Some(""), _) => return Err(invalid("empty separator")),
        (Some(separator), "split") => text.splitn(most.saturating_add(1), separator).collect(),
        (Some(separator), _) => text.rsplitn(most.saturating_add(1), separator).collect(),
        (None, name) => class::words(text, most, name == "rsplit"),
    };
    if name == "rsplit" {
        parts.reverse();
    }
    Ok(parts.into_iter().map(Value::from).collect())
}

/// `text` with characters before, behind or within it.
fn padded(state: &State, text: &str, name: &str, args: &mut Args<'_>) -> Result<Value, Error> {
    if name == "expandtabs" {
        let size: i64 = args.optional("tabsize")?.unwrap_or(8);
        let size = usize::try_from(size).unwrap_or(0);
        charge(state, text.matches('\t').count().saturating_mul(size))?;
        return Ok(Value::from(class::expanded(text, size)));
    }
    let width: i64 = args.required("width")?;
    let length = text.chars().count();
    let missing = usize::try_from(width).unwrap_or(0).saturating_sub(length);
    let fill = if name == "zfill" { None } else { args.optional::<Arc<str>>("fillchar")? };
    let fill = fill.as_deref().unwrap_or(if name == "zfill" { "0" } else { " " });
    if fill.chars().count() != 1 {
        return Err(invalid("the fill character must be exactly one character long"));
    }
    charge(state, missing.saturating_mul(fill.len()))?;
    let before = match name {
        "ljust" => 0,
        // Python's centre leans to the left where the width is odd.
        "center" => missing / 2 + (missing & (length + missing) & 1),
        _ => missing,
    };
    let (sign, rest) = match name == "zfill" && text.starts_with(['-', '+']) {
        true => text.split_at(1),
        false => ("", text),
    };
    Ok(Value::from(format!("{sign}{}{rest}{}", fill.repeat(before), fill.repeat(missing - before))))
}

fn replaced(state: &State, text: &str, args: &mut Args<'_>) -> Result<Value, Error> {
    let (old, new): (Arc<str>, Arc<str>) = (args.required("old")?, args.required("new")?);
    let most: Option<i64> = args.optional("count")?;
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let n = text.matches(&*old).take(most).count();
    charge(state, n.saturating_mul(new.len()))?;
    Ok(Value::from(text.replacen(&*old, &new, most)))
}

fn joined(state: &State, separator: &str, items: &Value) -> Result<Value, Error> {
    let mut text = String::new();
    for (i, item) in items.try_iter()?.enumerate() {
        let part = item.as_str();
        let part =
            part.ok_or_else(|| invalid(&format!("join: item {i} is a {}, not a text", item.kind())))?;
        charge(state, separator.len() + part.len())?;
        text.push_str(if i > 0 { separator } else { "" });
        text.push_str(part);
    }
    Ok(Value::from(text))
}

/// `text.format(…)`, within what is left: its widths and precisions, and what it is given for each field.
fn formatted(state: &State, text: &str, args: Args<'_>) -> Result<Value, Error> {
    let (n_fields, widths) = fields(text);
    let named = args.by_name.args().filter_map(|name| args.by_name.peek::<Value>(name).ok());
    let given = args.by_place.clone().cloned().chain(named);
    let longest = given.filter_map(|value| value.as_str().map(str::len)).max().unwrap_or(0);
    if widths.saturating_add(n_fields.saturating_mul(longest)) > bytes_left(state) {
        return Err(exhausted());
    }
    let text = format(FormatStyle::StrFormat, text, args.all)?;
    charge(state, text.len())?;
    Ok(Value::from(text))
}

/// How many fields `text.format(…)` has, and the sum of the numbers of their formats, which are widths and precisions.
fn fields(text: &str) -> (usize, usize) {
    let (mut n_fields, mut sum, mut rest) = (0, 0_usize, text);
    while let Some((_, field)) = rest.split_once('{') {
        if let Some(behind) = field.strip_prefix('{') {
            rest = behind;
            continue;
        }
        n_fields += 1;
        let mut in_key = false;
        let end = field.find(|c| {
            in_key = c == '[' || in_key && c != ']';
            !in_key && (c == ':' || c == '}')
        });
        let Some(end) = end else { break };
        rest = &field[end..];
        let Some(format) = rest.strip_prefix(':') else { continue };
        let mut chars = format.chars();
        // Any character may fill, a bracket too.
        let filled = chars.next().is_some() && matches!(chars.next(), Some('<' | '>' | '^'));
        let format = if filled { chars.as_str() } else { format };
        let (format, behind) = format.split_once('}').unwrap_or((format, ""));
        let numbers = format.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
        let numbers = numbers.map(|digits| digits.parse().unwrap_or(usize::MAX));
        sum = numbers.fold(sum, usize::saturating_add);
        rest = behind;
    }
    (n_fields, sum)
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn only_the_formats_of_fields_have_widths() {
        let cases = [
            ("Cutoff 20231001: {}", (1, 0)),
            ("{0} {1:5} {x:>7.3f}", (3, 15)),
            ("{{9:9}} {{{:4}}} }} 7", (1, 4)),
            ("{:}<9} {:{>8}", (2, 17)),
            ("{x[}:6]:5} {x[[:3]:2}", (2, 7)),
            ("{:99999999999999999999}{:1", (2, usize::MAX)),
            ("{} {20231001} :5", (2, 0)),
            ("", (0, 0)),
        ];
        for (text, expected) in cases {
            assert_eq!(fields(text), expected, "{text}");
        }
    }
}
