//! Decision quality on seeded populations: many accounts, every policy in the same weather, scored by expectation.

use std::num::NonZero;

use rand_pcg::Pcg64Mcg;
use serde::Serialize;

use super::policies::{Baseline, Outcome, Policy, Runner};
use super::stream::mix;
use super::{MarketParams, PURCHASE, World};

/// Makes a fresh policy for an account. It gets a seed and nothing else, so it cannot know the account.
pub type MakePolicy<'a> = &'a (dyn Fn(u64) -> Box<dyn Policy> + Sync);

/// A policy that takes part.
#[derive(Clone, Copy)]
pub enum Contender<'a> {
    /// A built-in one.
    Baseline(Baseline),
    /// Any other, under its own name.
    Own {
        /// Its name in the report.
        name: &'a str,
        /// How to make one.
        make: MakePolicy<'a>,
    },
}

impl std::fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Contender").field(&self.name()).finish()
    }
}

impl<'a> Contender<'a> {
    /// Its name in the report.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Baseline(baseline) => baseline.name(),
            Self::Own { name, .. } => name,
        }
    }
}

/// Bands of steady purchases a week under purchase optimisation: lower ends; the last one is open.
pub const BANDS: [f64; 6] = [0.0, 5.0, 10.0, 20.0, 30.0, 50.0];

/// The policies whose best is the benchmark of regret: an oracle that moves monthly can lose to never moving.
const BENCHMARK: [Baseline; 5] = [
    Baseline::Oracle,
    Baseline::AlwaysPurchase,
    Baseline::AlwaysAddToCart,
    Baseline::AlwaysInitiateCheckout,
    Baseline::AlwaysViewContent,
];

/// What a study found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Accounts per world.
    pub accounts: usize,
    /// Weeks each account was run.
    pub weeks: i64,
    /// The seed of the study.
    pub seed: u64,
    /// One entry per world, in the order asked for.
    pub worlds: Vec<WorldReport>,
    /// The plain mean of the worlds, per policy.
    pub overall: Vec<Overall>,
}

/// One world's part of a [`Report`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorldReport {
    /// The world.
    pub world: String,
    /// One entry per policy, in the order asked for, and last `best_possible`, the benchmark of regret.
    pub policies: Vec<PolicyReport>,
}

/// How one policy did in one world. Fractions, not percentages; a cut is of cost per purchase against
/// `always_purchase` on the same account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyReport {
    /// The policy.
    pub policy: String,
    /// Mean cut.
    pub mean_cut: f64,
    /// Standard error of the mean cut.
    pub standard_error: f64,
    /// The cut that a tenth of the accounts stays below.
    pub p10: f64,
    /// The median cut.
    pub p50: f64,
    /// The cut that a tenth of the accounts exceeds.
    pub p90: f64,
    /// Mean excess of cost per purchase over the benchmark's.
    pub regret: f64,
    /// Share of accounts made more than 5 % dearer.
    pub share_worse: f64,
    /// Tests per account.
    pub tests: f64,
    /// Promotions per account.
    pub promotions: f64,
    /// Promotions of a challenger truly more than 5 % dearer, in all accounts.
    pub wrong: u32,
    /// Tests that left a challenger truly more than 5 % cheaper unpromoted, in all accounts.
    pub missed: u32,
    /// Mean cut by volume.
    pub bands: Vec<Band>,
}

/// Accounts of one range of purchases a week.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Band {
    /// Least purchases a week.
    pub from: f64,
    /// Purchases a week the range ends before; None for the last.
    pub to: Option<f64>,
    /// Accounts in it.
    pub accounts: usize,
    /// Their mean cut; None without accounts.
    pub mean_cut: Option<f64>,
}

/// The plain mean of the worlds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overall {
    /// The policy.
    pub policy: String,
    /// Mean cut.
    pub mean_cut: f64,
    /// Mean regret.
    pub regret: f64,
    /// Share of accounts made more than 5 % dearer.
    pub share_worse: f64,
}

/// One account's results, policies in order and the benchmark last.
struct Account {
    volume: f64,
    base_cpa: f64,
    best_cpa: f64,
    outcomes: Vec<Outcome>,
}

/// Runs every policy on `accounts` accounts of each world for `weeks` weeks.
///
/// An account depends on the seed, the world's name and its number alone, so neither the number of threads nor the
/// choice of policies changes anyone's figures.
pub fn population(
    worlds: &[World],
    accounts: usize,
    weeks: i64,
    seed: u64,
    policies: &[Contender<'_>],
    threads: NonZero<usize>,
) -> Report {
    let worlds: Vec<WorldReport> = worlds
        .iter()
        .map(|world| {
            let results = run_world(world, accounts, weeks, seed, policies, threads);
            let mut reports: Vec<PolicyReport> = (0..policies.len())
                .map(|at| report(policies[at].name(), &results, |account| account.outcomes[at]))
                .collect();
            reports.push(report("best_possible", &results, |account| Outcome {
                spend: account.best_cpa,
                expected_purchases: 1.0,
                ..Outcome::default()
            }));
            WorldReport { world: world.name.clone(), policies: reports }
        })
        .collect();
    let overall = (0..=policies.len())
        .filter(|_| !worlds.is_empty())
        .map(|at| {
            let over = |read: fn(&PolicyReport) -> f64| {
                mean(worlds.iter().map(|world| read(&world.policies[at])))
            };
            Overall {
                policy: worlds[0].policies[at].policy.clone(),
                mean_cut: over(|p| p.mean_cut),
                regret: over(|p| p.regret),
                share_worse: over(|p| p.share_worse),
            }
        })
        .collect();
    Report { accounts, weeks, seed, worlds, overall }
}

fn run_world(
    world: &World,
    accounts: usize,
    weeks: i64,
    seed: u64,
    policies: &[Contender<'_>],
    threads: NonZero<usize>,
) -> Vec<Account> {
    let world_seed = world.name.bytes().fold(mix(seed), |word, byte| mix(word ^ u64::from(byte)));
    let mut results: Vec<Option<Account>> = (0..accounts).map(|_| None).collect();
    let chunk = accounts.div_ceil(threads.get()).max(1);
    std::thread::scope(|scope| {
        for (part, slots) in results.chunks_mut(chunk).enumerate() {
            scope.spawn(move || {
                for (at, slot) in slots.iter_mut().enumerate() {
                    let account_seed = mix(world_seed ^ mix((part * chunk + at) as u64));
                    *slot = Some(run_account(world, weeks, account_seed, policies));
                }
            });
        }
    });
    results.into_iter().flatten().collect()
}

fn run_account(world: &World, weeks: i64, seed: u64, policies: &[Contender<'_>]) -> Account {
    let mut rng = Pcg64Mcg::new((u128::from(seed) << 64) | u128::from(mix(seed)));
    let params = MarketParams::sample(world, &mut rng);
    let volume = params.steady(PURCHASE, 7.0 * params.base_budget(0), 1.0, 0).optimised_per_week;
    let runner = Runner::new(params, seed);
    let run =
        |baseline: Baseline| runner.run(&mut *baseline.policy(runner.params(), mix(seed)), weeks);
    let benchmark = BENCHMARK.map(run);
    let outcomes = policies
        .iter()
        .map(|contender| match contender {
            Contender::Baseline(baseline) => BENCHMARK
                .iter()
                .position(|known| known == baseline)
                .map_or_else(|| run(*baseline), |at| benchmark[at]),
            Contender::Own { make, .. } => runner.run(&mut *make(mix(seed)), weeks),
        })
        .collect();
    let best_cpa = benchmark.iter().map(Outcome::cpa).fold(f64::INFINITY, f64::min);
    let always_purchase = &benchmark[1];
    Account { volume, base_cpa: always_purchase.cpa(), best_cpa, outcomes }
}

fn report(name: &str, accounts: &[Account], pick: impl Fn(&Account) -> Outcome) -> PolicyReport {
    let cut = |account: &Account| 1.0 - pick(account).cpa() / account.base_cpa;
    let mut cuts: Vec<f64> = accounts.iter().map(cut).collect();
    cuts.sort_by(f64::total_cmp);
    let mean_cut = mean(cuts.iter().copied());
    let variance = mean(cuts.iter().map(|cut| (cut - mean_cut) * (cut - mean_cut)));
    let per_account = |read: fn(Outcome) -> u32| {
        mean(accounts.iter().map(|account| f64::from(read(pick(account)))))
    };
    let bands = BANDS.iter().enumerate().map(|(at, &from)| {
        let to = BANDS.get(at + 1).copied();
        let within =
            |account: &&Account| account.volume >= from && to.is_none_or(|to| account.volume < to);
        let members: Vec<&Account> = accounts.iter().filter(within).collect();
        Band {
            from,
            to,
            accounts: members.len(),
            mean_cut: (!members.is_empty())
                .then(|| mean(members.iter().map(|account| cut(account)))),
        }
    });
    PolicyReport {
        policy: name.to_owned(),
        mean_cut,
        standard_error: (variance / count(accounts.len())).sqrt(),
        p10: quantile(&cuts, 0.1),
        p50: quantile(&cuts, 0.5),
        p90: quantile(&cuts, 0.9),
        regret: mean(accounts.iter().map(|a| pick(a).cpa() / a.best_cpa - 1.0)),
        share_worse: mean(cuts.iter().map(|&cut| f64::from(u8::from(cut < -0.05)))),
        tests: per_account(|outcome| outcome.tests),
        promotions: per_account(|outcome| outcome.promotions),
        wrong: accounts.iter().map(|account| pick(account).wrong).sum(),
        missed: accounts.iter().map(|account| pick(account).missed).sum(),
        bands: bands.collect(),
    }
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n.max(1)).unwrap_or(u32::MAX))
}

/// The mean in the order given; 0 of nothing.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = count(values.len());
    values.sum::<f64>() / n
}

/// The quantile of sorted values, interpolated between neighbours; 0 of nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position within a vector's length"
)]
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let at = q * (count(sorted.len()) - 1.0);
    let low = at.floor() as usize;
    let high = (low + 1).min(last);
    sorted[low] + (sorted[high] - sorted[low]) * (at - at.floor())
}

#[cfg(test)]
mod tests {
    use super::super::policies::FixedLevel;
    use super::*;

    fn threads(n: usize) -> NonZero<usize> {
        NonZero::new(n).unwrap()
    }

    #[test]
    fn figures_depend_neither_on_threads_nor_on_the_company() {
        let worlds = [World::neutral(), World::sceptic()];
        let (article, purchase) =
            (Contender::Baseline(Baseline::Article), Contender::Baseline(Baseline::AlwaysPurchase));
        let alone = population(&worlds, 7, 12, 3, &[article], threads(1));
        let both = population(&worlds, 7, 12, 3, &[purchase, article], threads(3));
        for (one, two) in alone.worlds.iter().zip(&both.worlds) {
            assert_eq!(one.policies[0], two.policies[1]);
            assert!(two.policies[0].mean_cut.abs() < 1e-12);
        }
        assert_ne!(alone.worlds[0].policies, alone.worlds[1].policies);
    }

    #[test]
    fn an_own_policy_is_scored_like_a_baseline() {
        let make: MakePolicy<'_> = &|_| Box::new(FixedLevel(super::super::ADD_TO_CART));
        let own = Contender::Own { name: "mine", make };
        let carts = Contender::Baseline(Baseline::AlwaysAddToCart);
        let report = population(&[World::neutral()], 5, 8, 1, &[own, carts], threads(2));
        let [mine, theirs, best] = report.worlds[0].policies.as_slice() else {
            panic!("{report:?}")
        };
        assert_eq!(mine.policy, "mine");
        assert_eq!(*mine, PolicyReport { policy: "mine".into(), ..theirs.clone() });
        assert_eq!(best.policy, "best_possible");
        assert!(best.regret.abs() < f64::EPSILON);
        assert_eq!(mine.bands.iter().map(|band| band.accounts).sum::<usize>(), 5);
    }

    #[test]
    fn worlds_disagree_about_add_to_cart_as_they_are_meant_to() {
        let worlds = [World::seed_friendly(), World::sceptic()];
        let carts = Contender::Baseline(Baseline::AlwaysAddToCart);
        let report = population(&worlds, 60, 26, 2026, &[carts], threads(2));
        let [friendly, sceptic] = report.worlds.as_slice() else { panic!("{report:?}") };
        // 1,500 accounts give 20 % and -21 %.
        assert!(friendly.policies[0].mean_cut > 0.10, "{:?}", friendly.policies[0]);
        assert!(sceptic.policies[0].mean_cut < -0.10, "{:?}", sceptic.policies[0]);
        let [friendly_best, sceptic_best] = [&friendly.policies[1], &sceptic.policies[1]];
        assert!(friendly_best.mean_cut > 0.2 && sceptic_best.mean_cut < 0.04);
    }

    #[test]
    fn quantiles_interpolate_and_an_empty_study_is_no_accident() {
        assert!((quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.1) - 1.4).abs() < 1e-12);
        let report = population(&[World::neutral()], 0, 8, 1, &[], threads(2));
        assert_eq!(report.worlds[0].policies.len(), 1);
        assert!(report.worlds[0].policies[0].mean_cut.abs() < f64::EPSILON);
    }
}
