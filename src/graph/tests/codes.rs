//! Every code and subcode Meta documents, answered to a read and to a write, and what is done about it.
//!
//! The lists are those of the guides "Rate limits", "Error codes" and "Insights error codes". The classes are looked up
//! in `error.rs` by its own test; here it is the behaviour that counts: how often a read is sent, how long it waits, how
//! a write ends, and what may be sent afterwards.

use super::*;
use crate::{
    domain::{OpKey, plan::Template},
    graph::{Link, Writer},
    ports::{MetaClass::*, WriteOutcome},
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Code, subcode, class.
type Row = (i64, i64, MetaClass);

/// What a throttle keeps from being sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Blocks {
    Everything,
    Insights,
    /// One object or one kind of edit.
    Nothing,
}

/// Guide "Rate limits": code, subcode, how long it is waited for without any header, and what it blocks.
const THROTTLES: &[(i64, i64, i64, Blocks)] = &[
    (4, 0, 5 * MINUTE, Blocks::Everything),
    (4, 1_504_022, 5 * MINUTE, Blocks::Insights),
    (4, 1_504_039, 5 * MINUTE, Blocks::Insights),
    (17, 0, MINUTE, Blocks::Everything),
    (17, 2_446_079, MINUTE, Blocks::Everything),
    (17, 1_885_172, 24 * HOUR, Blocks::Nothing),
    (32, 0, HOUR, Blocks::Everything),
    (341, 0, HOUR, Blocks::Everything),
    (613, 0, MINUTE, Blocks::Everything),
    (613, 1_487_742, MINUTE, Blocks::Everything),
    (613, 1_487_632, HOUR, Blocks::Nothing),
    (613, 1_487_225, 24 * HOUR, Blocks::Nothing),
    (613, 5_044_001, 1_000, Blocks::Nothing),
    (613, 4_841_018, MINUTE, Blocks::Nothing),
    (613, 1_996, 5 * MINUTE, Blocks::Everything),
    (80_000, 2_446_079, 5 * MINUTE, Blocks::Insights),
    (80_001, 0, 5 * MINUTE, Blocks::Everything),
    (80_002, 0, 5 * MINUTE, Blocks::Everything),
    (80_003, 2_446_079, 5 * MINUTE, Blocks::Everything),
    (80_004, 2_446_079, 5 * MINUTE, Blocks::Everything),
    (80_005, 0, 5 * MINUTE, Blocks::Everything),
    (80_006, 0, 5 * MINUTE, Blocks::Everything),
    (80_008, 0, 5 * MINUTE, Blocks::Everything),
    (80_009, 0, 5 * MINUTE, Blocks::Everything),
    (80_014, 0, 5 * MINUTE, Blocks::Everything),
];

/// Every other code of the guides.
const OTHERS: &[Row] = &[
    (1, 0, Transient),
    (2, 0, Transient),
    (-1, 0, Transient),
    (-2, 2_490_547, Transient),
    (960, 0, Transient),
    (3_910_001, 0, Transient),
    (100, 99, Transient),
    (2, 1_504_043, Transient),
    (2, 1_504_044, Transient),
    (190, 0, Auth),
    (190, 458, Auth),
    (190, 459, Auth),
    (190, 460, Auth),
    (190, 463, Auth),
    (190, 464, Auth),
    (190, 467, Auth),
    (190, 492, Auth),
    (102, 0, Auth),
    (104, 0, Auth),
    (10, 0, Auth),
    (3, 0, Auth),
    (200, 0, Auth),
    (250, 0, Auth),
    (294, 0, Auth),
    (299, 0, Auth),
    (100, 3_191_001, Auth),
    (2654, 1_713_092, Auth),
    (1_815_694, 0, Auth),
    (1_357_045, 0, Auth),
    (100, 33, Gone),
    (803, 0, Gone),
    (100, 0, Refused),
    (100, 1_487_033, Refused),
    (100, 1_487_056, Refused),
    (100, 1_487_566, Refused),
    (100, 1_487_901, Refused),
    (100, 1_487_990, Refused),
    (100, 1_885_088, Refused),
    (100, 1_885_194, Refused),
    (100, 1_885_204, Refused),
    (100, 1_885_272, Refused),
    (100, 1_885_621, Refused),
    (100, 1_885_650, Refused),
    (100, 1_885_737, Refused),
    (100, 2_238_055, Refused),
    (100, 2_446_307, Refused),
    (100, 2_446_383, Refused),
    (100, 2_446_509, Refused),
    (100, 2_460_003, Refused),
    (100, 2_460_004, Refused),
    (100, 3_858_079, Refused),
    (100, 3_858_081, Refused),
    (100, 3_858_418, Refused),
    (100, 3_858_504, Refused),
    (100, 4_834_002, Refused),
    (100, 4_834_005, Refused),
    (100, 4_834_006, Refused),
    (100, 4_834_009, Refused),
    (100, 4_834_011, Refused),
    (2, 1_504_041, Refused),
    (2, 1_504_042, Refused),
    (2500, 0, Refused),
    (2641, 0, Refused),
    (2642, 0, Refused),
    (2695, 0, Refused),
    (3018, 0, Refused),
    (100, 3_260_011, Immutable),
    (368, 0, Policy),
    (368, 1_404_078, Policy),
    (100, 1_404_163, Policy),
    (100, 2_859_015, Policy),
    (100, 1_870_034, Policy),
    (100, 1_870_090, Policy),
    (100, 1_870_092, Policy),
    (100, 2_490_427, Policy),
    (100, 2_490_468, Policy),
    (2635, 0, Version),
    (100, 1_504_018, TooMuch),
    (2, 1_504_038, TooMuch),
    (100, 1_487_534, TooMuch),
    (-3, 1_504_045, TooMuch),
    // A code nobody has seen yet.
    (987_654, 0, Unknown),
];

#[expect(clippy::unnecessary_wraps, reason = "the form a transport answers in")]
fn said(code: i64, sub: i64) -> Answer {
    let mut object = json!({"code": code, "message": "(#1) An error", "type": "OAuthException"});
    if sub != 0 {
        object["error_subcode"] = json!(sub);
    }
    Ok(answer(400, &json!({ "error": object }).to_string()))
}
fn word(outcome: &WriteOutcome) -> &'static str {
    match outcome {
        WriteOutcome::Done { .. } => "done",
        WriteOutcome::Refused(e) if e.class == NotSent => "not sent",
        WriteOutcome::Refused(_) => "refused",
        WriteOutcome::Unknown(_) => "unknown",
    }
}
async fn write(link: &Arc<Link<Arc<Fake>>>) -> &'static str {
    let template = Template {
        method: "POST".into(),
        path: "4".into(),
        params: vec![("daily_budget".into(), "900".into())],
    };
    let writer = Writer::new(Arc::clone(link));
    word(&writer.send_once(&OpKey::new("K").unwrap(), &template, false).await)
}

#[tokio::test]
async fn each_code_is_read_again_as_often_as_its_class_says_and_never_waits_long() {
    for (code, sub, class) in OTHERS {
        let fake = Fake::always(said(*code, *sub));
        let error = client(&fake).account().await.unwrap_err();
        let tries = if *class == Transient { 4 } else { 1 };
        assert_eq!((error.class, fake.seen().len()), (*class, tries), "{code}/{sub}");
        assert_eq!((error.code, error.subcode.unwrap_or(0)), (Some(*code), *sub));
        assert!(fake.clock.now().millis() < 3 * MINUTE, "{code}/{sub}");
    }
}

#[tokio::test]
async fn each_code_ends_a_write_after_one_send_and_only_a_certain_no_is_a_refusal() {
    for (code, sub, class) in OTHERS {
        let fake = Fake::always(said(*code, *sub));
        let outcome = write(&fake.link()).await;
        let wanted = match class {
            // A session can end while a request is under way.
            Auth if matches!(code, 190 | 102 | 1_357_045) => "unknown",
            Auth | Gone | Refused | Immutable | Policy | Version => "refused",
            _ => "unknown",
        };
        assert_eq!((outcome, fake.seen().len()), (wanted, 1), "{code}/{sub}");
    }
    for (code, sub, _, _) in THROTTLES {
        let fake = Fake::always(said(*code, *sub));
        // Some throttled writes have been applied all the same.
        assert_eq!((write(&fake.link()).await, fake.seen().len()), ("unknown", 1), "{code}/{sub}");
    }
}

#[tokio::test]
async fn each_throttle_is_waited_for_as_long_as_it_is_known_to_last() {
    for (code, sub, wait, blocks) in THROTTLES {
        let name = format!("{code}/{sub}");
        let fake = Fake::always(said(*code, *sub));
        let error = client(&fake).account().await.unwrap_err();
        assert_eq!((error.class, error.wait_ms), (Throttled, Some(*wait)), "{name}");
        let tries = fake.seen().len();
        if *wait > 5 * MINUTE {
            assert_eq!((tries, fake.clock.now().millis()), (1, 0), "{name}: not waited for");
        } else {
            assert_eq!(tries, 4, "{name}");
            let waited = fake.clock.now().millis();
            assert!(waited >= 3 * wait, "{name}: {waited} ms for three repeats");
        }
        // What is sent while it lasts.
        let fake = Fake::new({
            let (code, sub) = (*code, *sub);
            move |_, n| if n == 0 { said(code, sub) } else { account() }
        });
        let link = fake.link();
        assert_eq!(write(&link).await, "unknown");
        let blocked = *blocks == Blocks::Everything;
        assert_eq!(write(&link).await == "not sent", blocked, "{name}");
        assert_eq!(fake.seen().len(), if blocked { 1 } else { 2 }, "{name}");
        let at = fake.clock.now().millis();
        let read = Client::new(Arc::clone(&link)).account().await;
        let waited = fake.clock.now().millis() - at;
        let long = blocked && *wait > 5 * MINUTE;
        assert_eq!(read.is_err(), long, "{name}: {read:?}");
        assert_eq!(waited, if blocked && !long { *wait } else { 0 }, "{name}");
        // Insights alone.
        let fake = Fake::always(said(*code, *sub));
        let link = fake.link();
        write(&link).await;
        let at = fake.clock.now().millis();
        let _ = link.pace.read("r", crate::graph::pace::Kind::Insights).await;
        let waited = fake.clock.now().millis() - at;
        let insights = *blocks != Blocks::Nothing && *wait <= 5 * MINUTE;
        assert_eq!(waited, if insights { *wait } else { 0 }, "{name}");
    }
}

#[tokio::test]
async fn the_minutes_and_seconds_of_the_headers_come_before_what_is_known() {
    let told = |header: &'static str, value: Value| {
        Fake::always(said(80_004, 2_446_079).map(|mut r| {
            r.headers.push((header.into(), value.to_string()));
            r
        }))
    };
    let minutes = json!({"1":[{"type":"ads_management","estimated_time_to_regain_access":43}]});
    let fake = told("x-business-use-case-usage", minutes);
    let error = client(&fake).account().await.unwrap_err();
    assert_eq!((error.wait_ms, fake.seen().len()), (Some(43 * MINUTE), 1));
    let seconds = json!({"acc_id_util_pct":100,"reset_time_duration":77,"ads_api_access_tier":"standard_access"});
    let fake = Fake::always(said(17, 2_446_079).map(|mut r| {
        r.headers.push(("x-ad-account-usage".into(), seconds.to_string()));
        r
    }));
    let error = client(&fake).account().await.unwrap_err();
    assert_eq!(error.wait_ms, Some(77_000));
}
