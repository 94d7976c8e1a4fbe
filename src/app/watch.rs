//! The watch over delivery, every quarter of an hour: pacing of what we run, and shocks of the whole account.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::{
    app::{Desk, Result, facts, hands_off, journal, lines::climb_of, stand_down, standing},
    domain::{
        AccountInfo, CampaignId, Day, DayRange, InsightRow, Moment, Tree, Zone,
        guard::{
            exposure,
            pacing::{AccountDay, MEDIAN_DAYS, Pace, is_breach, shock},
        },
    },
    ports::{Clock, MetaRead, Store, meta::InsightPages as _},
};

/// What a watch found.
#[derive(Debug, Default)]
pub struct Watched {
    /// What a person must look at.
    pub alarms: Vec<String>,
    /// A test was ended; the plan that pauses it waits to be carried out.
    pub stood_down: bool,
}

/// Reads what is on and what today has cost so far; ends tests that cost more than any budget allows.
pub async fn watch<S: Store, R: MetaRead, C: Clock>(desk: Desk<'_, S, R, C>) -> Result<Watched> {
    let mut done = Watched::default();
    let Some(account) = desk.store.account(desk.meta.account_id()).await? else { return Ok(done) };
    let ids = facts::managed(desk.store).await?;
    if ids.is_empty() {
        return Ok(done);
    }
    let trees = desk.meta.trees(&ids).await?;
    done.alarms.extend(hands_off::watch(desk, &trees).await?);
    let today = account.zone.day_of(desk.clock.now());
    let range = DayRange::new(today, today).expect("a day is a range");
    let mut rows: Vec<InsightRow> = Vec::new();
    let mut pages = desk.meta.insights(range);
    while let Some(page) = pages.next().await? {
        if page.again {
            rows.clear();
        }
        rows.extend(page.rows);
    }
    look_for_shock(desk, &account, &rows, &mut done.alarms).await?;
    pacing(desk, &account, &trees, &rows, &mut done).await?;
    for alarm in &done.alarms {
        tracing::error!("{alarm}");
    }
    Ok(done)
}

fn spend_of(rows: &[InsightRow], campaign: &CampaignId) -> i64 {
    let own = rows.iter().filter(|r| r.campaign == *campaign);
    own.fold(0_i64, |sum, r| sum.saturating_add(r.spend.minor()))
}

/// Compares what each test's challenger has cost with the worst its budgets allow.
async fn pacing<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    account: &AccountInfo,
    trees: &[Tree],
    rows: &[InsightRow],
    done: &mut Watched,
) -> Result<()> {
    let (now, zone) = (desk.clock.now(), &account.zone);
    let moved = facts::movements(desk.store, desk.policy, now).await?;
    let ids: Vec<CampaignId> = trees.iter().map(|t| t.campaign.id.clone()).collect();
    let delivered = facts::delivered(desk, &ids, now, zone).await?;
    let pots = facts::pots(trees, &moved, &delivered, now, zone);
    for row in desk.store.climbs(true).await? {
        let climb = climb_of(&row)?;
        let Some(test) = climb.state.test() else { continue };
        let Some(pot) = pots.iter().find(|p| p.campaign == test.challenger) else { continue };
        let pace = pace_of(pot, spend_of(rows, &test.challenger), now, zone);
        if !is_breach(&pace) {
            continue;
        }
        let why = format!(
            "campaign {} spent {} minor units today and {} this week; its budgets allow {} and {} at worst",
            test.challenger, pace.today, pace.week, pace.today_worst, pace.week_worst
        );
        let body = json!({
            "climb": climb.id, "campaign": test.challenger, "today": pace.today, "today_worst": pace.today_worst,
            "week": pace.week, "week_worst": pace.week_worst, "delivered": pot.delivered,
        });
        let link = journal::audit(now, "pacing_breach", desk.actor, body);
        desk.store.commit(vec![link]).await?;
        standing::demote(desk, &why).await?;
        let ended = stand_down::end_test(desk, &climb, "pacing", &why, &mut done.alarms).await?;
        done.stood_down |= ended;
        if !ended {
            done.alarms.push(why);
        }
    }
    Ok(())
}

/// Where a campaign stands against its budgets.
pub fn pace_of(pot: &exposure::Pot, spent_today: i64, now: Moment, zone: &Zone) -> Pace {
    let today = zone.day_of(now);
    let first = exposure::sunday(today);
    let (start, end) = (zone.start_of(first), zone.start_of(first.plus(7)));
    let before = pot.delivered.iter().fold(0_i64, |sum, (_, m)| sum.saturating_add(*m));
    Pace {
        today: spent_today,
        today_worst: exposure::day(&pot.timeline, today, zone),
        week: before.saturating_add(spent_today),
        week_worst: exposure::period(&pot.timeline, start, end, zone),
    }
}

/// The account's last days, today's rows counted as they are now.
fn account_days(
    seen: &BTreeMap<Day, Vec<InsightRow>>,
    today: Day,
    now_rows: &[InsightRow],
) -> Vec<AccountDay> {
    let mut days: BTreeMap<Day, &[InsightRow]> =
        seen.iter().filter(|(d, _)| **d < today).map(|(d, r)| (*d, r.as_slice())).collect();
    days.insert(today, now_rows);
    let delivering = |rows: &[InsightRow]| -> BTreeSet<CampaignId> {
        rows.iter().filter(|r| r.spend.is_positive()).map(|r| r.campaign.clone()).collect()
    };
    let past = days.iter().filter(|(d, _)| **d < today).map(|(_, rows)| delivering(rows));
    let settled = past.reduce(|a, b| a.intersection(&b).cloned().collect()).unwrap_or_default();
    let one = |(day, rows): (&Day, &&[InsightRow])| {
        let total = |own: bool| {
            let counted = rows.iter().filter(|r| !own || settled.contains(&r.campaign));
            counted.fold(0_i64, |sum, r| sum.saturating_add(r.spend.minor()))
        };
        let impressions = rows.iter().fold(0_u64, |sum, r| sum.saturating_add(r.impressions));
        AccountDay { day: *day, spend: total(false), impressions, settled_spend: total(true) }
    };
    days.iter().map(one).collect()
}

/// Remembers a shock of the account, so that nothing is raised for two days.
pub async fn look_for_shock<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    account: &AccountInfo,
    today_rows: &[InsightRow],
    alarms: &mut Vec<String>,
) -> Result<()> {
    let now = desk.clock.now();
    let today = account.zone.day_of(now);
    let back = i64::try_from(MEDIAN_DAYS).unwrap_or(14);
    let range = DayRange::new(today.plus(-back), today).expect("it ends today");
    let mut seen: BTreeMap<Day, Vec<InsightRow>> = BTreeMap::new();
    let id = desk.meta.account_id();
    for row in desk.store.insights_counting(id, &[], range, None, &[]).await? {
        seen.entry(row.row.day).or_default().push(row.row);
    }
    let Some(found) = shock(&account_days(&seen, today, today_rows)) else { return Ok(()) };
    let why = found.to_string();
    let known = standing::no_raises(desk).await?.iter().any(|w| w.contains(&why));
    if !known {
        standing::shocked(desk, &why).await?;
        alarms.push(format!("no raises for 48 hours: {why}"));
    }
    Ok(())
}

/// The pass's own look for a shock, on the rows it has just stored.
pub async fn after_pull<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    account: &AccountInfo,
    alarms: &mut Vec<String>,
) -> Result<()> {
    let today = account.zone.day_of(desk.clock.now());
    let range = DayRange::new(today, today).expect("a day is a range");
    let id = desk.meta.account_id();
    let seen = desk.store.insights_counting(id, &[], range, None, &[]).await?;
    let rows: Vec<InsightRow> = seen.into_iter().map(|r| r.row).collect();
    look_for_shock(desk, account, &rows, alarms).await
}

/// Ends every running test while the kill switch is on, where the policy asks for it.
pub async fn stopped<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    why: &str,
    alarms: &mut Vec<String>,
) -> Result<()> {
    if !desk.policy.stop.pause_challengers {
        return Ok(());
    }
    for row in desk.store.climbs(true).await? {
        let climb = climb_of(&row)?;
        if climb.state.test().is_some() {
            stand_down::end_test(desk, &climb, "stop", why, alarms).await?;
        }
    }
    Ok(())
}
