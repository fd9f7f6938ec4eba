//! The sum of squares, the same to the last bit whatever the number of threads: that of parts of a fixed size, in their order.

use super::parallel::{DisjointSlices, for_each};

/// Numbers of a part.
const PART: usize = 1 << 16;
/// Sums of a part that run side by side.
const LANES: usize = 8;

/// Sum of the squares of `numbers`, in double precision.
#[must_use]
pub(crate) fn sum_of_squares(numbers: &[f32]) -> f64 {
    let mut sums = vec![0f64; numbers.len().div_ceil(PART)];
    let each = DisjointSlices::new(&mut sums);
    for_each(numbers.len().div_ceil(PART), |i| {
        let part = &numbers[i * PART..numbers.len().min((i + 1) * PART)];
        // SAFETY: every sum is written once.
        unsafe { each.set(i, of_part(part)) };
    });
    sums.iter().sum()
}

fn of_part(part: &[f32]) -> f64 {
    let mut lanes = [0f64; LANES];
    let (whole, rest) = part.as_chunks::<LANES>();
    for numbers in whole {
        for (sum, x) in lanes.iter_mut().zip(numbers) {
            *sum += f64::from(*x) * f64::from(*x);
        }
    }
    let rest: f64 = rest.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_are_summed_alike_by_any_number_of_threads() {
        let before = tch::get_num_threads();
        for n in [0, 1, 7, 8, 9, PART, 3 * PART + 5] {
            let numbers: Vec<f32> = (0..n).map(|i| ((i * 7919) % 1013) as f32 / 1013.0 - 0.4).collect();
            let plain: f64 = numbers.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            let sums = [1, 2, 3].map(|threads| {
                tch::set_num_threads(threads);
                sum_of_squares(&numbers)
            });
            assert!(sums.iter().all(|sum| sum.to_bits() == sums[0].to_bits()), "{n}: {sums:?}");
            assert!((sums[0] - plain).abs() <= 1e-12 * plain, "{n}: {} {plain}", sums[0]);
        }
        tch::set_num_threads(before);
        assert!(sum_of_squares(&[1.0, f32::NAN]).is_nan());
        assert_eq!(sum_of_squares(&[f32::INFINITY]), f64::INFINITY);
    }
}
