//! A pixel, as far as a check looks at it.

use serde::Deserialize;
use serde_json::Value;

use super::{WireError, num::Loose, read};
use crate::ports::meta::PixelInfo;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    id: Loose,
    name: Loose,
    last_fired_time: Loose,
    is_unavailable: bool,
}

/// Reads a pixel.
pub(in crate::graph) fn parse(value: &Value) -> Result<PixelInfo, WireError> {
    let (wire, _, label): (Wire, _, _) = read("pixel", value)?;
    Ok(PixelInfo {
        id: wire.id.0,
        name: wire.name.0,
        last_fired: wire.last_fired_time.moment(&label, "last_fired_time")?,
        unavailable: wire.is_unavailable,
    })
}
