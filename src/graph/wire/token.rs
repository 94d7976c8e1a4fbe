//! What `debug_token` says.

use serde::Deserialize;
use serde_json::Value;

use super::{WireError, bad, num::Loose, read};
use crate::ports::meta::TokenInfo;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    is_valid: bool,
    expires_at: Loose,
    scopes: Vec<String>,
    r#type: Loose,
    app_id: Loose,
    data_access_expires_at: Loose,
}

/// Reads the `data` of an answer. `expires_at` 0 means never.
pub(in crate::graph) fn parse(value: &Value) -> Result<TokenInfo, WireError> {
    let data = value.get("data").ok_or_else(|| bad("token", "data is missing"))?;
    let (wire, _, label): (Wire, _, _) = read("token", data)?;
    Ok(TokenInfo {
        valid: wire.is_valid,
        expires_at: wire.expires_at.moment(&label, "expires_at")?,
        scopes: wire.scopes,
        kind: wire.r#type.0,
        app_id: Some(wire.app_id.0).filter(|id| !id.is_empty()),
        data_access_until: wire.data_access_expires_at.moment(&label, "data_access_expires_at")?,
        renewable: false,
    })
}
