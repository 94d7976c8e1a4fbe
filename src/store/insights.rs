//! Daily rows as seen at: versions are added, never overwritten.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, SqliteConnection};

use super::{
    commit::{Statement, run},
    dialect, doc,
    error::{document, failed},
    hook::Change,
    rows::Got,
    sql,
    sqlite::SqliteStore,
};
use crate::planted::{Bug, bug};
use crate::{
    domain::{ByName, CampaignId, Day, DayRange, InsightRow, Moment, Money, SeenRow},
    ports::{
        StoreError,
        store::{CoverageRow, SavedInsights},
    },
};

/// Rows fetched at a time: what a stream holds in memory.
const PAGE: i64 = 1_000;

/// A row ready to be stored, with the digest that tells versions apart.
struct Packed {
    actions: Vec<u8>,
    amounts: Vec<u8>,
    digest: String,
}

fn pack(row: &InsightRow) -> Result<Packed, StoreError> {
    let actions = doc::plain("insight actions", &row.actions)?;
    let amounts = doc::plain("insight values", &row.values)?;
    let mut hash = Sha256::new();
    for number in [
        row.spend.minor().to_be_bytes(),
        row.impressions.to_be_bytes(),
        row.link_clicks.to_be_bytes(),
    ] {
        hash.update(number);
    }
    let currency = row.spend.currency();
    let texts = [row.campaign.as_str(), currency.as_str(), &row.attribution].map(str::as_bytes);
    for part in texts.into_iter().chain([actions.as_slice(), amounts.as_slice()]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Ok(Packed { actions, amounts, digest: HEXLOWER.encode(&hash.finalize()) })
}

/// The explicit windows counted in a row, joined by commas.
fn windows(row: &InsightRow) -> String {
    let mut keys: Vec<&str> = Vec::new();
    for key in row.actions.values().flat_map(|count| count.windows.keys()) {
        if let Err(place) = keys.binary_search(&key) {
            keys.insert(place, key);
        }
    }
    keys.join(",")
}

/// One transaction: the rows that are new or differ, and the fact that `covered` was read completely. A caller that
/// stops waiting leaves all of it or nothing.
pub(crate) async fn save(
    store: &SqliteStore,
    covered: Option<DayRange>,
    rows: &[InsightRow],
    fetched_at: Moment,
) -> Result<SavedInsights, StoreError> {
    let doing = "saving insights";
    store.agent_only(doing)?;
    if let Some(range) = covered
        && let Some(row) = rows.iter().find(|row| !range.contains(row.day))
    {
        let why = format!("it lies outside {} to {}", range.since(), range.until());
        return Err(document(format!("insight of {}", row.day), &why));
    }
    let change = Change::Insights { range: covered, rows: rows.len(), fetched_at };
    store.before(change)?;
    let all = async |conn: &mut SqliteConnection| {
        save_all(conn, store.key(), covered, rows, fetched_at).await
    };
    let saved = store.change(doing, all).await?;
    store.after(change)?;
    Ok(saved)
}

async fn save_all(
    conn: &mut SqliteConnection,
    account: &str,
    covered: Option<DayRange>,
    rows: &[InsightRow],
    fetched_at: Moment,
) -> Result<SavedInsights, StoreError> {
    let mut saved = SavedInsights::default();
    let mut fresh = Vec::new();
    for rows in blocks(rows) {
        compare(conn, account, &rows, fetched_at, &mut saved, &mut fresh).await?;
    }
    put(conn, &account.into(), fresh, fetched_at).await?;
    if let Some(range) = covered {
        let put = sqlx::query(sql::COVERAGE_PUT)
            .bind(account)
            .bind(range.since().to_string())
            .bind(range.until().to_string())
            .bind(fetched_at.millis());
        run(conn, "saving insights", put).await?;
    }
    Ok(saved)
}

/// A row to be put, with its day as text.
struct Fresh<'r> {
    row: &'r InsightRow,
    date: Arc<str>,
    packed: Packed,
}

/// The rows in order of day and ad set, in blocks of whole days of which at least half the cells (days times ad sets) have
/// a row: one query tells what is known of a block, and it is not asked for much else.
fn blocks(rows: &[InsightRow]) -> Vec<Vec<&InsightRow>> {
    let mut by_day: BTreeMap<Day, Vec<&InsightRow>> = BTreeMap::new();
    for row in rows {
        by_day.entry(row.day).or_default().push(row);
    }
    let mut blocks: Vec<Vec<&InsightRow>> = Vec::new();
    let mut adsets: BTreeSet<&str> = BTreeSet::new();
    for (day, mut rows) in by_day {
        rows.sort_by(|a, b| a.adset.cmp(&b.adset));
        adsets.extend(rows.iter().map(|row| row.adset.as_str()));
        if let Some(block) = blocks.last_mut()
            && let Some(days) = block.first().and_then(|row| DayRange::new(row.day, day))
            && let Ok(days) = usize::try_from(days.len())
            && days.saturating_mul(adsets.len()) <= (block.len() + rows.len()).saturating_mul(2)
        {
            block.append(&mut rows);
            continue;
        }
        adsets = rows.iter().map(|row| row.adset.as_str()).collect();
        blocks.push(rows);
    }
    blocks
}

/// Digest and age of the newest known version by day and ad set.
type Newest = BTreeMap<String, BTreeMap<String, (String, Moment)>>;

async fn newest(
    conn: &mut SqliteConnection,
    account: &str,
    rows: &[&InsightRow],
) -> Result<Newest, StoreError> {
    let doing = "saving insights";
    let day = |row: Option<&&InsightRow>| row.map_or(String::new(), |row| row.day.to_string());
    let adsets = || rows.iter().map(|row| row.adset.as_str());
    let known = sqlx::query(sql::INSIGHT_DIGESTS)
        .bind(account)
        .bind(day(rows.first()))
        .bind(day(rows.last()))
        .bind(adsets().min().unwrap_or_default().to_owned())
        .bind(adsets().max().unwrap_or_default().to_owned())
        .fetch_all(conn)
        .await
        .map_err(failed(doing))?;
    let mut newest = Newest::new();
    for row in &known {
        let got = Got::new(row, doing);
        let version = (got.text("digest")?, got.moment("seen_at")?);
        newest.entry(got.text("day")?).or_default().insert(got.text("adset")?, version);
    }
    Ok(newest)
}

/// Sorts the rows of a block into new, restated and unchanged ones; unchanged rows cost nothing more.
async fn compare<'r>(
    conn: &mut SqliteConnection,
    account: &str,
    rows: &[&'r InsightRow],
    fetched_at: Moment,
    saved: &mut SavedInsights,
    fresh: &mut Vec<Fresh<'r>>,
) -> Result<(), StoreError> {
    let newest = newest(conn, account, rows).await?;
    let mut date: Arc<str> = "".into();
    let mut dated = None;
    for row in rows {
        if dated != Some(row.day) {
            dated = Some(row.day);
            date = row.day.to_string().into();
        }
        let packed = pack(row)?;
        // Rows come in order of ad set: one that came before in the same read stands right before this one.
        let twin = fresh.last().filter(|f| f.row.day == row.day && f.row.adset == row.adset);
        let same_as = |digest: &str| digest == packed.digest;
        let clash = |at: Moment| {
            let what = format!("ad set {} on {date} as seen at {at}", row.adset);
            Err(StoreError::Conflict { doing: "saving insights", what })
        };
        match (twin, newest.get(&*date).and_then(|day| day.get(row.adset.as_str()))) {
            (Some(twin), _) if same_as(&twin.packed.digest) => {
                saved.unchanged += 1;
                continue;
            }
            (None, Some((digest, _))) if same_as(digest) || bug(Bug::RestatementDropped) => {
                saved.unchanged += 1;
                continue;
            }
            (Some(_), _) => return clash(fetched_at),
            // A version that is not the latest would never be seen: the clock went back.
            (None, Some((_, seen_at))) if *seen_at >= fetched_at => return clash(*seen_at),
            (None, Some(_)) => saved.restated += 1,
            (None, None) => saved.new += 1,
        }
        fresh.push(Fresh { row, date: Arc::clone(&date), packed });
    }
    Ok(())
}

/// Puts rows in bulks, and what is left over one by one.
async fn put(
    conn: &mut SqliteConnection,
    account: &Arc<str>,
    fresh: Vec<Fresh<'_>>,
    fetched_at: Moment,
) -> Result<(), StoreError> {
    let doing = "saving insights";
    let mut left = fresh.into_iter();
    for (size, rows) in sql::INSIGHTS_AT_ONCE.into_iter().enumerate() {
        while left.len() >= rows {
            let many = sqlx::query(sql::insight_put_many(size));
            let mut bulk = left.by_ref().take(rows);
            let many = bulk.try_fold(many, |q, row| bind(q, account, row, fetched_at))?;
            run(conn, doing, many).await?;
        }
    }
    for row in left {
        run(conn, doing, bind(sqlx::query(sql::INSIGHT_PUT), account, row, fetched_at)?).await?;
    }
    Ok(())
}

/// Binds the fourteen columns of a row in the order of [`sql::INSIGHT_PUT`].
fn bind<'q>(
    statement: Statement<'q>,
    account: &Arc<str>,
    Fresh { row, date, packed }: Fresh<'_>,
    fetched_at: Moment,
) -> Result<Statement<'q>, StoreError> {
    let number = |what: &str, n: u64| i64::try_from(n).map_err(|e| document(what, &e));
    Ok(statement
        .bind(Arc::clone(account))
        .bind(date)
        .bind(row.adset.to_string())
        .bind(fetched_at.millis())
        .bind(row.campaign.to_string())
        .bind(row.spend.minor())
        .bind(row.spend.currency().to_string())
        .bind(number("impressions", row.impressions)?)
        .bind(number("link clicks", row.link_clicks)?)
        .bind(row.attribution.clone())
        .bind(windows(row))
        .bind(packed.actions)
        .bind(packed.amounts)
        .bind(packed.digest))
}

/// Values by name: all, or those of `actions` alone.
fn named<V: DeserializeOwned>(
    what: &str,
    bytes: &[u8],
    actions: Option<&[String]>,
) -> Result<ByName<V>, StoreError> {
    match actions {
        None => doc::unplain(what, bytes),
        Some([]) => Ok(ByName::default()),
        Some(actions) => ByName::some_of(bytes, actions).map_err(|e| document(what, &e)),
    }
}

fn seen_row(got: &Got<'_>, actions: Option<&[String]>) -> Result<SeenRow, StoreError> {
    let row = InsightRow {
        adset: got.parsed("adset")?,
        campaign: got.parsed("campaign")?,
        day: got.parsed("day")?,
        spend: Money::from_minor(got.int("spend_minor")?, got.parsed("currency")?),
        impressions: got.count("impressions")?,
        link_clicks: got.count("link_clicks")?,
        attribution: got.text("attribution")?,
        actions: named("insight actions", got.bytes("actions")?, actions)?,
        values: named("insight values", got.bytes("amounts")?, actions)?,
    };
    Ok(SeenRow { seen_at: got.moment("seen_at")?, row })
}

/// Which rows a walk visits.
struct Walk<'a> {
    account: &'a str,
    campaign: Option<&'a CampaignId>,
    range: DayRange,
    as_of: i64,
    /// Action types of which counts are read; None = all.
    actions: Option<&'a [String]>,
}

/// Visits rows in order of day and ad set, a page at a time.
async fn walk(
    conn: &mut SqliteConnection,
    walk: &Walk<'_>,
    visit: &mut (impl FnMut(SeenRow) + Send),
) -> Result<(), StoreError> {
    let doing = "reading insights";
    let text = match walk.campaign {
        Some(_) => sql::INSIGHTS_OF_CAMPAIGN_PAGE,
        None => sql::INSIGHTS_PAGE,
    };
    let until = walk.range.until().to_string();
    // No ad set has an empty id, so this place lies before the first row of the first day.
    let (mut day, mut adset) = (walk.range.since().to_string(), String::new());
    loop {
        let mut get = sqlx::query(text)
            .bind(walk.account)
            .bind(&day)
            .bind(&adset)
            .bind(&until)
            .bind(walk.as_of)
            .bind(PAGE);
        if let Some(campaign) = walk.campaign {
            get = get.bind(campaign.as_str());
        }
        let rows = get.fetch_all(&mut *conn).await.map_err(failed(doing))?;
        let more = i64::try_from(rows.len()).unwrap_or(PAGE) == PAGE;
        let mut last = None;
        for row in &rows {
            let seen = seen_row(&Got::new(row, doing), walk.actions)?;
            last = Some((seen.row.day.to_string(), seen.row.adset.to_string()));
            visit(seen);
        }
        match last {
            Some(place) if more => (day, adset) = place,
            _ => return Ok(()),
        }
    }
}

pub(crate) async fn collect(
    store: &SqliteStore,
    campaigns: &[CampaignId],
    range: DayRange,
    as_of: Option<Moment>,
    actions: Option<&[String]>,
) -> Result<Vec<SeenRow>, StoreError> {
    let mut all = Vec::new();
    each(store, campaigns, range, as_of, actions, |row| all.push(row)).await?;
    if campaigns.len() > 1 {
        all.sort_by(|a, b| (a.row.day, &a.row.adset).cmp(&(b.row.day, &b.row.adset)));
    }
    Ok(all)
}

pub(crate) async fn coverage(
    store: &SqliteStore,
    range: DayRange,
    as_of: Option<Moment>,
) -> Result<Vec<CoverageRow>, StoreError> {
    let doing = "reading coverage";
    let get = sqlx::query(sql::COVERAGE_GET)
        .bind(store.key())
        .bind(range.since().to_string())
        .bind(range.until().to_string())
        .bind(as_of.map_or(i64::MAX, Moment::millis));
    let rows = store.rows(doing, get).await?;
    let row = |got: &Got<'_>| {
        let range = DayRange::new(got.parsed("since")?, got.parsed("until")?)
            .ok_or_else(|| document("coverage", &"its days are in the wrong order"))?;
        Ok(CoverageRow { range, fetched_at: got.moment("fetched_at")? })
    };
    rows.iter().map(|r| row(&Got::new(r, doing))).collect()
}

async fn each(
    store: &SqliteStore,
    campaigns: &[CampaignId],
    range: DayRange,
    as_of: Option<Moment>,
    actions: Option<&[String]>,
    mut visit: impl FnMut(SeenRow) + Send,
) -> Result<(), StoreError> {
    let doing = "reading insights";
    let mut conn = store.read_connection(doing).await?;
    let mut tx = conn.begin_with(dialect::BEGIN_READ).await.map_err(failed(doing))?;
    let (account, as_of) = (store.key(), as_of.map_or(i64::MAX, Moment::millis));
    let all = Walk { account, campaign: None, range, as_of, actions };
    if campaigns.is_empty() {
        walk(&mut tx, &all, &mut visit).await?;
    }
    let named: BTreeSet<&CampaignId> = campaigns.iter().collect();
    for campaign in named {
        walk(&mut tx, &Walk { campaign: Some(campaign), ..all }, &mut visit).await?;
    }
    tx.rollback().await.map_err(failed(doing))?;
    conn.done();
    Ok(())
}

impl SqliteStore {
    /// Visits the rows [`crate::ports::Store::insights`] would return without holding them all in memory, from one
    /// state of the database. Ordered by day and ad set within each named campaign, or over all when none is named.
    pub async fn insights_each(
        &self,
        campaigns: &[CampaignId],
        range: DayRange,
        as_of: Option<Moment>,
        visit: impl FnMut(SeenRow) + Send,
    ) -> Result<(), StoreError> {
        each(self, campaigns, range, as_of, None, visit).await
    }
}
