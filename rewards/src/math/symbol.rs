//! The many spellings of one symbol: LaTeX commands and Unicode characters, each brought to one character.
//!
//! Letters stay letters, Greek ones included; every other symbol of the grammar is one character of punctuation.

/// The character that the LaTeX command `\name` stands for.
pub(super) fn of_command(name: &str) -> Option<char> {
    Some(match name {
        "cdot" | "times" | "ast" | "star" => '*',
        "div" => '/',
        "pm" => '±',
        "mp" => '∓',
        "le" | "leq" | "leqslant" => '≤',
        "ge" | "geq" | "geqslant" => '≥',
        "lt" => '<',
        "gt" => '>',
        "ne" | "neq" => '≠',
        "approx" | "sim" | "simeq" | "cong" => '≈',
        "equiv" => '≡',
        "in" => '∈',
        "notin" => '∉',
        "cup" => '∪',
        "cap" => '∩',
        "setminus" | "backslash" | "smallsetminus" => '∖',
        "infty" => '∞',
        "emptyset" | "varnothing" => '∅',
        "R" | "reals" => 'ℝ',
        "lfloor" => '⌊',
        "rfloor" => '⌋',
        "lceil" => '⌈',
        "rceil" => '⌉',
        "langle" => '⟨',
        "rangle" => '⟩',
        "lbrace" => '⦃',
        "rbrace" => '⦄',
        "lbrack" => '[',
        "rbrack" => ']',
        "lvert" | "rvert" | "vert" | "mid" => '|',
        "circ" | "degree" => '°',
        "prime" => '\'',
        "colon" => ':',
        "lor" | "vee" => '∨',
        "land" | "wedge" => '∧',
        "angle" | "measuredangle" => '∠',
        "triangle" => '△',
        "odot" => '⊙',
        "oplus" => '⊕',
        "hbar" => 'ħ',
        "ell" => 'ℓ',
        "partial" => '∂',
        "nabla" => '∇',
        "therefore" => '∴',
        "Pr" => 'P',
        _ => return greek(name),
    })
}

fn greek(name: &str) -> Option<char> {
    Some(match name {
        "alpha" => 'α',
        "beta" => 'β',
        "gamma" => 'γ',
        "delta" => 'δ',
        "epsilon" | "varepsilon" => 'ε',
        "zeta" => 'ζ',
        "eta" => 'η',
        "theta" | "vartheta" => 'θ',
        "iota" => 'ι',
        "kappa" => 'κ',
        "lambda" => 'λ',
        "mu" => 'μ',
        "nu" => 'ν',
        "xi" => 'ξ',
        "pi" => 'π',
        "rho" | "varrho" => 'ρ',
        "sigma" => 'σ',
        "tau" => 'τ',
        "upsilon" => 'υ',
        "phi" | "varphi" => 'φ',
        "chi" => 'χ',
        "psi" => 'ψ',
        "omega" => 'ω',
        "Gamma" => 'Γ',
        "Delta" => 'Δ',
        "Theta" => 'Θ',
        "Lambda" => 'Λ',
        "Xi" => 'Ξ',
        "Pi" => 'Π',
        "Sigma" => 'Σ',
        "Phi" => 'Φ',
        "Psi" => 'Ψ',
        "Omega" => 'Ω',
        _ => return None,
    })
}

/// The symbol that a run of plain letters such as `pi` or `infinity` names.
pub(super) fn of_word(word: &str) -> Option<char> {
    Some(match word {
        "inf" | "oo" | "infinity" => '∞',
        "pi" | "Pi" => 'π',
        "theta" => 'θ',
        "alpha" => 'α',
        "beta" => 'β',
        "gamma" => 'γ',
        "lambda" => 'λ',
        "omega" => 'ω',
        "or" => '∨',
        "and" => '∧',
        "deg" | "degree" | "degrees" => '°',
        "union" => '∪',
        "USD" => '$',
        "EUR" => '€',
        "GBP" => '£',
        _ => return None,
    })
}

/// A character as the grammar writes it.
pub(super) fn of_char(c: char) -> char {
    match c {
        '−' | '–' | '—' | '‐' | '‑' | '－' => '-',
        '×' | '·' | '⋅' | '∙' | '•' | '∗' => '*',
        '÷' | '⁄' | '∕' => '/',
        '⩽' | '≦' => '≤',
        '⩾' | '≧' => '≥',
        '≃' | '≅' => '≈',
        '′' | '’' => '\'',
        'º' => '°',
        '％' => '%',
        '＝' => '=',
        '＋' => '+',
        '，' | '、' => ',',
        '（' => '(',
        '）' => ')',
        '：' => ':',
        'µ' => 'μ',
        'ϵ' => 'ε',
        'ϕ' => 'φ',
        'ϑ' => 'θ',
        other => other,
    }
}

/// A raised character as a plain one.
pub(super) fn raised(c: char) -> Option<char> {
    counterpart(c, "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
}

/// A lowered character as a plain one.
pub(super) fn lowered(c: char) -> Option<char> {
    counterpart(c, "₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n")
}

fn counterpart(c: char, shifted: &str, plain: &str) -> Option<char> {
    shifted.chars().zip(plain.chars()).find_map(|(shifted, plain)| (shifted == c).then_some(plain))
}

/// Numerator and denominator of a fraction that is one character.
pub(super) fn vulgar_fraction(c: char) -> Option<(char, char)> {
    Some(match c {
        '½' => ('1', '2'),
        '⅓' => ('1', '3'),
        '⅔' => ('2', '3'),
        '¼' => ('1', '4'),
        '¾' => ('3', '4'),
        '⅕' => ('1', '5'),
        '⅖' => ('2', '5'),
        '⅗' => ('3', '5'),
        '⅘' => ('4', '5'),
        '⅙' => ('1', '6'),
        '⅚' => ('5', '6'),
        '⅛' => ('1', '8'),
        '⅜' => ('3', '8'),
        '⅝' => ('5', '8'),
        '⅞' => ('7', '8'),
        _ => return None,
    })
}

/// Whether the command only changes how its argument looks, or nothing but blanks and sizes.
pub(super) fn is_decoration(name: &str) -> bool {
    matches!(
        name,
        "left"
            | "right"
            | "big"
            | "Big"
            | "bigg"
            | "Bigg"
            | "bigl"
            | "bigr"
            | "Bigl"
            | "Bigr"
            | "biggl"
            | "biggr"
            | "middle"
            | "displaystyle"
            | "textstyle"
            | "scriptstyle"
            | "quad"
            | "qquad"
            | "limits"
            | "nolimits"
            | "mathbf"
            | "mathit"
            | "mathsf"
            | "mathcal"
            | "boldsymbol"
            | "bm"
            | "bf"
            | "it"
            | "boxed"
            | "fbox"
            | "thinspace"
            | "enspace"
            | "space"
            | "hfill"
            | "ensuremath"
            | "mathord"
            | "mathopen"
            | "mathclose"
            | "bold"
            | "pmb"
            | "mathstrut"
            | "strut"
            | "nonumber"
            | "relax"
            | "rm"
            | "underline"
            | "tiny"
            | "small"
            | "normalsize"
            | "large"
            | "Large"
            | "LARGE"
            | "huge"
            | "Huge"
            | "checkmark"
            | "square"
            | "Box"
            | "blacksquare"
            | "qed"
            | "qedsymbol"
    )
}

/// Whether the argument of the command is no part of the formula: a distance, a colour, a name.
pub(super) fn is_aside(name: &str) -> bool {
    matches!(
        name,
        "hspace" | "vspace" | "phantom" | "hphantom" | "vphantom" | "color" | "textcolor" | "tag" | "label"
    )
}

/// Whether the argument of the command is words, not mathematics.
pub(super) fn is_text(name: &str) -> bool {
    matches!(
        name,
        "text"
            | "mbox"
            | "hbox"
            | "textbf"
            | "textit"
            | "textrm"
            | "textsf"
            | "texttt"
            | "textnormal"
            | "emph"
            | "mathrm"
            | "operatorname"
            | "mathtt"
    )
}

/// Whether the command puts a mark on a letter that makes it another variable.
pub(super) fn is_accent(name: &str) -> bool {
    matches!(
        name,
        "dot"
            | "ddot"
            | "hat"
            | "widehat"
            | "bar"
            | "overline"
            | "vec"
            | "overrightarrow"
            | "tilde"
            | "widetilde"
    )
}
