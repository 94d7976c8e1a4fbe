//! Campaigns that may not be managed, each with its named reason.

use rungwise::{
    app::views,
    ports::{Request, Store as _, Transport as _},
    sandbox::{Sandbox, Scenario},
};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::support::{LIMITS, Story, short, world};

/// Sends one request as an operator's own script would.
async fn send(world: &Sandbox, mut request: Request) -> Value {
    request.token = Some(world.credentials().access_token.expose_secret().to_owned().into());
    let answer = world.send(&request).await.unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 200, "{body}");
    body
}

/// The first id of a kind below the account.
async fn first(world: &Sandbox, edge: &str) -> String {
    let account = world.credentials().account_id;
    let body = send(world, Request::get(format!("/v26.0/act_{account}/{edge}"))).await;
    body["data"][0]["id"].as_str().unwrap().to_owned()
}

async fn reasons(world: Sandbox) -> Vec<String> {
    let mut story = Story::begin(world, "autonomous", LIMITS).await;
    story.pass(true).await;
    let (store, account) = (&story.parts.store, &story.parts.account);
    assert!(store.climbs(false).await.unwrap().is_empty(), "{}", story.tale());
    assert!(story.world.requests().iter().all(|e| e.mutation.is_null()), "nothing was touched");
    let view = views::status(store, &account.id, &account.policy, None, story.now()).await.unwrap();
    let mut refused = view.refused.into_iter().filter(|(name, _)| !name.starts_with("Second"));
    let (_, why) = refused.next().expect("status names the campaign and why");
    why
}

fn shop() -> Sandbox {
    world(short(Scenario::stuck_at_purchase()), |_| ())
}

#[tokio::test]
async fn what_a_person_set_on_the_campaign_refuses_it_by_name() {
    let cases: [(&str, &[(&str, &str)], &str); 5] = [
        ("adsets", &[("bid_strategy", "COST_CAP"), ("bid_amount", "900")], "cost cap"),
        (
            "adsets",
            &[("bid_strategy", "LOWEST_COST_WITH_BID_CAP"), ("bid_amount", "900")],
            "bid cap",
        ),
        (
            "campaigns",
            &[
                ("special_ad_categories", "[\"HOUSING\"]"),
                ("special_ad_category_country", "[\"DE\"]"),
            ],
            "special ad category (HOUSING)",
        ),
        ("campaigns", &[("name", "Shop - please DO NOT touch")], "protect pattern"),
        ("adsets", &[("end_time", "2027-01-01T00:00:00+0000")], "end date"),
    ];
    for (edge, changes, reason) in cases {
        let world = shop();
        let id = first(&world, edge).await;
        world.edit_as_person(&id, changes).unwrap_or_else(|e| panic!("{changes:?}: {e}"));
        let why = reasons(world).await;
        assert!(why.iter().any(|w| w.contains(reason)), "{reason}: {why:?}");
    }
}

#[tokio::test]
async fn legacy_objectives_and_other_objectives_are_refused_by_name() {
    for (objective, reason) in [
        ("CONVERSIONS", "CONVERSIONS is a legacy one"),
        ("OUTCOME_LEADS", "its objective is OUTCOME_LEADS"),
    ] {
        let mut scenario = short(Scenario::stuck_at_purchase());
        scenario.campaigns[0].objective = objective;
        let why = reasons(world(scenario, |_| ())).await;
        assert!(why.iter().any(|w| w.contains(reason)), "{reason}: {why:?}");
    }
}

#[tokio::test]
async fn a_smart_campaign_is_refused_by_name() {
    let mut scenario = short(Scenario::stuck_at_purchase());
    "Second, also refused".clone_into(&mut scenario.campaigns[0].name);
    scenario.campaigns[0].objective = "OUTCOME_LEADS";
    let world = world(scenario, |_| ());
    let account = world.credentials().account_id;
    let request = Request::post(format!("/v26.0/act_{account}/campaigns"))
        .form("name", "Smart")
        .form("objective", "OUTCOME_SALES")
        .form("status", "ACTIVE")
        .form("daily_budget", "5000")
        .form("smart_promotion_type", "SMART_APP_PROMOTION")
        .form("special_ad_categories", "[]");
    send(&world, request).await;
    let mut story = Story::begin(world, "autonomous", LIMITS).await;
    story.pass(true).await;
    let (store, account) = (&story.parts.store, &story.parts.account);
    let view = views::status(store, &account.id, &account.policy, None, story.now()).await.unwrap();
    let (_, why) = view.refused.iter().find(|(name, _)| name == "Smart").unwrap();
    assert!(why.iter().any(|w| w.contains("smart campaign (SMART_APP_PROMOTION)")), "{why:?}");
}

#[tokio::test]
async fn ad_sets_on_different_rungs_are_no_line() {
    let why = reasons(world(short(Scenario::lead_generation()), |_| ())).await;
    assert!(why.iter().any(|w| w.contains("do not all stand on one rung")), "{why:?}");
}
