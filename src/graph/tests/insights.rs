//! Daily rows: pages, parts, what is too much, and report runs.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::{
    domain::{Day, InsightRow},
    ports::{
        MetaError, Method,
        meta::{InsightPage, InsightPages as _},
    },
};

/// Everything a read hands out, as a careful caller keeps it: what comes again replaces what came before.
async fn read(
    client: &Client<Arc<Fake>>,
    range: DayRange,
) -> Result<(Vec<InsightRow>, Vec<DayRange>), MetaError> {
    let mut pages = client.insights(range);
    let (mut rows, mut open, mut done) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(InsightPage { rows: more, again, done: days, .. }) = pages.next().await? {
        if again {
            open.clear();
        }
        open.extend(more);
        if let Some(days) = days {
            assert!(open.iter().all(|r: &InsightRow| days.contains(r.day)));
            rows.append(&mut open);
            done.push(days);
        }
    }
    assert!(open.is_empty(), "rows of days that were never done");
    Ok((rows, done))
}
fn days_of(request: &Request) -> DayRange {
    let time = param(request, "time_range").unwrap_or_else(|| {
        request.form.iter().find(|(n, _)| n == "time_range").unwrap().1.as_str()
    });
    let time: Value = serde_json::from_str(time).unwrap();
    range(time["since"].as_str().unwrap(), time["until"].as_str().unwrap())
}
fn row(day: Day, adset: &str) -> Value {
    let day = day.to_string();
    json!({"account_currency":"EUR","campaign_id":"40","adset_id":adset,"spend":"1.5",
        "impressions":"10","inline_link_clicks":"1","date_start":day,"date_stop":day})
}
/// The rows of two ad sets on each day asked for, in pages of the size asked for.
fn honest(request: &Request) -> Answer {
    paged(request, days_of(request), &["50", "51"])
}
fn paged(request: &Request, days: DayRange, sets: &[&str]) -> Answer {
    let all: Vec<Value> = days.iter().flat_map(|d| sets.iter().map(move |s| row(d, s))).collect();
    let start: usize = param(request, "after").map_or(0, |c| c.parse().unwrap());
    let limit: usize = param(request, "limit").unwrap().parse().unwrap();
    let end = (start + limit).min(all.len());
    let mut body = json!({"data": all[start..end]});
    if end < all.len() {
        body["paging"] = json!({"cursors":{"after":end.to_string()},"next":"https://x/y"});
    }
    ok(&body)
}
fn asked(fake: &Fake) -> Vec<Request> {
    let all = fake.seen().into_iter();
    all.filter(|r| last(&r.path) == "insights" && r.method == Method::Get).collect()
}

#[tokio::test]
async fn a_month_is_one_request_with_explicit_windows_and_every_status_named() {
    let fake = world(honest);
    let month = range("2026-11-01", "2026-11-30");
    let (rows, done) = read(&client(&fake), month).await.unwrap();
    assert_eq!((rows.len(), done), (60, vec![month]));
    assert_eq!(rows.iter().map(|r| r.spend.minor()).sum::<i64>(), 9_000);
    let asked = asked(&fake);
    assert_eq!(asked.len(), 1);
    let windows = r#"["1d_click","7d_click","1d_view"]"#;
    assert_eq!(param(&asked[0], "action_attribution_windows"), Some(windows));
    assert_eq!(param(&asked[0], "level"), Some("adset"));
    assert_eq!(param(&asked[0], "time_increment"), Some("1"));
    let filtering = param(&asked[0], "filtering").unwrap();
    assert!(filtering.contains("ARCHIVED") && filtering.contains("DELETED"), "{filtering}");
}

#[tokio::test]
async fn parts_of_the_days_grow_with_what_fits_and_join_without_gap() {
    let fake = world(honest);
    let years = range("2024-01-01", "2026-11-30");
    let (rows, done) = read(&client(&fake), years).await.unwrap();
    assert_eq!(rows.len(), usize::try_from(years.len()).unwrap() * 2);
    let mut next = years.since();
    for days in &done {
        assert_eq!(days.since(), next);
        next = days.until().plus(1);
    }
    assert_eq!(next, years.until().plus(1));
    assert_eq!(done.iter().map(|d| d.len()).take(3).collect::<Vec<_>>(), [30, 60, 90]);
    assert_eq!(asked(&fake).len(), done.len(), "35 months of two ad sets in a dozen requests");
}

#[tokio::test]
async fn what_is_too_much_is_first_a_smaller_page_then_fewer_days() {
    for (code, sub) in [(1, 0), (100, 1_487_534), (-3, 1_504_045)] {
        let fake =
            world(move |r| if days_of(r).len() > 4 { error(500, code, sub) } else { honest(r) });
        let days = range("2026-11-01", "2026-11-10");
        let (rows, done) = read(&client(&fake), days).await.unwrap();
        assert_eq!(rows.len(), 20);
        assert_eq!(done.iter().map(|d| d.len()).collect::<Vec<_>>(), [3, 3, 3, 1], "{code}/{sub}");
        let asked = asked(&fake);
        let sizes: Vec<_> =
            asked.iter().map(|r| (param(r, "limit").unwrap(), days_of(r).len())).collect();
        assert_eq!(
            sizes[..6],
            [("500", 10), ("250", 10), ("125", 10), ("100", 10), ("100", 5), ("100", 3)],
            "{code}/{sub}"
        );
    }
}

#[tokio::test]
async fn an_answer_beyond_the_cap_is_asked_for_in_smaller_pages() {
    let fake = world(|r| {
        let limit: u32 = param(r, "limit").unwrap().parse().unwrap();
        if limit > 250 { Err(TransportError::TooLarge { limit: 9 }) } else { honest(r) }
    });
    let (rows, _) = read(&client(&fake), range("2026-11-01", "2026-11-10")).await.unwrap();
    assert_eq!((rows.len(), asked(&fake).len()), (20, 2));
}

#[tokio::test]
async fn a_day_that_is_too_much_even_for_a_report_run_is_read_by_some_ad_sets_at_a_time() {
    let ids: Vec<String> = (100..220).map(|n| n.to_string()).collect();
    let all = ids.clone();
    let fake = world(move |r| match (r.method, last(&r.path)) {
        (Method::Post, _) => error(400, 100, 1_487_534),
        (_, "adsets") => {
            ok(&json!({"data": all.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()}))
        }
        _ => {
            let filtering: Value = serde_json::from_str(param(r, "filtering").unwrap()).unwrap();
            match filtering[1]["value"].as_array() {
                Some(sets) if sets.len() <= 30 => {
                    let sets: Vec<&str> = sets.iter().map(|s| s.as_str().unwrap()).collect();
                    paged(r, days_of(r), &sets)
                }
                _ => error(400, 100, 1_487_534),
            }
        }
    });
    let day = range("2026-11-01", "2026-11-01");
    let (rows, done) = read(&client(&fake), day).await.unwrap();
    let mut found: Vec<_> = rows.iter().map(|r| r.adset.to_string()).collect();
    found.sort();
    assert_eq!((found, done), (ids, vec![day]), "each ad set once, and the day done once");
    let hopeless = world(|r| match last(&r.path) {
        "adsets" => ok(&json!({"data":[{"id":"50"},{"id":"51"}]})),
        _ => error(400, 100, 1_487_534),
    });
    let error = read(&client(&hopeless), day).await.unwrap_err();
    assert_eq!(error.class, MetaClass::TooMuch);
}

#[tokio::test]
async fn what_was_handed_out_of_a_part_that_begins_anew_is_told() {
    // The second page of the whole is too much; three days are not.
    let fake = world(|r| {
        let long = days_of(r).len() > 3;
        if long && param(r, "after").is_some() { error(500, 1, 0) } else { honest(r) }
    });
    let reader = client(&fake);
    reader.link.days_at_once.store(90, Ordering::Relaxed);
    let days = range("2026-08-01", "2026-10-29");
    let mut pages = reader.insights(days);
    pages.limit = 100;
    let (mut rows, mut open, mut again) = (0, 0, 0);
    while let Some(page) = pages.next().await.unwrap() {
        again += usize::from(page.again);
        open = if page.again { 0 } else { open } + page.rows.len();
        rows += if page.done.is_some() { std::mem::take(&mut open) } else { 0 };
    }
    assert_eq!((rows, again), (180, 1), "one part began anew after a page of it was handed out");
}

#[tokio::test]
async fn an_expired_cursor_begins_the_part_anew_once() {
    let (times, always) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let fake = world(move |r| {
        let stale = param(r, "after").is_some() && times.fetch_add(1, Ordering::SeqCst) == 0;
        if stale { error(400, 2642, 0) } else { honest(r) }
    });
    let reader = client(&fake);
    reader.link.days_at_once.store(90, Ordering::Relaxed);
    let days = range("2026-08-01", "2026-10-29");
    let mut pages = reader.insights(days);
    pages.limit = 100;
    let (mut rows, mut again) = (0, 0);
    while let Some(page) = pages.next().await.unwrap() {
        again += usize::from(page.again);
        rows += page.rows.len();
    }
    assert_eq!((rows, again), (180, 0), "what was handed out before is not handed out again");
    let stuck = world(move |r| {
        let n = always.fetch_add(1, Ordering::SeqCst);
        if param(r, "after").is_some() {
            error(400, 2642, i64::try_from(n).unwrap())
        } else {
            honest(r)
        }
    });
    let reader = client(&stuck);
    let mut pages = reader.insights(days);
    pages.limit = 10;
    pages.next().await.unwrap();
    pages.next().await.unwrap();
    let error = pages.next().await.unwrap_err();
    assert_eq!(error.code, Some(2642));
}

#[tokio::test]
async fn days_beyond_what_meta_keeps_are_left_out_and_the_others_are_read() {
    let oldest: Day = "2026-11-04".parse().unwrap();
    let fake =
        world(move |r| if days_of(r).since() < oldest { error(400, 3018, 0) } else { honest(r) });
    let (rows, done) = read(&client(&fake), range("2026-11-01", "2026-11-10")).await.unwrap();
    assert_eq!(rows.len(), 14);
    assert_eq!(done[0].since(), oldest);
}

#[tokio::test]
async fn a_malformed_count_fails_the_read_and_names_object_and_day() {
    let fake = world(|r| {
        let mut row = row(days_of(r).since(), "50");
        row["actions"] = json!([{"action_type":"purchase","value":"1,250"}]);
        ok(&json!({"data":[row]}))
    });
    let error = read(&client(&fake), range("2026-11-03", "2026-11-03")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "read insights of act_1 from 2026-11-03 to 2026-11-03: insights of ad set 50 on \
         2026-11-03: purchase is not a count: \"1,250\""
    );
}

/// What the pages are, and the rows that come of it or the end of the error.
type Case = (&'static str, Vec<Value>, Result<usize, &'static str>);

fn page(sets: &[&str], after: Option<&str>, next: bool) -> Value {
    let day = "2026-11-03".parse().unwrap();
    let mut body = json!({"data": sets.iter().map(|s| row(day, s)).collect::<Vec<_>>()});
    if let Some(after) = after {
        body["paging"]["cursors"] = json!({"before":"b","after":after});
    }
    if next {
        body["paging"]["next"] = json!("https://graph.facebook.com/v26.0/x?access_token=T");
    }
    body
}

/// The ways a list of pages can go wrong.
fn pathologies() -> Vec<Case> {
    let last = |set: &str| page(&[set], None, false);
    let to = |set: &str, cursor: &str| page(&[set], Some(cursor), true);
    let mut bare = last("50");
    bare["paging"]["next"] = json!("https://elsewhere.example/x?after=c1&access_token=T");
    let null = json!({"data":[],"paging":{"next":null,"cursors":{"after":"c1"}}});
    let twice = page(&["50", "51"], Some("c1"), true);
    let again = page(&["50", "51"], None, false);
    let no_cursor = "page 1 has a next page but no cursor to it";
    let circle = |n: u8| match n {
        2 => "page 2 repeats a cursor: the list runs in a circle",
        _ => "page 3 repeats a cursor: the list runs in a circle",
    };
    let html = Value::String("<html>".into());
    vec![
        ("no paging at all", vec![last("50")], Ok(1)),
        ("a cursor but no next", vec![page(&["50"], Some("c1"), false), last("51")], Ok(1)),
        ("a null next", vec![null], Ok(0)),
        ("an empty page with a next one", vec![page(&[], Some("c1"), true), last("50")], Ok(1)),
        ("next without cursors", vec![bare, last("51")], Ok(2)),
        ("next without any cursor", vec![page(&["50"], None, true)], Err(no_cursor)),
        ("an empty cursor", vec![to("50", "")], Err(no_cursor)),
        ("back to itself", vec![to("50", "c1"), to("51", "c1")], Err(circle(2))),
        ("a circle", vec![to("50", "c1"), to("51", "c2"), to("52", "c1")], Err(circle(3))),
        ("the same page twice", vec![twice, again], Ok(2)),
        ("no list", vec![to("50", "c1"), json!({"paging":{}})], Err("page 1 has no data list")),
        ("a gateway", vec![to("50", "c1"), html], Err("HTTP 200 with HTML instead of JSON")),
    ]
}

#[tokio::test]
async fn twelve_pathologies_of_paging() {
    let cases = pathologies();
    assert_eq!(cases.len(), 12);
    for (name, pages, wanted) in cases {
        let fake = world(move |r| {
            let at = match param(r, "after") {
                None => 0,
                Some(cursor) => cursor.trim_start_matches('c').parse::<usize>().unwrap_or(0),
            };
            match &pages[at.min(pages.len() - 1)] {
                Value::String(text) => Ok(answer(200, text)),
                body => ok(body),
            }
        });
        let found = read(&client(&fake), range("2026-11-03", "2026-11-03")).await;
        match (found, wanted) {
            (Ok((rows, done)), Ok(n)) => assert_eq!((rows.len(), done.len()), (n, 1), "{name}"),
            (Err(e), Err(end)) => assert!(e.to_string().ends_with(end), "{name}: {e}"),
            (found, wanted) => panic!("{name}: {found:?} instead of {wanted:?}"),
        }
        assert!(fake.seen().iter().all(|r| r.path.starts_with("/v26.0/act_1")), "{name}");
    }
}

/// A report run that goes through these looks; `rows` once it can be read.
fn runs(looks: Vec<Value>) -> (Arc<Fake>, Arc<Mutex<usize>>) {
    let started = Arc::new(Mutex::new(0));
    let count = Arc::clone(&started);
    let looked = AtomicUsize::new(0);
    let fake = world(move |r| match (r.method, r.path.as_str()) {
        (Method::Post, "/v26.0/act_1/insights") => {
            assert!(r.form.iter().any(|(n, v)| n == "level" && v == "adset"));
            *count.lock().unwrap() += 1;
            looked.store(0, Ordering::SeqCst);
            ok(&json!({"report_run_id":"777"}))
        }
        (_, "/v26.0/777") => {
            let n = looked.fetch_add(1, Ordering::SeqCst);
            let look = &looks[n.min(looks.len() - 1)];
            if look == "gone" { error(400, 100, 33) } else { ok(look) }
        }
        (_, "/v26.0/777/insights") => paged(r, range("2026-11-01", "2026-11-30"), &["50"]),
        // The plain read takes Meta too long.
        (_, "/v26.0/act_1/insights") if days_of(r).len() > 15 => error(400, 100, 1_504_018),
        _ => honest(r),
    });
    (fake, started)
}
fn look(status: &str, percent: u32) -> Value {
    json!({"id":"777","async_status":status,"async_percent_completion":percent})
}

#[tokio::test]
async fn a_read_that_takes_meta_too_long_becomes_a_report_run() {
    let looks = vec![
        json!("gone"),
        look("Job Not Started", 0),
        look("Job Started", 0),
        look("Job Running", 55),
        look("Job Pondering", 80),
        look("Job Completed", 99),
        look("Job Completed", 100),
    ];
    let (fake, started) = runs(looks);
    let month = range("2026-11-01", "2026-11-30");
    let (rows, done) = read(&client(&fake), month).await.unwrap();
    assert_eq!((rows.len(), done, *started.lock().unwrap()), (30, vec![month], 1));
    let polls = fake.seen().iter().filter(|r| r.path == "/v26.0/777").count();
    assert_eq!(polls, 7, "ready means completed and 100 %");
    assert!(fake.clock.now().millis() > 60_000, "with growing pauses between the looks");
}

#[tokio::test]
async fn a_run_that_is_dropped_stalls_or_fails_is_tried_twice_and_then_the_days_are_halved() {
    let failed = |code: Value| {
        let mut look = look("Job Failed", 0);
        look["error_code"] = code;
        look
    };
    for (looks, most_minutes) in [
        (vec![look("Job Skipped", 0)], 1),
        (vec![look("Job Not Started", 0)], 12),
        (vec![look("Job Running", 40)], 62),
        (vec![failed(json!(null))], 1),
        (vec![failed(json!(-2))], 1),
        (vec![failed(json!("2"))], 1),
        (vec![json!("strange")], 12),
    ] {
        let name = format!("{looks:?}");
        let (fake, started) = runs(looks);
        let month = range("2026-11-01", "2026-11-30");
        let (rows, done) = read(&client(&fake), month).await.unwrap();
        assert_eq!((rows.len(), done.len(), *started.lock().unwrap()), (60, 2, 2), "{name}");
        assert!(fake.clock.now().millis() <= most_minutes * 60_000, "{name}: {}", fake.clock.now());
    }
}

#[tokio::test]
async fn a_run_that_fails_for_a_reason_of_its_own_ends_the_read() {
    let mut look = look("Job Failed", 0);
    look["error_code"] = json!(190);
    look["error_user_msg"] = json!("Log in again");
    let (fake, started) = runs(vec![look]);
    let error = read(&client(&fake), range("2026-11-01", "2026-11-30")).await.unwrap_err();
    assert_eq!((error.class, *started.lock().unwrap()), (MetaClass::Auth, 1));
    assert!(error.to_string().ends_with("report run 777 failed: Log in again"), "{error}");
}
