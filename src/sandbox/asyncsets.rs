//! Request sets: many writes handed in at once and carried out one after the other in the background.
//!
//! Three doors lead here: `POST /` with `asyncbatch` (a session per entry), `POST /act_…/async_batch_requests` and
//! `POST /act_…/asyncadrequestsets` (Marketing API, "Asynchronous requests"). A set goes on with the world's time, and
//! with every look at it, so that a client on a standing clock sees it end.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    batch::resolve,
    errors::{Answer, Refusal},
    fields::requested,
    objects::Id,
    paging::page,
    params::{Params, form, plain},
    request::{Call, Incoming},
    world::World,
};
use crate::{domain::Moment, ports::Method};

/// Time one request of a set takes.
const STEP_MS: i64 = 2_000;
/// Entries of `asyncbatch` and of the two edges.
const MOST_SESSIONS: usize = 50;
const MOST: usize = 1_000;

/// One set.
#[derive(Debug, Clone)]
pub(super) struct RequestSet {
    name: String,
    notification_mode: String,
    created: Moment,
    looks: i64,
    /// How it was called, for token and version of its requests.
    call: Call,
    requests: Vec<Queued>,
}

#[derive(Debug, Clone)]
struct Queued {
    id: Id,
    entry: Value,
    status: &'static str,
    result: Value,
}

impl RequestSet {
    fn due(&self, now: Moment) -> usize {
        usize::try_from(self.looks.max(now.since(self.created) / STEP_MS)).unwrap_or(0)
    }
    fn count(&self, of: &[&str]) -> usize {
        self.requests.iter().filter(|r| of.contains(&r.status)).count()
    }
}

impl World {
    fn enqueue(&mut self, call: &Call, name: String, entries: Vec<Value>) -> Id {
        let id = self.next_id();
        let requests = entries
            .into_iter()
            .map(|entry| Queued {
                id: self.next_id(),
                entry,
                status: "INITIAL",
                result: Value::Null,
            })
            .collect();
        let mode = call.params.text("notification_mode").unwrap_or_else(|| "OFF".to_owned());
        let set = RequestSet {
            name,
            notification_mode: mode,
            created: self.now,
            looks: 0,
            call: call.clone(),
            requests,
        };
        self.sets.insert(id, set);
        id
    }
    /// `POST /` with `asyncbatch`.
    pub(super) fn start_sessions(&mut self, call: &Call) -> Answer {
        let Some(Value::Array(entries)) = call.params.value("asyncbatch") else {
            return Err(Refusal::new(100, "(#100) Param asyncbatch must be an array"));
        };
        if entries.len() > MOST_SESSIONS {
            let text = format!(
                "(#100) Too many requests in batch message. Maximum batch size is {MOST_SESSIONS}"
            );
            return Err(Refusal::new(100, text));
        }
        let sessions: Vec<Value> = entries
            .into_iter()
            .map(|entry| {
                let name = entry.get("name").map(plain).unwrap_or_default();
                let id = self.enqueue(call, name.clone(), vec![entry]);
                json!({"id": id.to_string(), "name": name})
            })
            .collect();
        Ok(json!({ "async_sessions": sessions }))
    }
    /// `POST /act_…/async_batch_requests` and `/asyncadrequestsets`.
    pub(super) fn start_set(&mut self, call: &Call, edge: &str) -> Answer {
        let ads = edge == "asyncadrequestsets";
        let name = call.params.need("name")?;
        let field = if ads { "ad_specs" } else { "adbatch" };
        let Some(Value::Array(items)) = call.params.value(field) else {
            return Err(Refusal::required(field));
        };
        if items.is_empty() || items.len() > MOST {
            let text = format!("(#100) Param {field} must hold 1 to {MOST} entries");
            return Err(Refusal::new(100, text).blaming(field));
        }
        let url = format!("{}/ads", self.act());
        let entries = items.into_iter().map(|item| {
            if ads { json!({"method": "POST", "relative_url": url, "spec": item}) } else { item }
        });
        let entries: Vec<Value> = entries.collect();
        let id = self.enqueue(call, name, entries);
        Ok(json!({"id": id.to_string()}))
    }
    /// Carries out what is due. Called when time has passed, never while a request is being answered: what a set does
    /// is nobody's answer.
    pub(super) fn run_sets(&mut self) {
        let now = self.now;
        let open: Vec<(Id, usize)> = self
            .sets
            .iter()
            .flat_map(|(id, set)| {
                let waiting = |(_, r): &(usize, &Queued)| r.status == "INITIAL";
                let due = set.requests.iter().take(set.due(now)).enumerate().filter(waiting);
                due.map(|(n, _)| (*id, n)).collect::<Vec<_>>()
            })
            .collect();
        for (id, n) in open {
            self.run_queued(id, n);
        }
    }
    fn run_queued(&mut self, id: Id, n: usize) {
        let Some(set) = self.sets.get(&id) else { return };
        let named: BTreeMap<String, Value> = set
            .requests
            .iter()
            .filter(|r| r.status == "SUCCESS")
            .filter_map(|r| Some((r.entry.get("name").map(plain)?, r.result.clone())))
            .collect();
        let (call, entry) = (set.call.clone(), set.requests[n].entry.clone());
        let needs = entry.get("depends_on").map(plain).filter(|name| !named.contains_key(name));
        let (status, result) = match needs {
            Some(_) => ("CANCELED_DEPENDENCY", Value::Null),
            None => match self.carry_out(&call, &entry, &named) {
                Ok(body) => ("SUCCESS", body),
                Err(refusal) => {
                    let trace = self.trace();
                    ("ERROR", refusal.body(&trace))
                }
            },
        };
        if let Some(queued) = self.sets.get_mut(&id).and_then(|s| s.requests.get_mut(n)) {
            (queued.status, queued.result) = (status, result);
        }
    }
    fn carry_out(&mut self, call: &Call, entry: &Value, named: &BTreeMap<String, Value>) -> Answer {
        let text = |name: &str| resolve(&entry.get(name).map(plain).unwrap_or_default(), named);
        let url = text("relative_url");
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let mut params = Params::default();
        params.add_texts(form(query));
        params.add_texts(form(&text("body")));
        if let Some(Value::Object(spec)) = entry.get("spec") {
            params.add_object(spec.clone());
        }
        let method = if text("method") == "DELETE" { Method::Delete } else { Method::Post };
        let version = call.version.map_or(String::new(), |(a, b)| format!("/v{a}.{b}"));
        let path = format!("{version}/{}", path.trim_start_matches('/'));
        let incoming = Incoming { method, path, params, bearer: None };
        let mut inner = Call::new(incoming, &self.options.base_url.clone(), call.token.clone());
        inner.background = true;
        self.route(&inner)
    }
    /// `GET /{set}`.
    pub(super) fn show_set(&mut self, call: &Call, id: Id) -> Answer {
        let Some(set) = self.sets.get_mut(&id) else {
            return Err(Refusal::unknown("get", &id.to_string()));
        };
        set.looks += 1;
        let (all, waiting) = (set.requests.len(), set.count(&["INITIAL"]));
        let first = set.requests.first().cloned();
        let state = match (waiting, set.count(&["ERROR"])) {
            (0, 0) => "COMPLETED",
            (0, _) => "FAILED",
            _ => "IN_PROGRESS",
        };
        let mut shown = json!({
            "id": id.to_string(), "name": set.name, "notification_mode": set.notification_mode,
            "total_count": all, "initial_count": waiting, "in_progress_count": 0,
            "success_count": set.count(&["SUCCESS"]), "error_count": set.count(&["ERROR"]),
            "canceled_count": set.count(&["CANCELED_DEPENDENCY"]), "is_completed": waiting == 0,
            // What a session of `asyncbatch` is asked for.
            "status": state, "percent_completed": (all - waiting) * 100 / all.max(1),
        });
        let created = set.created;
        shown["owner_id"] = json!(self.credentials.account_id);
        shown["created_time"] = self.stamp(created);
        shown["updated_time"] = self.stamp(self.now);
        if let Some(first) = first.filter(|f| !f.result.is_null()) {
            shown["result"] = json!(first.result.to_string());
        }
        Ok(chosen(call, shown))
    }
    /// `GET /{set}/requests`.
    pub(super) fn list_requests(&mut self, call: &Call, id: Id) -> Answer {
        let statuses = call.params.list("statuses").filter(|l| !l.is_empty());
        let Some(set) = self.sets.get_mut(&id) else {
            return Err(Refusal::unknown("get", &id.to_string()));
        };
        set.looks += 1;
        let wanted =
            |r: &&Queued| statuses.as_ref().is_none_or(|l| l.iter().any(|s| s == r.status));
        let found: Vec<Queued> = set.requests.iter().filter(wanted).cloned().collect();
        let items = found.iter().map(|r| chosen(call, self.queued(r))).collect();
        page(call, items, 25, None)
    }
    fn queued(&self, request: &Queued) -> Value {
        json!({
            "id": request.id.to_string(), "status": request.status, "input": request.entry,
            "result": request.result, "scope_object_id": self.credentials.account_id,
        })
    }
    /// One request of a set, wherever it is.
    pub(super) fn show_queued(&self, call: &Call, id: Id) -> Option<Value> {
        let found = self.sets.values().flat_map(|s| &s.requests).find(|r| r.id == id)?;
        Some(chosen(call, self.queued(found)))
    }
    /// `GET /act_…/asyncadrequestsets`.
    pub(super) fn list_sets(&mut self, call: &Call) -> Answer {
        let ids: Vec<Id> = self.sets.keys().copied().collect();
        let mut items = Vec::new();
        for id in ids {
            items.push(self.show_set(call, id)?);
        }
        page(call, items, 25, None)
    }
}

/// Only the fields asked for, and the id.
pub(super) fn chosen(call: &Call, mut shown: Value) -> Value {
    let fields = requested(&call.params);
    if let (Some(fields), Value::Object(map)) = (fields, &mut shown) {
        map.retain(|name, value| {
            !value.is_null() && (name == "id" || fields.iter().any(|f| f.name == *name))
        });
    }
    shown
}
