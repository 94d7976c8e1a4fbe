//! `advise`: which rung these exports say to optimise for.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use clap::Args;
use serde::Serialize;

use super::files::{self, FileError};
use crate::{
    domain::{
        Currency, Day,
        forecast::{
            Candidate, Choice, Correlation, DayVolume, Demand, MacroRate, Reliability, Volume,
            Week, choose, correlation, daily_dispersion, macro_rate, reliability,
            usual_correlation,
        },
        signals::{Friction, LearningSignal, friction, learning},
        verdict::USUAL_DISPERSION,
    },
    exports::{Event, Table, Totals},
};

/// Days the health figures look back.
const RECENT_DAYS: usize = 28;
/// Fewer days than this make the advice tentative.
const SHORT_DAYS: usize = 14;

/// Say which rung to optimise for, from exports alone.
#[derive(Debug, Clone, Args)]
pub struct AdviseArgs {
    /// Exports (CSV or insights JSON) of the campaigns; FILE#CAMPAIGN picks one campaign.
    #[arg(required = true)]
    pub files: Vec<String>,
    /// Planned budget relative to the one in the files, e.g. 0.5 for one arm of a split test.
    #[arg(long, default_value_t = 1.0, value_parser = multiplier)]
    pub budget: f64,
    /// Print JSON; set from the global `--json`.
    #[arg(skip)]
    pub json: bool,
}

fn multiplier(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|v| (0.01..=100.0).contains(v));
    value.ok_or_else(|| "a number between 0.01 and 100 is expected".to_owned())
}

/// Why no advice could be given.
#[derive(Debug, thiserror::Error)]
pub enum AdviseError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The files are in two currencies.
    #[error("{first} is in {one} and {second} in {other}: their spend cannot be added")]
    Currencies {
        /// One file.
        first: String,
        /// Its currency.
        one: Currency,
        /// Another file.
        second: String,
        /// Its currency.
        other: Currency,
    },
    /// The result cannot be written.
    #[error("the result cannot be written: {0}")]
    Write(#[from] io::Error),
    /// The result cannot be put into JSON.
    #[error("the result cannot be put into JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl AdviseError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File(error) => error.hint(),
            Self::Currencies { .. } => "give files of one currency at a time",
            Self::Write(_) | Self::Json(_) => "check where the output goes",
        }
    }
}

/// Runs the command; the result goes to `out`.
pub fn run(args: &AdviseArgs, out: &mut dyn Write) -> Result<(), AdviseError> {
    let mut tables = Vec::new();
    for path in &args.files {
        tables.push(files::open(path)?);
    }
    let report = report(&tables, args.budget)?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
        return Ok(());
    }
    note(&report, out)?;
    Ok(())
}

/// One rung as output shows it.
#[derive(Debug, Serialize)]
struct RungReport {
    key: &'static str,
    title: &'static str,
    events: u64,
    events_per_week: Option<f64>,
    /// Probability that next week has enough events (50; for the macro-conversion 30).
    p_enough: Option<f64>,
    threshold: Option<f64>,
    cost_per_event: Option<String>,
    /// Macro-conversions per event; null for the macro-conversion itself.
    macro_rate: Option<MacroRate>,
    correlation: Option<Correlation>,
    reliability: Option<f64>,
    score: Option<f64>,
    /// Budget, relative to the present one, at which the rung would have enough events.
    budget_needed: Option<f64>,
    learning: Option<LearningSignal>,
    /// False for events that a sales campaign cannot optimise for.
    selectable: bool,
    dispersion: f64,
}

#[derive(Debug, Serialize)]
struct CampaignReport {
    name: String,
    spend: String,
    purchases: u64,
    cpa: Option<String>,
}

#[derive(Debug, Serialize)]
struct GapReport {
    file: String,
    day: Option<Day>,
    line: usize,
    spend: String,
}

/// Everything `advise --json` prints.
#[derive(Debug, Serialize)]
struct Report {
    rung: Option<String>,
    reason: String,
    event: Event,
    currency: Option<Currency>,
    /// `days` or `totals`: what the figures rest on.
    basis: &'static str,
    days: usize,
    spend: String,
    purchases: u64,
    cpa: Option<String>,
    rungs: Vec<RungReport>,
    friction: Option<Friction>,
    campaigns: Vec<CampaignReport>,
    gaps: Vec<GapReport>,
    notes: Vec<String>,
}

/// The figures of all files together.
struct Evidence {
    totals: Totals,
    /// By day; empty when the files have totals only.
    days: BTreeMap<Day, Totals>,
    goal: Event,
    known: BTreeSet<Event>,
}

fn currency_of(tables: &[Table]) -> Result<Option<Currency>, AdviseError> {
    let mut first: Option<(&Table, Currency)> = None;
    for table in tables {
        let Some(other) = table.currency else { continue };
        match first {
            Some((known, one)) if one != other => {
                return Err(AdviseError::Currencies {
                    first: known.file.clone(),
                    one,
                    second: table.file.clone(),
                    other,
                });
            }
            Some(_) => {}
            None => first = Some((table, other)),
        }
    }
    Ok(first.map(|(_, currency)| currency))
}

fn evidence(tables: &[Table]) -> Result<Evidence, AdviseError> {
    let mut goals = BTreeSet::new();
    for table in tables {
        goals.insert(table.macro_event().map_err(FileError::from)?);
    }
    // Purchases are the highest of all events.
    let goal = goals.last().copied().unwrap_or(Event::Purchase);
    let mut totals = Totals::default();
    let mut days: BTreeMap<Day, Totals> = BTreeMap::new();
    let daily = tables.iter().all(Table::is_daily);
    for row in tables.iter().flat_map(|table| &table.rows) {
        totals.add(row);
        if let Some(day) = row.day.filter(|_| daily) {
            days.entry(day).or_insert_with(|| Totals { days: 1, ..Totals::default() }).add(row);
        }
    }
    totals.days =
        if daily { days.len() } else { tables.iter().map(|t| t.totals().days).max().unwrap_or(0) };
    let mut known: BTreeSet<Event> = tables.iter().flat_map(|t| t.known.clone()).collect();
    known.retain(|event| *event == goal || totals.count(*event) > 0);
    if goal == Event::Lead {
        known.remove(&Event::Purchase);
    }
    Ok(Evidence { totals, days, goal, known })
}

fn number(n: u64) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

fn size(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

impl Evidence {
    /// Daily `(spend, events)`.
    fn series(&self, event: Event) -> Vec<(f64, f64)> {
        self.days.values().map(|d| (d.spend.as_f64(), number(d.count(event)))).collect()
    }
    fn dispersion(&self, event: Event) -> f64 {
        if self.days.is_empty() { USUAL_DISPERSION } else { daily_dispersion(&self.series(event)) }
    }
    /// Whole weeks counted back from the last day.
    fn weeks(&self, event: Event) -> Vec<Week> {
        let days: Vec<&Totals> = self.days.values().collect();
        let chunks = days.rchunks_exact(7);
        let sum = |chunk: &[&Totals], event: Event| -> f64 {
            chunk.iter().map(|d| number(d.count(event))).sum()
        };
        chunks
            .map(|chunk| Week {
                spend: chunk.iter().map(|d| d.spend.as_f64()).sum(),
                events: sum(chunk, event),
                macros: sum(chunk, self.goal),
            })
            .collect()
    }
    /// The event that must have happened at least as often: carts, checkouts, purchases.
    fn parent(&self, event: Event) -> Option<Event> {
        let chain: &[Event] = match event {
            Event::InitiateCheckout => &[Event::AddToCart],
            Event::Purchase => &[Event::InitiateCheckout, Event::AddToCart],
            _ => &[],
        };
        chain.iter().copied().find(|parent| self.known.contains(parent))
    }
    fn reliability(&self, event: Event, dispersion: f64) -> Option<Reliability> {
        if self.days.is_empty() {
            return None;
        }
        let parent = self.parent(event);
        let skip = self.days.len().saturating_sub(RECENT_DAYS);
        let days: Vec<DayVolume> = self
            .days
            .values()
            .skip(skip)
            .map(|d| DayVolume {
                spend: d.spend.as_f64(),
                events: number(d.count(event)),
                parent: parent.map(|p| number(d.count(p))),
            })
            .collect();
        Some(reliability(&days, dispersion))
    }
    fn recent(&self, event: Event) -> f64 {
        if self.days.is_empty() {
            return number(self.totals.count(event));
        }
        let skip = self.days.len().saturating_sub(RECENT_DAYS);
        self.days.values().skip(skip).map(|d| number(d.count(event))).sum()
    }
}

/// Meta refuses these two as the optimisation event of a sales campaign.
fn selectable(event: Event, goal: Event) -> bool {
    goal != Event::Purchase || !matches!(event, Event::Search | Event::AddToWishlist)
}

fn report(tables: &[Table], budget: f64) -> Result<Report, AdviseError> {
    let currency = currency_of(tables)?;
    let evidence = evidence(tables)?;
    let mut rungs: Vec<RungReport> =
        evidence.known.iter().map(|event| rung(&evidence, *event, currency)).collect();
    let choice = pick(&evidence, &mut rungs, budget);
    let days = evidence.totals.days;
    let basis = if evidence.days.is_empty() { "totals" } else { "days" };
    let mut notes: Vec<String> = tables
        .iter()
        .flat_map(|t| t.notes.iter().map(|note| format!("{}: {note}", t.file)))
        .collect();
    if basis == "totals" {
        notes.push(match days {
            0 => "no dates: counts cannot be turned into events per week".to_owned(),
            n => format!("totals of {n} days: no correlation, no daily checks"),
        });
    }
    if (1..SHORT_DAYS).contains(&days) {
        notes.push(format!(
            "only {days} day(s): a tentative answer, one good or bad weekend could change it"
        ));
    }
    let campaigns = campaigns(tables, evidence.goal, currency);
    if campaigns.len() > 1 {
        notes.push(format!(
            "counts are those of {} campaigns together; learning happens per ad set",
            campaigns.len()
        ));
    }
    let carts = evidence.known.contains(&Event::AddToCart) && evidence.goal == Event::Purchase;
    let dispersion = evidence.dispersion(Event::Purchase);
    let friction = carts.then(|| {
        friction(evidence.recent(Event::AddToCart), evidence.recent(Event::Purchase), dispersion)
    });
    let gaps = tables.iter().flat_map(|table| {
        table.gaps.iter().map(|gap| GapReport {
            file: table.file.clone(),
            day: gap.day,
            line: gap.line,
            spend: gap.spend.major(currency),
        })
    });
    let purchases = evidence.totals.count(evidence.goal);
    Ok(Report {
        rung: choice.key,
        reason: choice.reason,
        event: evidence.goal,
        currency,
        basis,
        days,
        spend: evidence.totals.spend.major(currency),
        purchases,
        cpa: evidence.totals.spend.per(purchases).map(|cpa| cpa.major(currency)),
        rungs,
        friction,
        campaigns,
        gaps: gaps.collect(),
        notes,
    })
}

fn rung(evidence: &Evidence, event: Event, currency: Option<Currency>) -> RungReport {
    let events = evidence.totals.count(event);
    let days = evidence.totals.days;
    let dispersion = evidence.dispersion(event);
    let is_goal = event == evidence.goal;
    let dated = !evidence.days.is_empty();
    let per_week = (days > 0).then(|| number(events) * 7.0 / size(days));
    let prior = usual_correlation(event.key());
    let rate =
        || macro_rate(number(events), number(evidence.totals.count(evidence.goal)), dispersion);
    let last_week = (evidence.days.len() >= 7)
        .then(|| evidence.days.values().rev().take(7).map(|d| number(d.count(event))).sum());
    RungReport {
        key: event.key(),
        title: event.title(),
        events,
        events_per_week: per_week,
        p_enough: None,
        threshold: None,
        cost_per_event: evidence.totals.spend.per(events).map(|cost| cost.major(currency)),
        macro_rate: (!is_goal).then(rate),
        correlation: (!is_goal && dated)
            .then(|| correlation(&evidence.weeks(event), dispersion, prior)),
        reliability: evidence.reliability(event, dispersion).map(|r| r.score),
        score: None,
        budget_needed: None,
        learning: last_week.map(|n: f64| learning(n, dispersion, None, None)),
        selectable: selectable(event, evidence.goal),
        dispersion,
    }
}

/// Chooses a rung and completes the table with forecast and score.
fn pick(evidence: &Evidence, rungs: &mut [RungReport], budget: f64) -> Choice {
    let days = size(evidence.totals.days);
    let candidates: Vec<Candidate> = rungs
        .iter()
        .filter(|rung| rung.selectable)
        .map(|rung| Candidate {
            key: rung.key.to_owned(),
            volume: Volume { events: number(rung.events), days, dispersion: rung.dispersion },
            quality: rung.correlation.map_or_else(|| usual_correlation(rung.key), |c| c.quality),
            reliability: rung.reliability.unwrap_or(1.0),
        })
        .collect();
    let demand = Demand { budget, ..Demand::default() };
    let mut choice = choose(&candidates, &demand);
    for ranked in &choice.rungs {
        if let Some(rung) = rungs.iter_mut().find(|rung| rung.key == ranked.key) {
            rung.p_enough = ranked.forecast.map(|f| f.p_enough);
            rung.threshold = ranked.forecast.map(|f| f.threshold);
            rung.score = ranked.forecast.map(|_| ranked.score);
            rung.budget_needed = ranked.budget_needed;
        }
    }
    if evidence.totals.days == 0 {
        choice.key = None;
        "the files name no dates, so nothing can be said about events per week"
            .clone_into(&mut choice.reason);
    }
    choice
}

fn campaigns(tables: &[Table], goal: Event, currency: Option<Currency>) -> Vec<CampaignReport> {
    let mut sums: BTreeMap<&str, Totals> = BTreeMap::new();
    for row in tables.iter().flat_map(|t| &t.rows) {
        sums.entry(&row.campaign).or_default().add(row);
    }
    let report = |(name, totals): (&str, Totals)| {
        let purchases = totals.count(goal);
        CampaignReport {
            name: name.to_owned(),
            spend: totals.spend.major(currency),
            purchases,
            cpa: totals.spend.per(purchases).map(|cpa| cpa.major(currency)),
        }
    };
    sums.into_iter().map(report).collect()
}

/// The note for people: conclusion, table, checkout, what was left out.
fn note(r: &Report, out: &mut dyn Write) -> io::Result<()> {
    let code = r.currency.map_or_else(String::new, |c| format!(" {c}"));
    let what = if r.event == Event::Purchase { "purchases" } else { "leads" };
    let chosen = r.rungs.iter().find(|rung| Some(rung.key) == r.rung.as_deref());
    match chosen {
        Some(rung) if r.days < SHORT_DAYS => {
            writeln!(out, "Tentatively, optimise for {}: {}.", rung.title, r.reason)?;
        }
        Some(rung) => writeln!(out, "Optimise for {}: {}.", rung.title, r.reason)?,
        None => writeln!(out, "No rung can be chosen: {}.", r.reason)?,
    }
    let days = if r.days > 0 { format!(" in {} day(s)", r.days) } else { String::new() };
    let cpa = r.cpa.as_deref().map_or_else(String::new, |cpa| format!(", {cpa} each"));
    writeln!(out, "{}{code} spent{days}, {} {what}{cpa}; by {}.\n", r.spend, r.purchases, r.basis)?;
    writeln!(
        out,
        "{:<22} {:>8} {:>9} {:>8} {:>12}  {:<24} {:>5} {:>6}",
        "rung",
        "events",
        "per week",
        "P enough",
        "cost",
        "leads to the goal (90 %)",
        "corr",
        "score"
    )?;
    for rung in &r.rungs {
        table_line(rung, out)?;
    }
    writeln!(out, "P enough: next week has 50 events, for the goal itself 30.\n")?;
    for rung in &r.rungs {
        if let Some(times) = rung.budget_needed {
            writeln!(out, "{} would have enough at {times:.1} times this budget.", rung.title)?;
        }
    }
    if let Some(f) = r.friction {
        let ratio =
            f.carts_per_purchase.map_or_else(|| "no purchase".into(), |v| format!("{v:.1}"));
        let word = if f.flagged { "look at the checkout" } else { "no sign of checkout friction" };
        writeln!(
            out,
            "Carts per purchase: {ratio}; more than 10 with probability {:.0} %: {word}.",
            f.p * 100.0
        )?;
    }
    if r.campaigns.len() > 1 {
        writeln!(out)?;
        for c in &r.campaigns {
            let cpa = c.cpa.as_deref().unwrap_or("–");
            writeln!(
                out,
                "{:<40} {:>14}{code} {:>8} {what}, {cpa} each",
                c.name, c.spend, c.purchases
            )?;
        }
    }
    for gap in &r.gaps {
        let day = gap.day.map_or_else(|| format!("line {}", gap.line), |day| day.to_string());
        writeln!(
            out,
            "gap: {} {day}: spend {} without impressions; left out",
            gap.file, gap.spend
        )?;
    }
    for text in &r.notes {
        writeln!(out, "note: {text}")?;
    }
    Ok(())
}

fn table_line(rung: &RungReport, out: &mut dyn Write) -> io::Result<()> {
    let dash = || "–".to_owned();
    let rate = rung.macro_rate.map_or_else(dash, |m| {
        format!("{:.1} % ({:.1}–{:.1})", m.median * 100.0, m.low * 100.0, m.high * 100.0)
    });
    let title = if rung.selectable { rung.title.to_owned() } else { format!("({})", rung.title) };
    writeln!(
        out,
        "{title:<22} {:>8} {:>9} {:>8} {:>12}  {rate:<24} {:>5} {:>6}",
        rung.events,
        rung.events_per_week.map_or_else(dash, |v| format!("{v:.1}")),
        rung.p_enough.map_or_else(dash, |p| format!("{:.0} %", p * 100.0)),
        rung.cost_per_event.clone().unwrap_or_else(dash),
        rung.correlation.map_or_else(dash, |c| format!("{:.2}", c.corrected)),
        rung.score.map_or_else(dash, |s| format!("{s:.2}")),
    )
}
