//! One insights row: sums over days and ad sets, spelled the way Meta spells them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    insights::{Level, Query},
    num,
    objects::{Id, Kind, Node},
    rows::DayRow,
    scenario::{EventFamily, EventSpec},
    slices::Labels,
    world::World,
};
use crate::domain::Day;

/// Counts of one event in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    /// Under each ad set's own setting.
    value: u64,
    click_1d: u64,
    click_7d: u64,
    view_1d: u64,
}

/// Sums of one object over one bucket.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    labels: Labels,
    /// The object; 0 for the account.
    pub(super) object: Id,
    pub(super) since: Day,
    pub(super) until: Day,
    spend: i64,
    impressions: u64,
    link_clicks: u64,
    events: [Sum; 5],
    /// Value of macro-conversions, minor units.
    value: i64,
    adsets: BTreeSet<Id>,
}

/// An ad set's attribution setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: String,
    click_days: u64,
    view: bool,
}

impl Figures {
    pub(super) fn new(object: Id, (since, until): (Day, Day), labels: &Labels) -> Self {
        Self {
            labels: labels.clone(),
            object,
            since,
            until,
            spend: 0,
            impressions: 0,
            link_clicks: 0,
            events: [Sum::default(); 5],
            value: 0,
            adsets: BTreeSet::new(),
        }
    }
    pub(super) fn is_empty(&self) -> bool {
        self.impressions == 0 && self.spend == 0 && self.events.iter().all(|e| *e == Sum::default())
    }
    /// Adds one ad set's day.
    pub(super) fn add(&mut self, adset: Id, row: &DayRow, setting: &Setting) {
        self.spend += row.spend;
        self.impressions += row.impressions;
        self.link_clicks += row.link_clicks;
        self.value += row.value;
        self.adsets.insert(adset);
        for (sum, counts) in self.events.iter_mut().zip(row.events) {
            let clicks = if setting.click_days >= 7 { counts.click_7d } else { counts.click_1d };
            let views = if setting.view { counts.view_1d() } else { 0 };
            sum.value += u64::from(clicks + views);
            sum.click_1d += u64::from(counts.click_1d);
            sum.click_7d += u64::from(counts.click_7d);
            sum.view_1d += u64::from(counts.view_1d());
        }
    }
    /// Adds another row.
    pub(super) fn merge(&mut self, other: &Self) {
        self.spend += other.spend;
        self.impressions += other.impressions;
        self.link_clicks += other.link_clicks;
        self.value += other.value;
        self.adsets.extend(&other.adsets);
        for (sum, more) in self.events.iter_mut().zip(other.events) {
            sum.value += more.value;
            sum.click_1d += more.click_1d;
            sum.click_7d += more.click_7d;
            sum.view_1d += more.view_1d;
        }
    }
    fn reach(&self) -> u64 {
        self.impressions * 10 / 13
    }
    fn clicks(&self) -> u64 {
        self.link_clicks * 5 / 4
    }
}

/// The names one event has in `actions` (or `conversions`), the pixel's own first. They count the same events again.
fn names(event: &EventSpec) -> Vec<String> {
    match &event.family {
        EventFamily::LandingPageView => {
            vec!["landing_page_view".into(), "omni_landing_page_view".into()]
        }
        EventFamily::Pixel(stem) => {
            let omni = if *stem == "initiate_checkout" { "initiated_checkout" } else { stem };
            let mut all = vec![
                format!("offsite_conversion.fb_pixel_{stem}"),
                (*stem).to_owned(),
                format!("omni_{omni}"),
                format!("onsite_web_{stem}"),
                format!("onsite_web_app_{stem}"),
            ];
            if *stem == "purchase" {
                all.extend([
                    "web_in_store_purchase".to_owned(),
                    "web_app_in_store_purchase".to_owned(),
                ]);
            }
            if *stem == "lead" {
                all.retain(|n| !n.starts_with("omni_") && n != "onsite_web_app_lead");
            }
            all
        }
        EventFamily::Conversions(stem) => vec![format!("{stem}_website"), format!("{stem}_total")],
        EventFamily::Custom(id) => {
            vec![
                format!("offsite_conversion.custom.{id}"),
                "offsite_conversion.fb_pixel_custom".to_owned(),
            ]
        }
    }
}

fn in_conversions(event: &EventSpec) -> bool {
    matches!(event.family, EventFamily::Conversions(_))
}

/// The attribution setting of an ad set, e.g. `7d_click_1d_view`.
pub(super) fn setting(adset: &Node) -> Setting {
    let spec = adset.fields.get("attribution_spec").and_then(Value::as_array);
    let spec = spec.map_or(&[][..], Vec::as_slice);
    let days = |kind: &str| {
        let found = spec.iter().find(|s| s["event_type"] == kind);
        found.and_then(|s| s["window_days"].as_u64()).unwrap_or(0)
    };
    let (click_days, view) = (days("CLICK_THROUGH").max(1), days("VIEW_THROUGH") > 0);
    let name = format!("{click_days}d_click{}", if view { "_1d_view" } else { "" });
    Setting { name, click_days, view }
}
/// True for names that the rows knows.
pub(super) fn is_metric(name: &str) -> bool {
    matches!(
        name,
        "spend"
            | "impressions"
            | "clicks"
            | "reach"
            | "frequency"
            | "inline_link_clicks"
            | "cpc"
            | "cpm"
            | "cpp"
            | "ctr"
            | "inline_link_click_ctr"
            | "cost_per_inline_link_click"
            | "unique_clicks"
            | "unique_inline_link_clicks"
            | "inline_post_engagement"
            | "cost_per_inline_post_engagement"
            | "social_spend"
    )
}

impl World {
    /// A single number of a row, as text; also an action type.
    pub(super) fn metric(&self, f: &Figures, name: &str) -> Option<String> {
        let ratio =
            |a: f64, b: u64| (b > 0).then(|| trim(a / num::float(i64::try_from(b).unwrap_or(1))));
        let spend = num::float(f.spend) / num::float(self.offset());
        let whole = |n: u64| num::float(i64::try_from(n).unwrap_or(0));
        match name {
            "spend" => Some(self.major(f.spend)),
            "impressions" => Some(f.impressions.to_string()),
            "reach" => Some(f.reach().to_string()),
            "frequency" => ratio(whole(f.impressions), f.reach()),
            "clicks" => Some(f.clicks().to_string()),
            "unique_clicks" => Some((f.clicks() * 9 / 10).to_string()),
            "unique_inline_link_clicks" => Some((f.link_clicks * 9 / 10).to_string()),
            "social_spend" => Some("0".to_owned()),
            "inline_link_clicks" | "link_click" | "inline_post_engagement" => {
                Some(f.link_clicks.to_string())
            }
            "cpc" => ratio(spend, f.clicks()),
            "cpm" => ratio(spend * 1000.0, f.impressions),
            "cpp" => ratio(spend * 1000.0, f.reach()),
            "ctr" => ratio(whole(f.clicks()) * 100.0, f.impressions),
            "inline_link_click_ctr" => ratio(whole(f.link_clicks) * 100.0, f.impressions),
            "cost_per_inline_link_click" | "cost_per_inline_post_engagement" => {
                ratio(spend, f.link_clicks)
            }
            _ => {
                let event =
                    self.scenario.events.iter().position(|e| names(e).iter().any(|n| n == name))?;
                Some(f.events[event].value.to_string())
            }
        }
    }
    /// A row with the fields asked for; fields without a figure are absent.
    pub(super) fn figure_row(&self, f: &Figures, query: &Query) -> Value {
        let mut row = Map::new();
        for name in &query.fields {
            if let Some(value) = self.cell_of(f, name, query) {
                row.insert(name.clone(), value);
            }
        }
        for (name, value) in &f.labels {
            row.insert(name.clone(), json!(value));
        }
        row.insert("date_start".to_owned(), json!(f.since.to_string()));
        row.insert("date_stop".to_owned(), json!(f.until.to_string()));
        Value::Object(row)
    }
    fn cell_of(&self, f: &Figures, name: &str, query: &Query) -> Option<Value> {
        let node = self.nodes.get(&f.object);
        let adset = node.and_then(|n| match n.kind {
            Kind::AdSet => Some(n),
            Kind::Ad => self.nodes.get(&n.adset),
            _ => None,
        });
        let campaign = node.and_then(|n| {
            if n.kind == Kind::Campaign { Some(n) } else { self.nodes.get(&n.campaign) }
        });
        let ad = node.filter(|_| query.level == Level::Ad);
        let id = |n: Option<&std::sync::Arc<Node>>| n.map(|n| json!(n.id.to_string()));
        let title = |n: Option<&std::sync::Arc<Node>>| n.map(|n| json!(n.text("name")));
        match name {
            "account_id" => Some(json!(self.credentials.account_id)),
            "account_name" => Some(json!(self.scenario.name)),
            "account_currency" => Some(json!(self.scenario.currency.to_string())),
            "campaign_id" => id(campaign),
            "campaign_name" => title(campaign),
            "adset_id" => id(adset),
            "adset_name" => title(adset),
            "ad_id" => id(ad),
            "ad_name" => title(ad),
            "objective" | "buying_type" => campaign.map(|c| json!(c.text(name))),
            "optimization_goal" => adset.map(|s| json!(s.text(name))),
            "attribution_setting" => Some(json!(self.common_setting(f))),
            "created_time" => node.map(|n| json!(self.zone().day_of(n.created).to_string())),
            "updated_time" => node.map(|n| json!(self.zone().day_of(n.updated).to_string())),
            "actions" => self.actions(f, query, false),
            "conversions" => self.actions(f, query, true),
            "action_values" => self.values(f, query),
            "cost_per_action_type" => self.costs(f, query, false),
            "cost_per_conversion" => self.costs(f, query, true),
            "outbound_clicks" => one("outbound_click", f, &f.link_clicks.to_string()),
            "outbound_clicks_ctr" => {
                one("outbound_click", f, &self.metric(f, "inline_link_click_ctr")?)
            }
            "website_ctr" => one("link_click", f, &self.metric(f, "inline_link_click_ctr")?),
            "cost_per_outbound_click" => {
                one("outbound_click", f, &self.metric(f, "cost_per_inline_link_click")?)
            }
            "quality_ranking" | "engagement_rate_ranking" | "conversion_rate_ranking" => {
                ad.map(|_| json!("UNKNOWN"))
            }
            "purchase_roas" => self.roas(f, "omni_purchase"),
            "website_purchase_roas" => self.roas(f, "offsite_conversion.fb_pixel_purchase"),
            "results" => self.results(f, false),
            "cost_per_result" => self.results(f, true),
            _ => self.metric(f, name).filter(|_| is_metric(name)).map(Value::String),
        }
    }
    fn common_setting(&self, f: &Figures) -> String {
        let mut all: Vec<String> =
            f.adsets.iter().filter_map(|id| self.nodes.get(id)).map(|n| setting(n).name).collect();
        all.dedup();
        if all.len() == 1 { all.remove(0) } else { "mixed".to_owned() }
    }
    fn actions(&self, f: &Figures, query: &Query, conversions: bool) -> Option<Value> {
        let mut list = Vec::new();
        let entry = |name: &str, sum: &Sum| windowed(name, sum, query, |n| n.to_string());
        if !conversions && f.link_clicks > 0 {
            let n = f.link_clicks;
            let clicks = Sum { value: n, click_1d: n, click_7d: n, view_1d: 0 };
            list.push(entry("link_click", &clicks));
            list.push(entry("page_engagement", &clicks));
            list.push(entry("post_engagement", &clicks));
        }
        for (event, sum) in self.scenario.events.iter().zip(&f.events) {
            let told = !hidden(f) || event.custom_event_type.is_none();
            if told && in_conversions(event) == conversions && *sum != Sum::default() {
                list.extend(names(event).iter().map(|name| entry(name, sum)));
            }
        }
        (!list.is_empty()).then_some(Value::Array(list))
    }
    fn values(&self, f: &Figures, query: &Query) -> Option<Value> {
        let (event, sum) = (&self.scenario.events[4], &f.events[4]);
        if hidden(f) || f.value <= 0 || !matches!(event.family, EventFamily::Pixel("purchase")) {
            return None;
        }
        // Each purchase of a row is taken to be worth the same, whichever window it fell into.
        let all = i64::try_from(sum.value).unwrap_or(i64::MAX).max(1);
        let worth = |n: u64| {
            let part = i64::try_from(n).unwrap_or(0);
            self.major(if part == all { f.value } else { f.value * part / all })
        };
        let list: Vec<Value> =
            names(event).iter().map(|n| windowed(n, sum, query, worth)).collect();
        Some(Value::Array(list))
    }
    fn costs(&self, f: &Figures, query: &Query, conversions: bool) -> Option<Value> {
        let spend = num::float(f.spend) / num::float(self.offset());
        let cost = |n: u64| trim(spend / num::float(i64::try_from(n).unwrap_or(1)));
        let mut list = Vec::new();
        if f.link_clicks > 0 && !conversions {
            let n = f.link_clicks;
            let clicks = Sum { value: n, click_1d: n, click_7d: n, view_1d: 0 };
            list.push(windowed("link_click", &clicks, query, cost));
        }
        for (event, sum) in self.scenario.events.iter().zip(&f.events) {
            if hidden(f) && event.custom_event_type.is_some() {
                continue;
            }
            if in_conversions(event) == conversions && sum.value > 0 {
                let listed =
                    names(event).into_iter().filter(|n| !n.starts_with("offsite_conversion."));
                list.extend(listed.map(|n| windowed(&n, sum, query, cost)));
            }
        }
        (!list.is_empty()).then_some(Value::Array(list))
    }
    fn roas(&self, f: &Figures, name: &str) -> Option<Value> {
        let shop = matches!(self.scenario.events[4].family, EventFamily::Pixel("purchase"));
        let value = trim(num::float(f.value) / num::float(f.spend.max(1)));
        (shop && !hidden(f) && f.value > 0 && f.spend > 0)
            .then(|| json!([{"action_type": name, "value": value}]))
    }
    /// Meta's own idea of the result: the optimised event, when all ad sets of the row share it.
    fn results(&self, f: &Figures, cost: bool) -> Option<Value> {
        let mut levels: Vec<usize> =
            f.adsets.iter().filter_map(|id| self.nodes.get(id)).map(|n| self.level_of(n)).collect();
        levels.dedup();
        let [level] = levels[..] else { return None };
        let event = &self.scenario.events[level];
        let field = if in_conversions(event) { "conversions" } else { "actions" };
        let indicator = format!("{field}:{}", names(event).first()?);
        let count = f.events[level].value;
        let value = if cost {
            let spend = num::float(f.spend) / num::float(self.offset());
            (count > 0).then(|| trim(spend / num::float(i64::try_from(count).unwrap_or(1))))?
        } else {
            count.to_string()
        };
        let windows: Vec<String> =
            self.common_setting(f).split("_1d_view").map(str::to_owned).collect();
        let named = windows.first().cloned().unwrap_or_default();
        let mut list = vec![named];
        if windows.len() > 1 {
            list.push("1d_view".to_owned());
        }
        Some(
            json!([{"indicator": indicator, "values": [{"value": value, "attribution_windows": list}]}]),
        )
    }
}

/// True when the breakdowns of a row leave out what happens off Meta's own pages.
fn hidden(f: &Figures) -> bool {
    f.labels.iter().any(|(name, _)| super::reach::hides_offsite(name))
}

/// A list of one click count; absent when there are no clicks.
fn one(name: &str, f: &Figures, value: &str) -> Option<Value> {
    (f.link_clicks > 0).then(|| json!([{"action_type": name, "value": value}]))
}

/// One entry of an action list: the value, and a key per window that has something. Views over more than a day have
/// nothing since 2026-01-12.
fn windowed(name: &str, sum: &Sum, query: &Query, spell: impl Fn(u64) -> String) -> Value {
    let mut item = Map::new();
    item.insert("action_type".to_owned(), Value::String(name.to_owned()));
    item.insert("value".to_owned(), Value::String(spell(sum.value)));
    for window in &query.windows {
        let count = match window.as_str() {
            "1d_click" => sum.click_1d,
            "7d_click" | "28d_click" => sum.click_7d,
            "1d_view" => sum.view_1d,
            _ => 0,
        };
        if count > 0 {
            item.insert(window.clone(), Value::String(spell(count)));
        }
    }
    Value::Object(item)
}

/// A ratio with six digits, trailing zeros cut.
fn trim(x: f64) -> String {
    let text = format!("{x:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
