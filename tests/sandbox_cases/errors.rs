//! Every error that is documented can be provoked: by its cause where this world has the cause, and on order.

use std::collections::BTreeSet;

use rungwise::{
    domain::{DAY_MS, HOUR_MS},
    ports::{Method, TransportError},
    sandbox::{Fault, Options, Order, Tier, known_errors},
};
use serde_json::{Value, json};

use super::support::{Client, code, created};

/// Codes and subcodes of "Rate limiting", "Error codes", "Handling errors" and the Insights error codes.
const DOCUMENTED: &[(i64, i64)] = &[
    (4, 0),
    (4, 1_504_022),
    (4, 1_504_039),
    (17, 0),
    (17, 2_446_079),
    (17, 1_885_172),
    (32, 0),
    (341, 0),
    (368, 0),
    (613, 0),
    (613, 1_487_742),
    (613, 1_487_632),
    (613, 1_487_225),
    (613, 5_044_001),
    (613, 1996),
    (80_000, 2_446_079),
    (80_001, 0),
    (80_002, 0),
    (80_003, 2_446_079),
    (80_004, 2_446_079),
    (80_005, 0),
    (80_006, 0),
    (80_008, 0),
    (80_009, 0),
    (80_014, 0),
    (1, 0),
    (2, 0),
    (-1, 0),
    (960, 0),
    (3_910_001, 0),
    (1, 99),
    (100, 99),
    (190, 0),
    (190, 458),
    (190, 459),
    (190, 460),
    (190, 463),
    (190, 464),
    (190, 467),
    (190, 492),
    (102, 0),
    (104, 0),
    (10, 0),
    (200, 0),
    (294, 0),
    (299, 0),
    (3, 0),
    (100, 33),
    (100, 3_191_001),
    (2654, 1_713_092),
    (1_815_694, 0),
    (1_357_045, 0),
    (100, 0),
    (100, 3_260_011),
    (368, 1_404_078),
    (100, 2_859_015),
    (100, 1_404_163),
    (100, 1_870_034),
    (100, 1_870_090),
    (100, 1_870_092),
    (100, 2_490_427),
    (100, 2_490_468),
    (2635, 0),
    (2500, 0),
    (2641, 0),
    (2642, 0),
    (3018, 0),
    (803, 0),
    (100, 1_487_033),
    (100, 1_487_056),
    (100, 1_487_566),
    (100, 1_487_901),
    (100, 1_487_990),
    (100, 1_885_088),
    (100, 1_885_194),
    (100, 1_885_204),
    (100, 1_885_272),
    (100, 1_885_621),
    (100, 1_885_650),
    (100, 1_885_737),
    (100, 2_238_055),
    (100, 2_446_307),
    (100, 2_446_383),
    (100, 2_446_509),
    (2695, 0),
    (2, 1_504_038),
    (100, 1_504_018),
    (100, 1_487_534),
    (-3, 1_504_045),
    (-2, 2_490_547),
    (2, 1_504_043),
    (2, 1_504_044),
    (2, 1_504_041),
    (2, 1_504_042),
];

fn order(code: i64, subcode: i64) -> Order {
    Order::from_json(&json!({"code": code, "subcode": subcode})).expect("a code is an order")
}

#[test]
fn every_documented_error_can_be_called_up_in_metas_form() {
    let known: BTreeSet<(i64, i64)> = known_errors().collect();
    let unknown: Vec<_> = DOCUMENTED.iter().filter(|e| !known.contains(e)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let client = Client::new();
    let (mut texts, mut objects) = (0, 0);
    for (number, sub) in &known {
        client.world.order(order(*number, *sub));
        let reply = client.reply(Method::Get, "ACT", &[]);
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let error = &body["error"];
        let what = format!("{number}/{sub}: {body}");
        assert!(reply.status >= 400, "{what}");
        assert_eq!(error["code"], *number, "{what}");
        assert_eq!(error.get("error_subcode").and_then(Value::as_i64).unwrap_or(0), *sub, "{what}");
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "{what}");
        assert!(
            ["OAuthException", "GraphMethodException"].contains(&error["type"].as_str().unwrap()),
            "{what}"
        );
        assert!(error["fbtrace_id"].as_str().is_some_and(|t| t.len() > 8), "{what}");
        assert!(reply.header("x-business-use-case-usage").is_some(), "{what}");
        match &error["error_data"] {
            Value::String(text) => {
                let data: Value = serde_json::from_str(text).expect("the text holds JSON");
                assert!(data["blame_field_specs"][0][0].is_string(), "{what}");
                texts += 1;
            }
            Value::Object(data) => {
                assert!(data["blame_field_specs"][0][0].is_string(), "{what}");
                objects += 1;
            }
            _ => {}
        }
        assert_eq!(code(&client.get("ACT", &[])), (0, 0), "an order strikes as often as it says");
    }
    assert!(texts > 5 && objects > 5, "{texts} texts, {objects} objects");
    eprintln!("errors: {} documented, {} known, each called up", DOCUMENTED.len(), known.len());
}

/// An error, and what brings it about.
type Cause = ((i64, i64), fn() -> Value);

fn limited() -> Client {
    Client::with(Options { tier: Tier::Limited, enforce_limits: true, ..Options::default() })
}

fn deep_copy(client: &Client, campaign: usize) -> Value {
    let path = format!("{}/copies", client.id("campaigns", campaign));
    client.post(&path, &[("deep_copy", "true")])
}

fn with_campaign(more: &[(&str, &str)]) -> Value {
    let client = Client::new();
    let campaign = created(&client.campaign(&[]));
    client.adset(&campaign, more)
}

fn edit(more: &[(&str, &str)]) -> Value {
    let client = Client::new();
    client.post(&client.id("adsets", 0), more)
}

const CAUSES: &[Cause] = &[
    ((100, 33), || Client::new().get("424242", &[])),
    ((190, 463), || {
        let client = Client::new();
        let expires = Some(rungwise::ports::Clock::now(&client.world.clock()));
        Client::with(Options { token_expires: expires, ..Options::default() }).get("me", &[])
    }),
    ((200, 0), || {
        let reader =
            Client::with(Options { scopes: vec!["ads_read".to_owned()], ..Options::default() });
        reader.campaign(&[])
    }),
    ((2635, 0), || Client { version: "v19.0", ..Client::new() }.get("ACT", &[])),
    ((2500, 0), || Client { version: "v30.0", ..Client::new() }.get("ACT", &[])),
    ((2642, 0), || Client::new().get("ACT/ads", &[("after", "never")])),
    ((3018, 0), || {
        Client::new().get(
            "ACT/insights",
            &[("time_range", r#"{"since":"2020-01-01","until":"2020-01-02"}"#)],
        )
    }),
    ((1, 0), || {
        Client::with(Options { sync_rows: 1, ..Options::default() }).get("ACT/insights", &[])
    }),
    ((100, 1_487_534), || {
        Client::with(Options { report_rows: 1, ..Options::default() }).get("ACT/insights", &[])
    }),
    ((2, 1_504_041), || Client::new().get("ACT/insights", &[("breakdowns", "age,region")])),
    ((17, 2_446_079), || {
        let client = limited();
        (0..61).map(|_| client.get("ACT", &[])).nth(60).unwrap()
    }),
    ((613, 1_487_742), || {
        let client = limited();
        (0..21).map(|_| client.post("ACT/adlabels", &[("name", "L")])).nth(20).unwrap()
    }),
    ((613, 1_487_632), || {
        let client = Client::new();
        let set = client.id("adsets", 0);
        (0..5)
            .map(|n| client.post(&set, &[("daily_budget", &(6_100 + n).to_string())]))
            .nth(4)
            .unwrap()
    }),
    ((613, 5_044_001), || {
        let client = Client::with(Options { enforce_limits: true, ..Options::default() });
        (0..101).map(|_| client.post("ACT/adlabels", &[("name", "L")])).nth(100).unwrap()
    }),
    ((17, 1_885_172), || {
        let client = Client::new();
        (0..11)
            .map(|n| client.post("ACT", &[("spend_cap", &(100_000 + n).to_string())]))
            .nth(10)
            .unwrap()
    }),
    ((100, 3_260_011), || edit(&[("optimization_goal", "LINK_CLICKS")])),
    ((100, 1_487_033), || edit(&[("end_time", "1000")])),
    ((100, 1_487_566), || {
        let client = Client::new();
        let set = client.id("adsets", 0);
        client.post(&set, &[("status", "ARCHIVED")]);
        client.post(&set, &[("daily_budget", "7000")])
    }),
    ((100, 1_885_272), || edit(&[("daily_budget", "1")])),
    ((100, 1_885_650), || {
        let client = Client::new();
        client.pass(9 * HOUR_MS);
        client.post(&client.id("adsets", 0), &[("daily_budget", "200")])
    }),
    ((100, 1_885_621), || with_campaign(&[("daily_budget", "")])),
    ((100, 1_885_737), || Client::new().campaign(&[("bid_strategy", "COST_CAP")])),
    ((100, 2_238_055), || Client::new().campaign(&[("daily_budget", "20")])),
    ((100, 2_446_307), || Client::new().campaign(&[("spend_cap", "500")])),
    ((100, 1_885_194), || deep_copy(&Client::new(), 1)),
    ((100, 1_815_857), || with_campaign(&[("bid_strategy", "COST_CAP")])),
    ((100, 2_490_408), || with_campaign(&[("optimization_goal", "THRUPLAY")])),
    ((100, 3_858_079), || {
        with_campaign(&[("targeting", r#"{"geo_locations":{"countries":["DE"]}}"#)])
    }),
    ((100, 3_858_081), || {
        with_campaign(&[
            ("targeting", r#"{"geo_locations":{"countries":["DE"]}}"#),
            ("dsa_beneficiary", "U"),
        ])
    }),
    ((100, 4_834_011), || Client::new().campaign(&[("is_adset_budget_sharing_enabled", "")])),
    ((100, 4_834_002), || {
        Client::new()
            .campaign(&[("is_adset_budget_sharing_enabled", "true"), ("daily_budget", "9000")])
    }),
    ((100, 2_490_468), || {
        let client = Client::new();
        let ad = client.id("ads", 0);
        client.world.disapprove(&ad);
        client.post(&ad, &[("status", "PAUSED")]);
        client.post(&ad, &[("status", "ACTIVE")])
    }),
    ((-2, 2_490_547), || {
        let client = Client::with(Options { report_rows: 1, ..Options::default() });
        let run = client.post("ACT/insights", &[])["report_run_id"].as_str().unwrap().to_owned();
        client.pass(DAY_MS);
        client.get(&format!("{run}/insights"), &[])
    }),
];

#[test]
fn errors_with_a_cause_in_this_world_come_of_it() {
    let mut wrong = Vec::new();
    for (expected, cause) in CAUSES {
        let body = cause();
        if code(&body) != *expected {
            wrong.push(format!("{expected:?}: {body}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    eprintln!("errors: {} come of their causes", CAUSES.len());
}

#[test]
fn gateways_and_cut_connections_can_be_ordered_too() {
    let client = Client::new();
    let ordered = |order: Value| {
        client.world.order(Order::from_json(&order).unwrap());
        client.send(Method::Post, &client.id("adsets", 0), &[])
    };
    // The id is read first: orders name the method they wait for.
    let post = |mut order: Value| {
        order["method"] = json!("POST");
        ordered(order)
    };
    assert!(matches!(post(json!({"kind": "refused"})), Err(TransportError::NotSent(_))));
    assert!(matches!(post(json!({"kind": "lost_request"})), Err(TransportError::Lost(_))));
    assert!(matches!(post(json!({"kind": "lost_reply"})), Err(TransportError::Lost(_))));
    assert_eq!(post(json!({"kind": "html", "status": 503})).unwrap().status, 503);
    assert_eq!(post(json!({"kind": "server_error"})).unwrap().status, 500);
    assert!(
        serde_json::from_slice::<Value>(&post(json!({"kind": "truncated"})).unwrap().body).is_err()
    );
    let own = json!({"status": 418, "json": {"tea": true}, "headers": {"X-App-Usage": "{}"}});
    let reply = post(own).unwrap();
    assert_eq!((reply.status, reply.header("x-app-usage")), (418, Some("{}")));
    client.world.order(order(17, 0));
    client.world.clear_orders();
    assert_eq!(code(&client.get("ACT", &[])), (0, 0));
}

#[test]
fn an_error_can_hide_that_the_world_acted() {
    let client = Client::new();
    let set = client.id("adsets", 0);
    for applied in [true, false] {
        client.world.order(Order {
            method: Some(Method::Post),
            part: set.clone(),
            times: 1,
            fault: Fault::Error { status: 500, code: 1, subcode: None, applied },
        });
        let name = format!("applied {applied}");
        client.post(&set, &[("name", &name)]);
        assert_eq!(client.field(&set, "name") == json!(name), applied);
    }
}
