//! Identity: one object per write, one write per object, and nothing that is not ours.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        books::Books,
        witness::{Leaving, People, Witness, marked},
    },
    Finding,
};
use crate::{
    domain::{
        CampaignId, DAY_MS,
        climb::Climb,
        plan::{PlanKind, Template},
        write_log::WriteStatus,
    },
    sandbox::Standing,
};

/// Judges a request that has its permit.
pub fn leaving(witness: &mut Witness, leaving: Leaving<'_>, op_key: &str) {
    let template = leaving.template;
    let param = |name: &str| template.params.iter().find(|(n, _)| n == name).map(|(_, v)| v);
    let status = param("status").map(String::as_str);
    let creates = witness.books.writes.get(op_key).is_some_and(|w| w.creates);
    let shown = format!("{} {}", template.method, template.path);
    if creates {
        // Rules and studies spend nothing and have no such switch.
        let spends =
            !template.path.ends_with("adrules_library") && !template.path.ends_with("ad_studies");
        if spends && status != Some("PAUSED") {
            witness.accuse("everything_is_created_paused", shown.clone());
        }
        let name = param("name").map(String::as_str).unwrap_or_default();
        if marked(name) != Some(op_key) {
            let what = format!("{shown} of {op_key} is called {name:?}");
            witness.accuse("what_we_create_carries_its_marker", what);
        }
        return;
    }
    if !is_ours_to_write(witness, leaving.world, op_key, &template.path) {
        witness.accuse("nothing_foreign_is_written", shown);
    }
    if status == Some("ACTIVE") {
        switches_on(witness, leaving, op_key, &template.path);
    }
}

/// Our own objects, and the campaign the climb is about.
fn is_ours_to_write(witness: &Witness, world: &[Standing], op_key: &str, id: &str) -> bool {
    let made = |id: &str| witness.ours.contains(id) || witness.books.maker_of(id).is_some();
    let parent = world.iter().find(|o| o.id == id).map_or("", |o| o.campaign.as_str());
    // What people added to a campaign of ours shares in its budget; it keeps its switch, its end and its name.
    let budget = |t: &Template| t.params.iter().all(|(name, _)| name == "daily_budget");
    let shared = witness.books.writes.get(op_key).is_some_and(|w| budget(&w.request));
    if made(id) || shared && made(parent) {
        return true;
    }
    let Some((filed, _)) = witness.books.action_of(op_key) else { return false };
    let Some(climb) = witness.books.climbs.get(filed.plan.climb.as_str()) else { return false };
    let incumbent = climb.incumbent.as_str();
    id == incumbent || world.iter().any(|o| o.id == id && o.campaign == incumbent)
}

/// Money starts at one write, and only for a tree that was read back whole.
fn switches_on(witness: &mut Witness, leaving: Leaving<'_>, op_key: &str, id: &str) {
    let world = leaving.world;
    let Some(object) = world.iter().find(|o| o.id == id) else { return };
    if object.kind != "campaign" {
        let parent = world.iter().find(|o| o.id == object.campaign);
        if parent.is_some_and(|c| c.status == "ACTIVE") {
            let what = format!("{} {id} is switched on inside an active campaign", object.kind);
            witness.accuse("money_starts_at_one_write", what);
        }
        return;
    }
    let books = &witness.books;
    let own_plan = books.writes.get(op_key).map(|w| w.plan.clone()).unwrap_or_default();
    let built_by = books.maker_of(id).map(|(_, w)| w.plan.clone());
    // A way back turns on what the line ran on before, as people have left it. That it was read back when it was built
    // may be lost with the history before a restore.
    let begins = books.plans.get(&own_plan).is_none_or(|p| p.plan.kind != PlanKind::Revert);
    let unread: Vec<String> = books
        .writes
        .iter()
        .filter(|(key, w)| {
            let lost = !begins && witness.unproved.contains(*key);
            let built = w.creates && Some(&w.plan) == built_by.as_ref() && !lost;
            (built || w.plan == own_plan && *key != op_key) && !w.verified
        })
        .map(|(key, w)| format!("{key} ({})", w.action))
        .collect();
    let standing = |id: &str| world.iter().any(|o| o.id == id && o.is_there());
    let ordered =
        books.writes.iter().filter(|(_, w)| w.creates && Some(&w.plan) == built_by.as_ref());
    let people = &witness.people;
    // What people took away where its source shows nothing any more is missed by nobody.
    let excused = |id: &str| {
        let source = world.iter().find(|o| o.id == id).map_or("", |o| o.source.as_str());
        let shows = world.iter().any(|o| o.id == source && o.is_on() && !o.refused);
        people.touched.contains_key(&(id.to_owned(), "status".to_owned())) && !shows
    };
    let gone: Vec<String> = ordered
        .filter(|(_, w)| w.object.as_deref().is_none_or(|id| !standing(id) && !excused(id)))
        .map(|(key, w)| format!("{key} ({})", w.action))
        .collect();
    if !gone.is_empty() && begins {
        let what = format!("campaign {id} without {}", gone.join(", "));
        witness.accuse("what_is_switched_on_is_what_was_ordered", what);
    }
    if built_by.is_some() && !unread.is_empty() {
        let what = format!("campaign {id} before {}", unread.join(", "));
        witness.accuse("nothing_unverified_is_switched_on", what);
    }
    if let Some(what) = unlike(witness, leaving, &own_plan, id).filter(|_| begins) {
        witness.accuse("a_challenger_is_like_its_incumbent", what);
    }
}

/// What a challenger shows, or to whom, and its incumbent does not. An edit of the last day may be too fresh to be seen.
fn unlike(witness: &Witness, leaving: Leaving<'_>, plan: &str, id: &str) -> Option<String> {
    let plan = &witness.books.plans.get(plan)?.plan;
    let incumbent = witness.books.climbs.get(plan.climb.as_str())?.incumbent.as_str();
    let inside = |campaign: &str| {
        let campaign = campaign.to_owned();
        leaving.world.iter().filter(move |o| o.campaign == campaign && !o.shows.is_empty())
    };
    let ids: BTreeSet<&str> =
        inside(id).chain(inside(incumbent)).map(|o| o.id.as_str()).chain([id, incumbent]).collect();
    let people = &witness.people;
    let touched = people.touched.iter().filter(|((id, _), _)| ids.contains(id.as_str()));
    let made = people.made.iter().filter(|(id, _)| ids.contains(id.as_str()));
    let mut edits = touched.map(|(_, at)| at).chain(made.map(|(_, at)| at));
    if edits.any(|at| leaving.now.since(*at) < DAY_MS) {
        return None;
    }
    let known: BTreeSet<&str> = inside(incumbent).map(|o| o.shows.as_str()).collect();
    let other = inside(id).find(|o| o.is_there() && !known.contains(o.shows.as_str()))?;
    Some(format!("{} {} of campaign {id} shows {}", other.kind, other.id, other.shows))
}

/// Compares what stands in the world with what was committed.
pub fn inventory(world: &[Standing], books: &Books, people: &People, blind: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut by_key: BTreeMap<&str, Vec<&Standing>> = BTreeMap::new();
    for object in world.iter().filter(|o| o.is_there() && !people.made.contains_key(&o.id)) {
        if let Some(key) = marked(&object.name) {
            by_key.entry(key).or_default().push(object);
        }
    }
    for (key, objects) in &by_key {
        // A study that nothing takes part in does nothing.
        let on = objects.iter().filter(|o| o.is_on() && o.kind != "ad_study").count();
        let n = objects.len();
        if (on > 1 || n > 1 && !blind) && !people.markers.contains(*key) {
            found.push(("one_object_per_write", format!("{n} objects carry {key}, {on} on")));
        }
        // People copy what a restored history no longer knows, too.
        if !books.writes.contains_key(*key) && !people.markers.contains(*key) {
            found.push(("no_orphan", format!("nothing on disk knows {key}")));
        }
    }
    found.extend(active_copies(world, people));
    found.extend(bound_twice(books));
    let there: BTreeSet<&str> = world.iter().map(|o| o.id.as_str()).collect();
    for (key, write) in books.writes.iter().filter(|(_, w)| w.creates) {
        let done = write.status() == Some(WriteStatus::Done);
        let missing = write.object.as_deref().filter(|id| !there.contains(id));
        let goes = ["adrules_library", "ad_studies"];
        let goes = goes.iter().any(|edge| write.request.path.ends_with(edge));
        if done && write.object.is_none() {
            found.push(("no_ghost", format!("{key} is done and has made nothing")));
        }
        if let (true, Some(id), false) = (done, missing, goes) {
            found.push(("no_ghost", format!("{id} of {key} is not in the world")));
        }
    }
    found
}

/// A campaign that our requests made and that runs is known to some write, once all doubts are settled, unless people have
/// switched it or were shown it after a restore.
pub fn unknown(
    world: &[Standing],
    books: &Books,
    people: &People,
    ours: &BTreeSet<String>,
) -> Vec<Finding> {
    if books.in_doubt().next().is_some() {
        return Vec::new();
    }
    let known: BTreeSet<&str> = books.writes.values().filter_map(|w| w.object.as_deref()).collect();
    let lost = world.iter().filter(|o| {
        let own = o.kind == "campaign" && ours.contains(&o.id) && !people.know(&o.id);
        own && o.is_on() && !known.contains(o.id.as_str())
    });
    lost.map(|o| ("no_orphan", format!("{} {} is on and unknown", o.kind, o.id))).collect()
}

fn active_copies(world: &[Standing], people: &People) -> Vec<Finding> {
    let mut copies: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let on = world.iter().filter(|o| o.kind == "campaign" && o.is_on() && !o.source.is_empty());
    for campaign in on.filter(|c| !people.made.contains_key(&c.id)) {
        let sets = world.iter().filter(|o| o.kind == "adset" && o.campaign == campaign.id);
        let event = sets.map(|o| o.event.as_str()).next().unwrap_or_default();
        if !people.know(&campaign.id) {
            copies.entry((&campaign.source, event)).or_default().push(&campaign.id);
        }
    }
    let twice = copies.into_iter().filter(|(_, ids)| ids.len() > 1);
    twice
        .map(|((source, event), ids)| {
            let what = format!("{} of {source} at {event:?} are on", ids.join(" and "));
            ("one_active_copy_per_rung", what)
        })
        .collect()
}

fn bound_twice(books: &Books) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let bound = books.writes.values().filter_map(|w| w.object.as_deref().filter(|_| w.creates));
    let twice = bound.filter(|id| !seen.insert(*id)).map(str::to_owned).collect::<Vec<_>>();
    twice.into_iter().map(|id| ("an_object_belongs_to_one_write", id)).collect()
}

/// Of one write's objects, one is left once nothing has gone wrong for more than a day: the others were put away.
pub fn leftovers(world: &[Standing], books: &Books, people: &People) -> Vec<Finding> {
    let mut by_key: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for object in world.iter().filter(|o| o.is_there() && !people.made.contains_key(&o.id)) {
        let touched = people.touched.keys().any(|(id, _)| *id == object.id);
        if let Some(key) =
            marked(&object.name).filter(|key| !touched && !people.markers.contains(*key))
        {
            by_key.entry(key).or_default().push(&object.id);
        }
    }
    let settled = |key: &str| {
        books.writes.get(key).is_some_and(|w| w.creates && w.status() == Some(WriteStatus::Done))
    };
    let left = by_key.into_iter().filter(|(key, ids)| ids.len() > 1 && settled(key));
    left.map(|(key, ids)| ("leftovers_are_put_away", format!("{} carry {key}", ids.join(" and "))))
        .collect()
}

/// What we turned on belongs to a climb, once everything has come to rest.
pub fn unwatched(world: &[Standing], books: &Books, people: &People) -> Vec<Finding> {
    let carried: BTreeSet<&str> =
        books.climbs.values().flat_map(Climb::campaigns).map(CampaignId::as_str).collect();
    let ours = world.iter().filter(|o| o.kind == "campaign" && o.is_on());
    ours.filter(|o| marked(&o.name).is_some() && !carried.contains(o.id.as_str()))
        .filter(|o| !people.made.contains_key(&o.id))
        // They know of it, or gave one of their own our marker.
        .filter(|o| {
            let renamed = people.touched.contains_key(&(o.id.clone(), "name".to_owned()));
            !people.know(&o.id) && !renamed
        })
        .map(|o| ("nothing_of_ours_runs_unwatched", o.id.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::*, *};
    use crate::{domain::write_log::Entry, rehearse::books::BookedWrite};

    fn named(kind: &'static str, id: &str, status: &str, name: &str) -> Standing {
        Standing { name: name.to_owned(), ..standing(kind, id, status) }
    }
    fn judged(world: &[Standing], blind: bool) -> Vec<&'static str> {
        let (books, people) = (Books::default(), People::default());
        let mut found = super::inventory(world, &books, &people, blind);
        found.extend(unknown(world, &books, &people, &BTreeSet::from(["9".to_owned()])));
        found.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn twins_and_orphans_are_named_and_a_paused_twin_is_forgiven_to_the_blind() {
        let twins =
            [named("ad", "1", "PAUSED", "a [rw:K]"), named("ad", "2", "PAUSED", "b [rw:K]")];
        assert_eq!(judged(&twins, false), ["one_object_per_write", "no_orphan"]);
        assert_eq!(judged(&twins, true), ["no_orphan"]);
        let on = [named("ad", "1", "ACTIVE", "a [rw:K]"), named("ad", "2", "ACTIVE", "b [rw:K]")];
        assert_eq!(judged(&on, true), ["one_object_per_write", "no_orphan"]);
        assert_eq!(judged(&[named("campaign", "9", "ACTIVE", "no marker")], false), ["no_orphan"]);
    }

    #[test]
    fn two_active_copies_of_a_rung_are_named() {
        let copy =
            |id: &str| Standing { source: "5".to_owned(), ..standing("campaign", id, "ACTIVE") };
        assert_eq!(judged(&[copy("1"), copy("2")], true), ["one_active_copy_per_rung"]);
    }

    #[test]
    fn a_switch_inside_an_active_campaign_and_a_foreign_object_are_named() {
        let set = Standing { campaign: "1".to_owned(), ..standing("adset", "2", "PAUSED") };
        let world = [standing("campaign", "1", "ACTIVE"), set];
        let request = edit("2", "status", "ACTIVE");
        let found = super::super::tests::found(|w| {
            w.committed(&began("K", "aa", &request));
            send(w, &request, &world);
        });
        assert!(found.contains(&"money_starts_at_one_write"), "{found:?}");
        assert!(found.contains(&"nothing_foreign_is_written"), "{found:?}");
    }

    #[test]
    fn impossible_logs_are_named() {
        let twice = found(|w| {
            w.books.writes.insert("K".to_owned(), booked("9"));
            for record in [Entry::Started, Entry::Started] {
                let link = audit("write_began", &serde_json::json!({"op_key": "K"}));
                w.committed(&[entry("K", record), link]);
            }
        });
        assert_eq!(twice, ["write_logs_are_possible"]);
    }

    #[test]
    fn an_object_of_two_writes_a_ghost_and_an_active_creation_are_named() {
        let mut books = Books::default();
        let done = vec![(AT, Entry::Started), (AT, Entry::Succeeded)];
        for key in ["K", "L"] {
            let write = BookedWrite { entries: done.clone(), ..booked("9") };
            books.writes.insert(key.to_owned(), write);
        }
        let found: Vec<&str> = super::inventory(&[], &books, &People::default(), false)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(found, ["an_object_belongs_to_one_write", "no_ghost", "no_ghost"]);
        let request = edit("act_1/campaigns", "status", "ACTIVE");
        let active = super::super::tests::found(|w| {
            w.books.writes.insert("K".to_owned(), booked("9"));
            w.committed(&began("K", "aa", &request));
            send(w, &request, &[]);
        });
        assert!(active.contains(&"everything_is_created_paused"), "{active:?}");
        let unread = super::super::tests::found(|w| {
            w.books.writes.insert("K".to_owned(), booked("9"));
            let request = edit("9", "status", "ACTIVE");
            w.committed(&began("L", "bb", &request));
            send(w, &request, &[standing("campaign", "9", "PAUSED")]);
        });
        assert!(unread.contains(&"nothing_unverified_is_switched_on"), "{unread:?}");
    }

    #[test]
    fn a_twin_that_is_still_there_is_named_unless_a_person_took_it_up() {
        let world = [
            named("campaign", "1", "ACTIVE", "x [rw:K]"),
            named("campaign", "2", "PAUSED", "x [rw:K]"),
        ];
        let mut books = Books::default();
        let entries = vec![(AT, Entry::Started), (AT, Entry::Succeeded)];
        let write = BookedWrite { entries, ..booked("1") };
        books.writes.insert("K".to_owned(), write);
        let mut people = People::default();
        let found = leftovers(&world, &books, &people);
        assert_eq!(found, [("leftovers_are_put_away", "1 and 2 carry K".to_owned())]);
        people.touched.insert(("2".to_owned(), "name".to_owned()), AT);
        assert!(leftovers(&world, &books, &people).is_empty());
    }

    #[test]
    fn a_marked_campaign_that_no_climb_carries_is_named() {
        let world = [named("campaign", "1", "ACTIVE", "x [rw:K]")];
        let found = unwatched(&world, &Books::default(), &People::default());
        assert_eq!(found, [("nothing_of_ours_runs_unwatched", "1".to_owned())]);
    }
}
