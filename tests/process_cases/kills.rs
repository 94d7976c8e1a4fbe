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

/// Lives of one agent; then another world begins, so that much of the time a challenger is being built.
const LIVES: u32 = 20;
/// How long a life may go on until it has recorded a write, where its death is to come right after one.
const UNTIL_A_WRITE: Duration = Duration::from_secs(4);

/// What a run of kills has seen.
#[derive(Debug, Default)]
struct Tally {
    kills: u32,
    /// Kills between a write's intent and its outcome.
    mid_write: usize,
    sent: usize,
    begun: usize,
    created: usize,
    links: i64,
    slowest: Duration,
}

/// Kills an agent so often, and judges what its world and its database hold then.
async fn killed(seed: u64, lives: u32, tally: &mut Tally) {
    let site = Site::serve("autonomous", "30", &["--faults", "--seed", &seed.to_string()]);
    let mut rng = Pcg64Mcg::seed_from_u64(seed ^ 9);
    let mut heads: Vec<Head> = Vec::new();
    for n in 0..lives {
        let (mut agent, took) = start(&site);
        tally.slowest = tally.slowest.max(took);
        let store = reader(&site).await;
        if n % 4 == 0 {
            // As long as a start takes, a pass takes about thrice that: the window grows with a busy machine.
            let window = u64::try_from(took.as_millis()).unwrap() * 4 + 200;
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..window))).await;
        } else {
            // The other lives end soon after they have recorded a write, if they record any: the request is on its way.
            let before = store.intents(None).await.unwrap().len();
            let begun = Instant::now();
            while begun.elapsed() < UNTIL_A_WRITE
                && store.intents(None).await.unwrap().len() == before
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..4))).await;
        }
        agent.0.kill().unwrap();
        agent.0.wait().unwrap();
        heads.push(store.head().await.unwrap());
        let open = store.intents(None).await.unwrap();
        tally.mid_write += usize::from(open.iter().any(|i| i.entries.len() == 1));
        store.close().await;
        // A person who looks in between: this many deaths within minutes would hold the agent, and rightly so.
        std::fs::remove_file(site.path().join("starts")).unwrap();
        let hours = [1, 3, 8, 24][rng.random_range(0..4)];
        advance(&site, hours * 3_600 - i64::from(n % 7) * 60).await;
    }
    tally.kills += lives;
    assert!(tally.slowest <= RESTART, "a restart took {:?}", tally.slowest);
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
    tally.created += no_twins(&log, &intents);
    tally.sent += sent.len();
    tally.begun += began.values().sum::<usize>();
    tally.links += store.head().await.unwrap().seq;
}

#[tokio::test]
async fn random_kills_lose_nothing_double_nothing_and_leave_nothing_unaudited() {
    let wanted: u32 = crate::asked::asked("RUNGWISE_KILLS").unwrap_or(8);
    let mut tally = Tally::default();
    for seed in 3.. {
        let left = wanted - tally.kills;
        if left == 0 {
            break;
        }
        killed(seed, left.min(LIVES), &mut tally).await;
    }
    println!("{tally:?}");
    assert!(wanted < 8 || tally.sent > 0, "a run without writes shows nothing");
}
