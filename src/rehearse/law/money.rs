//! Money: what our writes alone may give, by a living agent and by a dead one.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::witness::{Leaving, Witness},
    Finding, order,
};
use crate::{
    domain::{
        CampaignId, DAY_MS, Day, HOUR_MS, Moment, Zone,
        climb::{Climb, State},
        plan::PlanKind,
    },
    sandbox::{LedgerDay, Standing},
};

/// A clock further off than this makes days and deadlines doubtful, in milliseconds.
const MOST_SKEW_MS: i64 = 120_000;

/// Sum of the daily budgets that are on, in minor units, of what open climbs manage and of all we ever made, unless a
/// person has turned it on again after its climb.
fn daily(witness: &Witness, world: &[Standing]) -> i64 {
    let (books, people) = (&witness.books, &witness.people);
    let open = books.climbs.values().filter(|c| c.state.is_open());
    let managed: BTreeSet<&str> = open.flat_map(Climb::campaigns).map(CampaignId::as_str).collect();
    let theirs = |id: &str| people.touched.contains_key(&(id.to_owned(), "status".to_owned()));
    let made = |id: &str| books.maker_of(id).is_some() && !theirs(id);
    let ours = |c: &&Standing| managed.contains(c.id.as_str()) || made(&c.id);
    let on = world.iter().filter(|o| o.kind == "campaign" && o.is_on());
    on.filter(ours).map(|c| daily_of(world, c)).sum()
}

/// Daily budget of a campaign or of what is on in it, in minor units.
pub(super) fn daily_of(world: &[Standing], campaign: &Standing) -> i64 {
    campaign.daily_budget.unwrap_or_else(|| {
        let mine = |o: &&Standing| o.kind == "adset" && o.campaign == campaign.id && o.is_on();
        world.iter().filter(mine).filter_map(|s| s.daily_budget).sum()
    })
}

/// What somebody else takes from the running campaigns of a climb, or gives to one that is off: turning the incumbent on
/// again in place of the challenger gives as much more, although nothing of ours was raised.
pub fn people_lowered(witness: &mut Witness, before: &[Standing], after: &[Standing]) {
    let open = witness.books.climbs.values().filter(|c| c.state.is_open());
    let lowered: Vec<(String, i64)> = open
        .filter_map(|climb| {
            let challenger = climb.challenger();
            let arm = |o: &&Standing| {
                o.kind == "campaign"
                    && (o.id == climb.incumbent.as_str()
                        || challenger.is_some_and(|id| o.id == id.as_str()))
            };
            let of = |world: &[Standing], on: bool| -> i64 {
                let arms = world.iter().filter(arm).filter(|c| c.is_on() == on);
                arms.map(|c| daily_of(world, c)).sum()
            };
            let taken = (of(before, true) - of(after, true)).max(0);
            // What they give to a campaign that is off comes with it when it is turned on again.
            let given = (of(after, false) - of(before, false)).max(0);
            let by = if taken > 0 { taken } else { given };
            (by > 0).then(|| (climb.id.to_string(), by))
        })
        .collect();
    for (climb, by) in lowered {
        *witness.lowered.entry(climb).or_insert(0) += by;
    }
}

/// Judges a request that has its permit.
pub fn leaving(witness: &mut Witness, leaving: Leaving<'_>, op_key: &str) {
    let mut findings = Vec::new();
    if let Some((filed, action)) = witness.books.action_of(op_key)
        && order::raises(action)
    {
        let doubt = witness.books.in_doubt().find(|key| *key != op_key);
        let zone: Option<Zone> = witness.mandate.account.1.parse().ok();
        let day = zone.map(|z| z.day_of(leaving.now));
        let blackout = witness.mandate.policy.as_ref().zip(day);
        let blackout = blackout.and_then(|(p, day)| Some(p.blackout_on(day)?.0.to_owned()));
        let skew = witness.skew_ms;
        let why = match (doubt, leaving.account_status, blackout) {
            (Some(key), ..) => Some(format!("write {key} is in doubt")),
            _ if skew.abs() > MOST_SKEW_MS => Some(format!("the clock is {skew} ms off")),
            (None, 1, None) => None,
            (None, 1, Some(name)) => Some(format!("blackout {name}")),
            (None, status, _) => Some(format!("the account's status is {status}")),
        };
        if let Some(why) = why {
            findings.push(("no_raise_while_unsure", format!("{}: {why}", action.key)));
        }
        let total = filed.plan.money.extra_total.minor();
        if filed.plan.kind == PlanKind::Activate && total > 0 {
            findings.extend(unbound(witness, leaving, total));
            findings.extend(beside(witness, leaving, filed.plan.climb.as_str()));
        }
    }
    for (name, what) in findings {
        witness.accuse(name, what);
    }
}

/// A test of another climb that runs already.
fn beside(witness: &Witness, leaving: Leaving<'_>, own: &str) -> Option<Finding> {
    let others = witness.books.climbs.iter().filter(|(id, _)| *id != own);
    let tests = others.filter_map(|(id, climb)| match &climb.state {
        State::Warming { test } | State::Comparing { test } => Some((id, &test.challenger)),
        _ => None,
    });
    let on = |id: &str| leaving.world.iter().any(|o| o.id == id && o.is_on());
    let mut tests = tests.filter(|(_, challenger)| on(challenger.as_str()));
    let (id, challenger) = tests.next()?;
    Some(("one_test_at_a_time", format!("{own} begins while {challenger} of {id} is on")))
}

/// Why Meta itself would not end the challenger within the total.
fn unbound(witness: &Witness, leaving: Leaving<'_>, total: i64) -> Option<Finding> {
    let id = leaving.template.path.as_str();
    let campaign = leaving.world.iter().find(|o| o.id == id && o.kind == "campaign")?;
    // What somebody put there within the longest lag of a read may not show yet.
    let unseen = |o: &&Standing| {
        let made = witness.people.made.get(&o.id);
        made.is_some_and(|at| leaving.now.since(*at) < DAY_MS)
    };
    let sets = || {
        let sets = leaving.world.iter().filter(|o| o.kind == "adset" && o.campaign == id);
        sets.filter(|o| o.is_there() && !unseen(o))
    };
    let capped = campaign.spend_cap.is_some_and(|cap| cap <= total);
    let budget =
        campaign.daily_budget.unwrap_or_else(|| sets().filter_map(|s| s.daily_budget).sum());
    let last = sets().map(|s| s.end_time).collect::<Option<Vec<Moment>>>();
    let last = last.and_then(|ends| ends.into_iter().max());
    let worst = last.map(|end| {
        let days = (end.since(leaving.now).max(0) + DAY_MS - 1) / DAY_MS;
        budget * days + budget * 3 / 4
    });
    let name = "the_bound_precedes_the_money";
    if !capped && worst.is_none_or(|w| w > total) {
        let what =
            format!("campaign {id} can spend {worst:?} of {total}, cap {:?}", campaign.spend_cap);
        return Some((name, what));
    }
    let rule = leaving
        .world
        .iter()
        .any(|o| o.kind == "adrule" && o.is_on() && witness.books.maker_of(&o.id).is_some());
    (!rule && !witness.people.rules).then(|| (name, format!("campaign {id} has no rule of ours")))
}

/// Judges what a request has changed.
pub fn applied(witness: &mut Witness, now: Moment, before: &[Standing], after: &[Standing]) {
    let (was, is) = (daily(witness, before), daily(witness, after));
    let cap = witness.mandate.daily_cap_minor;
    if is > was && is > cap {
        witness.accuse("daily_budgets_stay_within_the_limit", format!("{was} -> {is} over {cap}"));
    }
    let Some((_, plan)) = witness.leaving.clone() else { return };
    let filed = witness.books.plans.get(&plan).map(|p| (p.plan.climb.to_string(), p.plan.kind));
    let Some((climb, _)) = filed else { return };
    let added = witness.added.entry(climb.clone()).or_insert(0);
    *added += is - was;
    let (added, of) = (*added, witness.books.plans.values());
    let of = of.filter(|p| p.plan.climb.as_str() == climb).map(|p| &p.plan.money);
    let approved = of.map(|m| m.extra_per_day.minor()).max().unwrap_or(0);
    let approved = approved + witness.lowered.get(&climb).copied().unwrap_or(0);
    // Halves of odd amounts may differ by a unit per ad set.
    if is > was && added > approved + 2 {
        let what = format!("{climb} has added {added} a day, {approved} approved");
        witness.accuse("no_climb_adds_more_than_was_approved", what);
    }
    for object in after {
        let old = before.iter().find(|o| o.id == object.id).and_then(|o| o.daily_budget);
        if let (Some(from), Some(to)) = (old, object.daily_budget)
            && to > from
        {
            raise(witness, now, &object.id, (from, to));
        }
    }
}

fn raise(witness: &mut Witness, now: Moment, id: &str, (from, to): (i64, i64)) {
    let shifting = witness.mandate.policy.as_ref().map(|p| p.shifting);
    let (step, gap, weekly) =
        shifting.map_or((2_000, 2 * DAY_MS, 3), |s| (s.step_bp, s.gap_ms, s.max_steps_per_week));
    if to * 10_000 > from * (10_000 + step) + 10_000 {
        witness.accuse("raises_are_small", format!("{id}: {from} -> {to}"));
    }
    let raised = witness.raised.entry(id.to_owned()).or_default();
    // A day of 23 hours is a day.
    let near = raised.last().is_some_and(|last| now.since(*last) < gap - HOUR_MS);
    let week = raised.iter().filter(|at| now.since(**at) < 7 * DAY_MS - HOUR_MS).count();
    raised.push(now);
    if near || week >= usize::try_from(weekly).unwrap_or(usize::MAX) {
        witness.accuse("raises_are_rare", format!("{id}: {from} -> {to}, {week} others in a week"));
    }
}

/// Objects of a campaign, itself included.
fn tree<'a>(world: &'a [Standing], campaign: &'a str) -> BTreeSet<&'a str> {
    let of = world.iter().filter(|o| o.id == campaign || o.campaign == campaign);
    of.map(|o| o.id.as_str()).collect()
}

/// Challengers that nobody else touched and no promotion released: what each spent (beyond Meta's own pacing left
/// out) against its total.
pub fn totals(
    witness: &Witness,
    world: &[Standing],
    spent: impl Fn(&str) -> (i64, i64),
) -> Vec<Finding> {
    let mut found = Vec::new();
    for campaign in world.iter().filter(|o| o.kind == "campaign" && witness.ours.contains(&o.id)) {
        let Some(filed) = witness.books.activation_of(&campaign.id) else { continue };
        let total = filed.plan.money.extra_total.minor();
        let released = witness.books.has_begun(filed.plan.climb.as_str(), PlanKind::Shift);
        let touched =
            witness.people.touched_any(&tree(world, &campaign.id)) || witness.people.rules;
        if total == 0 || released || touched || filed.plan.kind != PlanKind::Activate {
            continue;
        }
        let (spent, excess) = spent(&campaign.id);
        if spent - excess > total {
            let what =
                format!("campaign {} spent {spent} ({excess} abnormal) of {total}", campaign.id);
            found.push(("a_test_stays_within_its_total", what));
        }
    }
    found
}

/// The arms of every running test that nobody else touched, with what the test says they have a day.
pub fn stated(witness: &Witness, world: &[Standing]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (id, climb) in &witness.books.climbs {
        let (State::Warming { test } | State::Comparing { test }) = &climb.state else { continue };
        let arms = [
            (climb.incumbent.as_str(), test.incumbent_budget.minor()),
            (test.challenger.as_str(), test.challenger_budget.minor()),
        ];
        for (arm, says) in arms {
            let touched = witness.people.touched_any(&tree(world, arm)) || witness.people.rules;
            let Some(campaign) = world.iter().find(|o| o.id == arm && o.is_on()) else { continue };
            let has = daily_of(world, campaign);
            if !touched && has != says {
                let what = format!("{id}: {arm} has {has} a day, the test says {says}");
                found.push(("a_test_knows_its_budgets", what));
            }
        }
    }
    found
}

/// What a year without any agent came to.
#[derive(Debug)]
pub struct DeadYear<'a> {
    /// The world at the end of it.
    pub world: &'a [Standing],
    /// Every ad set's every day.
    pub days: &'a [LedgerDay],
    /// The day the agent died.
    pub died: Day,
    /// The last day of the year.
    pub last: Day,
    /// What Meta makes of each object's switches at the end of it.
    pub effective: BTreeMap<String, &'static str>,
    /// The account could deliver all the time.
    pub delivers: bool,
}

fn stands(o: &Standing, effective: &BTreeMap<String, &'static str>) -> String {
    let effective = effective.get(&o.id).copied().unwrap_or(o.status.as_str());
    let budget = o.daily_budget.map_or_else(String::new, |minor| format!(" {minor} a day"));
    let end = o.end_time.map_or_else(String::new, |end| format!(" until {end}"));
    format!("{} {} {effective}{budget}{end}", o.kind, o.id)
}

/// True for a campaign that is on and whose every ad Meta's review has refused: no agent can show those.
fn shows_nothing(year: &DeadYear<'_>, campaign: &str) -> bool {
    let on = year.world.iter().any(|o| o.id == campaign && o.is_on());
    let refused = |o: &&Standing| year.effective.get(&o.id).is_some_and(|e| *e == "DISAPPROVED");
    let ads = year.world.iter().filter(|o| o.kind == "ad" && o.campaign == campaign && o.is_on());
    let (refused, shown): (Vec<_>, Vec<_>) = ads.partition(refused);
    on && shown.is_empty() && !refused.is_empty()
}

/// Judges a year without any agent.
pub fn dead(witness: &Witness, year: &DeadYear<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (climb, test) in &witness.books.tests {
        let Some(line) = witness.books.climbs.get(climb) else { continue };
        let (a, b) = (line.incumbent.as_str(), test.challenger.as_str());
        let trees: BTreeSet<&str> =
            tree(year.world, a).union(&tree(year.world, b)).copied().collect();
        if witness.people.touched_any(&trees) || witness.people.rules {
            continue;
        }
        let from = year.died.max(test.last_day).plus(8);
        let mine = |d: &&LedgerDay| d.campaign_id == a || d.campaign_id == b;
        let mut weeks: BTreeMap<i64, i64> = BTreeMap::new();
        for day in year.days.iter().filter(mine).filter(|d| d.day >= from) {
            // 1970-01-01 was a Thursday; weeks run from Sunday to Saturday.
            *weeks.entry((day.day.epoch_days() + 4).div_euclid(7)).or_default() += day.spend_minor;
        }
        let allowed = test.run_rate.minor() * 7;
        if let Some((_, spent)) = weeks.iter().find(|(_, spent)| **spent > allowed + allowed / 50) {
            let what =
                format!("{climb}: {spent} in a week, run-rate {} a day", test.run_rate.minor());
            found.push(("a_dead_agent_leaves_the_run_rate", what));
        }
        // Two objects cannot change in one write: until the promotion is complete, the winner's own end still holds.
        let promoted = matches!(line.state, State::Settled { .. });
        let begun = witness.books.has_begun(climb, PlanKind::Shift);
        let (since, until) = if promoted {
            (year.last.plus(-14), year.last)
        } else {
            (test.last_day.plus(-4), test.last_day.plus(-2))
        };
        let ahead = since > year.died.plus(1);
        // A later climb may have taken the line on to another campaign.
        let campaigns = witness.books.campaigns_of(line);
        let ours = |d: &&LedgerDay| campaigns.contains(d.campaign_id.as_str());
        let runs = year.days.iter().filter(ours);
        let runs = runs.filter(|d| d.day >= since && d.day <= until).any(|d| d.spend_minor > 0);
        let trees: BTreeSet<&str> = campaigns.iter().flat_map(|id| tree(year.world, id)).collect();
        let excused = campaigns.iter().any(|id| shows_nothing(year, id))
            || witness.people.touched_any(&trees)
            || witness.books.is_changing_places(line);
        if (promoted || begun) && ahead && year.delivers && !runs && !excused {
            let arm = |o: &&Standing| trees.contains(o.id.as_str()) && o.is_there();
            let stands = year.world.iter().filter(arm).map(|o| stands(o, &year.effective));
            let stands: Vec<String> = stands.collect();
            let stands = stands.join(", ");
            let spent = year.days.iter().filter(ours).filter(|d| d.spend_minor > 0);
            let last = spent.map(|d| d.day).max();
            let last = last.map_or_else(|| "ever".to_owned(), |day| format!("since {day}"));
            let what = format!("{climb} spends nothing from {since} to {until} ({last}): {stands}");
            found.push(("a_dead_agent_leaves_no_line_dark", what));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::tests::*, *};

    fn campaign(id: &str, status: &str, budget: i64) -> Standing {
        Standing { daily_budget: Some(budget), ..standing("campaign", id, status) }
    }

    #[test]
    fn raises_over_the_limit_too_large_and_too_soon_are_named() {
        let (small, large) = ([campaign("1", "ACTIVE", 900)], [campaign("1", "ACTIVE", 1_200)]);
        let over = |ours: bool| {
            found(|w| {
                w.mandate.daily_cap_minor = 1_000;
                if ours {
                    w.books.writes.insert("k".to_owned(), booked("1"));
                }
                w.applied(AT, &small, &large, false);
            })
        };
        assert_eq!(over(true), ["daily_budgets_stay_within_the_limit"]);
        assert!(over(false).is_empty(), "what nobody manages is not ours to count");
        assert!(found(|w| w.applied(AT, &large, &small, false)).is_empty());
        let large_step = found(|w| raise(w, AT, "1", (1_000, 1_300)));
        assert_eq!(large_step, ["raises_are_small"]);
        let soon = found(|w| {
            raise(w, AT, "1", (1_000, 1_100));
            raise(w, AT.plus(DAY_MS), "1", (1_100, 1_200));
        });
        assert_eq!(soon, ["raises_are_rare"]);
    }
}
