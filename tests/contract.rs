//! Every request the client can build, held against the official specification (`tests/spec/facts.txt`).
//!
//! The checker belongs to the rehearsal world and shares nothing with the client but the requests themselves. Checked
//! are all plan templates, all reads, and everything a whole climb sends; the world of that climb is strict, so it also
//! answers as Meta would to a request that breaks the specification.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test and its helpers; the counts are what it shows"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use rungwise::{
    boot::AnyTransport,
    domain::{
        AccountId, AdId, AdSetId, CampaignId, CreativeId, DayRange, Fields, Goal, Moment, Money,
        ObjectId, Rung, Status,
        climb::State,
        plan::{ObjectKind, Op, Target, Template},
    },
    graph::{Client, Link, Options as LinkOptions, Secrets},
    ports::{
        BoxFuture, Clock, MetaRead, Method, Request, Response, Transport, TransportError,
        meta::InsightPages as _,
    },
    sandbox::{
        Options, Sandbox, Scenario, SteadyAudience,
        contract::{Checked, Contract, Wrong},
    },
};
use serde_json::{Value, json};

#[cfg(test)]
#[expect(dead_code, reason = "the stories use more of it")]
#[path = "story_cases/support.rs"]
mod support;

/// Checks what passes through, before the world sees it.
#[derive(Clone)]
struct Witness {
    world: Sandbox,
    seen: Arc<Mutex<Checked>>,
    /// Nodes by id, also of what is gone by now.
    nodes: Arc<Mutex<BTreeMap<String, &'static str>>>,
}

impl Witness {
    fn new(world: &Sandbox) -> Self {
        Self { world: world.clone(), seen: Arc::default(), nodes: Arc::default() }
    }
    fn node_of(&self, id: &str) -> Option<&'static str> {
        let mut nodes = self.nodes.lock().unwrap();
        if let Some(node) = self.world.node_of(id) {
            nodes.insert(id.to_owned(), node);
        }
        nodes.get(id).copied()
    }
    fn checked(&self) -> Checked {
        self.seen.lock().unwrap().clone()
    }
}

impl Transport for Witness {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        let checked = Contract::official().check(request, &|id| self.node_of(id));
        self.seen.lock().unwrap().add(checked);
        self.world.send(request)
    }
}

fn told(what: &str, checked: &Checked) {
    let unknown = checked.findings.len();
    eprintln!(
        "contract, {what}: {} requests, {} fields, {} params, {} enum values checked; {unknown} unknown",
        checked.requests, checked.fields, checked.params, checked.values
    );
    assert!(checked.findings.is_empty(), "{:#?}", checked.findings);
}

fn strict() -> Options {
    Options { strict: true, ..Options::default() }
}

fn client(world: &Sandbox, app: bool) -> (Client<Witness>, Witness) {
    let witness = Witness::new(world);
    let who = world.credentials();
    let account = AccountId::new(&format!("act_{}", who.account_id)).unwrap();
    let options = LinkOptions {
        account,
        version: "v26.0".to_owned(),
        points: None,
        marker: "[rw-".to_owned(),
        seed: Some(1),
    };
    let app = app.then_some((who.app_id.as_str(), &who.app_secret));
    let secrets = Secrets::new(who.access_token.clone(), app);
    let clock: Arc<dyn Clock> = Arc::new(world.clock());
    (Client::new(Link::new(witness.clone(), clock, secrets, options)), witness)
}

#[tokio::test]
async fn every_read_satisfies_the_specification() {
    let scenarios =
        [Scenario::default(), Scenario::lead_generation(), Scenario::custom_conversion()];
    let mut all = Checked::default();
    for scenario in scenarios {
        let world = Sandbox::with(scenario, strict(), Box::new(SteadyAudience::new(1)));
        for app in [true, false] {
            let (client, witness) = client(&world, app);
            let info = client.account().await.unwrap();
            client.token().await.unwrap();
            let trees = client.trees(&[]).await.unwrap();
            let ids: Vec<CampaignId> = trees.iter().map(|t| t.campaign.id.clone()).collect();
            client.trees(&ids).await.unwrap();
            client.twins(&ids).await.unwrap();
            let day = info.zone.day_of(world.clock().now()).plus(-1);
            let range = DayRange::new(day.plus(-30), day).unwrap();
            let mut pages = client.insights(range);
            while pages.next().await.unwrap().is_some() {}
            client.account_spend(range).await.unwrap();
            let tree = &trees[0];
            let kinds = [
                (ObjectKind::Campaign, tree.campaign.id.as_str()),
                (ObjectKind::AdSet, tree.adsets[0].id.as_str()),
                (ObjectKind::Ad, tree.ads[0].id.as_str()),
            ];
            for (kind, id) in kinds {
                client.aspects(kind, &ObjectId::new(id).unwrap()).await.unwrap();
                client.find_marked(kind, "[rw-").await.unwrap();
            }
            client.find_marked(ObjectKind::Rule, "[rw-").await.unwrap();
            for id in &ids {
                client.interference(id).await.unwrap();
            }
            all.add(witness.checked());
        }
    }
    told("reads", &all);
    assert!(all.requests > 60 && all.fields > 1_000 && all.values > 100, "{all:?}");
}

fn target(key: &str) -> Target {
    Target::Created(key.to_owned())
}

fn eur(minor: i64) -> Money {
    Money::from_minor(minor, "EUR".parse().unwrap())
}

/// Rungs of every goal and every event a ladder can name.
fn rungs() -> Vec<Rung> {
    let rung = |goal, event: Option<&str>| Rung {
        key: "k".into(),
        title: "T".into(),
        goal,
        custom_event_type: event.map(str::to_owned),
        custom_event_str: None,
        custom_conversion_id: None,
        action_type: "a".into(),
    };
    let events = [
        "CONTENT_VIEW",
        "SEARCH",
        "ADD_TO_CART",
        "ADD_TO_WISHLIST",
        "INITIATED_CHECKOUT",
        "ADD_PAYMENT_INFO",
        "PURCHASE",
        "LEAD",
        "COMPLETE_REGISTRATION",
        "CONTACT",
        "CUSTOMIZE_PRODUCT",
        "DONATE",
        "FIND_LOCATION",
        "SCHEDULE",
        "START_TRIAL",
        "SUBMIT_APPLICATION",
        "SUBSCRIBE",
    ];
    let mut all: Vec<Rung> =
        events.iter().map(|e| rung(Goal::OffsiteConversions, Some(e))).collect();
    all.push(rung(Goal::LandingPageViews, None));
    let mut named = rung(Goal::OffsiteConversions, Some("OTHER"));
    named.custom_event_str = Some("BigCart".into());
    all.push(named);
    let mut custom = rung(Goal::OffsiteConversions, Some("OTHER"));
    custom.custom_conversion_id = Some("123".into());
    all.push(custom);
    all
}

/// Every field a copy takes over, as reads answer them.
fn full_adset() -> Fields {
    serde_json::from_value(json!({
        "id": "5", "billing_event": "IMPRESSIONS", "optimization_sub_event": "VIDEO_SOUND_ON",
        "destination_type": "WEBSITE", "is_incremental_attribution_enabled": false,
        "pacing_type": ["standard"], "is_dynamic_creative": false, "bid_strategy": "LOWEST_COST_WITHOUT_CAP",
        "adset_schedule": [{"start_minute": 0, "end_minute": 720, "days": [1, 2], "timezone_type": "USER"}],
        "frequency_control_specs": [{"event": "IMPRESSIONS", "interval_days": 7, "max_frequency": 3}],
        "placement_soft_opt_out": {"facebook": []}, "dsa_beneficiary": "Shop GmbH", "dsa_payor": "Shop GmbH",
        "regional_regulated_categories": ["TAIWAN_UNIVERSAL"],
        "regional_regulation_identities": {"taiwan_universal_payer": "1"},
        "value_rule_set_id": "77", "value_rules_applied": true,
        "daily_min_spend_target": "1000", "daily_spend_cap": "9000",
        "promoted_object": {"pixel_id": "99", "custom_event_type": "ADD_TO_CART", "product_set_id": "8",
            "application_id": "1", "object_store_url": "u", "page_id": "2", "product_catalog_id": "3",
            "whatsapp_phone_number": "4"},
        "targeting": {"age_min": 18, "age_max": 65, "genders": [1], "geo_locations": {"countries": ["DE"]},
            "publisher_platforms": ["facebook"], "facebook_positions": ["feed"],
            "custom_audiences": [{"id": "6"}], "flexible_spec": [{"interests": [{"id": "7"}]}],
            "targeting_automation": {"advantage_audience": 0}, "locales": [5], "device_platforms": ["mobile"]},
    }))
    .unwrap()
}

fn operations() -> Vec<Op> {
    let fields = |value: Value| -> Fields { serde_json::from_value(value).unwrap() };
    let object = |kind: &str| Target::Created(kind.to_owned());
    let mut all = Vec::new();
    for (budget, cap, objective) in [
        (None, Some(eur(50_000)), "OUTCOME_SALES"),
        (Some(eur(9_000)), None, "OUTCOME_LEADS"),
        (None, None, "OUTCOME_ENGAGEMENT"),
        (None, None, "OUTCOME_TRAFFIC"),
    ] {
        all.push(Op::CreateCampaign {
            source: CampaignId::new("4").unwrap(),
            name: "N [rw-1]".into(),
            daily_budget: budget,
            spend_cap: cap,
            fields: fields(json!({"objective": objective, "buying_type": "AUCTION",
                "special_ad_categories": ["HOUSING"], "special_ad_category_country": ["DE"],
                "bid_strategy": "LOWEST_COST_WITHOUT_CAP", "pacing_type": ["standard"],
                "promoted_object": {"product_catalog_id": "3"}})),
        });
    }
    for rung in rungs() {
        for budget in [Some(eur(2_500)), None] {
            all.push(Op::CreateAdSet {
                source: AdSetId::new("5").unwrap(),
                campaign: target("campaign"),
                name: "S [rw-2]".into(),
                rung: Box::new(rung.clone()),
                pixel_id: Some("99".into()),
                daily_budget: budget,
                end_time: Some(Moment::from_millis(1_793_614_272_000)),
                attribution: vec![
                    "CLICK_THROUGH:7".into(),
                    "VIEW_THROUGH:1".into(),
                    "ENGAGED_VIDEO_VIEW:1".into(),
                ],
                fields: full_adset(),
            });
        }
    }
    all.push(Op::CreateAd {
        source: AdId::new("6").unwrap(),
        adset: target("adset.1"),
        name: "A [rw-3]".into(),
        creative: CreativeId::new("777").unwrap(),
        fields: fields(json!({"conversion_domain": "shop.example", "display_sequence": 2,
            "tracking_specs": [{"action.type": ["offsite_conversion"], "fb_pixel": ["99"]}]})),
    });
    all.push(Op::CreatePauseRule {
        name: "R [rw-4]".into(),
        campaign: target("campaign"),
        spend_over: eur(20_000),
    });
    all.push(Op::DeleteRule { rule: object("rule") });
    let kinds = [
        (ObjectKind::Campaign, "campaign"),
        (ObjectKind::AdSet, "adset.1"),
        (ObjectKind::Ad, "ad.1"),
        (ObjectKind::Rule, "rule"),
    ];
    for (kind, key) in kinds {
        for to in [Status::Active, Status::Paused, Status::Archived] {
            all.push(Op::SetStatus { object: object(key), kind, to });
        }
    }
    for (kind, key) in &kinds[..2] {
        all.push(Op::SetDailyBudget { object: object(key), kind: *kind, to: eur(7_700) });
    }
    for to in [None, Some(Moment::from_millis(1_793_614_272_000))] {
        all.push(Op::SetEndTime { object: object("adset.1"), to });
    }
    for to in [None, Some(eur(90_000))] {
        all.push(Op::SetSpendCap { object: object("campaign"), to });
    }
    all
}

/// The node a reference of a template stands for.
fn by_reference(id: &str) -> Option<&'static str> {
    match id.trim_matches(['{', '}']).split('.').next()? {
        "campaign" => Some("Campaign"),
        "adset" => Some("AdSet"),
        "ad" => Some("Ad"),
        "rule" => Some("AdRule"),
        _ => None,
    }
}

fn as_request(template: &Template) -> Request {
    let mut request = Request::post(format!("/v26.0/{}", template.path));
    if template.method == "DELETE" {
        request.method = Method::Delete;
    }
    // A reference is an id by the time it is sent.
    let sent = |(name, value): &(String, String)| {
        let id = if value.starts_with('{') && value.ends_with('}') && !value.contains(':') {
            "12"
        } else {
            value
        };
        (name.clone(), id.to_owned())
    };
    request.form = template.params.iter().map(sent).collect();
    request
}

#[test]
fn every_write_satisfies_the_specification() {
    let world = Sandbox::new(Scenario::default());
    let (client, _) = client(&world, true);
    let mut all = Checked::default();
    for op in operations() {
        let request = as_request(&client.template(&op));
        all.add(Contract::official().check(&request, &by_reference));
        if request.method == Method::Post {
            let trial = request.form("execution_options", r#"["validate_only"]"#);
            let rule = matches!(op, Op::CreatePauseRule { .. })
                || matches!(op, Op::SetStatus { kind: ObjectKind::Rule, .. });
            if !rule {
                all.add(Contract::official().check(&trial, &by_reference));
            }
        }
    }
    told("writes", &all);
    assert!(all.requests > 100 && all.params > 2_000 && all.values > 500, "{all:?}");
}

/// A shop that can climb on its first day, in a strict world.
fn strict_shop() -> Sandbox {
    let mut scenario = support::short(Scenario::stuck_at_purchase().seeded(3));
    scenario.campaigns = vec![support::ready_campaign()];
    support::world_under(strict(), scenario, |_| ())
}

#[tokio::test]
async fn everything_a_whole_climb_sends_satisfies_the_specification() {
    let world = strict_shop();
    let witness = Witness::new(&world);
    let transport: AnyTransport = Arc::new(witness.clone());
    let mut story =
        support::Story::begin_through(transport, world, "supervised", support::LIMITS).await;
    let climb = story.until(150, 4, |c| !c.state.is_open()).await;
    assert!(!matches!(climb.state, State::Stuck { .. }), "{}", story.tale());
    let writes = story.world.requests().iter().filter(|r| !r.mutation.is_null()).count();
    assert!(writes >= 6, "a climb was made: {writes} writes");
    told("a whole climb", &witness.checked());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_breaks_the_specification_is_reported_as_what_it_is() {
    let contract = Contract::official();
    let (nodes, edges, enums) = contract.size();
    eprintln!("contract: {nodes} nodes and parts, {edges} edges, {enums} lists of values");
    let node = |id: &str| match id {
        "1" => Some("Campaign"),
        "2" => Some("AdSet"),
        _ => None,
    };
    let get = |path: &str| Request::get(format!("/v26.0/{path}"));
    let post = |path: &str| Request::post(format!("/v26.0/{path}"));
    let ad = |name: &str| {
        post("act_1/ads").form("name", name).form("creative", r#"{"creative_id":"7"}"#)
    };
    let batch = |entry: Value| post("").form("batch", json!([entry]).to_string());
    let rows = |name: &str, value: &str| get("act_1/insights").with(name, value);
    let cases: Vec<(Request, Wrong, &str)> = vec![
        (
            get("2").with("fields", "id,dayly_budget"),
            Wrong::Field,
            "nonexisting field (dayly_budget) on node type (AdCampaign)",
        ),
        (get("1").with("fields", "adsets{id,no}"), Wrong::Field, "(no)"),
        (get("2").with("fields", "name{id}"), Wrong::Field, "Subfields"),
        (
            post("act_1/insights").form("fields", "spend,speend"),
            Wrong::Field,
            "speend is not valid",
        ),
        (rows("fields", "spend,speend"), Wrong::Field, "speend is not valid for fields param"),
        (
            rows("filtering", r#"[{"field":"adset.nme","operator":"IN","value":[]}]"#),
            Wrong::Field,
            "adset.nme",
        ),
        (
            rows("filtering", r#"[{"field":"spend","operator":"LIKE","value":1}]"#),
            Wrong::Value,
            "LIKE",
        ),
        (rows("filtering", "spend"), Wrong::Type, "filtering must be an array"),
        (rows("sort", r#"["spnd_descending"]"#), Wrong::Field, "spnd"),
        (rows("level", "adsets"), Wrong::Value, "level must be one of"),
        (
            rows("time_range", r#"{"since":"yesterday","until":"2026-01-01"}"#),
            Wrong::Type,
            "YYYY-MM-DD",
        ),
        (rows("time_range", r#"{"from":"2026-01-01"}"#), Wrong::Param, "from"),
        (rows("action_attribution_windows", r#"["7d_klick"]"#), Wrong::Value, "7d_klick"),
        (get("1/adsets").with("colour", "red"), Wrong::Param, "colour"),
        (get("1/hats"), Wrong::Edge, "hats"),
        (get("99"), Wrong::Node, "99"),
        (post("2").form("daily_budget", "12.50"), Wrong::Type, "daily_budget must be an integer"),
        (post("2").form("daily_budget", "-5"), Wrong::Type, "daily_budget"),
        (post("2").form("status", "ON"), Wrong::Value, "status must be one of"),
        (post("2").form("campaign_id", "1"), Wrong::Param, "campaign_id"),
        (post("2").form("targeting", "Germany"), Wrong::Type, "targeting"),
        (post("2").form("targeting", r#"{"geo":{}}"#), Wrong::Param, "geo"),
        (post("2").form("end_time", "soon"), Wrong::Type, "end_time"),
        (post("2").form("is_budget_schedule_enabled", "maybe"), Wrong::Type, "boolean"),
        (
            post("2")
                .form("promoted_object", r#"{"pixel_id":"1","custom_event_type":"VIEW_CONTENT"}"#),
            Wrong::Value,
            "VIEW_CONTENT",
        ),
        (post("2").form("promoted_object", r#"{"pixel":"1"}"#), Wrong::Param, "pixel"),
        (
            post("2").form("attribution_spec", r#"{"event_type":"CLICK_THROUGH"}"#),
            Wrong::Type,
            "array",
        ),
        (post("act_1/ads").form("creative", r#"{"creative_id":"7"}"#), Wrong::Missing, "name"),
        (ad("A").form("creative_id", "7"), Wrong::Param, "creative_id"),
        (post("act_1/campaigns").form("name", "N"), Wrong::Missing, "special_ad_categories"),
        (batch(json!({"method": "GET", "relative_url": "2?fields=nam"})), Wrong::Field, "nam"),
        (
            batch(json!({"method": "POST", "relative_url": "2", "body": "status=ON"})),
            Wrong::Value,
            "ON",
        ),
    ];
    for (request, wrong, part) in &cases {
        let found = contract.check(request, &node).findings;
        assert!(
            found.iter().any(|f| f.wrong == *wrong && f.text.contains(part)),
            "{request:?} should be {wrong:?} {part}: {found:?}"
        );
    }
    let right = contract.check(&ad("A").form("adset_id", "2").form("status", "PAUSED"), &node);
    assert_eq!((right.findings.len(), right.params, right.values), (0, 5, 1));
    // What v26 added is unknown to a call to v25.
    let new = |version: &str| Request::get(format!("/{version}/2")).with("fields", "ad_set_goal");
    assert_eq!(contract.check(&new("v26.0"), &node).findings.len(), 0);
    assert_eq!(contract.check(&new("v25.0"), &node).findings.len(), 1);
}
