//! Memory that a thread works in and keeps: asked for anew in every job, threads would wait for each other at the allocator.

use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with `n` numbers, which hold whatever was left in them.
pub(super) fn with_scratch<R>(n: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with(|own| {
        // Taken out meanwhile, so that `work` may ask for more.
        let mut numbers = own.take();
        if numbers.len() < n {
            numbers.resize(n, 0.0);
        }
        let result = work(&mut numbers[..n]);
        own.replace(numbers);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_within_work_has_memory_of_its_own() {
        let sum = with_scratch(3, |outer| {
            outer.fill(1.0);
            let inner = with_scratch(5, |inner| {
                inner.fill(2.0);
                inner.iter().sum::<f32>()
            });
            outer.iter().sum::<f32>() + inner
        });
        assert_eq!(sum, 13.0);
        assert_eq!(with_scratch(2, |numbers| numbers.len()), 2);
    }
}
