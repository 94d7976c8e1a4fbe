//! Meta's JSON, one file per node.
//!
//! Tolerant by rule: numbers come as text or as numbers, unknown fields are ignored here and kept in the snapshots,
//! unknown words keep their spelling. Intolerant where money or counts could be misread: such an answer is refused as a
//! whole, naming the object.

pub(super) mod account;
pub(super) mod activity;
pub(super) mod ad;
pub(super) mod adset;
pub(super) mod campaign;
pub(super) mod insights;
pub(super) mod num;
pub(super) mod pixel;
pub(super) mod rule;
pub(super) mod study;
mod text;
pub(super) mod token;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::Fields;

/// An answer that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {why}")]
pub(super) struct WireError {
    /// Which object, as far as it is known.
    pub(super) object: String,
    /// What is wrong with it.
    pub(super) why: String,
}

pub(super) fn bad(object: impl Into<String>, why: impl std::fmt::Display) -> WireError {
    WireError { object: object.into(), why: why.to_string() }
}

/// Reads a wire struct and keeps all fields beside it; `kind` names it in errors.
fn read<W: DeserializeOwned>(kind: &str, value: &Value) -> Result<(W, Fields, String), WireError> {
    let id = value.get("id").map(num::text_of).unwrap_or_default();
    let label = if id.is_empty() { kind.to_owned() } else { format!("{kind} {id}") };
    let Value::Object(map) = value else { return Err(bad(label, "not an object")) };
    let fields: Fields = map.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    let wire = serde_json::from_value(value.clone()).map_err(|e| bad(label.clone(), e))?;
    Ok((wire, fields, label))
}
