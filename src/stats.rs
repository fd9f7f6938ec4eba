//! Statistics of a list of numbers.

/// The mean; 0 of none.
#[must_use]
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Sum of the squared distances to the mean.
#[must_use]
pub(crate) fn squares(values: &[f64]) -> f64 {
    let centre = mean(values);
    values.iter().map(|value| (value - centre).powi(2)).sum()
}

/// Unbiased variance; 0 of fewer than two.
#[must_use]
pub(crate) fn variance(values: &[f64]) -> f64 {
    squares(values) / (values.len().max(2) - 1) as f64
}

/// Unbiased standard deviation; 0 of fewer than two.
#[must_use]
pub(crate) fn std(values: &[f64]) -> f64 {
    variance(values).sqrt()
}

/// How many values the sum of all sizes rests on, `(sum |x|)^2 / sum x^2`: all where they are as large; 0 of none.
#[must_use]
pub(crate) fn effective(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().map(|x| x.abs()).sum();
    let squares: f64 = values.iter().map(|x| x * x).sum();
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// The median, the mean of the middle two of an even number; 0 of none.
#[must_use]
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_lists_have_known_statistics() {
        assert_eq!((mean(&[1.0, 2.0, 6.0]), squares(&[1.0, 2.0, 6.0])), (3.0, 14.0));
        assert_eq!((variance(&[1.0, 2.0, 6.0]), std(&[1.0, 5.0])), (7.0, 8f64.sqrt()));
        assert_eq!((median(vec![9.0, 1.0, 2.0]), median(vec![9.0, 1.0, 2.0, 4.0])), (2.0, 3.0));
        assert_eq!(
            (effective(&[2.0, -2.0, 2.0]), effective(&[9.0, 0.0]), effective(&[0.0])),
            (3.0, 1.0, 0.0)
        );
        for none in [vec![], vec![7.0]] {
            assert_eq!((variance(&none), std(&none)), (0.0, 0.0));
        }
        assert_eq!((mean(&[]), median(vec![]), median(vec![7.0])), (0.0, 0.0, 7.0));
    }
}
