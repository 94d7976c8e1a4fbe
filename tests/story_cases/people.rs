//! What people do in between always wins: edits, refusals, silence, commands, the kill switch.

use rungwise::{
    domain::{
        climb::{Command, State},
        plan::PlanKind,
    },
    ports::Store as _,
};

use super::{
    custody,
    support::{LIMITS, Story, ready_shop},
};

/// A shop whose challenger is warming.
async fn warming() -> Story {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    story.until(5, 1, |c| matches!(c.state, State::Warming { .. })).await;
    story
}

/// The incumbent and its only ad set.
async fn incumbent(story: &Story) -> (String, String) {
    let climb = story.open_climb().await;
    let tree = story.parts.store.tree(&climb.incumbent).await.unwrap().unwrap();
    (climb.incumbent.to_string(), tree.adsets[0].id.to_string())
}

fn writes(story: &Story) -> usize {
    story.world.requests().iter().filter(|e| !e.mutation.is_null()).count()
}

#[tokio::test]
async fn an_edit_between_approval_and_write_makes_the_plan_stale() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    story.pass(true).await;
    assert!(story.answer_all(true).await, "{}", story.tale());
    let (_, adset) = incumbent(&story).await;
    story.world.edit_as_person(&adset, &[("daily_budget", "25000")]).unwrap();
    story.pass(false).await;
    assert_eq!(writes(&story), 0, "{}", story.tale());
    let (row, _) = story.plans().await.remove(0);
    let end = row.end.expect("the plan has ended");
    assert_eq!(end.outcome, "stale");
    assert!(end.why.contains("a person's edit wins"), "{}", end.why);
}

#[tokio::test]
async fn an_edit_during_the_test_holds_the_climb_and_says_what_changed() {
    let mut story = warming().await;
    let (campaign, _) = incumbent(&story).await;
    story.world.edit_as_person(&campaign, &[("status", "PAUSED")]).unwrap();
    let before = writes(&story);
    story.sleep_hours(24);
    let done = story.pass(true).await;
    let climb = story.open_climb().await;
    let held = climb.held.as_deref().unwrap_or_default();
    assert!(held.contains("incumbent was switched to PAUSED"), "{held}");
    assert!(done.alarms.iter().any(|a| a.contains("hands off")), "{:?}", done.alarms);
    assert_eq!(writes(&story), before, "hands off means no write");
}

#[tokio::test]
async fn the_kill_switch_stops_before_the_next_write_and_lets_go_on_after_it() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    story.pass(true).await;
    story.answer_all(true).await;
    story.parts.switch.stop("ana says stop").unwrap();
    let done = story.pass(true).await;
    assert_eq!(writes(&story), 0);
    assert!(
        done.waiting.iter().any(|(_, why)| why.contains("ana says stop")),
        "{:?}",
        done.waiting
    );
    assert!(story.parts.switch.start().unwrap());
    story.pass(false).await;
    assert!(writes(&story) >= 3, "{}", story.tale());
    custody::holds(&story).await;
}

#[tokio::test]
async fn a_refused_plan_ends_and_is_not_asked_again_tomorrow() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    story.pass(true).await;
    story.answer_all(false).await;
    for _ in 0..4 {
        story.pass(true).await;
        story.sleep_hours(24);
    }
    assert_eq!(writes(&story), 0);
    let plans = story.plans().await;
    assert_eq!(plans.len(), 1, "{}", story.tale());
    assert_eq!(plans[0].0.end.as_ref().unwrap().outcome, "rejected");
    let first = story.climbs().await.pop().unwrap();
    assert!(matches!(first.state, State::Aborted));
}

#[tokio::test]
async fn a_plan_nobody_answers_expires_and_cannot_be_approved_any_more() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    story.pass(true).await;
    let (row, _) = story.plans().await.remove(0);
    story.sleep_hours(25);
    let late =
        rungwise::app::commands::answer(&story.parts.store, story.now(), &row, "ana", "", true);
    let refused = late.await.unwrap_err().to_string();
    assert!(refused.contains("expired at"), "{refused}");
    story.pass(true).await;
    let (row, _) = story.plans().await.remove(0);
    assert_eq!(row.end.unwrap().outcome, "expired");
    assert_eq!(writes(&story), 0);
}

#[tokio::test]
async fn abort_pauses_the_challenger_and_leaves_the_incumbent_as_it_was() {
    let mut story = warming().await;
    let climb = story.open_climb().await;
    let challenger = climb.state.test().unwrap().challenger.clone();
    story.command(&climb, Command::Abort).await;
    story.pass(false).await;
    let ended = story.climbs().await.into_iter().find(|c| c.id == climb.id).unwrap();
    assert!(matches!(ended.state, State::Aborted), "{:?}\n{}", ended.state, story.tale());
    let changes = |id: &str| -> Vec<serde_json::Value> {
        let key = format!("campaign:{id}");
        let log = story.world.requests();
        log.iter().map(|e| e.mutation["changed"][&key].clone()).filter(|c| !c.is_null()).collect()
    };
    let last = changes(challenger.as_str()).pop().unwrap();
    assert_eq!(last["status"][1], "PAUSED");
    assert!(changes(climb.incumbent.as_str()).is_empty(), "the incumbent was never touched");
    custody::holds(&story).await;
}

#[tokio::test]
async fn a_paused_climb_proposes_nothing_until_it_is_resumed() {
    let mut story = warming().await;
    let climb = story.open_climb().await;
    story.command(&climb, Command::Pause).await;
    let before = (writes(&story), story.plans().await.len());
    for _ in 0..6 {
        story.sleep_hours(8 * 24);
        story.agreed_pass().await;
    }
    assert_eq!((writes(&story), story.plans().await.len()), before, "{}", story.tale());
    assert!(matches!(story.open_climb().await.state, State::Warming { .. }));
    story.command(&climb, Command::Resume).await;
    story.until(10, 1, |c| !matches!(c.state, State::Warming { .. })).await;
}

#[tokio::test]
async fn promote_by_hand_gives_the_line_to_the_challenger() {
    let mut story = warming().await;
    let climb = story.open_climb().await;
    let challenger = climb.state.test().unwrap().challenger.clone();
    story.command(&climb, Command::Promote).await;
    story.pass(false).await;
    let ended = story.climbs().await.into_iter().find(|c| c.id == climb.id).unwrap();
    assert!(matches!(ended.state, State::Settled { .. }), "{:?}\n{}", ended.state, story.tale());
    let line = story.open_climb().await;
    assert_eq!(line.incumbent, challenger);
    let plans = story.plans().await;
    let kinds: Vec<PlanKind> = plans.iter().map(|(_, p)| p.kind).collect();
    assert_eq!(kinds, [PlanKind::Clone, PlanKind::Activate, PlanKind::Shift]);
    custody::holds(&story).await;
}

#[tokio::test]
async fn an_abort_withdraws_the_activation_that_was_agreed_to_before_it() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    for _ in 0..12 {
        story.pass(true).await;
        let newest = story.plans().await.pop();
        if newest.is_some_and(|(row, _)| row.kind == PlanKind::Activate) {
            break;
        }
        story.answer_all(true).await;
        story.sleep_hours(3);
    }
    story.answer_all(true).await;
    let climb = story.open_climb().await;
    let (row, _) = story.plans().await.pop().unwrap();
    assert_eq!((row.kind, row.end), (PlanKind::Activate, None), "{}", story.tale());
    story.command(&climb, Command::Abort).await;
    for _ in 0..3 {
        story.pass(true).await;
        story.sleep_hours(2);
    }
    let sent = story.world.requests();
    let on = sent.iter().filter(|e| e.method == "POST" && e.body["status"] == "ACTIVE").count();
    assert_eq!(on, 0, "{}", story.tale());
    let ended: Vec<(PlanKind, String)> = story
        .plans()
        .await
        .into_iter()
        .filter_map(|(row, _)| Some((row.kind, row.end?.outcome)))
        .collect();
    assert!(ended.contains(&(PlanKind::Activate, "withdrawn".to_owned())), "{ended:?}");
    assert!(ended.contains(&(PlanKind::CleanUp, "done".to_owned())), "{ended:?}");
    custody::holds(&story).await;
}
