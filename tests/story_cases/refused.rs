//! Campaigns that may not be managed, each with its named reason.

use std::sync::Arc;

use rungwise::{
    app::views,
    ports::{BoxFuture, Request, Response, Store as _, Transport, TransportError},
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
    refusals(&mut Story::begin(world, "autonomous", LIMITS).await).await
}

/// What `status` says about the one campaign, which nobody touched.
async fn refusals(story: &mut Story) -> Vec<String> {
    story.pass(true).await;
    let (history, account) = (&story.parts.store, &story.parts.account);
    assert!(history.climbs(false).await.unwrap().is_empty(), "{}", story.tale());
    assert!(story.world.requests().iter().all(|e| e.mutation.is_null()), "nothing was touched");
    let view = views::status(history, &account.id, &account.policy, None, None).await.unwrap();
    let (_, why) = view.refused.into_iter().next().expect("status names the campaign and why");
    why
}

fn shop() -> Sandbox {
    world(short(Scenario::stuck_at_purchase()), |_| ())
}

/// Fields with the values a person gives them.
type Edit = &'static [(&'static str, &'static str)];

#[tokio::test]
async fn what_a_person_set_on_the_campaign_refuses_it_by_name() {
    let cases: [(&str, Edit, &str); 5] = [
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

/// A world whose campaigns are all smart: the sandbox refuses to make such, as Meta does today.
struct Smart(Sandbox);

impl Transport for Smart {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            let mut answer = self.0.send(request).await?;
            if request.path.ends_with("/campaigns") {
                let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
                for campaign in body["data"].as_array_mut().unwrap() {
                    campaign["smart_promotion_type"] = "AUTOMATED_SHOPPING_ADS".into();
                }
                answer.body = body.to_string().into_bytes();
            }
            Ok(answer)
        })
    }
}

#[tokio::test]
async fn a_smart_campaign_is_refused_by_name() {
    let world = shop();
    let between = Arc::new(Smart(world.clone()));
    let mut story = Story::begin_through(between, world, "autonomous", LIMITS).await;
    let why = refusals(&mut story).await;
    assert!(why.iter().any(|w| w.contains("smart campaign (AUTOMATED_SHOPPING_ADS)")), "{why:?}");
}

#[tokio::test]
async fn ad_sets_on_different_rungs_are_no_line() {
    let why = reasons(world(short(Scenario::lead_generation()), |_| ())).await;
    assert!(why.iter().any(|w| w.contains("do not all stand on one rung")), "{why:?}");
}
