//! Decimal numbers by their digits.

use anyhow::{Result, ensure};

/// `digits` times ten to the power of `exponent`; equal numbers have equal fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Without zeros at either end; none for 0.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Most digits of a number.
    pub(super) const MAX_DIGITS: usize = 10_000;

    /// The number that `text` writes, as JSON does: `-12.5e3`. `None` where it is none.
    #[must_use]
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, power(exponent)?),
            None => (text, 0),
        };
        let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let (whole, behind) = match unsigned.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (unsigned, ""),
        };
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let leads_with_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leads_with_zero || !is_number(whole) || !is_number(behind) {
            return None;
        }
        let exponent = exponent.saturating_sub(i64::try_from(behind.len()).ok()?);
        Some(Self::new(unsigned.len() < mantissa.len(), &[whole, behind].concat(), exponent))
    }

    /// `digits` times ten to the power of `exponent`.
    #[must_use]
    pub(super) fn new(is_negative: bool, digits: &str, exponent: i64) -> Self {
        let digits = digits.trim_start_matches('0');
        let shorter = digits.trim_end_matches('0');
        if shorter.is_empty() {
            return Self { is_negative: false, digits: String::new(), exponent: 0 };
        }
        let exponent = exponent.saturating_add((digits.len() - shorter.len()) as i64);
        Self { is_negative, digits: shorter.to_owned(), exponent }
    }

    /// Written out without an exponent.
    ///
    /// # Errors
    /// If that takes more than [`Decimal::MAX_DIGITS`].
    pub(super) fn plain(&self) -> Result<String> {
        let Self { is_negative, digits, exponent } = self;
        let (places, n) = (usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX), digits.len());
        let size = if *exponent >= 0 { n.saturating_add(places) } else { n.max(places) };
        ensure!(
            size <= Self::MAX_DIGITS,
            "a number of {size} digits, more than the {} that are read; write it as a text",
            Self::MAX_DIGITS
        );
        let sign = if *is_negative { "-" } else { "" };
        Ok(match (*exponent >= 0, n.checked_sub(places)) {
            (true, _) if n == 0 => "0".to_owned(),
            (true, _) => format!("{sign}{digits}{}", "0".repeat(places)),
            (false, Some(whole)) if whole > 0 => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
            (false, _) => format!("{sign}0.{digits:0>places$}"),
        })
    }
}

/// The power of ten that stands behind an `e`; beyond 64 bits the outermost.
fn power(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let size = is_number.then(|| digits.parse().unwrap_or(i64::MAX))?;
    Some(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn numbers_are_written_out() {
        for (text, expected) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("12.500", "12.5"),
            ("-1.25e1", "-12.5"),
            ("1.25E+4", "12500"),
            ("25e-4", "0.0025"),
            ("125e-3", "0.125"),
            ("1200", "1200"),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().plain().unwrap(), expected, "{text}");
        }
        assert_eq!(Decimal::parse("1.50e2"), Decimal::parse("150"));
        assert!(Decimal::parse("1e99999999999999999999").unwrap().plain().is_err());
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", "1.", ".5", "01", "1e", "1e+", "1.2.3", "--1", "1-2", "1e5.5", "NaN", "inf"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
