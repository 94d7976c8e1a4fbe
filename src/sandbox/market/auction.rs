//! The market of one account: days in order, a delivery per live ad set, rows out.

use std::collections::BTreeMap;

use super::arm::{Arm, Delivered, Order, Weather};
use super::stream::{Purpose, mix, normal, stream};
use super::{LEVELS, LearningView, MarketParams};

/// One ad set on one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delivery {
    /// The ad set; its noise is its own, whatever else runs.
    pub key: u64,
    /// The level it optimises for, 0 to 4.
    pub level: usize,
    /// Its daily budget in major units of the currency.
    pub daily_budget: f64,
    /// Share of the day it was live, 0 to 1.
    pub fraction: f64,
    /// The daily budget the whole audience absorbs: `daily_budget / base_budget` is the ad set's share, and the dearer
    /// the more it takes. [`MarketParams::base_budget`] is the account's own.
    pub base_budget: f64,
}

impl Delivery {
    fn is_live(&self) -> bool {
        self.daily_budget > 0.0
            && self.fraction > 0.0
            && self.base_budget > 0.0
            && self.level < LEVELS
    }
}

/// Day-to-day memory of auction noise.
const MARKET_MEMORY: f64 = 0.7;
/// The stream key of what is common to all ad sets.
const COMMON: u64 = u64::MAX;

/// The audience of one account.
///
/// All ad sets in it compete for the same people; one that has nothing to do with them belongs in another market.
/// Days are numbered from day 0, before which budget and demand do not grow; they may be negative.
#[derive(Debug, Clone)]
pub struct Market {
    params: MarketParams,
    seed: u64,
    weekday_of_day_zero: i64,
    phase: f64,
    traffic: bool,
    today: Option<i64>,
    noise: f64,
    arms: BTreeMap<u64, Arm>,
}

impl Market {
    /// A market before its first day. The same parameters and seed give the same days.
    pub fn new(params: MarketParams, seed: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "53 of 64 random bits are enough")]
        let phase = (mix(seed ^ COMMON) >> 11) as f64 / (1_u64 << 53) as f64 * 7.0;
        Self {
            params,
            seed,
            weekday_of_day_zero: 0,
            phase,
            traffic: true,
            today: None,
            noise: 0.0,
            arms: BTreeMap::new(),
        }
    }

    /// Says which weekday day 0 is (0 = Sunday, the default); the weekly spending limit runs from Sunday to Saturday.
    #[must_use]
    pub fn with_weekday_of_day_zero(mut self, weekday: i8) -> Self {
        self.weekday_of_day_zero = i64::from(weekday);
        self
    }

    /// Leaves impressions and clicks at zero, for studies that read neither; nothing else changes.
    #[must_use]
    pub fn without_traffic(mut self) -> Self {
        self.traffic = false;
        self
    }

    /// The truth about this account.
    pub fn params(&self) -> &MarketParams {
        &self.params
    }

    /// The last day that was delivered.
    pub fn today(&self) -> Option<i64> {
        self.today
    }

    /// Delivers one day, a row per live ad set in the order of their keys, and a row with zero spend for each ad set
    /// that is not live but gets late purchases.
    ///
    /// Ad sets not named, or with no budget or no part of the day, are paused. Days come in order, each once: a day
    /// that was already delivered gives nothing. Skipped days are delivered with everything paused, and their late
    /// purchases come first in the answer, dated on their own days.
    pub fn deliver(&mut self, day: i64, sets: &[Delivery]) -> Vec<Delivered> {
        let mut rows = Vec::with_capacity(sets.len());
        let first = self.today.map_or(day, |today| today + 1);
        for skipped in first..day {
            self.deliver_day(skipped, &[], &mut rows);
        }
        if first <= day {
            self.deliver_day(day, sets, &mut rows);
        }
        rows
    }

    fn deliver_day(&mut self, day: i64, sets: &[Delivery], rows: &mut Vec<Delivered>) {
        let weather = self.weather(day);
        let live = || sets.iter().filter(|set| set.is_live());
        let overlapping = live().nth(1).is_some();
        for set in live() {
            self.arms
                .entry(set.key)
                .or_insert_with(|| Arm::new(set.key, set.level))
                .optimise_for(set.level);
        }
        for arm in self.arms.values_mut() {
            match live().find(|set| set.key == arm.key) {
                Some(set) => {
                    let order = Order {
                        budget: set.daily_budget,
                        fraction: set.fraction.min(1.0),
                        share: set.daily_budget / set.base_budget,
                        overlapping,
                    };
                    rows.push(arm.deliver(order, &weather, &self.params));
                }
                None => rows.extend(arm.rest(&weather, &self.params)),
            }
        }
    }

    /// Moves the common noise on to `day` and adds the weekly swing.
    fn weather(&mut self, day: i64) -> Weather {
        let sd = self.params.sd_market;
        let step = sd * normal(&mut stream(self.seed, COMMON, day, Purpose::Market));
        self.noise = match self.today {
            None => step,
            Some(_) => {
                MARKET_MEMORY * self.noise + (1.0 - MARKET_MEMORY * MARKET_MEMORY).sqrt() * step
            }
        };
        self.today = Some(day);
        #[expect(clippy::cast_precision_loss, reason = "days of a simulation, far below 2^52")]
        let turn = std::f64::consts::TAU * (day as f64 + self.phase) / 7.0;
        let swing = 1.0 + self.params.weekday * libm::sin(turn);
        Weather {
            seed: self.seed,
            day,
            week: (day + self.weekday_of_day_zero).div_euclid(7),
            market: libm::exp(self.noise - 0.5 * sd * sd) * swing,
            traffic: self.traffic,
        }
    }

    /// Delivers `days` days of one purchase-optimised ad set at the account's own budget, ending the day before
    /// `until`: the past a newcomer finds.
    pub fn history(&mut self, key: u64, until: i64, days: i64) -> Vec<Delivered> {
        (until - days..until)
            .flat_map(|day| {
                let budget = self.params.base_budget(day);
                let set = Delivery {
                    key,
                    level: super::PURCHASE,
                    daily_budget: budget,
                    fraction: 1.0,
                    base_budget: budget,
                };
                self.deliver(day, &[set])
            })
            .collect()
    }

    /// The learning phase of an ad set at the end of the last day; idle for one that does not deliver.
    pub fn learning(&self, key: u64) -> LearningView {
        let learning = self.arms.get(&key).and_then(Arm::learning);
        match (learning, self.today) {
            (Some(learning), Some(today)) => learning.view(today),
            _ => LearningView::default(),
        }
    }

    /// The cost per purchase an ad set settles at, alone, on `share` of `weekly_budget`, with `day`'s demand: what an
    /// oracle knows.
    pub fn true_cpa(&self, level: usize, weekly_budget: f64, share: f64, day: i64) -> f64 {
        self.params.steady(level, weekly_budget, share, day).cpa
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::market::{
        ADD_TO_CART, INITIATE_CHECKOUT, LAG, LearningStage, PURCHASE, VIEW_CONTENT,
    };

    fn set(key: u64, level: usize, budget: f64) -> Delivery {
        Delivery { key, level, daily_budget: budget, fraction: 1.0, base_budget: 100.0 }
    }

    /// The demonstration account without growth, weekdays or noise other than counting.
    fn calm() -> MarketParams {
        MarketParams {
            demand_growth: 0.0,
            sd_market: 0.0,
            sd_arm: 0.0,
            weekday: 0.0,
            phi: 1.0,
            ..MarketParams::stuck_at_purchase()
        }
    }

    #[test]
    fn events_come_at_the_rates_of_the_funnel() {
        let mut market = Market::new(MarketParams { q: [60.0, 30.0, 6.0, 2.0, 1.0], ..calm() }, 1);
        let rows: Vec<_> =
            (0..400).flat_map(|day| market.deliver(day, &[set(1, PURCHASE, 100.0)])).collect();
        let total = |level: usize| rows.iter().map(|r| f64::from(r.events[level])).sum::<f64>();
        for (level, expected) in [(0, 60.0), (1, 30.0), (2, 6.0), (3, 2.0)] {
            let ratio = total(level) / total(PURCHASE);
            assert!((ratio / expected - 1.0).abs() < 0.08, "level {level}: {ratio}");
        }
        let expected: f64 = rows.iter().map(|r| r.expected_purchases).sum();
        assert!((total(PURCHASE) / expected - 1.0).abs() < 0.08);
        for row in &rows {
            assert!(row.impressions > row.link_clicks && row.link_clicks >= row.events[0]);
            assert!(row.events[..PURCHASE].is_sorted_by(|low, high| low >= high));
            assert_eq!(row.click_age_purchases.iter().sum::<u32>(), row.events[PURCHASE]);
            assert!(row.one_day_click() <= row.seven_day_click());
        }
    }

    #[test]
    fn optimising_for_a_lower_event_brings_more_of_it_than_the_funnel_explains() {
        let mut market = Market::new(calm(), 3);
        let (mut carts, mut bought) = (0.0, 0.0);
        for day in 0..300 {
            for row in market.deliver(day, &[set(1, ADD_TO_CART, 100.0)]) {
                carts += f64::from(row.events[ADD_TO_CART]);
                bought += row.expected_purchases;
            }
        }
        let boost = carts / bought / calm().q[ADD_TO_CART];
        let full = libm::exp(0.8 * (1.0 - calm().s[ADD_TO_CART]));
        assert!(boost > 1.08 && boost < full, "{boost} of at most {full}");
    }

    #[test]
    fn late_purchases_of_a_paused_set_arrive_in_full_and_within_seven_days() {
        let params = MarketParams { k: 0.0, c0: 0.02, ..calm() };
        let mut market = Market::new(params, 5);
        let mut by_age = [0_u32; LAG.len()];
        let first = market.deliver(0, &[set(9, PURCHASE, 100.0)]);
        by_age[0] = first[0].events[PURCHASE];
        for day in 1..=7 {
            let rows = market.deliver(day, &[]);
            let [row] = rows.as_slice() else { panic!("day {day}: {rows:?}") };
            assert_eq!((row.key, row.day, row.impressions), (9, day, 0));
            assert!(row.spend == 0.0 && row.value > 0.0);
            by_age[usize::try_from(day).unwrap()] = row.events[PURCHASE];
        }
        assert_eq!(market.deliver(8, &[]), []);
        let all: f64 = by_age.iter().copied().map(f64::from).sum();
        assert!((all / first[0].expected_purchases - 1.0).abs() < 0.06, "{all}");
        for (age, share) in LAG.iter().enumerate() {
            assert!((f64::from(by_age[age]) / all - share).abs() < 0.02, "age {age}: {by_age:?}");
        }
    }

    #[test]
    fn skipped_days_lose_no_purchase() {
        let params = MarketParams { c0: 0.5, ..calm() };
        let (mut daily, mut weekly) = (Market::new(params.clone(), 5), Market::new(params, 5));
        let first = daily.deliver(0, &[set(9, PURCHASE, 100.0)]);
        assert_eq!(first, weekly.deliver(0, &[set(9, PURCHASE, 100.0)]));
        let one_by_one: Vec<_> = (1..=9).flat_map(|day| daily.deliver(day, &[])).collect();
        assert_eq!(one_by_one, weekly.deliver(9, &[]));
        assert_eq!(weekly.deliver(9, &[set(9, PURCHASE, 100.0)]), [], "a day delivers once");
    }

    #[test]
    fn a_new_ad_set_pays_a_learning_premium_that_shrinks() {
        let mut market = Market::new(calm(), 8);
        let mut cost = |from: i64, to: i64| {
            let rows: Vec<_> = (from..to)
                .flat_map(|day| market.deliver(day, &[set(1, INITIATE_CHECKOUT, 100.0)]))
                .collect();
            rows.iter().map(|r| r.spend).sum::<f64>()
                / rows.iter().map(|r| r.expected_purchases).sum::<f64>()
        };
        let (first, second, later) = (cost(0, 3), cost(3, 14), cost(14, 60));
        assert!(first > 1.2 * second && second > later, "{first} {second} {later}");
        let steady = market.true_cpa(INITIATE_CHECKOUT, 700.0, 1.0, 0);
        assert!((later / steady - 1.0).abs() < 0.03, "{later} against {steady}");
    }

    #[test]
    fn a_pause_or_a_big_edit_costs_learning_and_a_small_edit_does_not() {
        let after = |edit: &dyn Fn(i64) -> f64| {
            let mut market = Market::new(calm(), 8);
            let mut last = 0.0;
            for day in 0..30 {
                for row in market.deliver(day, &[set(1, VIEW_CONTENT, edit(day))]) {
                    if row.spend > 0.0 {
                        last = row.spend / row.expected_purchases;
                    }
                }
            }
            last
        };
        let untouched = after(&|_| 100.0);
        let paused = after(&|day| if day == 28 { 0.0 } else { 100.0 });
        let raised = after(&|day| if day == 29 { 130.0 } else { 100.0 });
        let nudged = after(&|day| if day == 29 { 101.0 } else { 100.0 });
        assert!(paused > raised && raised > 1.005 * nudged, "{paused} {raised} {nudged}");
        assert!((nudged / untouched - 1.0).abs() < 0.002, "{nudged} {untouched}");
    }

    #[test]
    fn the_same_seed_gives_the_same_days_and_another_seed_other_days() {
        let run = |seed| {
            let mut market = Market::new(MarketParams::stuck_at_purchase(), seed);
            (0..30).flat_map(|d| market.deliver(d, &[set(1, 4, 100.0)])).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn an_ad_set_does_not_feel_another_one_but_for_overlap() {
        let params = MarketParams { overlap: 0.0, ..MarketParams::stuck_at_purchase() };
        let run = |others: &[Delivery]| {
            let mut market = Market::new(params.clone(), 4);
            let sets = [&[set(1, PURCHASE, 100.0)], others].concat();
            (0..20)
                .flat_map(|day| market.deliver(day, &sets))
                .filter(|row| row.key == 1)
                .collect::<Vec<_>>()
        };
        assert_eq!(run(&[]), run(&[set(2, ADD_TO_CART, 50.0)]));

        let crowded = MarketParams { overlap: 0.1, ..params.clone() };
        let expected = |sets: &[Delivery]| {
            Market::new(crowded.clone(), 4).deliver(0, sets)[0].expected_purchases
        };
        let alone = expected(&[set(1, PURCHASE, 100.0)]);
        let both = expected(&[set(1, PURCHASE, 100.0), set(2, ADD_TO_CART, 50.0)]);
        assert!((alone / both - 1.1).abs() < 1e-9);
    }

    #[test]
    fn a_week_from_sunday_to_saturday_spends_at_most_seven_budgets() {
        // Day 0 is a Wednesday, so day 4 is the first Sunday.
        let mut market =
            Market::new(MarketParams::stuck_at_purchase(), 6).with_weekday_of_day_zero(3);
        let spends: Vec<f64> =
            (0..704).map(|day| market.deliver(day, &[set(1, PURCHASE, 50.0)])[0].spend).collect();
        assert!(spends.iter().all(|&spend| spend <= 1.75 * 50.0));
        let weeks: Vec<f64> = spends[4..].chunks(7).map(|week| week.iter().sum()).collect();
        assert!(weeks.iter().all(|&week| week <= 350.0 + 1e-9));
        assert!(weeks.iter().any(|&week| week > 349.99), "the limit binds in some week");
        let shifted: Vec<f64> = spends[2..].chunks(7).map(|week| week.iter().sum()).collect();
        assert!(shifted.iter().any(|&week| week > 350.0), "and only in calendar weeks");
    }

    #[test]
    fn half_a_day_spends_about_half_a_budget_and_nothing_without_a_budget() {
        let mut market = Market::new(calm(), 6);
        let half = Delivery { fraction: 0.5, ..set(1, PURCHASE, 100.0) };
        let mean = (0..60).map(|day| market.deliver(day, &[half])[0].spend).sum::<f64>() / 60.0;
        assert!((46.0..54.0).contains(&mean), "{mean}");
        assert!(Market::new(calm(), 6).deliver(0, &[set(1, PURCHASE, 0.0)]).is_empty());
    }

    #[test]
    fn the_same_money_buys_more_when_demand_grows() {
        let params = MarketParams { demand_growth: 2.0, ..calm() };
        let mut market = Market::new(params, 6);
        let mut week = |from: i64| -> f64 {
            (from..from + 28)
                .flat_map(|day| market.deliver(day, &[set(1, PURCHASE, 100.0)]))
                .map(|row| row.expected_purchases)
                .sum()
        };
        let (early, late) = (week(-28), week(182));
        assert!(late > 3.0 * early, "threefold demand and what it teaches: {early} {late}");
    }

    #[test]
    fn the_learning_phase_shows_from_outside() {
        let mut market = Market::new(MarketParams::stuck_at_purchase(), 2);
        assert_eq!(market.learning(1).status, LearningStage::Idle);
        market.history(1, 0, 28);
        let view = market.learning(1);
        assert_eq!(view.status, LearningStage::Limited);
        assert!((4..30).contains(&view.optimised_events_7d), "{view:?}");
        for day in 0..14 {
            market.deliver(day, &[set(2, ADD_TO_CART, 86.0)]);
        }
        assert_eq!(market.learning(2).status, LearningStage::Success);
        assert_eq!(market.learning(2).last_edit_day, Some(0));
        assert_eq!(market.learning(1).status, LearningStage::Idle, "paused since day 0");
    }
}
