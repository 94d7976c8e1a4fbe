//! The plans that begin a test or a placement: the cut before a split test, and the activation with its bounds.

use super::{Draft, DraftPlan, Refusal, Wish, allowance, budget_expectations, untouched};
use crate::domain::{
    Money, Status, Tree,
    climb::{RouteKind, Test},
    plan::{Aspect, Expectation, ObjectKind, Op, RULE_ON, Target},
    policy::BudgetMode,
};
use crate::planted::{Bug, bug};

const ON_AD: &str = "ads first: nothing can spend while the campaign is off";
const ON_SET: &str = "ad sets next: nothing can spend while the campaign is off";
const ON_CAMPAIGN: &str = "the campaign last: money starts at this one write";
const OFF_OLD: &str = "lower before raise: the old campaign stops before the new one starts";

impl Wish<'_> {
    /// Cuts the incumbent to its half in steps before the challenger starts.
    pub(super) fn split_plan(&self) -> Result<DraftPlan, Refusal> {
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

    pub(super) fn activate_plan(&self) -> Result<DraftPlan, Refusal> {
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
