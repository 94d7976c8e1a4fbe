//! The ad account.

use serde::Deserialize;
use serde_json::Value;

use super::{WireError, bad, num::Loose, read};
use crate::domain::{AccountInfo, Currency, Zone};

#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Wire {
    name: Loose,
    currency: Loose,
    timezone_name: Loose,
    account_status: Loose,
    min_daily_budget: Loose,
    min_campaign_group_spend_cap: Loose,
    business: Value,
}

/// Reads an account; currency and time zone are indispensable.
pub(in crate::graph) fn parse(value: &Value) -> Result<AccountInfo, WireError> {
    let (wire, _, label): (Wire, _, _) = read("account", value)?;
    let currency: Currency = wire.currency.0.parse().map_err(|e| bad(&label, e))?;
    let zone: Zone = wire.timezone_name.0.parse().map_err(|e| bad(&label, e))?;
    let status = wire.account_status.int(&label, "account_status")?;
    let floor = |loose: &Loose, field| loose.money(&label, field, currency);
    let business = wire.business.get("id").map(super::num::text_of);
    Ok(AccountInfo {
        name: wire.name.0.clone(),
        currency,
        zone,
        status: status.ok_or_else(|| bad(&label, "account_status is missing"))?,
        min_daily_budget: floor(&wire.min_daily_budget, "min_daily_budget")?,
        min_spend_cap: floor(&wire.min_campaign_group_spend_cap, "min_campaign_group_spend_cap")?,
        business: business.filter(|id| !id.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_account_without_currency_zone_or_status_is_refused() {
        let good = json!({"id":"act_1","name":"Shop","currency":"JPY","timezone_name":"Asia/Tokyo",
            "account_status":1,"min_daily_budget":100,"min_campaign_group_spend_cap":"10000",
            "business":{"id":"9","name":"B"}});
        let info = parse(&good).unwrap();
        assert_eq!(info.min_daily_budget.unwrap().to_string(), "100 JPY");
        assert_eq!(info.business.as_deref(), Some("9"));
        for field in ["currency", "timezone_name", "account_status"] {
            let mut broken = good.clone();
            broken.as_object_mut().unwrap().remove(field);
            let error = parse(&broken).unwrap_err();
            assert_eq!(error.object, "account act_1", "{field}");
        }
    }
}
