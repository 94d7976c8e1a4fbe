//! The ledger of significant edits: whenever Meta says that an ad set began to learn anew, who did it?

use serde_json::json;

use crate::{
    app::{Desk, Result, journal},
    domain::{AdSet, Moment, Tree},
    ports::{Clock, Record, Store, store::IntentRow},
};

/// Meta stamps an edit this much earlier or later than we sent it, in milliseconds.
const STAMP_MS: i64 = 10 * 60 * 1000;

/// Compares the last significant edit of every ad set with what was known, and writes what moved into the audit log.
pub async fn watch<S: Store, R, C: Clock>(desk: Desk<'_, S, R, C>, trees: &[Tree]) -> Result<()> {
    let mut intents: Option<Vec<IntentRow>> = None;
    let sets = trees.iter().flat_map(|tree| &tree.adsets);
    let keys: Vec<String> = sets.filter(|set| edited(set).is_some()).map(note_key).collect();
    let notes = desk.store.notes(&keys).await?;
    for tree in trees {
        for set in &tree.adsets {
            let Some(at) = edited(set) else { continue };
            let key = note_key(set);
            let known = notes.get(&key).and_then(|text| text.parse().ok()).map(Moment::from_millis);
            if known == Some(at) {
                continue;
            }
            let mut batch = vec![Record::Note { key, value: at.millis().to_string() }];
            if known.is_some() {
                if intents.is_none() {
                    intents = Some(desk.store.intents(None).await?);
                }
                let ids = [set.id.as_str(), tree.campaign.id.as_str()];
                let own = own_write(intents.as_deref().unwrap_or_default(), &ids, at);
                let by = own.map_or_else(|| "somebody else".to_owned(), |w| w.op_key.to_string());
                let body = json!({ "ad_set": set.id, "campaign": tree.campaign.id, "at": at.rfc3339(), "cause": by });
                batch.push(journal::audit(
                    desk.clock.now(),
                    "learning_restarted",
                    desk.actor,
                    body,
                ));
            }
            desk.store.commit(batch).await?;
        }
    }
    Ok(())
}

fn edited(set: &AdSet) -> Option<Moment> {
    set.learning.as_ref()?.last_significant_edit
}

fn note_key(set: &AdSet) -> String {
    format!("learning:{}", set.id)
}

fn own_write<'a>(intents: &'a [IntentRow], ids: &[&str], at: Moment) -> Option<&'a IntentRow> {
    let near = |w: &&IntentRow| w.entries.iter().any(|(t, _)| t.since(at).abs() <= STAMP_MS);
    let about = |w: &&IntentRow| ids.contains(&w.request.path.trim_matches('/'));
    intents.iter().filter(about).find(near)
}
