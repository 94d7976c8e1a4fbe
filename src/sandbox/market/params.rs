//! The hidden numbers of one account and what follows from them exactly.

use rand::Rng;

use super::stream::{gamma, normal};
use super::{
    ADD_TO_CART, HALF_YEAR, INITIATE_CHECKOUT, LANDING_PAGE_VIEW, LEVELS, PURCHASE, VIEW_CONTENT,
    World,
};

/// What decides the outcomes of one account. Nobody outside the market may look at it but an oracle.
#[derive(Debug, Clone, PartialEq)]
pub struct MarketParams {
    /// Cost per purchase of purchase optimisation at full learning, in major units of the currency.
    pub c0: f64,
    /// Purchases a week at full learning; with `c0` it sets the account's budget.
    pub volume: f64,
    /// Events of each level per purchase, without the boost of being optimised for; falling, `q[PURCHASE]` = 1.
    pub q: [f64; LEVELS],
    /// How well each level's event stands for a purchase, 0 to 1; rising, `s[PURCHASE]` = 1.
    pub s: [f64; LEVELS],
    /// Strength of learning: CPA without any is `exp(k)` times CPA with all.
    pub k: f64,
    /// Optimised events a week at which half is learned.
    pub h: f64,
    /// Strength of "you get what you ask for": how many extra events that never buy a low level attracts.
    pub g: f64,
    /// Elasticity of CPA to the share of the absorbable budget an ad set takes.
    pub eps: f64,
    /// Rise of CPA while more than one ad set is live.
    pub overlap: f64,
    /// Variance over mean of a day's purchases, at least 1.
    pub phi: f64,
    /// Growth of the account's budget over 26 weeks, as a fraction; linear, and continuing.
    pub growth: f64,
    /// Growth of demand over 26 weeks, as a fraction; linear, and continuing. See [`MarketParams::demand`].
    pub demand_growth: f64,
    /// Standard deviation of the log of auction noise common to all ad sets (daily AR(1), coefficient 0.7).
    pub sd_market: f64,
    /// Standard deviation of the log of each ad set's own drift (daily AR(1), coefficient 0.9).
    pub sd_arm: f64,
    /// Amplitude of the weekly swing, as a fraction.
    pub weekday: f64,
    /// Account memory of a new ad set, in units of `h`.
    pub v0: f64,
    /// True for the hard threshold at 50 events a week in place of the saturating curve.
    pub threshold: bool,
    /// Mean order value in major units of the currency.
    pub order_value: f64,
    /// Impressions per link click.
    pub impressions_per_click: f64,
}

/// Where an ad set settles at a steady budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steady {
    /// Cost per purchase in major units.
    pub cpa: f64,
    /// Optimised events a week.
    pub optimised_per_week: f64,
}

fn logit(p: f64) -> f64 {
    libm::log(p / (1.0 - p))
}
fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

impl MarketParams {
    /// Draws an account of `world`.
    ///
    /// Sources of the spreads: add-to-carts per purchase 3-8 with a median of 5.3 and the store funnels published by
    /// analytics vendors (add-to-cart 4-7 % of sessions, about 0.45 purchases per checkout).
    pub fn sample(world: &World, rng: &mut impl Rng) -> Self {
        fn lognormal(median: f64, sd: f64, rng: &mut impl Rng) -> f64 {
            median * libm::exp(sd * normal(rng))
        }
        fn uniform(least: f64, greatest: f64, rng: &mut impl Rng) -> f64 {
            least + (greatest - least) * rng.random::<f64>()
        }
        let c0 = lognormal(world.c0, 0.6, rng);
        let volume = lognormal(world.volume, 0.95, rng).clamp(3.0, 200.0);
        let mut q = [1.0; LEVELS];
        for (level, median, sd) in [
            (INITIATE_CHECKOUT, 2.2, 0.22),
            (ADD_TO_CART, 2.4, 0.28),
            (VIEW_CONTENT, 5.0, 0.35),
            (LANDING_PAGE_VIEW, 1.9, 0.25),
        ] {
            // A funnel never widens downwards, however unlikely the draw.
            q[level] = q[level + 1] * lognormal(median, sd, rng).max(1.0);
        }
        // How good the account's signals are as a whole, then each level's own deviation.
        let account = 0.55 * normal(rng) + logit(world.s_atc) - logit(0.71);
        let mut s = [1.0; LEVELS];
        for (level, centre) in [
            (INITIATE_CHECKOUT, 0.86),
            (ADD_TO_CART, 0.71),
            (VIEW_CONTENT, 0.45),
            (LANDING_PAGE_VIEW, 0.25),
        ] {
            let drawn = logistic(logit(centre) + account + 0.35 * normal(rng));
            s[level] = drawn.min(s[level + 1]);
        }
        Self {
            c0,
            volume,
            q,
            s,
            k: lognormal(world.k, 0.35, rng),
            h: lognormal(world.h, 0.35, rng),
            g: 0.8,
            eps: uniform(0.05, 0.2, rng),
            overlap: uniform(0.0, 0.10, rng),
            phi: 1.0 + gamma(1.5, 0.4, rng),
            growth: uniform(world.growth_min, world.growth_max, rng),
            demand_growth: 0.0,
            sd_market: 0.12,
            sd_arm: uniform(0.05, 0.15, rng),
            weekday: uniform(0.05, 0.2, rng),
            v0: world.v0,
            threshold: world.threshold,
            order_value: c0 * lognormal(2.4, 0.3, rng),
            impressions_per_click: lognormal(70.0, 0.25, rng),
        }
    }

    /// The account of the demonstration: 12 purchases a week and ad set under purchase optimisation, which is stuck.
    ///
    /// At its budget ([`MarketParams::base_budget`], no budget growth) add-to-cart and initiate-checkout are truly
    /// cheaper per purchase; demand triples within 26 weeks, and on the way first initiate-checkout and then purchase
    /// optimisation becomes the best again.
    pub fn stuck_at_purchase() -> Self {
        Self {
            c0: 22.0,
            volume: 27.5,
            q: [58.0, 30.0, 5.6, 2.3, 1.0],
            s: [0.25, 0.42, 0.72, 0.85, 1.0],
            k: 1.7,
            h: 13.0,
            g: 0.8,
            eps: 0.06,
            overlap: 0.02,
            phi: 1.2,
            growth: 0.0,
            demand_growth: 2.0,
            sd_market: 0.10,
            sd_arm: 0.05,
            weekday: 0.10,
            v0: 0.10,
            threshold: false,
            order_value: 120.0,
            impressions_per_click: 70.0,
        }
    }

    /// Demand of `day` against day 0: purchases per money at equal learning are multiplied by it.
    ///
    /// `1 + demand_growth * day / 182`, 1 before day 0 and never below 0.05. More demand at the same budget means more
    /// events, which the delivery then learns from: volume grows faster than demand.
    pub fn demand(&self, day: i64) -> f64 {
        half_years(day).mul_add(self.demand_growth, 1.0).max(0.05)
    }

    /// The daily budget the account has, and its audience absorbs at share 1, on `day` (major units).
    ///
    /// `volume * c0 / 7 * (1 + growth * day / 182)`, flat before day 0 and never below a twentieth of that.
    pub fn base_budget(&self, day: i64) -> f64 {
        self.volume * self.c0 / 7.0 * half_years(day).mul_add(self.growth, 1.0).max(0.05)
    }

    /// How much the delivery has learned, 0 to 1, from `events` optimised events in seven days.
    pub fn learned(&self, events: f64) -> f64 {
        if self.threshold {
            return 0.35 + 0.55 * (events / 50.0).min(1.0);
        }
        let known = events + self.v0 * self.h;
        known / (known + self.h)
    }

    /// Cost per purchase in major units when optimising for `level` with `learned` of the learning done.
    pub fn cpa(&self, level: usize, learned: f64, share: f64, day: i64, overlapping: bool) -> f64 {
        let crowded = if overlapping { 1.0 + self.overlap } else { 1.0 };
        let unlearned = self.k * (1.0 - self.s[level] * learned);
        // share^eps as one exponential: the population study calls this millions of times.
        let pressure = if (share - 1.0).abs() < 1e-12 { 0.0 } else { self.eps * libm::log(share) };
        self.c0 * libm::exp(unlearned + pressure) * crowded / self.demand(day)
    }

    /// Events of every level per major unit of money, when optimising for `level` at that CPA.
    ///
    /// The optimised event gets its boost; those who do it without ever buying have passed the levels below as well.
    pub fn events_per_money(&self, level: usize, cpa: f64, learned: f64) -> [f64; LEVELS] {
        let idle = self.q[level] * libm::expm1(self.g * (1.0 - self.s[level]) * learned);
        let mut rates = self.q;
        for (at, rate) in rates.iter_mut().enumerate() {
            if at <= level {
                *rate += idle;
            }
            *rate /= cpa;
        }
        rates
    }

    /// The fixed point of learning: optimising for `level` at `share` of `weekly_budget`, alone, with `day`'s demand.
    pub fn steady(&self, level: usize, weekly_budget: f64, share: f64, day: i64) -> Steady {
        let spend = weekly_budget * share;
        let at = |volume: f64| {
            let learned = self.learned(volume);
            let cpa = self.cpa(level, learned, share, day, false);
            let boost = libm::exp(self.g * (1.0 - self.s[level]) * learned);
            Steady { cpa, optimised_per_week: spend * self.q[level] / cpa * boost }
        };
        // Starts low, so that where learning feeds on itself the point found is the one a new ad set reaches.
        let mut volume = 5.0;
        for _ in 0..200 {
            let step = 0.5 * (at(volume).optimised_per_week - volume);
            volume += step;
            if step.abs() < 1e-9 * volume {
                break;
            }
        }
        Steady { optimised_per_week: volume, ..at(volume) }
    }

    /// The level with the lowest steady CPA at the account's own budget of `day`, and that CPA.
    pub fn best_level(&self, day: i64) -> (usize, f64) {
        let weekly = 7.0 * self.base_budget(day);
        let mut best = (PURCHASE, f64::INFINITY);
        for level in (0..LEVELS).rev() {
            let cpa = self.steady(level, weekly, 1.0, day).cpa;
            if cpa < best.1 {
                best = (level, cpa);
            }
        }
        best
    }
}

/// Half years since day 0; none before it.
#[expect(clippy::cast_precision_loss, reason = "days of a simulation, far below 2^52")]
fn half_years(day: i64) -> f64 {
    day.max(0) as f64 / HALF_YEAR as f64
}

#[cfg(test)]
mod tests {
    use rand_pcg::Pcg64Mcg;

    use super::*;

    fn accounts(world: &World, n: usize) -> Vec<MarketParams> {
        let mut rng = Pcg64Mcg::new(2026);
        (0..n).map(|_| MarketParams::sample(world, &mut rng)).collect()
    }

    #[test]
    fn funnels_narrow_towards_the_purchase_and_signals_sharpen() {
        for account in accounts(&World::neutral(), 2_000) {
            assert!(account.q.is_sorted_by(|low, high| low >= high), "{:?}", account.q);
            assert!(account.s.is_sorted(), "{:?}", account.s);
            for level in 0..LEVELS {
                let learned = account.learned(40.0);
                let cpa = account.cpa(level, learned, 1.0, 0, false);
                let rates = account.events_per_money(level, cpa, learned);
                assert!(rates.is_sorted_by(|low, high| low >= high), "{rates:?}");
                assert!((rates[PURCHASE] * cpa - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn sampled_accounts_have_the_documented_medians() {
        let all = accounts(&World::neutral(), 4_001);
        let median = |read: &dyn Fn(&MarketParams) -> f64| {
            let mut values: Vec<f64> = all.iter().map(read).collect();
            values.sort_by(f64::total_cmp);
            values[2_000]
        };
        for (name, got, expected, slack) in [
            ("c0", median(&|a| a.c0), 40.0, 1.6),
            ("volume", median(&|a| a.volume), 18.0, 1.1),
            ("add-to-carts per purchase", median(&|a| a.q[ADD_TO_CART]), 5.28, 0.15),
            ("s of add-to-cart", median(&|a| a.s[ADD_TO_CART]), 0.70, 0.02),
            ("k", median(&|a| a.k), 1.0, 0.03),
            ("h", median(&|a| a.h), 15.0, 0.4),
            ("phi", median(&|a| a.phi), 1.473, 0.03),
        ] {
            assert!((got - expected).abs() < slack, "{name}: {got}");
        }
    }

    #[test]
    fn below_thirty_purchases_a_week_add_to_cart_wins_for_two_accounts_in_three() {
        let (mut small, mut won) = (0_u32, 0_u32);
        for account in accounts(&World::neutral(), 2_000) {
            let weekly = 7.0 * account.base_budget(0);
            let purchase = account.steady(PURCHASE, weekly, 1.0, 0);
            if purchase.optimised_per_week < 30.0 {
                small += 1;
                won += u32::from(account.steady(ADD_TO_CART, weekly, 1.0, 0).cpa < purchase.cpa);
            }
        }
        let share = f64::from(won) / f64::from(small);
        assert!((0.59..0.69).contains(&share), "{share}");
    }

    #[test]
    fn ten_optimised_events_a_week_cost_a_quarter_to_two_fifths_more_than_fifty() {
        for (k, expected) in [(0.8, 1.24..1.30), (1.2, 1.36..1.46)] {
            let account = MarketParams { k, h: 15.0, v0: 0.4, ..MarketParams::stuck_at_purchase() };
            let cost = |v| account.cpa(PURCHASE, account.learned(v), 1.0, 0, false);
            let premium = cost(10.0) / cost(50.0);
            assert!(expected.contains(&premium), "k {k}: {premium}");
        }
    }

    #[test]
    fn the_demonstration_account_is_stuck_and_demand_makes_it_climb_back() {
        let account = MarketParams::stuck_at_purchase();
        let weekly = 7.0 * account.base_budget(0);
        let at = |level, day| account.steady(level, weekly, 1.0, day);
        let stuck = at(PURCHASE, 0);
        assert!((11.0..13.0).contains(&stuck.optimised_per_week), "{stuck:?}");
        assert!(at(ADD_TO_CART, 0).cpa < 0.85 * stuck.cpa, "{:?}", at(ADD_TO_CART, 0));
        assert!(at(INITIATE_CHECKOUT, 0).cpa < 0.92 * stuck.cpa);
        assert!(at(ADD_TO_CART, 0).optimised_per_week > 60.0);
        let best: Vec<usize> = (0..=182).map(|day| account.best_level(day).0).collect();
        assert!(best.is_sorted(), "the best level only rises: {best:?}");
        assert_eq!((best[0], best[182]), (ADD_TO_CART, PURCHASE), "{best:?}");
        assert!(best.contains(&INITIATE_CHECKOUT));
    }
}
