//! What holds for several steps in a row is told once.

/// Steps in a row after which a person is told.
pub(super) const PATIENCE: u32 = 5;

/// How many steps in a row something has held, and whether that was told.
#[derive(Default)]
pub(super) struct Streak {
    steps: u32,
    is_told: bool,
}

impl Streak {
    /// Whether it is time to tell: that it `holds` for [`PATIENCE`] steps, for the first time.
    pub(super) fn is_due(&mut self, holds: bool) -> bool {
        self.steps = if holds { self.steps + 1 } else { 0 };
        let is_due = self.steps >= PATIENCE && !self.is_told;
        self.is_told |= is_due;
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_long_enough_is_told_once() {
        let mut streak = Streak::default();
        let holds = [true, true, true, true, false, true, true, true, true, true, true, false];
        let told: Vec<bool> = holds.into_iter().map(|holds| streak.is_due(holds)).collect();
        assert_eq!(told.iter().position(|told| *told), Some(9));
        assert_eq!(told.iter().filter(|told| **told).count(), 1);
        assert!(!(0..20).any(|_| streak.is_due(true)));
    }
}
