//! Life: everything comes to rest, nothing is stranded, and what is stuck is safe.

use std::collections::BTreeSet;

use super::{
    super::{
        books::{BookedWrite, Books, FiledPlan},
        witness::{People, Witness},
    },
    Finding, money,
};
use crate::{
    domain::{
        Money,
        climb::{Climb, State},
        plan::{Plan, PlanKind},
        write_log::WriteStatus,
    },
    sandbox::Standing,
};

/// Judges what must hold once nothing has gone wrong for hours.
pub fn rest(books: &Books, people: &People) -> Vec<Finding> {
    let mut found = Vec::new();
    let copied = |key: &&String| !people.markers.contains(*key);
    let doubts: Vec<&String> = books.in_doubt().filter(copied).collect();
    if !doubts.is_empty() {
        found.push(("doubts_end", format!("{doubts:?}")));
    }
    let open = |hash: &str| books.plans.get(hash).is_some_and(|p| p.outcome.is_none());
    for climb in books.climbs.values().filter(|c| c.state.is_open()) {
        let pending = climb.pending.as_ref().filter(|p| !open(p.plan.as_str()));
        if let Some(pending) = pending {
            let what =
                format!("{} ({}) waits for {}", climb.id, climb.state.as_str(), pending.plan);
            found.push(("a_climb_waits_for_an_open_plan_only", what));
        }
        let unplanned = climb.pending.is_none() && climb.held.is_none();
        let needs = matches!(
            climb.state,
            State::Judged { .. } | State::Shifting { .. } | State::Cloning { challenger: None, .. }
        );
        let stuck = matches!(climb.state, State::Stuck { .. });
        if unplanned && (needs || climb.handed_over && !stuck) {
            let what = format!("{} is {} and nothing is planned", climb.id, climb.state.as_str());
            found.push(("no_climb_is_stranded", what));
        }
    }
    for (hash, filed) in books.plans.iter().filter(|(_, p)| p.outcome.is_none()) {
        let owner = books.climbs.get(filed.plan.climb.as_str());
        let waits = owner.and_then(|c| c.pending.as_ref()).is_some_and(|p| p.plan.as_str() == hash);
        // What a guard rail lowers by itself, no climb waits for.
        let rail = filed.plan.requested_by.starts_with("guard:");
        if !waits && !rail {
            let what = format!("{} plan {hash}", filed.plan.kind.as_str());
            found.push(("every_open_plan_is_waited_for", what));
        }
    }
    found
}

/// A line whose campaign we turned off for another one runs on one of its campaigns, or a person was told that it does not.
pub fn dark(witness: &Witness, world: &[Standing]) -> Vec<Finding> {
    let (books, people) = (&witness.books, &witness.people);
    let free = |c: &&Climb| {
        let needs_a_person = c.held.is_some() || matches!(c.state, State::Stuck { .. });
        let told = books.told_dark.contains(c.line.as_str());
        c.state.is_open() && c.pending.is_none() && !needs_a_person && !told
    };
    let mut found = Vec::new();
    for climb in books.climbs.values().filter(free) {
        let campaigns = books.campaigns_of(climb);
        let is_on = |id: &&str| world.iter().any(|o| o.id == **id && o.is_on());
        let theirs = |id: &&str| {
            people.made.contains_key(*id)
                || people.touched.keys().any(|(touched, _)| touched == *id)
        };
        let ours = |id: &&str| {
            books.writes.values().any(|w| {
                let off = w.request.params.iter().any(|(n, v)| n == "status" && v == "PAUSED");
                off && !w.creates && w.request.path == **id && w.status() == Some(WriteStatus::Done)
            })
        };
        let incumbent = climb.incumbent.as_str();
        let theirs = campaigns.iter().any(theirs) || people.rules || gone(world, incumbent);
        if !campaigns.iter().any(is_on) && ours(&incumbent) && !theirs {
            let what = format!("{} ({}): {incumbent} was paused", climb.id, climb.state.as_str());
            found.push(("no_line_is_left_dark", what));
        }
    }
    found
}

/// Who was told that a line is dark must be told again once it has run in between.
pub fn lit(books: &mut Books, world: &[Standing]) {
    let runs = |campaigns: BTreeSet<&str>| {
        world.iter().any(|o| campaigns.contains(o.id.as_str()) && o.is_on())
    };
    let of_line = books.climbs.values().filter(|c| books.told_dark.contains(c.line.as_str()));
    let lit: BTreeSet<String> =
        of_line.filter(|c| runs(books.campaigns_of(c))).map(|c| c.line.to_string()).collect();
    books.told_dark.retain(|line| !lit.contains(line));
}

/// A campaign that was cut for a split test that came to no promotion has again what it had.
pub fn cut(witness: &Witness, world: &[Standing]) -> Vec<Finding> {
    let (books, people) = (&witness.books, &witness.people);
    let mut found = Vec::new();
    let ended = |c: &&Climb| matches!(c.state, State::Aborted | State::Stayed { .. });
    for climb in books.climbs.values().filter(ended) {
        let Some(campaign) = world.iter().find(|o| o.id == climb.incumbent.as_str()) else {
            continue;
        };
        let inside = |id: &str| {
            id == campaign.id || world.iter().any(|o| o.id == id && o.campaign == campaign.id)
        };
        let sets = |w: &&BookedWrite| {
            let budget = w.request.params.iter().any(|(name, _)| name == "daily_budget");
            budget && w.status() == Some(WriteStatus::Done) && inside(&w.request.path)
        };
        let plan = |w: &BookedWrite| books.plans.get(&w.plan).map(|filed| &filed.plan);
        let writes: Vec<&BookedWrite> = books.writes.values().filter(sets).collect();
        let last = writes.iter().max_by_key(|w| w.entries.first().map(|(at, _)| *at));
        // A later climb may be cutting it again.
        if last.and_then(|w| plan(w)).is_none_or(|plan| plan.climb != climb.id) {
            continue;
        }
        let cuts = writes.iter().filter_map(|w| plan(w));
        let cuts = cuts.filter(|p| p.kind == PlanKind::Split && p.climb == climb.id);
        let had = cuts.filter_map(Plan::budget_before).map(Money::minor).max();
        let has = money::daily_of(world, campaign);
        // Whoever says no to the plan that would give it back keeps it as it is.
        let refused = |p: &FiledPlan| {
            let closing = matches!(p.plan.kind, PlanKind::End | PlanKind::CleanUp);
            closing && p.rejected && p.plan.climb == climb.id
        };
        let theirs = !campaign.is_there()
            || people.moved.contains_key(&campaign.id)
            || books.stuck.contains(climb.id.as_str())
            || books.plans.values().any(refused);
        // Parts are rounded each on its own.
        if had.is_some_and(|had| has < had - 10) && !theirs {
            let what = format!("{} ({}): {had:?} -> {has}", campaign.id, climb.state.as_str());
            found.push(("a_cut_is_given_back", what));
        }
    }
    found
}

/// What is stuck spends nothing that we turned on, unless a person did.
pub fn stuck(witness: &Witness, world: &[Standing]) -> Vec<Finding> {
    let stuck = witness.books.climbs.iter().filter(|(_, c)| matches!(c.state, State::Stuck { .. }));
    let mut found = Vec::new();
    for (id, climb) in stuck {
        let made = witness.books.writes.values().filter(|w| {
            let plan = witness.books.plans.get(&w.plan);
            w.creates && plan.is_some_and(|p| p.plan.climb == climb.id)
        });
        let made: Vec<&str> = made.filter_map(|w| w.object.as_deref()).collect();
        let on = world.iter().find(|o| {
            o.kind == "campaign"
                && o.is_on()
                && made.contains(&o.id.as_str())
                && !carries_the_line(&witness.books, &o.id)
                && !(named_carrier(climb, &o.id) && gone(world, climb.incumbent.as_str()))
                && !witness.people.touched.contains_key(&(o.id.clone(), "status".to_owned()))
        });
        if let Some(on) = on {
            found.push(("stuck_is_paused", format!("{id} is stuck and {} is on", on.id)));
        }
    }
    found
}

/// A winner that is left alone with its line.
fn named_carrier(climb: &Climb, campaign: &str) -> bool {
    let State::Stuck { placed: Some(placed), .. } = &climb.state else { return false };
    placed.campaign.as_str() == campaign
}

fn gone(world: &[Standing], id: &str) -> bool {
    !world.iter().any(|o| o.id == id && o.is_there())
}

/// A placement took the line over: pausing it would leave the line dark.
fn carries_the_line(books: &Books, campaign: &str) -> bool {
    books.activation_of(campaign).is_some_and(|p| p.plan.money.extra_total.minor() == 0)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::*, *};
    use crate::domain::{
        CampaignId, ClimbId, LineId,
        climb::{Memory, Pending},
        plan::PlanHash,
        write_log::Entry,
    };

    fn climb(state: State) -> Climb {
        let (id, line) = (ClimbId::new("c").unwrap(), LineId::new("l").unwrap());
        let incumbent = CampaignId::new("1").unwrap();
        Climb { state, ..Climb::open(id, line, incumbent, "purchase", AT, Memory::default()) }
    }
    fn names(found: Vec<Finding>) -> Vec<&'static str> {
        found.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_lasting_doubt_and_a_wait_for_nothing_are_named() {
        let mut books = Books::default();
        let entries = vec![(AT, Entry::Started)];
        let write = BookedWrite { entries, object: None, ..booked("9") };
        books.writes.insert("K".to_owned(), write);
        let pending = Pending { kind: PlanKind::Clone, plan: PlanHash::named("aa") };
        let waiting = Climb { pending: Some(pending), ..climb(State::Observing) };
        books.climbs.insert("c".to_owned(), waiting);
        let found = names(rest(&books, &People::default()));
        assert_eq!(found, ["doubts_end", "a_climb_waits_for_an_open_plan_only"]);
    }

    #[test]
    fn a_line_that_ran_again_and_was_paused_is_named_although_it_was_told_of_before() {
        let mut w = Witness::default();
        let off = edit("1", "status", "PAUSED");
        let entries = vec![(AT, Entry::Started), (AT, Entry::Succeeded)];
        let pause = BookedWrite { creates: false, request: off, entries, ..booked("1") };
        w.books.writes.insert("K".to_owned(), pause);
        w.books.climbs.insert("c".to_owned(), climb(State::Observing));
        w.books.told_dark.insert("l".to_owned());
        let paused = [standing("campaign", "1", "PAUSED")];
        lit(&mut w.books, &paused);
        assert!(dark(&w, &paused).is_empty());
        lit(&mut w.books, &[standing("campaign", "1", "ACTIVE")]);
        assert_eq!(names(dark(&w, &paused)), ["no_line_is_left_dark"]);
    }

    #[test]
    fn a_stranded_climb_is_named_and_one_that_watches_is_not() {
        let route = crate::domain::climb::Route {
            from: "purchase".to_owned(),
            to: "add_to_cart".to_owned(),
            kind: crate::domain::climb::RouteKind::Climb,
        };
        let cloning = State::Cloning { route, challenger: None, rule: None, study: None };
        let mut books = Books::default();
        books.climbs.insert("c".to_owned(), climb(cloning));
        assert_eq!(names(rest(&books, &People::default())), ["no_climb_is_stranded"]);
        books.climbs.insert("c".to_owned(), climb(State::Observing));
        assert!(rest(&books, &People::default()).is_empty());
    }
}
