//! Throws and releases the kill switch's record; the switch itself is a file the door reads before every send.

use serde_json::json;

use crate::{
    app::{Result, journal},
    domain::Moment,
    ports::Store,
};

/// Records that writes were stopped.
pub async fn stopped<S: Store>(store: &S, at: Moment, by: &str, why: &str) -> Result<()> {
    Ok(store.commit(vec![journal::audit(at, "stopped", by, json!({ "why": why }))]).await?)
}

/// Records that writes are allowed again; a reason is required.
pub async fn started<S: Store>(store: &S, at: Moment, by: &str, why: &str) -> Result<()> {
    Ok(store.commit(vec![journal::audit(at, "started", by, json!({ "why": why }))]).await?)
}
