//! What a pull of daily rows costs beside the least it could cost, and whether that grows with the account.
//!
//! `cargo bench --bench pull` serves the same canned pages out of a process of its own to three readers, each in a fresh
//! process: the product's whole pull (client, checks, versions, store) and two bare loops that only parse and insert.
//! `README.md` beside this file says how to read the table. `cargo bench --bench pull -- 10 100` takes fewer days.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is a small program")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::{Query, State},
    routing::get,
};
use rungwise::{
    app::{Desk, pull},
    config,
    daemon::AgentLock,
    domain::{AccountId, ActionCount, Currency, Day, InsightRow, Moment, Money},
    graph::{Client, HttpTransport, Link, Options, Secrets, Timeouts},
    ports::{BoxFuture, Clock},
    store::{Access, SqliteStore},
};
use serde::Deserialize;
use serde_json::json;
use sqlx::{
    Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

/// Ad sets of the account; each has a row on each day.
const SETS: usize = 1_000;
/// Rows of a page and of a transaction: what the pull uses.
const PAGE: usize = 500;
const TRANSACTION: usize = 4_000;
/// Rows of one insert in the second bare loop: what the store uses.
const AT_ONCE: usize = 40;
/// Noon of the last day, UTC.
const NOON: &str = "2026-06-30T12:00:00Z";

fn today() -> Day {
    Day::new(2026, 6, 30).unwrap()
}
fn eur() -> Currency {
    "EUR".parse().unwrap()
}

// The pages.

/// Spend of an ad set on a day in cents.
fn cents(day: Day, set: usize) -> u64 {
    let (day, set) = (u64::try_from(day.epoch_days()).unwrap(), set as u64);
    2_000 + (day * 7_919 + set * 104_729) % 9_000
}

/// A row as Meta writes it: aliases side by side, every number a text.
fn write_row(out: &mut String, day: Day, date: &str, set: usize) {
    let n = cents(day, set);
    let (whole, rest) = (n / 100, n % 100);
    let _ = write!(
        out,
        r#"{{"account_currency":"EUR","campaign_id":"{}","adset_id":"{}","attribution_setting":"7d_click_1d_view","spend":"{whole}.{rest:02}","impressions":"{}","inline_link_clicks":"{}","actions":["#,
        campaign(set),
        adset(set),
        n * 3,
        n / 60,
    );
    let counts = [
        ("link_click", n / 60),
        ("landing_page_view", n / 70),
        ("offsite_conversion.fb_pixel_view_content", n / 90),
        ("omni_view_content", n / 90),
        ("offsite_conversion.fb_pixel_add_to_cart", n / 300),
        ("omni_add_to_cart", n / 300),
        ("offsite_conversion.fb_pixel_initiate_checkout", n / 500),
        ("offsite_conversion.fb_pixel_purchase", n / 1_500),
        ("purchase", n / 1_500),
        ("omni_purchase", n / 1_500),
    ];
    for (i, (kind, count)) in counts.into_iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(
            out,
            r#"{comma}{{"action_type":"{kind}","value":"{count}","1d_click":"{}","7d_click":"{}","1d_view":"{}"}}"#,
            count / 2,
            count - count / 9,
            count / 9,
        );
    }
    let value = n / 1_500 * 59;
    let _ = write!(
        out,
        r#"],"action_values":[{{"action_type":"offsite_conversion.fb_pixel_purchase","value":"{value}.5"}},{{"action_type":"purchase","value":"{value}.5"}},{{"action_type":"omni_purchase","value":"{value}.5"}}],"date_start":"{date}","date_stop":"{date}"}}"#,
    );
}
fn adset(set: usize) -> u64 {
    120_210_000_000_000_000 + set as u64
}
fn campaign(set: usize) -> u64 {
    120_200_000_000_000_000 + set as u64 / 3
}

#[derive(Debug)]
struct Served {
    days: i64,
    requests: AtomicU64,
}
type Params = BTreeMap<String, String>;

/// `data` with paging around `n` items of which `write` writes one.
fn list(params: &Params, n: usize, mut write: impl FnMut(&mut String, usize)) -> String {
    let number =
        |name: &str, default| params.get(name).and_then(|t| t.parse().ok()).unwrap_or(default);
    let (start, limit): (usize, usize) = (number("after", 0), number("limit", 25));
    let end = n.min(start + limit);
    let mut body = String::with_capacity((end - start.min(end)) * 1_600);
    body.push_str(r#"{"data":["#);
    for i in start..end {
        if i > start {
            body.push(',');
        }
        write(&mut body, i);
    }
    body.push(']');
    if end < n {
        let _ = write!(
            body,
            r#","paging":{{"cursors":{{"after":"{end}"}},"next":"http://x/y?after={end}"}}"#
        );
    }
    body.push('}');
    body
}

async fn insights(State(served): State<Arc<Served>>, Query(params): Query<Params>) -> String {
    served.requests.fetch_add(1, Ordering::Relaxed);
    let time: serde_json::Value = serde_json::from_str(&params["time_range"]).unwrap();
    let day = |name: &str| time[name].as_str().unwrap().parse::<Day>().unwrap();
    let first = day("since").max(today().plus(1 - served.days));
    let last = day("until").min(today());
    let days = usize::try_from(last.since(first) + 1).unwrap_or(0);
    let nth = |i: usize| first.plus(i64::try_from(i).unwrap());
    if params["level"] == "account" {
        return list(&params, days, |out, i| {
            let day = nth(i);
            let sum: u64 = (0..SETS).map(|set| cents(day, set)).sum();
            let _ = write!(
                out,
                r#"{{"account_currency":"EUR","spend":"{}.{:02}","date_start":"{day}","date_stop":"{day}"}}"#,
                sum / 100,
                sum % 100
            );
        });
    }
    let mut date = (usize::MAX, String::new());
    list(&params, days * SETS, |out, i| {
        if date.0 != i / SETS {
            date = (i / SETS, nth(i / SETS).to_string());
        }
        write_row(out, nth(i / SETS), &date.1, i % SETS);
    })
}

/// Serves until its standard input ends.
async fn serve(days: i64) {
    let served = Arc::new(Served { days, requests: AtomicU64::new(0) });
    let objects = |n: usize, write: fn(&mut String, usize)| {
        get(move |State(s): State<Arc<Served>>, Query(params): Query<Params>| async move {
            s.requests.fetch_add(1, Ordering::Relaxed);
            list(&params, n, write)
        })
    };
    let account = json!({"id":"act_1","name":"Shop","currency":"EUR","timezone_name":"UTC","account_status":1});
    let account = account.to_string();
    let app = Router::new()
        .route("/v26.0/act_1", get(move |State(s): State<Arc<Served>>| async move {
            s.requests.fetch_add(1, Ordering::Relaxed);
            account
        }))
        .route("/v26.0/act_1/campaigns", objects(SETS.div_ceil(3), |out, i| {
            let _ = write!(out, r#"{{"id":"{}","name":"Campaign {i}","objective":"OUTCOME_SALES","status":"ACTIVE","effective_status":"ACTIVE"}}"#, campaign(i * 3));
        }))
        .route("/v26.0/act_1/adsets", objects(SETS, |out, i| {
            let _ = write!(out, r#"{{"id":"{}","campaign_id":"{}","name":"Set {i}","status":"ACTIVE","effective_status":"ACTIVE","optimization_goal":"OFFSITE_CONVERSIONS","promoted_object":{{"pixel_id":"9","custom_event_type":"PURCHASE"}},"daily_budget":"5000","targeting":{{"geo_locations":{{"countries":["DE","AT"]}},"age_min":18}}}}"#, adset(i), campaign(i));
        }))
        .route("/v26.0/act_1/ads", objects(SETS, |out, i| {
            let _ = write!(out, r#"{{"id":"{}","campaign_id":"{}","adset_id":"{}","name":"Ad {i}","status":"ACTIVE","effective_status":"ACTIVE","creative":{{"id":"7"}}}}"#, 500 + i, campaign(i), adset(i));
        }))
        .route("/v26.0/act_1/insights", get(insights))
        .route("/count", get(|State(s): State<Arc<Served>>| async move {
            s.requests.load(Ordering::Relaxed).to_string()
        }))
        .with_state(served);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    // It ends with whoever started it.
    let (left, alone) = tokio::sync::oneshot::channel();
    std::thread::spawn(|| {
        let _ = std::io::stdin().lines().count();
        let _ = left.send(());
    });
    let alone = async {
        let _ = alone.await;
    };
    axum::serve(listener, app).with_graceful_shutdown(alone).await.unwrap();
}

// What is measured.

/// CPU time of this process so far, user and system, in milliseconds; the kernel counts hundredths of a second.
fn cpu_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}
/// The most memory this process has had, in kilobytes.
fn peak_kb() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Stands still until it is moved.
#[derive(Debug)]
struct Still(AtomicI64);

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment::from_millis(self.0.load(Ordering::SeqCst))
    }
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
        self.0.fetch_max(until.millis(), Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
}

async fn count(base: &str) -> u64 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let text = client.get(format!("{base}/count")).send().await.unwrap().text().await.unwrap();
    text.parse().unwrap()
}

/// The product's pull, then the same an hour and a day later.
async fn product(base: &str, days: i64) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    let account = AccountId::new("act_1").unwrap();
    let lock = Arc::new(AgentLock::acquire(dir.path()).unwrap());
    let store = SqliteStore::open(dir.path(), &account, Access::Agent(lock)).await.unwrap();
    let noon: Moment = NOON.parse().unwrap();
    let clock = Arc::new(Still(AtomicI64::new(noon.millis())));
    let options = Options {
        account,
        version: "v26.0".into(),
        points: None,
        marker: "[rw:".into(),
        seed: Some(1),
    };
    let transport = HttpTransport::new(base, Timeouts::default()).unwrap();
    let secrets = Secrets::new("EAAB-token-of-the-benchmark".to_owned().into(), None);
    let link = Link::new(transport, Arc::clone(&clock) as Arc<dyn Clock>, secrets, options);
    let meta = Client::new(link);
    let policy = config::from_toml("", &[]).unwrap().policy;
    let desk = Desk { store: &store, meta: &meta, clock: &clock, policy: &policy, actor: "bench" };
    let before = cpu_ms();
    let first = pull::pull(desk, Some(today().plus(1 - days))).await.unwrap();
    let (cpu, requests) = (cpu_ms() - before, count(base).await);
    assert!(first.unexplained.is_empty(), "{:?}", first.unexplained);
    let mut again = Vec::new();
    let mut versions = 0;
    for hours in [1, 24] {
        clock.0.fetch_add(hours * 3_600_000, Ordering::SeqCst);
        let so_far = count(base).await;
        let pulled = pull::pull(desk, None).await.unwrap();
        versions += pulled.saved.new + pulled.saved.restated;
        again.push(count(base).await - so_far);
    }
    let before_close = cpu_ms();
    store.close().await;
    let cpu = cpu + (cpu_ms() - before_close);
    json!({"rows": first.saved.new, "cpu": cpu, "peak": peak_kb(), "requests": requests,
        "again": again, "versions": versions})
}

#[derive(Deserialize)]
struct BarePage<'a> {
    #[serde(borrow)]
    data: Vec<BareRow<'a>>,
    #[serde(borrow)]
    paging: Option<BarePaging<'a>>,
}
#[derive(Deserialize)]
struct BarePaging<'a> {
    #[serde(borrow)]
    cursors: BareCursors<'a>,
}
#[derive(Deserialize)]
struct BareCursors<'a> {
    after: &'a str,
}
#[derive(Deserialize)]
struct BareRow<'a> {
    campaign_id: &'a str,
    adset_id: &'a str,
    attribution_setting: &'a str,
    spend: &'a str,
    impressions: &'a str,
    inline_link_clicks: &'a str,
    date_start: &'a str,
    #[serde(borrow)]
    actions: Vec<BareAction<'a>>,
    #[serde(borrow)]
    action_values: Vec<BareAction<'a>>,
}
#[derive(Deserialize)]
struct BareAction<'a> {
    action_type: &'a str,
    value: &'a str,
    #[serde(rename = "1d_click")]
    click_1d: Option<&'a str>,
    #[serde(rename = "7d_click")]
    click_7d: Option<&'a str>,
    #[serde(rename = "1d_view")]
    view_1d: Option<&'a str>,
}

/// The same row struct, without a check.
fn bare_row(row: &BareRow<'_>) -> InsightRow {
    let count = |a: &BareAction<'_>| {
        let windows = [("1d_click", a.click_1d), ("7d_click", a.click_7d), ("1d_view", a.view_1d)];
        let windows = windows
            .iter()
            .filter_map(|(n, v)| Some(((*n).to_owned(), v.as_ref()?.parse().unwrap())));
        let windows = windows.collect();
        (a.action_type.to_owned(), ActionCount { value: a.value.parse().unwrap(), windows })
    };
    let money = |text: &str| Money::from_major_rounded(text, eur()).unwrap();
    InsightRow {
        adset: row.adset_id.parse().unwrap(),
        campaign: row.campaign_id.parse().unwrap(),
        day: row.date_start.parse().unwrap(),
        spend: money(row.spend),
        impressions: row.impressions.parse().unwrap(),
        link_clicks: row.inline_link_clicks.parse().unwrap(),
        attribution: row.attribution_setting.to_owned(),
        actions: row.actions.iter().map(count).collect(),
        values: row
            .action_values
            .iter()
            .map(|a| (a.action_type.to_owned(), money(a.value).minor()))
            .collect(),
    }
}

/// The columns and the uniqueness of the product's table; no second index, no guards.
const TABLE: &str = "create table insights (id integer primary key, account text not null, day text not null,
    adset text not null, seen_at integer not null, campaign text not null, spend_minor integer not null,
    currency text not null, impressions integer not null, link_clicks integer not null, attribution text not null,
    windows text not null, actions blob not null, amounts blob not null, digest text not null,
    unique (account, day, adset, seen_at)) strict";
const INSERT: &str = "insert into insights (account, day, adset, seen_at, campaign, spend_minor, currency, impressions,
    link_clicks, attribution, windows, actions, amounts, digest) values ";

fn insert(rows: usize) -> String {
    let tuple = |n: usize| {
        let marks: Vec<String> = (1..=14).map(|i| format!("${}", n * 14 + i)).collect();
        format!("({})", marks.join(", "))
    };
    format!("{INSERT}{}", (0..rows).map(tuple).collect::<Vec<_>>().join(", "))
}
static ONE: LazyLock<String> = LazyLock::new(|| insert(1));
static MANY: LazyLock<String> = LazyLock::new(|| insert(AT_ONCE));

type Put = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn bind(put: Put, row: &InsightRow) -> Put {
    put.bind("1")
        .bind(row.day.to_string())
        .bind(row.adset.to_string())
        .bind(1_i64)
        .bind(row.campaign.to_string())
        .bind(row.spend.minor())
        .bind("EUR")
        .bind(i64::try_from(row.impressions).unwrap())
        .bind(i64::try_from(row.link_clicks).unwrap())
        .bind(row.attribution.clone())
        .bind("1d_click,1d_view,7d_click")
        .bind(serde_json::to_vec(&row.actions).unwrap())
        .bind(serde_json::to_vec(&row.values).unwrap())
        .bind("0000000000000000000000000000000000000000000000000000000000000000")
}

/// The least a pull could be: ask for a page, parse it, insert its rows with one prepared statement.
async fn bare(base: &str, days: i64, at_once: usize) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    let mut options = SqliteConnectOptions::new()
        .filename(dir.path().join("bare.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .row_buffer_size(1_024)
        .pragma("journal_size_limit", "67108864")
        .pragma("cache_size", "-8192");
    for (name, value) in [
        ("synchronous", "full"),
        ("foreign_keys", "on"),
        ("recursive_triggers", "on"),
        ("trusted_schema", "off"),
        ("cell_size_check", "on"),
        ("busy_timeout", "5000"),
        ("wal_autocheckpoint", "1000"),
        ("temp_store", "memory"),
        ("mmap_size", "0"),
    ] {
        options = options.pragma(name, value);
    }
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query(TABLE).execute(&mut conn).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().http1_only().build().unwrap();
    let before = cpu_ms();
    let (mut rows, mut written) = (Vec::new(), 0_usize);
    let mut since = today().plus(1 - days);
    while since <= today() {
        let until = since.plus(29).min(today());
        let mut after: Option<String> = None;
        loop {
            let time = json!({"since": since, "until": until}).to_string();
            let (limit, level) = (PAGE.to_string(), "adset".to_owned());
            let mut query = vec![("level", level), ("time_range", time), ("limit", limit)];
            query.extend(after.take().map(|cursor| ("after", cursor)));
            let url = format!("{base}/v26.0/act_1/insights");
            let body = client.get(url).query(&query).send().await.unwrap().bytes().await.unwrap();
            let page: BarePage<'_> = serde_json::from_slice(&body).unwrap();
            rows.extend(page.data.iter().map(bare_row));
            after = page.paging.map(|p| p.cursors.after.to_owned());
            if rows.len() >= TRANSACTION || after.is_none() {
                written += rows.len();
                let mut tx = conn.begin_with("begin immediate").await.unwrap();
                for chunk in rows.chunks(at_once) {
                    // What is left over goes one by one.
                    let (text, each) =
                        if chunk.len() == AT_ONCE { (&MANY, AT_ONCE) } else { (&ONE, 1) };
                    for some in chunk.chunks(each) {
                        let put = sqlx::query(sqlx::AssertSqlSafe(text.as_str()));
                        some.iter().fold(put, bind).execute(&mut *tx).await.unwrap();
                    }
                }
                tx.commit().await.unwrap();
                rows.clear();
            }
            if after.is_none() {
                break;
            }
        }
        since = until.plus(1);
    }
    conn.close().await.unwrap();
    json!({"rows": written, "cpu": cpu_ms() - before, "peak": peak_kb()})
}

// The table.

/// Serves the pages in a process of their own and runs one reader in another.
fn measure(kind: &str, days: i64) -> serde_json::Value {
    let me = std::env::current_exe().unwrap();
    let days = days.to_string();
    let mut server = Command::new(&me)
        .args(["--serve", &days])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut base = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut base).unwrap();
    let done = Command::new(&me).args(["--read", kind, &days, base.trim()]).output().unwrap();
    drop(server.stdin.take());
    server.wait().unwrap();
    let told = String::from_utf8(done.stdout).unwrap();
    let read = serde_json::from_str(&told);
    assert!(read.is_ok(), "{kind}: {}", String::from_utf8_lossy(&done.stderr));
    read.unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "figures of a table")]
fn table(sizes: &[i64]) {
    println!("pull of daily rows, {SETS} ad sets, over loopback HTTP into SQLite on disk");
    println!(
        "      rows   pull s  bare s  ratio  bare({AT_ONCE}) s  ratio  us/row  peak MB  bare MB   requests  +1 h  +24 h  new versions"
    );
    for days in sizes {
        let ours = measure("product", *days);
        let (one, many) = (measure("bare", *days), measure("bare-many", *days));
        let number = |v: &serde_json::Value, name: &str| v[name].as_u64().unwrap();
        let (rows, cpu) = (number(&ours, "rows"), number(&ours, "cpu") as f64);
        assert_eq!((rows, rows), (number(&one, "rows"), number(&many, "rows")), "the same rows");
        let (bare, bulk) = (number(&one, "cpu") as f64, number(&many, "cpu") as f64);
        println!(
            "{rows:10} {:8.2} {:7.2} {:6.2} {:11.2} {:6.2} {:7.1} {:8.1} {:8.1} {:10} {:5} {:6} {:13}",
            cpu / 1_000.0,
            bare / 1_000.0,
            cpu / bare,
            bulk / 1_000.0,
            cpu / bulk,
            cpu * 1_000.0 / rows as f64,
            number(&ours, "peak") as f64 / 1_024.0,
            number(&one, "peak") as f64 / 1_024.0,
            number(&ours, "requests"),
            ours["again"][0],
            ours["again"][1],
            number(&ours, "versions"),
        );
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve", days] => return runtime.block_on(serve(days.parse().unwrap())),
        ["--read", "product", days, base] => runtime.block_on(product(base, days.parse().unwrap())),
        ["--read", "bare", days, base] => runtime.block_on(bare(base, days.parse().unwrap(), 1)),
        ["--read", _, days, base] => runtime.block_on(bare(base, days.parse().unwrap(), AT_ONCE)),
        [] => return table(&[10, 100, 1_000]),
        ref sizes => {
            return table(&sizes.iter().map(|d| d.parse().unwrap()).collect::<Vec<_>>());
        }
    };
    println!("{told}");
}
