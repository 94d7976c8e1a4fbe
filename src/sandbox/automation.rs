//! Meta's automated rules as far as a dead-man's brake needs them: pause what has spent more than a limit.
//!
//! Rules look every half hour (Marketing API, "Ad rules engine": SEMI_HOURLY). Within a day spend is estimated from
//! the live time; when the day is billed the true spend is held to the half hour in which the limit was passed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    activities::Actor,
    delivery::cut,
    num,
    objects::{Id, Kind, Node},
    params::plain,
    rows::DayRow,
    world::World,
};
use crate::domain::Moment;

/// A PAUSE rule on spend.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Brake {
    kind: Kind,
    ids: Option<Vec<Id>>,
    campaigns: Option<Vec<Id>>,
    /// Minor units; pauses when spend is greater.
    limit: i64,
    /// Days before today that count; None = all.
    days_back: Option<i64>,
    created: Moment,
}

/// Half hours of a day.
const LOOKS: f64 = 48.0;

fn ids(value: &Value) -> Vec<Id> {
    let one = |v: &Value| plain(v).trim().parse().ok();
    value
        .as_array()
        .map_or_else(|| one(value).into_iter().collect(), |l| l.iter().filter_map(one).collect())
}

/// Reads a rule; None when it is off or does something else than pause on spend.
pub(super) fn brake(rule: &Node) -> Option<Brake> {
    let evaluation = rule.fields.get("evaluation_spec")?;
    let execution = rule.fields.get("execution_spec")?;
    if rule.status() != "ENABLED" || execution.get("execution_type")?.as_str()? != "PAUSE" {
        return None;
    }
    let mut brake = Brake {
        kind: Kind::Ad,
        ids: None,
        campaigns: None,
        limit: -1,
        days_back: None,
        created: rule.created,
    };
    for filter in evaluation.get("filters")?.as_array()? {
        let field = filter.get("field").and_then(Value::as_str).unwrap_or("");
        let value = filter.get("value").cloned().unwrap_or_default();
        match field {
            "entity_type" => {
                brake.kind = match plain(&value).to_uppercase().as_str() {
                    "CAMPAIGN" => Kind::Campaign,
                    "ADSET" => Kind::AdSet,
                    _ => Kind::Ad,
                }
            }
            "time_preset" => brake.days_back = preset(&plain(&value)),
            "id" => brake.ids = Some(ids(&value)),
            "campaign.id" | "campaign_id" => brake.campaigns = Some(ids(&value)),
            "adset.id" | "adset_id" if brake.kind == Kind::AdSet => brake.ids = Some(ids(&value)),
            _ if field.ends_with("spent") || field.ends_with("spend") => {
                let number: f64 = plain(&value).parse().ok()?;
                brake.limit = num::round(number);
                if let Some(prefix) =
                    field.strip_suffix("_spent").or_else(|| field.strip_suffix("_spend"))
                {
                    brake.days_back = preset(prefix);
                }
            }
            _ => {}
        }
    }
    (brake.limit >= 0).then_some(brake)
}

fn preset(text: &str) -> Option<i64> {
    match text.to_uppercase().as_str() {
        "TODAY" => Some(0),
        "LAST_2D" | "LAST_2_DAYS" => Some(1),
        "LAST_3D" | "LAST_3_DAYS" => Some(2),
        "LAST_7D" | "LAST_7_DAYS" => Some(6),
        "LAST_14D" | "LAST_14_DAYS" => Some(13),
        "LAST_28D" | "LAST_28_DAYS" => Some(27),
        "LAST_30D" | "LAST_30_DAYS" => Some(29),
        _ => None,
    }
}

impl World {
    /// Every enabled brake with the objects it governs.
    fn governed(&self) -> Vec<(Brake, Vec<Id>)> {
        let brakes = self.of_kind(Kind::Rule).filter_map(|r| brake(r));
        brakes
            .map(|b| {
                let mine = |n: &&std::sync::Arc<Node>| {
                    let campaign = if n.kind == Kind::Campaign { n.id } else { n.campaign };
                    b.ids.as_ref().is_none_or(|l| l.contains(&n.id))
                        && b.campaigns.as_ref().is_none_or(|l| l.contains(&campaign))
                        && !n.gone()
                };
                let found = self.of_kind(b.kind).filter(mine).map(|n| n.id).collect();
                (b, found)
            })
            .collect()
    }
    /// True if an enabled rule of any kind names or covers this object.
    pub(super) fn governing(&self, id: Id) -> Vec<Id> {
        let rules: Vec<Id> = self
            .of_kind(Kind::Rule)
            .filter(|r| brake(r).is_some() && r.status() == "ENABLED")
            .map(|r| r.id)
            .collect();
        let reach = |rule: &Id| {
            let Some(found) = self.nodes.get(rule).and_then(|r| brake(r)) else { return false };
            let Some(node) = self.nodes.get(&id) else { return false };
            let campaign = if node.kind == Kind::Campaign { node.id } else { node.campaign };
            let named = found.ids.as_ref().is_none_or(|l| {
                l.contains(&id) || l.contains(&campaign) || l.contains(&node.adset)
            });
            named && found.campaigns.as_ref().is_none_or(|l| l.contains(&campaign))
        };
        rules.into_iter().filter(reach).collect()
    }
    fn before_today(&self, object: Id, brake: &Brake) -> i64 {
        let members = self.members(object);
        let first = brake.days_back.map(|n| self.today.plus(-n));
        let counts = |day| first.is_none_or(|f| day >= f) && day < self.today;
        self.rows
            .iter()
            .filter(|((day, id), _)| counts(*day) && members.contains(id))
            .map(|(_, r)| r.spend)
            .sum()
    }
    /// A look within the day, on the estimate.
    pub(super) fn run_rules(&mut self) {
        for (brake, objects) in self.governed() {
            for object in objects {
                let adset = self.nodes.get(&object).filter(|n| n.kind == Kind::Ad).map(|n| n.adset);
                let members = adset.map_or_else(|| self.members(object), |a| vec![a]);
                let today: i64 = members.iter().map(|m| self.spent_today(*m)).sum();
                let before = self.before_today(adset.unwrap_or(object), &brake);
                if before + today > brake.limit {
                    self.pause_by_rule(object, self.now);
                }
            }
        }
    }
    /// The look back at the day's end, on the bill.
    pub(super) fn hold_rules(
        &mut self,
        rows: &mut BTreeMap<Id, DayRow>,
        start: Moment,
        length: i64,
    ) {
        for (brake, objects) in self.governed() {
            for object in objects {
                let members = self.members(object);
                let day: i64 = members.iter().filter_map(|m| rows.get(m)).map(|r| r.spend).sum();
                let room = (brake.limit - self.before_today(object, &brake)).max(0);
                if day <= room || day == 0 || brake.created >= start.plus(length) {
                    continue;
                }
                let passed = num::float(room) / num::float(day);
                let look = ((passed * LOOKS).floor() + 1.0).min(LOOKS) / LOOKS;
                cut(rows, &members, look);
                let at = start.plus(num::round(num::float(length) * look));
                self.pause_by_rule(object, at);
            }
        }
    }
    fn pause_by_rule(&mut self, object: Id, at: Moment) {
        let Some(node) = self.edit(object) else { return };
        if node.status() != "ACTIVE" {
            return;
        }
        node.set("status", json!("PAUSED"));
        node.updated = at;
        let kind = node.kind;
        let actor = std::mem::replace(&mut self.actor, Actor::Rule);
        let event = super::activities::status_event(kind);
        self.note(at, event, object, json!({"old_value": "Active", "new_value": "Inactive"}));
        self.actor = actor;
        self.mark_budget(object);
    }
}
