//! Collects the evidence of one decision out of the store and the trees just read.

use std::collections::BTreeMap;

use crate::{
    app::{
        Desk, Result,
        facts::{self, managed_by},
    },
    domain::{
        AccountId, AccountInfo, CampaignId, Day, DayRange, EffectiveStatus, Ladder, Moment,
        ObjectId, Policy, SeenRow, Status, Tree, Zone,
        climb::{Climb, Route},
        eligibility::{live_ads, live_adsets, refusals, rung_of},
        evidence::{ArmFacts, Cell, DayFacts, Evidence, GateFacts, ParityFacts, StudyFacts},
        plan::{Aspect, ObjectKind},
        policy::Isolation,
        twin,
    },
    ports::{Clock, MetaRead, Store, store::CoverageRow},
};

/// Closed days a decision looks back over at most.
const LOOK_BACK_DAYS: i64 = 210;

/// What is common to all decisions of one pass.
#[derive(Debug)]
pub struct Pass<'a> {
    /// The account as read now.
    pub account: &'a AccountInfo,
    /// All campaigns as read now.
    pub trees: &'a [Tree],
    /// All unfinished climbs.
    pub climbs: &'a [Climb],
    /// Reasons against any raise, from the agent's own safety checks.
    pub no_raises: &'a [String],
    /// When the token ends.
    pub token_expires: Option<Moment>,
    /// What the token may do; empty when that is not known.
    pub token_scopes: &'a [String],
    /// The stored days.
    pub sight: &'a Sight,
}

impl Pass<'_> {
    fn tree(&self, campaign: &CampaignId) -> Option<&Tree> {
        self.trees.iter().find(|t| t.campaign.id == *campaign)
    }
}

/// Gathers everything a decision about `climb` may look at; None while its incumbent cannot be read.
pub async fn evidence<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    pass: &Pass<'_>,
    climb: &Climb,
    interference: Vec<String>,
) -> Result<Option<Evidence>> {
    let now = desk.clock.now();
    let zone = pass.account.zone.clone();
    let Some(source) = pass.tree(&climb.incumbent) else { return Ok(None) };
    let built = climb.challenger().and_then(|id| pass.tree(id));
    let seen = pass.sight.seen(desk.policy, &zone, climb);
    let today = zone.day_of(now);
    let parity = match (&climb.state, built) {
        (crate::domain::climb::State::Cloning { route, .. }, Some(copy)) => {
            parity(desk, &source.campaign.id, &copy.campaign.id, route).await?
        }
        _ => None,
    };
    let challenger_gone = match climb.challenger().filter(|_| built.is_none()) {
        Some(id) => is_gone(desk, id).await?,
        None => false,
    };
    let gates = GateFacts {
        account_status: pass.account.status,
        interference,
        token_expires: pass.token_expires,
        other_test: other_test(pass.climbs, climb),
        managed_daily_minor: managed_daily(pass),
        insights_read: seen.read,
        no_raises: pass.no_raises.to_vec(),
        study: (desk.policy.compare.isolation == Isolation::AdStudy).then(|| StudyFacts {
            business: pass.account.business.clone(),
            permitted: (!pass.token_scopes.is_empty())
                .then(|| pass.token_scopes.iter().any(|s| s == "business_management")),
        }),
    };
    Ok(Some(Evidence {
        version: 1,
        now,
        today,
        zone,
        currency: pass.account.currency,
        climb: climb.clone(),
        policy: desk.policy.clone(),
        incumbent: arm_facts(source, desk),
        challenger: built.map(|tree| arm_facts(tree, desk)),
        challenger_gone,
        parity,
        days: seen.days,
        gates,
    }))
}

/// True for a campaign that was archived or deleted, as Meta itself says: what cannot be read may be too new.
pub(crate) async fn is_gone<S, R: MetaRead, C>(
    desk: Desk<'_, S, R, C>,
    id: &CampaignId,
) -> Result<bool> {
    let found = desk.meta.aspects(ObjectKind::Campaign, &ObjectId::from(id)).await?;
    let status = found.as_ref().and_then(|aspects| aspects.get(&Aspect::Status));
    let away = [Status::Archived.as_str(), Status::Deleted.as_str()];
    Ok(status.is_some_and(|status| away.contains(&status.as_str())))
}

/// Compares two fresh reads over every field; None while one of them cannot be read.
async fn parity<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    source: &CampaignId,
    copy: &CampaignId,
    route: &Route,
) -> Result<Option<ParityFacts>> {
    let trees = desk.meta.twins(&[source.clone(), copy.clone()]).await?;
    let find = |id: &CampaignId| trees.iter().find(|t| t.campaign.id == *id);
    let pair = find(source).zip(find(copy));
    Ok(pair.map(|(source, copy)| twin::compare(source, copy, route, &desk.policy.ladder)))
}

/// The days of a climb as they were seen at an instant.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Closed days, oldest first.
    pub(crate) days: Vec<DayFacts>,
    /// When the newest complete read ended.
    pub(crate) read: Option<Moment>,
}

/// The closed days of an account that decisions look back over, as they are stored.
#[derive(Debug)]
pub struct Sight {
    window: DayRange,
    rows: Vec<SeenRow>,
    reads: Vec<CoverageRow>,
}

impl Sight {
    /// What a decision taken at `now` looks back over, out of the rows as they were seen at `as_of` (as they are known
    /// today when None).
    pub async fn of<S: Store>(
        store: &S,
        account: &AccountId,
        policy: &Policy,
        zone: &Zone,
        now: Moment,
        as_of: Option<Moment>,
    ) -> Result<Self> {
        let last = zone.last_closed(now, policy.compare.settle_ms);
        let window =
            DayRange::new(last.plus(-LOOK_BACK_DAYS), last).expect("it ends where it should");
        let rungs = policy.ladder.rungs.iter().map(|rung| rung.action_type.clone());
        let rungs: Vec<String> = rungs.collect();
        let rows = store.insights_counting(account, &[], window, as_of, &rungs).await?;
        // Also the reads of the days since, which are the newest: settled days are not read again at each pull.
        let until = window.until().plus(LOOK_BACK_DAYS);
        let looked = DayRange::new(window.since(), until).unwrap_or(window);
        let reads = store.coverage(account, looked, as_of).await?;
        Ok(Self { window, rows, reads })
    }
    /// The days of one climb.
    pub(crate) fn seen(&self, policy: &Policy, zone: &Zone, climb: &Climb) -> Seen {
        let measure = Measure::of(policy.ladder.clone(), climb);
        let settle_ms = policy.compare.settle_ms;
        let facts = Facts { rows: &self.rows, reads: &self.reads, zone, settle_ms };
        let days = facts.days(self.window, &climb.incumbent, climb.challenger(), &measure);
        Seen { days, read: self.reads.iter().map(|r| r.fetched_at).max() }
    }
}

/// True when some read of the day ended after the day had settled.
pub(crate) fn is_complete(reads: &[CoverageRow], zone: &Zone, settle_ms: i64, day: Day) -> bool {
    let settled = zone.end_of(day).plus(settle_ms);
    reads.iter().any(|r| r.range.contains(day) && r.fetched_at >= settled)
}

fn other_test(climbs: &[Climb], own: &Climb) -> Option<String> {
    let busy = |c: &&Climb| c.id != own.id && (c.challenger().is_some() || c.pending.is_some());
    climbs.iter().find(busy).map(|c| c.id.to_string())
}

/// Sum of the daily budgets of everything managed that is on, in minor units.
fn managed_daily(pass: &Pass<'_>) -> i64 {
    let managed = managed_by(pass.climbs);
    let trees = managed.iter().filter_map(|id| pass.tree(id));
    trees.fold(0_i64, |sum, tree| sum.saturating_add(facts::on(tree)))
}

fn arm_facts<S, R, C>(tree: &Tree, desk: Desk<'_, S, R, C>) -> ArmFacts {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let ads_with = |wanted: &EffectiveStatus| {
        count(tree.ads.iter().filter(|a| a.effective_status == *wanted).count())
    };
    let parts_with = |wanted: &EffectiveStatus| {
        // A challenger that is being built is paused, so whether a part is switched on does not matter.
        let sets = tree.adsets.iter().filter(|s| s.effective_status == *wanted).count();
        count(sets).saturating_add(ads_with(wanted))
    };
    ArmFacts {
        campaign: tree.campaign.id.clone(),
        name: tree.campaign.name.clone(),
        rung: rung_of(tree, &desk.policy.ladder).map(|r| r.key.clone()),
        status: tree.campaign.status.as_str().to_owned(),
        effective_status: tree.campaign.effective_status.as_str().to_owned(),
        daily_budget: tree.daily_budget_when_on(),
        adsets: count(live_adsets(tree).count()),
        ads: count(live_ads(tree).count()),
        in_review: ads_with(&EffectiveStatus::PendingReview)
            + parts_with(&EffectiveStatus::InProcess),
        disapproved: ads_with(&EffectiveStatus::Disapproved),
        with_issues: parts_with(&EffectiveStatus::WithIssues),
        learning: live_adsets(tree).filter_map(|s| s.learning.clone()).collect(),
        refusals: refusals(tree, desk.policy),
        campaign_budget: tree.campaign.daily_budget.is_some(),
    }
}

/// Which counts of a row are read, and under which attribution window.
struct Measure {
    ladder: Ladder,
    /// Explicit window both arms are counted under, where their attribution must differ.
    window: Option<&'static str>,
}

impl Measure {
    fn of(ladder: Ladder, climb: &Climb) -> Self {
        let window = climb.state.route().and_then(|route| {
            let (from, to) = (ladder.rung(&route.from)?, ladder.rung(&route.to)?);
            from.common_window(to)
        });
        Self { ladder, window }
    }
    fn add(&self, cell: &mut Cell, seen: &SeenRow) {
        let row = &seen.row;
        let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        cell.spend_minor = cell.spend_minor.saturating_add(row.spend.minor());
        cell.impressions = cell.impressions.saturating_add(row.impressions);
        cell.events.resize(self.ladder.rungs.len(), 0);
        for (slot, rung) in cell.events.iter_mut().zip(&self.ladder.rungs) {
            let Some(action) = row.actions.get(&rung.action_type) else { continue };
            let n = match self.window {
                Some(window) => action.windows.get(window).copied().unwrap_or(0),
                None => action.value,
            };
            *slot = slot.saturating_add(narrow(n));
        }
        let Some(rung) = self.ladder.macro_rung() else { return };
        if let Some(action) = row.actions.get(&rung.action_type) {
            let window = |name: &str| narrow(action.windows.get(name).copied().unwrap_or(0));
            let viewed = window("1d_view");
            cell.within_one_day =
                cell.within_one_day.saturating_add(window("1d_click").saturating_add(viewed));
            cell.within_seven_days =
                cell.within_seven_days.saturating_add(window("7d_click").saturating_add(viewed));
        }
        cell.value_minor = cell.value_minor.saturating_add(row.value_minor(&rung.action_type));
    }
}

struct Facts<'a> {
    rows: &'a [SeenRow],
    reads: &'a [CoverageRow],
    zone: &'a Zone,
    settle_ms: i64,
}

impl Facts<'_> {
    /// A day is complete when some read of it ended after it had settled.
    fn is_complete(&self, day: Day) -> bool {
        is_complete(self.reads, self.zone, self.settle_ms, day)
    }

    fn days(
        &self,
        window: DayRange,
        incumbent: &CampaignId,
        challenger: Option<&CampaignId>,
        measure: &Measure,
    ) -> Vec<DayFacts> {
        let empty = || Cell { events: vec![0; measure.ladder.rungs.len()], ..Cell::default() };
        let mut cells: BTreeMap<Day, (Cell, Cell, (i64, u32))> = BTreeMap::new();
        for seen in self.rows {
            let slot = cells.entry(seen.row.day).or_insert_with(|| (empty(), empty(), (0, 0)));
            if seen.row.campaign == *incumbent {
                measure.add(&mut slot.0, seen);
            } else if Some(&seen.row.campaign) == challenger {
                measure.add(&mut slot.1, seen);
            }
            let mut any = empty();
            measure.add(&mut any, seen);
            slot.2.0 = slot.2.0.saturating_add(any.spend_minor);
            slot.2.1 = slot.2.1.saturating_add(any.macro_events());
        }
        let Some(first) = window.iter().find(|d| self.is_complete(*d)) else { return Vec::new() };
        let range = DayRange::new(first, window.until());
        let days = range.into_iter().flat_map(DayRange::iter);
        days.map(|day| {
            let (a, b, account) = cells.remove(&day).unwrap_or_else(|| (empty(), empty(), (0, 0)));
            let challenger = challenger.map(|_| b);
            DayFacts { day, complete: self.is_complete(day), incumbent: a, challenger, account }
        })
        .collect()
    }
}
