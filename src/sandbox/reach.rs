//! What an insights query may ask for: known names, breakdowns that go together, days that are still kept, and an
//! answer that is not too large.

use super::{
    contract::Contract,
    errors::Refusal,
    insights::Query,
    objects::{Id, Kind},
    params::Params,
    world::World,
};
use crate::domain::Day;

/// Months that are kept: of totals and plain actions, of hours and unique figures, of frequency values (Marketing API,
/// "Insights best practices", retention since 2026-01-12).
const KEPT: i32 = 37;
const KEPT_FINE: i32 = 13;
const KEPT_FREQUENCY: i32 = 6;

/// Breakdowns of one family go together; of two families they do not.
const FAMILIES: [&[&str]; 6] = [
    &["age", "gender"],
    &["country", "region", "dma", "comscore_market", "comscore_market_code"],
    &["publisher_platform", "platform_position", "device_platform", "impression_device"],
    &[
        "hourly_stats_aggregated_by_advertiser_time_zone",
        "hourly_stats_aggregated_by_audience_time_zone",
    ],
    &["product_id"],
    &["frequency_value"],
];

/// Which family a breakdown belongs to; None for those that go with all.
fn family(name: &str) -> Option<usize> {
    FAMILIES.iter().position(|f| f.contains(&name))
}

/// True for breakdowns under which what happens off Meta's own pages is not told.
pub(super) fn hides_offsite(breakdown: &str) -> bool {
    breakdown.starts_with("hourly_")
        || matches!(breakdown, "region" | "dma" | "comscore_market" | "comscore_market_code")
}

/// Names of windows and breakdowns that exist, and breakdowns that go together (2/1504041).
pub(super) fn names(params: &Params) -> Result<(), Refusal> {
    for name in ["breakdowns", "action_breakdowns", "action_attribution_windows"] {
        for (n, value) in params.list(name).unwrap_or_default().iter().enumerate() {
            if !Contract::official().lists(name, value) {
                let text = format!(
                    "(#100) Param {name}[{n}] must be one of the known ones - got {value:?}."
                );
                return Err(Refusal::new(100, text).blaming(name));
            }
        }
    }
    let asked = params.list("breakdowns").unwrap_or_default();
    let mut families: Vec<usize> = asked.iter().filter_map(|b| family(b)).collect();
    families.dedup();
    let hours = asked.iter().filter(|b| b.starts_with("hourly_")).count();
    if families.len() > 1 || hours > 1 {
        let mut refusal = super::catalogue::called(2, Some(1_504_041));
        let list = asked.join(", ");
        refusal.message = format!(
            "(#2) Current combination of data breakdown columns (action_type, {list}) is invalid"
        );
        return Err(refusal);
    }
    Ok(())
}

impl World {
    /// The first day of which reports still tell.
    pub(super) fn oldest(&self) -> Day {
        self.months_ago(KEPT)
    }
    fn months_ago(&self, months: i32) -> Day {
        let date = self.today.date().saturating_sub(jiff::Span::new().months(months));
        Day::new(date.year(), date.month(), date.day()).unwrap_or(self.today)
    }
    /// Days that are no longer kept for what is asked (3018).
    pub(super) fn kept(&self, params: &Params, since: Day) -> Result<(), Refusal> {
        let fields = params.list("fields").unwrap_or_default();
        let breakdowns = params.list("breakdowns").unwrap_or_default();
        let fine = breakdowns.iter().any(|b| b.starts_with("hourly_"))
            || fields.iter().any(|f| f.starts_with("unique_"));
        let months = if breakdowns.iter().any(|b| b == "frequency_value") {
            KEPT_FREQUENCY
        } else if fine {
            KEPT_FINE
        } else {
            KEPT
        };
        let oldest = self.months_ago(months);
        if since < oldest {
            let text = format!(
                "(#3018) The start date of the time range cannot be beyond {months} months from the current date: {oldest}"
            );
            return Err(Refusal::new(3018, text));
        }
        Ok(())
    }
    /// What only a report run may ask: reach with breakdowns beyond thirteen months, and the mmm breakdown.
    pub(super) fn at_once(&self, params: &Params, since: Day) -> Result<(), Refusal> {
        let breakdowns = params.list("breakdowns").unwrap_or_default();
        let fields = params.list("fields").unwrap_or_default();
        let reach = fields.iter().any(|f| f == "reach" || f == "frequency");
        let old = since < self.months_ago(KEPT_FINE);
        if breakdowns.iter().any(|b| b == "mmm") || (reach && old && !breakdowns.is_empty()) {
            let text = "(#100) This data is only available through an asynchronous report run.";
            return Err(Refusal::new(100, text));
        }
        Ok(())
    }
    /// About how many rows a query comes to.
    pub(super) fn size_of(&self, query: &Query, scope: Option<Id>) -> usize {
        let (since, until) = query.span();
        let mine = |adset: Id| {
            let Some(scope) = scope else { return true };
            let kind = self.nodes.get(&scope).map(|n| n.kind);
            let campaign = self.nodes.get(&adset).map(|n| n.campaign);
            match kind {
                Some(Kind::Campaign) => campaign == Some(scope),
                Some(Kind::AdSet) => adset == scope,
                _ => true,
            }
        };
        let rows = self.rows.range((since, 0)..=(until, Id::MAX)).filter(|((_, id), _)| mine(*id));
        rows.count().saturating_mul(query.slices().max(1))
    }
    /// A synchronous answer that would be too large: less must be asked (code 1), or far less (100/1487534).
    pub(super) fn light_enough(&self, size: usize) -> Result<(), Refusal> {
        if size > self.options.report_rows {
            return Err(super::catalogue::called(100, Some(1_487_534)));
        }
        if size > self.options.sync_rows {
            let text =
                "Please reduce the amount of data you're asking for, then retry your request";
            let mut refusal = Refusal::new(1, text);
            refusal.status = 500;
            return Err(refusal);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(name: &str, list: &[&str]) -> Params {
        let mut params = Params::default();
        params.set(name, json!(list));
        params
    }

    #[test]
    fn breakdowns_go_together_within_a_family_only() {
        assert!(names(&asked("breakdowns", &["age", "gender"])).is_ok());
        assert!(names(&asked("breakdowns", &["publisher_platform", "impression_device"])).is_ok());
        let mixed = names(&asked("breakdowns", &["age", "country"])).unwrap_err();
        assert_eq!((mixed.code, mixed.subcode), (2, Some(1_504_041)));
        assert_eq!(names(&asked("breakdowns", &["shoe_size"])).unwrap_err().code, 100);
        assert_eq!(
            names(&asked("action_attribution_windows", &["2d_click"])).unwrap_err().code,
            100
        );
    }
}
