//! Sleep and jumps of the clock: the wall clock is held against one that only counts what was lived through.

use crate::domain::Moment;

/// A difference between the clocks that counts as a jump, in milliseconds.
pub const JUMP_MS: i64 = 90_000;

/// The pair of clocks as last seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Jumps {
    last: Option<(Moment, i64)>,
}

impl Jumps {
    /// Tells by how many milliseconds the wall clock moved more (or less) than `lived_ms` did since the last look, when
    /// that is a jump: the machine slept, or somebody set its clock.
    pub fn look(&mut self, wall: Moment, lived_ms: i64) -> Option<i64> {
        let before = self.last.replace((wall, lived_ms));
        let (wall_before, lived_before) = before?;
        let off = wall.since(wall_before).saturating_sub(lived_ms.saturating_sub(lived_before));
        (off.saturating_abs() > JUMP_MS).then_some(off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_and_a_set_clock_are_told_apart_from_time_that_was_lived() {
        let mut jumps = Jumps::default();
        let at = Moment::from_millis;
        assert_eq!(jumps.look(at(0), 0), None);
        assert_eq!(jumps.look(at(10_000), 10_000), None);
        assert_eq!(jumps.look(at(10_000 + JUMP_MS), 10_000), None, "exactly the bound is none");
        // Eight hours of sleep.
        assert_eq!(jumps.look(at(28_800_000 + 100_000), 20_000), Some(28_790_000));
        assert_eq!(jumps.look(at(28_800_000 + 101_000), 21_000), None, "told once");
        // A day back.
        assert_eq!(jumps.look(at(-57_499_000), 21_000), Some(-86_400_000));
    }
}
