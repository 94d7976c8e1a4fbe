//! Stories that reach their end.

use rungwise::domain::{
    DAY_MS, HOUR_MS, Moment,
    climb::State,
    plan::{Op, PlanKind},
};

use super::{
    custody,
    support::{LIMITS, Story, demo_shop, ready_shop},
};

/// A seed whose climb is promoted.
const PROMOTED: u64 = 1;

#[tokio::test]
async fn the_stuck_shop_steps_down_proves_it_and_climbs_again() {
    let mut story = Story::begin(demo_shop(PROMOTED), "supervised", LIMITS).await;
    let low = story
        .until(60, 3, |c| matches!(&c.state, State::Settled { rung } if rung != "purchase"))
        .await;
    assert_eq!(low.memory.path.first().map(String::as_str), Some("purchase"));
    story.until(7 * 30, 4, |c| c.id != low.id && matches!(c.state, State::Settled { .. })).await;
    custody::holds(&story).await;
    let highest = custody::highest_daily_budget(&story);
    assert!(highest <= 16_000, "two arms of 80 EUR at most, not {highest}");
    let line = story.open_climb().await;
    assert_eq!(line.memory.path.len(), 3, "{:?}", line.memory.path);
    // After the promotion the line spends its run-rate again.
    story.sleep_hours(72);
    let day = story.world.ledger().days;
    let last = day.last().unwrap().day;
    let spent: i64 = day.iter().filter(|d| d.day == last).map(|d| d.spend_minor).sum();
    assert!(spent <= 14_000, "one arm delivers on the last day, not {spent}");
    // Somebody turns the campaign on again that the line has left: it is theirs, not the start of a second line.
    let climbs = story.climbs().await.len();
    story.world.edit_as_person(low.incumbent.as_str(), &[("status", "ACTIVE")]).unwrap();
    for _ in 0..3 {
        story.sleep_hours(24);
        story.pass(true).await;
    }
    assert_eq!(story.climbs().await.len(), climbs, "{}", story.tale());
}

#[tokio::test]
async fn money_starts_with_the_last_write_of_the_activation() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    let warm = story.until(5, 1, |c| matches!(c.state, State::Warming { .. })).await;
    let test = warm.state.test().unwrap().clone();
    let plans = story.plans().await;
    let kinds: Vec<PlanKind> = plans.iter().map(|(_, p)| p.kind).collect();
    assert_eq!(kinds, [PlanKind::Clone, PlanKind::Activate]);
    let last = plans[1].1.actions.last().unwrap();
    assert!(matches!(&last.op, Op::SetStatus { .. }) && last.key == "campaign");
    let challenger = test.challenger.to_string();
    let start: Moment = story
        .world
        .requests()
        .iter()
        .find(|e| e.mutation["changed"][format!("campaign:{challenger}")]["status"][1] == "ACTIVE")
        .map(|e| e.at.parse().unwrap())
        .unwrap();
    story.sleep_hours(72);
    let ledger = story.world.ledger();
    let days: Vec<_> = ledger.days.iter().filter(|d| d.campaign_id == challenger).collect();
    assert!(days.iter().any(|d| d.spend_minor > 0), "it delivers once it is on");
    let zone: rungwise::domain::Zone = "Europe/Berlin".parse().unwrap();
    assert!(days.iter().all(|d| d.day >= zone.day_of(start) || d.spend_minor == 0));
    custody::holds(&story).await;
}

#[tokio::test]
async fn a_split_test_never_spends_more_than_the_run_rate_and_moves_in_small_steps() {
    let more = format!("{LIMITS}[compare]\nbudget_mode = \"split\"\n");
    let mut story = Story::begin(ready_shop(3), "supervised", &more).await;
    story.until(150, 2, |c| !c.state.is_open()).await;
    custody::holds(&story).await;
    let highest = custody::highest_daily_budget(&story);
    assert!(highest <= 30_000, "the run-rate is 300 EUR, the budgets summed to {highest}");
    let mut raises: Vec<(String, Moment)> = Vec::new();
    for entry in story.world.requests() {
        for (object, change) in entry.mutation["changed"].as_object().into_iter().flatten() {
            let minor =
                |i: usize| change["daily_budget"][i].as_str().and_then(|t| t.parse::<i64>().ok());
            let (Some(before), Some(after)) = (minor(0), minor(1)) else { continue };
            if after > before {
                assert!((after - before) * 5 <= before, "{object}: {before} to {after}");
                raises.push((object.clone(), entry.at.parse().unwrap()));
            }
        }
    }
    for pair in raises.windows(2).filter(|p| p[0].0 == p[1].0) {
        assert!(pair[1].1.since(pair[0].1) >= 48 * HOUR_MS, "{pair:?}");
    }
    for (i, (_, at)) in raises.iter().enumerate() {
        let week = raises[i..].iter().filter(|(_, t)| t.since(*at) < 7 * DAY_MS).count();
        assert!(week <= 3, "{week} raises within seven days");
    }
}
