//! Editing and deleting.

use serde_json::{Value, json};

use super::{
    absorb::{AD, ADSET, CAMPAIGN, Shape, absorb},
    activities::{event_of, status_event},
    creates::{gone, only_validates, version},
    dialect::success,
    edges::MIN_DAILY_BUDGET,
    errors::{Answer, Refusal},
    laws::{categories, one_of},
    num,
    objects::{Id, Kind, Node},
    params::plain,
    request::Call,
    world::World,
};
use crate::domain::{DAY_MS, HOUR_MS};

/// A budget or bid that grows or shrinks beyond these factors in one step restarts learning. Meta says only that the
/// size of the change matters; the figure is the one practitioners use.
const LARGE_CHANGE: (f64, f64) = (0.8, 1.2);
/// Changes of the account's spending limit in a day (Marketing API, "Rate limiting").
const CAP_CHANGES: usize = 10;
/// Pausing for this long and resuming restarts learning.
const LONG_PAUSE_MS: i64 = 7 * DAY_MS;
const STATUSES: [&str; 4] = ["ACTIVE", "PAUSED", "ARCHIVED", "DELETED"];

impl World {
    /// `POST /{id}`.
    pub(super) fn edit_object(&mut self, call: &Call, id: &str) -> Answer {
        if id == self.act() {
            return self.edit_account(call);
        }
        let unknown = || Refusal::unknown("post", id);
        let number: Id = id.parse().map_err(|_| unknown())?;
        let old = self.find(number).cloned().ok_or_else(unknown)?;
        let mut new = (*old).clone();
        let zone = self.zone().clone();
        let params = &call.params;
        match old.kind {
            Kind::Campaign => absorb(&mut new, params, &zone, &CAMPAIGN)?,
            Kind::AdSet => absorb(&mut new, params, &zone, &ADSET)?,
            Kind::Ad => self.absorb_ad(&mut new, call)?,
            Kind::Creative => {
                absorb(&mut new, params, &zone, &[("name", Shape::Text), ("status", Shape::Text)])?;
            }
            Kind::Rule => self.absorb_rule(&mut new, params)?,
            Kind::Study => self.absorb_study(&mut new, params)?,
            _ => return Err(unknown()),
        }
        for (field, value) in &old.fields {
            // What no edit may take away: where it came from, and what it was sold for.
            if matches!(
                field.as_str(),
                "source_campaign_id" | "source_adset_id" | "source_ad_id" | "buying_type"
            ) {
                new.set(field, value.clone());
            }
        }
        if params.has("adlabels") {
            self.known_labels(&new)?;
            if !only_validates(call) {
                self.settle_labels(&mut new);
            }
        }
        let changed: Vec<String> = changes(&old, &new);
        if matches!(old.kind, Kind::Campaign | Kind::AdSet | Kind::Ad) {
            one_of("status", new.status(), &STATUSES)?;
            self.still_editable(&old, &new, &changed)?;
        }
        if old.rejected {
            still_rejected(&new, &changed)?;
        }
        match old.kind {
            Kind::Campaign => self.lawful_campaign_edit(call, &old, &new, &changed)?,
            Kind::AdSet => self.lawful_adset_edit(call, &old, &new, &changed)?,
            _ => {}
        }
        if only_validates(call) {
            return Ok(success());
        }
        self.commit(&old, new, &changed);
        if old.kind == Kind::Campaign {
            self.rebudget(call, number)?;
        }
        Ok(success())
    }
    /// `POST /act_…`: the account's spending limit, at most ten times a day.
    fn edit_account(&mut self, call: &Call) -> Answer {
        let now = self.now;
        if let Some(cap) = call.params.int("spend_cap")? {
            if cap < 0 {
                return Err(Refusal::new(100, "(#100) Param spend_cap must be an integer")
                    .blaming("spend_cap"));
            }
            let (old, edits) = &mut self.account_cap;
            edits.retain(|at| now.since(*at) < DAY_MS);
            if cap != *old && edits.len() >= CAP_CHANGES {
                return Err(super::catalogue::called(17, Some(1_885_172)));
            }
            if cap != *old {
                *old = cap;
                edits.push(now);
            }
        }
        Ok(success())
    }
    fn absorb_ad(&self, new: &mut Node, call: &Call) -> Result<(), Refusal> {
        absorb(new, &call.params, self.zone(), &AD)?;
        if let Some(wanted) = call.params.value("creative") {
            let id = self.creative(&wanted)?;
            let id =
                id.ok_or_else(|| Refusal::invalid("creative", "An edit must name a creative_id."))?;
            new.set("creative", json!({"id": id.to_string()}));
        }
        Ok(())
    }
    /// Archived: only the name, and deletion. Deleted: only the name.
    fn still_editable(&self, old: &Node, new: &Node, changed: &[String]) -> Result<(), Refusal> {
        let parents = [old.campaign, old.adset];
        let orphan = parents.iter().filter_map(|id| self.nodes.get(id)).any(|p| p.gone());
        let allowed = |field: &String| match field.as_str() {
            "name" => true,
            "status" => !orphan && old.status() == "ARCHIVED" && new.status() == "DELETED",
            _ => false,
        };
        if (old.gone() || orphan) && !changed.iter().all(allowed) {
            return Err(gone());
        }
        Ok(())
    }
    fn lawful_campaign_edit(
        &self,
        call: &Call,
        old: &Node,
        new: &Node,
        changed: &[String],
    ) -> Result<(), Refusal> {
        if changed.iter().any(|f| f == "objective") && !self.adsets_of(old.id).is_empty() {
            let text = "The objective can't be changed once the campaign has ad sets.";
            return Err(Refusal::invalid("objective", text));
        }
        if changed.iter().any(|f| f == "special_ad_categories") {
            categories(call.params.list("special_ad_categories").as_deref())?;
        }
        same_budget_kind(old, new)?;
        if changed.iter().all(|f| matches!(f.as_str(), "name" | "status" | "adlabels")) {
            return Ok(());
        }
        self.lawful_campaign(new)?;
        self.above_spent(old, new, &self.members(old.id))
    }
    fn lawful_adset_edit(
        &mut self,
        call: &Call,
        old: &Node,
        new: &Node,
        changed: &[String],
    ) -> Result<(), Refusal> {
        let aim = |f: &String| {
            matches!(
                f.as_str(),
                "promoted_object"
                    | "optimization_goal"
                    | "optimization_sub_event"
                    | "billing_event"
            )
        };
        if old.published && changed.iter().any(aim) {
            return Err(Refusal::new(100, "Invalid parameter").sub(3_260_011).saying(
                "Can't Make Edits to Published Ad Set",
                "You can't change the pixel, conversion event or performance goal of a published ad set. To use \
                 another one, create a new ad set.",
            ));
        }
        same_budget_kind(old, new)?;
        if changed.iter().all(|f| matches!(f.as_str(), "name" | "status" | "adlabels")) {
            return Ok(());
        }
        let campaign = self.nodes.get(&old.campaign).cloned().ok_or_else(gone)?;
        self.lawful_adset(new, &campaign, version(call))?;
        self.above_spent(old, new, &[old.id])?;
        let budget = changed.iter().any(|f| f == "daily_budget" || f == "lifetime_budget");
        if budget {
            self.often_enough(old.id, only_validates(call))?;
        }
        Ok(())
    }
    /// A lowered daily budget must stay 10 % above what was spent today (1885650).
    fn above_spent(&self, old: &Node, new: &Node, members: &[Id]) -> Result<(), Refusal> {
        let (Some(before), Some(after)) = (old.amount("daily_budget"), new.amount("daily_budget"))
        else {
            return Ok(());
        };
        let spent: i64 = members.iter().map(|m| self.spent_today(*m)).sum();
        if after < before && after * 10 < spent * 11 {
            let text = format!(
                "About {} was spent today already; the budget must be at least 10 % above that.",
                self.major(spent)
            );
            return Err(Refusal::new(100, "Invalid parameter")
                .sub(1_885_650)
                .saying("Your budget is too low", text));
        }
        Ok(())
    }
    /// At most four budget changes per ad set and hour; the fifth is refused, and so is everything for an hour.
    fn often_enough(&mut self, adset: Id, trial: bool) -> Result<(), Refusal> {
        let now = self.now;
        let limit = self.options.budget_changes_per_hour;
        let edits = self.budget_edits.entry(adset).or_default();
        edits.retain(|at| now.since(*at) < HOUR_MS);
        if edits.len() >= limit {
            return Err(Refusal::new(613, "(#613) Calls to this api have exceeded the rate limit.").sub(1_487_632).saying(
                "Ad set budget changed too often",
                "You can only change the budget of an ad set 4 times per hour. Please wait an hour and try again.",
            ));
        }
        if !trial {
            edits.push(now);
        }
        Ok(())
    }
    /// Writes a checked change into the world, with log, learning and review.
    fn commit(&mut self, old: &Node, mut new: Node, changed: &[String]) {
        if changed.is_empty() {
            return;
        }
        let quiet =
            |f: &String| matches!(f.as_str(), "daily_budget" | "lifetime_budget" | "spend_cap");
        // A campaign's updated_time does not follow its budgets.
        if old.kind != Kind::Campaign || !changed.iter().all(quiet) {
            new.updated = self.now;
        }
        new.published |= new.status() == "ACTIVE";
        if old.kind == Kind::Ad {
            new.set("last_updated_by_app_id", json!(self.credentials.app_id));
            if changed.iter().any(|f| f == "creative") {
                new.review = self.now.plus(self.draw(10, 120) * 60_000);
            }
        }
        if old.kind == Kind::AdSet
            && changed.iter().any(|f| f == "targeting" || f == "optimization_goal")
        {
            self.review_again(old.id);
        }
        let restarts = self.restarts_learning(old, &new, changed);
        let id = old.id;
        self.nodes.insert(id, std::sync::Arc::new(new));
        for field in changed {
            let Some(event) = event_of(old.kind, field) else { continue };
            let value = |n: &Node| n.fields.get(field).cloned().unwrap_or(Value::Null);
            let after = self.nodes.get(&id).map_or(Value::Null, |n| value(n));
            self.note(
                self.now,
                event,
                id,
                json!({"old_value": value(old), "new_value": after, "field": field}),
            );
        }
        if restarts {
            let sets = if old.kind == Kind::Ad { vec![old.adset] } else { self.members(id) };
            for set in sets {
                self.significant(set);
            }
        }
        self.mark_budget(id);
    }
    fn review_again(&mut self, adset: Id) {
        for ad in self.ads_of(adset) {
            let until = self.now.plus(self.draw(10, 120) * 60_000);
            if let Some(node) = self.edit(ad) {
                node.review = until;
            }
        }
    }
    fn restarts_learning(&self, old: &Node, new: &Node, changed: &[String]) -> bool {
        let large = |field: &str| {
            let number = |n: &Node| {
                n.fields.get(field).map(plain).and_then(|t| t.parse::<i64>().ok()).unwrap_or(0)
            };
            let ratio = num::float(number(new)) / num::float(number(old).max(1));
            number(old) > 0 && (ratio < LARGE_CHANGE.0 || ratio > LARGE_CHANGE.1)
        };
        let resumed = || {
            let event = status_event(old.kind);
            let last =
                self.activities.iter().rev().find(|a| a.object == old.id && a.event == event);
            new.status() == "ACTIVE" && last.is_some_and(|a| self.now.since(a.at) >= LONG_PAUSE_MS)
        };
        changed.iter().any(|field| match (old.kind, field.as_str()) {
            (
                Kind::AdSet,
                "targeting" | "promoted_object" | "optimization_goal" | "bid_strategy",
            )
            | (Kind::Ad, "creative") => true,
            (Kind::Campaign | Kind::AdSet, "daily_budget" | "lifetime_budget" | "bid_amount") => {
                large(field)
            }
            (Kind::AdSet, "status") => resumed(),
            _ => false,
        })
    }
    /// Learning of an ad set starts again.
    pub(super) fn significant(&mut self, adset: Id) {
        let (now, day) = (self.now, self.today.epoch_days());
        if let Some(node) = self.edit(adset) {
            node.significant = now;
        }
        self.audience.significant_edit(adset, day);
    }
    /// A campaign budget takes the ad sets' budgets away; `adset_budgets` gives them back.
    fn rebudget(&mut self, call: &Call, campaign: Id) -> Result<(), Refusal> {
        if let Some(Value::Array(budgets)) = call.params.value("adset_budgets") {
            for item in &budgets {
                let id: Id =
                    item.get("adset_id").map(plain).and_then(|t| t.parse().ok()).unwrap_or(0);
                let amount =
                    item.get("daily_budget").map(plain).and_then(|t| t.parse::<i64>().ok());
                let mine = self.nodes.get(&id).is_some_and(|n| n.campaign == campaign);
                let (true, Some(amount)) = (mine, amount.filter(|a| *a >= MIN_DAILY_BUDGET)) else {
                    return Err(Refusal::invalid(
                        "adset_budgets",
                        format!("No valid budget for ad set {id}."),
                    ));
                };
                if let Some(node) = self.edit(id) {
                    node.set("daily_budget", json!(amount.to_string()));
                }
                self.mark_budget(id);
            }
            if let Some(node) = self.edit(campaign) {
                node.set("daily_budget", Value::Null);
                node.set("bid_strategy", Value::Null);
            }
            self.mark_budget(campaign);
        } else if self.nodes.get(&campaign).is_some_and(|n| n.amount("daily_budget").is_some()) {
            for id in self.adsets_of(campaign) {
                if self.nodes.get(&id).is_some_and(|n| n.amount("daily_budget").is_some()) {
                    if let Some(node) = self.edit(id) {
                        node.set("daily_budget", Value::Null);
                    }
                    self.mark_budget(id);
                }
            }
        }
        Ok(())
    }
    /// `DELETE /{id}`: campaigns, ad sets, ads and creatives stay readable as DELETED; the rest disappears.
    pub(super) fn delete_object(&mut self, id: &str) -> Answer {
        let unknown = || Refusal::unknown("delete", id);
        let number: Id = id.parse().map_err(|_| unknown())?;
        let old = self.find(number).cloned().ok_or_else(unknown)?;
        match old.kind {
            Kind::Campaign | Kind::AdSet | Kind::Ad | Kind::Creative => {
                let mut new = (*old).clone();
                new.set("status", json!("DELETED"));
                let changed = changes(&old, &new);
                self.commit(&old, new, &changed);
            }
            Kind::Study if old.text("canceled_time").is_empty() => {
                let now = self.stamp(self.now);
                if let Some(node) = self.edit(number) {
                    node.set("canceled_time", now);
                }
            }
            Kind::Rule | Kind::Label | Kind::Schedule => {
                self.nodes.remove(&number);
            }
            _ => return Err(unknown()),
        }
        Ok(success())
    }
}

/// A rejected ad can be renamed and put away; it is revived by nothing.
fn still_rejected(new: &Node, changed: &[String]) -> Result<(), Refusal> {
    let revived = changed.iter().any(|f| f == "status") && new.status() == "ACTIVE";
    if revived {
        return Err(super::catalogue::called(100, Some(2_490_468)));
    }
    if changed.iter().any(|f| f == "creative") {
        return Err(super::catalogue::called(100, Some(2_490_427)));
    }
    Ok(())
}

/// Fields that differ.
fn changes(old: &Node, new: &Node) -> Vec<String> {
    let mut names: Vec<&String> = old.fields.keys().chain(new.fields.keys()).collect();
    names.sort();
    names.dedup();
    names.into_iter().filter(|n| old.fields.get(*n) != new.fields.get(*n)).cloned().collect()
}

/// Daily stays daily, lifetime stays lifetime.
fn same_budget_kind(old: &Node, new: &Node) -> Result<(), Refusal> {
    let (before, after) =
        (old.amount("daily_budget").is_some(), new.amount("daily_budget").is_some());
    let switched = (before && new.amount("lifetime_budget").is_some())
        || (old.amount("lifetime_budget").is_some() && after);
    if switched {
        let text = "You can't switch between a daily and a lifetime budget after creation.";
        return Err(Refusal::invalid("lifetime_budget", text));
    }
    Ok(())
}
