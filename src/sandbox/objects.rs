//! The objects of the account: what was configured, kept as the fields a read returns, and a little of the inside.

use serde_json::{Map, Value, json};

use crate::domain::{Moment, Zone};

/// A Graph id.
pub(super) type Id = u64;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Campaign,
    AdSet,
    Ad,
    Creative,
    Pixel,
    CustomConversion,
    Rule,
    Study,
    Label,
    Schedule,
}

impl Kind {
    /// The word the request log and the activity log use.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::AdSet => "adset",
            Self::Ad => "ad",
            Self::Creative => "creative",
            Self::Pixel => "pixel",
            Self::CustomConversion => "customconversion",
            Self::Rule => "adrule",
            Self::Study => "ad_study",
            Self::Label => "adlabel",
            Self::Schedule => "budget_schedule",
        }
    }
}

/// One object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) id: Id,
    pub(super) kind: Kind,
    /// Campaign of an ad set or ad; the object of a budget schedule; otherwise 0.
    pub(super) campaign: Id,
    /// Ad set of an ad; otherwise 0.
    pub(super) adset: Id,
    pub(super) created: Moment,
    pub(super) updated: Moment,
    /// When lists and reads begin to show it.
    pub(super) visible: Moment,
    /// In process until then.
    pub(super) busy: Moment,
    /// Processing ended with issues: it cannot deliver.
    pub(super) issues: bool,
    /// In review until then (ads).
    pub(super) review: Moment,
    /// Review refused it (ads).
    pub(super) rejected: bool,
    /// It was switched on once: its event can no longer change.
    pub(super) published: bool,
    /// Last significant edit (ad sets).
    pub(super) significant: Moment,
    /// Budget at which the market's costs are normal, in minor units (ad sets).
    pub(super) base_budget: i64,
    /// The first ad set of its line of copies: they court the same people (ad sets).
    pub(super) lineage: Id,
    /// Fields as a read returns them.
    pub(super) fields: Map<String, Value>,
}

impl Node {
    /// An object of today with these fields.
    pub(super) fn new(id: Id, kind: Kind, now: Moment, fields: Map<String, Value>) -> Self {
        Self {
            id,
            kind,
            campaign: 0,
            adset: 0,
            created: now,
            updated: now,
            visible: now,
            busy: now,
            issues: false,
            review: now,
            rejected: false,
            published: false,
            significant: now,
            base_budget: 0,
            lineage: id,
            fields,
        }
    }
    /// A text field, empty when absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or("")
    }
    /// A number kept as text, e.g. a budget; None when absent or "0".
    pub(super) fn amount(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok().filter(|n| *n > 0)
    }
    /// The switch.
    pub(super) fn status(&self) -> &str {
        self.text("status")
    }
    /// Sets a field; returns the old value if it differs.
    pub(super) fn set(&mut self, name: &str, value: Value) -> Option<Value> {
        let old = self.fields.get(name).cloned().unwrap_or(Value::Null);
        if old == value {
            return None;
        }
        if value.is_null() {
            self.fields.remove(name);
        } else {
            self.fields.insert(name.to_owned(), value);
        }
        Some(old)
    }
    /// An instant kept in Meta's spelling.
    pub(super) fn moment(&self, name: &str) -> Option<Moment> {
        self.text(name).parse().ok()
    }
    /// True for objects that lists leave out unless asked.
    pub(super) fn gone(&self) -> bool {
        matches!(self.status(), "ARCHIVED" | "DELETED")
    }
}

/// Meta's spelling of an instant: `2026-11-02T10:11:12-0700` on the account's clock.
pub(super) fn stamp(zone: &Zone, moment: Moment) -> Value {
    let local = moment.timestamp().to_zoned(zone.time_zone().clone());
    json!(local.strftime("%Y-%m-%dT%H:%M:%S%z").to_string())
}

/// Collects `(name, value)` pairs, leaving nulls out.
pub(super) fn map<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.to_owned(), v)).collect()
}
