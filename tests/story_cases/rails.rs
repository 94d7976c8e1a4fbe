//! Guard rails in a living account: people's edits, writes nobody answered, the kill switch, distrust.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use rungwise::{
    app::{commands, standing, views},
    domain::{
        DAY_MS, HOUR_MS, Moment,
        climb::{Climb, Command, State},
        plan::PlanKind,
    },
    ports::{
        BoxFuture, Clock as _, Method, Request, Response, Store as _, Transport, TransportError,
    },
    sandbox::{Options, Sandbox, Scenario, Standing, Town, TownPlan, market::MarketParams},
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::support::{LIMITS, OPENING, Story, ready_campaign, ready_shop, short};

/// Names and values.
type Fields<'a> = &'a [(&'a str, &'a str)];

/// A shop whose challenger is warming.
async fn warming(extra: &str) -> Story {
    let mut story = Story::begin(ready_shop(3), "supervised", &format!("{LIMITS}{extra}")).await;
    story.until(5, 1, |c| matches!(c.state, State::Warming { .. })).await;
    story
}

fn writes(story: &Story) -> usize {
    story.world.requests().iter().filter(|e| !e.mutation.is_null()).count()
}

/// Sends one request as an operator's own script would.
async fn send(world: &Sandbox, mut request: Request) -> Value {
    request.token = Some(world.credentials().access_token.expose_secret().to_owned().into());
    let answer = world.send(&request).await.unwrap();
    serde_json::from_slice(&answer.body).unwrap()
}

/// Objects that carry a marker of ours and are not put away.
fn marked(world: &Sandbox) -> Vec<Standing> {
    let own = |o: &Standing| o.name.contains("[rw:") && o.status != "ARCHIVED";
    world.inventory().into_iter().filter(own).collect()
}

/// The ids a person could edit during a test.
struct Arms {
    campaign: [String; 2],
    adset: [String; 2],
    ad: [String; 2],
}

async fn arms(story: &Story, climb: &Climb) -> Arms {
    let both = [climb.incumbent.clone(), climb.state.test().unwrap().challenger.clone()];
    let mut trees = Vec::new();
    for id in &both {
        trees.push(story.parts.store.tree(id).await.unwrap().unwrap());
    }
    let pick = |f: fn(&rungwise::domain::Tree) -> String| [f(&trees[0]), f(&trees[1])];
    Arms {
        campaign: pick(|t| t.campaign.id.to_string()),
        adset: pick(|t| t.adsets[0].id.to_string()),
        ad: pick(|t| t.ads[0].id.to_string()),
    }
}

/// One pass after something a person did; what the climb is held for.
async fn held_for(story: &mut Story) -> Option<String> {
    let before = writes(story);
    story.pass(false).await;
    assert_eq!(writes(story), before, "hands off means no write\n{}", story.tale());
    story.open_climb().await.held
}

#[tokio::test]
async fn every_kind_of_edit_by_a_person_takes_the_hands_off_until_a_person_returns_the_climb() {
    let mut story = warming("").await;
    let climb = story.open_climb().await;
    let arms = arms(&story, &climb).await;
    assert_eq!(held_for(&mut story).await, None, "nobody has edited anything yet");
    let targeting =
        r#"{"geo_locations":{"countries":["FR"]},"targeting_automation":{"advantage_audience":0}}"#;
    let schedule = r#"[{"start_minute":0,"end_minute":720,"days":[1,2]}]"#;
    // What is edited, how, and how it is put back where the test compares with its own figures.
    let edits: [(&str, Fields<'_>, Fields<'_>); 18] = [
        (&arms.campaign[0], &[("name", "Renamed")], &[]),
        (&arms.campaign[1], &[("name", "Renamed too")], &[]),
        (&arms.adset[0], &[("name", "Set, renamed")], &[]),
        (&arms.ad[0], &[("name", "Ad, renamed")], &[]),
        (&arms.campaign[0], &[("status", "PAUSED")], &[("status", "ACTIVE")]),
        (&arms.campaign[1], &[("status", "PAUSED")], &[("status", "ACTIVE")]),
        (&arms.adset[0], &[("daily_budget", "20000")], &[("daily_budget", "30000")]),
        (&arms.adset[1], &[("daily_budget", "20000")], &[("daily_budget", "30000")]),
        (&arms.ad[0], &[("status", "PAUSED")], &[("status", "ACTIVE")]),
        (&arms.ad[1], &[("status", "PAUSED")], &[("status", "ACTIVE")]),
        (&arms.adset[0], &[("targeting", targeting)], &[]),
        (&arms.adset[1], &[("targeting", targeting)], &[]),
        (&arms.adset[0], &[("bid_strategy", "COST_CAP"), ("bid_amount", "900")], &[]),
        (
            &arms.adset[1],
            &[("bid_strategy", "LOWEST_COST_WITH_BID_CAP"), ("bid_amount", "900")],
            &[],
        ),
        (
            &arms.adset[0],
            &[("adset_schedule", schedule), ("pacing_type", r#"["day_parting"]"#)],
            &[],
        ),
        (&arms.adset[0], &[("daily_min_spend_target", "100")], &[]),
        (&arms.adset[1], &[("lifetime_spend_cap", "500000")], &[]),
        (&arms.adset[1], &[("bid_amount", "1100")], &[]),
    ];
    let mut seen = 0;
    for (object, edit, back) in edits {
        if let Err(refused) = story.world.edit_as_person(object, edit) {
            println!("Meta refuses {edit:?}: {}", refused["error"]["message"]);
            continue;
        }
        let held = held_for(&mut story).await;
        assert!(
            held.is_some_and(|why| why.contains("somebody else")),
            "{edit:?}\n{}",
            story.tale()
        );
        seen += 1;
        if !back.is_empty() {
            story.world.edit_as_person(object, back).unwrap();
        }
        // A pass while held, so that the way back is no news; then a person returns it.
        story.pass(false).await;
        story.command(&climb, Command::Resume).await;
        assert_eq!(held_for(&mut story).await, None, "after {edit:?}\n{}", story.tale());
    }
    assert!(seen >= 14, "only {seen} kinds of edit came through");
    for (n, object) in [&arms.ad[0], &arms.adset[0], &arms.campaign[0]].into_iter().enumerate() {
        story.world.edit_as_person(object, &[("status", "ARCHIVED")]).unwrap();
        let held = held_for(&mut story).await;
        assert!(held.is_some_and(|why| why.contains("gone")), "{n}\n{}", story.tale());
        story.command(&climb, Command::Resume).await;
        if n < 2 {
            story.pass(false).await;
        }
    }
    println!("{} kinds of edit noticed", seen + 3);
}

#[tokio::test]
async fn new_and_deleted_objects_are_edits_too() {
    let mut story = warming("").await;
    let climb = story.open_climb().await;
    let arms = arms(&story, &climb).await;
    assert_eq!(held_for(&mut story).await, None);
    let account = story.world.credentials().account_id;
    let copy = |path: String| Request::post(path).form("status_option", "PAUSED");
    let added = [
        copy(format!("/v26.0/{}/copies", arms.ad[0])),
        copy(format!("/v26.0/{}/copies", arms.ad[1])),
        copy(format!("/v26.0/{}/copies", arms.adset[0])),
    ];
    for request in added {
        let path = request.path.clone();
        let answer = send(&story.world, request).await;
        assert!(answer["error"].is_null(), "{answer} of act_{account}");
        let held = held_for(&mut story).await;
        assert!(held.is_some_and(|why| why.contains("is new")), "{path}\n{}", story.tale());
        story.command(&climb, Command::Resume).await;
        assert_eq!(held_for(&mut story).await, None, "{path}\n{}", story.tale());
    }
    for object in [&arms.ad[1], &arms.adset[1]] {
        story.world.edit_as_person(object, &[("status", "DELETED")]).unwrap();
        let held = held_for(&mut story).await;
        assert!(held.is_some_and(|why| why.contains("is gone")), "{object}\n{}", story.tale());
        story.command(&climb, Command::Resume).await;
        story.pass(false).await;
    }
}

#[tokio::test]
async fn what_else_acts_on_a_campaign_forbids_its_raise_by_name() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    let cloned = |c: &Climb| matches!(&c.state, State::Cloning { challenger: Some(_), .. });
    let climb = story.until(5, 1, cloned).await;
    let State::Cloning { challenger: Some(challenger), .. } = &climb.state else { unreachable!() };
    story.sleep_hours(12);
    story.pass(true).await;
    assert!(story.answer_all(true).await, "the activation waits for its yes\n{}", story.tale());
    let tree = story.parts.store.tree(challenger).await.unwrap().unwrap();
    let (account, set) = (story.world.credentials().account_id, tree.adsets[0].id.to_string());
    let end = story.now().plus(9 * DAY_MS).seconds().to_string();
    let start = story.now().plus(DAY_MS).seconds().to_string();
    let rule = json!({"evaluation_type": "SCHEDULE", "filters": [
        {"field": "entity_type", "operator": "EQUAL", "value": "ADSET"},
        {"field": "id", "operator": "IN", "value": [set]},
        {"field": "spent", "operator": "GREATER_THAN", "value": 5_000_000}]});
    let acts = [
        Request::post(format!("/v26.0/act_{account}/adrules_library"))
            .form("name", "Their own rule")
            .form("evaluation_spec", rule.to_string())
            .form("execution_spec", r#"{"execution_type":"PAUSE"}"#)
            .form("schedule_spec", r#"{"schedule_type":"SEMI_HOURLY"}"#)
            .form("status", "ENABLED"),
        Request::post(format!("/v26.0/{set}/budget_schedules"))
            .form("budget_value", "5000")
            .form("budget_value_type", "ABSOLUTE")
            .form("time_start", start)
            .form("time_end", end),
    ];
    for (request, word) in acts.into_iter().zip(["rule", "budget_schedule"]) {
        let answer = send(&story.world, request).await;
        let id = answer["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        let done = story.pass(false).await;
        let named = done.waiting.iter().any(|(_, why)| why.contains(word) && why.contains(&id));
        assert!(named, "{word} {id}: {:?}\n{}", done.waiting, story.tale());
        let on = |o: &Standing| o.id == challenger.as_str() && o.status == "ACTIVE";
        assert!(!story.world.inventory().iter().any(on), "{}", story.tale());
        let mut away = Request::post(format!("/v26.0/{id}"));
        away.method = Method::Delete;
        assert_eq!(send(&story.world, away).await["success"], true);
    }
    story.pass(false).await;
    let climb = story.open_climb().await;
    assert!(matches!(climb.state, State::Warming { .. }), "{}", story.tale());
}

#[tokio::test]
async fn an_edit_after_the_yes_makes_the_closing_plan_stale_and_holds_the_climb() {
    let mut story = warming("").await;
    let climb = story.open_climb().await;
    let arms = arms(&story, &climb).await;
    story.command(&climb, Command::Promote).await;
    // The plan is filed and agreed to, and then somebody gives the incumbent another audience.
    story.parts.switch.stop("not yet").unwrap();
    story.pass(false).await;
    let targeting = r#"{"geo_locations":{"countries":["FR"]}}"#;
    story.world.edit_as_person(&arms.adset[0], &[("targeting", targeting)]).unwrap();
    story.parts.switch.start().unwrap();
    let before = writes(&story);
    story.pass(false).await;
    story.pass(false).await;
    let changed: Vec<Value> = story.world.requests()[..]
        .iter()
        .filter(|e| !e.mutation.is_null())
        .skip(before)
        .map(|e| e.mutation["changed"].clone())
        .collect();
    let touched = changed.iter().any(|c| c.to_string().contains(&arms.campaign[0]));
    assert!(!touched, "the edited campaign was not written: {changed:?}\n{}", story.tale());
    let held = story.open_climb().await.held;
    assert!(held.is_some(), "{}", story.tale());
}

/// Loses the answer to the first creation of a campaign; `rename` also makes a person rename what was created.
struct Forgetful {
    world: Sandbox,
    rename: bool,
    blind: bool,
    lost: AtomicU32,
}

impl Transport for Forgetful {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            let witness =
                request.path.ends_with("/activities") || request.path.ends_with("/copies");
            if self.blind && witness {
                let body = br#"{"data":[]}"#.to_vec();
                return Ok(Response { status: 200, headers: vec![], body });
            }
            let answer = self.world.send(request).await?;
            let creates = request.method == Method::Post && request.path.ends_with("/campaigns");
            if creates && self.lost.fetch_add(1, Ordering::Relaxed) == 0 {
                let body: Value = serde_json::from_slice(&answer.body).unwrap();
                if self.rename {
                    let id = body["id"].as_str().unwrap();
                    self.world.edit_as_person(id, &[("name", "What is this?")]).unwrap();
                }
                return Err(TransportError::Lost("reset".to_owned()));
            }
            Ok(answer)
        })
    }
}

/// [`ready_shop`] with reads that lag behind.
fn lagging_shop(lag_ms: i64) -> Sandbox {
    let mut scenario = short(Scenario::stuck_at_purchase().seeded(3));
    scenario.campaigns = vec![ready_campaign()];
    let scenario = scenario.starting(OPENING.parse().unwrap());
    let opening = scenario.zone.day_of(scenario.start);
    let plan = TownPlan { base: MarketParams::stuck_at_purchase(), spread: 0.3, opening };
    let town = Town::new(scenario.seed, plan);
    let options = Options { list_lag_ms: lag_ms, ..Options::default() };
    Sandbox::with(scenario, options, Box::new(town))
}

async fn forgetful(lag_ms: i64, rename: bool, blind: bool) -> Story {
    let world = lagging_shop(lag_ms);
    let between = Forgetful { world: world.clone(), rename, blind, lost: AtomicU32::new(0) };
    Story::begin_through(Arc::new(between), world, "autonomous", LIMITS).await
}

async fn passes(story: &mut Story, n: u32, minutes: i64) {
    for _ in 0..n {
        story.pass(true).await;
        story.world.advance_to(story.now().plus(minutes * 60_000));
    }
}

fn campaigns_created(story: &Story) -> usize {
    let log = story.world.requests();
    log.iter().filter(|e| e.method == "POST" && e.path.ends_with("/campaigns")).count()
}

#[tokio::test]
async fn a_creation_nobody_answered_is_adopted_from_the_log_while_lists_still_hide_it() {
    let mut story = forgetful(25 * 60_000, false, false).await;
    passes(&mut story, 2, 1).await;
    assert_eq!(campaigns_created(&story), 1);
    let intents = story.parts.store.intents(None).await.unwrap();
    assert!(intents[0].object.is_some(), "found without a list:\n{}", story.tale());
}

#[tokio::test]
async fn a_creation_that_lost_its_name_is_found_by_its_lineage_and_not_repeated() {
    let mut story = forgetful(0, true, false).await;
    passes(&mut story, 30, 10).await;
    let created: Vec<Standing> =
        story.world.inventory().into_iter().filter(|o| o.name == "What is this?").collect();
    assert_eq!(created.len(), 1, "{}", story.tale());
    let intents = story.parts.store.intents(None).await.unwrap();
    let adopted = intents[0].object.as_ref().map(ToString::to_string);
    assert_eq!(adopted.as_deref(), Some(created[0].id.as_str()), "{}", story.tale());
    assert_ne!(created[0].status, "ACTIVE");
}

#[tokio::test]
async fn a_twin_that_turns_up_late_is_put_away_within_the_hour_and_never_turned_on() {
    // Neither lineage nor log tell anything, and lists lag longer than the quiet time: the worst that can be.
    let mut story = forgetful(40 * 60_000, false, true).await;
    passes(&mut story, 16, 10).await;
    assert_eq!(campaigns_created(&story), 2, "{}", story.tale());
    // The second one cannot be read in time either: the attempt is given up, and both are put away.
    assert!(marked(&story.world).is_empty(), "{:?}\n{}", marked(&story.world), story.tale());
    let away = |o: &Standing| o.kind == "campaign" && o.status == "ARCHIVED";
    let away: Vec<Standing> = story.world.inventory().into_iter().filter(away).collect();
    assert_eq!(away.len(), 2, "{}", story.tale());
    for object in &away {
        let label = format!("campaign:{}", object.id);
        let turned_on = |e: &&rungwise::sandbox::LogEntry| {
            e.mutation["changed"][&label]["status"][1] == "ACTIVE"
        };
        assert_eq!(story.world.requests().iter().filter(turned_on).count(), 0);
    }
    assert!(story.told.iter().any(|t| t.contains("put away")), "{}", story.tale());
}

#[tokio::test]
async fn a_marker_on_what_was_there_before_the_write_does_not_settle_it() {
    let mut story = forgetful(40 * 60_000, false, true).await;
    story.pass(true).await;
    let doubt = story.parts.store.intents(None).await.unwrap().remove(0);
    let elder = story.open_climb().await.incumbent;
    let name = format!("Mine [rw:{}]", doubt.op_key);
    story.world.edit_as_person(elder.as_str(), &[("name", &name)]).unwrap();
    passes(&mut story, 3, 10).await;
    let settled = story.parts.store.intents(None).await.unwrap().remove(0);
    assert_eq!(settled.op_key, doubt.op_key);
    assert_eq!(settled.object, None, "{}", story.tale());
}

#[tokio::test]
async fn what_somebody_copies_from_a_fresh_challenger_is_told_of_and_left_alone() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    let cloned = |c: &Climb| matches!(&c.state, State::Cloning { challenger: Some(_), .. });
    let climb = story.until(5, 1, cloned).await;
    let State::Cloning { challenger: Some(challenger), .. } = &climb.state else { unreachable!() };
    let before: Vec<String> = story.world.inventory().into_iter().map(|o| o.id).collect();
    let request = Request::post(format!("/v26.0/{challenger}/copies"))
        .form("deep_copy", "true")
        .form("status_option", "PAUSED");
    let answer = send(&story.world, request).await;
    assert!(answer["error"].is_null(), "{answer}");
    story.sleep_hours(2);
    let done = story.pass(false).await;
    let told = |a: &String| a.contains("copied it from something else");
    assert!(done.alarms.iter().any(told), "{:?}", done.alarms);
    let theirs = story.world.inventory().into_iter().filter(|o| !before.contains(&o.id));
    let theirs: Vec<String> = theirs.map(|o| o.status).collect();
    assert!(theirs.len() >= 3 && theirs.iter().all(|s| s == "PAUSED"), "{theirs:?}");
}

#[tokio::test]
async fn an_object_with_a_marker_nobody_here_knows_is_told_of_and_left_alone() {
    let mut story = warming("").await;
    let climb = story.open_climb().await;
    let name = "Shop | purchase [rw:AAAABBBBCCCC]";
    let account = story.world.credentials().account_id;
    let request = Request::post(format!("/v26.0/act_{account}/campaigns"))
        .form("name", name)
        .form("objective", "OUTCOME_SALES")
        .form("status", "PAUSED")
        .form("special_ad_categories", r#"["NONE"]"#)
        .form("is_adset_budget_sharing_enabled", "false");
    let stranger = send(&story.world, request).await["id"].as_str().unwrap().to_owned();
    story.sleep_hours(2);
    let done = story.pass(false).await;
    assert!(done.alarms.iter().any(|a| a.contains(&stranger)), "{:?}", done.alarms);
    let again = story.pass(false).await;
    assert!(!again.alarms.iter().any(|a| a.contains(&stranger)), "once a day is enough");
    let stands = story.world.inventory().into_iter().find(|o| o.id == stranger).unwrap();
    assert_eq!(stands.status, "PAUSED");
    assert_eq!(story.open_climb().await.id, climb.id);
}

#[tokio::test]
async fn the_kill_switch_pauses_the_challenger_where_the_policy_asks_for_it_and_writes_nothing_else()
 {
    let mut story = warming("[stop]\npause_challengers = true\n").await;
    let climb = story.open_climb().await;
    let challenger = climb.state.test().unwrap().challenger.to_string();
    let before = writes(&story);
    story.parts.switch.stop("ana says stop").unwrap();
    story.pass(false).await;
    story.pass(true).await;
    let stands = story.world.inventory().into_iter().find(|o| o.id == challenger).unwrap();
    assert_eq!(stands.status, "PAUSED", "{}", story.tale());
    assert_eq!(writes(&story), before + 1, "one pause and nothing else");
    story.parts.switch.start().unwrap();
    story.until(2, 1, |c| c.id == climb.id && matches!(c.state, State::Aborted)).await;
}

#[tokio::test]
async fn autonomy_that_was_taken_back_waits_for_people_until_a_person_returns_it() {
    let mut story = Story::begin(ready_shop(3), "autonomous", LIMITS).await;
    standing::demote(story.parts.desk("agent"), "a read contradicted a write").await.unwrap();
    story.pass(true).await;
    assert_eq!(writes(&story), 0, "{}", story.tale());
    assert_eq!(story.unanswered().await.len(), 1, "the plan waits for a person");
    let account = story.parts.account.clone();
    let history = &story.parts.store;
    let view = views::status(history, &account.id, &account.policy, None, None).await.unwrap();
    assert_eq!(view.mode, "supervised");
    assert!(view.mode_reason.unwrap().contains("a read contradicted a write"));
    commands::lift(history, story.now(), "ana", "looked at it").await.unwrap();
    story.pass(true).await;
    assert!(writes(&story) > 0, "{}", story.tale());
    let view =
        views::status(&story.parts.store, &account.id, &account.policy, None, None).await.unwrap();
    assert_eq!((view.mode.as_str(), view.mode_reason), ("autonomous", None));
}

/// Says of one campaign that it has spent a fortune today.
struct Spender {
    world: Sandbox,
    campaign: std::sync::Mutex<Option<(String, String)>>,
}

impl Transport for Spender {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            let mut answer = self.world.send(request).await?;
            let who = self.campaign.lock().unwrap().clone();
            let insights = request.method == Method::Get && request.path.ends_with("/insights");
            let level = request.query.iter().any(|(n, v)| n == "level" && v == "adset");
            if let (Some((campaign, adset)), true, true) = (who, insights, level) {
                let today = self.world.clock().now().rfc3339()[..10].to_owned();
                let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
                body["data"].as_array_mut().unwrap().push(json!({
                    "account_currency": "EUR", "campaign_id": campaign, "adset_id": adset, "date_start": today,
                    "date_stop": today, "spend": "9999.00", "impressions": "900000", "inline_link_clicks": "9",
                    "attribution_setting": "7d_click_1d_view",
                }));
                answer.body = body.to_string().into_bytes();
            }
            Ok(answer)
        })
    }
}

#[tokio::test]
async fn a_test_that_costs_more_than_any_budget_allows_is_ended_by_the_watch() {
    let world = ready_shop(3);
    let spender = Arc::new(Spender { world: world.clone(), campaign: std::sync::Mutex::default() });
    let between: Arc<Spender> = Arc::clone(&spender);
    let mut story = Story::begin_through(between, world, "supervised", LIMITS).await;
    story.until(5, 1, |c| matches!(c.state, State::Warming { .. })).await;
    let climb = story.open_climb().await;
    let arms = arms(&story, &climb).await;
    let noon: Moment = story.now().plus(6 * HOUR_MS);
    story.world.advance_to(noon);
    let calm = rungwise::app::watch::watch(story.parts.desk("agent")).await.unwrap();
    assert!(!calm.stood_down && calm.alarms.is_empty(), "{calm:?}");
    *spender.campaign.lock().unwrap() = Some((arms.campaign[1].clone(), arms.adset[1].clone()));
    let wild = rungwise::app::watch::watch(story.parts.desk("agent")).await.unwrap();
    assert!(wild.stood_down, "{wild:?}");
    story.pass(false).await;
    let stands = story.world.inventory().into_iter().find(|o| o.id == arms.campaign[1]).unwrap();
    assert_eq!(stands.status, "PAUSED", "{}", story.tale());
    let kinds: Vec<PlanKind> = story.plans().await.iter().map(|(_, p)| p.kind).collect();
    assert_eq!(kinds, [PlanKind::Clone, PlanKind::Activate, PlanKind::End]);
    assert!(story.now().since(noon) < DAY_MS / 48, "within half an hour");
}
