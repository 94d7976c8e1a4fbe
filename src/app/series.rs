//! The stored days of every line, as tables and audits read them: no network, no clock, only what was read.
//!
//! "Now" is the end of the newest complete read, so that the same database gives the same figures whenever it is asked.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    app::{
        AppError, Result,
        collect::is_complete,
        lines::{climb_id, climb_of},
    },
    domain::{
        AccountId, AccountInfo, AdSet, AdSetId, CampaignId, Day, DayRange, LineId, Moment, Money,
        Policy, SeenRow, Status, Tree,
        climb::{Climb, Memory, RouteKind},
        eligibility::{live_adsets, refusals, rung_of},
        forecast::Demand,
        planner::allowance,
        watch::{Series, SeriesDay},
    },
    ports::{Store, store::CoverageRow},
};

/// Days looked back over: half a year of weeks for correlations.
const LOOK_BACK_DAYS: i64 = 182;

/// What is known of the account.
#[derive(Debug)]
pub struct Known {
    /// The account as last read.
    pub account: AccountInfo,
    /// When the newest complete read ended.
    pub read: Moment,
    /// Days looked at; the last one is the last closed and settled at [`Self::read`].
    pub window: DayRange,
    /// Newest versions of all rows of these days.
    pub rows: Vec<SeenRow>,
    /// Complete reads of these days.
    pub reads: Vec<CoverageRow>,
}

/// One line with its days.
#[derive(Debug)]
pub struct LineDays {
    /// Its open climb; for an account never decided on, the one that would be opened.
    pub climb: Climb,
    /// Its campaign as last read.
    pub tree: Tree,
    /// All its ad sets together.
    pub line: Series,
    /// Its live ad sets.
    pub adsets: Vec<(AdSet, Series)>,
}

/// What every report says first.
#[derive(Debug, Clone, Serialize)]
pub struct Heading {
    /// The account.
    pub account: String,
    /// Currency of all money in the report.
    pub currency: String,
    /// End of the newest complete read: the report's now.
    pub as_of: String,
    /// The newest day that counts.
    pub last_day: Day,
}

/// Every day a calendar in use can name.
pub(crate) fn all_days() -> DayRange {
    let (since, until) = (Day::new(2000, 1, 1), Day::new(2200, 1, 1));
    since.zip(until).and_then(|(s, u)| DayRange::new(s, u)).expect("two valid days in order")
}

/// Loads what is known.
pub async fn known<S: Store>(store: &S, id: &AccountId, policy: &Policy) -> Result<Known> {
    let nothing = || {
        let what = format!("nothing has been read of account {} yet", id.act());
        AppError::NotNow(what, "run `rungwise sync` first")
    };
    let account = store.account(id).await?.ok_or_else(nothing)?;
    let reads = store.coverage(id, all_days(), None).await?;
    let read = reads.iter().map(|r| r.fetched_at).max().ok_or_else(nothing)?;
    let last = account.zone.last_closed(read, policy.compare.settle_ms);
    let window = DayRange::new(last.plus(-LOOK_BACK_DAYS), last).expect("it ends where it should");
    let rows = store.insights(id, &[], window, None).await?;
    Ok(Known { account, read, window, rows, reads })
}

impl Known {
    /// The heading of a report.
    pub fn heading(&self, id: &AccountId) -> Heading {
        Heading {
            account: id.act(),
            currency: self.account.currency.to_string(),
            as_of: self.read.rfc3339(),
            last_day: self.window.until(),
        }
    }
    /// Money out of minor units that statistics made, rounded to the minor unit.
    #[expect(clippy::cast_possible_truncation, reason = "far below 2^53 minor units")]
    pub fn money(&self, minor: f64) -> Money {
        let whole = if minor.is_finite() { libm::round(minor) as i64 } else { i64::MAX };
        Money::from_minor(whole, self.account.currency)
    }
    /// The days of the rows that `mine` picks.
    fn series(&self, policy: &Policy, mine: impl Fn(&SeenRow) -> bool) -> Series {
        let mut sums: BTreeMap<Day, (SeriesDay, u64)> = BTreeMap::new();
        for seen in self.rows.iter().filter(|r| mine(r)) {
            let empty = || (empty_day(policy, seen.row.day), 0);
            let (day, impressions) = sums.entry(seen.row.day).or_insert_with(empty);
            *impressions = impressions.saturating_add(seen.row.impressions);
            add(day, seen, policy);
        }
        let Some(first) = sums.iter().find(|(_, (d, _))| d.spend > 0.0).map(|(day, _)| *day) else {
            return Series::default();
        };
        let range = DayRange::new(first, self.window.until());
        let days = range.into_iter().flat_map(DayRange::iter).map(|day| {
            let (mut facts, impressions) =
                sums.remove(&day).unwrap_or_else(|| (empty_day(policy, day), 0));
            facts.usable =
                is_complete(&self.reads, &self.account.zone, policy.compare.settle_ms, day)
                    && !(facts.spend > 0.0 && impressions == 0);
            facts
        });
        Series { days: days.collect() }
    }
}

fn empty_day(policy: &Policy, day: Day) -> SeriesDay {
    let rungs = policy.ladder.rungs.len();
    SeriesDay {
        day,
        usable: false,
        spend: 0.0,
        events: vec![0.0; rungs],
        aliases: vec![0.0; rungs],
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and money far below 2^53")]
fn add(day: &mut SeriesDay, seen: &SeenRow, policy: &Policy) {
    day.spend += seen.row.spend.minor() as f64;
    let slots = day.events.iter_mut().zip(&mut day.aliases).zip(&policy.ladder.rungs);
    for ((events, aliases), rung) in slots {
        *events += seen.row.count(&rung.action_type) as f64;
        // Other names count the same event again: the largest of them tells whether our own name went missing.
        let most = rung.aliases().iter().map(|name| seen.row.count(name)).max().unwrap_or(0);
        *aliases += most as f64;
    }
}

/// The lines with their days: unfinished climbs, or before the first decision the campaigns that could be managed.
pub async fn lines<S: Store>(store: &S, known: &Known, policy: &Policy) -> Result<Vec<LineDays>> {
    let trees = store.trees().await?;
    let mut climbs = Vec::new();
    for row in store.climbs(true).await? {
        climbs.push(climb_of(&row)?);
    }
    climbs.reverse();
    if climbs.is_empty() && store.climbs(false).await?.is_empty() {
        climbs = trees.iter().filter_map(|t| prospect(t, known, policy)).collect();
    }
    let with_tree = climbs.into_iter().filter_map(|climb| {
        let tree = trees.iter().find(|t| t.campaign.id == climb.incumbent)?.clone();
        Some((climb, tree))
    });
    Ok(with_tree.map(|(climb, tree)| line_days(known, policy, climb, tree)).collect())
}

/// The climb a campaign would open.
pub(crate) fn prospect(tree: &Tree, known: &Known, policy: &Policy) -> Option<Climb> {
    if tree.campaign.status != Status::Active || !refusals(tree, policy).is_empty() {
        return None;
    }
    let rung = rung_of(tree, &policy.ladder)?;
    let id = &tree.campaign.id;
    let line = LineId::new(format!("line-{id}")).ok()?;
    let memory = Memory { path: vec![rung.key.clone()], ..Memory::default() };
    Some(Climb::open(climb_id(id, known.read), line, id.clone(), &rung.key, known.read, memory))
}

fn line_days(known: &Known, policy: &Policy, climb: Climb, tree: Tree) -> LineDays {
    let campaign: &CampaignId = &tree.campaign.id;
    let line = known.series(policy, |r| r.row.campaign == *campaign);
    let of = |id: &AdSetId| known.series(policy, |r| r.row.adset == *id);
    let adsets = live_adsets(&tree).map(|set| (set.clone(), of(&set.id))).collect();
    LineDays { climb, tree, line, adsets }
}

impl LineDays {
    /// The daily budget a person approved: during a test the one before it, else what is set now.
    pub fn run_rate(&self) -> Option<Money> {
        match self.climb.state.test() {
            Some(test) => Some(test.run_rate),
            None => self.tree.daily_budget_when_on(),
        }
    }
    /// What the gates ask of a rung, at the budget an arm of a test would get.
    pub fn demand(&self, policy: &Policy) -> Demand {
        let gates = &policy.gates;
        Demand {
            events: f64::from(gates.micro_events_per_week),
            macro_events: f64::from(gates.macro_events_per_week),
            probability: gates.micro_probability,
            budget: self.test_share(policy),
            ..Demand::default()
        }
    }
    /// The challenger's budget relative to the run-rate.
    #[expect(clippy::cast_precision_loss, reason = "budgets are far below 2^53 minor units")]
    pub fn test_share(&self, policy: &Policy) -> f64 {
        let Some(rate) = self.run_rate().filter(|r| r.is_positive()) else { return 1.0 };
        let extra = allowance(policy, RouteKind::Climb, rate).unwrap_or(rate);
        extra.minor() as f64 / rate.minor() as f64
    }
    /// Position of its rung on the ladder.
    pub fn rung(&self, policy: &Policy) -> Option<usize> {
        policy.ladder.position(&self.climb.rung)
    }
}
