//! A whole climb on the smallest call budget Meta gives: 60 points in five minutes, read 1, write 3.

use std::sync::{Arc, Mutex};

use rungwise::{
    domain::{DAY_MS, HOUR_MS, Moment},
    ports::{BoxFuture, Clock as _, Request, Response, Transport, TransportError},
    sandbox::{Options, Sandbox, Scenario, Tier},
};

use super::support::{LIMITS, Story, ready_campaign, short, world_under};

/// The wire to a world, with what went over it.
struct Counted {
    world: Sandbox,
    /// When, whether the answer was a refusal for too many calls, and the account's score after it in percent.
    calls: Mutex<Vec<(Moment, bool, f64)>>,
}

impl Transport for Counted {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            let at = self.world.clock().now();
            let answer = self.world.send(request).await?;
            let body = String::from_utf8_lossy(&answer.body);
            let codes = ["\"code\":17,", "\"code\":4,", "\"code\":613,", "\"code\":80"];
            let throttled = answer.status >= 400 && codes.iter().any(|c| body.contains(c));
            let usage = answer.header("x-ad-account-usage").unwrap_or("{}");
            let usage: serde_json::Value = serde_json::from_str(usage).unwrap();
            let score = usage["acc_id_util_pct"].as_f64().unwrap_or(0.0);
            self.calls.lock().unwrap().push((at, throttled, score));
            Ok(answer)
        })
    }
}

impl Counted {
    fn since(&self, from: Moment) -> Vec<(Moment, bool, f64)> {
        self.calls.lock().unwrap().iter().filter(|c| c.0 >= from).copied().collect()
    }
}

/// A day as the shipped schedule lives it: a pull every three hours, decisions once.
async fn day(story: &mut Story) {
    for slot in 0..8 {
        story.pass(slot == 2).await;
        if story.answer_all(true).await {
            story.pass(false).await;
        }
        story.sleep_hours(3);
    }
}

#[tokio::test]
async fn a_climb_of_two_ad_sets_with_three_ads_each_meets_no_throttle_on_the_limited_tier() {
    let mut scenario = short(Scenario::stuck_at_purchase().seeded(3));
    let mut campaign = ready_campaign();
    campaign.adsets[0].daily_budget = Some(15_000);
    campaign.adsets[0].ads = 3;
    campaign.adsets.push(campaign.adsets[0].clone());
    "Lookalike".clone_into(&mut campaign.adsets[1].name);
    scenario.campaigns = vec![campaign];
    let options = Options { tier: Tier::Limited, enforce_limits: true, ..Options::default() };
    let world = world_under(options, scenario, |_| ());
    let wire = Arc::new(Counted { world: world.clone(), calls: Mutex::default() });
    let begin = world.clock().now();
    let mut story = Story::begin_through(wire.clone(), world, "supervised", LIMITS).await;

    // Until the twin stands and spends, as the schedule goes.
    let first = wire.since(begin).len();
    for _ in 0..12 {
        day(&mut story).await;
        if story.climbs().await.iter().any(|c| c.state.test().is_some()) {
            break;
        }
    }
    let tested = story.open_climb().await;
    assert!(tested.state.test().is_some(), "{}", story.tale());
    let elapsed = story.now().since(begin) / HOUR_MS;
    let built = wire.since(begin).len() - first;

    // Days of a running test, and of the rest of the climb with one pass a day.
    let quiet = story.now();
    for _ in 0..5 {
        day(&mut story).await;
    }
    let a_day = wire.since(quiet).len() / 5;
    let ended = story.until(120, 1, |c| !c.state.is_open()).await;
    let hours = story.now().since(begin) / HOUR_MS;
    let calls = wire.since(begin);
    let throttles = calls.iter().filter(|c| c.1).count();
    let highest = calls.iter().map(|c| c.2).fold(0.0, f64::max);
    println!(
        "limited tier: {} ended as {} after {hours} simulated hours, the test began after {elapsed}; {} calls in all \
         ({built} until then), {a_day} a day while the test runs; {throttles} throttles, the score never \
         above {highest} %",
        ended.id,
        ended.state.as_str(),
        calls.len(),
    );
    assert_eq!(throttles, 0, "{}", story.tale());
    assert!(elapsed <= 48, "the twin stands within two days: {elapsed} h");
    assert!(highest < 80.0, "writes are never held back for long: {highest} %");
    assert!(a_day <= 100, "{a_day} calls a day");
    assert!(hours * HOUR_MS < 150 * DAY_MS);
}
