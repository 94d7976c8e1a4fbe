//! Tests of the tests: every bug of `src/planted.rs` is planted, one after the other, and something general must find
//! it: an invariant of the rehearsal, or a property over random cases. No catcher knows of a bug.
//!
//! `cargo test --release --features planted-bugs --test planted -- --exact every_planted_bug_is_caught --ignored --nocapture`
//!
//! Each attempt is a process of its own: this very test program, asked for one catcher, with the bug named in
//! `RUNGWISE_PLANTED`. `RUNGWISE_BUG=NoMarker,UtcDays` tries only those, `RUNGWISE_BUG=none` only that no catcher cries
//! out without a bug. What came out is kept row by row in `docs/planted-bugs.md`.

#[path = "guard_cases/approvals.rs"]
mod approvals;
#[path = "support/asked.rs"]
mod asked;
#[path = "guard_cases/caps.rs"]
mod caps;
#[path = "guard_cases/door.rs"]
mod door;
#[path = "guard_cases/exposure.rs"]
mod exposure;
#[path = "guard_cases/memory.rs"]
mod memory;
#[path = "graph_cases/pages.rs"]
mod pages;
#[path = "guard_cases/paper.rs"]
mod paper;
#[path = "planner.rs"]
mod planner;
#[path = "guard_cases/reckoned.rs"]
mod reckoned;
#[path = "store_cases/seen_at.rs"]
mod seen_at;
#[path = "planted_cases/sieve.rs"]
mod sieve;
#[path = "store_cases/support.rs"]
#[expect(dead_code, reason = "the cases of the store that are no catchers use the rest")]
mod support;
#[path = "store_cases/tampers.rs"]
mod tampers;

use rungwise::{
    planted::Bug,
    rehearse::{
        Violation,
        crashes::{CrashPlan, crashes},
        weeks::{STORY_WEEKS, weeks},
    },
};

/// The first story that is lived, unless `RUNGWISE_FIRST_SEED` says otherwise.
const FIRST_SEED: u64 = 1;

fn broken(seed: u64, found: &Violation) -> ! {
    let story = if found.story.is_empty() { String::new() } else { found.story.join("\n    ") };
    panic!("FOUND {} seed {seed}: {}\n    {story}", found.invariant, found.what)
}

/// `RUNGWISE_SEEDS` stories of the rehearsal on rising seeds, up to the first that breaks an invariant. Seeds in
/// `RUNGWISE_KNOWN` break one without any bug and show nothing; where that is asked for as `all`, they are listed.
#[test]
#[ignore = "a catcher: the driver asks for it"]
fn weeks_break_nothing() {
    let seeds: u32 = asked::asked("RUNGWISE_SEEDS").unwrap_or(20);
    let first = asked::asked("RUNGWISE_FIRST_SEED").unwrap_or(FIRST_SEED);
    let known: String = asked::asked("RUNGWISE_KNOWN").unwrap_or_default();
    let mut listed = std::collections::BTreeSet::new();
    let report = weeks(seeds * STORY_WEEKS, first, |_, found| {
        for one in found {
            let seed = one.seed.to_string();
            if known == "all" {
                listed.insert(format!("BROKEN {seed} {}", one.invariant));
            } else if !known.split(',').any(|known| known == seed) {
                broken(one.seed, one);
            }
        }
    });
    for line in listed {
        println!("{line}");
    }
    if let Err(why) = report {
        panic!("FOUND the_rehearsal_can_be_held seed {first}: {why}");
    }
}

/// One death in `RUNGWISE_DEATHS` points of the reference climbs of four seeds: aborts and promotions, additive and
/// split.
#[test]
#[ignore = "a catcher: the driver asks for it"]
fn deaths_break_nothing() {
    let every = asked::asked("RUNGWISE_DEATHS").unwrap_or(41);
    for seed in 1..=4 {
        match crashes(CrashPlan { seed, every, pairs: 0, whole: 10 }, |_, _| {}) {
            Ok(report) => {
                if let Some(found) = report.violations.first() {
                    broken(seed, found);
                }
            }
            Err(why) => panic!("FOUND the_reference_climb_ends seed {seed}: {why}"),
        }
    }
}

#[test]
#[ignore = "half an hour in a release build"]
fn every_planted_bug_is_caught() {
    let only: Option<String> = asked::asked("RUNGWISE_BUG");
    let wanted =
        |name: &str| only.as_ref().is_none_or(|list| list.split(',').any(|one| one == name));
    let mut book = sieve::Book::open();
    let known = sieve::broken_without_a_bug();
    println!("without any bug these seeds break an invariant: {known:?}");
    let noise = sieve::sift(None, &known);
    if wanted("none") {
        book.put(&sieve::Row::silence(noise.as_ref(), &known));
    }
    let tried: Vec<_> = Bug::ALL.iter().filter(|(_, name, _)| wanted(name)).collect();
    let mut missed = Vec::new();
    for (_, name, what) in &tried {
        let caught = sieve::sift(Some(name), &known);
        let row = sieve::Row::of(name, what, caught.as_ref());
        println!("{row}\n    {}", caught.as_ref().map_or("", |c| c.what.as_str()));
        book.put(&row);
        missed.extend(caught.is_none().then_some(*name));
    }
    println!("caught {} of {}", tried.len() - missed.len(), tried.len());
    assert!(missed.is_empty(), "nothing finds {missed:?}");
    assert!(noise.is_none() && known.is_empty(), "not silent without a bug: {noise:?} {known:?}");
}

#[test]
fn bugs_have_names_of_their_own_and_none_is_selected_by_itself() {
    let mut names: Vec<&str> = Bug::ALL.iter().map(|(_, name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Bug::ALL.len());
    assert!(names.len() >= 40, "{}", names.len());
    let chosen: Option<String> = asked::asked("RUNGWISE_PLANTED");
    assert_eq!(rungwise::planted::selected().is_some(), chosen.is_some());
}
