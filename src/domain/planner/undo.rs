//! The plans that take something back: a test ends, a placement or promotion goes back, a leftover is put away.

use super::{Draft, DraftPlan, Refusal, Wish, budget_expectations, untouched};
use crate::domain::{
    Moment, Money, Status,
    climb::{RouteKind, State, Verdict},
    plan::{Aspect, ObjectKind, Target},
};
use crate::planted::{Bug, bug};

const ON_OLD: &str = "the old campaign takes the line back";
const OFF_TEST: &str = "the test allowance ends with the verdict";
const OFF_PLACED: &str = "lower before raise: the placed campaign stops first";
const AWAY: &str = "a leftover of our own that never spent anything";

impl Wish<'_> {
    pub(super) fn end_plan(&self) -> Result<DraftPlan, Refusal> {
        let test = self.test()?;
        // A challenger that is gone spends nothing.
        let off = self.challenger.and_then(|built| Self::pause("challenger", built, OFF_TEST));
        let mut actions: Vec<Draft> = off.into_iter().collect();
        if bug(Bug::ChallengerRunsOn) {
            actions.clear();
        }
        if let Some(rule) = &test.rule {
            actions.push(Self::delete_rule(rule));
        }
        actions.extend(test.study.as_ref().map(Self::end_study));
        let last = self.give_back(test.run_rate, &mut actions)?;
        let verdict = match &self.climb.state {
            State::Judged { verdict, .. } => *verdict,
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

    pub(super) fn revert_plan(&self) -> Result<DraftPlan, Refusal> {
        let route = self.route()?;
        let on = Target::from(&self.source.campaign.id);
        let mut back = Self::switch("incumbent", on, ObjectKind::Campaign, Status::Active, ON_OLD);
        back.expects.extend(budget_expectations(self.source));
        back.expects.push(untouched(self.source, Aspect::Tree));
        let off = self.challenger.and_then(|built| Self::pause("placed", built, OFF_PLACED));
        let mut actions: Vec<Draft> = off.into_iter().collect();
        // At once: in between nothing of the line is on.
        if self.source.campaign.status != Status::Active {
            actions.push(back);
        }
        let test = self.climb.state.test();
        actions.extend(test.and_then(|t| t.rule.as_ref()).map(Self::delete_rule));
        actions.extend(test.and_then(|t| t.study.as_ref()).map(Self::end_study));
        // A placement leaves the old campaign its budget; a promotion has cut it step by step.
        let last = match test.filter(|t| t.route.kind != RouteKind::Placement) {
            Some(test) => self.give_back(test.run_rate, &mut actions)?,
            None => self.now,
        };
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
            expires: last.plus(self.policy.approval.expires_ms),
            actions,
            test: None,
        })
    }

    pub(super) fn clean_up_plan(&self) -> Result<DraftPlan, Refusal> {
        let mut actions = Vec::new();
        let built = self.challenger.map(|built| &built.campaign);
        if let Some(on) = built.filter(|built| built.status == Status::Active) {
            // An activation that failed at its very end may have left it on.
            let on = Target::from(&on.id);
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
        let away = |id| {
            let target = Target::from(id);
            Self::switch("leftover", target, ObjectKind::Campaign, Status::Archived, AWAY)
        };
        actions.extend(built.map(|built| away(&built.id)));
        Ok(DraftPlan {
            title: "Archive the challenger that was never turned on".to_owned(),
            money: self.no_money("an archived campaign can be read but not turned on again")?,
            expires: last.plus(self.policy.approval.expires_ms),
            actions,
            test: None,
        })
    }
}
