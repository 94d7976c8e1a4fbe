//! What was delivered: one row per ad set and day, true from the first moment, reported little by little.

use super::{num, objects::Id};

/// Events of one level on one day, by attribution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// All: 7-day click or 1-day view.
    pub(super) total: u32,
    /// Within one day of a click.
    pub(super) click_1d: u32,
    /// Within seven days of a click.
    pub(super) click_7d: u32,
}

impl Counts {
    /// Seen but not clicked, within one day.
    pub(super) fn view_1d(self) -> u32 {
        self.total - self.click_7d
    }
    fn map(self, f: impl Fn(u32) -> u32) -> Self {
        let total = f(self.total);
        let click_7d = f(self.click_7d).min(total);
        Self { total, click_7d, click_1d: f(self.click_1d).min(click_7d) }
    }
}

/// One ad set's day.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct DayRow {
    pub(super) spend: i64,
    pub(super) impressions: u64,
    pub(super) link_clicks: u64,
    pub(super) events: [Counts; 5],
    /// Value of the macro-conversions, minor units.
    pub(super) value: i64,
    /// What the truth expected.
    pub(super) expected: f64,
    /// Level it optimised for.
    pub(super) level: usize,
    /// Budget of the day, time-weighted, minor units.
    pub(super) budget: i64,
    /// The ads that shared the delivery.
    pub(super) ads: Vec<Id>,
}

/// Share of a day's events that reports show when the day has ended, and 1, 2, … days later. Conversions that arrive
/// late (modelled, server-side) make Meta restate recent days; most of it comes within a week, the last after 28 days.
const REVEALED: [f64; 29] = [
    0.91, 0.95, 0.97, 0.98, 0.99, 0.995, 0.9964, 0.9966, 0.9968, 0.997, 0.9972, 0.9974, 0.9976,
    0.9978, 0.998, 0.9982, 0.9984, 0.9986, 0.9988, 0.999, 0.9991, 0.9992, 0.9993, 0.9994, 0.9995,
    0.9996, 0.9997, 0.9998, 1.0,
];

impl DayRow {
    /// Nothing was delivered and nothing arrived late.
    pub(super) fn is_empty(&self) -> bool {
        self.impressions == 0 && self.spend == 0 && self.events.iter().all(|c| c.total == 0)
    }
    /// The part that `factor` of the delivery would have given.
    pub(super) fn scaled(&self, factor: f64) -> Self {
        let part = |n: u32| num::count(f64::from(n) * factor);
        let big = |n: u64| n * u64::from(num::count(factor * 1000.0)) / 1000;
        Self {
            spend: num::round((num::float(self.spend) * factor).floor()),
            impressions: big(self.impressions),
            link_clicks: big(self.link_clicks),
            events: self.events.map(|c| c.map(part)),
            value: num::round(num::float(self.value) * factor),
            expected: self.expected * factor,
            ..self.clone()
        }
    }
    /// What reports show of it `age` whole days after the day ended.
    pub(super) fn revealed(&self, age: i64) -> Self {
        let last = REVEALED.len() - 1;
        let share = REVEALED[usize::try_from(age.max(0)).unwrap_or(last).min(last)];
        let part = |n: u32| num::count(f64::from(n) * share + 0.5).min(n);
        let events = self.events.map(|c| c.map(part));
        let (shown, all) = (i64::from(events[4].total), i64::from(self.events[4].total));
        let value = if all == 0 { self.value } else { self.value * shown / all };
        Self { events, value, ..self.clone() }
    }
    /// The share of ad number `n` of `of`; the shares add up exactly.
    pub(super) fn share(&self, n: u32, of: u32) -> Self {
        let part = |x: u32| {
            let (x, n, of) = (u64::from(x), u64::from(n), u64::from(of.max(1)));
            u32::try_from((n + 1) * x / of - n * x / of).unwrap_or(0)
        };
        let big = |x: u64| {
            let (n, of) = (u64::from(n), u64::from(of.max(1)));
            (n + 1) * x / of - n * x / of
        };
        let cents = |x: i64| {
            let (n, of) = (i64::from(n), i64::from(of.max(1)));
            (n + 1) * x / of - n * x / of
        };
        Self {
            spend: cents(self.spend),
            impressions: big(self.impressions),
            link_clicks: big(self.link_clicks),
            events: self.events.map(|c| c.map(part)),
            value: cents(self.value),
            expected: self.expected / f64::from(of.max(1)),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> DayRow {
        let c = Counts { total: 100, click_1d: 60, click_7d: 90 };
        DayRow {
            spend: 1001,
            impressions: 7,
            link_clicks: 5,
            events: [c; 5],
            value: 5000,
            ..DayRow::default()
        }
    }

    #[test]
    fn reports_of_a_day_grow_until_they_are_final() {
        let day = |age: i64| {
            let mut large = row();
            large.events.iter_mut().for_each(|c| c.total *= 100);
            large.revealed(age).events[4].total
        };
        let totals: Vec<u32> = (0..30).map(day).collect();
        assert!(
            totals.is_sorted() && totals[0] < totals[7] && totals[7] < totals[28],
            "{totals:?}"
        );
        assert_eq!((totals[28], totals[29]), (10_000, 10_000));
    }

    #[test]
    fn the_shares_of_the_ads_add_up() {
        let spend: i64 = (0..3).map(|n| row().share(n, 3).spend).sum();
        let events: u32 = (0..3).map(|n| row().share(n, 3).events[2].total).sum();
        assert_eq!((spend, events), (1001, 100));
    }
}
