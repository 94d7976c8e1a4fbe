//! The promotion: the loser makes room, the winner's bounds go, and the run-rate moves over in small steps.

use super::{Draft, DraftPlan, Refusal, Wish, budget::Budgets, untouched};
use crate::domain::{
    AdSet, Moment, Status, Tree,
    climb::Test,
    plan::{Aspect, ObjectKind, Op, Target},
};
use crate::planted::{Bug, bug};

const OFF_LOSER: &str = "the loser stops; nothing is deleted";

impl Wish<'_> {
    pub(super) fn shift_plan(&self) -> Result<DraftPlan, Refusal> {
        let test = self.test()?;
        let built = self.built()?;
        // The verdict stands: people need not be kept apart any longer, and the study must not hold the winner.
        let mut actions: Vec<Draft> =
            test.study.as_ref().map(Self::end_study).into_iter().collect();
        // A loser that is off, or that somebody emptied, has nothing to cut.
        let runs = self.source.campaign.status == Status::Active;
        let held = self.source.daily_budget().filter(|has| runs && has.is_positive());
        let mut loser = held.map(|has| Ok((has, Budgets::of(self.source)?))).transpose()?;
        // From where the winner stands now: an earlier shift may have ended on the way. One without a budget would leave
        // the line dark.
        let winner = built.daily_budget_when_on().filter(|has| has.is_positive());
        let winner = winner.ok_or_else(|| Refusal::NoBudget(built.campaign.id.to_string()))?;
        let winner = winner.min(test.run_rate);
        let mut winner_budgets = Budgets::of(built)?;
        let bp = self.policy.shifting.step_bp;
        let ramp = self.ramp(winner, test.run_rate)?;
        let first_cut = test.run_rate.checked_sub(winner).map_err(|_| Refusal::Range)?;
        // The loser is cut to what the winner leaves of the run-rate before the winner's bounds go: no single write can
        // do both, and a death between the two must not leave more than the run-rate running for ever. Where they share
        // the run-rate already, the bounds go first, and a death leaves no line dark.
        if ramp.is_empty() {
            actions.extend(self.pause_loser(None));
        } else if let Some((has, budgets)) = &mut loser
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
            if !left.is_positive() {
                actions.extend(self.pause_loser(Some(step.at)));
            } else if let Some((has, budgets)) = &mut loser
                && !bug(Bug::ShiftWithoutCut)
            {
                // What a person has taken from the loser meanwhile is not given back.
                let (key, left) = (format!("cut.{n}"), left.min(*has));
                budgets.step(&key, self.source, left, bp, Some(step.at), &mut actions)?;
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

    /// At a promotion the bounds of the test go; where the budget is shifted in steps before the loser is cut, so that a
    /// dead daemon never leaves the account dark. What people added to the challenger keeps the end they gave it.
    fn lift_bounds(&self, test: &Test, built: &Tree, actions: &mut Vec<Draft>) {
        let bounded =
            |s: &AdSet| s.end_time.is_some() && self.made.contains(&s.id) && !bug(Bug::BoundsStay);
        for (i, set) in built.adsets.iter().enumerate().filter(|(_, s)| bounded(s)) {
            // An end that somebody has moved since is theirs.
            let end = set.end_time.map(|end| {
                let value = end.seconds().to_string();
                Self::expect(&set.id, ObjectKind::AdSet, Aspect::EndTime, &value)
            });
            actions.push(Draft {
                key: format!("unbound.{}", i.saturating_add(1)),
                op: Op::SetEndTime { object: Target::from(&set.id), to: None },
                expects: end.into_iter().collect(),
                not_before: None,
                reason: "the winner runs on; its test end date goes".to_owned(),
            });
        }
        if let Some(cap) = built.campaign.spend_cap {
            let (id, value) = (&built.campaign.id, cap.minor().to_string());
            actions.push(Draft {
                key: "uncap".to_owned(),
                op: Op::SetSpendCap { object: Target::from(id), to: None },
                expects: vec![Self::expect(id, ObjectKind::Campaign, Aspect::SpendCap, &value)],
                not_before: None,
                reason: "the winner runs on; its test spend cap goes".to_owned(),
            });
        }
        if let Some(rule) = &test.rule {
            actions.push(Self::delete_rule(rule));
        }
    }
}
