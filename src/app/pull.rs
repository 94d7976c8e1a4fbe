//! Reads the account: its state, its campaigns, and daily rows with a trailing re-read.
//!
//! Meta restates a day for up to 28 days, so the last 28 days are read again each time; a row that changed becomes
//! another version. The sum over the ad sets is held against the account's own total per day.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    app::{AppError, Desk, Result, journal},
    domain::{AccountInfo, Day, DayRange, Tree},
    ports::{Clock, MetaRead, Record, Store, store::SavedInsights},
};

/// Days Meta may still restate (Marketing API, Insights best practices).
pub const RESTATED_DAYS: i64 = 28;
/// Days the first pull reads when nothing else is asked for: enough for rung choice, dispersion and probation.
pub const FIRST_PULL_DAYS: i64 = 120;
/// Oldest day Meta keeps, in days: 37 months, less a margin for months of different length.
const RETENTION_DAYS: i64 = 37 * 30;

/// Name of the note that tells when insights were last read completely, in milliseconds.
pub const READ_NOTE: &str = "insights_read";

/// What a pull brought.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// The account as it is now.
    pub account: AccountInfo,
    /// Campaigns with their ad sets and ads.
    pub trees: Vec<Tree>,
    /// The days read.
    pub range: DayRange,
    /// What was new.
    pub saved: SavedInsights,
    /// Days on which the ad sets do not add up to the account, in minor units: account less ad sets.
    pub unexplained: BTreeMap<Day, i64>,
}

/// Pulls everything; `since` widens the range of days to read.
pub async fn pull<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    since: Option<Day>,
) -> Result<Pulled> {
    let account_id = desk.meta.account_id();
    let account = desk.meta.account().await?;
    check_same_account(desk.store.account(account_id).await?.as_ref(), &account)?;
    let trees = desk.meta.trees(&[]).await?;
    let range = range_to_read(desk, &account, since).await?;
    let pulled = desk.meta.insights(range).await?;
    let total = desk.meta.account_spend(range).await?;
    let unexplained = unexplained(&pulled.rows, total);
    let saved =
        desk.store.save_insights(account_id, range, &pulled.rows, pulled.fetched_at).await?;

    let now = desk.clock.now();
    let mut batch = vec![Record::Account(Box::new(account.clone()), now)];
    batch.extend(trees.iter().map(|t| Record::Tree(Box::new(t.clone()))));
    batch.push(Record::Note {
        key: READ_NOTE.to_owned(),
        value: pulled.fetched_at.millis().to_string(),
    });
    batch.push(journal::audit(
        now,
        "pulled",
        desk.actor,
        json!({
            "since": range.since(), "until": range.until(), "campaigns": trees.len(),
            "rows": pulled.rows.len(), "new": saved.new, "restated": saved.restated,
            "unexplained_days": unexplained.len(),
        }),
    ));
    desk.store.commit(batch).await?;
    tracing::info!(
        since = %range.since(), until = %range.until(), campaigns = trees.len(),
        new = saved.new, restated = saved.restated, "pulled insights",
    );
    Ok(Pulled { account, trees, range, saved, unexplained })
}

fn check_same_account(before: Option<&AccountInfo>, now: &AccountInfo) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    if before.currency != now.currency {
        let (was, is) = (before.currency, now.currency);
        return Err(AppError::AccountChanged(format!(
            "the account's currency changed from {was} to {is}"
        )));
    }
    if before.zone != now.zone {
        let (was, is) = (&before.zone, &now.zone);
        return Err(AppError::AccountChanged(format!(
            "the account's time zone changed from {was} to {is}"
        )));
    }
    Ok(())
}

async fn range_to_read<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    account: &AccountInfo,
    since: Option<Day>,
) -> Result<DayRange> {
    let today = account.zone.day_of(desk.clock.now());
    let oldest = today.plus(-RETENTION_DAYS);
    let window = DayRange::new(oldest, today).expect("the oldest day kept lies before today");
    let reads = desk.store.coverage(desk.meta.account_id(), window, None).await?;
    let newest_day = reads.iter().map(|c| c.range.until()).max();
    // After a gap (the program was off) everything since the last day read, less what may be restated, is read.
    let usual = match newest_day {
        Some(day) => day.min(today).plus(-RESTATED_DAYS),
        None => today.plus(-FIRST_PULL_DAYS),
    };
    let first = since.map_or(usual, |day| day.min(usual)).max(oldest);
    Ok(DayRange::new(first, today).unwrap_or(window))
}

fn unexplained(
    rows: &[crate::domain::InsightRow],
    mut total: BTreeMap<Day, i64>,
) -> BTreeMap<Day, i64> {
    for row in rows {
        let left = total.entry(row.day).or_insert(0);
        *left = left.saturating_sub(row.spend.minor());
    }
    total.retain(|_, left| *left != 0);
    total
}
