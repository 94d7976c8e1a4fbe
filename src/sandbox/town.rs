//! The seeded market as the audience of a rehearsal: one market per line of ad sets.
//!
//! Ad sets that descend from one another court the same people and overlap; unrelated ones do not. Each line draws its
//! market from the town's seed and its own number of arrival, so that a scenario is the same however it is played.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{
    audience::{Audience, Delivered, Delivery, LearningStage, LearningView},
    market::{self, Market, MarketParams, PURCHASE},
    num,
};
use crate::domain::Day;

/// How a town's lines differ.
#[derive(Debug, Clone, PartialEq)]
pub struct TownPlan {
    /// What every line starts from.
    pub base: MarketParams,
    /// How strongly lines of different seeds differ: standard deviation on the log scale of the learning strength and
    /// on the logit scale of how well the events stand for a purchase.
    pub spread: f64,
    /// Day 0 of demand growth.
    pub opening: Day,
}

/// Every line of ad sets with its market.
#[derive(Debug, Clone)]
pub struct Town {
    seed: u64,
    plan: TownPlan,
    lines: BTreeMap<u64, Market>,
    line_of: BTreeMap<u64, u64>,
}

impl Town {
    /// An empty town; lines arrive as their ad sets first deliver.
    pub fn new(seed: u64, plan: TownPlan) -> Self {
        Self { seed, plan, lines: BTreeMap::new(), line_of: BTreeMap::new() }
    }

    fn draw(&self, arrival: u64) -> Market {
        let mut rng = Pcg64Mcg::seed_from_u64(num::mix(&[self.seed, 0x70_77_6e, arrival]));
        // The sum of twelve uniforms less six is close to a standard normal, and needs no tables.
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let mut params = self.plan.base.clone();
        params.k *= libm::exp(0.5 * self.plan.spread * normal());
        let taste = self.plan.spread * normal();
        for level in 0..PURCHASE {
            let own = 0.5 * self.plan.spread * normal();
            let odds = libm::log(params.s[level] / (1.0 - params.s[level])) + taste + own;
            params.s[level] = 1.0 / (1.0 + libm::exp(-odds));
        }
        for level in (0..PURCHASE).rev() {
            params.s[level] = params.s[level].min(params.s[level + 1]);
        }
        params.demand_growth *= libm::exp(0.5 * self.plan.spread * normal());
        let weekday = self.plan.opening.weekday_from_sunday();
        Market::new(params, num::mix(&[self.seed, arrival])).with_weekday_of_day_zero(weekday)
    }

    fn since_opening(&self, day: i64) -> i64 {
        day - self.plan.opening.epoch_days()
    }

    fn market(&mut self, lineage: u64) -> &mut Market {
        if !self.lines.contains_key(&lineage) {
            let arrival = u64::try_from(self.lines.len()).unwrap_or(0);
            let market = self.draw(arrival);
            self.lines.insert(lineage, market);
        }
        self.lines.get_mut(&lineage).expect("it was just put there")
    }
}

impl Audience for Town {
    fn deliver(&mut self, day: i64, sets: &[Delivery]) -> Vec<Delivered> {
        let day = self.since_opening(day);
        for set in sets {
            self.line_of.insert(set.key, set.lineage);
            self.market(set.lineage);
        }
        let mut out = Vec::new();
        for (lineage, market) in &mut self.lines {
            let own: Vec<market::Delivery> = sets
                .iter()
                .filter(|s| s.lineage == *lineage)
                .map(|s| market::Delivery {
                    key: s.key,
                    level: s.level,
                    daily_budget: s.daily_budget,
                    fraction: s.fraction,
                    base_budget: s.base_budget,
                })
                .collect();
            out.extend(market.deliver(day, &own).into_iter().map(|d| Delivered {
                key: d.key,
                // Coins are rounded down, so that seven days never sum to more than seven budgets.
                spend: d.spend,
                impressions: u64::from(d.impressions),
                link_clicks: u64::from(d.link_clicks),
                events: d.events,
                purchases_1d_click: d.one_day_click(),
                purchases_7d_click: d.seven_day_click(),
                value: d.value,
                expected_purchases: d.expected_purchases,
            }));
        }
        out
    }

    fn learning(&self, key: u64) -> LearningView {
        let market = self.line_of.get(&key).and_then(|line| self.lines.get(line));
        let Some(view) = market.map(|m| m.learning(key)) else { return LearningView::default() };
        let stage = match view.status {
            market::LearningStage::Idle | market::LearningStage::Learning => {
                LearningStage::Learning
            }
            market::LearningStage::Success => LearningStage::Success,
            market::LearningStage::Limited => LearningStage::Fail,
        };
        LearningView { optimised_events_7d: view.optimised_events_7d, stage }
    }

    /// The market sees budget changes and pauses by itself; other edits do not change what it has learned.
    fn significant_edit(&mut self, _key: u64, _day: i64) {}

    fn true_cpa(&self, key: u64, level: usize, daily_budget: f64) -> Option<f64> {
        let market = self.line_of.get(&key).and_then(|line| self.lines.get(line))?;
        Some(market.true_cpa(level, 7.0 * daily_budget, 1.0, market.today().unwrap_or(0)))
    }

    fn fork(&self) -> Box<dyn Audience> {
        Box::new(self.clone())
    }
}
