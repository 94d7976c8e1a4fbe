//! Reading one object: the fields asked for, what is configured beside what Meta derives.

use serde_json::{Map, Value, json};

use super::{
    edges::MIN_DAILY_BUDGET,
    errors::{Answer, Refusal},
    fields::{Field, requested},
    objects::{Id, Kind, Node},
    params::Params,
    request::Call,
    world::World,
};

impl World {
    /// `GET /{id}`.
    pub(super) fn read(&mut self, call: &Call, id: &str) -> Answer {
        let fields = requested(&call.params);
        if id == self.act() {
            return self.show_account(call, fields.as_deref());
        }
        let unknown = || Refusal::unknown("get", id);
        let number: Id = id.parse().map_err(|_| unknown())?;
        if self.reports.contains_key(&number) {
            return self.show_report(call, number);
        }
        if self.sets.contains_key(&number) {
            return self.show_set(call, number);
        }
        if let Some(queued) = self.show_queued(call, number) {
            return Ok(queued);
        }
        if id == self.credentials.user_id {
            return Ok(self.me(&call.token));
        }
        if id == self.credentials.business_id {
            return Ok(json!({"id": id, "name": format!("{} business", self.scenario.name)}));
        }
        if let Some(cell) = self.cell(id) {
            return self.show_cell(call, &cell, fields.as_deref());
        }
        let node = self.find(number).cloned().ok_or_else(unknown)?;
        self.show(call, &node, fields.as_deref())
    }
    /// An object with some fields; only its id when none are asked for.
    pub(super) fn show(&mut self, call: &Call, node: &Node, fields: Option<&[Field]>) -> Answer {
        let mut out = Map::new();
        for field in fields.unwrap_or_default() {
            let value = match self.nested(call, node, field)? {
                Some(value) => Some(value),
                None => self.field(node, &field.name),
            };
            if let Some(value) = value {
                out.insert(field.name.clone(), value);
            }
        }
        out.insert("id".to_owned(), json!(node.id.to_string()));
        Ok(Value::Object(out))
    }
    /// Objects and edges inside an object: `campaign{name}`, `adsets.limit(5){id}`, `creative{id}`.
    fn nested(
        &mut self,
        call: &Call,
        node: &Node,
        field: &Field,
    ) -> Result<Option<Value>, Refusal> {
        let linked = match (field.name.as_str(), node.kind) {
            ("campaign", Kind::AdSet | Kind::Ad) => Some(node.campaign),
            ("adset", Kind::Ad) => Some(node.adset),
            ("creative", Kind::Ad) => node
                .fields
                .get("creative")
                .and_then(|c| c["id"].as_str())
                .and_then(|t| t.parse().ok()),
            ("source_campaign" | "source_adset" | "source_ad", _) => {
                node.text(&format!("{}_id", field.name)).parse().ok()
            }
            _ => None,
        };
        if let Some(other) = linked.and_then(|id| self.nodes.get(&id)).cloned() {
            return self.show(call, &other, Some(&field.sub)).map(Some);
        }
        let edge = match (node.kind, field.name.as_str()) {
            (
                Kind::Campaign,
                "adsets" | "ads" | "insights" | "copies" | "adrules_governed" | "budget_schedules"
                | "ad_studies",
            )
            | (
                Kind::AdSet,
                "ads" | "insights" | "copies" | "adcreatives" | "activities" | "adrules_governed"
                | "budget_schedules" | "ad_studies",
            )
            | (Kind::Ad, "insights" | "adcreatives" | "copies" | "adrules_governed")
            | (Kind::Study, "cells") => node.id.to_string(),
            _ => return Ok(None),
        };
        self.nested_edge(call, &edge, field).map(Some)
    }
    fn nested_edge(&mut self, call: &Call, id: &str, field: &Field) -> Answer {
        let mut params = Params::default();
        params.add_texts(field.args.iter().map(|(k, v)| (k.clone(), v.clone())));
        if !field.sub.is_empty() {
            params.set("fields", json!(render(&field.sub)));
        }
        let inner = call.nested(id, &field.name, params);
        self.edge(&inner, id, &field.name)
    }
    /// One field that needs no other object.
    pub(super) fn field(&self, node: &Node, name: &str) -> Option<Value> {
        let text = |id: Id| (id != 0).then(|| json!(id.to_string()));
        let object = matches!(node.kind, Kind::Campaign | Kind::AdSet | Kind::Ad);
        match name {
            "id" => text(node.id),
            "account_id" => Some(json!(self.credentials.account_id)),
            "campaign_id" if object => text(node.campaign),
            "adset_id" if object => text(node.adset),
            "created_time" => Some(self.stamp(node.created)),
            "updated_time" => Some(self.stamp(node.updated)),
            "status" | "configured_status" if object => Some(json!(node.status())),
            "effective_status" if object => Some(json!(self.effective(node))),
            "daily_budget" | "lifetime_budget" if node.kind == Kind::AdSet => {
                Some(node.fields.get(name).cloned().unwrap_or_else(|| json!("0")))
            }
            "issues_info" if node.rejected => Some(json!([{
                "level": "AD", "error_code": 1_487_390, "error_type": "HARD_ERROR",
                "error_summary": "Ad was rejected", "error_message": "The ad does not comply with the policies.",
            }])),
            "ad_review_feedback" if node.rejected => Some(
                json!({"global": {"Circumventing Systems": "The ad does not comply with the policies."}}),
            ),
            "recommendations" if object => None,
            "budget_remaining" if object => self.remaining(node),
            "learning_stage_info" if node.kind == Kind::AdSet => self.learning(node),
            "last_updated_by_app_id" if node.kind == Kind::Ad => {
                Some(json!(node.fields.get(name).cloned().unwrap_or_else(|| json!("0"))))
            }
            "last_fired_time" if matches!(node.kind, Kind::Pixel | Kind::CustomConversion) => {
                Some(self.stamp(self.now))
            }
            "is_unavailable" if node.kind == Kind::Pixel => Some(json!(false)),
            "owner_business" if node.kind == Kind::Pixel => {
                Some(json!({"id": self.credentials.business_id}))
            }
            "account" => Some(json!({"id": self.act(), "account_id": self.credentials.account_id})),
            "business" if node.kind == Kind::Study => {
                Some(json!({"id": self.credentials.business_id}))
            }
            _ => node.fields.get(name).cloned(),
        }
    }
    fn remaining(&self, node: &Node) -> Option<Value> {
        let left = match (node.amount("daily_budget"), node.amount("lifetime_budget")) {
            (Some(daily), _) => {
                let today: i64 = self.members(node.id).iter().map(|m| self.spent_today(*m)).sum();
                daily - today
            }
            (None, Some(lifetime)) => lifetime - self.spent_by(node.id),
            (None, None) => return (node.kind != Kind::Ad).then(|| json!("0")),
        };
        Some(json!(left.max(0).to_string()))
    }
    /// Present once the ad set was switched on; counts reported optimised events since the last significant edit.
    fn learning(&self, node: &Node) -> Option<Value> {
        if !node.published {
            return None;
        }
        let since = self.zone().day_of(node.significant);
        let level = self.level_of(node);
        let counted: u32 = self
            .rows
            .iter()
            .filter(|((day, id), _)| *id == node.id && *day >= since)
            .map(|((day, _), row)| row.revealed(self.today.since(*day) - 1).events[level].total)
            .sum();
        let view = self.audience.learning(node.id);
        Some(json!({
            "status": view.stage.as_str(), "conversions": counted,
            "last_sig_edit_ts": node.significant.seconds(), "attribution_windows": ["1d_view", "7d_click"],
        }))
    }
    /// The ad account.
    pub(super) fn show_account(&mut self, call: &Call, fields: Option<&[Field]>) -> Answer {
        let mut out = Map::new();
        let act = self.act();
        for field in fields.unwrap_or_default() {
            let edge = matches!(
                field.name.as_str(),
                "campaigns"
                    | "adsets"
                    | "ads"
                    | "adcreatives"
                    | "insights"
                    | "adspixels"
                    | "customconversions"
                    | "ad_studies"
                    | "adrules_library"
                    | "activities"
                    | "adlabels"
                    | "minimum_budgets"
            );
            let value = if edge {
                Some(self.nested_edge(call, &act, field)?)
            } else {
                self.account_field(&field.name)
            };
            if let Some(value) = value {
                out.insert(field.name.clone(), value);
            }
        }
        if fields.is_none() {
            out.insert("account_id".to_owned(), json!(self.credentials.account_id));
        }
        out.insert("id".to_owned(), json!(act));
        Ok(Value::Object(out))
    }
    fn account_field(&self, name: &str) -> Option<Value> {
        let unit = self.offset();
        let odd = self.odd_account.as_ref();
        Some(match (name, odd) {
            ("currency", Some((currency, _))) => json!(currency),
            ("timezone_name", Some((_, zone))) => json!(zone),
            _ => return self.own_account_field(name, unit),
        })
    }
    fn own_account_field(&self, name: &str, unit: i64) -> Option<Value> {
        Some(match name {
            "account_id" => json!(self.credentials.account_id),
            "name" | "business_name" => json!(self.scenario.name),
            "currency" => json!(self.scenario.currency.to_string()),
            "timezone_name" => json!(self.zone().name()),
            "timezone_id" => json!(47),
            "timezone_offset_hours_utc" => {
                let local = self.now.timestamp().to_zoned(self.zone().time_zone().clone());
                json!(f64::from(local.offset().seconds()) / 3600.0)
            }
            "account_status" => json!(self.account_status),
            "disable_reason" | "is_personal" => json!(0),
            "age" => json!(400.0),
            "amount_spent" => {
                let all: i64 = self.rows.values().map(|r| r.spend).sum();
                json!(all.to_string())
            }
            "balance" => json!("0"),
            "spend_cap" => json!(self.account_cap.0.to_string()),
            "min_daily_budget" => json!(MIN_DAILY_BUDGET),
            "min_campaign_group_spend_cap" => json!((100 * unit).to_string()),
            "attribution_spec" => json!([
                {"event_type": "CLICK_THROUGH", "window_days": 7},
                {"event_type": "VIEW_THROUGH", "window_days": 1}
            ]),
            "is_attribution_spec_system_default" => json!(true),
            "business" => {
                json!({"id": self.credentials.business_id, "name": format!("{} business", self.scenario.name)})
            }
            "business_country_code" => json!(self.scenario.countries.first().unwrap_or(&"US")),
            "owner" => json!(self.credentials.business_id),
            "created_time" => {
                let first = self.nodes.values().map(|n| n.created).min()?;
                self.stamp(first)
            }
            "is_prepay_account" => json!(false),
            "user_tasks" => json!(["ADVERTISE", "ANALYZE", "DRAFT", "MANAGE"]),
            "capabilities" => json!([]),
            _ => return None,
        })
    }
}

/// Fields back as text.
pub(super) fn render(fields: &[Field]) -> String {
    let one = |f: &Field| {
        let args: Vec<String> = f.args.iter().map(|(k, v)| format!(".{k}({v})")).collect();
        let args = args.concat();
        let sub = if f.sub.is_empty() { String::new() } else { format!("{{{}}}", render(&f.sub)) };
        format!("{}{args}{sub}", f.name)
    };
    fields.iter().map(one).collect::<Vec<_>>().join(",")
}
