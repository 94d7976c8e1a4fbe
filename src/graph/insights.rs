//! Daily rows, in weeks; a week that is too much is halved.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::{
    Link, fields,
    link::is_too_much,
    read::{filter, senseless},
    wire,
};
use crate::{
    domain::{Day, DayRange},
    ports::{MetaError, Request, Transport, meta::PulledInsights},
};

/// Days of one request.
const CHUNK_DAYS: i64 = 7;
/// Days of one request for rows that are few: archived ad sets, the account's totals.
const LONG_CHUNK_DAYS: i64 = 90;

impl<T: Transport> Link<T> {
    pub(super) async fn read_insights(&self, range: DayRange) -> Result<PulledInsights, MetaError> {
        let currency = self.currency().await?;
        let live = self.daily("adset", fields::INSIGHTS, range, CHUNK_DAYS, None).await?;
        // Lists by ad set leave archived and deleted ones out although the account's totals hold them.
        let gone = filter("adset.effective_status", "IN", &json!(["ARCHIVED", "DELETED"]));
        let gone =
            self.daily("adset", fields::INSIGHTS, range, LONG_CHUNK_DAYS, Some(gone)).await?;
        let what = self.insights_of(range);
        let mut rows = BTreeMap::new();
        for value in live.iter().chain(&gone) {
            let row = wire::insights::row(value, currency).map_err(|e| senseless(&what, &e))?;
            if range.contains(row.day) {
                rows.entry((row.day, row.adset.clone())).or_insert(row);
            }
        }
        let rows = rows.into_values().collect();
        Ok(PulledInsights { range, rows, fetched_at: self.clock.now() })
    }

    pub(super) async fn read_account_spend(
        &self,
        range: DayRange,
    ) -> Result<BTreeMap<Day, i64>, MetaError> {
        let currency = self.currency().await?;
        let rows =
            self.daily("account", fields::ACCOUNT_INSIGHTS, range, LONG_CHUNK_DAYS, None).await?;
        let what = self.insights_of(range);
        let row = |v| wire::insights::account_row(v, currency).map_err(|e| senseless(&what, &e));
        let rows: Result<Vec<(Day, i64)>, MetaError> = rows.iter().map(row).collect();
        Ok(rows?.into_iter().filter(|(day, _)| range.contains(*day)).collect())
    }

    fn insights_of(&self, range: DayRange) -> String {
        let (since, until) = (range.since(), range.until());
        format!("read insights of {} from {since} to {until}", self.options.account)
    }

    async fn daily(
        &self,
        level: &str,
        fields: &str,
        range: DayRange,
        chunk: i64,
        condition: Option<Value>,
    ) -> Result<Vec<Value>, MetaError> {
        let mut todo: VecDeque<DayRange> = chunks(range, chunk).into();
        let mut rows = Vec::new();
        while let Some(part) = todo.pop_front() {
            let time =
                json!({"since": part.since().to_string(), "until": part.until().to_string()});
            let mut request = Request::get(self.edge("insights"))
                .with("level", level)
                .with("fields", fields)
                .with("time_range", time.to_string())
                .with("time_increment", "1")
                .with("action_attribution_windows", fields::WINDOWS);
            if let Some(condition) = &condition {
                request = request.with("filtering", json!([condition]).to_string());
            }
            match self.list(&self.insights_of(part), request, wire::insights::key).await {
                Ok(found) => rows.extend(found),
                Err(error) if is_too_much(&error) && part.len() > 1 => {
                    for half in chunks(part, (part.len() + 1) / 2).into_iter().rev() {
                        todo.push_front(half);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }
}

/// Splits a range into parts of at most `days` days, in order, without gap or overlap.
fn chunks(range: DayRange, days: i64) -> Vec<DayRange> {
    let mut parts = Vec::new();
    let mut since = range.since();
    while since <= range.until() {
        let until = since.plus(days.max(1) - 1).min(range.until());
        parts.extend(DayRange::new(since, until));
        since = until.plus(1);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn chunks_cover_the_range_exactly_once(length in 0_i64..400, days in 1_i64..100) {
            let since = Day::new(2026, 2, 20).unwrap();
            let range = DayRange::new(since, since.plus(length)).unwrap();
            let days_covered: Vec<Day> =
                chunks(range, days).into_iter().flat_map(DayRange::iter).collect();
            proptest::prop_assert_eq!(days_covered, range.iter().collect::<Vec<_>>());
            proptest::prop_assert!(chunks(range, days).iter().all(|c| c.len() <= days));
        }
    }
}
