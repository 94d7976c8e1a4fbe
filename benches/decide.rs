//! How long a decision takes, and what it costs to get the evidence out of SQLite.
//!
//! `cargo bench --bench decide` prints absolute figures and, because those depend on the machine, ratios taken in the
//! same run. `README.md` beside this file says how to read them. No framework: each figure is the best of a few runs.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is a small program")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use rungwise::{
    config,
    daemon::AgentLock,
    domain::{
        AccountId, CampaignId, ClimbId, Currency, Day, DayRange, InsightRow, LineId, Moment, Money,
        Policy, Zone,
        climb::{Climb, Memory, Route, RouteKind, State, Test},
        decide::decide,
        evidence::{ArmFacts, Cell, DayFacts, Evidence, GateFacts},
    },
    ports::Store as _,
    store::{Access, DATABASE_FILE, SqliteStore},
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

/// Repetitions; the best one counts, the others met the machine's other business.
const REPEAT: usize = 5;

fn best(mut work: impl FnMut()) -> Duration {
    let timed = (0..REPEAT).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed()
    });
    timed.min().unwrap()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn eur() -> Currency {
    "EUR".parse().unwrap()
}

fn policy() -> Policy {
    let caps = "[limits]\nmax_daily_spend = \"900.00 EUR\"\nmax_spend_per_climb = \"9000.00 EUR\"\n\
                max_regret_per_climb = \"2000.00 EUR\"\n";
    config::from_toml(caps, &[]).unwrap().policy
}

/// A test in its fifth week, 120 days of history, eleven purchases a week and arm; `wobble` makes decisions differ.
fn evidence(policy: &Policy, wobble: u32, testing: bool) -> Evidence {
    let first = Day::new(2026, 1, 1).unwrap();
    let (days, start) = (120_i64, 85_i64);
    let cell = |i: i64, arm: u32| {
        let swing = u32::try_from((i * 7 + i64::from(arm * 3 + wobble)) % 5).unwrap();
        let purchases = 1 + u32::from(swing > 2);
        Cell {
            spend_minor: 8_000 + i64::from(swing) * 150,
            impressions: 9_000,
            events: vec![90, 60, 14 + swing, 8 + swing, purchases],
            within_one_day: purchases.min(1),
            within_seven_days: purchases,
            value_minor: i64::from(purchases) * 6_000,
        }
    };
    let facts = (0..days).map(|i| {
        let (a, b) = (cell(i, 0), cell(i, 1));
        let challenger = testing.then(|| if i >= start { b } else { Cell::default() });
        let account = (a.spend_minor, a.macro_events());
        DayFacts { day: first.plus(i), complete: true, incumbent: a, challenger, account }
    });
    let campaign = |id: &str| CampaignId::new(id).unwrap();
    let budget = Money::from_minor(8_000, eur());
    let arm = |id: &str, rung: &str| ArmFacts {
        campaign: campaign(id),
        name: "Shop".into(),
        rung: Some(rung.into()),
        status: "ACTIVE".into(),
        effective_status: "ACTIVE".into(),
        daily_budget: Some(budget),
        adsets: 1,
        ads: 2,
        in_review: 0,
        disapproved: 0,
        learning: vec![],
        refusals: vec![],
        campaign_budget: false,
    };
    let today = first.plus(days + 3);
    let now = Zone::utc().start_of(today).plus(23_400_000);
    let memory = Memory { path: vec!["add_to_cart".into()], ..Memory::default() };
    let line = LineId::new("line-1").unwrap();
    let id = ClimbId::new("climb-1").unwrap();
    let opened = Zone::utc().start_of(first);
    let mut climb = Climb::open(id, line, campaign("1"), "add_to_cart", opened, memory);
    if testing {
        let route = Route {
            from: "add_to_cart".into(),
            to: "initiate_checkout".into(),
            kind: RouteKind::Climb,
        };
        let test = Test {
            route,
            challenger: campaign("2"),
            activated: Zone::utc().start_of(first.plus(start - 1)),
            first_day: first.plus(start),
            last_day: first.plus(start + 50),
            incumbent_budget: budget,
            challenger_budget: budget,
            run_rate: budget,
            not_before: None,
            looks: 1,
            rule: None,
        };
        climb.state = State::Comparing { test };
    }
    Evidence {
        version: 1,
        now,
        today,
        zone: Zone::utc(),
        currency: eur(),
        climb,
        policy: policy.clone(),
        incumbent: arm("1", "add_to_cart"),
        challenger: testing.then(|| arm("2", "initiate_checkout")),
        parity: None,
        days: facts.collect(),
        gates: GateFacts {
            account_status: 1,
            interference: vec![],
            token_expires: None,
            other_test: None,
            account_daily_minor: 8_000,
            insights_read: Some(now),
            no_raises: vec![],
        },
    }
}

fn decisions(policy: &Policy) {
    for (name, testing) in [("looking for a route", false), ("comparing two arms", true)] {
        let varied: Vec<Evidence> = (0..16).map(|w| evidence(policy, w, testing)).collect();
        let sample = decide(&varied[0]);
        println!("  {name}: {}", sample.conclusion);
        let one = best(|| {
            for e in &varied {
                black_box(decide(black_box(e)));
            }
        }) / 16;
        println!("    one decision            {:9.3} ms   (to be below 1)", ms(one));
        let many = best(|| {
            for i in 0..10_000 {
                black_box(decide(black_box(&varied[i % varied.len()])));
            }
        });
        println!("    10 000 decisions        {:9.3} s    (to be below 1)", many.as_secs_f64());
        let bytes = varied[0].bytes();
        let read = best(|| {
            black_box(serde_json::from_slice::<Evidence>(black_box(&bytes)).unwrap());
        });
        println!(
            "    reading its evidence    {:9.3} ms   ({} bytes of JSON)",
            ms(read),
            bytes.len()
        );
    }
}

/// Rows of one ad set and day, with the actions a shop has.
fn row(day: Day, adset: usize) -> InsightRow {
    let n = u64::try_from(day.epoch_days()).unwrap() + u64::try_from(adset).unwrap();
    let action = |kind: &str, v: u64| {
        format!("\"{kind}\":{{\"v\":{v},\"w\":{{\"1d_click\":{v},\"7d_click\":{v}}}}}")
    };
    let actions = [
        action("landing_page_view", 80 + n % 9),
        action("offsite_conversion.fb_pixel_view_content", 60 + n % 9),
        action("offsite_conversion.fb_pixel_add_to_cart", 12 + n % 7),
        action("offsite_conversion.fb_pixel_initiate_checkout", 7 + n % 5),
        action("offsite_conversion.fb_pixel_purchase", 1 + n % 3),
    ];
    InsightRow {
        adset: format!("{}", 1_000 + adset).parse().unwrap(),
        campaign: CampaignId::new(format!("{}", 10 + adset / 3)).unwrap(),
        day,
        spend: Money::from_minor(8_000 + i64::try_from(n % 500).unwrap(), eur()),
        impressions: 9_000,
        link_clicks: 120,
        attribution: "7d_click_1d_view".into(),
        actions: serde_json::from_str(&format!("{{{}}}", actions.join(","))).unwrap(),
        values: [("offsite_conversion.fb_pixel_purchase".to_owned(), 6_000)].into(),
    }
}

struct Streamed {
    rows: u64,
    plain: Duration,
    stream: Duration,
    collected: Duration,
}

/// A database with `days` × 30 rows, and the three ways to read them.
async fn streamed(days: i64) -> Streamed {
    let dir = tempfile::tempdir().unwrap();
    let account = AccountId::new("act_1").unwrap();
    let lock = Arc::new(AgentLock::acquire(dir.path()).unwrap());
    let store = SqliteStore::open(dir.path(), &account, Access::Agent(lock)).await.unwrap();
    let last = Day::new(2026, 6, 30).unwrap();
    let all = DayRange::new(last.plus(1 - days), last).unwrap();
    let mut rows = 0;
    for (n, day) in all.iter().enumerate() {
        let of_day: Vec<InsightRow> = (0..30).map(|adset| row(day, adset)).collect();
        let range = DayRange::new(day, day).unwrap();
        let at = Moment::from_millis(1_000 + i64::try_from(n).unwrap());
        rows += store.save_insights(&account, range, &of_day, at).await.unwrap().new;
    }
    let mut result =
        Streamed { rows, plain: Duration::MAX, stream: Duration::MAX, collected: Duration::MAX };
    let options =
        SqliteConnectOptions::new().filename(dir.path().join(DATABASE_FILE)).read_only(true);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    for _ in 0..REPEAT {
        let start = Instant::now();
        let plain =
            sqlx::query("select * from insights order by day, adset").fetch_all(&mut conn).await;
        assert_eq!(plain.unwrap().len() as u64, rows);
        result.plain = result.plain.min(start.elapsed());
        let start = Instant::now();
        let (mut seen, mut spend) = (0_u64, 0_i64);
        store
            .insights_each(&[], all, None, |row| {
                seen += 1;
                spend += row.row.spend.minor();
            })
            .await
            .unwrap();
        assert!(seen == rows && spend > 0);
        result.stream = result.stream.min(start.elapsed());
        let start = Instant::now();
        black_box(store.insights(&account, &[], all, None).await.unwrap());
        result.collected = result.collected.min(start.elapsed());
    }
    store.close().await;
    result
}

fn main() {
    println!("decisions on evidence in memory (120 days, five rungs)");
    decisions(&policy());
    println!("\nrows out of SQLite (30 ad sets a day), against a plain SELECT of the same table");
    println!("      rows   plain ms  streamed ms  ratio   collected ms  ratio   us per row");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for days in [10, 100, 1_000] {
        let s = runtime.block_on(streamed(days));
        let (plain, stream, all) = (ms(s.plain), ms(s.stream), ms(s.collected));
        #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
        let each = stream * 1_000.0 / s.rows as f64;
        println!(
            "{:10} {plain:10.2} {stream:12.2} {:6.2} {all:14.2} {:6.2} {each:12.2}",
            s.rows,
            stream / plain,
            all / plain
        );
    }
}
