//! Reads the account: its state, its campaigns, and daily rows.
//!
//! Meta restates a day for up to 28 days after its close, so a day is read again until a read of it was made after that;
//! a row that changed becomes another version. What cannot have changed is not read: final days never again, settled
//! ones once a day. Rows are kept as they come, some thousand at a time, and a day counts as read only when all of it
//! is there: a pull that is cut off goes on where it stood. The sum over the ad sets is held against the account's own
//! total per day.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    app::{AppError, Desk, Result, journal},
    domain::{AccountInfo, DAY_MS, Day, DayRange, HOUR_MS, InsightRow, Moment, Money, Tree},
    ports::{
        Clock, MetaRead, Record, Store,
        meta::{InsightPage, InsightPages as _},
        store::{CoverageRow, SavedInsights},
    },
};

/// Days Meta may still restate (Marketing API, Insights best practices).
pub const RESTATED_DAYS: i64 = 28;
/// Days the first pull reads when nothing else is asked for: enough for rung choice, dispersion and probation.
pub const FIRST_PULL_DAYS: i64 = 120;
/// Months Meta keeps totals for (Marketing API, Insights best practices).
const KEPT_MONTHS: i32 = 37;
/// A settled day that was read within this time is not read again.
const ONCE_A_DAY_MS: i64 = 20 * HOUR_MS;
/// Rows kept in memory before they are written.
const BULK: usize = 4_000;

/// Name of the note that tells when insights were last read completely, in milliseconds.
pub const READ_NOTE: &str = "insights_read";
/// Name of the note with the oldest day that is wanted: a backfill that was cut off is taken up from there.
const WANTED_NOTE: &str = "insights_wanted";
/// Name of the note that tells how the account differed from what is stored when it was last read.
const CHANGED_NOTE: &str = "account_changed";
/// Name of the note with the settled days whose ad sets do not add up to the account, in minor units.
const UNEXPLAINED_NOTE: &str = "insights_unexplained";

/// What a pull brought.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// The account as it is now.
    pub account: AccountInfo,
    /// Campaigns with their ad sets and ads.
    pub trees: Vec<Tree>,
    /// The days looked at; those that cannot have changed were not read again.
    pub range: DayRange,
    /// What was new.
    pub saved: SavedInsights,
    /// Closed days on which the ad sets do not add up to the account, in minor units: account less ad sets.
    pub unexplained: BTreeMap<Day, i64>,
}

/// How far a pull has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Days read completely.
    pub days: i64,
    /// Days to read.
    pub of: i64,
    /// Rows that came.
    pub rows: u64,
}

/// Pulls everything; `since` widens the range of days to read.
pub async fn pull<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    since: Option<Day>,
) -> Result<Pulled> {
    pull_and_tell(desk, since, |_| ()).await
}

/// The same, telling how far it has come.
pub async fn pull_and_tell<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    since: Option<Day>,
    tell: impl FnMut(Progress) + Send,
) -> Result<Pulled> {
    let account_id = desk.meta.account_id();
    let account = desk.meta.account().await?;
    let same = check_same_account(desk.store.account(account_id).await?.as_ref(), &account);
    remember_change(desk.store, same.as_ref().err()).await?;
    same?;
    let trees = desk.meta.trees(&[]).await?;
    let now = desk.clock.now();
    let today = account.zone.day_of(now);
    let (range, reads) = range_to_read(desk, today, since).await?;
    let parts = parts_to_read(desk, &account, range, &reads, now);
    let mut read = Reading {
        desk,
        account: &account,
        now,
        rows: Vec::new(),
        sums: BTreeMap::new(),
        totals: BTreeMap::new(),
        saved: SavedInsights::default(),
        unexplained: BTreeMap::new(),
        unsettled: BTreeMap::new(),
        progress: Progress { days: 0, of: parts.iter().map(|p| p.len()).sum(), rows: 0 },
        tell,
    };
    for part in &parts {
        read.part(*part).await?;
    }
    let (saved, unexplained) = (read.saved, read.unexplained);
    let (rows, unsettled) = (read.progress.rows, read.unsettled);

    let read_at = desk.clock.now();
    let mut batch = vec![Record::Account(Box::new(account.clone()), read_at)];
    batch.extend(trees.iter().map(|t| Record::Tree(Box::new(t.clone()))));
    batch.push(note(READ_NOTE, read_at.millis().to_string()));
    batch.push(note(WANTED_NOTE, String::new()));
    batch.push(still_unexplained(desk, &parts, unsettled).await?);
    batch.push(journal::audit(
        read_at,
        "pulled",
        desk.actor,
        json!({
            "since": range.since(), "until": range.until(), "campaigns": trees.len(),
            "rows": rows, "new": saved.new, "restated": saved.restated,
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

fn note(key: &str, value: String) -> Record {
    Record::Note { key: key.to_owned(), value }
}

/// The reading of daily rows: what has come, and what it adds up to.
struct Reading<'a, S, R, C, F> {
    desk: Desk<'a, S, R, C>,
    account: &'a AccountInfo,
    now: Moment,
    /// Rows not written yet.
    rows: Vec<InsightRow>,
    /// Spend and number of the rows of days not done yet.
    sums: BTreeMap<Day, (i64, i64)>,
    /// The account's own totals.
    totals: BTreeMap<Day, i64>,
    saved: SavedInsights,
    unexplained: BTreeMap<Day, i64>,
    /// The settled ones among them that rounding does not explain.
    unsettled: BTreeMap<Day, i64>,
    progress: Progress,
    tell: F,
}

impl<S: Store, R: MetaRead, C: Clock, F: FnMut(Progress) + Send> Reading<'_, S, R, C, F> {
    async fn part(&mut self, range: DayRange) -> Result<()> {
        self.totals = self.desk.meta.account_spend(range).await?;
        let meta = self.desk.meta;
        let mut pages = meta.insights(range);
        while let Some(page) = pages.next().await? {
            self.take(page).await?;
        }
        Ok(())
    }

    async fn take(&mut self, page: InsightPage) -> Result<()> {
        if page.again {
            self.rows.clear();
            self.sums.clear();
        }
        self.progress.rows = self.progress.rows.saturating_add(page.rows.len() as u64);
        for row in &page.rows {
            let (spend, rows) = self.sums.entry(row.day).or_insert((0, 0));
            *spend = spend.saturating_add(row.spend.minor());
            *rows += 1;
        }
        self.rows.extend(page.rows);
        let (store, id) = (self.desk.store, self.desk.meta.account_id());
        let saved = match page.done {
            Some(days) => store.save_insights(id, days, &self.rows, page.fetched_at).await?,
            None if self.rows.len() >= BULK => {
                store.add_insights(id, &self.rows, page.fetched_at).await?
            }
            None => return Ok(()),
        };
        self.rows.clear();
        self.saved.new += saved.new;
        self.saved.restated += saved.restated;
        self.saved.unchanged += saved.unchanged;
        if let Some(days) = page.done {
            self.reconcile(days);
            self.progress.days += days.len();
        }
        (self.tell)(self.progress);
        Ok(())
    }

    /// Holds days that are done against the account's totals. The current day moves between two reads.
    fn reconcile(&mut self, days: DayRange) {
        let settle_ms = self.desk.policy.compare.settle_ms;
        for day in days.iter() {
            let (sum, rows) = self.sums.remove(&day).unwrap_or((0, 0));
            let left = self.totals.get(&day).copied().unwrap_or(0).saturating_sub(sum);
            let zone = &self.account.zone;
            if left == 0 || !zone.is_closed(day, self.now, 0) {
                continue;
            }
            self.unexplained.insert(day, left);
            // Meta rounds each row and the total by itself: half a minor unit a row is nobody's mistake.
            if zone.is_closed(day, self.now, settle_ms) && left.saturating_abs() * 2 > rows + 1 {
                self.unsettled.insert(day, left);
            }
        }
    }
}

/// The note of settled days that do not add up: what was read now, and what was found before on days not read again.
async fn still_unexplained<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    parts: &[DayRange],
    found: BTreeMap<Day, i64>,
) -> Result<Record> {
    let mut all = unexplained(desk.store).await?;
    all.retain(|day, _| !parts.iter().any(|p| p.contains(*day)));
    all.extend(found);
    for (day, minor) in &all {
        tracing::warn!(%day, minor, "the ad sets do not add up to the account");
    }
    Ok(note(UNEXPLAINED_NOTE, json!(all).to_string()))
}

async fn unexplained<S: Store>(store: &S) -> Result<BTreeMap<Day, i64>> {
    let text = store.note(UNEXPLAINED_NOTE).await?;
    Ok(text.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default())
}

/// Why no decision may rest on what was read, day by day: the ad sets do not add up to the account.
pub async fn unreconciled<S: Store>(
    store: &S,
    account: &AccountInfo,
    now: Moment,
) -> Result<Vec<String>> {
    // As far back as a comparison looks.
    let oldest = account.zone.day_of(now).plus(-RESTATED_DAYS * 2);
    let days = unexplained(store).await?.into_iter().filter(|(day, _)| *day >= oldest);
    let say = |(day, minor): (Day, i64)| {
        let money = Money::from_minor(minor, account.currency);
        format!("on {day} the ad sets and the account differ by {money}")
    };
    Ok(days.map(say).collect())
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

/// True when the account, as it was last read, had another currency or zone than the plans in hand were made for.
pub async fn has_changed<S: Store>(store: &S) -> Result<bool> {
    Ok(store.note(CHANGED_NOTE).await?.is_some_and(|text| !text.is_empty()))
}

/// Keeps what the last read of the account said: a later pass may not be able to read it at all.
async fn remember_change<S: Store>(store: &S, changed: Option<&AppError>) -> Result<()> {
    let text = changed.map(ToString::to_string).unwrap_or_default();
    if store.note(CHANGED_NOTE).await?.unwrap_or_default() == text {
        return Ok(());
    }
    match (store.commit(vec![note(CHANGED_NOTE, text)]).await, changed) {
        // What it came for must be told even where nothing can be stored.
        (Err(e), Some(_)) => tracing::warn!("cannot keep what the account read said: {e}"),
        (done, _) => done?,
    }
    Ok(())
}

/// The days looked at, and what is known of them.
async fn range_to_read<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    today: Day,
    since: Option<Day>,
) -> Result<(DayRange, Vec<CoverageRow>)> {
    let oldest = today.months_before(KEPT_MONTHS);
    let window = DayRange::new(oldest, today).expect("the oldest day kept lies before today");
    let reads = desk.store.coverage(desk.meta.account_id(), window, None).await?;
    let newest_day = reads.iter().map(|c| c.range.until()).max();
    // After a gap (the program was off) everything since the last day read, less what may be restated, is read.
    let usual = match newest_day {
        // One day more, so that each day is read once after it has become final.
        Some(day) => day.min(today).plus(-RESTATED_DAYS - 1),
        None => today.plus(-FIRST_PULL_DAYS),
    };
    let unfinished = desk.store.note(WANTED_NOTE).await?.and_then(|t| t.parse::<Day>().ok());
    let wanted = [since, unfinished].into_iter().flatten().min().unwrap_or(usual);
    let first = wanted.min(usual).max(oldest);
    if unfinished != Some(first) && first < usual {
        desk.store.commit(vec![note(WANTED_NOTE, first.to_string())]).await?;
    }
    Ok((DayRange::new(first, today).unwrap_or(window), reads))
}

/// The days among them that are read: never read, still moving, or settled but not read since yesterday.
fn parts_to_read<S, R, C>(
    desk: Desk<'_, S, R, C>,
    account: &AccountInfo,
    range: DayRange,
    reads: &[CoverageRow],
    now: Moment,
) -> Vec<DayRange> {
    let mut newest: BTreeMap<Day, Moment> = BTreeMap::new();
    for read in reads {
        let first = read.range.since().max(range.since());
        let days = DayRange::new(first, read.range.until().min(range.until()));
        for day in days.into_iter().flat_map(DayRange::iter) {
            let slot = newest.entry(day).or_insert(read.fetched_at);
            *slot = (*slot).max(read.fetched_at);
        }
    }
    let settle_ms = desk.policy.compare.settle_ms;
    let known = |day: Day| {
        let Some(read) = newest.get(&day) else { return false };
        let age = read.since(account.zone.end_of(day));
        age >= RESTATED_DAYS * DAY_MS || age >= settle_ms && now.since(*read) < ONCE_A_DAY_MS
    };
    let mut parts: Vec<DayRange> = Vec::new();
    for day in range.iter().filter(|day| !known(*day)) {
        let joined = parts.pop().filter(|p| {
            p.until().plus(1) == day || {
                parts.push(*p);
                false
            }
        });
        let since = joined.map_or(day, DayRange::since);
        parts.extend(DayRange::new(since, day));
    }
    parts
}
