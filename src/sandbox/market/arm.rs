//! One ad set inside the market: what it remembers, what is still on its way, and what a day brings it.

use super::learning::Learning;
use super::stream::{Purpose, gamma, lag, normal, overdispersed, poisson, stream};
use super::{LAG, LEVELS, MarketParams, PURCHASE};

/// What one ad set got out of one day. Rows do not change after the day.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    /// The ad set.
    pub key: u64,
    /// The day.
    pub day: i64,
    /// The level it optimises for.
    pub level: usize,
    /// Money spent, in major units of the currency, not rounded to its smallest coin.
    pub spend: f64,
    /// Impressions.
    pub impressions: u32,
    /// Link clicks.
    pub link_clicks: u32,
    /// Events by level, dated on this day. Purchases are dated by conversion, so some come of earlier clicks; the
    /// levels below happen on the day of the click.
    pub events: [u32; LEVELS],
    /// The purchases of `events` by whole days since their click. Ages 0 and 1 make a `1d_click` window, all eight a
    /// `7d_click` window: see [`Delivered::one_day_click`] and [`Delivered::seven_day_click`].
    pub click_age_purchases: [u32; LAG.len()],
    /// Order value of the day's purchases, in major units.
    pub value: f64,
    /// Purchases the day's spend will bring in expectation, given what was learned, the spend and the auction common
    /// to all ad sets, but without this ad set's own drift and luck. Truth, for ledgers and scores only.
    pub expected_purchases: f64,
}

impl Delivered {
    /// Purchases a `1d_click` window reports.
    pub fn one_day_click(&self) -> u32 {
        self.click_age_purchases[0] + self.click_age_purchases[1]
    }
    /// Purchases a `7d_click` window reports: all of them.
    pub fn seven_day_click(&self) -> u32 {
        self.events[PURCHASE]
    }
}

/// A day's order for one arm, as the market passes it on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub(super) budget: f64,
    pub(super) fraction: f64,
    pub(super) share: f64,
    pub(super) overlapping: bool,
}

/// The day and its weather, common to all arms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    pub(super) seed: u64,
    pub(super) day: i64,
    pub(super) week: i64,
    pub(super) market: f64,
    pub(super) traffic: bool,
}

/// Spread of the log of a day's spend around its budget.
const SD_SPEND: f64 = 0.10;
/// A day may spend this multiple of its budget (Marketing API, ad set `daily_budget`).
const DAY_CAP: f64 = 1.75;
/// A calendar week may spend this multiple of a daily budget.
const WEEK_CAP: f64 = 7.0;
/// Day-to-day memory of an arm's drift.
const DRIFT_MEMORY: f64 = 0.9;
/// Shape of the gamma law of one order's value: a coefficient of variation of one half.
const ORDER_SHAPE: f64 = 4.0;

#[derive(Debug, Clone)]
pub(super) struct Arm {
    pub(super) key: u64,
    level: usize,
    learning: Option<Learning>,
    drift: f64,
    /// Purchases on their way: a ring by arrival day, each by age at arrival.
    coming: [[u32; LAG.len()]; LAG.len()],
    week: i64,
    week_spent: f64,
    week_budget: f64,
}

impl Arm {
    pub(super) fn new(key: u64, level: usize) -> Self {
        Self {
            key,
            level,
            learning: None,
            drift: 0.0,
            coming: [[0; LAG.len()]; LAG.len()],
            week: i64::MIN,
            week_spent: 0.0,
            week_budget: 0.0,
        }
    }

    /// The level of an ad set cannot change; a key used for another level is another ad set.
    pub(super) fn optimise_for(&mut self, level: usize) {
        if self.level != level {
            self.level = level;
            self.learning = None;
        }
    }

    pub(super) fn learning(&self) -> Option<&Learning> {
        self.learning.as_ref()
    }

    /// A day without delivery: what was learned is lost, late purchases still arrive.
    pub(super) fn rest(&mut self, weather: &Weather, params: &MarketParams) -> Option<Delivered> {
        self.learning = None;
        let row = self.arrive(weather, params);
        (row.events[PURCHASE] > 0).then_some(row)
    }

    /// A day of delivery.
    pub(super) fn deliver(
        &mut self,
        order: Order,
        weather: &Weather,
        params: &MarketParams,
    ) -> Delivered {
        let mut rng = stream(weather.seed, self.key, weather.day, Purpose::Weather);
        let (spend_noise, drift_noise) = (normal(&mut rng), normal(&mut rng));
        let (first, volume) = match &mut self.learning {
            Some(learning) => {
                learning.set_budget(weather.day, order.budget);
                (false, learning.volume())
            }
            empty => (true, empty.insert(Learning::begin(weather.day, order.budget)).volume()),
        };
        self.drift = params.sd_arm
            * if first {
                drift_noise
            } else {
                let step = (1.0 - DRIFT_MEMORY * DRIFT_MEMORY).sqrt();
                DRIFT_MEMORY * self.drift / params.sd_arm.max(1e-9) + step * drift_noise
            };
        let luck = libm::exp(self.drift - 0.5 * params.sd_arm * params.sd_arm);

        let learned = params.learned(volume);
        let cpa = params.cpa(self.level, learned, order.share, weather.day, order.overlapping);
        let spend = self.spend(order, weather.week, spend_noise);
        let expected = spend / cpa * weather.market;
        let rates =
            params.events_per_money(self.level, cpa, learned).map(|r| r * cpa * expected * luck);

        let bought = self.sell(rates[PURCHASE], weather, params.phi);
        let mut row = self.arrive(weather, params);
        row.spend = spend;
        row.expected_purchases = expected;
        // Each level is what the level above it had, and those who went no further.
        let mut rng = stream(weather.seed, self.key, weather.day, Purpose::Events);
        let mut count = bought;
        for level in (0..PURCHASE).rev() {
            count = count.saturating_add(poisson(rates[level] - rates[level + 1], &mut rng));
            row.events[level] = count;
        }
        if weather.traffic {
            let mut rng = stream(weather.seed, self.key, weather.day, Purpose::Traffic);
            // Some clicks never see the page load, most impressions are never clicked.
            row.link_clicks = count + poisson(rates[0] * 0.2, &mut rng);
            let unclicked = rates[0] * 1.2 * (params.impressions_per_click - 1.0);
            row.impressions = row.link_clicks.saturating_add(poisson(unclicked, &mut rng));
        }
        let clicked = if self.level == PURCHASE { bought } else { row.events[self.level] };
        if let Some(learning) = &mut self.learning {
            learning.close_day(clicked, row.events[self.level]);
        }
        row
    }

    /// A day's spend: around its budget, at most 175 % of it, and within the calendar week at most seven times the
    /// highest daily budget the week has seen.
    fn spend(&mut self, order: Order, week: i64, noise: f64) -> f64 {
        if self.week != week {
            self.week = week;
            self.week_spent = 0.0;
            self.week_budget = 0.0;
        }
        self.week_budget = self.week_budget.max(order.budget);
        let wanted =
            order.budget * order.fraction * libm::exp(SD_SPEND * noise - 0.5 * SD_SPEND * SD_SPEND);
        let left = (WEEK_CAP * self.week_budget - self.week_spent).max(0.0);
        let spend = wanted.min(DAY_CAP * order.budget).min(left);
        self.week_spent += spend;
        spend
    }

    /// Draws the purchases that the day's clicks will bring and sends each on its way.
    fn sell(&mut self, mean: f64, weather: &Weather, phi: f64) -> u32 {
        let mut rng = stream(weather.seed, self.key, weather.day, Purpose::Purchases);
        let bought = overdispersed(mean, phi, &mut rng);
        for _ in 0..bought {
            let age = lag(&mut rng);
            self.coming[slot(weather.day, age)][age] += 1;
        }
        bought
    }

    /// The row of purchases that arrive today, with nothing spent yet.
    fn arrive(&mut self, weather: &Weather, params: &MarketParams) -> Delivered {
        let ages = std::mem::take(&mut self.coming[slot(weather.day, 0)]);
        let arrived: u32 = ages.iter().sum();
        let mut events = [0; LEVELS];
        events[PURCHASE] = arrived;
        let value = if arrived == 0 {
            0.0
        } else {
            let mut rng = stream(weather.seed, self.key, weather.day, Purpose::Values);
            // A sum of independent gamma orders is again a gamma.
            gamma(ORDER_SHAPE * f64::from(arrived), params.order_value / ORDER_SHAPE, &mut rng)
        };
        Delivered {
            key: self.key,
            day: weather.day,
            level: self.level,
            spend: 0.0,
            impressions: 0,
            link_clicks: 0,
            events,
            click_age_purchases: ages,
            value,
            expected_purchases: 0.0,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a remainder by eight is 0 to 7, an age at most 7"
)]
fn slot(day: i64, age: usize) -> usize {
    (day + age as i64).rem_euclid(LAG.len() as i64) as usize
}
