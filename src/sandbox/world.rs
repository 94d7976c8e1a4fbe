//! The state of the world and the passing of its time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde_json::{Map, Value, json};

use super::{
    access::Gate,
    activities::{Activity, Actor},
    asyncsets::RequestSet,
    audience::Audience,
    ledger::BudgetPoint,
    num,
    objects::{Id, Kind, Node, map, stamp},
    options::Options,
    reports::Report,
    rows::DayRow,
    scenario::{Credentials, EventFamily, Scenario},
    usage::Usage,
};
use crate::domain::{DAY_MS, Day, Moment, Zone};

/// Live time of one ad set on the current day.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    pub(super) ms: i64,
    /// Budget in minor units × milliseconds.
    pub(super) budget_ms: i64,
    pub(super) ads: BTreeSet<Id>,
}

/// Everything there is.
pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) credentials: Credentials,
    pub(super) options: Options,
    pub(super) now: Moment,
    pub(super) today: Day,
    pub(super) nodes: BTreeMap<Id, Arc<Node>>,
    pub(super) rows: BTreeMap<(Day, Id), DayRow>,
    pub(super) live: BTreeMap<Id, Live>,
    pub(super) spent: BTreeMap<Id, i64>,
    pub(super) audience: Box<dyn Audience>,
    pub(super) activities: Vec<Activity>,
    pub(super) reports: BTreeMap<Id, Report>,
    pub(super) sets: BTreeMap<Id, RequestSet>,
    /// `spend_cap` of the account in minor units, and when it was changed.
    pub(super) account_cap: (i64, Vec<Moment>),
    pub(super) budget_edits: BTreeMap<Id, Vec<Moment>>,
    pub(super) budgets: Vec<BudgetPoint>,
    pub(super) usage: Usage,
    pub(super) actor: Actor,
    /// `account_status`: 1 active, 2 disabled, 9 in grace period, …
    pub(super) account_status: i64,
    /// Currency and zone that the account shows instead of its own.
    pub(super) odd_account: Option<(String, String)>,
    /// How many times its budget the account spends today, where Meta's pacing fails.
    pub(super) abnormal: Option<f64>,
    /// Minor units spent beyond any pacing, by ad set and campaign.
    pub(super) excess: BTreeMap<Id, i64>,
    /// Tokens and codes given out.
    pub(super) gate: Gate,
    pub(super) last_id: Id,
    pub(super) draws: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("objects", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

impl World {
    /// Builds the scenario and lives through its history.
    pub(super) fn new(scenario: Scenario, options: Options, audience: Box<dyn Audience>) -> Self {
        let start = scenario.start;
        let first = scenario.zone.day_of(start).plus(-i64::from(scenario.history_days));
        let born = scenario.zone.start_of(first).plus(-DAY_MS / 4);
        let mut world = Self {
            credentials: scenario.credentials(),
            now: born,
            today: scenario.zone.day_of(born),
            nodes: BTreeMap::new(),
            rows: BTreeMap::new(),
            live: BTreeMap::new(),
            spent: BTreeMap::new(),
            audience,
            activities: Vec::new(),
            reports: BTreeMap::new(),
            sets: BTreeMap::new(),
            account_cap: (0, Vec::new()),
            budget_edits: BTreeMap::new(),
            budgets: Vec::new(),
            usage: Usage::new(options.tier),
            actor: Actor::Person,
            account_status: 1,
            odd_account: None,
            abnormal: None,
            excess: BTreeMap::new(),
            gate: Gate::default(),
            last_id: 120_210_000_000_000_000
                + num::mix(&[scenario.seed, 9]) % 1_000_000_000 * 1_000,
            draws: 0,
            options,
            scenario,
        };
        world.furnish();
        world.advance_to(start);
        world.actor = Actor::App;
        world
    }
    /// The account's zone.
    pub(super) fn zone(&self) -> &Zone {
        &self.scenario.zone
    }
    /// `act_…`.
    pub(super) fn act(&self) -> String {
        format!("act_{}", self.credentials.account_id)
    }
    /// An instant in Meta's spelling.
    pub(super) fn stamp(&self, moment: Moment) -> Value {
        stamp(self.zone(), moment)
    }
    /// A fresh id.
    pub(super) fn next_id(&mut self) -> Id {
        self.last_id += 10 + num::mix(&[self.scenario.seed, self.last_id]) % 90;
        self.last_id
    }
    /// A whole number in `low..=high`, drawn from the world's own stream.
    pub(super) fn draw(&mut self, low: i64, high: i64) -> i64 {
        self.draws += 1;
        num::between(low, high, &[self.scenario.seed, 0xD1A1, self.draws])
    }
    /// The object of that id, if reads can see it.
    pub(super) fn find(&self, id: Id) -> Option<&Arc<Node>> {
        self.nodes.get(&id).filter(|n| n.visible <= self.now)
    }
    /// The specification's name for the node of an id.
    pub(super) fn node_name(&self, id: &str) -> Option<&'static str> {
        let c = &self.credentials;
        match id {
            _ if id == "me" || id == c.user_id => return Some("User"),
            _ if id == c.business_id => return Some("Business"),
            _ if id.starts_with("act_") => return Some("AdAccount"),
            _ => {}
        }
        let number: Id = id.parse().ok()?;
        match self.nodes.get(&number) {
            Some(node) => Some(super::contract::node_of(node.kind)),
            None if self.reports.contains_key(&number) => Some("AdReportRun"),
            None if self.sets.contains_key(&number) => Some("AdAsyncRequestSet"),
            None => self.cell(id).map(|_| "AdStudyCell"),
        }
    }
    /// The object of that id, for writing.
    pub(super) fn edit(&mut self, id: Id) -> Option<&mut Node> {
        self.nodes.get_mut(&id).map(Arc::make_mut)
    }
    /// All objects of a kind, oldest first.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values().filter(move |n| n.kind == kind)
    }
    /// Ad sets of a campaign, oldest first.
    pub(super) fn adsets_of(&self, campaign: Id) -> Vec<Id> {
        let mine = |n: &&Arc<Node>| n.kind == Kind::AdSet && n.campaign == campaign;
        self.nodes.values().filter(mine).map(|n| n.id).collect()
    }
    /// Ads of an ad set, oldest first.
    pub(super) fn ads_of(&self, adset: Id) -> Vec<Id> {
        let mine = |n: &&Arc<Node>| n.kind == Kind::Ad && n.adset == adset;
        self.nodes.values().filter(mine).map(|n| n.id).collect()
    }
    /// Puts an object into the world.
    pub(super) fn add(&mut self, node: Node) -> Id {
        let id = node.id;
        self.nodes.insert(id, Arc::new(node));
        id
    }
    /// Minor units per major unit.
    pub(super) fn offset(&self) -> i64 {
        self.scenario.currency.offset()
    }
    /// Minor units as the decimal text of major units that insights use.
    pub(super) fn major(&self, minor: i64) -> String {
        if self.offset() == 1 {
            return minor.to_string();
        }
        let text = format!("{}.{:02}", minor / 100, (minor % 100).abs());
        text.strip_suffix("00")
            .and_then(|t| t.strip_suffix('.'))
            .map_or(text.clone(), str::to_owned)
    }
    /// The funnel level an ad set optimises for. Events outside the funnel count as their nearest neighbour in it.
    pub(super) fn level_of(&self, adset: &Node) -> usize {
        let goal = adset.text("optimization_goal");
        if goal == "VALUE" {
            return 4;
        }
        if goal != "OFFSITE_CONVERSIONS" {
            return 0;
        }
        let object = adset.fields.get("promoted_object").cloned().unwrap_or_default();
        let part = |name: &str| object.get(name).map(super::params::plain).unwrap_or_default();
        let conversion: Option<u64> = part("custom_conversion_id").parse().ok();
        let kind = part("custom_event_type");
        let exact = self.scenario.events.iter().position(|e| match (&e.family, conversion) {
            (EventFamily::Custom(id), Some(wanted)) => *id == wanted,
            (EventFamily::Custom(_), None) | (_, Some(_)) => false,
            _ => e.custom_event_type == Some(kind.as_str()),
        });
        exact.unwrap_or(match kind.as_str() {
            "CONTENT_VIEW" | "SEARCH" => 1,
            "ADD_TO_CART" | "ADD_TO_WISHLIST" | "CONTACT" | "CUSTOMIZE_PRODUCT" => 2,
            "PURCHASE" | "DONATE" | "LEAD" => 4,
            _ => 3,
        })
    }
    /// Lets time pass until `target`, stopping at every moment where something changes by itself.
    pub(super) fn advance_to(&mut self, target: Moment) {
        while self.now < target {
            let midnight = self.zone().end_of(self.today);
            let horizon = target.min(midnight);
            // Reading the clock of every object there ever was would be most of what time costs: a date more than two days
            // away is not today on any clock.
            let dates = [-2, 2].map(|days| self.today.plus(days).to_string());
            let next = self
                .nodes
                .values()
                .flat_map(|n| Self::turning_points(n, &dates))
                .filter(|t| *t > self.now && *t < horizon)
                .min()
                .unwrap_or(horizon);
            self.accrue(next);
            self.now = next;
            if next == midnight {
                self.settle_day();
                self.today = self.zone().day_of(next);
            } else {
                self.run_rules();
            }
        }
    }
    /// The moments between two dates at which something of an object begins or ends.
    fn turning_points(node: &Node, [first, last]: &[String; 2]) -> impl Iterator<Item = Moment> {
        let named = ["start_time", "end_time", "stop_time", "time_start", "time_end"];
        let listed = named.map(|name| {
            let date = node.text(name).get(..10)?;
            (first.as_str() <= date && date <= last.as_str()).then(|| node.moment(name))?
        });
        listed.into_iter().flatten().chain([node.busy, node.review])
    }
    fn furnish(&mut self) {
        let scenario = self.scenario.clone();
        let pixel = self.next_id();
        let fired = self.stamp(self.now);
        let about =
            map([("name", json!(format!("{} pixel", scenario.name))), ("creation_time", fired)]);
        self.add(Node::new(pixel, Kind::Pixel, self.now, about));
        for event in &scenario.events {
            if let EventFamily::Custom(id) = event.family {
                let fields = map([
                    ("name", json!(event.title)),
                    ("custom_event_type", json!("OTHER")),
                    ("event_source_type", json!("pixel")),
                    ("is_archived", json!(false)),
                    ("pixel", json!({"id": pixel.to_string()})),
                    ("rule", json!("{\"and\":[{\"event\":{\"eq\":\"BigCart\"}}]}")),
                ]);
                self.add(Node::new(id, Kind::CustomConversion, self.now, fields));
            }
        }
        for id in &scenario.drafts {
            let fields = map([
                ("name", json!("Draft")),
                ("objective", json!("OUTCOME_SALES")),
                ("buying_type", json!("AUCTION")),
                ("status", json!("PAUSED")),
                ("special_ad_categories", json!([])),
                ("pacing_type", json!(["standard"])),
                ("is_adset_budget_sharing_enabled", json!(false)),
            ]);
            self.add(Node::new(*id, Kind::Campaign, self.now, fields));
        }
        for campaign in &scenario.campaigns {
            let id = self.next_id();
            let budget = |minor: Option<i64>| minor.map_or(Value::Null, |b| json!(b.to_string()));
            let strategy = json!("LOWEST_COST_WITHOUT_CAP");
            let cbo = campaign.daily_budget.is_some();
            let mut fields = map([
                ("name", json!(campaign.name)),
                ("objective", json!(campaign.objective)),
                ("buying_type", json!("AUCTION")),
                ("status", json!("ACTIVE")),
                ("special_ad_categories", json!([])),
                ("daily_budget", budget(campaign.daily_budget)),
                ("bid_strategy", if cbo { strategy.clone() } else { Value::Null }),
                ("pacing_type", json!(["standard"])),
                ("is_adset_budget_sharing_enabled", json!(false)),
            ]);
            fields.insert("start_time".to_owned(), self.stamp(self.now));
            let mut node = Node::new(id, Kind::Campaign, self.now, fields);
            node.published = true;
            self.add(node);
            let sets = i64::try_from(campaign.adsets.len()).unwrap_or(1).max(1);
            for set in &campaign.adsets {
                let own = set.daily_budget.or(campaign.daily_budget.map(|b| b / sets));
                let adset = self.furnish_adset(id, set, pixel, own.unwrap_or(10_000));
                for n in 0..set.ads {
                    self.furnish_ad(id, adset, n);
                }
            }
        }
    }
    fn furnish_adset(
        &mut self,
        campaign: Id,
        spec: &super::scenario::AdSetSpec,
        pixel: Id,
        base: i64,
    ) -> Id {
        let event = self.scenario.events[spec.level.min(4)].clone();
        let mut object = map([
            ("pixel_id", json!(pixel.to_string())),
            ("custom_event_type", event.custom_event_type.map_or(Value::Null, |k| json!(k))),
        ]);
        if let EventFamily::Custom(id) = event.family {
            object.insert("custom_conversion_id".to_owned(), json!(id.to_string()));
        }
        let by_goal = event.custom_event_type.is_none();
        let day_view = json!({"event_type": "VIEW_THROUGH", "window_days": 1});
        let windows = if by_goal {
            json!([{"event_type": "CLICK_THROUGH", "window_days": 1}])
        } else {
            json!([{"event_type": "CLICK_THROUGH", "window_days": 7}, day_view])
        };
        let id = self.next_id();
        let payer = json!(format!("{} GmbH", self.scenario.name));
        let goal = if by_goal { "LANDING_PAGE_VIEWS" } else { "OFFSITE_CONVERSIONS" };
        let cbo = spec.daily_budget.is_none();
        let mut fields = map([
            ("name", json!(spec.name)),
            ("status", json!("ACTIVE")),
            ("optimization_goal", json!(goal)),
            ("billing_event", json!("IMPRESSIONS")),
            ("bid_strategy", if cbo { Value::Null } else { json!("LOWEST_COST_WITHOUT_CAP") }),
            ("destination_type", json!("WEBSITE")),
            ("promoted_object", if by_goal { Value::Null } else { Value::Object(object) }),
            ("attribution_spec", windows),
            ("daily_budget", spec.daily_budget.map_or(Value::Null, |b| json!(b.to_string()))),
            ("targeting", self.targeting()),
            ("is_dynamic_creative", json!(false)),
            ("dsa_beneficiary", payer.clone()),
            ("dsa_payor", payer),
        ]);
        fields.insert("start_time".to_owned(), self.stamp(self.now));
        let mut node = Node::new(id, Kind::AdSet, self.now, fields);
        node.campaign = campaign;
        node.published = true;
        node.base_budget = base;
        self.add(node)
    }
    fn targeting(&self) -> Value {
        json!({
            "age_max": 54, "age_min": 25,
            "geo_locations": {"countries": self.scenario.countries, "location_types": ["home", "recent"]},
            "targeting_automation": {"advantage_audience": 0}
        })
    }
    fn furnish_ad(&mut self, campaign: Id, adset: Id, n: u32) {
        let creative = self.next_id();
        let story = format!("{}_{}", self.credentials.business_id, creative % 1_000_000_007);
        let about = map([
            ("name", json!(format!("Creative {}", n + 1))),
            ("status", json!("ACTIVE")),
            ("object_story_id", json!(story)),
            ("effective_object_story_id", json!(story)),
            ("url_tags", json!("utm_source=meta&utm_campaign={{campaign.name}}")),
        ]);
        self.add(Node::new(creative, Kind::Creative, self.now, about));
        let id = self.next_id();
        let fields = map([
            ("name", json!(format!("Ad {}", n + 1))),
            ("status", json!("ACTIVE")),
            ("creative", json!({"id": creative.to_string()})),
            ("conversion_domain", json!("shop.example")),
        ]);
        let mut node = Node::new(id, Kind::Ad, self.now, fields);
        (node.campaign, node.adset, node.published) = (campaign, adset, true);
        self.add(node);
    }
    /// What an object of this kind is built from when it is copied or created: fields with a new id.
    pub(super) fn create(
        &mut self,
        kind: Kind,
        parents: (Id, Id),
        fields: Map<String, Value>,
    ) -> Id {
        let id = self.next_id();
        let mut node = Node::new(id, kind, self.now, fields);
        (node.campaign, node.adset) = parents;
        node.visible = self.now.plus(self.options.list_lag_ms + self.extra_lag());
        if matches!(kind, Kind::AdSet | Kind::Ad) {
            (node.busy, node.issues) = self.processing();
        }
        if kind == Kind::Ad {
            node.review = self.now.plus(self.draw(10, 120) * 60_000);
        }
        node.published = node.status() == "ACTIVE";
        self.add(node)
    }
}
