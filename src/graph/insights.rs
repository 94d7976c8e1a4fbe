//! Daily rows, a part of the days at a time.
//!
//! How many days one request asks for is learned from what the account holds. What is too much is halved: first the
//! page, then the days; a single day that is still too much is asked of a report run, and at last by some ad sets at a
//! time. No page is kept once it was handed out, so memory does not grow with the account.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::atomic::Ordering,
};

use serde_json::{Value, json};

use super::{
    Link,
    error::{body_of, plain},
    fields,
    link::is_too_much,
    page::{Step, Steps, by_id},
    read::{ADSET_STATUSES, filter, senseless},
    wire,
};
use crate::{
    domain::{Currency, Day, DayRange, InsightRow},
    ports::{
        MetaClass, MetaError, Request, Response, Transport,
        meta::{InsightPage, InsightPages},
    },
};

/// Days the first request asks for.
pub(super) const FIRST_DAYS: i64 = 30;
/// Most days of one request.
const MOST_DAYS: i64 = 90;
/// Rows of a page at first, and the fewest worth asking for.
const ROWS: u32 = 500;
const FEWEST_ROWS: u32 = 100;
/// Pages of a part of the days beyond which the next part is made smaller.
const MANY_PAGES: usize = 8;
/// Ad sets asked for by name at a time.
const SETS: usize = 50;
/// Answers that took Meta too long, which smaller pages do not cure but a report run does.
const TIMED_OUT: [i64; 2] = [1_504_018, 1_504_038];

/// The days of one part, under way.
#[derive(Debug)]
struct Open {
    days: DayRange,
    /// Ad sets asked for by name, some at a time; empty = the whole account at once.
    sets: VecDeque<Vec<String>>,
    /// A report run that holds the rows.
    run: Option<String>,
    after: Option<String>,
    steps: Steps,
    seen: BTreeSet<(Day, u128)>,
    duplicates: usize,
    restarts: u32,
}

impl Open {
    fn new(days: DayRange) -> Self {
        Self {
            days,
            sets: VecDeque::new(),
            run: None,
            after: None,
            steps: Steps::new(),
            seen: BTreeSet::new(),
            duplicates: 0,
            restarts: 0,
        }
    }
    /// From the first page of these ad sets again; what was handed out of them is known and not handed out twice.
    fn rewind(&mut self) {
        self.after = None;
        self.steps = Steps::new();
    }
}

/// A read of daily rows under way.
#[derive(Debug)]
pub struct Pages<'a, T> {
    link: &'a Link<T>,
    /// The first day nobody has asked for yet.
    next: Day,
    until: Day,
    open: Option<Open>,
    /// What was handed out of the open part comes again.
    again: bool,
    /// Rows asked per page; once it was too much it stays smaller.
    pub(super) limit: u32,
    /// False once some days were too much: then parts do not grow again.
    grows: bool,
}

impl<'a, T: Transport> Pages<'a, T> {
    pub(super) fn new(link: &'a Link<T>, range: DayRange) -> Self {
        let (next, until) = (range.since(), range.until());
        Self { link, next, until, open: None, again: false, limit: ROWS, grows: true }
    }

    /// The next part of the days, if any is left.
    fn begin(&mut self) -> Option<Open> {
        let days = self.link.days_at_once.load(Ordering::Relaxed).clamp(1, MOST_DAYS);
        let last = self.next.plus(days - 1).min(self.until);
        let range = DayRange::new(self.next, last)?;
        self.next = last.plus(1);
        Some(Open::new(range))
    }

    /// The days are read in another way, from the beginning: the caller forgets what it was given of them.
    fn begin_anew(&mut self, open: &mut Open) {
        self.again |= !open.seen.is_empty();
        open.seen.clear();
        open.rewind();
    }

    /// One page of the open part: its rows and what comes after it.
    async fn page(&self, open: &mut Open) -> Result<(Vec<InsightRow>, Step), MetaError> {
        let what = self.link.insights_of(open.days);
        let currency = self.link.currency().await?;
        let mut request = if let Some(run) = &open.run {
            Request::get(self.link.path(&format!("{run}/insights")))
        } else {
            let mut request = Request::get(self.link.edge("insights"));
            request.query = params(open.days, open.sets.front());
            request
        };
        request = request.with("limit", self.limit.to_string());
        if let Some(cursor) = &open.after {
            request = request.with("after", cursor);
        }
        let read = |what: &str, response: &Response| rows_of(what, response, currency);
        let (rows, next, after) = self.link.get_as(&what, request, read).await?;
        let lost = |e: super::PageError| plain(MetaClass::Lost, &what, e.to_string());
        let step = open.steps.step(rows.len(), next.as_deref(), after.as_deref()).map_err(lost)?;
        Ok((rows, step))
    }

    /// Makes a part that was too much smaller, or asks for it in another way; gives the error back when nothing is left
    /// to try.
    async fn lighten(&mut self, open: &mut Open, error: MetaError) -> Result<(), MetaError> {
        let timed_out = error.subcode.is_some_and(|sub| TIMED_OUT.contains(&sub));
        if self.limit > FEWEST_ROWS && !(timed_out && open.run.is_none()) {
            self.limit = (self.limit / 2).max(FEWEST_ROWS);
            return Ok(());
        }
        let what = self.link.insights_of(open.days);
        if open.run.is_none() && open.sets.is_empty() && (timed_out || open.days.len() == 1) {
            tracing::debug!(what, "asking for a report run: {error}");
            match self.link.report(&what, params(open.days, None)).await {
                Ok(run) => {
                    self.begin_anew(open);
                    open.run = Some(run);
                    return Ok(());
                }
                Err(error) if is_too_much(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if self.halve(open) {
            return Ok(());
        }
        // One day is too much: some ad sets at a time, then fewer.
        let Some(batch) = open.sets.pop_front() else {
            let all = self.link.adset_ids().await?;
            open.sets = all.chunks(SETS).map(<[String]>::to_vec).collect();
            open.run = None;
            self.begin_anew(open);
            return if open.sets.is_empty() { Err(error) } else { Ok(()) };
        };
        if batch.len() < 2 {
            return Err(error);
        }
        let (left, right) = batch.split_at(batch.len() / 2);
        open.sets.push_front(right.to_vec());
        open.sets.push_front(left.to_vec());
        open.rewind();
        Ok(())
    }

    /// Goes on with the first half of the days; the rest is asked for later. False for a single day.
    fn halve(&mut self, open: &mut Open) -> bool {
        let half = (open.days.len() + 1) / 2;
        let days = DayRange::new(open.days.since(), open.days.since().plus(half - 1));
        let Some(days) = days.filter(|_| open.days.len() > 1) else { return false };
        self.link.days_at_once.store(half, Ordering::Relaxed);
        self.next = days.until().plus(1);
        self.again |= !open.seen.is_empty();
        self.grows = false;
        *open = Open::new(days);
        true
    }

    /// What an error means for the read: a lighter or a fresh attempt, or its end.
    async fn recover(&mut self, open: &mut Open, error: MetaError) -> Result<Recovered, MetaError> {
        match error.code {
            // An expired cursor: the part begins anew, once.
            Some(2642) if open.restarts == 0 && open.after.is_some() => {
                open.restarts += 1;
                open.rewind();
                Ok(Recovered::Going)
            }
            // Days beyond what Meta keeps: the others are still there.
            Some(3018) => {
                if self.halve(open) {
                    return Ok(Recovered::Going);
                }
                tracing::warn!("{} lies beyond what Meta keeps", open.days.since());
                Ok(Recovered::Nothing)
            }
            _ if is_too_much(&error) => {
                self.lighten(open, error).await?;
                Ok(Recovered::Going)
            }
            _ => Err(error),
        }
    }

    /// After the last page of a part: the next ad sets of the same days, or the end of it.
    fn finish(&self, open: &mut Open) -> Option<DayRange> {
        let pages = open.steps.pages();
        open.sets.pop_front();
        if !open.sets.is_empty() {
            open.rewind();
            return None;
        }
        let days = open.days.len();
        let wanted = match pages {
            0 | 1 if self.grows => days * 2,
            n if n > MANY_PAGES => days / 2,
            _ => days,
        };
        // A short part at the end of the range says nothing about how many days are too many.
        let known = self.link.days_at_once.load(Ordering::Relaxed);
        if days == known || wanted < known && pages > 1 {
            self.link.days_at_once.store(wanted.clamp(1, MOST_DAYS), Ordering::Relaxed);
        }
        if open.duplicates > 0 {
            let what = self.link.insights_of(open.days);
            tracing::warn!(what, duplicates = open.duplicates, "rows came more than once");
        }
        Some(open.days)
    }
}

/// What became of a page that failed.
enum Recovered {
    Going,
    Nothing,
}

impl<T: Transport> InsightPages for Pages<'_, T> {
    async fn next(&mut self) -> Result<Option<InsightPage>, MetaError> {
        loop {
            let open = self.open.take().or_else(|| self.begin());
            let Some(mut open) = open else { return Ok(None) };
            let (mut rows, step) = match self.page(&mut open).await {
                Ok(page) => page,
                Err(error) => {
                    if let Recovered::Going = self.recover(&mut open, error).await? {
                        self.open = Some(open);
                    }
                    continue;
                }
            };
            let came = rows.len();
            let days = open.days;
            let fresh = |row: &InsightRow, seen: &mut BTreeSet<(Day, u128)>| {
                let set = row.adset.as_str().parse().unwrap_or(u128::MAX);
                seen.insert((row.day, set))
            };
            rows.retain(|row| days.contains(row.day) && fresh(row, &mut open.seen));
            open.duplicates += came - rows.len();
            let done = match step {
                Step::Next(cursor) => {
                    open.after = Some(cursor);
                    None
                }
                Step::End => self.finish(&mut open),
            };
            if done.is_none() {
                self.open = Some(open);
            }
            let again = std::mem::take(&mut self.again);
            return Ok(Some(InsightPage { rows, fetched_at: self.link.clock.now(), again, done }));
        }
    }
}

/// Parameters of a read of the ad sets' days. Lists by ad set leave archived and deleted ones out, although the account's
/// totals hold them, unless every status is named.
fn params(days: DayRange, sets: Option<&Vec<String>>) -> Vec<(String, String)> {
    let mut conditions = vec![filter("adset.effective_status", "IN", &json!(ADSET_STATUSES))];
    if let Some(sets) = sets {
        conditions.push(filter("adset.id", "IN", &json!(sets)));
    }
    let mut params = common("adset", fields::INSIGHTS, days);
    params.push(("filtering".to_owned(), Value::Array(conditions).to_string()));
    params
}

fn common(level: &str, fields: &str, days: DayRange) -> Vec<(String, String)> {
    let time = json!({"since": days.since().to_string(), "until": days.until().to_string()});
    [
        ("level", level.to_owned()),
        ("fields", fields.to_owned()),
        ("time_range", time.to_string()),
        ("time_increment", "1".to_owned()),
        ("action_attribution_windows", fields::WINDOWS.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Rows of a page with `paging.next` and the cursor after it.
type PageRows = (Vec<InsightRow>, Option<String>, Option<String>);

fn rows_of(what: &str, response: &Response, currency: Currency) -> Result<PageRows, MetaError> {
    let fine = (200..300).contains(&response.status);
    if fine && let Ok(Some(page)) = wire::insights::Page::read(&response.body) {
        let (next, after) = page.steps();
        let rows = page.rows(currency).map_err(|e| senseless(what, &e))?;
        return Ok((rows, next, after));
    }
    // Not a page of rows: an error, or an answer that makes no sense.
    let body = body_of(what, response)?;
    let why = match wire::insights::Page::read(body.to_string().as_bytes()) {
        Err(e) => e.to_string(),
        Ok(_) => super::PageError::NoData { page: 1 }.to_string(),
    };
    Err(plain(MetaClass::Lost, what, why))
}

impl<T: Transport> Link<T> {
    pub(super) async fn read_account_spend(
        &self,
        range: DayRange,
    ) -> Result<BTreeMap<Day, i64>, MetaError> {
        let currency = self.currency().await?;
        let mut todo = VecDeque::from(chunks(range, MOST_DAYS));
        let mut spend = BTreeMap::new();
        while let Some(days) = todo.pop_front() {
            let what = self.insights_of(days);
            let mut request = Request::get(self.edge("insights"));
            request.query = common("account", fields::ACCOUNT_INSIGHTS, days);
            let rows = match self.list(&what, request, wire::insights::key).await {
                Ok(rows) => rows,
                Err(error)
                    if days.len() > 1 && (is_too_much(&error) || error.code == Some(3018)) =>
                {
                    for half in chunks(days, (days.len() + 1) / 2).into_iter().rev() {
                        todo.push_front(half);
                    }
                    continue;
                }
                Err(MetaError { code: Some(3018), .. }) => continue,
                Err(error) => return Err(error),
            };
            for row in &rows {
                let row = wire::insights::account_row(row, currency);
                let (day, minor) = row.map_err(|e| senseless(&what, &e))?;
                if days.contains(day) {
                    spend.insert(day, minor);
                }
            }
        }
        Ok(spend)
    }

    /// Ids of every ad set of the account, whatever its status.
    async fn adset_ids(&self) -> Result<Vec<String>, MetaError> {
        let what = format!("read the ad sets of {}", self.options.account);
        let request = Request::get(self.edge("adsets"))
            .with("fields", "id")
            .with("effective_status", json!(ADSET_STATUSES).to_string());
        Ok(self.list(&what, request, by_id).await?.iter().filter_map(by_id).collect())
    }

    fn insights_of(&self, range: DayRange) -> String {
        let (since, until) = (range.since(), range.until());
        format!("read insights of {} from {since} to {until}", self.options.account)
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
