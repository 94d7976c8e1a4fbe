//! What befalls the world itself, whoever asks: late and failing objects, clamped edits, restated and runaway days.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    handle::Sandbox,
    journal::Snapshot,
    num,
    objects::{Id, Kind},
    options::Lateness,
    rows::DayRow,
    world::World,
};
use crate::domain::{HOUR_MS, Moment};

const MINUTE_MS: i64 = 60_000;

impl World {
    /// The same world, to go on by itself.
    pub(super) fn fork(&self) -> Self {
        Self {
            scenario: self.scenario.clone(),
            credentials: self.credentials.clone(),
            options: self.options.clone(),
            now: self.now,
            today: self.today,
            nodes: self.nodes.clone(),
            rows: self.rows.clone(),
            live: self.live.clone(),
            spent: self.spent.clone(),
            audience: self.audience.fork(),
            activities: self.activities.clone(),
            reports: self.reports.clone(),
            sets: self.sets.clone(),
            gate: self.gate.clone(),
            account_cap: self.account_cap.clone(),
            budget_edits: self.budget_edits.clone(),
            budgets: self.budgets.clone(),
            usage: self.usage.clone(),
            actor: self.actor,
            account_status: self.account_status,
            odd_account: self.odd_account.clone(),
            abnormal: self.abnormal,
            excess: self.excess.clone(),
            last_id: self.last_id,
            draws: self.draws,
        }
    }
    /// Milliseconds a new object stays hidden beyond the fixed lag.
    pub(super) fn extra_lag(&mut self) -> i64 {
        if self.options.lateness == Lateness::Fixed {
            return 0;
        }
        match self.draw(0, 99) {
            0..=59 => 0,
            60..=89 => self.draw(0, 300) * 1_000,
            90..=97 => self.draw(0, 60) * MINUTE_MS,
            _ => self.draw(1, 24) * HOUR_MS,
        }
    }
    /// Until when a new ad set or ad is in process, and whether that ends with issues.
    pub(super) fn processing(&mut self) -> (Moment, bool) {
        if self.options.lateness == Lateness::Fixed {
            return (self.now.plus(self.draw(5, 60) * 1_000), false);
        }
        let until = self.now.plus(self.draw(1, 60) * MINUTE_MS);
        (until, self.draw(0, 99) < 5)
    }
    /// What has just changed is kept otherwise than it was told: another budget, another end, a shorter name.
    pub(super) fn clamp(&mut self, before: &Snapshot) {
        let touched: Vec<Id> = self
            .nodes
            .iter()
            .filter(|(id, n)| before.get(*id).is_none_or(|old| !Arc::ptr_eq(old, n)))
            .filter(|(_, n)| matches!(n.kind, Kind::Campaign | Kind::AdSet))
            .map(|(id, _)| *id)
            .collect();
        for id in touched {
            let (end, name) = match self.nodes.get(&id) {
                Some(node) => (node.moment("end_time"), node.text("name").to_owned()),
                None => continue,
            };
            let end = end.map(|t| self.stamp(t.plus(-24 * HOUR_MS)));
            let Some(node) = self.edit(id) else { continue };
            if let Some(budget) = node.amount("daily_budget") {
                node.set("daily_budget", json!((budget * 9 / 10).to_string()));
            } else if let Some(end) = end {
                node.set("end_time", end);
            } else if name.chars().count() > 12 {
                let short: String = name.chars().take(12).collect();
                node.set("name", json!(short));
            }
            self.mark_budget(id);
        }
    }
    /// Where pacing fails today, every ad set spends a multiple; returns what each would have spent.
    pub(super) fn lose_pace(&mut self, rows: &mut BTreeMap<Id, DayRow>) -> BTreeMap<Id, i64> {
        let paced = rows.iter().map(|(id, row)| (*id, row.spend)).collect();
        if let Some(factor) = self.abnormal.take() {
            for row in rows.values_mut() {
                row.spend = num::round(num::float(row.spend) * factor);
            }
        }
        paced
    }
    /// Keeps account of what went beyond the pacing and was not held by a cap or rule.
    pub(super) fn count_excess(&mut self, paced: &BTreeMap<Id, i64>, rows: &BTreeMap<Id, DayRow>) {
        for (id, row) in rows {
            let beyond = row.spend - paced.get(id).copied().unwrap_or(0);
            if beyond > 0 {
                let campaign = self.nodes.get(id).map_or(0, |n| n.campaign);
                *self.excess.entry(*id).or_default() += beyond;
                *self.excess.entry(campaign).or_default() += beyond;
            }
        }
    }
}

impl Sandbox {
    /// Meta's pacing fails today: every ad set spends `factor` times what it would.
    pub fn lose_pace(&self, factor: f64) {
        self.with_world_mut(|world| world.abnormal = Some(factor));
    }
    /// Meta restates the events of an ad set's newest days by a factor; returns how many rows changed.
    pub fn restate(&self, days: i64, factor: f64) -> usize {
        self.with_world_mut(|world| {
            let first = world.today.plus(-days);
            let rows = world.rows.range_mut((first, 0)..);
            let mut changed = 0;
            for (_, row) in rows {
                let scaled = row.scaled(factor.min(1.0));
                // Spend is restated as well, by less: invalid clicks are refunded.
                row.events = scaled.events;
                row.value = scaled.value;
                changed += 1;
            }
            changed
        })
    }
    /// The account shows another currency and zone than its own; None shows its own again.
    pub fn show_odd_account(&self, odd: Option<(&str, &str)>) {
        let odd = odd.map(|(currency, zone)| (currency.to_owned(), zone.to_owned()));
        self.with_world_mut(|world| world.odd_account = odd);
    }
    /// `account_status` as it is.
    pub fn account_status(&self) -> i64 {
        self.with_world(|world| world.account_status)
    }
    /// Currency and zone as the account shows them.
    pub fn shown_account(&self) -> (String, String) {
        self.with_world(|world| {
            let own = || (world.scenario.currency.to_string(), world.zone().name().to_owned());
            world.odd_account.clone().unwrap_or_else(own)
        })
    }
    /// Minor units a campaign or ad set has spent up to yesterday, and how much of it lay beyond Meta's own pacing.
    pub fn spent_and_excess(&self, id: &str) -> (i64, i64) {
        let Ok(id) = id.parse::<Id>() else { return (0, 0) };
        self.with_world(|world| (world.spent_by(id), world.excess.get(&id).copied().unwrap_or(0)))
    }
    /// Fields of an object as they truly are; None when there is no such object.
    pub fn fields_of(&self, id: &str) -> Option<serde_json::Map<String, Value>> {
        let id = id.parse::<Id>().ok()?;
        self.with_world(|world| world.nodes.get(&id).map(|n| n.fields.clone()))
    }
}
