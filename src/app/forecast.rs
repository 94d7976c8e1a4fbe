//! The rung table of every line and what the next test would show, from stored days alone.

use serde::Serialize;

use crate::{
    app::{
        Result,
        note::outlook_lines,
        series::{self, Heading, Known, LineDays},
    },
    domain::{
        AccountId, Money, Policy,
        climb::RouteKind,
        decide::rule_of,
        planner::allowance,
        policy::JudgedBy,
        verdict::{self, Belief, TestPlan, TestWorth, special::count},
        watch::{RungInput, RungTable, rung_table},
    },
    ports::Store,
};

/// Weeks in which a better rung would be used, for the worth of a test.
const WEEKS_OF_USE: f64 = 26.0;
/// What a test costs, in weeks of conversions, in simulations.
const TEST_COST_WEEKS: f64 = 0.4;

/// The report.
#[derive(Debug, Clone, Serialize)]
pub struct ForecastReport {
    /// Account, currency, as of when.
    #[serde(flatten)]
    pub heading: Heading,
    /// By line.
    pub lines: Vec<LineForecast>,
}

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct LineForecast {
    /// The line.
    pub line: String,
    /// Its campaign.
    pub campaign: String,
    /// Its name; foreign text.
    pub name: String,
    /// The rung it stands on.
    pub rung: String,
    /// Live ad sets.
    pub adsets: usize,
    /// Approved daily budget, major units.
    pub run_rate: Option<String>,
    /// Daily budget of an arm during a test.
    pub test_budget: Option<String>,
    /// The rung table.
    pub table: RungTable,
    /// Daily budget at which a rung that lacks volume would have it.
    pub budgets: Vec<BudgetNeed>,
    /// The sentence about the volume below which a lower rung usually wins.
    pub volume: String,
    /// The next test, before a cent is spent; None at the top or without history.
    pub next: Option<NextTest>,
}

/// What would make a rung viable.
#[derive(Debug, Clone, Serialize)]
pub struct BudgetNeed {
    /// The rung.
    pub rung: String,
    /// Times the present budget.
    pub times: f64,
    /// Daily budget, major units.
    pub daily: String,
}

/// The power of the next test.
#[derive(Debug, Clone, Serialize)]
pub struct NextTest {
    /// From this rung.
    pub from: String,
    /// To that one.
    pub to: String,
    /// `climb`, or `step_down` (a tested placement).
    pub kind: &'static str,
    /// Macro-conversions a week each arm can expect.
    pub purchases_per_week: f64,
    /// Weeks until the verdict, expected.
    pub weeks: f64,
    /// Spend of the challenger until then, major units.
    pub spend: String,
    /// Spend of the challenger if the test runs to its last look.
    pub most_spend: String,
    /// Chances and looks.
    pub outlook: OutlookView,
    /// Whether what it may teach pays for it.
    pub worth: TestWorth,
    /// All of it in sentences.
    pub sentences: Vec<String>,
}

/// [`verdict::Outlook`] without its money, which stands beside it in major units.
#[derive(Debug, Clone, Serialize)]
pub struct OutlookView {
    /// Probability of each ending.
    pub chances: verdict::Chances,
    /// By look.
    pub looks: Vec<verdict::LookOutlook>,
    /// It will probably end undecided.
    pub probably_inconclusive: bool,
    /// Even the last look expects fewer purchases than the rule needs.
    pub too_few_purchases: bool,
}

/// Builds the report.
pub async fn forecast<S: Store>(
    store: &S,
    id: &AccountId,
    policy: &Policy,
) -> Result<ForecastReport> {
    let known = series::known(store, id, policy).await?;
    let lines = series::lines(store, &known, policy).await?;
    let lines = lines.iter().map(|line| line_forecast(&known, line, policy)).collect();
    Ok(ForecastReport { heading: known.heading(id), lines })
}

/// The rung table of a line.
pub(crate) fn table(line: &LineDays, policy: &Policy) -> (Vec<String>, RungTable) {
    let keys: Vec<String> = policy.ladder.rungs.iter().map(|r| r.key.clone()).collect();
    let ambiguous: Vec<bool> =
        policy.ladder.rungs.iter().map(crate::domain::Rung::is_ambiguous).collect();
    let input = RungInput {
        line: &line.line,
        adsets: line.adsets.len(),
        keys: &keys,
        ambiguous: &ambiguous,
        demand: line.demand(policy),
    };
    let table = rung_table(&input);
    (keys, table)
}

#[expect(clippy::cast_precision_loss, reason = "budgets are far below 2^53 minor units")]
fn line_forecast(known: &Known, line: &LineDays, policy: &Policy) -> LineForecast {
    let (keys, table) = table(line, policy);
    let run_rate = line.run_rate();
    let extra = run_rate.and_then(|r| allowance(policy, RouteKind::Climb, r).ok());
    let needs = table.rungs.iter().filter_map(|row| row.budget_needed.map(|t| (&row.key, t)));
    let budgets = needs.filter_map(|(rung, times)| {
        let daily = known.money(run_rate?.minor() as f64 * times).major();
        Some(BudgetNeed { rung: rung.clone(), times, daily })
    });
    LineForecast {
        line: line.climb.line.to_string(),
        campaign: line.climb.incumbent.to_string(),
        name: line.tree.campaign.name.clone(),
        rung: line.climb.rung.clone(),
        adsets: line.adsets.len(),
        run_rate: run_rate.map(Money::major),
        test_budget: extra.map(Money::major),
        budgets: budgets.collect(),
        volume: volume_sentence(&table, policy),
        next: next_test(known, line, policy, &keys, &table),
        table,
    }
}

fn volume_sentence(table: &RungTable, policy: &Policy) -> String {
    let floor = policy.gates.macro_events_per_week;
    let (weekly, p) = (table.macro_weekly, table.p_macro_enough * 100.0);
    let what = policy.ladder.macro_rung().map_or("macro-conversion", |r| r.key.as_str());
    let tail = if p >= 50.0 {
        "at this volume the macro-conversion itself is worth optimising for"
    } else {
        "below it a lower rung usually wins, because delivery has too few events to learn from"
    };
    format!("{weekly:.1} {what} a week; P(long-run mean at least {floor}) {p:.0} %: {tail}")
}

/// From where to where the next test would go.
fn route(
    line: &LineDays,
    policy: &Policy,
    table: &RungTable,
    keys: &[String],
) -> Option<(usize, usize)> {
    let at = line.rung(policy)?;
    let chosen = table.chosen.as_ref().and_then(|c| keys.iter().position(|k| k == c));
    let top = keys.len().saturating_sub(1);
    let gates = &policy.gates;
    let row = table.rungs.get(at)?;
    let (have, floor) = match (at == top, line.climb.memory.path.len() <= 1) {
        (true, true) => (table.macro_weekly, gates.macro_events_per_week),
        (true, false) => (table.macro_weekly, gates.macro_descend_below),
        (false, _) => (row.weekly_per_adset, gates.micro_descend_below),
    };
    match chosen {
        Some(lower) if lower < at && have < f64::from(floor) => Some((at, lower)),
        _ if at < top => Some((at, at + 1)),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "budgets are far below 2^53 minor units")]
fn next_test(
    known: &Known,
    line: &LineDays,
    policy: &Policy,
    keys: &[String],
    table: &RungTable,
) -> Option<NextTest> {
    let (from, to) = route(line, policy, table, keys)?;
    let down = to < from;
    let kind = if down { RouteKind::TestedPlacement } else { RouteKind::Climb };
    let rate = line.run_rate()?;
    let extra = allowance(policy, kind, rate).ok()?;
    let rule = rule_of(policy);
    let per_arm = table.macro_weekly * line.test_share(policy);
    let plan = TestPlan {
        purchases_per_week: per_arm,
        dispersion: table.macro_dispersion,
        weekly_spend: 7.0 * extra.minor() as f64,
        learning_days: rule.learning.most_days,
        belief: Belief::default(),
    };
    let outlook = verdict::outlook(&plan, &rule);
    let longest = rule.looks.last().map_or(0.0, |l| count(l.days) / 7.0);
    let worth = verdict::worth_testing(
        per_arm * longest,
        table.macro_dispersion,
        Belief::default(),
        WEEKS_OF_USE,
        TEST_COST_WEEKS,
    );
    let (from, to) = (keys.get(from)?.clone(), keys.get(to)?.clone());
    let money = |minor: f64| known.money(minor).to_string();
    let untested = down && table.macro_weekly < f64::from(policy.gates.untested_below);
    let mut sentences = outlook_lines(&outlook, &money);
    if let Some(first) = sentences.first_mut() {
        *first = format!("about {per_arm:.0} macro-conversions a week per arm: {first}");
    }
    if untested && rule.untested_start && policy.placement_by() == JudgedBy::Saving {
        sentences.push(format!(
            "fewer than {} a week: a step down would be made untested where its expected saving is worth it, and taken \
             back as soon as it is not; the decision gives the figures",
            policy.gates.untested_below
        ));
    } else if untested && rule.untested_start {
        sentences.push(format!(
            "fewer than {} a week: the step down to {to} would be made untested and on probation, not tested",
            policy.gates.untested_below
        ));
    }
    if !worth.worth_it {
        sentences.push(format!(
            "it may teach {:.2} weeks of conversions and costs about {:.2}: not worth it",
            worth.gain_weeks, worth.cost_weeks
        ));
    }
    Some(NextTest {
        from,
        to,
        kind: if down { "step_down" } else { "climb" },
        purchases_per_week: per_arm,
        weeks: outlook.weeks,
        spend: known.money(outlook.spend).major(),
        most_spend: known.money(outlook.most_spend).major(),
        outlook: OutlookView {
            chances: outlook.chances,
            looks: outlook.looks,
            probably_inconclusive: outlook.probably_inconclusive,
            too_few_purchases: outlook.too_few_purchases,
        },
        worth,
        sentences,
    })
}
