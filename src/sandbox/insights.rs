//! The insights query: its range, its buckets, its level, and the rows that answer it.
//!
//! The current day has no rows until it has ended in the account's zone. Days are restated for a week after (see
//! [`super::rows`]); an object without delivery has no row.

use std::{cmp::Ordering, collections::BTreeMap};

use serde_json::Value;

use super::{
    errors::{Answer, Refusal},
    figures::Figures,
    filters::{Filter, filters},
    objects::{Id, Kind},
    paging::page,
    params::Params,
    request::Call,
    slices::Labels,
    world::World,
};
use crate::domain::Day;

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Account,
    Campaign,
    AdSet,
    Ad,
}

/// A decoded query.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) level: Level,
    buckets: Vec<(Day, Day)>,
    pub(super) fields: Vec<String>,
    pub(super) windows: Vec<String>,
    breakdowns: Vec<Labels>,
    filters: Vec<Filter>,
    sort: Option<(String, bool)>,
    scope: Option<Id>,
}

impl Query {
    /// First and last day asked for.
    pub(super) fn span(&self) -> (Day, Day) {
        let first = self.buckets.first().map(|b| b.0);
        let last = self.buckets.last().map(|b| b.1);
        first.zip(last).unwrap_or_else(|| {
            let day = Day::new(1970, 1, 1).expect("a date of the calendar");
            (day, day)
        })
    }
    /// Into how many rows the breakdowns cut each.
    pub(super) fn slices(&self) -> usize {
        self.breakdowns.len()
    }
}

impl World {
    /// Reads and checks the parameters of an insights query.
    pub(super) fn query(&self, call: &Call, scope: Option<Id>) -> Result<Query, Refusal> {
        let params = &call.params;
        super::reach::names(params)?;
        let own = match scope.and_then(|id| self.nodes.get(&id)).map(|n| n.kind) {
            None => Level::Account,
            Some(Kind::Campaign) => Level::Campaign,
            Some(Kind::AdSet) => Level::AdSet,
            Some(_) => Level::Ad,
        };
        let level = match params.text("level").as_deref() {
            None => own,
            Some("account") => Level::Account,
            Some("campaign") => Level::Campaign,
            Some("adset") => Level::AdSet,
            Some("ad") => Level::Ad,
            Some(other) => {
                let text =
                    format!("(#100) level {other} must be one of: ad, adset, campaign, account");
                return Err(Refusal::new(100, text));
            }
        };
        let ranges = self.ranges(params)?;
        let several = params.has("time_ranges") && ranges.len() > 1;
        let increment = params.text("time_increment").filter(|_| !several);
        let mut buckets = Vec::new();
        for range in ranges {
            buckets.extend(split(range, increment.as_deref(), self.today)?);
        }
        let fields =
            params.list("fields").unwrap_or_else(|| vec!["impressions".into(), "spend".into()]);
        let sort = params.list("sort").and_then(|l| l.first().cloned()).map(|text| {
            let descending = text.ends_with("_descending");
            let name = text.trim_end_matches("_descending").trim_end_matches("_ascending");
            (name.to_owned(), descending)
        });
        let mut windows = params.list("action_attribution_windows").unwrap_or_default();
        if windows.iter().any(|w| w == "default") {
            windows.retain(|w| !matches!(w.as_str(), "default" | "7d_click" | "1d_view"));
            windows.extend(["7d_click".to_owned(), "1d_view".to_owned()]);
        }
        let breakdowns = self.breakdowns(&params.list("breakdowns").unwrap_or_default());
        Ok(Query {
            level,
            buckets,
            fields,
            windows,
            breakdowns,
            filters: filters(params)?,
            sort,
            scope,
        })
    }
    fn ranges(&self, params: &Params) -> Result<Vec<(Day, Day)>, Refusal> {
        let one = |value: &Value| -> Result<(Day, Day), Refusal> {
            let day = |name: &str| {
                value
                    .get(name)
                    .and_then(Value::as_str)
                    .and_then(|t| t.parse::<Day>().ok())
                    .ok_or_else(|| {
                        Refusal::new(
                            100,
                            format!("(#100) time_range must have {name} as YYYY-MM-DD"),
                        )
                    })
            };
            Ok((day("since")?, day("until")?))
        };
        let mut ranges = Vec::new();
        if let Some(Value::Array(items)) =
            params.value("time_ranges").filter(|_| params.has("time_ranges"))
        {
            for item in &items {
                ranges.push(one(item)?);
            }
        } else if let Some(range) = params.value("time_range").filter(|_| params.has("time_range"))
        {
            ranges.push(one(&range)?);
        } else {
            ranges.push(self.preset(params.text("date_preset").as_deref().unwrap_or("last_30d"))?);
        }
        for (since, until) in &ranges {
            if since > until {
                return Err(Refusal::new(
                    100,
                    "(#100) Must be a valid date range: since is after until",
                ));
            }
            self.kept(params, *since)?;
        }
        Ok(ranges)
    }
    /// A `date_preset` as days; `last_Nd` ends yesterday.
    fn preset(&self, name: &str) -> Result<(Day, Day), Refusal> {
        let today = self.today;
        let first_of = |day: Day, back: i32| {
            let date = day.date().first_of_month().saturating_sub(jiff::Span::new().months(back));
            Day::new(date.year(), date.month(), 1).unwrap_or(day)
        };
        let quarter = |day: Day| first_of(day, i32::from((day.date().month() - 1) % 3));
        let monday = i64::from((today.weekday_from_sunday() + 6) % 7);
        let sunday = i64::from(today.weekday_from_sunday());
        let year = |back: i16| Day::new(today.date().year() - back, 1, 1).unwrap_or(today);
        Ok(match name {
            "today" => (today, today),
            "yesterday" => (today.plus(-1), today.plus(-1)),
            "this_month" => (first_of(today, 0), today),
            "last_month" => (first_of(today, 1), first_of(today, 0).plus(-1)),
            "this_quarter" => (quarter(today), today),
            "last_quarter" => (first_of(quarter(today), 3), quarter(today).plus(-1)),
            "this_year" => (year(0), today),
            "last_year" => (year(1), year(0).plus(-1)),
            "maximum" | "data_maximum" => (self.oldest(), today),
            "this_week_mon_today" => (today.plus(-monday), today),
            "this_week_sun_today" => (today.plus(-sunday), today),
            "last_week_mon_sun" => (today.plus(-monday - 7), today.plus(-monday - 1)),
            "last_week_sun_sat" => (today.plus(-sunday - 7), today.plus(-sunday - 1)),
            _ => {
                let days = name
                    .strip_prefix("last_")
                    .and_then(|t| t.strip_suffix('d')?.parse::<i64>().ok());
                match days {
                    Some(n @ (3 | 7 | 14 | 28 | 30 | 90)) => (today.plus(-n), today.plus(-1)),
                    _ => {
                        return Err(Refusal::new(
                            100,
                            format!("(#100) date_preset {name} is not valid"),
                        ));
                    }
                }
            }
        })
    }
    /// `GET /{object}/insights`.
    pub(super) fn insights(&mut self, call: &Call, scope: Option<Id>) -> Answer {
        let query = self.query(call, scope)?;
        self.at_once(&call.params, query.span().0)?;
        self.light_enough(self.size_of(&query, scope))?;
        self.insights_page(call, scope)
    }
    /// A page of rows, whatever they come to in all.
    pub(super) fn insights_page(&mut self, call: &Call, scope: Option<Id>) -> Answer {
        let query = self.query(call, scope)?;
        let mut found = self.figures(&query);
        found.retain(|f| query.filters.iter().all(|c| self.row_passes(c, f, &query)));
        if let Some((name, descending)) = &query.sort {
            found.sort_by(|a, b| {
                let order = self.sort_key(a, name).total_cmp(&self.sort_key(b, name));
                let order = if name.starts_with("date_st") { a.since.cmp(&b.since) } else { order };
                if *descending { order.reverse() } else { order }
            });
        }
        let named = call.params.text("summary").filter(|s| s != "true" && s != "false" && s != "1");
        let summary = match named.map(|_| call.params.list("summary").unwrap_or_default()) {
            None if call.params.flag("default_summary") == Some(true) => Some(query.fields.clone()),
            other => other,
        };
        let summary =
            match summary {
                Some(fields) if !found.is_empty() => {
                    let mut total = found[0].clone();
                    found.iter().skip(1).for_each(|f| total.merge(f));
                    (total.since, total.until) = query.span();
                    Some(self.figure_row(
                        &total,
                        &Query { fields, level: Level::Account, ..query.clone() },
                    ))
                }
                _ => None,
            };
        let rows = found.iter().map(|f| self.figure_row(f, &query)).collect();
        page(call, rows, 25, summary)
    }
    fn sort_key(&self, figures: &Figures, name: &str) -> f64 {
        let name = name.strip_prefix("actions:").unwrap_or(name);
        self.metric(figures, name).and_then(|t| t.parse().ok()).unwrap_or(0.0)
    }
    /// Adds up the rows of every object and bucket the query covers, in order of day and object.
    fn figures(&self, query: &Query) -> Vec<Figures> {
        let asks = query.filters.iter().any(|f| f.field.ends_with("effective_status"));
        let mut out = Vec::new();
        for (since, until) in &query.buckets {
            let mut of: BTreeMap<(Id, usize), Figures> = BTreeMap::new();
            let slices = u32::try_from(query.breakdowns.len()).unwrap_or(1);
            for ((day, adset), row) in self.rows.range((*since, 0)..=(*until, u64::MAX)) {
                let Some(node) = self.nodes.get(adset) else { continue };
                let shown = row.revealed(self.today.since(*day) - 1);
                let shares: Vec<(Id, Id)> = match query.level {
                    Level::Account => vec![(0, 0)],
                    Level::Campaign => vec![(node.campaign, 0)],
                    Level::AdSet => vec![(*adset, 0)],
                    Level::Ad => row.ads.iter().map(|a| (*a, *a)).collect(),
                };
                let parts = u32::try_from(row.ads.len()).unwrap_or(1);
                let setting = super::figures::setting(node);
                for (key, ad) in shares {
                    let at =
                        row.ads.iter().position(|a| *a == ad).and_then(|n| u32::try_from(n).ok());
                    if !self.in_scope(query.scope, node.campaign, *adset, key, &row.ads) {
                        continue;
                    }
                    // An ad queried on its own is its share even at a coarser level.
                    let own = query.scope.and_then(|s| row.ads.iter().position(|a| *a == s));
                    let own = own.and_then(|n| u32::try_from(n).ok());
                    let piece = at.or(own).map(|n| shown.share(n, parts));
                    let piece = piece.as_ref().unwrap_or(&shown);
                    for (n, labels) in (0..slices).zip(&query.breakdowns) {
                        let slot = (key, usize::try_from(n).unwrap_or(0));
                        let entry = of
                            .entry(slot)
                            .or_insert_with(|| Figures::new(key, (*since, *until), labels));
                        if slices == 1 {
                            entry.add(*adset, piece, &setting);
                        } else {
                            entry.add(*adset, &piece.share(n, slices), &setting);
                        }
                    }
                }
            }
            let gone = |id: &Id| {
                self.nodes
                    .get(id)
                    .is_some_and(|n| matches!(self.effective(n), "ARCHIVED" | "DELETED"))
            };
            of.retain(|(id, _), f| {
                !f.is_empty() && (asks || query.scope == Some(*id) || !gone(id))
            });
            out.extend(of.into_values());
        }
        out
    }
    fn in_scope(&self, scope: Option<Id>, campaign: Id, adset: Id, key: Id, ads: &[Id]) -> bool {
        let Some(scope) = scope else { return true };
        let ad = self.nodes.get(&scope).is_some_and(|n| n.kind == Kind::Ad);
        scope == campaign
            || scope == adset
            || scope == key
            || (ad && ads.contains(&scope) && !ads.contains(&key))
    }
    fn row_passes(&self, filter: &Filter, figures: &Figures, query: &Query) -> bool {
        let (level, name) = filter.field.rsplit_once('.').unwrap_or(("", &filter.field));
        if matches!(level, "campaign" | "adset" | "ad") && !super::figures::is_metric(name) {
            let Some(node) = self.nodes.get(&figures.object) else { return true };
            let wanted = match level {
                "campaign" if node.kind != Kind::Campaign => node.campaign,
                "adset" if node.kind == Kind::Ad => node.adset,
                _ => node.id,
            };
            // A condition on something below the row's level cannot judge the row.
            let depth = |l: &str| ["campaign", "adset", "ad"].iter().position(|x| *x == l);
            let own = match query.level {
                Level::Account => return true,
                Level::Campaign => "campaign",
                Level::AdSet => "adset",
                Level::Ad => "ad",
            };
            if depth(level).cmp(&depth(own)) == Ordering::Greater {
                return true;
            }
            let bare = Filter { field: name.to_owned(), ..filter.clone() };
            return self.nodes.get(&wanted).is_some_and(|n| self.condition(&bare, n));
        }
        let actual = self.metric(figures, name.strip_prefix("actions:").unwrap_or(name));
        filter.passes(Some(actual.as_deref().unwrap_or("0")))
    }
}

/// Cuts a range into buckets.
fn split(
    (since, until): (Day, Day),
    increment: Option<&str>,
    today: Day,
) -> Result<Vec<(Day, Day)>, Refusal> {
    let bad = |text: &str| {
        Refusal::new(
            100,
            format!("(#100) time_increment {text} is not valid: 1 to 90, monthly or all_days"),
        )
    };
    let mut out = Vec::new();
    let mut from = since;
    match increment {
        None | Some("all_days") => out.push((since, until)),
        Some("monthly") => {
            while from <= until.min(today) {
                let last = from.date().last_of_month();
                let last = Day::new(last.year(), last.month(), last.day()).unwrap_or(until);
                out.push((from, last.min(until)));
                from = last.plus(1);
            }
        }
        Some(text) => {
            let step: i64 = text.parse().map_err(|_| bad(text))?;
            if !(1..=90).contains(&step) {
                return Err(bad(text));
            }
            // The future has no rows; it is not worth a bucket a day.
            while from <= until.min(today) {
                out.push((from, from.plus(step - 1).min(until)));
                from = from.plus(step);
            }
        }
    }
    Ok(out)
}
