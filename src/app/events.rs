//! The weekly audit of an account's events, as a report; and how complete its youngest days are.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::{
    app::{
        Desk, Result, forecast, journal,
        series::{self, Heading, Known, LineDays},
    },
    domain::{
        AccountId, DAY_MS, Day, DayRange, LearningStatus, Moment, Policy,
        verdict::{Growth, Maturity, Nowcast, USUAL_DISPERSION},
        watch::{Action, AuditInput, AuditSet, EventAudit, RungTable, audit},
    },
    ports::{Clock, MetaRead, Record, Store},
};

/// Days of versions the completeness is learned from.
const VERSION_DAYS: i64 = 60;
/// Days Meta may still restate.
const RESTATED_DAYS: i64 = 28;

/// The report.
#[derive(Debug, Clone, Serialize)]
pub struct AuditReport {
    /// Account, currency, as of when.
    #[serde(flatten)]
    pub heading: Heading,
    /// By line.
    pub lines: Vec<LineAudit>,
    /// How complete young days are.
    pub maturity: MaturityView,
}

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct LineAudit {
    /// The line.
    pub line: String,
    /// Its campaign.
    pub campaign: String,
    /// Its name; foreign text.
    pub name: String,
    /// The rung it stands on.
    pub rung: String,
    /// What was found.
    pub audit: EventAudit,
    /// Consolidation advice, where fragmentation is the true cause.
    pub consolidate: Option<String>,
}

/// Completeness of rows by age, and what the immature days would become.
#[derive(Debug, Clone, Serialize)]
pub struct MaturityView {
    /// The pattern and what it was learned from.
    pub pattern: Maturity,
    /// From this age in full days on, a row counts as mature.
    pub mature_from: usize,
    /// Immature closed days of the whole account: estimates, never counted.
    pub nowcasts: Vec<DayNowcast>,
}

/// The estimate of one young day.
#[derive(Debug, Clone, Serialize)]
pub struct DayNowcast {
    /// The day.
    pub day: Day,
    /// The estimate.
    #[serde(flatten)]
    pub nowcast: Nowcast,
}

impl AuditReport {
    /// Every finding that asks for something: line, action, why.
    pub fn actions(&self) -> impl Iterator<Item = (&str, Action, &str)> {
        self.lines.iter().flat_map(|line| {
            line.audit.actions.iter().map(|(a, why)| (line.line.as_str(), *a, why.as_str()))
        })
    }
}

/// Builds the report.
pub async fn audit_events<S: Store>(
    store: &S,
    id: &AccountId,
    policy: &Policy,
) -> Result<AuditReport> {
    let known = series::known(store, id, policy).await?;
    let lines = series::lines(store, &known, policy).await?;
    let audits = lines.iter().filter_map(|line| line_audit(line, policy)).collect();
    let maturity = maturity(store, id, policy, &known).await?;
    Ok(AuditReport { heading: known.heading(id), lines: audits, maturity })
}

/// The weekly job: builds the report, logs what it asks for and files it in the audit chain.
pub async fn weekly<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
) -> Result<AuditReport> {
    let report = audit_events(desk.store, desk.meta.account_id(), desk.policy).await?;
    for (line, action, why) in report.actions() {
        tracing::warn!(line, action = action.as_str(), "{why}");
    }
    let found: Vec<_> = report
        .actions()
        .map(|(line, action, why)| json!({ "line": line, "action": action, "why": why }))
        .collect();
    let body =
        json!({ "as_of": report.heading.as_of, "lines": report.lines.len(), "found": found });
    let note: Record = journal::audit(desk.clock.now(), "events_audited", desk.actor, body);
    desk.store.commit(vec![note]).await?;
    Ok(report)
}

fn line_audit(line: &LineDays, policy: &Policy) -> Option<LineAudit> {
    let rung = line.rung(policy)?;
    let (keys, table): (Vec<String>, RungTable) = forecast::table(line, policy);
    let adsets: Vec<AuditSet> = line
        .adsets
        .iter()
        .map(|(set, series)| AuditSet {
            id: set.id.to_string(),
            name: set.name.clone(),
            series: series.clone(),
            left_learning: set.learning.as_ref().and_then(|l| match l.status {
                LearningStatus::Success => Some(true),
                LearningStatus::Learning | LearningStatus::Limited => Some(false),
                LearningStatus::Other(_) => None,
            }),
        })
        .collect();
    let input = AuditInput { line: &line.line, adsets: &adsets, keys: &keys, rung, table: &table };
    Some(LineAudit {
        line: line.climb.line.to_string(),
        campaign: line.climb.incumbent.to_string(),
        name: line.tree.campaign.name.clone(),
        rung: line.climb.rung.clone(),
        audit: audit(&input),
        consolidate: table.consolidation.map(|c| c.advice),
    })
}

/// Learns completeness from the versions of the last 60 days, one read a day.
async fn maturity<S: Store>(
    store: &S,
    id: &AccountId,
    policy: &Policy,
    known: &Known,
) -> Result<MaturityView> {
    let zone = &known.account.zone;
    let since = known.read.plus(-VERSION_DAYS * DAY_MS);
    let mut last_of_day: BTreeMap<Day, Moment> = BTreeMap::new();
    for read in known.reads.iter().filter(|r| r.fetched_at >= since) {
        let slot = last_of_day.entry(zone.day_of(read.fetched_at)).or_insert(read.fetched_at);
        *slot = (*slot).max(read.fetched_at);
    }
    let action = policy.ladder.macro_rung().map_or("", |r| r.action_type.as_str());
    let actions = [action.to_owned()];
    let mut counts: BTreeMap<(Day, usize), f64> = BTreeMap::new();
    let mut newest: BTreeMap<Day, f64> = BTreeMap::new();
    for (read_on, at) in last_of_day {
        let range = DayRange::new(read_on.plus(-RESTATED_DAYS), read_on.plus(-1))
            .expect("28 days before yesterday");
        newest.clear();
        for seen in store.insights_counting(id, &[], range, Some(at), &actions).await? {
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
            let n = seen.row.count(action) as f64;
            *newest.entry(seen.row.day).or_insert(0.0) += n;
        }
        for (day, n) in &newest {
            if let Some(age) = age_at(zone.end_of(*day), at) {
                counts.insert((*day, age), *n);
            }
        }
    }
    let steps: Vec<Growth> = counts
        .iter()
        .filter_map(|((day, age), younger)| {
            let older = *counts.get(&(*day, age + 1))?;
            Some(Growth { age: *age, younger: *younger, older })
        })
        .collect();
    let pattern = Maturity::learn(&steps);
    let mature_from = pattern.mature_from();
    let nowcasts = newest.iter().filter_map(|(day, counted)| {
        let age = age_at(zone.end_of(*day), known.read)?;
        let young = age < mature_from;
        young.then(|| DayNowcast {
            day: *day,
            nowcast: pattern.nowcast(*counted, age, USUAL_DISPERSION),
        })
    });
    Ok(MaturityView { nowcasts: nowcasts.collect(), mature_from, pattern })
}

/// Full days between a day's end and a read.
fn age_at(end: Moment, at: Moment) -> Option<usize> {
    usize::try_from(at.since(end).div_euclid(DAY_MS)).ok()
}
