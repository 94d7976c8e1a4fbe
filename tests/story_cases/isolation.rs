//! `compare.isolation = "ad_study"`: people are split by a study before the challenger gets traffic.

use std::collections::BTreeSet;

use rungwise::{
    app::strangers::{adopt, strangers},
    domain::{
        Moment,
        climb::State,
        plan::{Op, PlanKind},
    },
    ports::Method,
    sandbox::{
        Fault, Options, Sandbox, Scenario, ScriptedFaults, Town, TownPlan, market::MarketParams,
    },
};
use serde_json::Value;

use super::{
    custody,
    support::{LIMITS, OPENING, Story, ready_campaign, ready_shop, short},
};

/// Caps that leave room for the days until a study begins.
fn isolated() -> String {
    format!("{LIMITS}[compare]\nisolation = \"ad_study\"\n")
}

/// The studies as the world has them now, ended ones included.
fn studies(story: &Story) -> Vec<(u64, Value)> {
    let log = story.world.requests();
    let made = log.iter().flat_map(|e| {
        let list = e.mutation["created"].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter(|o| o["type"] == "ad_study").map(|o| (e.n, o.clone()))
    });
    made.collect()
}

/// The number and instant of the request that turned a campaign on.
fn turned_on(story: &Story, campaign: &str) -> (u64, Moment) {
    let label = format!("campaign:{campaign}");
    let log = story.world.requests();
    let on = log.iter().find(|e| e.mutation["changed"][&label]["status"][1] == "ACTIVE");
    let on = on.unwrap_or_else(|| panic!("{campaign} is never turned on:\n{}", story.tale()));
    (on.n, on.at.parse().unwrap())
}

/// What must hold of a test that was isolated to its end.
async fn held_apart(story: &Story) {
    custody::holds(story).await;
    let made = studies(story);
    assert_eq!(made.len(), 1, "one study, made once:\n{}", story.tale());
    let (n, study) = &made[0];
    let fields = &study["fields"];
    assert!(fields["name"].as_str().unwrap().contains("[rw:"), "{fields:#}");
    let cells = fields["cells"].as_array().unwrap();
    let shares: Vec<&Value> = cells.iter().map(|c| &c["treatment_percentage"]).collect();
    assert_eq!(shares, [&Value::from(50), &Value::from(50)]);
    let campaigns: Vec<&str> =
        cells.iter().map(|c| c["campaigns"]["data"][0]["id"].as_str().unwrap()).collect();
    let (on, at) = turned_on(story, campaigns[1]);
    let start: Moment = fields["start_time"].as_str().unwrap().parse().unwrap();
    assert!(*n < on, "the study is made before the challenger gets traffic");
    assert!(start <= at, "it is turned on at {at}, when people are split from {start} on");
    // Ended at the verdict, by a write of the closing plan.
    let ended = story.world.requests().into_iter().find(|e| {
        let id = study["id"].as_str().unwrap();
        e.mutation["changed"][format!("ad_study:{id}")]["canceled_time"][1].is_string()
    });
    let ended = ended.unwrap_or_else(|| panic!("the study runs on:\n{}", story.tale()));
    assert_eq!(ended.method, "DELETE");
    let plans = story.plans().await;
    let of = |kind: PlanKind| plans.iter().find(|(_, p)| p.kind == kind).map(|(_, p)| p);
    let activation = of(PlanKind::Activate).unwrap();
    assert!(activation.title.contains("split half and half"), "{}", activation.title);
    assert!(
        activation.reasons.iter().any(|r| r.contains("splits people")),
        "{:?}",
        activation.reasons
    );
    let closing = of(PlanKind::End).or_else(|| of(PlanKind::Shift)).expect("a closing plan");
    assert!(closing.actions.iter().any(|a| matches!(a.op, Op::EndStudy { .. })));
}

#[tokio::test]
async fn people_are_split_before_the_challenger_gets_traffic_and_until_the_verdict() {
    let mut story = Story::begin(ready_shop(3), "supervised", &isolated()).await;
    story.until(120, 2, |c| !c.state.is_open()).await;
    held_apart(&story).await;
}

#[tokio::test]
async fn a_lost_reply_is_settled_by_the_studys_marked_name() {
    for fault in [Fault::LostReply, Fault::LostRequest] {
        let world = ready_shop(3);
        let faults = ScriptedFaults::default().on(Method::Post, "/ad_studies", fault.clone());
        world.set_faults(faults);
        let mut story = Story::begin(world, "supervised", &isolated()).await;
        let warm = story.until(12, 1, |c| matches!(c.state, State::Warming { .. })).await;
        let made = studies(&story);
        assert_eq!(made.len(), 1, "{fault:?}: {}", story.tale());
        let study = warm.state.test().unwrap().study.clone().expect("the test knows its study");
        assert_eq!(made[0].1["id"], study.as_str());
        assert!(story.tale().contains("nobody knows whether study happened"), "{}", story.tale());
    }
}

#[tokio::test]
async fn an_activation_that_fails_after_the_study_puts_the_study_away_too() {
    let mut story = Story::begin(ready_shop(3), "supervised", &isolated()).await;
    // The plan is approved and its first writes are done; then somebody changes the incumbent.
    for _ in 0..8 {
        story.agreed_pass().await;
        if !studies(&story).is_empty() {
            break;
        }
        story.sleep_hours(12);
    }
    assert_eq!(studies(&story).len(), 1, "{}", story.tale());
    let incumbent = story.open_climb().await.incumbent;
    let tree = rungwise::ports::Store::tree(&story.parts.store, &incumbent).await.unwrap().unwrap();
    story.world.edit_as_person(tree.adsets[0].id.as_str(), &[("daily_budget", "33000")]).unwrap();
    story.until(10, 1, |c| matches!(c.state, State::Aborted)).await;
    let id = studies(&story)[0].1["id"].as_str().unwrap().to_owned();
    let log = story.world.requests();
    let gone = |e: &&rungwise::sandbox::LogEntry| e.method == "DELETE" && e.path.contains(&id);
    assert_eq!(log.iter().filter(gone).count(), 1, "{}", story.tale());
    custody::holds(&story).await;
}

#[tokio::test]
async fn a_study_that_the_history_does_not_know_is_a_stranger() {
    let mut story = Story::begin(ready_shop(3), "supervised", &isolated()).await;
    story.until(12, 1, |c| matches!(c.state, State::Warming { .. })).await;
    let study = studies(&story)[0].1["id"].as_str().unwrap().to_owned();
    // Another history of the same account, begun now: everything marked is unknown to it.
    let other = Story::begin(story.world.fork(), "supervised", &isolated()).await;
    let found = strangers(other.parts.desk("agent")).await.unwrap();
    let kinds: BTreeSet<&str> = found.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, BTreeSet::from(["ad", "ad_set", "campaign", "rule", "study"]));
    assert_eq!(
        found.iter().filter(|s| s.kind == "study").map(|s| s.id.as_str()).collect::<Vec<_>>(),
        [&study]
    );
    assert!(strangers(story.parts.desk("agent")).await.unwrap().is_empty());
    adopt(other.parts.desk("agent"), &study, "").await.unwrap();
    let left = strangers(other.parts.desk("agent")).await.unwrap();
    assert!(left.iter().all(|s| s.id.as_str() != study), "{left:?}");
}

/// A ready shop with other options.
fn shop_with(options: Options) -> Sandbox {
    let mut scenario = short(Scenario::stuck_at_purchase().seeded(3));
    scenario.campaigns = vec![ready_campaign()];
    let scenario = scenario.starting(OPENING.parse().unwrap());
    let opening = scenario.zone.day_of(scenario.start);
    let base = MarketParams::stuck_at_purchase();
    let town = Town::new(scenario.seed, TownPlan { base, spread: 0.3, opening });
    Sandbox::with(scenario, options, Box::new(town))
}

#[tokio::test]
async fn without_the_permission_a_named_gate_is_closed() {
    let scopes = vec!["ads_read".to_owned(), "ads_management".to_owned()];
    let world = shop_with(Options { scopes, ..Options::default() });
    let mut story = Story::begin(world, "supervised", &isolated()).await;
    story.pass(true).await;
    assert!(story.plans().await.is_empty(), "{}", story.tale());
    let done = story.pass(true).await;
    let closed = &done.decisions[0].decision.closed;
    assert!(
        closed.iter().any(|g| g.name == "study_scope" && g.why.contains("business_management")),
        "{closed:?}"
    );
}

#[tokio::test]
async fn without_a_study_the_plan_says_that_the_arms_overlap_and_what_the_account_pays() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    story.until(120, 2, |c| !c.state.is_open()).await;
    let plans = story.plans().await;
    assert!(studies(&story).is_empty());
    for kind in [PlanKind::Clone, PlanKind::Activate] {
        let (_, plan) = plans.iter().find(|(_, p)| p.kind == kind).unwrap();
        assert!(plan.reasons.iter().any(|r| r.contains("may overlap")), "{:?}", plan.reasons);
        assert!(plan.reasons.iter().any(|r| r.contains("blended CPA")), "{:?}", plan.reasons);
    }
    let closing = plans.iter().find(|(_, p)| matches!(p.kind, PlanKind::End | PlanKind::Shift));
    let reasons = &closing.unwrap().1.reasons;
    let account =
        |r: &&String| r.contains("whole account: CPA") && r.contains("in the 28 days before");
    assert!(reasons.iter().any(|r| account(&r)), "{reasons:?}");
}
