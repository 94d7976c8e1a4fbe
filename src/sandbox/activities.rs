//! The account's activity log: who changed what, as `GET /act_…/activities` tells it.

use serde_json::{Value, json};

use super::{
    errors::Answer,
    objects::{Id, Kind},
    paging::page,
    params::Params,
    request::Call,
    world::World,
};
use crate::domain::{DAY_MS, Moment};

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Actor {
    /// The app, through the API.
    App,
    /// A person in Ads Manager.
    Person,
    /// One of Meta's automated rules.
    Rule,
    /// Meta itself.
    Meta,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Activity {
    pub(super) at: Moment,
    pub(super) event: &'static str,
    pub(super) object: Id,
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) actor: Actor,
    pub(super) extra: Value,
}

/// The event type of a status change.
pub(super) const fn status_event(kind: Kind) -> &'static str {
    match kind {
        Kind::AdSet => "update_ad_set_run_status",
        Kind::Ad => "update_ad_run_status",
        _ => "update_campaign_run_status",
    }
}

/// The event type of a change of one field, where the log knows one.
pub(super) fn event_of(kind: Kind, field: &str) -> Option<&'static str> {
    Some(match (kind, field) {
        (Kind::Campaign | Kind::AdSet | Kind::Ad, "status") => status_event(kind),
        (Kind::Campaign, "daily_budget" | "lifetime_budget") => "update_campaign_budget",
        (Kind::Campaign, "spend_cap") => "update_campaign_group_spend_cap",
        (Kind::Campaign, "start_time" | "stop_time") => "update_campaign_schedule",
        (Kind::Campaign, "name") => "update_campaign_name",
        (Kind::AdSet, "daily_budget" | "lifetime_budget") => "update_ad_set_budget",
        (Kind::AdSet, "optimization_goal" | "promoted_object") => "update_ad_set_optimization_goal",
        (Kind::AdSet, "targeting") => "update_ad_set_target_spec",
        (Kind::AdSet, "bid_strategy") => "update_ad_set_bid_strategy",
        (Kind::AdSet, "bid_amount" | "bid_constraints") => "update_ad_set_bidding",
        (Kind::AdSet, "start_time" | "end_time") => "update_ad_set_duration",
        (Kind::AdSet, "daily_spend_cap") => "update_ad_set_spend_cap",
        (Kind::AdSet, "daily_min_spend_target") => "update_ad_set_min_spend_target",
        (Kind::AdSet, "name") => "update_ad_set_name",
        (Kind::Ad, "creative") => "update_ad_creative",
        (Kind::Ad, "name") => "update_ad_friendly_name",
        _ => return None,
    })
}

impl World {
    /// Writes an entry.
    pub(super) fn note(&mut self, at: Moment, event: &'static str, object: Id, extra: Value) {
        let Some(node) = self.nodes.get(&object) else { return };
        let actor = if event == "first_delivery_event" { Actor::Meta } else { self.actor };
        let (kind, name) = (node.kind, node.text("name").to_owned());
        self.activities.push(Activity { at, event, object, kind, name, actor, extra });
    }
    fn activity(&self, entry: &Activity) -> Value {
        let (id, who, app) = match entry.actor {
            Actor::App => {
                (&self.credentials.user_id, "Rehearsal app", Some(&self.credentials.app_id))
            }
            Actor::Person => (&self.credentials.user_id, "Account owner", None),
            Actor::Rule => (&self.credentials.user_id, "Automated rule", None),
            Actor::Meta => (&self.credentials.business_id, "Meta", None),
        };
        let kind = match entry.kind {
            Kind::Campaign => "CAMPAIGN",
            Kind::AdSet => "ADSET",
            Kind::Ad => "AD",
            _ => "ACCOUNT",
        };
        json!({
            "actor_id": id, "actor_name": who,
            "application_id": app.map_or("0", String::as_str),
            "application_name": app.map_or("Ads Manager", |_| "Rehearsal app"),
            "event_time": self.stamp(entry.at), "date_time_in_timezone": self.zone().local(entry.at),
            "event_type": entry.event, "translated_event_type": entry.event.replace('_', " "),
            "object_id": entry.object.to_string(), "object_name": entry.name, "object_type": kind,
            "extra_data": entry.extra.to_string(),
        })
    }
    /// `GET /{account or object}/activities`: newest first, the last week unless `since` says more.
    pub(super) fn list_activities(&self, call: &Call, of: Option<Id>) -> Answer {
        let edge = |name: &str, default: i64| bound(&call.params, name, default);
        let since = edge("since", self.now.plus(-7 * DAY_MS).seconds());
        let until = edge("until", self.now.seconds() + 1);
        let oid = call.params.text("oid").and_then(|t| t.parse::<Id>().ok()).or(of);
        let mut wanted: Vec<Id> = oid.into_iter().collect();
        let more = call.params.list("extra_oids").unwrap_or_default();
        wanted.extend(more.iter().filter_map(|t| t.parse::<Id>().ok()));
        let by = call.params.text("uid");

        let children = call.params.flag("add_children").unwrap_or(false);
        let category = call.params.text("category");
        let matches = |a: &&Activity| {
            let parent = self.nodes.get(&a.object).map_or((0, 0), |n| (n.campaign, n.adset));
            let mine = wanted.is_empty()
                || wanted.iter().any(|id| {
                    *id == a.object || (children && (*id == parent.0 || *id == parent.1))
                });
            let mine = mine && by.as_deref().is_none_or(|u| u == self.credentials.user_id);
            let kind = category.as_deref().is_none_or(|c| match c {
                "BUDGET" => a.event.contains("budget"),
                "STATUS" => a.event.contains("run_status"),
                "CAMPAIGN" => a.kind == Kind::Campaign,
                "AD_SET" => a.kind == Kind::AdSet,
                "AD" => a.kind == Kind::Ad,
                "BID" => a.event.contains("bid"),
                "TARGETING" => a.event.contains("target_spec"),
                "DATE" => a.event.contains("duration") || a.event.contains("schedule"),
                "ACCOUNT" | "AUDIENCE" | "AD_KEYWORDS" => false,
                _ => true,
            });
            mine && kind && (since..=until).contains(&a.at.seconds())
        };
        let mut found: Vec<&Activity> = self.activities.iter().filter(matches).collect();
        found.sort_by_key(|a| std::cmp::Reverse(a.at));
        let shown = |a: &Activity| only(call, self.activity(a));
        page(call, found.into_iter().map(shown).collect(), 25, None)
    }
}

/// Only the fields asked for; without a list Meta tells time, type and a translation.
fn only(call: &Call, mut shown: Value) -> Value {
    let fields = call.params.list("fields").filter(|l| !l.is_empty());
    if let (Some(fields), Value::Object(map)) = (fields, &mut shown) {
        map.retain(|name, _| fields.contains(name));
    }
    shown
}

/// A time bound as unix seconds or any timestamp.
fn bound(params: &Params, name: &str, default: i64) -> i64 {
    let Some(text) = params.text(name) else { return default };
    text.parse().ok().or_else(|| text.parse::<Moment>().ok().map(Moment::seconds)).unwrap_or_else(
        || {
            let day = text.parse::<crate::domain::Day>().map(|d| d.epoch_days() * 86_400);
            day.unwrap_or(default)
        },
    )
}
