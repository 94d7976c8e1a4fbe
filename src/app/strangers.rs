//! Objects at Meta that carry our marker and that this history cannot account for.
//!
//! After a restore the database is older than the world: what was created since is unknown to it, or comes of a write that
//! it believes had made nothing. Nothing is done about a stranger but with a person's yes: it is put away by hand in Ads
//! Manager, or taken as known.

use serde::Serialize;
use serde_json::json;

use crate::planted::{Bug, bug};
use crate::{
    app::{AppError, Desk, Result, journal, standing::is_in_doubt},
    domain::{HOUR_MS, Moment, ObjectId, plan::ObjectKind, write_log::Entry},
    ports::{Clock, MetaRead, Record, Store, meta::Found, store::IntentRow},
};

/// Meta creates an object this long after the request was sent at the latest, by clocks that differ, in milliseconds.
const SENT_WITHIN_MS: i64 = HOUR_MS;
/// And this long before it, by such clocks.
const SENT_BEFORE_MS: i64 = HOUR_MS / 12;

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
    /// The key in its marker; empty where the marker is not whole.
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

/// The key of the last marker in a name.
fn key_in<'n>(name: &'n str, opening: &str) -> Option<&'n str> {
    let (_, rest) = name.rsplit_once(opening)?;
    let (key, _) = rest.split_once(']')?;
    (!key.is_empty()).then_some(key)
}

/// Where an object with our marker comes from, as far as this history knows.
#[derive(Debug)]
pub(super) enum Origin<'i> {
    /// A write has made it, or it is put away, or a write in doubt is still looking for it.
    Accounted,
    /// One sending of a write that was settled otherwise.
    Twin(&'i IntentRow),
    /// Nobody here can have made it, for this reason.
    Strange(&'static str),
}

/// Tells where an object comes from; `opening` is how a marker begins.
pub(super) fn origin<'i>(found: &Found, opening: &str, intents: &'i [IntentRow]) -> Origin<'i> {
    let away = matches!(found.status.as_str(), "ARCHIVED" | "DELETED" | "DISABLED");
    if away || intents.iter().any(|i| i.object.as_ref() == Some(&found.id)) {
        return Origin::Accounted;
    }
    let key = key_in(&found.name, opening);
    let Some(write) = intents.iter().find(|i| key == Some(i.op_key.as_str())) else {
        return Origin::Strange("nothing here knows it");
    };
    // What is in doubt is looked for by reconciliation, and adopted there.
    if is_in_doubt(write) {
        return Origin::Accounted;
    }
    if !may_be_sent(write, found.created) && !bug(Bug::SweepTakesForeign) {
        return Origin::Strange(
            "it was created when that write was not being sent: somebody's own copy",
        );
    }
    Origin::Twin(write)
}

/// Could an object of this age come from one of the sendings of a write? A copy that a person makes in Ads Manager
/// carries the marker too, name and all, and is told apart by its age alone.
fn may_be_sent(write: &IntentRow, created: Option<Moment>) -> bool {
    let Some(created) = created else { return true };
    let sent = write.entries.iter().filter(|(_, e)| *e == Entry::Started);
    sent.map(|(at, _)| created.since(*at))
        .any(|age| (-SENT_BEFORE_MS..SENT_WITHIN_MS).contains(&age))
}

/// Looks for them across all statuses; what was archived or deleted needs nobody any more.
pub async fn strangers<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
) -> Result<Vec<Stranger>> {
    let intents = desk.store.intents(None).await?;
    let opening = format!("[{}:", desk.policy.marker_prefix);
    let mut strangers = Vec::new();
    for (kind, word) in KINDS {
        for found in desk.meta.find_marked(kind, &opening).await? {
            let strange = matches!(origin(&found, &opening, &intents), Origin::Strange(_));
            if !strange || is_adopted(desk.store, &found.id).await? {
                continue;
            }
            let op_key = key_in(&found.name, &opening).unwrap_or_default().to_owned();
            let (id, name, status) = (found.id, found.name, found.status);
            strangers.push(Stranger { kind: word, id, name, status, op_key });
        }
    }
    Ok(strangers)
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
    use crate::domain::{
        OpKey,
        plan::{PlanHash, Template},
    };

    fn write(key: &str, log: &[(i64, Entry)]) -> IntentRow {
        let request = Template {
            method: "POST".to_owned(),
            path: "act_1/campaigns".to_owned(),
            params: Vec::new(),
        };
        IntentRow {
            op_key: OpKey::new(key).unwrap(),
            plan: PlanHash::named("aa"),
            action: "campaign".to_owned(),
            creates: Some(ObjectKind::Campaign),
            request,
            at: Moment::from_millis(0),
            entries: log.iter().map(|(at, e)| (Moment::from_millis(*at), *e)).collect(),
            object: None,
            verified: false,
        }
    }
    fn found(name: &str, status: &str, created: i64) -> Found {
        Found {
            kind: ObjectKind::Campaign,
            id: ObjectId::new("7").unwrap(),
            name: name.to_owned(),
            status: status.to_owned(),
            created: Some(Moment::from_millis(created)),
            source: None,
        }
    }

    #[test]
    fn a_twin_is_as_old_as_a_sending_and_a_persons_copy_is_not() {
        let at = Moment::from_millis;
        let write = write("ABC234", &[(0, Entry::Started), (9 * HOUR_MS, Entry::Started)]);
        assert!(may_be_sent(&write, Some(at(2_000))));
        assert!(may_be_sent(&write, Some(at(9 * HOUR_MS))));
        assert!(!may_be_sent(&write, Some(at(5 * HOUR_MS))), "between two sendings");
        assert!(!may_be_sent(&write, Some(at(99 * HOUR_MS))));
        assert!(may_be_sent(&write, None), "Meta does not tell its age");
    }

    #[test]
    fn what_a_lost_history_made_of_a_write_that_is_settled_here_is_strange() {
        use Entry::{FoundAbsent, OutcomeUnknown, Started, Succeeded};
        let absent = [(0, Started), (1, OutcomeUnknown), (2, FoundAbsent)];
        let mut made = write("ABC234", &[(0, Started), (1, Succeeded)]);
        made.object = Some(ObjectId::new("7").unwrap());
        let settled = [write("ABC234", &absent)];
        let doubtful = [write("ABC234", &absent[..2])];
        let told = |found: &Found, intents: &[IntentRow]| match origin(found, "[rw:", intents) {
            Origin::Accounted => "accounted",
            Origin::Twin(_) => "twin",
            Origin::Strange(_) => "strange",
        };
        let late = found("Shop [rw:ABC234]", "PAUSED", 5 * HOUR_MS);
        assert_eq!(told(&late, &settled), "strange");
        assert_eq!(told(&found("Shop [rw:ABC234]", "PAUSED", 1_000), &settled), "twin");
        assert_eq!(told(&late, &doubtful), "accounted");
        assert_eq!(told(&late, &[made]), "accounted");
        assert_eq!(told(&late, &[]), "strange");
        assert_eq!(told(&found("Shop [rw:half", "PAUSED", 1_000), &settled), "strange");
        assert_eq!(
            told(&found("Shop [rw:ABC234]", "ARCHIVED", 5 * HOUR_MS), &settled),
            "accounted"
        );
    }

    #[test]
    fn the_key_stands_in_the_last_marker_of_a_name() {
        assert_eq!(key_in("Shop | purchase [rw:7Q2M]", "[rw:"), Some("7Q2M"));
        assert_eq!(key_in("[rw:OLD] copy [rw:NEW] - Copy", "[rw:"), Some("NEW"));
        for name in ["Shop", "Shop [rw:", "Shop [rw:]", "Shop [xx:7Q2M]"] {
            assert_eq!(key_in(name, "[rw:"), None, "{name}");
        }
    }
}
