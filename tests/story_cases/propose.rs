//! The modes that never write.

use rungwise::{
    domain::{climb::State, plan::PlanKind},
    graph::is_mutation,
    ports::Store as _,
};
use serde_json::Value;

use super::{
    custody::request_of,
    support::{LIMITS, Story, demo_shop, ready_shop},
};

/// Not one request that changes anything, by our judge and by the sandbox's own record.
fn nothing_was_written(story: &Story) {
    let log = story.world.requests();
    assert!(log.len() > 20, "the account was read");
    for entry in &log {
        assert!(!is_mutation(&request_of(entry)), "{} {}", entry.method, entry.path);
        assert_eq!(entry.mutation, Value::Null, "{} {}", entry.method, entry.path);
    }
}

#[tokio::test]
async fn propose_mode_shows_everything_and_sends_nothing() {
    for world in [demo_shop(1), ready_shop(3)] {
        let mut story = Story::begin(world, "propose", LIMITS).await;
        for _ in 0..12 {
            story.pass(true).await;
            story.answer_all(true).await;
            story.pass(false).await;
            story.sleep_hours(36);
        }
        nothing_was_written(&story);
        assert!(story.parts.store.intents(None).await.unwrap().is_empty());
        let plans = story.plans().await;
        assert!(plans.len() > 2, "plans expire and are made anew: {}", story.tale());
        for (row, plan) in &plans {
            assert_eq!(plan.kind, PlanKind::Clone, "nothing follows what was not carried out");
            assert!(plan.expires > plan.created && row.expires == plan.expires);
            assert!(!plan.reasons.is_empty() && !plan.money.reversible.is_empty());
            assert!(plan.money.worst_regret.is_positive(), "what is at risk is said");
            assert!(plan.actions.len() >= 3, "campaign, ad set and ad");
            for action in &plan.actions {
                assert_eq!(action.request.method, "POST");
                let (path, params) = (&action.request.path, &action.request.params);
                assert!(path.starts_with("act_"), "{path}");
                assert!(params.iter().any(|(n, v)| n == "status" && v == "PAUSED"), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn observe_mode_decides_but_files_nothing() {
    let mut story = Story::begin(demo_shop(1), "observe", LIMITS).await;
    for _ in 0..4 {
        story.pass(true).await;
        story.sleep_hours(36);
    }
    nothing_was_written(&story);
    assert!(story.plans().await.is_empty());
    assert!(!story.parts.store.decisions(None, 100).await.unwrap().is_empty());
    assert!(matches!(story.open_climb().await.state, State::Proposed { .. } | State::Observing));
}

#[tokio::test]
async fn without_limits_every_mode_only_observes() {
    let mut story = Story::begin(demo_shop(1), "autonomous", "").await;
    story.pass(true).await;
    assert!(story.parts.hands().is_none());
    assert!(story.plans().await.is_empty());
    let why = story.told.first().unwrap();
    assert!(why.contains("limit") || why.contains("observ"), "{why}");
}
