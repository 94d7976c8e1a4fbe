//! The people behind the ads: what the world asks of its market, and a plain deterministic stand-in.

use std::collections::BTreeMap;

use super::num;

/// What one ad set may spend on one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delivery {
    /// The ad set.
    pub key: u64,
    /// The first ad set of its line of copies; those of one line court the same people.
    pub lineage: u64,
    /// The funnel level it optimises for: 0 landing page view … 4 macro-conversion.
    pub level: usize,
    /// Its budget for a whole day, in major units.
    pub daily_budget: f64,
    /// The part of the day it was live, 0 … 1.
    pub fraction: f64,
    /// The budget at which its costs are normal, in major units; more than that buys dearer.
    pub base_budget: f64,
}

/// What one ad set got on one day; conversions are dated by the day they happen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Delivered {
    /// The ad set; may be one that was not live, for late conversions.
    pub key: u64,
    /// Spend in major units.
    pub spend: f64,
    /// Impressions.
    pub impressions: u64,
    /// Link clicks.
    pub link_clicks: u64,
    /// Events by funnel level, all attributed ones (7-day click or 1-day view).
    pub events: [u32; 5],
    /// Macro-conversions within one day of a click.
    pub purchases_1d_click: u32,
    /// Macro-conversions within seven days of a click.
    pub purchases_7d_click: u32,
    /// Value of the macro-conversions in major units.
    pub value: f64,
    /// The number of macro-conversions the truth expects for this spend.
    pub expected_purchases: f64,
}

/// Where an ad set stands in its learning phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LearningView {
    /// Optimised events of the last seven days.
    pub optimised_events_7d: u32,
    /// The stage.
    pub stage: LearningStage,
}

/// `learning_stage_info.status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LearningStage {
    /// Learning.
    #[default]
    Learning,
    /// Left learning.
    Success,
    /// Learning limited.
    Fail,
}

impl LearningStage {
    /// Meta's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Learning => "LEARNING",
            Self::Success => "SUCCESS",
            Self::Fail => "FAIL",
        }
    }
}

/// A market. The world calls `deliver` once per day of the account, in order, with every ad set that was live.
pub trait Audience: Send {
    /// The day's outcome; also rows for sets no longer live, while late conversions arrive.
    fn deliver(&mut self, day: i64, sets: &[Delivery]) -> Vec<Delivered>;
    /// The learning phase of an ad set.
    fn learning(&self, key: u64) -> LearningView;
    /// A significant edit: learning starts again.
    fn significant_edit(&mut self, key: u64, day: i64);
    /// The true cost per macro-conversion of an ad set at a level and daily budget, if the market knows one.
    fn true_cpa(&self, key: u64, level: usize, daily_budget: f64) -> Option<f64>;
    /// The same market, to go on by itself.
    fn fork(&self) -> Box<dyn Audience>;
}

/// A market without chance: fixed rates, a learning penalty, late purchases. For tests of the dialect.
#[derive(Debug, Clone)]
pub struct SteadyAudience {
    seed: u64,
    sets: BTreeMap<u64, Memory>,
}

#[derive(Debug, Clone, Default)]
struct Memory {
    carry: [f64; 5],
    pending: f64,
    recent: Vec<(i64, u32)>,
    learned: bool,
    days: u32,
}

const COST_PER_CLICK: f64 = 0.62;
const CLICK_RATE: f64 = 0.013;
/// Events per link click at each level.
const RATES: [f64; 5] = [0.82, 0.48, 0.125, 0.062, 0.026];
const ORDER_VALUE: f64 = 68.0;

impl SteadyAudience {
    /// A market whose daily wobble is drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, sets: BTreeMap::new() }
    }
    fn late(&mut self, key: u64) -> Option<Delivered> {
        let memory = self.sets.get_mut(&key)?;
        let purchases = num::count(memory.pending + 0.5);
        memory.pending = 0.0;
        let mut events = [0; 5];
        events[4] = purchases;
        let value = f64::from(purchases) * ORDER_VALUE;
        (purchases > 0).then_some(Delivered {
            key,
            events,
            purchases_7d_click: purchases,
            value,
            ..Delivered::default()
        })
    }
}

impl Audience for SteadyAudience {
    fn deliver(&mut self, day: i64, sets: &[Delivery]) -> Vec<Delivered> {
        let mut out = Vec::new();
        for set in sets {
            let wobble = [self.seed, set.key, day.unsigned_abs()];
            let memory = self.sets.entry(set.key).or_default();
            let spend = set.daily_budget * set.fraction * (0.9 + 0.16 * num::unit(&wobble));
            let dear = (set.daily_budget / set.base_budget.max(0.01)).max(0.2).powf(0.15);
            let clicks = spend / (COST_PER_CLICK * dear);
            let quality = if memory.learned { 1.0 } else { 0.8 };
            let mut row = Delivered { key: set.key, spend, ..Delivered::default() };
            row.link_clicks = u64::from(num::count(clicks));
            row.impressions = u64::from(num::count(clicks / CLICK_RATE));
            for (level, rate) in RATES.iter().enumerate() {
                let sharp = if level <= set.level { 1.0 } else { 0.9 };
                let expected = clicks * rate * quality * sharp;
                let held = if level == 4 { expected * 0.12 } else { 0.0 };
                memory.carry[level] += expected - held;
                if level == 4 {
                    memory.carry[4] += memory.pending;
                    memory.pending = held;
                    row.expected_purchases = expected;
                }
                let whole = num::count(memory.carry[level]);
                memory.carry[level] -= f64::from(whole);
                row.events[level] = whole;
            }
            row.purchases_1d_click = row.events[4] * 7 / 10;
            row.purchases_7d_click = row.events[4] - row.events[4] / 12;
            row.value = f64::from(row.events[4]) * ORDER_VALUE;
            memory.recent.push((day, row.events[set.level.min(4)]));
            memory.recent.retain(|(d, _)| *d > day - 7);
            memory.days += 1;
            memory.learned |= memory.recent.iter().map(|(_, n)| *n).sum::<u32>() >= 50;
            out.push(row);
        }
        let idle: Vec<u64> =
            self.sets.keys().copied().filter(|k| sets.iter().all(|s| s.key != *k)).collect();
        out.extend(idle.into_iter().filter_map(|key| self.late(key)));
        out
    }
    fn learning(&self, key: u64) -> LearningView {
        let Some(memory) = self.sets.get(&key) else { return LearningView::default() };
        let optimised_events_7d = memory.recent.iter().map(|(_, n)| *n).sum();
        let stage = match (memory.learned, memory.days) {
            (true, _) => LearningStage::Success,
            (false, days) if days >= 7 => LearningStage::Fail,
            (false, _) => LearningStage::Learning,
        };
        LearningView { optimised_events_7d, stage }
    }
    fn significant_edit(&mut self, key: u64, _day: i64) {
        if let Some(memory) = self.sets.get_mut(&key) {
            *memory = Memory { pending: memory.pending, ..Memory::default() };
        }
    }
    fn true_cpa(&self, _key: u64, level: usize, _daily_budget: f64) -> Option<f64> {
        let sharp = if level >= 4 { 1.0 } else { 0.9 };
        Some(COST_PER_CLICK / (RATES[4] * sharp))
    }
    fn fork(&self) -> Box<dyn Audience> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(fraction: f64) -> Delivery {
        Delivery { key: 1, lineage: 1, level: 4, daily_budget: 100.0, fraction, base_budget: 100.0 }
    }

    #[test]
    fn the_same_seed_gives_the_same_days() {
        let run = |seed| {
            let mut audience = SteadyAudience::new(seed);
            (0..20).map(|d| audience.deliver(d, &[set(1.0)])).collect::<Vec<_>>()
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }

    #[test]
    fn a_paused_set_can_still_gain_purchases() {
        let mut audience = SteadyAudience::new(1);
        for day in 0..5 {
            audience.deliver(day, &[Delivery { daily_budget: 900.0, ..set(1.0) }]);
        }
        let late = audience.deliver(5, &[]);
        assert!(late[0].events[4] > 0 && late[0].spend == 0.0);
    }
}
