//! What every story must leave behind, judged by the sandbox's log and ledger.

use std::collections::{BTreeMap, BTreeSet};

use rungwise::{
    app::replay::{Replayed, replay},
    domain::{Moment, plan::Template},
    graph::is_mutation,
    ports::{Method, Request, Store as _, store::IntentRow},
    sandbox::{Ledger, LogEntry},
};
use serde_json::Value;

use super::support::Story;

/// Every write recorded first and carried out once, chain and replay whole.
pub(crate) async fn holds(story: &Story) {
    let log = story.world.requests();
    // A batch of reads is a POST that changes nothing.
    let writes: Vec<&LogEntry> = log.iter().filter(|e| is_mutation(&request_of(e))).collect();
    let mut intents = story.parts.store.intents(None).await.unwrap();
    assert!(!writes.is_empty(), "a story without writes shows nothing");
    for entry in &writes {
        assert!(entry.applied && entry.status == 200, "request {} was not carried out", entry.n);
        let at: Moment = entry.at.parse().unwrap();
        let found = intents.iter().position(|i| i.at <= at && same(&i.request, entry));
        let found = found.unwrap_or_else(|| panic!("{} {} has no intent", entry.n, entry.path));
        let intent = intents.remove(found);
        assert!(intent.verified, "{} was never read back", intent.action);
        assert!(began(story, &intent, at).await, "{} has no audit link", intent.op_key);
    }
    assert!(intents.is_empty(), "{} intents never reached the world", intents.len());
    for entry in log.iter().filter(|e| !is_mutation(&request_of(e))) {
        assert_eq!(entry.mutation, Value::Null, "a read changed something: {}", entry.path);
    }
    created_paused(&writes);
    let head = story.parts.store.verify_audit().await.unwrap();
    assert_eq!(head, story.parts.store.head().await.unwrap());
    let decisions = story.parts.store.decisions(None, u32::MAX).await.unwrap();
    assert!(!decisions.is_empty());
    for row in &decisions {
        let again = replay(&story.parts.store, row).await.unwrap();
        assert_eq!(again, Replayed::Same, "decision {}", row.id);
    }
}

/// The *began* link of a write, committed no later than the write was seen.
async fn began(story: &Story, intent: &IntentRow, seen: Moment) -> bool {
    let links = story.parts.store.links(0, u32::MAX).await.unwrap();
    let of = |link: &rungwise::domain::audit::Link, kind: &str| {
        let body: Value = serde_json::from_slice(&link.body).unwrap();
        link.kind == kind
            && body["op_key"] == intent.op_key.as_str()
            && (kind != "write_began" || body["request_digest"] == intent.request.digest())
    };
    let began: Vec<_> = links.iter().filter(|l| of(l, "write_began")).collect();
    let ended: Vec<_> = links.iter().filter(|l| of(l, "write_ended")).collect();
    assert_eq!((began.len(), ended.len()), (1, 1), "one send, one outcome: {}", intent.op_key);
    began[0].at <= seen && began[0].seq < ended[0].seq
}

/// True when a logged request is the one of a template.
fn same(template: &Template, entry: &LogEntry) -> bool {
    let path = entry.path.split('?').next().unwrap_or("");
    let path = path.trim_start_matches('/').split_once('/').map_or("", |(_, rest)| rest);
    let sent = |name: &str, text: &str| {
        let found = &entry.body[name];
        found.as_str() == Some(text)
            || serde_json::from_str::<Value>(text).is_ok_and(|v| v == *found)
    };
    entry.method == template.method
        && path == template.path
        && template.params.iter().all(|(name, text)| sent(name, text))
}

/// The logged request as the judge of mutations sees it.
pub(crate) fn request_of(entry: &LogEntry) -> Request {
    let (path, query) = entry.path.split_once('?').unwrap_or((&entry.path, ""));
    let mut request = Request::post(path);
    request.method = match entry.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        _ => Method::Delete,
    };
    let pairs = query.split('&').filter_map(|p| p.split_once('='));
    request.query = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    for (name, value) in entry.body.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        request = request.form(name, text);
    }
    request
}

/// What requests created, with type and fields.
fn created<'a>(writes: &'a [&LogEntry]) -> impl Iterator<Item = (&'a LogEntry, &'a Value)> {
    writes.iter().flat_map(|e| {
        let list = e.mutation["created"].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|c| (*e, c))
    })
}

fn created_paused(writes: &[&LogEntry]) {
    for (entry, object) in created(writes) {
        if object["type"] == "campaign" || object["type"] == "adset" || object["type"] == "ad" {
            assert_eq!(object["fields"]["status"], "PAUSED", "request {}", entry.n);
        }
    }
    for (_, campaign) in created(writes).filter(|(_, c)| c["type"] == "campaign") {
        one_start(campaign["id"].as_str().unwrap(), writes);
    }
}

/// Of everything below a re-created campaign the campaign is turned on last, by one write.
fn one_start(campaign: &str, writes: &[&LogEntry]) {
    let mut below: BTreeSet<String> = BTreeSet::new();
    for (_, object) in created(writes).filter(|(_, c)| c["campaign_id"] == campaign) {
        let kind = object["type"].as_str().unwrap();
        below.insert(format!("{kind}:{}", object["id"].as_str().unwrap()));
    }
    let turned_on = |label: &str| -> Vec<u64> {
        let on = |e: &&&LogEntry| e.mutation["changed"][label]["status"][1] == "ACTIVE";
        writes.iter().filter(on).map(|e| e.n).collect()
    };
    let starts = turned_on(&format!("campaign:{campaign}"));
    assert!(starts.len() <= 1, "campaign {campaign} was turned on {} times", starts.len());
    let Some(start) = starts.first() else { return };
    below.remove(&format!("campaign:{campaign}"));
    assert!(below.len() >= 2, "a campaign with ad set and ad");
    for label in below {
        let on = turned_on(&label);
        assert!(on.len() == 1 && on[0] < *start, "{label} was turned on at {on:?}, {start}");
    }
}

/// The largest sum of daily budgets that were on at any instant, in minor units.
pub(crate) fn highest_daily_budget(story: &Story) -> i64 {
    let ledger = story.world.ledger();
    let parents = parents(&ledger, &story.world.requests());
    let mut state: BTreeMap<&str, (bool, Option<i64>, bool)> = BTreeMap::new();
    let mut highest = 0;
    for point in &ledger.budgets {
        let is_campaign = point.object_type == "campaign";
        let on = point.status == "ACTIVE";
        state.insert(&point.object_id, (on, point.daily_budget, is_campaign));
        let sum = state.iter().filter_map(|(id, (on, budget, is_campaign))| {
            let parent = parents.get(*id).map(String::as_str).unwrap_or_default();
            let parent_on = *is_campaign || state.get(parent).is_some_and(|(on, ..)| *on);
            budget.filter(|_| *on && parent_on)
        });
        highest = highest.max(sum.sum());
    }
    highest
}

fn parents(ledger: &Ledger, log: &[LogEntry]) -> BTreeMap<String, String> {
    let days = ledger.days.iter().map(|d| (d.adset_id.clone(), d.campaign_id.clone()));
    let mut parents: BTreeMap<String, String> = days.collect();
    let writes: Vec<&LogEntry> = log.iter().collect();
    for (_, object) in created(&writes).filter(|(_, c)| c["type"] == "adset") {
        let text = |name: &str| object[name].as_str().unwrap().to_owned();
        parents.insert(text("id"), text("campaign_id"));
    }
    parents
}
