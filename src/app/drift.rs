//! Outside changes: the stored snapshots of managed objects against a fresh read. Reads only.

use serde::Serialize;
use serde_json::Value;

use crate::{
    app::{Result, facts},
    domain::{
        Fields, Moment, Tree,
        parity::{ParityReport, compare_ads, compare_adsets, compare_campaigns},
    },
    ports::{MetaRead, Store, store::IntentRow},
};

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Drift {
    /// Managed campaigns that were read.
    pub campaigns: usize,
    /// Fields that differ from the snapshot.
    pub changes: Vec<Change>,
    /// Managed campaigns that exist no more, or may not be seen.
    pub gone: Vec<String>,
}

/// One field of one object.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// `campaign`, `ad set` or `ad`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Its name; foreign text.
    pub name: String,
    /// The field; `(object)` when the whole object came or went.
    pub field: String,
    /// As the snapshot has it.
    pub before: Value,
    /// As it is now.
    pub now: Value,
    /// When the snapshot was taken.
    pub seen_at: String,
    /// The op key of our own write since then to this object; None = somebody else's change.
    pub own_write: Option<String>,
    /// What the account's activity log, which can lag, tells last of this object since the snapshot.
    pub log: Option<String>,
}

impl Drift {
    /// The changes nobody here made.
    pub fn foreign(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|c| c.own_write.is_none())
    }
}

/// Compares every campaign of an unfinished climb with its stored snapshot.
pub async fn drift<S: Store, R: MetaRead>(store: &S, meta: &R) -> Result<Drift> {
    let managed = facts::managed(store).await?;
    if managed.is_empty() {
        return Ok(Drift { campaigns: 0, changes: Vec::new(), gone: Vec::new() });
    }
    let fresh = meta.trees(&managed).await?;
    let writes = store.intents(None).await?;
    let mut found = Drift { campaigns: fresh.len(), changes: Vec::new(), gone: Vec::new() };
    let mut oldest = Moment::from_millis(i64::MAX);
    for id in &managed {
        let Some(before) = store.tree(id).await? else { continue };
        match fresh.iter().find(|t| t.campaign.id == *id) {
            Some(now) => found.changes.extend(changes(&before, now, &writes)),
            None => found.gone.push(format!("{id} ({})", before.campaign.name)),
        }
        oldest = oldest.min(before.seen_at);
    }
    if found.foreign().next().is_some() {
        consult_log(meta, oldest, &mut found.changes).await;
    }
    Ok(found)
}

/// Asks the activity log what was done. That it cannot be read takes nothing from what was found.
async fn consult_log<R: MetaRead>(meta: &R, since: Moment, changes: &mut [Change]) {
    let log = match meta.activities(since).await {
        Ok(log) => log,
        Err(e) => {
            tracing::warn!("cannot read what was done: {e}");
            return;
        }
    };
    for change in changes {
        let last = log.iter().filter(|a| a.object == change.id).max_by_key(|a| a.at);
        change.log = last.map(|a| format!("{} at {}", a.event, a.at));
    }
}

/// An object of a snapshot, whatever its kind.
struct Object<'a> {
    kind: &'static str,
    id: &'a str,
    name: &'a str,
    fields: &'a Fields,
}

fn objects(tree: &Tree) -> Vec<Object<'_>> {
    let c = &tree.campaign;
    let mut all =
        vec![Object { kind: "campaign", id: c.id.as_str(), name: &c.name, fields: &c.fields }];
    all.extend(tree.adsets.iter().map(|s| Object {
        kind: "ad set",
        id: s.id.as_str(),
        name: &s.name,
        fields: &s.fields,
    }));
    all.extend(tree.ads.iter().map(|a| Object {
        kind: "ad",
        id: a.id.as_str(),
        name: &a.name,
        fields: &a.fields,
    }));
    all
}

fn changes(before: &Tree, now: &Tree, writes: &[IntentRow]) -> Vec<Change> {
    let (old, new) = (objects(before), objects(now));
    let seen = before.seen_at;
    let change = |o: &Object<'_>, field: &str, was: Value, is: Value| Change {
        kind: o.kind,
        id: o.id.to_owned(),
        name: o.name.to_owned(),
        field: field.to_owned(),
        before: was,
        now: is,
        seen_at: seen.rfc3339(),
        own_write: own_write(writes, o.id, seen),
        log: None,
    };
    let mut found = Vec::new();
    for object in &old {
        let Some(same) = new.iter().find(|n| n.id == object.id) else {
            found.push(change(object, "(object)", Value::from("there"), Value::from("gone")));
            continue;
        };
        for d in compare(object, same).differences {
            found.push(change(object, &d.field, d.source, d.copy));
        }
    }
    for object in new.iter().filter(|n| !old.iter().any(|o| o.id == n.id)) {
        found.push(change(object, "(object)", Value::Null, Value::from("new")));
    }
    found
}

/// Fields that Meta computes are left out by the comparison; all others count, also those a copy may differ in.
fn compare(before: &Object<'_>, now: &Object<'_>) -> ParityReport {
    match before.kind {
        "campaign" => compare_campaigns(before.fields, now.fields, &[]),
        "ad set" => compare_adsets(before.fields, now.fields, &[]),
        _ => compare_ads(before.fields, now.fields, &[]),
    }
}

/// Our own write to an object since a snapshot: to its id, or the one that made it.
fn own_write(writes: &[IntentRow], id: &str, since: Moment) -> Option<String> {
    writes
        .iter()
        .filter(|w| w.entries.iter().map(|(at, _)| *at).max().unwrap_or(w.at) >= since)
        .find(|w| {
            w.request.path.trim_matches('/') == id
                || w.object.as_ref().is_some_and(|o| o.as_str() == id)
        })
        .map(|w| w.op_key.to_string())
}
