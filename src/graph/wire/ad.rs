//! An ad.

use serde::Deserialize;
use serde_json::Value;

use super::{WireError, bad, num::Loose, read};
use crate::domain::{Ad, AdId, AdSetId, CampaignId, CreativeId};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    id: Loose,
    campaign_id: Loose,
    adset_id: Loose,
    name: Loose,
    status: Loose,
    effective_status: Loose,
    creative: Option<Creative>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Creative {
    id: Loose,
}

/// Reads an ad.
pub(in crate::graph) fn parse(value: &Value) -> Result<Ad, WireError> {
    let (wire, fields, label): (Wire, _, _) = read("ad", value)?;
    let creative = wire.creative.unwrap_or_default();
    let creative = creative.id.filled().map(CreativeId::new).transpose();
    Ok(Ad {
        id: AdId::new(wire.id.0).map_err(|e| bad(&label, e))?,
        campaign: CampaignId::new(wire.campaign_id.0).map_err(|e| bad(&label, e))?,
        adset: AdSetId::new(wire.adset_id.0).map_err(|e| bad(&label, e))?,
        name: wire.name.0,
        status: wire.status.0.into(),
        effective_status: wire.effective_status.0.into(),
        creative: creative.map_err(|e| bad(&label, e))?,
        fields,
    })
}
