//! After a restore the history is shorter than what was done: its plans rest on a world that has gone on, and what it
//! would call new may exist already.
//!
//! So every plan that was open in the copy is void, whoever approved it, and what is written from then on is named by
//! other keys: the same step of the same attempt may have been taken in the history that is lost, and its object must
//! never be mistaken for one of this history. Both are noted in the commit that records the restore.

use serde::{Deserialize, Serialize};

use crate::planted::{Bug, bug};
use crate::{
    app::standing,
    domain::{Moment, plan::PlanHash},
    ports::{Record, Store, StoreError},
};

/// Name of the note.
const NOTE: &str = "restored";

/// The last restore of this history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Restored {
    at: Moment,
    /// Plans that were open then.
    void: Vec<PlanHash>,
}

async fn last<S: Store>(store: &S) -> Result<Option<Restored>, StoreError> {
    let Some(text) = store.note(NOTE).await? else { return Ok(None) };
    let read = serde_json::from_str(&text)
        .map_err(|e| StoreError::Document { what: format!("note {NOTE}"), why: e.to_string() })?;
    Ok(Some(read))
}

/// True for a history that was once restored: it may not know everything that carries its marker.
pub async fn ever<S: Store>(store: &S) -> Result<bool, StoreError> {
    Ok(last(store).await?.is_some())
}

/// What a restore at this moment leaves to know, for the commit that records it. Autonomy is taken until a person
/// returns it: what was done since the copy can only be judged by somebody who looks.
pub async fn records<S: Store>(store: &S, at: Moment, by: &str) -> Result<Vec<Record>, StoreError> {
    let open = store.plans(true, u32::MAX).await?;
    let restored = Restored { at, void: open.into_iter().map(|row| row.hash).collect() };
    let value = serde_json::to_string(&restored).expect("a note has only text keys");
    let noted = Record::Note { key: NOTE.to_owned(), value };
    let [taken, told] = standing::taken(at, by, "the history was restored from a backup");
    Ok(vec![noted, taken, told])
}

/// Why a plan may not be carried out any more, if a restore has voided it.
pub async fn voids<S: Store>(store: &S, plan: &PlanHash) -> Result<Option<String>, StoreError> {
    let restored = last(store).await?.filter(|r| r.void.contains(plan));
    let restored = restored.filter(|_| !bug(Bug::PlansSurviveRestore));
    Ok(restored.map(|r| {
        format!(
            "the history was restored from a backup at {}, what was planned before is void",
            r.at
        )
    }))
}

/// What the keys of writes are derived from: the installation, and since a restore that restore, see
/// [`crate::domain::plan::op_key`].
pub async fn installation<S: Store>(store: &S) -> Result<String, StoreError> {
    let install = store.install_id().await?;
    let restored = last(store).await?.filter(|_| !bug(Bug::KeysSurviveRestore));
    Ok(match restored {
        Some(restored) => format!("{install}@{}", restored.at.millis()),
        None => install,
    })
}
