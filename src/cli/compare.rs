//! `compare`: two exports side by side, or two bare purchases:spend.

mod bare;
mod note;
mod paired;

use std::{
    io::{self, Write},
    str::FromStr,
};

use clap::Args;
use serde::Serialize;

use self::paired::pair;
use super::files::{self, FileError};
use crate::{
    domain::{
        Currency, Day,
        verdict::{
            Belief, Dispersion, Exposure, Figures, Look, Outcome, Prior, Rule, RuleName, TestPlan,
            USUAL_DISPERSION, ValueShift, detectable_ratio, look_at_all, outlook,
        },
    },
    exports::{Event, Table, Totals},
};

/// Days assumed behind totals that name no period.
const ASSUMED_DAYS: usize = 14;
/// Compare the cost per purchase of two campaigns, offline.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// Export of the campaign in place (CSV or insights JSON); FILE#CAMPAIGN picks one campaign.
    #[arg(required_unless_present = "counts")]
    pub incumbent: Option<String>,
    /// Export of the campaign that challenges it.
    #[arg(required_unless_present = "counts")]
    pub challenger: Option<String>,
    /// Bare figures instead of files: purchases:spend of the incumbent, then of the challenger.
    #[arg(long, num_args = 2, value_names = ["INCUMBENT", "CHALLENGER"], conflicts_with = "incumbent")]
    pub counts: Option<Vec<Counts>>,
    /// Decision rule: balanced, strict, quick, prove_it_first, always_valid or article.
    #[arg(long, default_value = "balanced")]
    pub rule: RuleName,
    /// Prior strength: purchases each arm is credited with at the pooled cost.
    #[arg(long, value_parser = positive)]
    pub prior: Option<f64>,
    /// Variance ÷ mean of purchases, used as it is (drift included); default: measured on the paired days.
    #[arg(long, value_parser = positive)]
    pub dispersion: Option<f64>,
    /// How much dearer still counts as not worse.
    #[arg(long, value_parser = fraction)]
    pub margin: Option<f64>,
    /// Print JSON; set from the global `--json`.
    #[arg(skip)]
    pub json: bool,
}

/// Purchases and spend, written `20:800`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counts(pub Exposure);

impl FromStr for Counts {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not PURCHASES:SPEND, for example 20:800");
        let (purchases, spend) = text.split_once(':').ok_or_else(bad)?;
        let number = |part: &str| {
            part.trim().parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0).ok_or_else(bad)
        };
        Ok(Self(Exposure::new(number(purchases)?, number(spend)?)))
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|v| v.is_finite() && *v > 0.0);
    value.ok_or_else(|| "a number above 0 is expected".to_owned())
}

fn fraction(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|v| (0.0..=1.0).contains(v));
    value.ok_or_else(|| "a share between 0 and 1 such as 0.10 is expected".to_owned())
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The files are in two currencies.
    #[error("{incumbent} is in {one} and {challenger} in {other}: their costs cannot be compared")]
    Currencies {
        /// The incumbent's file.
        incumbent: String,
        /// Its currency.
        one: Currency,
        /// The challenger's file.
        challenger: String,
        /// Its currency.
        other: Currency,
    },
    /// One counts purchases, the other leads.
    #[error(
        "{incumbent} counts {one} and {challenger} counts {other}: their costs cannot be compared"
    )]
    Events {
        /// The incumbent's file.
        incumbent: String,
        /// Its macro-conversion.
        one: &'static str,
        /// The challenger's file.
        challenger: String,
        /// Its macro-conversion.
        other: &'static str,
    },
    /// Neither arm spent anything.
    #[error("neither {incumbent} nor {challenger} has any spend")]
    NoSpend {
        /// The incumbent.
        incumbent: String,
        /// The challenger.
        challenger: String,
    },
    /// The result cannot be written.
    #[error("the result cannot be written: {0}")]
    Write(#[from] io::Error),
    /// The result cannot be put into JSON.
    #[error("the result cannot be put into JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CompareError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File(error) => error.hint(),
            Self::Currencies { .. } => "export both campaigns in the same currency",
            Self::Events { .. } => "export the same conversion for both campaigns",
            Self::NoSpend { .. } => "give campaigns that delivered",
            Self::Write(_) | Self::Json(_) => "check where the output goes",
        }
    }
}

/// Runs the command; the result goes to `out`.
pub fn run(args: &CompareArgs, out: &mut dyn Write) -> Result<(), CompareError> {
    let rule = rule(args);
    if let Some([incumbent, challenger]) = args.counts.as_deref() {
        return bare::bare(incumbent.0, challenger.0, args, &rule, out);
    }
    let open = |path: &Option<String>| files::open(path.as_deref().unwrap_or_default());
    let report = report(open(&args.incumbent)?, open(&args.challenger)?, args, &rule)?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
        return Ok(());
    }
    note::note(&report, out)?;
    Ok(())
}

fn rule(args: &CompareArgs) -> Rule {
    let mut rule = Rule::named(args.rule);
    if let Some(margin) = args.margin {
        rule = rule.with_margin(margin);
    }
    if let Some(strength) = args.prior {
        rule.prior = Prior { strength, ..rule.prior };
    }
    rule
}

/// One arm as output shows it.
#[derive(Debug, Serialize)]
struct ArmReport {
    name: String,
    days: usize,
    spend: String,
    purchases: u64,
    cpa: Option<String>,
}

impl ArmReport {
    fn new(name: &str, totals: &Totals, event: Event, currency: Option<Currency>) -> Self {
        let purchases = totals.count(event);
        Self {
            name: name.to_owned(),
            days: totals.days,
            spend: totals.spend.major(currency),
            purchases,
            cpa: totals.spend.per(purchases).map(|cpa| cpa.major(currency)),
        }
    }
}

#[derive(Debug, Serialize)]
struct PairedReport {
    days: usize,
    first: Day,
    last: Day,
    /// Days of these that the verdict rests on, learning days left out.
    decision_days: usize,
    arms: [ArmReport; 2],
}

#[derive(Debug, Serialize)]
struct GapReport {
    file: String,
    day: Option<Day>,
    line: usize,
    spend: String,
}

/// What these files could have shown.
#[derive(Debug, Serialize)]
struct PowerReport {
    /// True ratio that these purchases would confirm with probability 80 %.
    detectable_ratio: f64,
    /// Probability that a whole test at this volume decides.
    p_decides: Option<f64>,
    /// Expected weeks of such a test.
    weeks: Option<f64>,
}

/// Everything `compare --json` prints.
#[derive(Debug, Serialize)]
struct Report {
    verdict: &'static str,
    rule: RuleName,
    event: Event,
    currency: Option<Currency>,
    arms: [ArmReport; 2],
    paired: Option<PairedReport>,
    gaps: Vec<GapReport>,
    /// CPA ratio challenger ÷ incumbent as reported, on the paired days where there are any.
    ratio: Option<f64>,
    median: f64,
    /// 90 % credible interval of the ratio.
    interval: [f64; 2],
    margin: f64,
    p_not_worse: f64,
    p_better: f64,
    expected_excess: Option<f64>,
    expected_saving: Option<f64>,
    dispersion: f64,
    dispersion_parts: Dispersion,
    value_per_purchase: Option<ValueShift>,
    power: PowerReport,
    /// What the plain point comparison of the article would have said; null without paired days.
    article: Option<&'static str>,
    reasons: Vec<String>,
    notes: Vec<String>,
}

fn report(a: Table, b: Table, args: &CompareArgs, rule: &Rule) -> Result<Report, CompareError> {
    let currency = same_currency(&a, &b)?;
    let event = same_event(&a, &b)?;
    let names = arm_names(&a, &b);
    let totals = [a.totals(), b.totals()];
    let comparison = pair(&a, &b, event, args);
    let mut reasons = Vec::new();
    let mut notes: Vec<String> = [&a, &b]
        .iter()
        .flat_map(|t| t.notes.iter().map(|note| format!("{}: {note}", t.file)))
        .collect();
    let judged = if let Some(paired) = &comparison {
        if !paired.comparison.past_learning {
            let days = paired.comparison.learning_days(rule);
            notes.push(format!(
                    "the challenger started later: its first {days} days are left out as learning, and late \
                     purchases are weighed against earlier spend"
                ));
        }
        let look = look_at_all(&paired.comparison, rule);
        reasons.extend(look.reasons.iter().map(ToString::to_string));
        look.figures.clone().map(|figures| (verdict(&look), figures))
    } else {
        reasons.push(if a.is_daily() && b.is_daily() {
            "the files have no day in common: a verdict needs 14 paired days".to_owned()
        } else {
            "totals without days: a verdict needs 14 paired days".to_owned()
        });
        total_figures(&totals, event, args, rule).map(|f| (Outcome::Inconclusive, f))
    };
    let Some((verdict, figures)) = judged
        .or_else(|| total_figures(&totals, event, args, rule).map(|f| (Outcome::Inconclusive, f)))
    else {
        return Err(CompareError::NoSpend { incumbent: a.file, challenger: b.file });
    };
    let article = comparison.as_ref().map(|paired| {
        let look = look_at_all(&paired.comparison, &Rule::named(RuleName::Article));
        self::verdict(&look).as_str()
    });
    let gaps = [&a, &b].iter().flat_map(|table| gap_reports(table, currency)).collect();
    let [first, second] = &names;
    Ok(Report {
        verdict: verdict.as_str(),
        rule: rule.name,
        event,
        currency,
        arms: [
            ArmReport::new(first, &totals[0], event, currency),
            ArmReport::new(second, &totals[1], event, currency),
        ],
        paired: comparison.as_ref().map(|p| p.report(&names, event, currency, figures.days)),
        gaps,
        ratio: figures.ratio,
        median: figures.median,
        interval: [figures.low, figures.high],
        margin: rule.margin,
        p_not_worse: figures.p_not_worse,
        p_better: figures.p_better,
        expected_excess: figures.expected_excess,
        expected_saving: figures.expected_saving,
        dispersion: figures.dispersion.total,
        dispersion_parts: figures.dispersion,
        value_per_purchase: figures.value,
        power: power(&figures, rule),
        article,
        reasons,
        notes,
    })
}

/// A finished export cannot be looked at again tomorrow: too early means nothing was shown.
fn verdict(look: &Look) -> Outcome {
    match look.outcome {
        Outcome::TooEarly => Outcome::Inconclusive,
        outcome => outcome,
    }
}

fn same_currency(a: &Table, b: &Table) -> Result<Option<Currency>, CompareError> {
    match (a.currency, b.currency) {
        (Some(one), Some(other)) if one != other => Err(CompareError::Currencies {
            incumbent: a.file.clone(),
            one,
            challenger: b.file.clone(),
            other,
        }),
        (one, other) => Ok(one.or(other)),
    }
}

fn same_event(a: &Table, b: &Table) -> Result<Event, CompareError> {
    let one = a.macro_event().map_err(FileError::from)?;
    let other = b.macro_event().map_err(FileError::from)?;
    if one == other {
        return Ok(one);
    }
    // A side that knows both and sold nothing of the one is compared on what both know.
    let common = [Event::Purchase, Event::Lead];
    let shared = common.into_iter().find(|e| a.known.contains(e) && b.known.contains(e));
    shared.ok_or_else(|| CompareError::Events {
        incumbent: a.file.clone(),
        one: one.key(),
        challenger: b.file.clone(),
        other: other.key(),
    })
}

fn arm_names(a: &Table, b: &Table) -> [String; 2] {
    let names = [a.arm_name(), b.arm_name()];
    if names[0] == names[1] {
        let alike = a.file == b.file;
        let name = |file: &str, role: &str| if alike { role.into() } else { file.to_owned() };
        return [name(&a.file, "incumbent"), name(&b.file, "challenger")];
    }
    names
}

fn gap_reports(table: &Table, currency: Option<Currency>) -> Vec<GapReport> {
    let report = |gap: &crate::exports::Gap| GapReport {
        file: table.file.clone(),
        day: gap.day,
        line: gap.line,
        spend: gap.spend.major(currency),
    };
    table.gaps.iter().map(report).collect()
}

fn exposure(totals: &Totals, event: Event) -> Exposure {
    let purchases = u32::try_from(totals.count(event)).unwrap_or(u32::MAX);
    Exposure::new(f64::from(purchases), totals.spend.as_f64())
}

fn total_figures(
    totals: &[Totals; 2],
    event: Event,
    args: &CompareArgs,
    rule: &Rule,
) -> Option<Figures> {
    let (a, b) = (exposure(&totals[0], event), exposure(&totals[1], event));
    let days = totals.iter().map(|t| t.days).filter(|d| *d > 0).min().unwrap_or(ASSUMED_DAYS);
    let days = f64::from(u32::try_from(days).unwrap_or(u32::MAX));
    let mut dispersion = Dispersion::assumed(a.purchases + b.purchases, days, USUAL_DISPERSION);
    if let Some(phi) = args.dispersion {
        dispersion = Dispersion { daily: phi, drift: 0.0, total: phi, ..dispersion };
    }
    Figures::new(a, b, dispersion, rule)
}

fn power(figures: &Figures, rule: &Rule) -> PowerReport {
    let purchases = f64::midpoint(figures.incumbent.purchases, figures.challenger.purchases);
    let first = rule.looks.first().map_or(0.9, |l| l.promote_at.min(0.999));
    let detectable = detectable_ratio(purchases, figures.dispersion.total, first, rule.margin);
    let days = f64::from(u32::try_from(figures.days).unwrap_or(u32::MAX));
    let plan = (figures.days > 0).then(|| TestPlan {
        purchases_per_week: purchases * 7.0 / days,
        dispersion: figures.dispersion.daily,
        weekly_spend: figures.challenger.spend * 7.0 / days,
        learning_days: rule.learning.most_days,
        belief: Belief::default(),
    });
    let seen = plan.map(|plan| outlook(&plan, rule));
    PowerReport {
        detectable_ratio: if purchases > 0.0 { detectable } else { 0.0 },
        p_decides: seen.as_ref().map(|o| o.chances.promote + o.chances.stay),
        weeks: seen.map(|o| o.weeks),
    }
}
