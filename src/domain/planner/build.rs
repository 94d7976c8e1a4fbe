//! The clone plan: a campaign built anew for another rung, everything in it PAUSED and bounded.

use super::{
    Draft, DraftPlan, Refusal, Wish, allowance, budget_expectations, scaled, untouched, whole_hour,
    without_marker,
};
use crate::domain::{
    Ad, AdSet, Day, Moment, Money, Zone,
    climb::{Route, RouteKind},
    eligibility::{live_ads, live_adsets},
    plan::{Aspect, ObjectKind, Op, Target},
};
use crate::planted::{Bug, bug};

impl Wish<'_> {
    pub(super) fn clone_plan(&self) -> Result<DraftPlan, Refusal> {
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
        set: &AdSet,
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
    fn pixel_of_ads(&self, set: &AdSet) -> Option<String> {
        let ads = self.source.ads.iter().filter(|a| a.adset == set.id);
        let specs = ads.filter_map(|a| a.fields.get("tracking_specs")?.as_array());
        let pixels = specs.flatten().filter_map(|spec| spec.get("fb_pixel")?.as_array()?.first());
        let mut pixels = pixels;
        pixels.find_map(|id| id.as_str().map(str::to_owned))
    }

    fn clone_ad(&self, key: &str, adset: &str, ad: &Ad, route: &Route) -> Result<Draft, Refusal> {
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
}

/// The dead-man bound: the end of the last day the test may deliver.
fn bound_end(zone: &Zone, today: Day, days: i64) -> Moment {
    whole_hour(zone.start_of(today.plus(days)))
}
