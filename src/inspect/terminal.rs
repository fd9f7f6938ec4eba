//! A response in the terminal: its tokens shaded by gain, with the roles that the strategy sees in them beneath.
//!
//! ```text
//! 12*3+9=45 no⏎
//! ▓  ░ ▒              without colours: the gain
//! A  oA               the roles, one row for each that a token has
//!     D
//! ```

use std::fmt::Write;

use unicode_width::UnicodeWidthChar;

use super::Steps;
use super::text::{Shown, visible};
use crate::credit::strategy::Mark;

/// How to draw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Style {
    /// Shade with 24-bit colours; without them a row of its own shows the gain.
    pub color: bool,
    /// Columns of the terminal.
    pub columns: usize,
    /// The name under which the gains are that are shown; 1 where they are not known.
    pub by: String,
}

/// Longest piece of a prompt that is shown, characters.
const PROMPT: usize = 300;

/// Longest beginning of a step that is shown, characters.
const STEP: usize = 20;

/// Draws responses on one scale, so that a shade means the same gain in all of them.
pub(crate) struct Terminal {
    style: Style,
    /// The distinct gains there are, in order.
    gains: Vec<f32>,
    /// Largest distance of a gain from 1.
    reach: f32,
    /// What is beneath the tokens: letter and name of each role.
    roles: Vec<(char, &'static str)>,
}

impl Terminal {
    /// For these responses.
    #[must_use]
    pub(crate) fn new(style: Style, responses: &[Shown]) -> Self {
        let all = responses.iter().filter_map(|shown| shown.inspection.gamma.get(&style.by));
        let mut gains: Vec<f32> = all.flatten().copied().collect();
        gains.sort_by(f32::total_cmp);
        gains.dedup();
        let reach = gains.iter().map(|gain| (gain - 1.0).abs()).fold(0.0, f32::max);
        let marks = responses.first().and_then(|shown| shown.inspection.marks.get(&style.by));
        let roles = marks.into_iter().flatten().map(|mark| (mark.role.letter, mark.role.name)).collect();
        Self { style, gains, reach, roles }
    }

    /// What shades and letters mean.
    #[must_use]
    pub(crate) fn legend(&self) -> String {
        let mut legend = format!("gain of {}  ", self.style.by);
        for gain in &self.gains {
            let shade = if self.style.color { String::new() } else { format!("{} ", self.block(*gain)) };
            let text =
                format!(" {shade}{gain:.4}").trim_end_matches('0').trim_end_matches('.').to_owned() + " ";
            legend += &self.shaded(&text, *gain);
        }
        let roles: Vec<String> = self.roles.iter().map(|(letter, name)| format!("{letter} {name}")).collect();
        if roles.is_empty() { legend } else { legend + "\n" + &roles.join("   ") }
    }

    /// The response with its label, prompt and statistics, as lines.
    #[must_use]
    pub(crate) fn draw(&self, shown: &Shown) -> String {
        let found = &shown.inspection;
        let bold =
            |text: &str| if self.style.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() };
        let mut out = format!("{}\n", bold(&visible(&shown.label)));
        let cut = shown.prompt.chars().count().saturating_sub(PROMPT);
        let prompt: String = shown.prompt.chars().skip(cut).collect();
        let mark = if cut > 0 { "…" } else { "" };
        let _ = writeln!(out, "prompt: {mark}{}\n", visible(&prompt));
        self.lines(shown).iter().for_each(|line| self.line(line, &mut out));

        let n = shown.pieces.len();
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len().max(1) as f32;
        let count = |mark: &Mark| format!("; {} {}", mark.role.name, mark.tokens.len());
        let fai: Vec<f32> = found.fai.iter().flatten().copied().collect();
        let fai_mean = if fai.is_empty() { String::from("none") } else { format!("{:.4}", mean(&fai)) };
        let _ = writeln!(
            out,
            "\n{n} {}{}; mean gain {:.3}",
            if n == 1 { "token" } else { "tokens" },
            self.marks(shown).iter().map(count).collect::<String>(),
            found.gamma.get(&self.style.by).map_or(1.0, |gains| mean(gains)),
        );
        let _ = writeln!(
            out,
            "mean log-prob {:.3}, entropy {:.3}, WAAD {:.2}, FAI {fai_mean} where it is defined ({} tokens)",
            mean(&found.logprobs),
            mean(&found.entropies),
            mean(&found.waad),
            fai.len(),
        );
        let _ = writeln!(out, "{}", steps(shown));
        out
    }

    /// The tokens of a response that the strategy singles out.
    fn marks<'s>(&self, shown: &'s Shown) -> &'s [Mark] {
        shown.inspection.marks.get(&self.style.by).map_or(&[], Vec::as_slice)
    }

    /// The letters of a token's roles.
    fn roles(&self, shown: &Shown, token: usize) -> Vec<char> {
        let own = |mark: &&Mark| mark.tokens.binary_search(&token).is_ok();
        self.marks(shown).iter().filter(own).map(|mark| mark.role.letter).collect()
    }

    /// The response cut into lines, at its own line ends and where the terminal ends.
    fn lines(&self, shown: &Shown) -> Vec<Vec<Cell>> {
        let gains = shown.inspection.gamma.get(&self.style.by);
        let mut lines = vec![Vec::new()];
        let mut used = 0;
        for (token, piece) in shown.pieces.iter().enumerate() {
            let gain = gains.map_or(1.0, |gains| gains[token]);
            let mut roles = self.roles(shown, token);
            for c in visible(piece).chars() {
                let width = c.width().unwrap_or(0);
                if used + width > self.style.columns {
                    lines.push(Vec::new());
                    used = 0;
                }
                used += width;
                let own = if width > 0 { std::mem::take(&mut roles) } else { Vec::new() };
                if let Some(line) = lines.last_mut() {
                    line.push(Cell { c, width, token, gain, roles: own });
                }
                if c == '⏎' {
                    lines.push(Vec::new());
                    used = 0;
                }
            }
        }
        lines.retain(|line| !line.is_empty());
        lines
    }

    /// One line and the rows beneath it.
    fn line(&self, line: &[Cell], out: &mut String) {
        for token in line.chunk_by(|a, b| a.token == b.token) {
            let text: String = token.iter().map(|cell| cell.c).collect();
            *out += &self.shaded(&text, token.first().map_or(1.0, |cell| cell.gain));
        }
        out.push('\n');
        let mut row = |mark: &dyn Fn(&Cell) -> char| {
            let mut row = String::new();
            for cell in line {
                row.extend((0..cell.width).map(|column| if column == 0 { mark(cell) } else { ' ' }));
            }
            if !row.trim().is_empty() {
                *out += row.trim_end();
                out.push('\n');
            }
        };
        if !self.style.color {
            row(&|cell| self.block(cell.gain));
        }
        let most = line.iter().map(|cell| cell.roles.len()).max().unwrap_or(0);
        for k in 0..most {
            row(&|cell| cell.roles.get(k).copied().unwrap_or(' '));
        }
    }

    /// How far `gain` lies from 1: -1 to 1.
    fn depth(&self, gain: f32) -> f32 {
        if self.reach > 0.0 { (gain - 1.0) / self.reach } else { 0.0 }
    }

    /// `text` on the colour of `gain`.
    fn shaded(&self, text: &str, gain: f32) -> String {
        let depth = self.depth(gain);
        if !self.style.color || depth == 0.0 {
            return text.to_owned();
        }
        // From nearly white to amber above 1, to blue below it; black letters stand out on all of them.
        let [r, g, b] = if depth > 0.0 { [255.0, 170.0, 40.0] } else { [120.0, 170.0, 255.0] };
        let mix = |full: f32| (248.0 + (full - 248.0) * depth.abs()).round() as u8;
        format!("\u{1b}[38;2;0;0;0;48;2;{};{};{}m{text}\u{1b}[0m", mix(r), mix(g), mix(b))
    }

    /// `gain` where there are no colours.
    fn block(&self, gain: f32) -> char {
        let depth = self.depth(gain);
        match depth {
            d if d < 0.0 => '-',
            d if d == 0.0 || d.is_nan() => ' ',
            d if d < 0.34 => '░',
            d if d < 0.67 => '▒',
            _ => '▓',
        }
    }
}

/// How many steps a response has, and before which branches would leave it.
fn steps(Shown { inspection, pieces, .. }: &Shown) -> String {
    let Steps { steps, fci, branch_at, .. } = &inspection.steps;
    let n = steps.len();
    let mut line = format!("{n} {}", if n == 1 { "step" } else { "steps" });
    for (i, at) in branch_at.iter().enumerate() {
        // A step, or a token within one.
        let (name, end, influence) = match steps.iter().position(|step| step.0 == *at) {
            Some(k) => (format!("step {}", k + 1), steps[k].1, format!(" (FCI {:.4})", fci[k])),
            None => (format!("token {at}"), pieces.len(), String::new()),
        };
        let text = visible(&pieces[*at..end].concat());
        let cut = if text.chars().count() > STEP { "…" } else { "" };
        let start: String = text.chars().take(STEP).collect();
        let before = if i == 0 { "; branches would leave before" } else { " and" };
        let _ = write!(line, "{before} {name}, {start}{cut}{influence}");
    }
    line
}

/// One character of the response.
struct Cell {
    c: char,
    width: usize,
    token: usize,
    gain: f32,
    /// The letters of the token's roles, at its first character that takes a column.
    roles: Vec<char>,
}

#[cfg(test)]
mod tests {
    use super::super::TRAINED;
    use super::super::tests::inspection;
    use super::*;

    fn shown(pieces: [&str; 6]) -> Shown {
        Shown {
            label: "here".into(),
            prompt: "Make 6.\n".into(),
            pieces: pieces.map(String::from).to_vec(),
            sampled: None,
            inspection: inspection(),
        }
    }

    fn draw(pieces: [&str; 6], style: Style) -> String {
        let shown = shown(pieces);
        Terminal::new(style, std::slice::from_ref(&shown)).draw(&shown)
    }

    fn plain() -> Style {
        Style { color: false, columns: 40, by: "rhythm".into() }
    }

    #[test]
    fn without_colours_rows_beneath_the_text_show_gain_and_role() {
        let drawn = draw(["12", "*", "3\n", "", "=36", " no\n"], plain());
        let expected = [
            "here",
            "prompt: Make 6.⏎",
            "",
            "12*3⏎",
            "  ▓░░",
            "  AA",
            "  oD",
            "◌=36 no⏎",
            " ▒▒▒",
            " A",
            "",
            "6 tokens; anchor 3; dominated 1; opener 1; mean gain 1.250",
            "mean log-prob -0.500, entropy 0.250, WAAD 2.75, FAI 0.3000 where it is defined (5 tokens)",
            "2 steps; branches would leave before step 2, =36 no⏎ (FCI 0.2500)",
            "",
        ];
        assert_eq!(drawn, expected.join("\n"));
        let by = Style { by: "local_chunk".into(), ..plain() };
        assert!(draw(["a", "b", "c", "d", "e", "f"], by).contains("abcdef\n▓▓ ▓\njj j\n"));
    }

    #[test]
    fn what_training_gave_shades_as_well_where_it_is_known() {
        let style = Style { by: TRAINED.into(), ..plain() };
        let mut shown = shown(["a", "b", "c", "d", "e", "f"]);
        let draw = |shown: &Shown| Terminal::new(style.clone(), std::slice::from_ref(shown)).draw(shown);
        assert!(
            draw(&shown).contains("abcdef\n\n6 tokens; mean") && draw(&shown).contains("mean gain 1.000")
        );
        shown.inspection.gamma.insert(TRAINED.into(), vec![1.0, 1.0, 3.0, 2.0, 0.5, 1.0]);
        assert!(
            draw(&shown).contains("abcdef\n  ▓▒-\n\n6 tokens") && draw(&shown).contains("mean gain 1.417")
        );
        assert!(Terminal::new(style, &[shown]).legend().starts_with("gain of trained  "));
    }

    #[test]
    fn lines_end_where_the_terminal_does_and_wide_characters_count_twice() {
        let narrow = Style { columns: 4, ..plain() };
        let drawn = draw(["漢字", "12", "3", "", "", ""], narrow);
        assert!(drawn.contains("漢字\n12") && drawn.contains("\n123◌\n▓▓░\nA A\no D\n"), "{drawn}");
    }

    #[test]
    fn colours_leave_the_text_as_it_is() {
        let style = Style { color: true, ..plain() };
        let drawn = draw(["12", "*", "3\n", "\u{1b}[0m", "=36", " no\n"], style);
        let mut plain = String::new();
        let mut rest = drawn.as_str();
        while let Some((before, code)) = rest.split_once('\u{1b}') {
            plain += before;
            rest = code.split_once('m').map_or("", |(_, rest)| rest);
        }
        plain += rest;
        assert!(plain.contains("\n12*3⏎\n  AA\n  oD\n␛[0m=36 no⏎\n    A\n"), "{plain}");
        assert!(drawn.contains("48;2;255;170;40m*\u{1b}[0m"), "{drawn:?}");
    }

    #[test]
    fn the_legend_names_every_gain() {
        let shown = [shown(["", "", "", "", "", ""])];
        let legend = Terminal::new(plain(), &shown).legend();
        assert!(
            legend.starts_with(
                "gain of rhythm     1  ░ 1.25  ▒ 1.5  ▓ 1.75 \nA anchor   D dominated   o opener"
            ),
            "{legend}"
        );
    }
}
