//! From a wish ("activate", "shift") and what was read to the exact list of writes, with what each costs.
//!
//! The planner is pure. Every rule about money lives here: lower before raise, raises in small steps, one write at
//! which money starts, bounds that hold if this program never comes back.

mod budget;
mod isolation;
mod names;

use serde::Serialize;

use super::{
    AdSetId, Day, HOUR_MS, Moment, Money, Rung, Status, Tree, Zone,
    climb::{Climb, Route, RouteKind, State, Test, Verdict},
    eligibility::{live_ads, live_adsets},
    guard,
    likeness::{fingerprint, likeness},
    plan::{Aspect, Expectation, MoneyAtRisk, ObjectKind, Op, PlanKind, RULE_ON, Target, op_key},
    policy::{BudgetMode, Limits, Policy},
};

use crate::planted::{Bug, bug};
use budget::Budgets;
pub use budget::{Ramp, ramp, scaled};
pub use names::{marker, named, without_marker};

/// Days a challenger learns at most, plus settling and review: what a test needs beyond its comparison days.
const OVERHEAD_DAYS: i64 = 7 + 3 + 2;
/// Days between planning and activation that the dead-man bound allows for approval and review.
const START_SLACK_DAYS: i64 = 4;

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The campaign has no readable daily budget.
    #[error("campaign {0} has no daily budget that could be matched")]
    NoBudget(String),
    /// The rung is not on the ladder.
    #[error("rung {0} is not on the ladder")]
    NoRung(String),
    /// The limits are not configured.
    #[error("no limits are configured")]
    NoLimits,
    /// The plan would break a limit.
    #[error("{0}")]
    Limit(String),
    /// An ad has no creative to share.
    #[error("ad {0} has no creative that could be shared")]
    NoCreative(String),
    /// The state of the climb does not fit the wish.
    #[error("a {kind} plan makes no sense while the climb is {state}")]
    State {
        /// The wish.
        kind: &'static str,
        /// The state.
        state: &'static str,
    },
    /// A study is asked for, and the account has no business that could hold it.
    #[error(
        "compare.isolation is ad_study, but the account belongs to no business that could hold a study"
    )]
    NoBusiness,
    /// The test's bound would come before the study could begin.
    #[error("a study could begin at {0} at the earliest, when the test's bound has passed already")]
    StudyTooLate(Moment),
    /// Arithmetic left its range.
    #[error("an amount is out of range")]
    Range,
}

/// A write not yet rendered into a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Draft {
    /// Name within the plan.
    pub key: String,
    /// The write.
    pub op: Op,
    /// Preconditions.
    pub expects: Vec<Expectation>,
    /// Not before.
    pub not_before: Option<Moment>,
    /// Why.
    pub reason: String,
}

/// A plan not yet rendered and sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftPlan {
    /// One line for people.
    pub title: String,
    /// What it can cost.
    pub money: MoneyAtRisk,
    /// Expiry.
    pub expires: Moment,
    /// The writes.
    pub actions: Vec<Draft>,
    /// For an activation: the test that begins with it.
    pub test: Option<Test>,
}

/// What the planner looks at.
#[derive(Debug)]
pub struct Wish<'a> {
    /// What for.
    pub kind: PlanKind,
    /// The climb.
    pub climb: &'a Climb,
    /// Policy in force.
    pub policy: &'a Policy,
    /// The incumbent as read now.
    pub source: &'a Tree,
    /// The challenger as read now.
    pub challenger: Option<&'a Tree>,
    /// The ad sets this climb has created: only their ends are ours to lift.
    pub made: &'a [AdSetId],
    /// Random text of this installation.
    pub install: &'a str,
    /// Smallest campaign spend cap Meta takes.
    pub min_spend_cap: Option<Money>,
    /// When the token ends, where that is known.
    pub token_expires: Option<Moment>,
    /// Now.
    pub now: Moment,
    /// The account's zone.
    pub zone: &'a Zone,
    /// The business that owns the account: studies are made there.
    pub business: Option<&'a str>,
}

impl Wish<'_> {
    /// Makes the plan.
    pub fn plan(&self) -> Result<DraftPlan, Refusal> {
        match self.kind {
            PlanKind::Clone => self.clone_plan(),
            PlanKind::Split => self.split_plan(),
            PlanKind::Activate => self.activate_plan(),
            PlanKind::Shift => self.shift_plan(),
            PlanKind::End => self.end_plan(),
            PlanKind::Revert => self.revert_plan(),
            PlanKind::CleanUp => self.clean_up_plan(),
        }
    }

    fn route(&self) -> Result<&Route, Refusal> {
        self.climb
            .state
            .route()
            .ok_or(Refusal::State { kind: self.kind.as_str(), state: self.climb.state.as_str() })
    }
    fn test(&self) -> Result<&Test, Refusal> {
        self.climb
            .state
            .test()
            .ok_or(Refusal::State { kind: self.kind.as_str(), state: self.climb.state.as_str() })
    }
    fn built(&self) -> Result<&Tree, Refusal> {
        self.challenger
            .ok_or(Refusal::State { kind: self.kind.as_str(), state: self.climb.state.as_str() })
    }
    fn rung(&self, key: &str) -> Result<&Rung, Refusal> {
        let found = self.policy.ladder.rungs.iter().find(|r| r.key == key);
        found.ok_or_else(|| Refusal::NoRung(key.to_owned()))
    }
    fn limits(&self) -> Result<Limits, Refusal> {
        self.policy.limits.ok_or(Refusal::NoLimits)
    }
    fn run_rate(&self) -> Result<Money, Refusal> {
        let none = || Refusal::NoBudget(self.source.campaign.id.to_string());
        self.source.daily_budget().ok_or_else(none)
    }
    fn expires(&self) -> Moment {
        self.now.plus(self.policy.approval.expires_ms)
    }
    fn key(&self, action: &str) -> super::OpKey {
        op_key(self.install, &self.climb.id, self.climb.attempts, self.kind, action)
    }
    fn name(&self, action: &str, source: &str, rung: &str) -> String {
        let key = self.key(action);
        named(source, rung, &self.policy.marker_prefix, &key)
    }

    fn clone_plan(&self) -> Result<DraftPlan, Refusal> {
        let route = self.route()?;
        let run_rate = self.run_rate()?;
        let allowance = allowance(self.policy, route.kind, run_rate)?;
        let days = self.test_days(route.kind, allowance)?;
        let ends = bound_end(self.zone, self.zone.day_of(self.now), days);
        // Without a token nobody could stop the test: the bound ends no later than it.
        let ends = self.token_expires.map_or(ends, |token| ends.min(whole_hour(token)));
        let bounded = route.kind != RouteKind::Placement && !bug(Bug::NoEndTime);
        let bound = bounded.then_some(ends);
        let money = self.money_at_risk(route.kind, run_rate, allowance, days)?;
        let mut actions = vec![self.clone_campaign(route, allowance, bound, money.extra_total)];
        let budgets = scaled(self.source, allowance)?;
        for (i, set) in live_adsets(self.source).enumerate() {
            let key = format!("adset.{}", i.saturating_add(1));
            let budget = budgets.iter().find(|(id, _)| *id == set.id).map(|(_, b)| *b);
            actions.push(self.clone_adset(&key, set, route, budget, bound)?);
            let ads = live_ads(self.source).filter(|a| a.adset == set.id);
            for (j, ad) in ads.enumerate() {
                let ad_key = format!("ad.{}.{}", i.saturating_add(1), j.saturating_add(1));
                actions.push(self.clone_ad(&ad_key, &key, ad, route)?);
            }
        }
        let verb = match route.kind {
            RouteKind::Climb => "climb",
            RouteKind::TestedPlacement => "step down, tested,",
            RouteKind::Placement => "step down, untested and on probation,",
        };
        let title = format!(
            "Re-create {} for a {verb} from {} to {}: everything PAUSED, no money moves",
            without_marker(&self.source.campaign.name),
            route.from,
            route.to
        );
        Ok(DraftPlan { title, money, expires: self.expires(), actions, test: None })
    }

    fn clone_campaign(
        &self,
        route: &Route,
        allowance: Money,
        bound: Option<Moment>,
        total: Money,
    ) -> Draft {
        let campaign = &self.source.campaign;
        let daily_budget = campaign.daily_budget.map(|_| allowance);
        let floor_allows = self.min_spend_cap.is_some_and(|floor| total >= floor);
        let spend_cap = (bound.is_some() && floor_allows).then_some(total);
        let name = self.name("campaign", &campaign.name, &route.to);
        let mut expects =
            vec![Self::expect(&campaign.id, ObjectKind::Campaign, Aspect::Status, "ACTIVE")];
        expects.extend(budget_expectations(self.source));
        expects.push(untouched(self.source, Aspect::Tree));
        Draft {
            key: "campaign".to_owned(),
            op: Op::CreateCampaign {
                source: campaign.id.clone(),
                name,
                daily_budget,
                spend_cap,
                fields: campaign.fields.clone(),
            },
            expects,
            not_before: None,
            reason:
                "the event of a published ad set cannot be changed, so the campaign is re-created"
                    .to_owned(),
        }
    }

    fn clone_adset(
        &self,
        key: &str,
        set: &super::AdSet,
        route: &Route,
        daily_budget: Option<Money>,
        end_time: Option<Moment>,
    ) -> Result<Draft, Refusal> {
        let rung = self.rung(&route.to)?;
        let expects = vec![Self::expect(
            &set.id,
            ObjectKind::AdSet,
            Aspect::Optimisation,
            &self.rung(&route.from)?.optimisation_key(),
        )];
        Ok(Draft {
            key: key.to_owned(),
            op: Op::CreateAdSet {
                source: set.id.clone(),
                campaign: Target::Created("campaign".to_owned()),
                name: self.name(key, &set.name, &route.to),
                rung: Box::new(rung.clone()),
                pixel_id: set.optimisation.pixel_id.clone().or_else(|| self.pixel_of_ads(set)),
                daily_budget,
                end_time,
                attribution: rung.attribution_for(&set.attribution),
                fields: set.fields.clone(),
            },
            expects,
            not_before: None,
            reason: format!("same audience, placements and schedule, optimised for {}", rung.title),
        })
    }

    /// The pixel its ads report to: an ad set optimised for landing page views names none itself.
    fn pixel_of_ads(&self, set: &super::AdSet) -> Option<String> {
        let ads = self.source.ads.iter().filter(|a| a.adset == set.id);
        let specs = ads.filter_map(|a| a.fields.get("tracking_specs")?.as_array());
        let pixels = specs.flatten().filter_map(|spec| spec.get("fb_pixel")?.as_array()?.first());
        let mut pixels = pixels;
        pixels.find_map(|id| id.as_str().map(str::to_owned))
    }

    fn clone_ad(
        &self,
        key: &str,
        adset: &str,
        ad: &super::Ad,
        route: &Route,
    ) -> Result<Draft, Refusal> {
        let creative = ad.creative.clone().ok_or_else(|| Refusal::NoCreative(ad.id.to_string()))?;
        Ok(Draft {
            key: key.to_owned(),
            op: Op::CreateAd {
                source: ad.id.clone(),
                adset: Target::Created(adset.to_owned()),
                name: self.name(key, &ad.name, &route.to),
                creative,
                fields: ad.fields.clone(),
            },
            expects: Vec::new(),
            not_before: None,
            reason: "the same creative, so that both arms show the same posts".to_owned(),
        })
    }

    /// Cuts the incumbent to its half in steps before the challenger starts.
    fn split_plan(&self) -> Result<DraftPlan, Refusal> {
        let run_rate = self.run_rate()?;
        let half = allowance(self.policy, self.route()?.kind, run_rate)?;
        let to = run_rate.checked_sub(half).map_err(|_| Refusal::Range)?;
        let ramp = self.ramp(run_rate, to)?;
        let mut actions = Vec::new();
        self.ramp_actions("incumbent", self.source, &ramp, &mut actions)?;
        let last = ramp.last().map_or(self.now, |step| step.at);
        Ok(DraftPlan {
            title: format!(
                "Cut {} from {run_rate} to {to} a day before the split test",
                self.source.campaign.id
            ),
            money: self.no_money("every cut can be undone by a raise")?,
            expires: last.plus(self.policy.approval.expires_ms),
            actions,
            test: None,
        })
    }

    fn activate_plan(&self) -> Result<DraftPlan, Refusal> {
        let route = self.route()?;
        let built = self.built()?;
        let placed = route.kind == RouteKind::Placement;
        let run_rate = self.run_rate()?;
        // Everything in it will be on, however far an earlier attempt came.
        let challenger_budget = built
            .daily_budget_in_all()
            .ok_or_else(|| Refusal::NoBudget(built.campaign.id.to_string()))?;
        let today = self.zone.day_of(self.now);
        let bound = built.adsets.iter().filter_map(|s| s.end_time).min();
        let last_day = bound.map_or(today.plus(self.watch_days()), |end| self.zone.day_of(end));
        let days = bound.map_or(self.watch_days(), |end| self.days_until(end)).max(1);
        let money = self.money_at_risk(route.kind, run_rate, challenger_budget, days)?;
        let mut actions = Vec::new();
        let mut not_before = None;
        let ruled = !placed && !bug(Bug::NoPauseRule);
        if ruled {
            actions.push(self.pause_rule(built, money.extra_total));
            if let Some((study, start)) = self.study(built, bound)? {
                actions.push(study);
                not_before = Some(start);
            }
        }
        actions.extend(Self::parts_on(built));
        if let Some(first) = actions.first_mut() {
            first.expects.push(untouched(self.source, Aspect::Tree));
            first.expects.push(untouched(built, Aspect::Content));
        }
        if placed {
            let target = Target::from(&self.source.campaign.id);
            let mut off =
                Self::switch("incumbent", target, ObjectKind::Campaign, Status::Paused, OFF_OLD);
            off.expects.extend(budget_expectations(self.source));
            off.expects.push(untouched(self.source, Aspect::Tree));
            actions.push(off);
        }
        let target = Target::from(&built.campaign.id);
        let mut on =
            Self::switch("campaign", target, ObjectKind::Campaign, Status::Active, ON_CAMPAIGN);
        on.expects.extend(budget_expectations(built));
        on.expects.extend(whole_and_bounded(built));
        // What somebody put into it since would run with it, outside of what was agreed to.
        on.expects.push(untouched(built, Aspect::Content));
        if !placed {
            on.expects.extend(ruled.then(|| Expectation {
                object: Target::Created("rule".to_owned()),
                kind: ObjectKind::Rule,
                aspect: Aspect::Status,
                value: RULE_ON.to_owned(),
            }));
            on.expects.push(untouched(self.source, Aspect::Tree));
            on.expects.push(Self::expect(
                &self.source.campaign.id,
                ObjectKind::Campaign,
                Aspect::Status,
                "ACTIVE",
            ));
            on.expects.extend(budget_expectations(self.source));
        }
        // People are split from the study's start on: until then the challenger gets no traffic.
        on.not_before = not_before;
        if bug(Bug::CampaignFirst) {
            on.expects.retain(|e| e.object == Target::from(&built.campaign.id));
            let at = usize::from(ruled).min(actions.len());
            actions.insert(at, on);
        } else {
            actions.push(on);
        }
        let test = Test {
            route: route.clone(),
            challenger: built.campaign.id.clone(),
            activated: self.now,
            first_day: today.plus(1),
            last_day,
            incumbent_budget: run_rate,
            challenger_budget,
            run_rate: self.original_run_rate(route.kind, run_rate, challenger_budget)?,
            not_before: None,
            looks: 0,
            rule: None,
            study: None,
        };
        let title = format!(
            "Turn on the {} campaign at {challenger_budget} a day{}",
            route.to,
            match (placed, not_before) {
                (true, _) => ", in place of the present one".to_owned(),
                (false, None) => ", beside the present one".to_owned(),
                (false, Some(start)) =>
                    format!(", beside the present one, people split half and half from {start} on"),
            }
        );
        Ok(DraftPlan { title, money, expires: self.expires(), actions, test: Some(test) })
    }

    /// Ads and ad sets are turned on while their campaign is still off.
    fn parts_on(built: &Tree) -> impl Iterator<Item = Draft> {
        let ads = built.ads.iter().enumerate().map(|(i, ad)| {
            let (key, target) = (format!("ad.{}", i + 1), Target::from(&ad.id));
            Self::switch(&key, target, ObjectKind::Ad, Status::Active, ON_AD)
        });
        let sets = built.adsets.iter().enumerate().map(|(i, set)| {
            let (key, target) = (format!("adset.{}", i + 1), Target::from(&set.id));
            Self::switch(&key, target, ObjectKind::AdSet, Status::Active, ON_SET)
        });
        let off =
            || Self::expect(&built.campaign.id, ObjectKind::Campaign, Aspect::Status, "PAUSED");
        ads.chain(sets).map(move |mut part| {
            part.expects.push(off());
            part
        })
    }

    /// What the line spent before the test: in a split both halves together.
    fn original_run_rate(
        &self,
        kind: RouteKind,
        now: Money,
        challenger: Money,
    ) -> Result<Money, Refusal> {
        if kind != RouteKind::Placement && self.policy.compare.budget_mode == BudgetMode::Split {
            return now.checked_add(challenger).map_err(|_| Refusal::Range);
        }
        Ok(now)
    }

    fn shift_plan(&self) -> Result<DraftPlan, Refusal> {
        let test = self.test()?;
        let built = self.built()?;
        // The verdict stands: people need not be kept apart any longer, and the study must not hold the winner.
        let mut actions: Vec<Draft> =
            test.study.as_ref().map(Self::end_study).into_iter().collect();
        // A loser that somebody emptied has nothing to cut.
        let held = self.source.daily_budget().filter(|has| has.is_positive());
        let mut loser = held.map(|has| Ok((has, Budgets::of(self.source)?))).transpose()?;
        let mut winner_budgets = Budgets::of(built)?;
        let bp = self.policy.shifting.step_bp;
        // From where the winner stands now: an earlier shift may have ended on the way.
        let winner = built.daily_budget_when_on().unwrap_or(test.challenger_budget);
        let winner = winner.min(test.run_rate);
        let ramp = self.ramp(winner, test.run_rate)?;
        let first_cut = test.run_rate.checked_sub(winner).map_err(|_| Refusal::Range)?;
        let runs = self.source.campaign.status == Status::Active;
        // The loser is cut to what the winner leaves of the run-rate before the winner's bounds go: no single write can
        // do both, and a death between the two must not leave more than the run-rate running for ever. Where they share
        // the run-rate already, the bounds go first, and a death leaves no line dark.
        if ramp.is_empty() {
            actions.extend(self.pause_loser(None));
        } else if let Some((has, budgets)) = &mut loser
            && runs
            && first_cut.is_positive()
            && first_cut < *has
        {
            budgets.step("cut.0", self.source, first_cut, bp, None, &mut actions)?;
        }
        self.lift_bounds(test, built, &mut actions);
        for (i, step) in ramp.iter().enumerate() {
            let n = i.saturating_add(1);
            let left = test.run_rate.checked_sub(step.to).map_err(|_| Refusal::Range)?;
            if bug(Bug::RaiseBeforeLower) {
                let key = format!("raise.{n}");
                winner_budgets.step(&key, built, step.to, bp, Some(step.at), &mut actions)?;
            }
            if bug(Bug::ShiftWithoutCut) && left.is_positive() {
                // The loser keeps what it has.
            } else if let Some((has, budgets)) = &mut loser
                && runs
                && left.is_positive()
            {
                // What a person has taken from the loser meanwhile is not given back.
                let left = left.min(*has);
                let key = format!("cut.{n}");
                budgets.step(&key, self.source, left, bp, Some(step.at), &mut actions)?;
            } else if left.is_positive() {
                // Off, or emptied by somebody: it is put away with the last step.
            } else {
                actions.extend(self.pause_loser(Some(step.at)));
            }
            let key = format!("raise.{n}");
            winner_budgets.step(&key, built, step.to, bp, Some(step.at), &mut actions)?;
        }
        let last = ramp.last().map_or(self.now, |step| step.at);
        let title = if ramp.is_empty() {
            format!(
                "Promote {}: pause the {} campaign; the line spends {} a day again",
                test.route.to, test.route.from, test.run_rate
            )
        } else {
            let n = ramp.len();
            format!(
                "Promote {}: move the budget in {n} steps until {}",
                test.route.to,
                self.zone.day_of(last)
            )
        };
        Ok(DraftPlan {
            title,
            money: self.no_money("the paused campaign can be turned on again")?,
            expires: last.plus(self.policy.approval.expires_ms),
            actions,
            test: None,
        })
    }

    /// None when it is off already.
    fn pause_loser(&self, not_before: Option<Moment>) -> Option<Draft> {
        let mut off = Self::pause("loser", self.source, OFF_LOSER)?;
        off.expects.push(untouched(self.source, Aspect::Tree));
        off.not_before = not_before;
        Some(off)
    }

    /// The pause of a campaign that is on.
    fn pause(key: &str, tree: &Tree, why: &str) -> Option<Draft> {
        let target = Target::from(&tree.campaign.id);
        (tree.campaign.status == Status::Active)
            .then(|| Self::switch(key, target, ObjectKind::Campaign, Status::Paused, why))
    }

    fn end_plan(&self) -> Result<DraftPlan, Refusal> {
        let test = self.test()?;
        let built = self.built()?;
        let mut actions: Vec<Draft> =
            Self::pause("challenger", built, OFF_TEST).into_iter().collect();
        if bug(Bug::ChallengerRunsOn) {
            actions.clear();
        }
        if let Some(rule) = &test.rule {
            actions.push(Self::delete_rule(rule));
        }
        actions.extend(test.study.as_ref().map(Self::end_study));
        let last = self.give_back(test.run_rate, &mut actions)?;
        let verdict = match &self.climb.state {
            super::climb::State::Judged { verdict, .. } => *verdict,
            _ => Verdict::Aborted,
        };
        Ok(DraftPlan {
            title: format!(
                "End the test ({}): pause the {} campaign",
                verdict.as_str(),
                test.route.to
            ),
            money: self.no_money("the paused campaign can be turned on again")?,
            expires: last.plus(self.policy.approval.expires_ms),
            actions,
            test: None,
        })
    }

    /// Steps that bring the incumbent back to what it had; when the last one is due. Where somebody took the budget away
    /// there is nothing to give back.
    fn give_back(&self, to: Money, actions: &mut Vec<Draft>) -> Result<Moment, Refusal> {
        let ramp = match self.source.daily_budget().filter(|now| *now < to) {
            Some(now) => self.ramp(now, to)?,
            None => Vec::new(),
        };
        self.ramp_actions("incumbent", self.source, &ramp, actions)?;
        Ok(ramp.last().map_or(self.now, |step| step.at))
    }

    fn revert_plan(&self) -> Result<DraftPlan, Refusal> {
        let route = self.route()?;
        let on = Target::from(&self.source.campaign.id);
        let mut back = Self::switch("incumbent", on, ObjectKind::Campaign, Status::Active, ON_OLD);
        back.expects.extend(budget_expectations(self.source));
        back.expects.push(untouched(self.source, Aspect::Tree));
        // A challenger that is gone spends nothing.
        let off = self.challenger.and_then(|built| Self::pause("placed", built, OFF_PLACED));
        let mut actions: Vec<Draft> = off.into_iter().collect();
        // At once: in between nothing of the line is on.
        if self.source.campaign.status != Status::Active {
            actions.push(back);
        }
        let test = self.climb.state.test();
        actions.extend(test.and_then(|t| t.rule.as_ref()).map(Self::delete_rule));
        actions.extend(test.and_then(|t| t.study.as_ref()).map(Self::end_study));
        Ok(DraftPlan {
            title: match self.climb.state {
                State::Cloning { .. } => {
                    format!("Go back to {}: the placement did not come about", route.from)
                }
                _ if route.kind == RouteKind::Placement => {
                    format!("Go back to {}: the placement did not prove itself", route.from)
                }
                _ => format!("Go back to {}: the promotion was broken off", route.from),
            },
            money: self.no_money("either campaign can be turned on again")?,
            expires: self.expires(),
            actions,
            test: None,
        })
    }

    fn clean_up_plan(&self) -> Result<DraftPlan, Refusal> {
        let built = self.built()?;
        let target = Target::from(&built.campaign.id);
        let mut actions = Vec::new();
        if built.campaign.status == Status::Active {
            // An activation that failed at its very end may have left it on.
            let on = target.clone();
            actions.push(Self::switch("off", on, ObjectKind::Campaign, Status::Paused, OFF_TEST));
        }
        if let State::Cloning { rule, study, .. } = &self.climb.state {
            actions.extend(rule.as_ref().map(Self::delete_rule));
            actions.extend(study.as_ref().map(Self::end_study));
        }
        // Before the challenger goes: what breaks off here is planned again, with a challenger that can still be read.
        let last = match self.climb.cut_from {
            Some(whole) => self.give_back(whole, &mut actions)?,
            None => self.now,
        };
        let away = Self::switch("leftover", target, ObjectKind::Campaign, Status::Archived, AWAY);
        actions.push(away);
        Ok(DraftPlan {
            title: "Archive the challenger that was never turned on".to_owned(),
            money: self.no_money("an archived campaign can be read but not turned on again")?,
            expires: last.plus(self.policy.approval.expires_ms),
            actions,
            test: None,
        })
    }

    /// At a promotion the bounds of the test go; where the budget is shifted in steps before the loser is cut, so that a
    /// dead daemon never leaves the account dark. What people added to the challenger keeps the end they gave it.
    fn lift_bounds(&self, test: &Test, built: &Tree, actions: &mut Vec<Draft>) {
        let bounded = |s: &super::AdSet| {
            s.end_time.is_some() && self.made.contains(&s.id) && !bug(Bug::BoundsStay)
        };
        for (i, set) in built.adsets.iter().enumerate().filter(|(_, s)| bounded(s)) {
            actions.push(Draft {
                key: format!("unbound.{}", i.saturating_add(1)),
                op: Op::SetEndTime { object: Target::from(&set.id), to: None },
                expects: Vec::new(),
                not_before: None,
                reason: "the winner runs on; its test end date goes".to_owned(),
            });
        }
        if built.campaign.spend_cap.is_some() {
            actions.push(Draft {
                key: "uncap".to_owned(),
                op: Op::SetSpendCap { object: Target::from(&built.campaign.id), to: None },
                expects: Vec::new(),
                not_before: None,
                reason: "the winner runs on; its test spend cap goes".to_owned(),
            });
        }
        if let Some(rule) = &test.rule {
            actions.push(Self::delete_rule(rule));
        }
    }

    fn delete_rule(rule: &super::ObjectId) -> Draft {
        Draft {
            key: "rule".to_owned(),
            op: Op::DeleteRule { rule: Target::Id(rule.clone()) },
            expects: Vec::new(),
            not_before: None,
            reason: "our own pause rule has done its duty".to_owned(),
        }
    }

    fn pause_rule(&self, built: &Tree, spend_over: Money) -> Draft {
        let name = self.name("rule", &built.campaign.name, "bound");
        Draft {
            key: "rule".to_owned(),
            op: Op::CreatePauseRule { name, campaign: Target::from(&built.campaign.id), spend_over },
            expects: Vec::new(),
            not_before: None,
            reason: "Meta itself pauses the challenger at the authorised total, should this program stop".to_owned(),
        }
    }

    fn switch(key: &str, object: Target, kind: ObjectKind, to: Status, reason: &str) -> Draft {
        let expected = match to {
            Status::Active | Status::Archived => Some("PAUSED"),
            Status::Paused => Some("ACTIVE"),
            Status::Deleted | Status::Other(_) => None,
        };
        let expects = expected
            .map(|value| Expectation {
                object: object.clone(),
                kind,
                aspect: Aspect::Status,
                value: value.to_owned(),
            })
            .into_iter()
            .collect();
        let op = Op::SetStatus { object, kind, to };
        Draft { key: key.to_owned(), op, expects, not_before: None, reason: reason.to_owned() }
    }

    fn expect<'i, I>(id: &'i I, kind: ObjectKind, aspect: Aspect, value: &str) -> Expectation
    where
        Target: From<&'i I>,
    {
        Expectation { object: Target::from(id), kind, aspect, value: value.to_owned() }
    }

    /// A budget may not fall below what was spent today, so steps happen soon after midnight on the account's clock.
    fn ramp(&self, from: Money, to: Money) -> Result<Vec<Ramp>, Refusal> {
        let max_step = self.policy.limits.and_then(|l| l.max_step);
        let tomorrow = self.zone.day_of(self.now).plus(1);
        let at = |n: i64| self.zone.start_of(tomorrow.plus(n)).plus(HOUR_MS / 2);
        ramp(from, to, &self.policy.shifting, max_step, at)
    }

    fn ramp_actions(
        &self,
        name: &str,
        tree: &Tree,
        steps: &[Ramp],
        actions: &mut Vec<Draft>,
    ) -> Result<(), Refusal> {
        let mut budgets = Budgets::of(tree)?;
        for (i, step) in steps.iter().enumerate() {
            let key = format!("{name}.{}", i.saturating_add(1));
            let bp = self.policy.shifting.step_bp;
            budgets.step(&key, tree, step.to, bp, Some(step.at), actions)?;
        }
        Ok(())
    }

    /// Calendar days from today on that `[now, end)` touches.
    fn days_until(&self, end: Moment) -> i64 {
        let (today, last) = (self.zone.day_of(self.now), self.zone.day_of(end));
        last.since(today).saturating_add(i64::from(end > self.zone.start_of(last)))
    }

    fn no_money(&self, reversible: &str) -> Result<MoneyAtRisk, Refusal> {
        // Also where nothing of the incumbent is left that could spend.
        let of_test = self.climb.state.test().map(|t| t.run_rate);
        let built = || self.challenger.and_then(Tree::daily_budget_in_all);
        let any = of_test.or_else(|| self.source.daily_budget_in_all()).or_else(built);
        let zero = Money::zero(any.map_or_else(|| self.run_rate(), Ok)?.currency());
        let reversible = reversible.to_owned();
        Ok(MoneyAtRisk { extra_per_day: zero, extra_total: zero, worst_regret: zero, reversible })
    }

    /// Longest a placement is watched, in days.
    fn watch_days(&self) -> i64 {
        i64::from(self.policy.watch_days())
    }

    /// Days the test may run: what the comparison can need, cut to what the limit of one climb pays for.
    fn test_days(&self, kind: RouteKind, allowance: Money) -> Result<i64, Refusal> {
        if kind == RouteKind::Placement {
            return Ok(self.watch_days());
        }
        let limits = self.limits()?;
        let wanted = i64::from(self.policy.compare.max_window_days) + OVERHEAD_DAYS;
        let least = i64::from(self.policy.compare.window_days) + OVERHEAD_DAYS;
        let slack = START_SLACK_DAYS + self.study_slack_days(kind);
        let paid = affordable_days(limits.max_spend_per_climb, allowance) - slack;
        if paid < least {
            return Err(Refusal::Limit(format!(
                "limits.max_spend_per_climb {} pays for {} days at {allowance} a day; a first look needs {least}",
                limits.max_spend_per_climb,
                paid.max(0)
            )));
        }
        Ok(wanted.min(paid) + slack)
    }

    fn money_at_risk(
        &self,
        kind: RouteKind,
        run_rate: Money,
        allowance: Money,
        days: i64,
    ) -> Result<MoneyAtRisk, Refusal> {
        if kind == RouteKind::Placement {
            let zero = Money::zero(run_rate.currency());
            let worst = exposure(run_rate, 28)?;
            let reversible =
                "the old campaign is only paused and can be turned on again".to_owned();
            return Ok(MoneyAtRisk {
                extra_per_day: zero,
                extra_total: zero,
                worst_regret: worst,
                reversible,
            });
        }
        let total = exposure(allowance, days)?;
        let regret = allowance.checked_mul(21).map_err(|_| Refusal::Range)?;
        let regret = match self.policy.limits {
            Some(limits) if limits.max_regret_per_climb < regret => limits.max_regret_per_climb,
            _ => regret,
        };
        let split = self.policy.compare.budget_mode == BudgetMode::Split;
        let extra = if split { Money::zero(run_rate.currency()) } else { allowance };
        let reversible =
            "the challenger can be paused at any time; what it spent is spent".to_owned();
        Ok(MoneyAtRisk {
            extra_per_day: extra,
            extra_total: total,
            worst_regret: regret,
            reversible,
        })
    }
}

const ON_AD: &str = "ads first: nothing can spend while the campaign is off";
const ON_SET: &str = "ad sets next: nothing can spend while the campaign is off";
const ON_CAMPAIGN: &str = "the campaign last: money starts at this one write";
const ON_OLD: &str = "the old campaign takes the line back";
const OFF_OLD: &str = "lower before raise: the old campaign stops before the new one starts";
const OFF_LOSER: &str = "the loser stops; nothing is deleted";
const OFF_TEST: &str = "the test allowance ends with the verdict";
const OFF_PLACED: &str = "lower before raise: the placed campaign stops first";
const AWAY: &str = "a leftover of our own that never spent anything";

/// The challenger's daily budget.
pub fn allowance(policy: &Policy, kind: RouteKind, run_rate: Money) -> Result<Money, Refusal> {
    let bp = match (kind, policy.compare.budget_mode) {
        (RouteKind::Placement, _) => 10_000,
        (_, BudgetMode::Additive) => policy.compare.allowance_bp.clamp(1, 10_000),
        (_, BudgetMode::Split) => 5_000,
    };
    run_rate.basis_points(bp).map_err(|_| Refusal::Range)
}

/// The worst `daily` can spend in `days` days wherever they lie in the week, see [`guard::exposure::of_days`].
pub fn exposure(daily: Money, days: i64) -> Result<Money, Refusal> {
    let worst = guard::exposure::of_days(daily.minor(), days);
    if worst == i64::MAX {
        return Err(Refusal::Range);
    }
    Ok(Money::from_minor(worst, daily.currency()))
}

/// Whole days of `daily` that `cap` pays for at worst.
pub fn affordable_days(cap: Money, daily: Money) -> i64 {
    guard::exposure::days_within(cap.minor(), daily.minor())
}

/// The dead-man bound: the end of the last day the test may deliver.
fn bound_end(zone: &Zone, today: Day, days: i64) -> Moment {
    whole_hour(zone.start_of(today.plus(days)))
}

/// The hour boundary before an instant: Meta keeps whole seconds, and an hour also survives rounding to minutes.
fn whole_hour(moment: Moment) -> Moment {
    Moment::from_millis(moment.millis() - moment.millis().rem_euclid(HOUR_MS))
}

/// That nobody else has edited a tree since the plan was made.
fn untouched(tree: &Tree, aspect: Aspect) -> Expectation {
    let value = fingerprint(&likeness(tree, aspect == Aspect::Tree));
    let object = Target::from(&tree.campaign.id);
    Expectation { object, kind: ObjectKind::Campaign, aspect, value }
}

/// What must stand before money starts: the whole tree, everything in it on, and every bound as it was read when the
/// plan was made.
fn whole_and_bounded(built: &Tree) -> Vec<Expectation> {
    let mut all = vec![untouched(built, Aspect::Content)];
    let on = |object: Target, kind| Expectation {
        object,
        kind,
        aspect: Aspect::Status,
        value: Status::Active.as_str().to_owned(),
    };
    if let Some(cap) = built.campaign.spend_cap {
        let (object, kind) = (Target::from(&built.campaign.id), ObjectKind::Campaign);
        let (aspect, value) = (Aspect::SpendCap, cap.minor().to_string());
        all.push(Expectation { object, kind, aspect, value });
    }
    for set in &built.adsets {
        let (object, kind) = (Target::from(&set.id), ObjectKind::AdSet);
        all.push(on(object.clone(), kind));
        if let Some(end) = set.end_time {
            let (aspect, value) = (Aspect::EndTime, end.seconds().to_string());
            all.push(Expectation { object, kind, aspect, value });
        }
    }
    all.extend(built.ads.iter().map(|ad| on(Target::from(&ad.id), ObjectKind::Ad)));
    all
}

/// The present budgets of a tree, as preconditions.
fn budget_expectations(tree: &Tree) -> Vec<Expectation> {
    let make = |object: Target, kind, budget: Money| Expectation {
        object,
        kind,
        aspect: Aspect::DailyBudget,
        value: budget.minor().to_string(),
    };
    if let Some(budget) = tree.campaign.daily_budget {
        return vec![make(Target::from(&tree.campaign.id), ObjectKind::Campaign, budget)];
    }
    let sets = tree.adsets.iter();
    sets.filter_map(|s| Some(make(Target::from(&s.id), ObjectKind::AdSet, s.daily_budget?)))
        .collect()
}
