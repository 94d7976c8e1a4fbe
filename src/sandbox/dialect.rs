//! From path to handler.

use serde_json::{Value, json};

use super::{
    errors::{Answer, Refusal},
    objects::{Id, Kind},
    request::{Call, Incoming},
    usage::Use,
    world::World,
};
use crate::ports::Method;

impl World {
    /// Answers one request, or one entry of a batch.
    pub(super) fn answer(&mut self, mut incoming: Incoming) -> Answer {
        let bare = Call::new(incoming.clone(), "", String::new());
        match bare.path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["debug_token"] => {
                return self.debug_token(&incoming.params, incoming.bearer.as_deref());
            }
            ["oauth", "access_token"] => return self.exchange_token(&incoming.params),
            _ => {}
        }
        let token = self.admit(&mut incoming.params, incoming.bearer.as_deref())?;
        let call = Call::new(incoming, &self.options.base_url.clone(), token);
        if call.path.is_empty() && call.method == Method::Post {
            return self.batch(&call);
        }
        if call.version.is_none() && call.path.first().is_none_or(|p| p != "me") {
            let text = "(#2635) You are calling a deprecated version of the Ads API. Please update to the latest \
                        version: v26.0.";
            return Err(Refusal::new(2635, text));
        }
        self.meter(&call)?;
        self.route(&call)
    }
    fn meter(&mut self, call: &Call) -> Result<(), Refusal> {
        let kind = if call.path.last().is_some_and(|p| p == "insights") {
            Use::Insights
        } else {
            Use::Management
        };
        if self.options.enforce_limits {
            let (now, ads) = (self.now, self.active_ads());
            self.usage.admit(now, kind, ads)?;
        }
        let read = call.method == Method::Get || kind == Use::Insights;
        self.usage.count(self.now, kind, if read { 1 } else { 3 });
        Ok(())
    }
    /// Ads that are on, for the quotas.
    pub(super) fn active_ads(&self) -> i64 {
        let active = self.of_kind(Kind::Ad).filter(|n| n.status() == "ACTIVE").count();
        i64::try_from(active).unwrap_or(0)
    }
    fn route(&mut self, call: &Call) -> Answer {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        match (call.method, &path[..]) {
            (Method::Get, []) => Err(Refusal::unknown_path("")),
            (Method::Get, ["me"]) => Ok(self.me()),
            (Method::Get, ["me", "adaccounts"]) => self.my_accounts(call),
            (Method::Get, ["me", "permissions"]) => Ok(super::access::permissions()),
            (Method::Get, ["me", "businesses"]) => {
                let id = self.credentials.business_id.clone();
                Ok(
                    json!({"data": [{"id": id, "name": format!("{} business", self.scenario.name)}]}),
                )
            }
            (Method::Get, ["me", _]) => Ok(json!({"data": []})),
            (Method::Get, [id]) => self.read(call, id),
            (Method::Get, [id, edge]) => self.edge(call, id, edge),
            (Method::Post, [id]) => self.edit_object(call, id),
            (Method::Post, [id, edge]) => self.post_edge(call, id, edge),
            (Method::Delete, [id]) => self.delete_object(id),
            (_, rest) => Err(Refusal::unknown_path(&rest.join("/"))),
        }
    }
    fn post_edge(&mut self, call: &Call, id: &str, edge: &str) -> Answer {
        if id == self.act() {
            return match edge {
                "campaigns" => self.create_campaign(call),
                "adsets" => self.create_adset(call),
                "ads" => self.create_ad(call),
                "adcreatives" => self.create_creative(call),
                "insights" => self.start_report(call, None),
                "adrules_library" => self.create_rule(call),
                "adlabels" => self.create_label(call),
                _ => Err(Refusal::unknown_path(&format!("{id}/{edge}"))),
            };
        }
        if id == self.credentials.business_id && edge == "ad_studies" {
            return self.create_study(call);
        }
        let unknown = || Refusal::unknown("post", id);
        let number: Id = id.parse().map_err(|_| unknown())?;
        let node = self.find(number).cloned().ok_or_else(unknown)?;
        match (node.kind, edge) {
            (Kind::Campaign | Kind::AdSet | Kind::Ad, "insights") => {
                self.start_report(call, Some(number))
            }
            (Kind::Campaign, "copies") => self.copy_campaign(call, &node),
            (Kind::AdSet, "copies") => self.copy_adset(call, &node),
            (Kind::Ad, "copies") => self.copy_ad(call, &node),
            (Kind::Campaign | Kind::AdSet, "budget_schedules") => self.create_schedule(call, &node),
            (Kind::Campaign | Kind::AdSet | Kind::Ad, "adlabels") => self.edit_object(call, id),
            _ => Err(Refusal::unknown_path(&format!("{id}/{edge}"))),
        }
    }
}

/// `{"success": true}`.
pub(super) fn success() -> Value {
    json!({"success": true})
}
