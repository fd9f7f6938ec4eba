//! An answer as words, letters and marks, whether they stand in text commands, between dollars or plain.

use super::symbol;

/// A word, a letter with its subscript, a command or a mark, and where it stands in the text.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub text: String,
    pub start: usize,
    pub end: usize,
}

impl Piece {
    /// Whether it is one letter, with its subscript where it has one.
    pub(super) fn is_letter(&self) -> bool {
        let mut chars = self.text.chars();
        chars.next().is_some_and(char::is_alphabetic) && matches!(chars.next(), None | Some('_'))
    }

    /// The word in lower case.
    pub(super) fn word(&self) -> String {
        self.text.to_lowercase()
    }
}

/// The pieces of `text`: without blanks, dollars, braces and what only sets words upright. Sets of numbers are ℝ, ℤ, ...,
/// however they are spelled.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let start = text.len() - rest.len();
        let (piece, n_bytes) = match c {
            '\\' => command(rest),
            c if c.is_ascii_alphabetic() => word(rest),
            c if c.is_whitespace() || "$~{}".contains(c) => (None, c.len_utf8()),
            c if c.is_alphabetic() && !"ℝℤℕℂℚ".contains(c) => with_subscript(c, c.len_utf8(), rest),
            c => (Some(c.to_string()), c.len_utf8()),
        };
        let end = start + n_bytes;
        pieces.extend(piece.map(|text| Piece { text, start, end }));
        rest = text.get(end..).unwrap_or_default();
    }
    pieces
}

fn word(text: &str) -> (Option<String>, usize) {
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let word = text.get(..end).unwrap_or_default();
    match word.chars().next() {
        Some(letter) if end == 1 => with_subscript(letter, 1, text),
        _ => (Some(word.into()), end),
    }
}

/// `letter`, written with `n_bytes` at the start of `text`, with the subscript behind it.
fn with_subscript(letter: char, n_bytes: usize, text: &str) -> (Option<String>, usize) {
    let after = text.get(n_bytes..).unwrap_or_default();
    let Some(lowered) = after.strip_prefix('_') else { return (Some(letter.into()), n_bytes) };
    let (subscript, n_more) = match lowered.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
        Some((inside, _)) => (inside, inside.len() + 2),
        None => {
            let first = lowered.chars().next().map_or(0, char::len_utf8);
            (lowered.get(..first).unwrap_or_default(), first)
        }
    };
    (Some(format!("{letter}_{}", subscript.trim())), n_bytes + 1 + n_more)
}

fn command(text: &str) -> (Option<String>, usize) {
    let after = text.get(1..).unwrap_or_default();
    let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
    let name = after.get(..end).unwrap_or_default();
    let n_bytes = 1 + end;
    match name {
        "" => {
            let c = after.chars().next().unwrap_or(' ');
            let said = !" ()[],;:!".contains(c);
            (said.then(|| format!("\\{c}")), 1 + after.chars().next().map_or(0, char::len_utf8))
        }
        "not" if after.get(end..).is_some_and(|rest| rest.starts_with('=')) => {
            (Some("≠".into()), n_bytes + 1)
        }
        "forall" => (Some("∀".into()), n_bytes),
        "mathbb" | "mathds" => {
            let argument = after.get(end..).unwrap_or_default();
            let bare = argument.trim_start_matches(['{', ' ']);
            let letter = bare.chars().next().unwrap_or(' ');
            (Some(set(letter)), n_bytes + argument.len() - bare.len() + letter.len_utf8().min(bare.len()))
        }
        name if symbol::is_text(name) || symbol::is_decoration(name) => (None, n_bytes),
        name => match symbol::of_command(name) {
            Some(letter) if letter.is_alphabetic() && letter != 'ℝ' => {
                let (piece, n_all) = with_subscript(letter, n_bytes, text);
                (piece, n_all)
            }
            Some(mark) => (Some(mark.into()), n_bytes),
            None => (Some(format!("\\{name}")), n_bytes),
        },
    }
}

/// The set of numbers of this letter.
fn set(letter: char) -> String {
    match letter {
        'R' => "ℝ".into(),
        'Z' => "ℤ".into(),
        'N' => "ℕ".into(),
        'C' => "ℂ".into(),
        'Q' => "ℚ".into(),
        other => format!("\\mathbb {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_letters_are_found_wherever_they_stand() {
        for (text, expected) in [
            ("n=5k \\text{ for any integer $k$}", "n = 5 k for any integer k"),
            ("C_{1}e^{x}, C_1 \\in \\mathbb{R}", "C_1 e ^ x , C_1 ∈ ℝ"),
            ("\\(k\\)\\quad \\forall\\lambda_2 \\in \\Bbb Z", "k ∀ λ_2 ∈ \\Bbb Z"),
            ("\\{x\\}\\", "\\{ x \\}"),
            ("\\mathbb", "\\mathbb  "),
        ] {
            let texts: Vec<String> = pieces(text).into_iter().map(|piece| piece.text).collect();
            assert_eq!(texts.join(" "), expected, "{text}");
        }
    }
}
