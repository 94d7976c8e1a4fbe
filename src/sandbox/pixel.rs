//! Pixel and custom conversions: what fires on the whole site, whoever sent the visitor, by the hour.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    contract::Contract,
    errors::{Answer, Refusal},
    objects::{Kind, Node, map},
    paging::page,
    request::Call,
    scenario::{EventFamily, EventSpec},
    world::World,
};
use crate::domain::{Day, HOUR_MS, Moment};

/// Of all events on the site, the ads account for about this share in tenths.
const ADS_TENTHS: u64 = 4;
/// Page views per landing page view.
const PAGES_PER_VISIT: u64 = 3;
const KEPT_DAYS: i64 = 7;

/// Events the ads brought on the days looked at so far, by level.
type Days = BTreeMap<Day, [u64; 5]>;

impl World {
    /// Hourly counts of the last seven days, of all events together or of one. Beside the events themselves a few
    /// aggregations are told from fixed shares; those this world knows nothing of are empty.
    pub(super) fn pixel_stats(&self, call: &Call) -> Answer {
        let aggregation = call.params.text("aggregation").unwrap_or_else(|| "event".to_owned());
        if !Contract::official().lists("aggregation", &aggregation) {
            let text = format!(
                "(#100) Param aggregation must be one of the known ones - got {aggregation:?}."
            );
            return Err(Refusal::new(100, text).blaming("aggregation"));
        }
        // Conversions are told by the browser and by the server; the shares are those of a shop that sends both.
        let share = match call.params.text("event_source").as_deref() {
            None | Some("") => 10,
            Some("WEB_ONLY") => 8,
            Some("SERVER_ONLY") => 7,
            Some(other) => {
                let text = format!(
                    "(#100) Param event_source must be WEB_ONLY or SERVER_ONLY - got {other:?}."
                );
                return Err(Refusal::new(100, text).blaming("event_source"));
            }
        };
        let only = call.params.text("event");
        let mut days = Days::new();
        let mut counted = |hour: Moment| -> Vec<Value> {
            let events = self.site_events(&mut days, hour).into_iter();
            let events =
                events.filter(|(name, n)| *n > 0 && only.as_deref().is_none_or(|o| o == *name));
            let events: Vec<(&str, u64)> = events.map(|(name, n)| (name, n * share / 10)).collect();
            let all: u64 = events.iter().map(|(_, n)| n).sum();
            let of = |parts: &[(&str, u64)]| -> Vec<Value> {
                parts
                    .iter()
                    .map(|(v, tenths)| json!({"value": v, "count": all * tenths / 10}))
                    .collect()
            };
            match aggregation.as_str() {
                "event" | "event_total_counts" => {
                    events.iter().map(|(name, n)| json!({"value": name, "count": n})).collect()
                }
                "device_type" => of(&[("mobile_iphone", 4), ("mobile_android", 4), ("desktop", 2)]),
                "host" => of(&[("shop.example", 10)]),
                "event_source" => of(&[("BROWSER", 6), ("SERVER", 4)]),
                "pixel_fire" => of(&[("pixel_fire", 10)]),
                _ => Vec::new(),
            }
        };
        self.by_hour(call, &aggregation, &mut counted)
    }
    /// `GET /{custom conversion}/stats`.
    pub(super) fn conversion_stats(&self, call: &Call, node: &Node) -> Answer {
        let aggregation = call.params.text("aggregation").unwrap_or_else(|| "count".to_owned());
        let known = |e: &EventSpec| matches!(e.family, EventFamily::Custom(id) if id == node.id);
        let title = self.scenario.events.iter().find(|e| known(e)).map(|e| e.title);
        let mut days = Days::new();
        let mut counted = |hour: Moment| -> Vec<Value> {
            let events = self.site_events(&mut days, hour);
            let count = title.and_then(|t| events.get(t).copied()).unwrap_or(0);
            if count == 0 {
                Vec::new()
            } else {
                vec![json!({"value": node.text("name"), "count": count})]
            }
        };
        self.by_hour(call, &aggregation, &mut counted)
    }
    fn by_hour(
        &self,
        call: &Call,
        aggregation: &str,
        counted: &mut dyn FnMut(Moment) -> Vec<Value>,
    ) -> Answer {
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
            let counts = counted(hour);
            if !counts.is_empty() {
                let named = [
                    ("aggregation", json!(aggregation)),
                    ("start_time", self.stamp(hour)),
                    ("data", Value::Array(counts)),
                ];
                hours.push(Value::Object(map(named)));
            }
            hour = hour.plus(HOUR_MS);
        }
        page(call, hours, 500, None)
    }
    /// `POST /act_…/customconversions`: a rule over events, of the kind people write by hand.
    pub(super) fn create_custom_conversion(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        let name = params.need("name")?;
        let rule = params.text("rule").or_else(|| params.text("advanced_rule"));
        let rule = rule.ok_or_else(|| Refusal::required("rule"))?;
        if !params.value("rule").is_none_or(|r| r.is_object() || r.is_array()) {
            return Err(Refusal::invalid("rule", "The rule must be JSON."));
        }
        let source = params.text("event_source_id");
        let pixel = self.of_kind(Kind::Pixel).map(|n| n.id).next().unwrap_or(0);
        let known = source.as_deref().is_none_or(|s| s == pixel.to_string());
        if !known {
            return Err(Refusal::invalid(
                "event_source_id",
                "The pixel does not exist in this account.",
            ));
        }
        let kind = params.text("custom_event_type").unwrap_or_else(|| "OTHER".to_owned());
        if !Contract::official().lists("custom_event_type", &kind) {
            let text = format!(
                "(#100) Param custom_event_type must be one of the known ones - got {kind:?}."
            );
            return Err(Refusal::new(100, text).blaming("custom_event_type"));
        }
        let fields = map([
            ("name", json!(name)),
            ("custom_event_type", json!(kind)),
            ("event_source_type", json!("pixel")),
            ("is_archived", json!(false)),
            ("pixel", json!({"id": pixel.to_string()})),
            ("rule", json!(rule)),
            (
                "default_conversion_value",
                json!(params.int("default_conversion_value")?.unwrap_or(0)),
            ),
        ]);
        let id = self.create(Kind::CustomConversion, (0, 0), fields);
        if let Some(node) = self.edit(id) {
            node.visible = node.created;
        }
        Ok(json!({"id": id.to_string()}))
    }
    /// Events of one hour: the day's, spread evenly. The current day repeats yesterday's pace.
    fn site_events(&self, days: &mut Days, hour: Moment) -> BTreeMap<&'static str, u64> {
        let mut day = self.zone().day_of(hour);
        let at =
            u64::try_from(hour.since(self.zone().start_of(day)) / HOUR_MS).unwrap_or(0).min(23);
        if day == self.today {
            day = day.plus(-1);
        }
        let of_day = days.entry(day).or_insert_with(|| {
            let mut sums = [0_u64; 5];
            for (_, row) in self.rows.range((day, 0)..=(day, u64::MAX)) {
                for (sum, c) in sums.iter_mut().zip(row.events) {
                    *sum += u64::from(c.total);
                }
            }
            sums
        });
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (event, ads) in self.scenario.events.iter().zip(*of_day) {
            let pages = if event.custom_event_type.is_none() { PAGES_PER_VISIT } else { 1 };
            let site = ads * pages * 10 / ADS_TENTHS;
            *counts.entry(event.title).or_default() += (at + 1) * site / 24 - at * site / 24;
        }
        counts
    }
}
