//! What a delivery system remembers of an ad set, and what of it can be seen from outside.

/// Where an ad set stands in its learning phase, as `learning_stage_info` would tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LearningStage {
    /// It does not deliver, so it has no stage.
    #[default]
    Idle,
    /// Fewer than 50 optimised events since the last significant edit, and a week has not passed yet (`LEARNING`).
    Learning,
    /// 50 optimised events were reached within seven days (`SUCCESS`).
    Success,
    /// A week has passed and 50 in seven days are out of reach: "learning limited" (`FAIL`).
    Limited,
}

/// The learning phase of one ad set as its owner can see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LearningView {
    /// Optimised events reported for the last seven days, today included.
    pub optimised_events_7d: u32,
    /// The stage.
    pub status: LearningStage,
    /// Optimised events reported since the last significant edit (`conversions`).
    pub events_since_edit: u32,
    /// Day of the last significant edit: the first delivery, a return from a pause, a budget change above 20 %.
    pub last_edit_day: Option<i64>,
}

/// Budget changes above this share of the old budget are significant edits.
const SIGNIFICANT_CHANGE: f64 = 0.20;
/// Optimised events within a week that end the learning phase.
const EVENTS_TO_LEAVE: u32 = 50;

/// The learning state of one ad set while it delivers.
#[derive(Debug, Clone)]
pub(super) struct Learning {
    /// Own optimised events by day of click, oldest first, discounted by edits.
    memory: [f64; 7],
    /// Own optimised events by day of report, oldest first.
    reported: [u32; 7],
    budget: f64,
    edited: i64,
    since_edit: u32,
    left: bool,
}

impl Learning {
    /// Starts, or starts anew after a pause: nothing is remembered.
    pub(super) fn begin(day: i64, budget: f64) -> Self {
        Self { memory: [0.0; 7], reported: [0; 7], budget, edited: day, since_edit: 0, left: false }
    }

    /// Takes note of today's budget; a significant change halves what was learned.
    pub(super) fn set_budget(&mut self, day: i64, budget: f64) {
        if (budget / self.budget - 1.0).abs() > SIGNIFICANT_CHANGE {
            for events in &mut self.memory {
                *events *= 0.5;
            }
            self.edited = day;
            self.since_edit = 0;
            self.left = false;
        }
        self.budget = budget;
    }

    /// The volume the delivery learns from: optimised events of the last seven days.
    pub(super) fn volume(&self) -> f64 {
        self.memory.iter().sum()
    }

    /// Ends a day on which `clicked` optimised events came of the day's clicks and `reported` were dated today.
    pub(super) fn close_day(&mut self, clicked: u32, reported: u32) {
        self.memory.rotate_left(1);
        self.memory[6] = f64::from(clicked);
        self.reported.rotate_left(1);
        self.reported[6] = reported;
        self.since_edit = self.since_edit.saturating_add(reported);
        self.left |= self.since_edit >= EVENTS_TO_LEAVE && self.week() >= EVENTS_TO_LEAVE;
    }

    fn week(&self) -> u32 {
        self.reported.iter().sum()
    }

    /// What shows from outside at the end of `day`.
    pub(super) fn view(&self, day: i64) -> LearningView {
        let status = if self.left {
            LearningStage::Success
        } else if day - self.edited >= 7 {
            LearningStage::Limited
        } else {
            LearningStage::Learning
        };
        LearningView {
            optimised_events_7d: self.week(),
            status,
            events_since_edit: self.since_edit,
            last_edit_day: Some(self.edited),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_events_in_a_week_end_the_learning_phase_and_a_big_edit_starts_it_again() {
        let mut learning = Learning::begin(0, 100.0);
        for _ in 0..5 {
            learning.close_day(10, 10);
        }
        assert_eq!(learning.view(4).status, LearningStage::Success);
        learning.set_budget(5, 119.0);
        assert_eq!(learning.view(5).status, LearningStage::Success);
        assert!((learning.volume() - 50.0).abs() < 1e-9);
        learning.set_budget(6, 150.0);
        assert_eq!(learning.view(6).status, LearningStage::Learning);
        assert!((learning.volume() - 25.0).abs() < 1e-9);
    }

    #[test]
    fn a_week_without_fifty_events_is_learning_limited() {
        let mut learning = Learning::begin(0, 100.0);
        for day in 0..10 {
            learning.close_day(2, 2);
            let expected = if day < 7 { LearningStage::Learning } else { LearningStage::Limited };
            assert_eq!(learning.view(day).status, expected, "day {day}");
        }
        assert_eq!(learning.view(9).optimised_events_7d, 14);
        assert_eq!(learning.view(9).events_since_edit, 20);
    }
}
