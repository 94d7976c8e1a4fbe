//! `kill -9` at random instants of `run` against a served world in which things go wrong.
//!
//! `RUNGWISE_KILLS` sets how often. What must hold is judged by the world's own log and by the database read directly.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use rungwise::{
    domain::{AccountId, audit::Head, plan::Template},
    ports::{Store as _, store::IntentRow},
    store::{Access, AnchorFile, SqliteStore},
};
use serde_json::Value;

use crate::support::{Running, Site};

/// The longest a restart may take until its history is proved, as `run` says by naming its mode.
const RESTART: Duration = Duration::from_secs(5);

async fn reader(site: &Site) -> SqliteStore {
    let account = AccountId::new(site.text("account_id")).unwrap();
    SqliteStore::open(&site.path(), &account, Access::Read).await.unwrap()
}

/// Starts the agent and tells how long it took until it was consistent.
fn start(site: &Site) -> (Running, Duration) {
    let begun = Instant::now();
    let mut command = site.command(&["run"]);
    let mut child = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    let ready = lines.any(|l| {
        let line = l.unwrap_or_default();
        let ready = line.contains("runs in mode");
        said.push(line);
        ready
    });
    assert!(ready, "the agent ended: {said:#?}");
    let took = begun.elapsed();
    std::thread::spawn(move || lines.for_each(drop));
    (child, took)
}

async fn advance(site: &Site, seconds: i64) {
    let url = format!("{}/_sandbox/advance", site.text("base_url"));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = format!("{{\"seconds\":{seconds}}}");
    assert!(client.post(url).body(body).send().await.unwrap().status().is_success());
}

/// True when a logged request is the one of a template.
fn same(template: &Template, entry: &Value) -> bool {
    let path = entry["path"].as_str().unwrap().split('?').next().unwrap_or("");
    let path = path.trim_start_matches('/').split_once('/').map_or("", |(_, rest)| rest);
    let sent = |name: &str, text: &str| {
        let found = &entry["body"][name];
        found.as_str() == Some(text)
            || serde_json::from_str::<Value>(text).is_ok_and(|v| v == *found)
    };
    entry["method"] == template.method.as_str()
        && path == template.path
        && template.params.iter().all(|(name, text)| sent(name, text))
}

/// True for an entry of the sandbox's log that would change something: neither a read, nor a report, nor a batch of reads.
pub(crate) fn is_write(entry: &Value) -> bool {
    let batch = entry["body"]["batch"].as_str().and_then(|t| serde_json::from_str::<Value>(t).ok());
    let reads = |batch: Value| {
        batch.as_array().is_some_and(|all| all.iter().all(|element| element["method"] == "GET"))
    };
    entry["method"] != "GET"
        && !entry["path"].as_str().unwrap().contains("/insights")
        && !batch.is_some_and(reads)
}

/// Requests that would change something.
fn writes(log: &Value) -> Vec<&Value> {
    log.as_array().unwrap().iter().filter(|e| is_write(e)).collect()
}

/// Every write that was sent has an intent and a *began* link, and none was sent more often than it was begun.
fn audited(writes: &[&Value], intents: &[IntentRow], began: &BTreeMap<String, usize>) {
    let mut sent: BTreeMap<&str, usize> = BTreeMap::new();
    for write in writes {
        // The same edit may be right twice in a climb: it is counted for the intent it is needed by.
        let mut fitting = intents.iter().filter(|i| same(&i.request, write));
        let times = |i: &&IntentRow| began.get(i.op_key.as_str()).copied().unwrap_or(0);
        let used = |i: &&IntentRow, sent: &BTreeMap<&str, usize>| {
            sent.get(i.op_key.as_str()).copied().unwrap_or(0)
        };
        let intent = fitting.find(|i| used(i, &sent) < times(i));
        let intent = intent.unwrap_or_else(|| panic!("unaudited write: {write:#}"));
        *sent.entry(intent.op_key.as_str()).or_insert(0) += 1;
    }
}

/// No two living objects with one marker, and none with a marker the history does not know.
fn no_twins(log: &Value, intents: &[IntentRow]) -> usize {
    let known: BTreeSet<&str> = intents.iter().map(|i| i.op_key.as_str()).collect();
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in log.as_array().unwrap() {
        for object in entry["mutation"]["created"].as_array().into_iter().flatten() {
            let name = object["fields"]["name"].as_str().unwrap_or_default();
            let Some((_, key)) = name.rsplit_once("[rw:") else { continue };
            let key = key.trim_end_matches(']').to_owned();
            by_key.entry(key).or_default().push(object["id"].to_string());
        }
    }
    for (key, ids) in &by_key {
        assert_eq!(ids.len(), 1, "twins of {key}: {ids:?}");
        assert!(known.contains(key.as_str()), "orphan {ids:?} of {key}");
    }
    by_key.len()
}

#[tokio::test]
async fn random_kills_lose_nothing_double_nothing_and_leave_nothing_unaudited() {
    let wanted = crate::asked::asked("RUNGWISE_KILLS");
    let wanted: u32 = wanted.unwrap_or(8);
    let site = Site::serve("autonomous", "30", &["--faults", "--seed", "3"]);
    let mut rng = Pcg64Mcg::seed_from_u64(9);
    let mut heads: Vec<Head> = Vec::new();
    let (mut slowest, mut mid_write) = (Duration::ZERO, 0);
    for n in 0..wanted {
        let (mut agent, took) = start(&site);
        slowest = slowest.max(took);
        // As long as a start takes, a pass takes about thrice that: the window grows with a busy machine.
        let window = u64::try_from(took.as_millis()).unwrap() * 4 + 200;
        let wait = Duration::from_millis(rng.random_range(0..window));
        let store = reader(&site).await;
        if n % 2 == 0 {
            tokio::time::sleep(wait).await;
        } else {
            // Every other life ends soon after it has recorded a write, if it records any: the request is on its way.
            let before = store.intents(None).await.unwrap().len();
            let begun = Instant::now();
            while begun.elapsed() < wait * 4 && store.intents(None).await.unwrap().len() == before {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..40))).await;
        }
        agent.0.kill().unwrap();
        agent.0.wait().unwrap();
        heads.push(store.head().await.unwrap());
        let open = store.intents(None).await.unwrap();
        mid_write += usize::from(open.iter().any(|i| i.entries.len() == 1));
        store.close().await;
        // A person who looks in between: this many deaths within minutes would hold the agent, and rightly so.
        std::fs::remove_file(site.path().join("starts")).unwrap();
        let hours = [1, 3, 8, 24][rng.random_range(0..4)];
        advance(&site, hours * 3_600 - i64::from(n % 7) * 60).await;
    }
    assert!(slowest <= RESTART, "a restart took {slowest:?}");
    // Two quiet lives settle what the last death left in doubt.
    for _ in 0..2 {
        let (mut agent, _) = start(&site);
        tokio::time::sleep(Duration::from_secs(2)).await;
        agent.0.kill().unwrap();
        agent.0.wait().unwrap();
        std::fs::remove_file(site.path().join("starts")).unwrap();
        advance(&site, 3_600).await;
    }
    let store = reader(&site).await;
    let anchored = AnchorFile::open(&site.path()).unwrap().read().unwrap().heads;
    heads.extend(anchored);
    store.verify_audit_against(&heads).await.expect("no link that was seen is ever lost");
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
    let intents = store.intents(None).await.unwrap();
    let mut began: BTreeMap<String, usize> = BTreeMap::new();
    for link in store.links(0, u32::MAX).await.unwrap() {
        if link.kind == "write_began" {
            let body: Value = serde_json::from_slice(&link.body).unwrap();
            *began.entry(body["op_key"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    let log = site.admin("requests").await;
    let sent = writes(&log);
    audited(&sent, &intents, &began);
    let created = no_twins(&log, &intents);
    println!(
        "{wanted} kills, {mid_write} with a write open; {} writes sent, {} begun, {created} objects created; \
         slowest restart {slowest:?}; {} audit links",
        sent.len(),
        began.values().sum::<usize>(),
        store.head().await.unwrap().seq
    );
    assert!(wanted < 8 || !sent.is_empty(), "a run without writes shows nothing");
}
