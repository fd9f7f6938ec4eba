//! What keeps a text from being TOML: each mistake once, where it was made.
//!
//! Behind a mistake such as a bracket that is never closed, nearly every line is wrong to a parser. A line is at fault if
//! what is wrong behind it goes away with it, so lines are emptied one after the other until the rest is TOML.

use toml::{Table, de::DeTable};

use super::problem::Problem;

/// Most mistakes that are looked for.
const MOST: usize = 20;
/// Lines in front of the first complaint that may be at fault for it.
const REACH: usize = 40;
/// Bytes that are parsed in the search for lines at fault; behind that, the first complaint of the parser has to do.
const EFFORT: usize = 8 << 20;

/// Where the lines of a text begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn parse(text: &str) -> Self {
        let begins = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(begins).collect())
    }

    /// The line of the byte at `offset`, counted from 1.
    pub(super) fn of_offset(&self, offset: usize) -> usize {
        self.0.partition_point(|begin| *begin <= offset)
    }
}

/// What a parser has against a text.
struct Complaint {
    /// Of the first complaint; counted from 1.
    line: usize,
    message: String,
    /// All of them.
    count: usize,
}

impl Complaint {
    fn about(text: &str) -> Option<Self> {
        let (_, errors) = DeTable::parse_recoverable(text);
        let first = errors.first().cloned().or_else(|| text.parse::<Table>().err())?;
        let line = Lines::parse(text).of_offset(first.span().map_or(0, |span| span.start));
        Some(Self { line, message: one_line(&first), count: errors.len().max(1) })
    }
}

/// The mistakes in `text`, called `file`; at least one if it is not TOML.
pub(super) fn problems(file: &str, text: &str) -> Vec<Problem> {
    let mut lines: Vec<&str> = text.lines().chain(text.is_empty().then_some("")).collect();
    let (mut problems, mut effort) = (Vec::new(), 0);
    let mut complaint = Complaint::about(text);
    while let Some(found) = complaint {
        // A complaint about the end of the text is one about its last line.
        let noticed = found.line.min(lines.len());
        let fault = line_at_fault(&mut lines, noticed, found.count, &mut effort);
        let at = fault.as_ref().map_or(noticed, |(at, _)| *at);
        let content = short(lines[at - 1].trim());
        let later = if at == noticed { String::new() } else { format!(" (noticed in line {noticed})") };
        problems.push(Problem {
            place: format!("{file}:{at}"),
            key: String::new(),
            message: format!("`{content}` is not TOML: {}{later}", found.message),
        });
        let Some((_, rest)) = fault.filter(|_| problems.len() < MOST) else { break };
        lines[at - 1] = "";
        complaint = rest;
    }
    problems
}

/// The line, counted from 1, without which least is wrong, and what is wrong then; among equals the last up to `noticed`. `None`
/// where no line takes anything with it of the `count` complaints.
fn line_at_fault(
    lines: &mut [&str],
    noticed: usize,
    count: usize,
    effort: &mut usize,
) -> Option<(usize, Option<Complaint>)> {
    let (mut fewest, mut fault) = (count, None);
    for at in (noticed.saturating_sub(REACH).max(1)..=noticed).rev() {
        let line = std::mem::take(&mut lines[at - 1]);
        let rest = lines.join("\n");
        lines[at - 1] = line;
        *effort += rest.len();
        if *effort > EFFORT || fewest == 0 {
            break;
        }
        let rest = Complaint::about(&rest);
        let left = rest.as_ref().map_or(0, |rest| rest.count);
        if left < fewest {
            (fewest, fault) = (left, Some((at, rest)));
        }
    }
    fault
}

/// The beginning of `text`, where it is long; control codes as their escapes.
pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    let (shown, more) = match text.char_indices().nth(LONGEST) {
        Some((end, _)) => (&text[..end], "..."),
        None => (text, ""),
    };
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    shown.chars().map(plain).chain([more.to_owned()]).collect()
}

/// What `error` says, in one line.
pub(super) fn one_line(error: &toml::de::Error) -> String {
    error.message().replace('\n', ", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        problems("x.toml", text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_follows_from_a_mistake_is_not_said() {
        let rest = "b = 1\nc = \"x\"\n[s]\nd = [1, 2]\ne = { f = 1 }\n";
        for (text, line) in [
            (format!("a = [1, 2\n{rest}"), 1),
            (format!("z = 0\na = {{ x = 1\n{rest}"), 2),
            (format!("a = \"x\n{rest}"), 1),
            (format!("[r\na = 1\n{rest}"), 1),
            (format!("[[r]\na = 1\n{rest}"), 1),
            (format!("{rest}a = [[1, 2]\ng = 1\n[t]\nh = 1\n"), 6),
            (format!("{rest}a = \"\"\"x\n"), 6),
            (format!("a =\n{rest}"), 1),
            (format!("a 1\n{rest}"), 1),
        ] {
            let said = said(&text);
            assert_eq!(said.len(), 1, "{text}: {said:?}");
            assert!(said[0].starts_with(&format!("x.toml:{line}: `")), "{text}: {said:?}");
        }
    }

    #[test]
    fn mistakes_that_have_nothing_to_do_with_each_other_are_all_said() {
        let said = said("a = [1\nb = 1\nc == 2\n[d\ne = 1\n");
        let lines: Vec<&str> = said.iter().filter_map(|one| one.split(": ").next()).collect();
        assert_eq!(lines, ["x.toml:1", "x.toml:3", "x.toml:4"], "{said:?}");
    }

    #[test]
    fn long_texts_and_lines_are_cut_and_cost_little() {
        let start = std::time::Instant::now();
        let said = said(&format!("a = [\n{}", "b = \"xxxxxxxx\"\n".repeat(60_000)));
        assert!(!said.is_empty() && said.len() <= MOST, "{}", said.len());
        let said = super::problems("x.toml", &format!("{} =\n", "k".repeat(1 << 20)));
        assert!(said.len() == 1 && said[0].message.len() < 200, "{}", said[0].message.len());
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }
}
