//! What people do in between always wins: edits, refusals, silence, commands, the kill switch.

use rungwise::{
    app::stand_down,
    domain::{
        CampaignId, Money,
        climb::{Climb, Command, State},
        plan::PlanKind,
    },
    ports::{Method, Store as _},
    sandbox::{Fault, Scenario, ScriptedFaults},
};

use super::{
    custody,
    support::{LIMITS, Story, ready_shop, short, world},
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
async fn another_end_of_either_campaign_holds_a_test_once() {
    for (of_challenger, days_later) in [(true, Some(-1)), (true, None), (false, Some(30))] {
        let mut story = warming().await;
        let climb = story.open_climb().await;
        let test = climb.state.test().expect("it is warming").clone();
        let campaign = if of_challenger { &test.challenger } else { &climb.incumbent };
        let tree = story.parts.store.tree(campaign).await.unwrap().unwrap();
        let set = &tree.adsets[0];
        assert_eq!(set.end_time.is_some(), of_challenger, "only a challenger is bounded");
        let from = set.end_time.unwrap_or(test.activated).seconds();
        let end = days_later.map_or(0, |days| from + days * 86_400).to_string();
        story.world.edit_as_person(set.id.as_str(), &[("end_time", &end)]).unwrap();
        story.sleep_hours(1);
        story.pass(true).await;
        let held = story.open_climb().await.held.unwrap_or_default();
        assert!(held.contains(set.id.as_str()) && held.contains("end"), "{held}");
        // Returned by a person, it goes on from what is there.
        story.command(&climb, Command::Resume).await;
        story.sleep_hours(24);
        story.pass(true).await;
        let held = story.open_climb().await.held;
        assert_eq!(held, None, "{}", story.tale());
    }
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

/// The challenger, once it is built.
async fn built(story: &mut Story) -> (Climb, CampaignId) {
    let climb =
        story.until(15, 1, |c| matches!(c.state, State::Cloning { challenger: Some(_), .. })).await;
    let State::Cloning { challenger: Some(challenger), .. } = climb.state.clone() else {
        unreachable!("it was waited for")
    };
    (climb, challenger)
}

fn status(story: &Story, id: &str) -> String {
    let world = story.world.inventory();
    world.into_iter().find(|o| o.id == id).expect("it was there once").status
}

/// Kinds of the plans that have ended, and how.
async fn ends(story: &Story) -> Vec<(PlanKind, String)> {
    let plans = story.plans().await;
    plans.into_iter().filter_map(|(row, _)| Some((row.kind, row.end?.outcome))).collect()
}

#[tokio::test]
async fn an_abort_stops_an_activation_on_its_way() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    let (climb, challenger) = built(&mut story).await;
    // Everything in it is on; the request that was to turn the campaign itself on is lost.
    let lost = ScriptedFaults::default().on(Method::Post, challenger.as_str(), Fault::LostRequest);
    story.world.set_faults(lost);
    let sent = |story: &Story| {
        let of = format!("/{challenger}");
        story.world.requests().iter().any(|e| e.method == "POST" && e.path.ends_with(&of))
    };
    for _ in 0..12 {
        story.sleep_hours(3);
        story.pass(true).await;
        story.answer_all(true).await;
        if sent(&story) {
            break;
        }
    }
    assert!(sent(&story), "{}", story.tale());
    story.command(&climb, Command::Abort).await;
    for _ in 0..5 {
        story.pass(true).await;
        story.sleep_hours(2);
    }
    let ends = ends(&story).await;
    assert!(ends.contains(&(PlanKind::Activate, "rejected".to_owned())), "{ends:?}");
    assert!(ends.contains(&(PlanKind::CleanUp, "done".to_owned())), "{ends:?}");
    let state = story.climbs().await.into_iter().find(|c| c.id == climb.id).unwrap().state;
    assert_eq!(state, State::Aborted, "{}", story.tale());
    assert_eq!(status(&story, challenger.as_str()), "ARCHIVED", "{}", story.tale());
    assert!(story.parts.store.commands().await.unwrap().is_empty(), "it was carried out");
}

#[tokio::test]
async fn a_placement_that_meta_does_not_turn_on_leaves_the_line_running() {
    // So few sales that the step down is not tested.
    let mut scenario = short(Scenario::stuck_at_purchase());
    scenario.campaigns[0].adsets[0].daily_budget = Some(2_500);
    let mut story = Story::begin(world(scenario, |_| ()), "autonomous", LIMITS).await;
    let (climb, challenger) = built(&mut story).await;
    let refused = Fault::Error { status: 400, code: 100, subcode: None, applied: false };
    let faults = ScriptedFaults::default().on(Method::Post, challenger.as_str(), refused);
    story.world.set_faults(faults);
    for _ in 0..8 {
        story.sleep_hours(6);
        story.pass(true).await;
    }
    let ends = ends(&story).await;
    let kinds = [
        (PlanKind::Clone, "done"),
        (PlanKind::Activate, "failed"),
        (PlanKind::Revert, "done"),
        (PlanKind::CleanUp, "done"),
    ];
    let kinds = kinds.map(|(kind, outcome)| (kind, outcome.to_owned()));
    assert_eq!(ends, kinds, "{}", story.tale());
    assert_eq!(status(&story, climb.incumbent.as_str()), "ACTIVE", "{}", story.tale());
    assert_eq!(status(&story, challenger.as_str()), "ARCHIVED", "{}", story.tale());
}

#[tokio::test]
async fn a_split_test_that_meta_does_not_turn_on_gives_the_incumbent_its_half_back() {
    let limits = format!("{LIMITS}\n[compare]\nbudget_mode = \"split\"\n");
    let mut story = Story::begin(ready_shop(3), "autonomous", &limits).await;
    let (climb, challenger) = built(&mut story).await;
    let daily = |story: &Story| {
        let world = story.world.inventory();
        let arm = world.iter().find(|o| o.id == climb.incumbent.as_str()).expect("it is there");
        let sets = world.iter().filter(|o| o.kind == "adset" && o.campaign == arm.id);
        arm.daily_budget.unwrap_or_else(|| sets.filter_map(|s| s.daily_budget).sum())
    };
    let whole = daily(&story);
    let refused = Fault::Error { status: 400, code: 100, subcode: None, applied: false };
    let faults = ScriptedFaults::default().on(Method::Post, challenger.as_str(), refused);
    story.world.set_faults(faults);
    let ended = story.until(60, 6, |c| c.state == State::Aborted).await;
    let ends = ends(&story).await;
    let kinds: Vec<PlanKind> = ends.iter().map(|(kind, _)| *kind).collect();
    assert!(kinds.contains(&PlanKind::Split), "{}", story.tale());
    assert!(ends.contains(&(PlanKind::Activate, "failed".to_owned())), "{ends:?}");
    assert_eq!(ended.cut_from.map(Money::minor), Some(whole));
    assert_eq!(daily(&story), whole, "{}", story.tale());
}

#[tokio::test]
async fn a_challenger_that_somebody_archived_keeps_no_climb_from_ending() {
    for running in [false, true] {
        let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
        let (climb, challenger) = built(&mut story).await;
        if running {
            story.until(15, 1, |c| matches!(c.state, State::Warming { .. })).await;
        }
        story.world.edit_as_person(challenger.as_str(), &[("status", "ARCHIVED")]).unwrap();
        let sent = writes(&story);
        // Before it is turned on, the archive alone says what somebody wants.
        if running {
            story.command(&climb, Command::Abort).await;
        }
        for _ in 0..6 {
            story.pass(true).await;
            story.answer_all(true).await;
            story.sleep_hours(6);
        }
        let state = story.climbs().await.into_iter().find(|c| c.id == climb.id).unwrap().state;
        assert_eq!(state, State::Aborted, "running: {running}\n{}", story.tale());
        // Nothing is written to what is gone; the rule that watched it goes with it.
        let log = story.world.requests();
        let later: Vec<_> = log.iter().filter(|e| !e.mutation.is_null()).skip(sent).collect();
        assert!(later.iter().all(|e| !e.path.ends_with(challenger.as_str())), "{later:?}");
    }
}

#[tokio::test]
async fn a_climb_whose_incumbent_somebody_archived_is_stuck_until_an_abort() {
    for placed in [false, true] {
        let mut story = if placed {
            // So few sales that the step down is not tested.
            let mut scenario = short(Scenario::stuck_at_purchase());
            scenario.campaigns[0].adsets[0].daily_budget = Some(2_500);
            Story::begin(world(scenario, |_| ()), "autonomous", LIMITS).await
        } else {
            Story::begin(ready_shop(3), "autonomous", LIMITS).await
        };
        let (climb, challenger) = built(&mut story).await;
        story.until(15, 1, |c| c.state.test().is_some()).await;
        let incumbent = climb.incumbent.as_str();
        story.world.edit_as_person(incumbent, &[("status", "ARCHIVED")]).unwrap();
        story.sleep_hours(6);
        story.pass(true).await;
        let told = story.open_climb().await.held.unwrap_or_default();
        assert!(told.contains(incumbent) && told.contains("gone"), "{told}");
        story.command(&climb, Command::Abort).await;
        for _ in 0..3 {
            story.pass(true).await;
            story.sleep_hours(6);
        }
        let find = async |story: &Story| {
            story.climbs().await.into_iter().find(|c| c.id == climb.id).expect("it stays known")
        };
        let stuck = find(&story).await.state;
        assert!(matches!(stuck, State::Stuck { .. }), "{placed}: {stuck:?}\n{}", story.tale());
        // What carries the line runs on, a mere challenger does not.
        let runs = if placed { "ACTIVE" } else { "PAUSED" };
        assert_eq!(status(&story, challenger.as_str()), runs, "{}", story.tale());
        story.command(&climb, Command::Abort).await;
        story.pass(true).await;
        assert_eq!(find(&story).await.state, State::Aborted, "{}", story.tale());
        let next = story.open_climb().await;
        if placed {
            assert_eq!((next.incumbent, next.held), (challenger, None), "{}", story.tale());
        } else {
            let told = next.held.unwrap_or_default();
            assert!(told.starts_with("nothing of") && told.contains(incumbent), "{told}");
        }
    }
}

#[tokio::test]
async fn an_idle_line_whose_campaign_somebody_archived_is_told_of_by_name() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    story.pass(true).await;
    story.answer_all(false).await;
    story.until(3, 1, |c| c.pending.is_none()).await;
    let climb = story.open_climb().await;
    assert!(matches!(climb.state, State::Observing), "{}", story.tale());
    story.world.edit_as_person(climb.incumbent.as_str(), &[("status", "ARCHIVED")]).unwrap();
    story.sleep_hours(24);
    let told = story.pass(true).await.alarms.join("\n");
    let what = format!("somebody archived or deleted campaign {}", climb.incumbent);
    assert!(told.contains(&what) && told.contains(climb.line.as_str()), "{told}");
    assert!(!told.contains("cannot be read"), "{told}");
}

#[tokio::test]
async fn what_a_stuck_climb_left_on_is_asked_of_a_person_only_when_the_agent_has_given_up() {
    let mut story = Story::begin(ready_shop(3), "autonomous", LIMITS).await;
    let (climb, challenger) = built(&mut story).await;
    story.until(15, 1, |c| c.state.test().is_some()).await;
    story.world.edit_as_person(climb.incumbent.as_str(), &[("status", "ARCHIVED")]).unwrap();
    story.sleep_hours(6);
    story.pass(true).await;
    story.command(&climb, Command::Abort).await;
    story.until(3, 1, |c| matches!(c.state, State::Stuck { .. })).await;
    let by_hand = |alarms: &[String]| alarms.iter().any(|a| a.contains("pause it by hand"));
    let mut tries = 0_usize;
    loop {
        story.world.edit_as_person(challenger.as_str(), &[("status", "ACTIVE")]).unwrap();
        // Its plan waits for the switch, and is not called given up.
        story.parts.switch.stop("a person reads what happened").unwrap();
        let alarms = [story.pass(true).await.alarms, story.pass(true).await.alarms].concat();
        story.parts.switch.start().unwrap();
        if by_hand(&alarms) {
            break;
        }
        story.pass(true).await;
        assert_eq!(status(&story, challenger.as_str()), "PAUSED", "{}", story.tale());
        story.sleep_hours(24);
        tries += 1;
    }
    assert!((2..=stand_down::MAX_UNDO).contains(&tries), "{tries}: {}", story.tale());
}
