//! From live time to money: what each ad set may spend, and the day's bill.
//!
//! The market is asked once per day, when the day has ended in the account's zone; reports of the current day are
//! therefore empty until then. A spend cap, an end time or a pausing rule inside the day still binds to the cent: the
//! day's delivery is cut where the bound was reached.

use std::{collections::BTreeMap, mem};

use super::{
    audience::{Delivered, Delivery},
    num,
    objects::{Id, Kind, Node},
    rows::{Counts, DayRow},
    world::World,
};
use crate::domain::{DAY_MS, Moment};

impl World {
    /// The daily budget an ad set works with now: its own, or its share of the campaign's.
    pub(super) fn working_budget(&self, adset: &Node, sharers: usize) -> i64 {
        let Some(campaign) = self.nodes.get(&adset.campaign) else { return 0 };
        let pooled = campaign.amount("daily_budget").or_else(|| campaign.amount("lifetime_budget"));
        let (holder, end) =
            if pooled.is_some() { (campaign, "stop_time") } else { (self.node(adset), "end_time") };
        let whole = holder.amount("daily_budget").or_else(|| {
            let left = holder.amount("lifetime_budget")? - self.spent_by(holder.id);
            let days = holder.moment(end).map_or(1, |t| t.since(self.now) / DAY_MS + 1);
            Some(left.max(0) / days.max(1))
        });
        let whole = self.scheduled(holder.id, whole.unwrap_or(0));
        let sharers = i64::try_from(sharers).unwrap_or(1).max(1);
        if pooled.is_some() { whole / sharers } else { whole }
    }
    fn node(&self, like: &Node) -> &std::sync::Arc<Node> {
        self.nodes.get(&like.id).expect("a node handed out by the world is in the world")
    }
    /// A budget with the high-demand periods that are running.
    fn scheduled(&self, object: Id, budget: i64) -> i64 {
        self.of_kind(Kind::Schedule).filter(|s| s.campaign == object).fold(budget, |sum, period| {
            let running = period.moment("time_start").is_some_and(|t| t <= self.now)
                && period.moment("time_end").is_some_and(|t| t > self.now);
            let value = period.amount("budget_value").unwrap_or(0);
            match period.text("budget_value_type") {
                _ if !running => sum,
                "MULTIPLIER" => sum.saturating_mul(value.max(1)),
                _ => sum.saturating_add(value),
            }
        })
    }
    /// Books the time from now to `until` for every ad set that delivers.
    pub(super) fn accrue(&mut self, until: Moment) {
        let ms = until.since(self.now);
        let showing: Vec<(Id, Id, Vec<Id>)> = self
            .of_kind(Kind::AdSet)
            .map(|s| (s.campaign, s.id, self.showing(s)))
            .filter(|(_, _, ads)| !ads.is_empty())
            .collect();
        for (campaign, id, ads) in &showing {
            let sharers = showing.iter().filter(|(c, _, _)| c == campaign).count();
            let Some(node) = self.nodes.get(id) else { continue };
            let budget = self.working_budget(node, sharers);
            let live = self.live.entry(*id).or_default();
            live.ms += ms;
            live.budget_ms = live.budget_ms.saturating_add(budget.saturating_mul(ms));
            live.ads.extend(ads);
        }
    }
    /// Minor units an ad set has probably spent today.
    pub(super) fn spent_today(&self, adset: Id) -> i64 {
        self.live.get(&adset).map_or(0, |l| l.budget_ms / DAY_MS)
    }
    /// Ends the day: asks the market, applies the bounds, books the rows.
    pub(super) fn settle_day(&mut self) {
        let start = self.zone().start_of(self.today);
        let length = self.now.since(start).max(1);
        let live = mem::take(&mut self.live);
        let scale = num::float(self.offset());
        let sets: Vec<Delivery> = live
            .iter()
            .filter_map(|(id, l)| {
                let node = self.nodes.get(id)?;
                Some(Delivery {
                    key: *id,
                    lineage: node.lineage,
                    level: self.level_of(node),
                    daily_budget: num::float(l.budget_ms / l.ms.max(1)) / scale,
                    fraction: num::float(l.ms) / num::float(length),
                    base_budget: num::float(node.base_budget.max(1)) / scale,
                })
            })
            .collect();
        let delivered = self.audience.deliver(self.today.epoch_days(), &sets);
        let mut rows: BTreeMap<Id, DayRow> = BTreeMap::new();
        for one in delivered {
            let Some(node) = self.nodes.get(&one.key).cloned() else { continue };
            let ads = live.get(&one.key).map(|l| l.ads.iter().copied().collect());
            let mut row = self.row_of(&one);
            row.level = self.level_of(&node);
            row.budget = live.get(&one.key).map_or(0, |l| l.budget_ms / length);
            row.ads = ads.unwrap_or_else(|| self.ads_of(one.key));
            rows.insert(one.key, row);
        }
        let paced = self.lose_pace(&mut rows);
        self.hold_caps(&mut rows);
        self.hold_rules(&mut rows, start, length);
        self.count_excess(&paced, &rows);
        for (id, row) in rows.into_iter().filter(|(_, r)| !r.is_empty()) {
            let campaign = self.nodes.get(&id).map_or(0, |n| n.campaign);
            if !self.spent.contains_key(&id) {
                self.note(start, "first_delivery_event", id, serde_json::json!({}));
            }
            *self.spent.entry(id).or_default() += row.spend;
            *self.spent.entry(campaign).or_default() += row.spend;
            self.rows.insert((self.today, id), row);
        }
    }
    fn row_of(&self, one: &Delivered) -> DayRow {
        let scale = num::float(self.offset());
        let macro_counts = Counts {
            total: one.events[4],
            click_7d: one.purchases_7d_click.min(one.events[4]),
            click_1d: one.purchases_1d_click.min(one.purchases_7d_click).min(one.events[4]),
        };
        let mut events = one.events.map(|n| {
            // Earlier steps of the funnel follow the click sooner than the sale does.
            let click_7d = n - n / 25;
            Counts { total: n, click_7d, click_1d: click_7d - click_7d / 12 }
        });
        events[0] =
            Counts { total: one.events[0], click_7d: one.events[0], click_1d: one.events[0] };
        events[4] = macro_counts;
        DayRow {
            spend: num::round(one.spend * scale),
            impressions: one.impressions,
            link_clicks: one.link_clicks,
            events,
            value: num::round(one.value * scale),
            expected: one.expected_purchases,
            ..DayRow::default()
        }
    }
    /// Campaign spend caps and lifetime budgets cut the day where they are reached.
    fn hold_caps(&self, rows: &mut BTreeMap<Id, DayRow>) {
        let limits: Vec<(Id, i64)> = self
            .nodes
            .values()
            .filter(|n| matches!(n.kind, Kind::Campaign | Kind::AdSet))
            .flat_map(|n| {
                [n.amount("spend_cap"), n.amount("lifetime_budget")]
                    .into_iter()
                    .flatten()
                    .map(|c| (n.id, c))
            })
            .collect();
        for (id, limit) in limits {
            let members = self.members(id);
            let day: i64 = members.iter().filter_map(|m| rows.get(m)).map(|r| r.spend).sum();
            let left = (limit - self.spent_by(id)).max(0);
            if day > left {
                cut(rows, &members, num::float(left) / num::float(day));
                // Whole cents were rounded down; the rest goes to the first, so that the cap is met exactly.
                let kept: i64 = members.iter().filter_map(|m| rows.get(m)).map(|r| r.spend).sum();
                let first = members.iter().find(|m| rows.contains_key(m));
                if let Some(row) = first.and_then(|m| rows.get_mut(m)) {
                    row.spend += left - kept;
                }
            }
        }
    }
    /// The ad sets that belong to a campaign or ad set.
    pub(super) fn members(&self, id: Id) -> Vec<Id> {
        match self.nodes.get(&id).map(|n| n.kind) {
            Some(Kind::Campaign) => self.adsets_of(id),
            _ => vec![id],
        }
    }
}

/// Scales what some ad sets delivered; rows without spend (late conversions) stay.
pub(super) fn cut(rows: &mut BTreeMap<Id, DayRow>, members: &[Id], factor: f64) {
    for id in members {
        if let Some(row) = rows.get_mut(id).filter(|r| r.spend > 0) {
            *row = row.scaled(factor);
        }
    }
}
