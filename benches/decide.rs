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
    daemon::AgentLock,
    domain::{
        AccountId, CampaignId, Day, DayRange, InsightRow, Moment, Money, Policy, decide::decide,
        evidence::Evidence,
    },
    ports::Store as _,
    store::{Access, DATABASE_FILE, SqliteStore},
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

#[path = "../tests/support/evidence.rs"]
mod made;

use made::{eur, evidence, policy};

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
        values: [("offsite_conversion.fb_pixel_purchase", 6_000)].into_iter().collect(),
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
