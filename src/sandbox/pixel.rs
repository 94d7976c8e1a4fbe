//! `GET /{pixel}/stats`: what fires on the whole site, whoever sent the visitor, by the hour.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    errors::{Answer, Refusal},
    paging::page,
    request::Call,
    world::World,
};
use crate::domain::{HOUR_MS, Moment};

/// Of all events on the site, the ads account for about this share in tenths.
const ADS_TENTHS: u64 = 4;
/// Page views per landing page view.
const PAGES_PER_VISIT: u64 = 3;
const KEPT_DAYS: i64 = 7;

impl World {
    /// Hourly counts per event. Only `aggregation=event` and `event_total_counts` are served; the range is limited to
    /// the last seven days.
    pub(super) fn pixel_stats(&self, call: &Call) -> Answer {
        let aggregation = call.params.text("aggregation").unwrap_or_else(|| "event".to_owned());
        if !matches!(aggregation.as_str(), "event" | "event_total_counts") {
            return Err(Refusal::new(
                100,
                format!("(#100) aggregation {aggregation} is not available here"),
            ));
        }
        let bound = |name: &str, default: Moment| {
            let text = call.params.text(name);
            let read = text.and_then(|t| {
                t.parse::<i64>()
                    .ok()
                    .map(|s| Moment::from_millis(s.saturating_mul(1000)))
                    .or_else(|| t.parse().ok())
            });
            read.unwrap_or(default)
        };
        let oldest = self.now.plus(-KEPT_DAYS * 24 * HOUR_MS);
        let since = bound("start_time", self.now.plus(-24 * HOUR_MS)).max(oldest);
        let until = bound("end_time", self.now).min(self.now);
        let mut hours = Vec::new();
        let mut hour = Moment::from_millis(since.millis().div_euclid(HOUR_MS) * HOUR_MS);
        while hour < until {
            let counts: Vec<Value> = self
                .site_events(hour)
                .into_iter()
                .filter(|(_, n)| *n > 0)
                .map(|(name, n)| json!({"value": name, "count": n}))
                .collect();
            if !counts.is_empty() {
                hours.push(json!({"aggregation": aggregation, "start_time": self.stamp(hour), "data": counts}));
            }
            hour = hour.plus(HOUR_MS);
        }
        page(call, hours, 500, None)
    }
    /// Events of one hour: the day's, spread evenly. The current day repeats yesterday's pace.
    fn site_events(&self, hour: Moment) -> BTreeMap<&'static str, u64> {
        let mut day = self.zone().day_of(hour);
        let at =
            u64::try_from(hour.since(self.zone().start_of(day)) / HOUR_MS).unwrap_or(0).min(23);
        if day == self.today {
            day = day.plus(-1);
        }
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut of_day = [0_u64; 5];
        for (_, row) in self.rows.range((day, 0)..=(day, u64::MAX)) {
            for (sum, c) in of_day.iter_mut().zip(row.events) {
                *sum += u64::from(c.total);
            }
        }
        for (event, ads) in self.scenario.events.iter().zip(of_day) {
            let pages = if event.custom_event_type.is_none() { PAGES_PER_VISIT } else { 1 };
            let site = ads * pages * 10 / ADS_TENTHS;
            *counts.entry(event.title).or_default() += (at + 1) * site / 24 - at * site / 24;
        }
        counts
    }
}
