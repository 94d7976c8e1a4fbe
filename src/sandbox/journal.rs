//! The request log: what came in, what was answered, and what it really changed in the world.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    objects::{Id, Node},
    params::{escape, plain},
    request::Incoming,
    world::World,
};
use crate::ports::Method;

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogEntry {
    /// Counts from 1.
    pub n: u64,
    /// When it came, RFC 3339.
    pub at: String,
    /// GET, POST or DELETE.
    pub method: String,
    /// Path and query without secrets.
    pub path: String,
    /// Body parameters without secrets, or null.
    pub body: Value,
    /// HTTP status of the answer; 0 when no answer was given.
    pub status: u16,
    /// Whether the world carried it out: reached it and did not refuse it. A lost reply may hide that from the client.
    pub applied: bool,
    /// What it changed: `created`, `changed` with old and new values, `removed`; null when nothing.
    pub mutation: Value,
}

const SECRETS: [&str; 9] = [
    "code_verifier",
    "access_token",
    "appsecret_proof",
    "client_secret",
    "input_token",
    "fb_exchange_token",
    "code",
    "revoke_token",
    "app_secret",
];
const HIDDEN: &str = "<removed>";

/// The objects as they stand; cheap to take.
pub(super) type Snapshot = BTreeMap<Id, Arc<Node>>;

/// What differs between two states: judged on the objects themselves, not on what a handler says it did.
pub(super) fn mutation(before: &Snapshot, after: &Snapshot) -> Value {
    let label = |n: &Node| format!("{}:{}", n.kind.word(), n.id);
    let mut created = Vec::new();
    let mut changed = Map::new();
    for (id, new) in after {
        match before.get(id) {
            None => created.push(json!({
                "id": id.to_string(), "type": new.kind.word(), "fields": new.fields,
                "campaign_id": new.campaign.to_string(), "adset_id": new.adset.to_string(),
            })),
            Some(old) if Arc::ptr_eq(old, new) || old.fields == new.fields => {}
            Some(old) => {
                let mut names: Vec<&String> = old.fields.keys().chain(new.fields.keys()).collect();
                names.sort();
                names.dedup();
                let pairs: Map<String, Value> = names
                    .into_iter()
                    .filter(|n| old.fields.get(*n) != new.fields.get(*n))
                    .map(|n| (n.clone(), json!([old.fields.get(n), new.fields.get(n)])))
                    .collect();
                changed.insert(label(new), Value::Object(pairs));
            }
        }
    }
    let removed: Vec<String> =
        before.iter().filter(|(id, _)| !after.contains_key(*id)).map(|(_, n)| label(n)).collect();
    if created.is_empty() && changed.is_empty() && removed.is_empty() {
        return Value::Null;
    }
    json!({"created": created, "changed": changed, "removed": removed})
}

/// Path with query, or path alone and body, without secrets.
pub(super) fn redacted(incoming: &Incoming) -> (String, Value) {
    let clean = |name: &str, value: &Value| -> Value {
        if SECRETS.contains(&name) {
            return json!(HIDDEN);
        }
        match value {
            Value::String(text) => json!(scrub(text)),
            other => other.clone(),
        }
    };
    let mut shown = Map::new();
    for (name, value) in incoming.params.iter() {
        shown.insert(name.clone(), clean(name, value));
    }
    if incoming.method == Method::Post {
        return (incoming.path.clone(), Value::Object(shown));
    }
    let query: Vec<String> =
        shown.iter().map(|(k, v)| format!("{}={}", escape(k), escape(&plain(v)))).collect();
    let path = if query.is_empty() {
        incoming.path.clone()
    } else {
        format!("{}?{}", incoming.path, query.join("&"))
    };
    (path, Value::Null)
}

/// Removes secrets inside texts, such as batch entries with their own query.
fn scrub(text: &str) -> String {
    let mut out = text.to_owned();
    for name in SECRETS {
        let mark = format!("{name}=");
        let mut from = 0;
        while let Some(at) = out[from..].find(&mark).map(|p| p + from + mark.len()) {
            let end = out[at..].find(['&', '"', '\\', ' ', '\'']).map_or(out.len(), |n| at + n);
            out.replace_range(at..end, HIDDEN);
            from = at + HIDDEN.len();
        }
    }
    out
}

impl World {
    /// The objects now.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.nodes.clone()
    }
    /// A trace id for an error body.
    pub(super) fn trace(&mut self) -> String {
        let parts = [self.draw(0, i64::MAX - 1), self.draw(0, i64::MAX - 1)];
        let bytes: Vec<u8> = parts.iter().flat_map(|n| n.to_le_bytes()).collect();
        format!("A{}", data_encoding::BASE64URL_NOPAD.encode(&bytes))
    }
    /// Usage headers as they stand.
    pub(super) fn usage_headers(&self) -> Vec<(String, String)> {
        self.usage.headers(self.now, &self.credentials.account_id, self.active_ads())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_inside_batch_entries_are_removed() {
        let text =
            r#"[{"relative_url":"1?access_token=EAABx&fields=id"},{"body":"access_token=EAABy"}]"#;
        let clean = scrub(text);
        assert!(!clean.contains("EAAB") && clean.contains("fields=id"), "{clean}");
    }
}
