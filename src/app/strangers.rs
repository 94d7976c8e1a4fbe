//! Objects at Meta that carry our marker and that this history does not know.
//!
//! After a restore the database is older than the world: what was created since is unknown to it. Nothing is done about a
//! stranger but with a person's yes: it is put away by hand in Ads Manager, or taken as known.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;

use crate::{
    app::{AppError, Desk, Result, journal},
    domain::{ObjectId, plan::ObjectKind},
    ports::{Clock, MetaRead, Record, Store},
};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stranger {
    /// `campaign`, `ad_set`, `ad`, `rule`, `study`.
    pub kind: &'static str,
    /// Its id.
    pub id: ObjectId,
    /// Its name; foreign text.
    pub name: String,
    /// Its own switch.
    pub status: String,
    /// The key in its marker.
    pub op_key: String,
}

const KINDS: [(ObjectKind, &str); 5] = [
    (ObjectKind::Campaign, "campaign"),
    (ObjectKind::AdSet, "ad_set"),
    (ObjectKind::Ad, "ad"),
    (ObjectKind::Rule, "rule"),
    (ObjectKind::Study, "study"),
];

/// The note under which a stranger counts as known.
fn note(id: &ObjectId) -> String {
    format!("adopted:{id}")
}

/// True for a stranger that a person took as known.
pub async fn is_adopted<S: Store>(store: &S, id: &ObjectId) -> Result<bool> {
    Ok(store.note(&note(id)).await?.is_some())
}

/// The key of the marker in a name.
fn key_in<'n>(name: &'n str, opening: &str) -> Option<&'n str> {
    let (_, rest) = name.rsplit_once(opening)?;
    let (key, _) = rest.split_once(']')?;
    (!key.is_empty()).then_some(key)
}

/// Looks for them across all statuses; what was archived or deleted needs nobody any more.
pub async fn strangers<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
) -> Result<Vec<Stranger>> {
    let known: BTreeSet<String> =
        desk.store.intents(None).await?.into_iter().map(|i| i.op_key.to_string()).collect();
    let opening = format!("[{}:", desk.policy.marker_prefix);
    let mut found = Vec::new();
    for (kind, word) in KINDS {
        for object in desk.meta.find_marked(kind, &opening).await? {
            let Some(key) = key_in(&object.name, &opening) else { continue };
            let gone = matches!(object.status.as_str(), "ARCHIVED" | "DELETED");
            if gone || known.contains(key) || is_adopted(desk.store, &object.id).await? {
                continue;
            }
            let op_key = key.to_owned();
            let (id, name, status) = (object.id, object.name, object.status);
            found.push(Stranger { kind: word, id, name, status, op_key });
        }
    }
    Ok(found)
}

/// Takes a stranger as known, on a person's word. It is left as it is at Meta.
pub async fn adopt<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    id: &str,
    why: &str,
) -> Result<Stranger> {
    let found = strangers(desk).await?.into_iter().find(|s| s.id.as_str() == id);
    let Some(stranger) = found else {
        let hint = "`rungwise db strangers` lists them";
        return Err(AppError::Missing { what: "unknown object", name: id.to_owned(), hint });
    };
    let now = desk.clock.now();
    let body = json!({
        "object": stranger.id, "kind": stranger.kind, "op_key": stranger.op_key,
        "status": stranger.status, "note": why,
    });
    let batch = vec![
        Record::Note { key: note(&stranger.id), value: now.millis().to_string() },
        journal::audit(now, "stranger_adopted", desk.actor, body),
    ];
    desk.store.commit(batch).await?;
    Ok(stranger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stands_in_the_last_marker_of_a_name() {
        assert_eq!(key_in("Shop | purchase [rw:7Q2M]", "[rw:"), Some("7Q2M"));
        assert_eq!(key_in("[rw:OLD] copy [rw:NEW] - Copy", "[rw:"), Some("NEW"));
        for name in ["Shop", "Shop [rw:", "Shop [rw:]", "Shop [xx:7Q2M]"] {
            assert_eq!(key_in(name, "[rw:"), None, "{name}");
        }
    }
}
