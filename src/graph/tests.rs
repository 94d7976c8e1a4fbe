//! Reading through a recorded transport: repeats, paging, classes, and what is asked for.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Client,
    fake::{Fake, answer},
};
use crate::{
    domain::{
        CampaignId, DayRange, ObjectId,
        plan::{Aspect, ObjectKind},
    },
    ports::{Clock, MetaClass, MetaRead, Request, Response, TransportError},
};

mod codes;
mod insights;

type Answer = Result<Response, TransportError>;

fn param<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}
#[expect(clippy::unnecessary_wraps, reason = "the form a transport answers in")]
fn ok(body: &Value) -> Answer {
    Ok(answer(200, &body.to_string()))
}
#[expect(clippy::unnecessary_wraps, reason = "the form a transport answers in")]
fn error(status: u16, code: i64, sub: i64) -> Answer {
    let message =
        if code == 1 { "Please reduce the amount of data you're asking for" } else { "m" };
    let body = json!({"error":{"code":code,"error_subcode":sub,"message":message}});
    Ok(answer(status, &body.to_string()))
}
fn account() -> Answer {
    ok(
        &json!({"id":"act_1","name":"Shop","currency":"EUR","timezone_name":"Europe/Berlin","account_status":1}),
    )
}
fn client(fake: &Arc<Fake>) -> Client<Arc<Fake>> {
    Client::new(fake.link())
}
/// Answers the account, and everything else by `edge`, which gets the request and how many such came before.
fn world(edge: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Arc<Fake> {
    Fake::new(move |r, _| match r.form.iter().find(|(name, _)| name == "batch") {
        Some((_, batch)) => batched(batch, &edge),
        None if r.path == "/v26.0/act_1" => account(),
        None => edge(r),
    })
}
/// Answers every element of a batch of reads as if it had come by itself.
fn batched(batch: &str, edge: &impl Fn(&Request) -> Answer) -> Answer {
    let elements: Vec<Value> = serde_json::from_str(batch).unwrap();
    let answers = elements.iter().map(|element| {
        let url = element["relative_url"].as_str().unwrap();
        let path = url.split('?').next().unwrap();
        let answer = edge(&Request::get(format!("/v26.0/{path}"))).unwrap();
        json!({"code": answer.status, "body": String::from_utf8(answer.body).unwrap()})
    });
    ok(&answers.collect())
}
fn range(since: &str, until: &str) -> DayRange {
    DayRange::new(since.parse().unwrap(), until.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn passing_faults_are_read_again_up_to_four_tries_and_a_refusal_is_not() {
    let faults: [(Answer, usize, MetaClass); 7] = [
        (error(500, 2, 0), 4, MetaClass::Transient),
        (Ok(answer(502, "<html>")), 4, MetaClass::Lost),
        (Ok(answer(200, "")), 4, MetaClass::Lost),
        (Err(TransportError::Lost("reset".into())), 4, MetaClass::Lost),
        (error(400, 100, 0), 1, MetaClass::Refused),
        (error(401, 190, 463), 1, MetaClass::Auth),
        (error(400, 987_654, 0), 1, MetaClass::Unknown),
    ];
    for (fault, tries, class) in faults {
        let fake = Fake::always(fault);
        let found = client(&fake).account().await.unwrap_err();
        assert_eq!((found.class, fake.seen().len()), (class, tries), "{found}");
        assert!(found.to_string().starts_with("read account act_1: "), "{found}");
        assert!(fake.clock.now().millis() <= 60_000 * 3);
    }
}

#[tokio::test]
async fn a_read_succeeds_once_the_fault_has_passed() {
    let fake = Fake::new(|_, n| if n < 3 { error(500, 2, 0) } else { account() });
    let info = client(&fake).account().await.unwrap();
    assert_eq!((info.currency.as_str(), info.zone.name()), ("EUR", "Europe/Berlin"));
}

#[tokio::test]
async fn a_throttle_is_waited_for_when_short_and_reported_when_long() {
    let throttled = |minutes: u32| {
        let mut response = answer(400, r#"{"error":{"code":80004}}"#);
        let usage = json!({"1":[{"estimated_time_to_regain_access": minutes}]});
        response.headers.push(("x-business-use-case-usage".into(), usage.to_string()));
        Ok(response)
    };
    let short = Fake::new(move |_, n| if n == 0 { throttled(2) } else { account() });
    client(&short).account().await.unwrap();
    assert!(short.clock.now().millis() >= 120_000);
    let long = Fake::always(throttled(45));
    let reader = client(&long);
    assert_eq!(reader.account().await.unwrap_err().wait_ms, Some(45 * 60_000));
    let again = reader.account().await.unwrap_err();
    assert_eq!(
        (again.class, long.seen().len()),
        (MetaClass::Throttled, 1),
        "no call while blocked"
    );
}

fn object(edge: &str, n: usize) -> Value {
    match edge {
        "campaigns" => json!({"id": format!("4{n}"), "name":"C","objective":"OUTCOME_SALES",
            "status":"ACTIVE","effective_status":"ACTIVE","daily_budget":"0"}),
        "adsets" => json!({"id": format!("5{n}"), "campaign_id":"40","name":"S","status":"ACTIVE",
            "effective_status":"ACTIVE","optimization_goal":"OFFSITE_CONVERSIONS",
            "promoted_object":{"pixel_id":"9","custom_event_type":"PURCHASE"},"daily_budget":2500}),
        _ => json!({"id": format!("6{n}"), "campaign_id":"40","adset_id":"50","name":"A",
            "status":"ACTIVE","effective_status":"PENDING_REVIEW","creative":{"id":"7"}}),
    }
}
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

#[tokio::test]
async fn trees_take_three_edges_and_name_the_campaigns_asked_for() {
    let fake = world(|r| ok(&json!({"data":[object(last(&r.path), 0)]})));
    let only = [CampaignId::new("40").unwrap()];
    let trees = client(&fake).trees(&only).await.unwrap();
    assert_eq!(trees.len(), 1);
    assert_eq!((trees[0].adsets.len(), trees[0].ads.len()), (1, 1));
    assert_eq!(trees[0].daily_budget().unwrap().to_string(), "25.00 EUR");
    assert_eq!(trees[0].adsets[0].fields["daily_budget"], json!(2500));
    let seen = fake.seen();
    assert_eq!(seen.len(), 4, "the account once, then one call per edge");
    for request in &seen[1..] {
        let wanted = r#"[{"field":"campaign.id","operator":"IN","value":["40"]}]"#;
        assert_eq!(param(request, "filtering"), Some(wanted));
        assert!(param(request, "fields").unwrap().contains("effective_status"));
    }
}

#[tokio::test]
async fn an_unreadable_object_voids_the_read_and_is_named() {
    let fake = world(|r| {
        let mut object = object(last(&r.path), 0);
        if last(&r.path) == "adsets" {
            object["daily_budget"] = json!("12,50");
        }
        ok(&json!({"data":[object]}))
    });
    let error = client(&fake).trees(&[]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "read adsets of act_1: ad set 50: daily_budget is not a whole number: \"12,50\""
    );
}

#[tokio::test]
async fn pages_are_followed_by_cursor_and_never_by_url() {
    let fake = world(|r| {
        let n: usize = param(r, "after").map_or(0, |c| c.parse().unwrap());
        let next = "https://evil.example/v26.0/act_1?access_token=STOLEN";
        let paging = json!({"cursors":{"after": (n + 1).to_string()},"next": next});
        match n {
            0 => ok(
                &json!({"data":[object("campaigns", 0), object("campaigns", 1)],"paging":paging}),
            ),
            1 => ok(&json!({"data":[],"paging":paging})),
            _ => ok(&json!({"data":[object("campaigns", 1), object("campaigns", 2)]})),
        }
    });
    let found = client(&fake).find_marked(ObjectKind::Campaign, "C").await.unwrap();
    assert_eq!(found.len(), 3, "one of four rows came twice");
    assert!(fake.seen().iter().all(|r| r.path == "/v26.0/act_1/campaigns"));
}

#[tokio::test]
async fn a_failed_page_or_a_circle_voids_the_whole_list() {
    let page = |after: &str| json!({"data":[object("campaigns", 0)],"paging":{"cursors":{"after":after},"next":"https://x"}});
    let failing = world(move |r| match param(r, "after") {
        None => ok(&page("a")),
        Some(_) => error(400, 100, 0),
    });
    assert!(client(&failing).find_marked(ObjectKind::Campaign, "C").await.is_err());
    let circle = world(move |_| ok(&page("a")));
    let error = client(&circle).find_marked(ObjectKind::Campaign, "C").await.unwrap_err();
    assert!(error.to_string().ends_with("page 2 repeats a cursor: the list runs in a circle"));
}

#[tokio::test]
async fn an_expired_cursor_restarts_the_list_once() {
    let fake = Fake::new(|r, n| match (param(r, "after"), n) {
        (Some(_), 1) => error(400, 2642, 0),
        (None, _) => ok(&json!({"data":[object("campaigns", 0)],
            "paging":{"cursors":{"after":"a"},"next":"https://x"}})),
        (Some(_), _) => ok(&json!({"data":[object("campaigns", 1)]})),
    });
    let found = client(&fake).find_marked(ObjectKind::Campaign, "C").await.unwrap();
    assert_eq!((found.len(), fake.seen().len()), (2, 4));
}

#[tokio::test]
async fn pages_shrink_when_they_are_too_much() {
    let fake = world(|r| {
        let limit: u32 = param(r, "limit").unwrap().parse().unwrap();
        if limit > 50 { error(500, 1, 0) } else { ok(&json!({"data":[object("campaigns", 0)]})) }
    });
    client(&fake).find_marked(ObjectKind::Campaign, "C").await.unwrap();
    let limits: Vec<_> =
        fake.seen().iter().map(|r| param(r, "limit").unwrap().to_owned()).collect();
    assert_eq!(limits, ["200", "100", "50"], "no useless repeat of the same size");
}

#[tokio::test]
async fn account_spend_is_the_control_total_per_day() {
    let fake = world(|r| {
        assert_eq!(param(r, "level"), Some("account"));
        ok(
            &json!({"data":[{"account_currency":"EUR","spend":"53.39","date_start":"2026-11-03","date_stop":"2026-11-03"}]}),
        )
    });
    let spend = client(&fake).account_spend(range("2026-11-01", "2026-11-30")).await.unwrap();
    assert_eq!(spend.into_iter().collect::<Vec<_>>(), [("2026-11-03".parse().unwrap(), 5339)]);
}

#[tokio::test]
async fn aspects_speak_as_plans_promise() {
    let fake = world(|r| match last(&r.path) {
        "40" => ok(&json!({"id":"40","name":"C","status":"PAUSED","effective_status":"PAUSED",
            "daily_budget":"0","spend_cap":"922337203685478"})),
        "50" => ok(&json!({"id":"50","campaign_id":"40","name":"S","status":"ACTIVE",
            "effective_status":"CAMPAIGN_PAUSED","daily_budget":"2500",
            "end_time":"2026-12-01T00:00:00+0000","optimization_goal":"OFFSITE_CONVERSIONS",
            "promoted_object":{"pixel_id":"9","custom_event_type":"OTHER","custom_event_str":"Quiz"}})),
        "9" => ok(&json!({"id":"9","name":"R [rw:X]","status":"ENABLED"})),
        _ => error(400, 100, 33),
    });
    let reader = client(&fake);
    let read = |kind, id: &str| {
        let (reader, id) = (reader.clone(), ObjectId::new(id).unwrap());
        async move { reader.aspects(kind, &id).await.unwrap() }
    };
    let campaign = read(ObjectKind::Campaign, "40").await.unwrap();
    assert_eq!(
        (campaign[&Aspect::DailyBudget].as_str(), campaign[&Aspect::SpendCap].as_str()),
        ("", "")
    );
    let set = read(ObjectKind::AdSet, "50").await.unwrap();
    assert_eq!(set[&Aspect::DailyBudget], "2500");
    assert_eq!(set[&Aspect::EndTime], "1796083200");
    assert_eq!(set[&Aspect::Optimisation], "OFFSITE_CONVERSIONS/OTHER/Quiz");
    assert_eq!(set[&Aspect::EffectiveStatus], "CAMPAIGN_PAUSED");
    assert_eq!(read(ObjectKind::Rule, "9").await.unwrap()[&Aspect::Status], "ENABLED");
    assert_eq!(read(ObjectKind::Ad, "60").await, None);
}

#[tokio::test]
async fn a_marked_object_is_searched_in_every_status_and_compared_again_here() {
    let fake = world(|_| {
        ok(&json!({"data":[
            {"id":"41","name":"Shop [RW:K7]","status":"PAUSED"},
            {"id":"42","name":"Shop [rw:K7]","status":"ARCHIVED"}]}))
    });
    let found = client(&fake).find_marked(ObjectKind::AdSet, "[rw:K7]").await.unwrap();
    assert_eq!(found.len(), 1, "the search ignores case, the comparison does not");
    assert_eq!((found[0].id.as_str(), found[0].status.as_str()), ("42", "ARCHIVED"));
    let request = fake.seen().remove(0);
    let wanted = r#"[{"field":"adset.name","operator":"CONTAIN","value":"[rw:K7]"}]"#;
    assert_eq!(param(&request, "filtering"), Some(wanted));
    let statuses = param(&request, "effective_status").unwrap();
    assert!(statuses.contains("ARCHIVED") && statuses.contains("DELETED"), "{statuses}");
}

#[tokio::test]
async fn foreign_rules_running_studies_and_schedules_interfere_and_our_own_rule_does_not() {
    let fake = world(|r| match r.path.as_str() {
        "/v26.0/40/adsets" => ok(&json!({"data":[{"id":"50","name":"S"}]})),
        "/v26.0/40/adrules_governed" => ok(&json!({"data":[
            {"id":"1","name":"Stop loss [rw:K7]","status":"ENABLED"},
            {"id":"2","name":"Scale winners","status":"ENABLED"},
            {"id":"3","name":"Old","status":"DISABLED"}]})),
        "/v26.0/50/adrules_governed" => {
            ok(&json!({"data":[{"id":"2","name":"Scale winners","status":"ENABLED"}]}))
        }
        "/v26.0/50/budget_schedules" => {
            ok(&json!({"data":[{"id":"4","time_end":"1970-01-02T00:00:00+0000"}]}))
        }
        "/v26.0/act_1/ad_studies" => ok(&json!({"data":[
            {"id":"5","name":"Lift","end_time":"2027-01-01T00:00:00+0000",
                "cells":{"data":[{"id":"c","adsets":{"data":[{"id":"50"}]}}]}},
            {"id":"6","name":"Ended","end_time":"1970-01-01T00:00:00+0000","canceled_time":"1970-01-01T00:00:01+0000",
                "cells":{"data":[{"campaigns":{"data":[{"id":"40"}]}}]}},
            {"id":"7","name":"Others","end_time":"2027-01-01T00:00:00+0000",
                "cells":{"data":[{"campaigns":{"data":[{"id":"49"}]}}]}}]})),
        _ => ok(&json!({"data":[]})),
    });
    let found = client(&fake).interference(&CampaignId::new("40").unwrap()).await.unwrap();
    let shown: Vec<String> = found.iter().map(|i| format!("{} {}", i.kind, i.id)).collect();
    assert_eq!(shown, ["budget_schedule 4", "rule 2", "study 5"]);
}

#[tokio::test]
async fn the_token_is_examined_with_the_app_and_no_secret_is_printed() {
    let fake = Fake::new(|_, _| {
        ok(
            &json!({"data":{"is_valid":true,"type":"SYSTEM_USER","expires_at":0,"scopes":["ads_read"]}}),
        )
    });
    let reader = client(&fake);
    let info = reader.token().await.unwrap();
    assert_eq!((info.valid, info.expires_at, info.kind.as_str()), (true, None, "SYSTEM_USER"));
    let request = fake.seen().remove(0);
    assert_eq!(request.path, "/v26.0/debug_token");
    assert!(param(&request, "input_token").unwrap().contains("EAAB"));
    let shown = format!("{request:?} {reader:?}");
    assert!(!shown.contains("EAAB") && !shown.contains("app-secret"), "{shown}");
}

#[tokio::test]
async fn the_clock_skew_is_read_from_the_date_header() {
    let fake = Fake::new(|_, _| {
        let mut response = account().unwrap();
        response.headers.push(("date".into(), "Thu, 01 Jan 1970 00:02:00 GMT".into()));
        Ok(response)
    });
    let reader = client(&fake);
    assert_eq!(reader.clock_skew_ms(), None);
    reader.account().await.unwrap();
    assert_eq!(reader.clock_skew_ms(), Some(120_000));
}
