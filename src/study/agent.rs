//! The agent in a market: evidence from rows, the real `decide`, plans approved and carried out at once.

use super::account::{
    Arm, SETTLE_DAYS, arm_facts, civil, climb_id, facts, first_evidence, line, major, money,
    morning,
};
use crate::domain::{
    Policy,
    climb::{Built, Climb, Effect, Event, Pending, PlanOutcome, Route, RouteKind, Test},
    decide::decide,
    evidence::{Evidence, ParityFacts},
    plan::{PlanHash, PlanKind},
    planner::allowance,
    policy::BudgetMode,
};
use crate::sandbox::market::{
    PURCHASE,
    policies::{self, Allocation, HISTORY_DAYS, Move, Observed},
};

/// Budgets follow the owner's wish by at most this share a day, so that no change is a significant edit.
const EASY_CHANGE: f64 = 0.15;
/// Days the dead-man bound leaves a test beyond its comparison days: learning, settling, review and slack.
const TEST_OVERHEAD_DAYS: i64 = 7 + 3 + 2 + 4;

/// The product's own policy. It is made from a [`Policy`] alone and sees an account through [`Observed`] alone.
#[derive(Debug, Clone)]
pub struct Rungwise {
    policy: Policy,
    account: Option<Account>,
}

impl Rungwise {
    /// Before the first day of one account, with these settings; limits are set to never bind.
    pub const fn new(policy: Policy) -> Self {
        Self { policy, account: None }
    }

    /// The state of the climb in one word and the rung it stands on, for pictures of one account; None before day 0.
    pub fn stands(&self) -> Option<(&'static str, &str)> {
        let climb = &self.account.as_ref()?.evidence.climb;
        Some((climb.state.as_str(), climb.rung.as_str()))
    }
}

impl policies::Policy for Rungwise {
    fn decide(&mut self, seen: &Observed<'_>) -> policies::Decision {
        let account = match &mut self.account {
            Some(account) => {
                account.observe(seen);
                account
            }
            none => none.insert(Account::new(seen, &self.policy)),
        };
        let made = account.decide(seen);
        policies::Decision { allocation: account.allocation(), made }
    }
}

#[derive(Debug, Clone)]
struct Account {
    evidence: Evidence,
    incumbent: Arm,
    challenger: Option<Arm>,
    /// Daily budget of the line, in major units.
    line_budget: f64,
    /// Daily budgets of a running test: incumbent, challenger.
    test_budgets: Option<(f64, f64)>,
    campaigns: u32,
    climbs: u32,
}

impl Account {
    fn new(seen: &Observed<'_>, policy: &Policy) -> Self {
        let incumbent = Arm { level: PURCHASE, since: -HISTORY_DAYS, number: 1, on: true };
        Self {
            evidence: first_evidence(seen, policy, incumbent),
            incumbent,
            challenger: None,
            line_budget: seen.budget,
            test_budgets: None,
            campaigns: 1,
            climbs: 0,
        }
    }

    /// Takes in the morning: one more closed day, the campaigns as they stand.
    fn observe(&mut self, seen: &Observed<'_>) {
        if self.test_budgets.is_none() {
            let (least, most) = (1.0 - EASY_CHANGE, 1.0 + EASY_CHANGE);
            self.line_budget = seen.budget.clamp(self.line_budget * least, self.line_budget * most);
        }
        let evidence = &mut self.evidence;
        evidence.now = morning(&evidence.zone, seen.day);
        evidence.today = civil(seen.day);
        evidence.gates.insights_read = Some(evidence.now);
        let closed = facts(seen, seen.day - SETTLE_DAYS, self.incumbent, self.challenger);
        evidence.days.extend(closed);
        self.read_campaigns(seen);
    }

    /// Writes the campaigns' present state into the evidence.
    fn read_campaigns(&mut self, seen: &Observed<'_>) {
        let (a, b) = self.test_budgets.unwrap_or((self.line_budget, self.line_budget));
        let evidence = &mut self.evidence;
        let read = |arm, budget: f64| {
            arm_facts(seen, arm, money(budget), &evidence.policy, &evidence.zone)
        };
        let (incumbent, challenger) =
            (read(self.incumbent, a), self.challenger.map(|c| read(c, b)));
        evidence.incumbent = incumbent;
        evidence.challenger = challenger;
        evidence.gates.managed_daily_minor = money(self.line_budget).minor();
    }

    /// Makes the closed days anew after the campaigns have changed.
    fn rebuild_days(&mut self, seen: &Observed<'_>) {
        let (a, b) = (self.incumbent, self.challenger);
        self.evidence.days.clear();
        let closed = a.since.max(-HISTORY_DAYS)..=seen.day - SETTLE_DAYS;
        self.evidence.days.extend(closed.filter_map(|day| facts(seen, day, a, b)));
    }

    fn decide(&mut self, seen: &Observed<'_>) -> Option<Move> {
        let decision = decide(&self.evidence);
        self.evidence.climb = decision.next;
        let mut made = None;
        let mut effects = decision.effects;
        // A plan may ask for another one; no honest chain is longer than this.
        for _ in 0..8 {
            let next = std::mem::take(&mut effects);
            for effect in next {
                match effect {
                    Effect::Propose { kind } => {
                        made = self.moved(kind).or(made);
                        effects.extend(self.carry_out(kind, seen));
                    }
                    Effect::OpenNext { incumbent, rung, memory } => {
                        if self.challenger.is_some_and(|arm| arm.id() == incumbent) {
                            self.incumbent = self.challenger.unwrap_or(self.incumbent);
                        }
                        self.challenger = None;
                        self.test_budgets = None;
                        self.incumbent.on = true;
                        self.climbs += 1;
                        let (id, now) = (climb_id(self.climbs), self.evidence.now);
                        self.evidence.climb =
                            Climb::open(id, line(), incumbent, &rung, now, memory);
                        self.evidence.parity = None;
                        self.rebuild_days(seen);
                        self.read_campaigns(seen);
                    }
                    Effect::Alarm { .. } | Effect::Note { .. } => {}
                }
            }
            if effects.is_empty() {
                break;
            }
        }
        made
    }

    /// What a plan means for the score: tests and how they end. Placements are no tests.
    fn moved(&self, kind: PlanKind) -> Option<Move> {
        let route = self.evidence.climb.state.route()?;
        let incumbent = self.evidence.rung_index(&route.from)?;
        let challenger = self.evidence.rung_index(&route.to)?;
        match kind {
            _ if route.kind == RouteKind::Placement => None,
            PlanKind::Activate => Some(Move::Test { incumbent, challenger }),
            PlanKind::Shift => Some(Move::Promote { incumbent, challenger }),
            PlanKind::End => Some(Move::Stay { incumbent, challenger }),
            PlanKind::Clone | PlanKind::Split | PlanKind::CleanUp | PlanKind::Revert => None,
        }
    }

    /// A plan is filed, approved and done within the same morning.
    fn carry_out(&mut self, kind: PlanKind, seen: &Observed<'_>) -> Vec<Effect> {
        let built = self.build(kind, seen);
        let plan = PlanHash::named("study");
        let (filed, _) = self.evidence.climb.on(&Event::Filed(Pending { kind, plan }));
        let outcome = PlanOutcome::Done;
        let today = self.evidence.today;
        let (climb, effects) = filed.on(&Event::Ended { kind, outcome, built, today });
        self.evidence.climb = climb;
        self.read_campaigns(seen);
        effects
    }

    /// What the plan's writes would leave behind at Meta.
    fn build(&mut self, kind: PlanKind, seen: &Observed<'_>) -> Built {
        let route = self.evidence.climb.state.route().cloned();
        let mut built = Built::default();
        match (kind, route) {
            (PlanKind::Clone, Some(route)) => {
                let level = self.evidence.rung_index(&route.to).unwrap_or(self.incumbent.level);
                self.campaigns += 1;
                let arm = Arm { level, since: seen.day, number: self.campaigns, on: false };
                self.challenger = Some(arm);
                self.evidence.parity = Some(ParityFacts { compared: 1, ..ParityFacts::default() });
                self.rebuild_days(seen);
                built.challenger = Some(arm.id());
            }
            (PlanKind::Activate, Some(route)) => built.test = self.activate(route).map(Box::new),
            (PlanKind::Shift, _) => {
                self.incumbent.on = false;
                // The winner starts from the budget it has and grows in easy steps.
                if let Some((_, challenger)) = self.test_budgets {
                    self.line_budget = challenger;
                }
            }
            (PlanKind::End, _) => {
                if let Some((incumbent, _)) = self.test_budgets {
                    self.line_budget = incumbent;
                }
            }
            _ => {}
        }
        built
    }

    /// Money starts: the challenger beside the incumbent, or in its place.
    fn activate(&mut self, route: Route) -> Option<Test> {
        let run_rate = money(self.line_budget);
        let challenger_budget = allowance(&self.evidence.policy, route.kind, run_rate).ok()?;
        let compare = &self.evidence.policy.compare;
        let placed = route.kind == RouteKind::Placement;
        let split = compare.budget_mode == BudgetMode::Split && !placed;
        let incumbent_budget =
            if split { run_rate.checked_sub(challenger_budget).ok()? } else { run_rate };
        let days = if placed {
            i64::from(self.evidence.policy.watch_days())
        } else {
            i64::from(compare.max_window_days) + TEST_OVERHEAD_DAYS
        };
        let arm = self.challenger.as_mut()?;
        arm.on = true;
        if placed {
            self.incumbent.on = false;
        } else {
            self.test_budgets = Some((major(incumbent_budget), major(challenger_budget)));
        }
        let today = self.evidence.today;
        Some(Test {
            route,
            challenger: arm.id(),
            activated: self.evidence.now,
            first_day: today.plus(1),
            last_day: today.plus(days),
            incumbent_budget,
            challenger_budget,
            run_rate,
            not_before: None,
            looks: 0,
            rule: None,
            study: None,
        })
    }

    fn allocation(&self) -> Allocation {
        let (a, b) = self.test_budgets.unwrap_or((self.line_budget, self.line_budget));
        let mut allocation = Allocation::paused();
        if self.incumbent.on {
            allocation = allocation.with(self.incumbent.level, a);
        }
        if let Some(arm) = self.challenger.filter(|arm| arm.on) {
            allocation = allocation.with(arm.level, b);
        }
        allocation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::market::{
        MarketParams,
        policies::{Decision, Runner},
    };

    fn shipped() -> Policy {
        let config = crate::config::from_toml("[account]\nid = \"act_1\"\n", &[]).unwrap();
        config.account(None).unwrap().policy.clone()
    }

    /// Steps down by volume alone, below 30 purchases a week tested, below 15 at once.
    fn plain() -> Policy {
        let given = [
            ("gates.untested_below", "15"),
            ("gates.tested_below", "30"),
            ("placement.judged_by", "volume"),
        ];
        let config = crate::config::from_toml("[account]\nid = \"act_1\"\n", &given).unwrap();
        config.account(None).unwrap().policy.clone()
    }

    /// Asks the agent every day, writes down what it said and runs purchase optimisation whatever it said.
    struct Ignored(Rungwise, Vec<Decision>);
    impl policies::Policy for Ignored {
        fn decide(&mut self, seen: &Observed<'_>) -> Decision {
            self.1.push(self.0.decide(seen));
            Allocation::one(PURCHASE, seen.budget).into()
        }
    }

    #[test]
    fn worlds_that_look_the_same_get_the_same_decisions() {
        let said = |params: &MarketParams| {
            let mut asked = Ignored(Rungwise::new(shipped()), Vec::new());
            Runner::new(params.clone(), 4).run(&mut asked, 20);
            asked.1
        };
        let account = MarketParams::stuck_at_purchase();
        // What nobody can see while only the purchase campaign runs: how lower rungs would do, what an overlap costs.
        let hidden = MarketParams {
            s: [0.01, 0.02, 0.03, 0.04, 1.0],
            g: 3.0,
            overlap: 0.9,
            eps: 0.5,
            ..account
        };
        assert!(hidden.steady(2, 700.0, 1.0, 0).cpa > 1.5 * account.steady(2, 700.0, 1.0, 0).cpa);
        assert_eq!(said(&account), said(&hidden));
        let visible = MarketParams { volume: 120.0, ..account };
        assert_ne!(said(&account), said(&visible));
    }

    /// Notes where the line stands each day.
    struct Noted(Rungwise, Vec<(String, String)>);
    impl policies::Policy for Noted {
        fn decide(&mut self, seen: &Observed<'_>) -> Decision {
            let decision = self.0.decide(seen);
            let (state, rung) = self.0.stands().unwrap();
            self.1.push((state.to_owned(), rung.to_owned()));
            decision
        }
    }

    #[test]
    fn an_account_stuck_at_purchase_is_placed_lower_and_climbs_when_its_volume_allows() {
        let mut noted = Noted(Rungwise::new(plain()), Vec::new());
        Runner::new(MarketParams::stuck_at_purchase(), 1).run(&mut noted, 40);
        let first = |state: &str| noted.1.iter().position(|(s, _)| s == state);
        let mut story = noted.1.clone();
        story.dedup();
        let placed = first("probation").unwrap_or_else(|| panic!("{story:?}"));
        let tested = first("comparing").unwrap_or_else(|| panic!("{story:?}"));
        assert!(placed < 7, "{story:?}");
        let settled = noted.1.iter().position(|(_, rung)| rung != "purchase");
        let settled = settled.unwrap_or_else(|| panic!("{story:?}"));
        assert!(settled >= placed + 14, "it stabilises before anything else: {story:?}");
        assert!(tested > settled, "{story:?}");
        assert!(story.iter().all(|(state, _)| state != "stuck"), "{story:?}");
    }

    #[test]
    fn a_step_down_that_saves_is_kept_and_one_that_costs_is_taken_back_within_weeks() {
        let stuck = MarketParams { demand_growth: 0.0, ..MarketParams::stuck_at_purchase() };
        let run = |account: &MarketParams| {
            let mut noted = Noted(Rungwise::new(shipped()), Vec::new());
            let runner = Runner::new(account.clone(), 1);
            let cpa = runner.run(&mut noted, 26).cpa();
            let always = runner.run(&mut policies::FixedLevel(PURCHASE), 26).cpa();
            assert!(noted.1.iter().all(|(state, _)| state != "stuck"), "{:?}", noted.1);
            let placed = noted.1.iter().filter(|(state, _)| state == "probation").count();
            (1.0 - cpa / always, placed)
        };
        let (saved, placed) = run(&stuck);
        assert!(saved > 0.10 && placed > 150, "{saved} {placed}");
        // The same shop, whose carts and checkouts hardly ever stand for a purchase.
        let (saved, placed) = run(&MarketParams { s: [0.05, 0.1, 0.15, 0.2, 1.0], ..stuck });
        assert!((10..60).contains(&placed), "{saved} {placed}");
        assert!(saved > -0.15, "{saved} {placed}");
    }

    #[test]
    fn a_line_that_sells_enough_is_left_alone() {
        let account = MarketParams {
            volume: 150.0,
            k: 0.5,
            demand_growth: 0.0,
            ..MarketParams::stuck_at_purchase()
        };
        let mut agent = Rungwise::new(shipped());
        let runner = Runner::new(account, 2);
        let left = runner.run(&mut agent, 10);
        let always = runner.run(&mut policies::FixedLevel(PURCHASE), 10);
        assert!((left.cpa() / always.cpa() - 1.0).abs() < 1e-3);
        assert_eq!(left.tests, 0);
    }
}
