//! Access tiers: what a call costs, what blocks, what the headers say of it.

use rungwise::{
    ports::Method,
    sandbox::{Options, Tier},
};
use serde_json::Value;

use super::support::{Client, code};

fn of(tier: Tier) -> Client {
    Client::with(Options { tier, enforce_limits: true, ..Options::default() })
}

fn header(client: &Client, name: &str) -> Value {
    let reply = client.reply(Method::Get, "me", &[]);
    serde_json::from_str(reply.header(name).expect("the header is always there"))
        .expect("it holds JSON")
}

/// Percent of the account's score, and seconds until it resets.
fn score(client: &Client) -> (f64, i64) {
    let usage = header(client, "x-ad-account-usage");
    (usage["acc_id_util_pct"].as_f64().unwrap(), usage["reset_time_duration"].as_i64().unwrap())
}

#[test]
fn a_read_costs_one_and_a_write_three_of_sixty_points_on_the_limited_tier() {
    let client = of(Tier::Limited);
    client.get("ACT", &[]);
    assert!((score(&client).0 - 1.67).abs() < 0.01, "{:?}", score(&client));
    client.post("ACT/adlabels", &[("name", "L")]);
    assert!((score(&client).0 - 6.67).abs() < 0.01, "{:?}", score(&client));
    client.get("me", &[]);
    assert!((score(&client).0 - 6.67).abs() < 0.01, "calls of no account cost the account nothing");
    client.pass(150_000);
    assert!((score(&client).0 - 3.33).abs() < 0.1, "the score decays: {:?}", score(&client));
    client.pass(150_000);
    assert!(score(&client).0.abs() < f64::EPSILON);
}

#[test]
fn the_limited_tier_blocks_for_five_minutes_and_calling_on_prolongs_it() {
    let client = of(Tier::Limited);
    for n in 0..60 {
        assert_eq!(code(&client.get("ACT", &[])), (0, 0), "call {n}");
    }
    assert_eq!(code(&client.get("ACT", &[])), (17, 2_446_079));
    assert_eq!(code(&client.post("ACT/adlabels", &[("name", "L")])), (613, 1_487_742));
    assert_eq!(score(&client), (100.0, 300));
    let case =
        &header(&client, "x-business-use-case-usage")[&client.world.credentials().account_id][0];
    assert_eq!(
        (&case["estimated_time_to_regain_access"], &case["ads_api_access_tier"]),
        (&Value::from(5), &Value::from("development_access"))
    );
    client.pass(200_000);
    assert_eq!(code(&client.get("ACT", &[])).0, 17, "still blocked, and now for longer");
    client.pass(200_000);
    assert_eq!(code(&client.get("ACT", &[])).0, 17);
    client.pass(300_000);
    assert_eq!(code(&client.get("ACT", &[])), (0, 0));
}

#[test]
fn twenty_writes_are_the_limited_tier_and_three_thousand_the_full_one() {
    let limited = of(Tier::Limited);
    let set = limited.id("adsets", 0);
    let mut done = 0;
    while code(&limited.post(&set, &[("name", &format!("n{done}"))])) == (0, 0) {
        done += 1;
    }
    assert_eq!(done, 20);
    let full = of(Tier::Full);
    let set = full.id("adsets", 0);
    for n in 0..90 {
        assert_eq!(code(&full.post(&set, &[("name", &format!("n{n}"))])), (0, 0));
    }
    let (used, _) = score(&full);
    assert!((used - 3.01).abs() < 0.05, "{used}");
    assert_eq!(header(&full, "x-ad-account-usage")["ads_api_access_tier"], "standard_access");
}

#[test]
fn a_hundred_mutations_in_a_second_are_the_most() {
    let client = of(Tier::Full);
    let set = client.id("adsets", 0);
    for n in 0..100 {
        assert_eq!(code(&client.post(&set, &[("name", &format!("n{n}"))])), (0, 0));
    }
    assert_eq!(code(&client.post(&set, &[("name", "x")])), (613, 5_044_001));
    client.pass(1_000);
    assert_eq!(code(&client.post(&set, &[("name", "x")])), (0, 0));
}

#[test]
fn use_cases_are_counted_by_the_hour_and_tell_the_minutes_until_access_is_regained() {
    let client = of(Tier::Limited);
    // 300 + 40 × 7 active ads = 580 points an hour; one call each six seconds keeps the score at fifty.
    let mut refused = None;
    for n in 0..600 {
        let body = client.get("ACT", &[]);
        if body["error"].is_object() {
            refused = Some((n, code(&body)));
            break;
        }
        client.pass(6_100);
    }
    assert_eq!(refused, Some((580, (80_004, 2_446_079))));
    let usage =
        &header(&client, "x-business-use-case-usage")[&client.world.credentials().account_id][0];
    assert_eq!(
        (&usage["type"], &usage["call_count"]),
        (&Value::from("ads_management"), &Value::from(100))
    );
    let minutes = usage["estimated_time_to_regain_access"].as_i64().unwrap();
    assert!((1..=3).contains(&minutes), "{minutes}");
    assert_eq!(code(&client.get("ACT/insights", &[])), (0, 0), "another use case goes on");
    client.pass(minutes * 60_000);
    assert_eq!(code(&client.get("ACT", &[])), (0, 0));
}

#[test]
fn without_enforcement_everything_is_told_and_nothing_refused() {
    let client = Client::with(Options { tier: Tier::Limited, ..Options::default() });
    for _ in 0..100 {
        assert_eq!(code(&client.get("ACT", &[])), (0, 0));
    }
    assert!((score(&client).0 - 100.0).abs() < f64::EPSILON);
}
