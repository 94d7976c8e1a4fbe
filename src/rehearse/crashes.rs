//! The crash enumerator: one climb from its first plan to its end, with a death at every call and every commit of it,
//! and at pairs of them.
//!
//! The reference climb is lived once, and frozen before each of its passes, so that a death in that pass is rehearsed
//! from there: the copy dies at the point, is started again and lives on, until it stands again where the reference
//! stood ([`super::rejoin`]) or to the climb's end. For pairs its rests are kept too, and the second death is rehearsed
//! from them: first and recovery are lived once for all of its seconds.

use std::time::Instant;

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_pcg::Pcg64Mcg;
use tokio::runtime::Runtime;

use super::{
    RehearsalError, Violation,
    cores::on_cores,
    reference::{Life, Manner, Reference},
    tripwire::{Event, Point, Side},
};

/// Violations after which an enumeration stops.
const ENOUGH: usize = 20;
/// One second death in so many comes anywhere in what follows the recovery, and its life is lived to the climb's end.
const LATER: u64 = 20;

/// What the enumeration came to.
#[derive(Debug, Default)]
pub struct CrashReport {
    /// Passes of the reference climb.
    pub passes: u64,
    /// Calls of the reference climb.
    pub calls: u64,
    /// Commits of the reference climb.
    pub commits: u64,
    /// Points died at: four sides of each call, two of each commit.
    pub points: u64,
    /// Pairs of points died at: the second in what follows the first.
    pub pairs: u64,
    /// Lives that were not gone on with, because they stood again where another life stood.
    pub rejoined: u64,
    /// What must never happen and did.
    pub violations: Vec<Violation>,
    /// Seconds it took.
    pub seconds: f64,
}

/// What to try.
#[derive(Debug, Clone, Copy)]
pub struct CrashPlan {
    /// Seed of world and sampling.
    pub seed: u64,
    /// Every how many points one is died at; 1 = all of them.
    pub every: u64,
    /// Pairs sampled: each of those points first, as many different seconds as are wanted.
    pub pairs: u64,
    /// Every how many lives one is lived to the climb's end in any case; 1 = all of them.
    pub whole: u64,
}

/// A death in a pass of the reference, and its number.
#[derive(Debug, Clone, Copy)]
struct First {
    n: u64,
    pass: usize,
    point: Point,
}

/// A life that was tried: its name, and what it came to.
type Tried = (String, Result<Life, RehearsalError>);

/// Dies everywhere, on all cores.
pub fn crashes(
    plan: CrashPlan,
    mut after: impl FnMut(u64, u64),
) -> Result<CrashReport, RehearsalError> {
    let begun = Instant::now();
    let mut report = CrashReport::default();
    let reference = reference(plan.seed)?;
    let events = || reference.rests.iter().flat_map(|rest| &rest.events);
    let count = |wanted: Event| number(events().filter(|e| **e == wanted).count());
    report.passes = number(reference.rests.len());
    (report.calls, report.commits) = (count(Event::Call), count(Event::Commit));
    report.violations.extend(reference.violations.iter().cloned());
    let every = usize::try_from(plan.every.max(1)).unwrap_or(1);
    let passes = reference.rests.iter().enumerate();
    let singles = passes.flat_map(|(pass, rest)| rest.points().map(move |point| (pass, point)));
    let singles = singles.step_by(every).zip(0..);
    let firsts: Vec<First> = singles.map(|((pass, point), n)| First { n, pass, point }).collect();
    let job = |runtime: &Runtime, n: u64| {
        let first = firsts[usize::try_from(n).unwrap_or(0)];
        runtime.block_on(reference.die_first(first, plan, share(plan.pairs, n, firsts.len())))
    };
    on_cores(number(firsts.len()), job, |n, ended| {
        match ended {
            Ok(tried) => {
                for (i, (name, life)) in tried.into_iter().enumerate() {
                    let met = take(&mut report, plan.seed, name, life);
                    *(if i == 0 { &mut report.points } else { &mut report.pairs }) +=
                        u64::from(met);
                    after(report.points, report.pairs);
                }
            }
            Err(words) => {
                let name = format!("{:?}", firsts[usize::try_from(n).unwrap_or(0)]);
                report.violations.push(broken(plan.seed, "nothing_panics", words, name));
            }
        }
        report.violations.len() < ENOUGH
    });
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

/// Dies at exactly this point of a pass, and at another one after a rest of the recovery; tells what was found: for
/// what a longer run has named.
pub fn at_points(
    seed: u64,
    pass: usize,
    point: Point,
    second: Option<(usize, Point)>,
) -> Result<CrashReport, RehearsalError> {
    let reference = reference(seed)?;
    let mut report = CrashReport::default();
    let first = First { n: 0, pass, point };
    let job = |runtime: &Runtime, _| {
        let manner = Manner { year: true, whole: true, keeps: second.is_some() };
        let rest = &reference.rests[pass];
        let life = runtime.block_on(reference.go_on(rest, &[point], &[], manner));
        let again = match (&life, second) {
            (Ok(life), Some((rest, point))) => {
                let manner = Manner { year: true, whole: true, keeps: false };
                let points = [point];
                let again = reference.go_on(&life.rests[rest], &points, &[], manner);
                Some((again_name(first, rest, point), runtime.block_on(again)))
            }
            _ => None,
        };
        [Some((first_name(first), life)), again]
    };
    on_cores(1, job, |_, ended| {
        for (name, life) in ended.into_iter().flatten().flatten() {
            report.points += u64::from(take(&mut report, seed, name, life));
        }
        true
    });
    Ok(report)
}

fn reference(seed: u64) -> Result<Reference, RehearsalError> {
    let mut lived = None;
    let live = |runtime: &Runtime, _| runtime.block_on(Reference::live(seed));
    on_cores(1, live, |_, ended| {
        lived = Some(ended);
        true
    });
    let panicked = |why| RehearsalError::NoReference { seed, why };
    lived.unwrap_or_else(|| Err("nobody lived it".to_owned())).map_err(panicked)?
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The n-th of so many parts of the whole, as even as can be.
fn share(whole: u64, n: u64, parts: usize) -> u64 {
    let parts = number(parts).max(1);
    let upto = |n: u64| u128::from(whole) * u128::from(n) / u128::from(parts);
    u64::try_from(upto(n + 1) - upto(n)).unwrap_or(0)
}

fn broken(seed: u64, invariant: &'static str, what: String, name: String) -> Violation {
    Violation { invariant, what, seed, story: vec![name] }
}

/// Enters what a life came to; true when it met its points.
fn take(
    report: &mut CrashReport,
    seed: u64,
    name: String,
    life: Result<Life, RehearsalError>,
) -> bool {
    match life {
        Ok(life) => {
            report.rejoined += u64::from(life.rejoined);
            report.violations.extend(life.violations.into_iter().map(|mut violation| {
                violation.story.insert(0, name.clone());
                violation
            }));
            life.met
        }
        Err(e) => {
            let invariant = "a_climb_ends_in_spite_of_crashes";
            report.violations.push(broken(seed, invariant, e.to_string(), name));
            true
        }
    }
}

fn first_name(First { pass, point: (n, side), .. }: First) -> String {
    format!("points {pass} {n} {side:?}")
}

fn again_name(first: First, rest: usize, (n, side): Point) -> String {
    format!("{} then {rest} {n} {side:?}", first_name(first))
}

impl Reference {
    /// Dies at a point, then again at so many points of what follows. A first that breaks something is the shorter
    /// story: nobody dies after it.
    async fn die_first(&self, first: First, plan: CrashPlan, seconds: u64) -> Vec<Tried> {
        let rest = &self.rests[first.pass];
        let whole = |n: u64| n.is_multiple_of(plan.whole.max(1));
        let manner = Manner { year: true, whole: whole(first.n), keeps: seconds > 0 };
        let life = Box::pin(self.go_on(rest, &[first.point], &[], manner)).await;
        let mut again: Vec<Tried> = Vec::new();
        if let Ok(life) = &life
            && life.violations.is_empty()
        {
            let mut rng = Pcg64Mcg::seed_from_u64(plan.seed ^ 0xc4a5_11e5 ^ (first.n << 20));
            let rests = life.rests.iter().enumerate();
            let all: Vec<(usize, Point)> =
                rests.flat_map(|(at, rest)| rest.points().map(move |point| (at, point))).collect();
            let later = (seconds + first.n % LATER) / LATER;
            let near = usize::try_from(seconds - later).unwrap_or(0).min(all.len());
            for (rest, point) in all.choose_multiple(&mut rng, near) {
                let others = &life.rests[*rest..];
                let manner = Manner { year: true, whole: whole(rng.random()), keeps: false };
                let points = [*point];
                let lived = self.go_on(&life.rests[*rest], &points, others, manner);
                let lived = Box::pin(lived).await;
                again.push((again_name(first, *rest, *point), lived));
            }
            for n in number(near)..seconds {
                // A lost answer is often made good within its own pass: nothing follows to be kept, and the second
                // is drawn from all that comes after.
                let to_the_end = seconds - n <= later || whole(rng.random());
                again.push(Box::pin(self.die_later(first, to_the_end, &mut rng)).await);
            }
        }
        std::iter::once((first_name(first), life)).chain(again).collect()
    }

    /// Dies at a point, and a second time anywhere in what follows.
    async fn die_later(&self, first: First, whole: bool, rng: &mut Pcg64Mcg) -> Tried {
        let rest = &self.rests[first.pass];
        let events: usize = self.rests[first.pass..].iter().map(|r| r.events.len()).sum();
        let mut most = number(events).saturating_sub(first.point.0).max(1);
        loop {
            let second = (rng.random_range(1..=most), Side::OF_CALL[rng.random_range(0..4)]);
            let manner = Manner { year: true, whole, keeps: false };
            let lived = Box::pin(self.go_on(rest, &[first.point, second], &[], manner)).await;
            // A point beyond the end of the climb is no second death.
            if lived.as_ref().is_ok_and(|life| !life.met) && most > 1 {
                most = second.0.saturating_sub(1).max(1);
                continue;
            }
            return (format!("{} later {second:?}", first_name(first)), lived);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_sum_to_the_whole() {
        let shares: Vec<u64> = (0..7).map(|n| share(20, n, 7)).collect();
        assert_eq!(shares.iter().sum::<u64>(), 20);
        assert!(shares.iter().all(|s| matches!(s, 2 | 3)), "{shares:?}");
    }
}
