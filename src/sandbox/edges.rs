//! Reading lists: the edges of the account and of its objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    contract::node_of,
    errors::{Answer, Refusal},
    fields::requested,
    filters::{Filter, filters},
    objects::{Id, Kind, Node},
    paging::page,
    request::Call,
    world::World,
};

const PAGE: usize = 25;
/// Smallest daily budget in minor units, for sets billed by impressions.
pub(super) const MIN_DAILY_BUDGET: i64 = 100;

impl World {
    /// `GET /{object}/{edge}`.
    pub(super) fn edge(&mut self, call: &Call, id: &str, edge: &str) -> Answer {
        if id == self.act() {
            return self.account_edge(call, edge);
        }
        if id == self.credentials.business_id {
            return match edge {
                "ad_studies" => self.list(call, self.all(Kind::Study)),
                "adspixels" => self.list(call, self.all(Kind::Pixel)),
                "owned_ad_accounts" | "client_ad_accounts" => self.my_accounts(call),
                _ => page(call, Vec::new(), PAGE, None),
            };
        }
        let unknown = || Refusal::unknown("get", id);
        let number: Id = id.parse().map_err(|_| unknown())?;
        if self.reports.contains_key(&number) {
            return match edge {
                "insights" => self.report_rows(call, number),
                _ => Err(Refusal::nonexisting(edge, "AdReportRun")),
            };
        }
        if self.sets.contains_key(&number) {
            return match edge {
                "requests" => self.list_requests(call, number),
                _ => Err(Refusal::nonexisting(edge, "AdAsyncRequestSet")),
            };
        }
        if self.cell(id).is_some() {
            return self.cell_edge(call, id, edge);
        }
        let node = self.find(number).cloned().ok_or_else(unknown)?;
        self.object_edge(call, &node, edge)
    }
    fn account_edge(&mut self, call: &Call, edge: &str) -> Answer {
        let kind = match edge {
            "campaigns" => Kind::Campaign,
            "adsets" => Kind::AdSet,
            "ads" => Kind::Ad,
            "adcreatives" => Kind::Creative,
            "adspixels" => Kind::Pixel,
            "customconversions" => Kind::CustomConversion,
            "adrules_library" => Kind::Rule,
            "ad_studies" => Kind::Study,
            "adlabels" => Kind::Label,
            "insights" => return self.insights(call, None),
            "activities" => return self.list_activities(call, None),
            "asyncadrequestsets" => return self.list_sets(call),
            "delivery_estimate" => return page(call, vec![self.delivery_estimate()], PAGE, None),
            "minimum_budgets" => return page(call, vec![self.minimum_budgets()], PAGE, None),
            "adrules_history" | "users" | "assigned_users" | "customaudiences" | "adimages"
            | "advideos" | "async_requests" | "saved_audiences" => {
                return page(call, Vec::new(), PAGE, None);
            }
            _ => return Err(Refusal::nonexisting(edge, "AdAccount")),
        };
        self.list(call, self.all(kind))
    }
    fn object_edge(&mut self, call: &Call, node: &Node, edge: &str) -> Answer {
        let id = node.id;
        let of = |kind: Kind, test: &dyn Fn(&Node) -> bool| -> Vec<Arc<Node>> {
            self.of_kind(kind).filter(|n| test(n)).cloned().collect()
        };
        let found = match (node.kind, edge) {
            (Kind::Campaign | Kind::AdSet | Kind::Ad, "insights") => {
                return self.insights(call, Some(id));
            }
            (Kind::Campaign | Kind::AdSet | Kind::Ad, "activities") => {
                return self.list_activities(call, Some(id));
            }
            (Kind::Campaign, "adsets") => of(Kind::AdSet, &|n| n.campaign == id),
            (Kind::Campaign, "ads") => of(Kind::Ad, &|n| n.campaign == id),
            (Kind::AdSet, "ads") => of(Kind::Ad, &|n| n.adset == id),
            (Kind::Campaign | Kind::AdSet | Kind::Ad, "copies") => of(node.kind, &|n| {
                let source = match n.kind {
                    Kind::Campaign => "source_campaign_id",
                    Kind::AdSet => "source_adset_id",
                    _ => "source_ad_id",
                };
                n.text(source) == id.to_string()
            }),
            (Kind::AdSet | Kind::Ad, "adcreatives") => {
                let ads = if node.kind == Kind::Ad { vec![id] } else { self.ads_of(id) };
                let used: Vec<String> = ads
                    .iter()
                    .filter_map(|a| {
                        self.nodes.get(a)?.fields.get("creative")?["id"].as_str().map(str::to_owned)
                    })
                    .collect();
                of(Kind::Creative, &|n| used.contains(&n.id.to_string()))
            }
            (Kind::Campaign | Kind::AdSet | Kind::Ad, "adrules_governed") => {
                let rules = self.governing(id);
                of(Kind::Rule, &|n| rules.contains(&n.id))
            }
            (Kind::Campaign | Kind::AdSet, "budget_schedules") => {
                of(Kind::Schedule, &|n| n.campaign == id)
            }
            (Kind::Campaign | Kind::AdSet, "ad_studies") => of(Kind::Study, &|n| {
                n.fields.get("cells").is_some_and(|c| c.to_string().contains(&format!("\"{id}\"")))
            }),
            (Kind::Pixel, "stats") => return self.pixel_stats(call),
            (Kind::CustomConversion, "stats") => return self.conversion_stats(call, node),
            (Kind::AdSet, "delivery_estimate") => {
                return page(call, vec![self.delivery_estimate()], PAGE, None);
            }
            (Kind::Label, "campaigns") => of(Kind::Campaign, &|n| Self::bears(n, id)),
            (Kind::Label, "adsets") => of(Kind::AdSet, &|n| Self::bears(n, id)),
            (Kind::Label, "ads") => of(Kind::Ad, &|n| Self::bears(n, id)),
            (Kind::Label, "adcreatives") => of(Kind::Creative, &|n| Self::bears(n, id)),
            (Kind::Study, "cells") => {
                return self.list_cells(call, node);
            }
            (Kind::Ad, "leads") | (Kind::Rule, "history") | (Kind::AdSet, "asyncadrequests") => {
                return page(call, Vec::new(), PAGE, None);
            }
            _ => return Err(Refusal::nonexisting(edge, node_of(node.kind))),
        };
        self.list(call, found)
    }
    /// All objects of a kind, oldest first (Meta promises no order).
    pub(super) fn all(&self, kind: Kind) -> Vec<Arc<Node>> {
        self.of_kind(kind).cloned().collect()
    }
    /// Filters, shows and pages objects. Archived and deleted ones are left out unless a filter asks for a status.
    pub(super) fn list(&mut self, call: &Call, found: Vec<Arc<Node>>) -> Answer {
        let conditions = filters(&call.params)?;
        let statuses = call.params.list("effective_status");
        let asks =
            statuses.is_some() || conditions.iter().any(|f| f.field.ends_with("effective_status"));
        let now = self.now;
        let since = call.params.int("updated_since")?.unwrap_or(i64::MIN);
        let keep = |n: &Arc<Node>| {
            let effective = self.effective(n);
            let gone = matches!(effective, "ARCHIVED" | "DELETED");
            n.visible <= now
                && n.updated.seconds() >= since
                && (asks || !gone)
                && statuses.as_ref().is_none_or(|s| s.iter().any(|w| w == effective))
                && conditions.iter().all(|f| self.condition(f, n))
        };
        let mut kept: Vec<Arc<Node>> = found.into_iter().filter(keep).collect();
        if call.params.text("order_by").as_deref() == Some("updated_time") {
            kept.sort_by_key(|n| n.updated);
            if call.params.text("sort").is_some_and(|s| s.eq_ignore_ascii_case("desc")) {
                kept.reverse();
            }
        }
        let fields = requested(&call.params);
        let mut items = Vec::with_capacity(kept.len());
        for node in kept {
            items.push(self.show(call, &node, fields.as_deref())?);
        }
        page(call, items, PAGE, None)
    }
    /// True if an object passes a condition such as `campaign.id IN […]` or `updated_time GREATER_THAN 1700000000`.
    pub(super) fn condition(&self, filter: &Filter, node: &Node) -> bool {
        let (level, name) = filter.field.rsplit_once('.').unwrap_or(("", &filter.field));
        let target = match level {
            "campaign" if node.kind != Kind::Campaign => {
                self.nodes.get(&node.campaign).map(Arc::as_ref)
            }
            "adset" if node.kind == Kind::Ad => self.nodes.get(&node.adset).map(Arc::as_ref),
            _ => Some(node),
        };
        let actual = target.and_then(|n| match name {
            "created_time" => Some(n.created.seconds().to_string()),
            "updated_time" => Some(n.updated.seconds().to_string()),
            // Deprecated name of the same thing in some clients.
            "delivery_info" => Some(self.effective(n).to_lowercase()),
            _ => self.field(n, name).map(|v| super::params::plain(&v)),
        });
        filter.passes(actual.as_deref())
    }
    /// `/me/adaccounts`.
    pub(super) fn my_accounts(&mut self, call: &Call) -> Answer {
        let fields = requested(&call.params);
        let account = self.show_account(call, fields.as_deref())?;
        page(call, vec![account], PAGE, None)
    }
    /// What an audience could deliver. The daily curve and the budget guard are gone since 2026-10-27.
    fn delivery_estimate(&self) -> Value {
        let mut shown = json!({
            "estimate_ready": true, "estimate_mau_lower_bound": 1_400_000, "estimate_mau_upper_bound": 1_700_000,
        });
        if self.legacy() {
            shown["estimate_dau"] = json!(900_000);
            shown["daily_outcomes_curve"] =
                json!([{"spend": 0, "reach": 0, "impressions": 0, "actions": 0}]);
        }
        shown
    }
    fn minimum_budgets(&self) -> Value {
        let least = MIN_DAILY_BUDGET;
        json!({
            "currency": self.scenario.currency.to_string(), "min_daily_budget_imp": least,
            "min_daily_budget_high_freq": least * 5, "min_daily_budget_low_freq": least * 40,
            "min_daily_budget_video_views": least * 5,
        })
    }
}
