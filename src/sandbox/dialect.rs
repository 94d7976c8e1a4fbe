//! From path to handler.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    contract::{Contract, Finding, Wrong},
    errors::{Answer, Refusal},
    objects::{Id, Kind, Node},
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
            ["oauth", "revoke"] => return self.revoke_token(&incoming.params),
            _ => {}
        }
        super::versions::served(bare.version)?;
        let token = self.admit(&mut incoming.params, incoming.bearer.as_deref())?;
        let call = Call::new(incoming, &self.options.base_url.clone(), token);
        if call.path.is_empty() && call.method == Method::Post {
            return if call.params.has("asyncbatch") {
                self.start_sessions(&call)
            } else {
                self.batch(&call)
            };
        }
        if call.version.is_none() && call.path.first().is_none_or(|p| p != "me") {
            return Err(super::versions::deprecated());
        }
        self.meter(&call)?;
        self.permitted(&call)?;
        if self.options.strict {
            self.obeys(&call)?;
        }
        self.route(&call)
    }
    fn meter(&mut self, call: &Call) -> Result<(), Refusal> {
        let last = call.path.last().map_or("", String::as_str);
        let report = last.parse().is_ok_and(|id: Id| self.reports.contains_key(&id));
        let kind = match call.path.first().map(String::as_str) {
            None | Some("me") => Use::App,
            _ if last == "insights" || report => Use::Insights,
            _ => Use::Management,
        };
        let write = call.method != Method::Get && kind == Use::Management;
        if self.options.enforce_limits {
            let (now, ads) = (self.now, self.active_ads());
            self.usage.admit(now, kind, write, ads)?;
        }
        self.usage.count(self.now, kind, write);
        Ok(())
    }
    /// What the token may do: reading, changing, touching the business.
    fn permitted(&self, call: &Call) -> Result<(), Refusal> {
        let granted = self.issued(&call.token).map(|t| t.scopes).unwrap_or_default();
        let has = |scope: &str| granted.iter().any(|s| s == scope);
        if call.path.first().is_some_and(|p| p == "me") && call.method == Method::Get {
            return Ok(());
        }
        let business = call.path.first().is_some_and(|p| *p == self.credentials.business_id);
        let reads = call.method == Method::Get || call.path.last().is_some_and(|p| p == "insights");
        let missing = match (business, reads) {
            (true, _) if !has("business_management") => "business_management",
            (_, false) if !has("ads_management") => "ads_management",
            (_, true) if !has("ads_read") && !has("ads_management") => "ads_read",
            _ => return Ok(()),
        };
        let text = format!("(#200) Requires {missing} permission to manage the object");
        let mut refusal = Refusal::new(200, text);
        refusal.status = 403;
        Err(refusal)
    }
    /// Holds a call against the specification; the first thing Meta would refuse is refused.
    fn obeys(&self, call: &Call) -> Result<(), Refusal> {
        let version = call.version.map_or(String::new(), |(a, b)| format!("/v{a}.{b}"));
        let path = format!("{version}/{}", call.path.join("/"));
        let node_of = |id: &str| self.node_name(id);
        let checked = Contract::official().judge(call.method, &path, &call.params, &node_of);
        let refused = |f: &&Finding| matches!(f.wrong, Wrong::Field | Wrong::Type | Wrong::Value);
        match checked.findings.iter().find(refused) {
            None => Ok(()),
            Some(f) if f.wrong == Wrong::Field => Err(Refusal::new(100, f.text.clone())),
            Some(f) => {
                let name = f.place.rsplit(' ').next().unwrap_or("");
                let name = name.split('[').next().unwrap_or(name);
                Err(Refusal::new(100, f.text.clone()).blaming(name))
            }
        }
    }
    /// Ads that are on, for the quotas.
    pub(super) fn active_ads(&self) -> i64 {
        let active = self.of_kind(Kind::Ad).filter(|n| n.status() == "ACTIVE").count();
        i64::try_from(active).unwrap_or(0)
    }
    /// Answers a call that was let in.
    pub(super) fn route(&mut self, call: &Call) -> Answer {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        match (call.method, &path[..]) {
            (Method::Get, []) => self.read_many(call),
            (Method::Get, ["me"]) => Ok(self.me(&call.token)),
            (Method::Get, ["me", "adaccounts"]) => self.my_accounts(call),
            (Method::Get, ["me", "permissions"]) => Ok(self.permissions(&call.token)),
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
            (Method::Delete, [id, "adlabels"]) => {
                let node = self.object(id, "delete")?;
                self.relabel(call, &node, false)
            }
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
                "customconversions" => self.create_custom_conversion(call),
                "async_batch_requests" | "asyncadrequestsets" => self.start_set(call, edge),
                _ => Err(Refusal::unknown("post", id)),
            };
        }
        if id == self.credentials.business_id && edge == "ad_studies" {
            return self.create_study(call);
        }
        let node = self.object(id, "post")?;
        let number = node.id;
        match (node.kind, edge) {
            (Kind::Campaign | Kind::AdSet | Kind::Ad, "insights") => {
                self.start_report(call, Some(number))
            }
            (Kind::Campaign, "copies") => self.copy_campaign(call, &node),
            (Kind::AdSet, "copies") => self.copy_adset(call, &node),
            (Kind::Ad, "copies") => self.copy_ad(call, &node),
            (Kind::Campaign | Kind::AdSet, "budget_schedules") => self.create_schedule(call, &node),
            (Kind::Campaign | Kind::AdSet | Kind::Ad | Kind::Creative, "adlabels") => {
                self.relabel(call, &node, true)
            }
            _ => Err(Refusal::unknown("post", id)),
        }
    }
    /// The object of an id in a path.
    fn object(&self, id: &str, method: &str) -> Result<Arc<Node>, Refusal> {
        let found = id.parse::<Id>().ok().and_then(|number| self.find(number));
        found.cloned().ok_or_else(|| Refusal::unknown(method, id))
    }
}

/// `{"success": true}`.
pub(super) fn success() -> Value {
    json!({"success": true})
}
