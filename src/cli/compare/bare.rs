//! Bare purchases:spend, without days.

use std::io::Write;

use serde::Serialize;

use super::{CompareArgs, CompareError};
use crate::domain::verdict::{
    Dispersion, Exposure, Outcome, RatioPosterior, Rule, USUAL_DISPERSION,
};

/// The answer for bare figures; not rounded, so that it can be checked digit by digit.
#[derive(Debug, Serialize)]
struct BareReport {
    arms: [BareArm; 2],
    ratio: Option<f64>,
    p_not_worse: f64,
    p_better: f64,
    expected_excess: Option<f64>,
    expected_saving: Option<f64>,
    q05: f64,
    q50: f64,
    q95: f64,
    margin: f64,
    prior: f64,
    dispersion: f64,
    verdict: &'static str,
    reasons: Vec<String>,
}

#[derive(Debug, Serialize)]
struct BareArm {
    name: &'static str,
    purchases: f64,
    spend: f64,
    cpa: Option<f64>,
}

pub(super) fn bare(
    incumbent: Exposure,
    challenger: Exposure,
    args: &CompareArgs,
    rule: &Rule,
    out: &mut dyn Write,
) -> Result<(), CompareError> {
    let purchases = incumbent.purchases + challenger.purchases;
    // The article's margin is zero; bare figures are asked "not worse than 10 %" unless told otherwise.
    let margin = args.margin.unwrap_or(0.10);
    let assumed = Dispersion::assumed(purchases, 14.0, USUAL_DISPERSION).total;
    let dispersion = args.dispersion.unwrap_or(assumed);
    let post = RatioPosterior::new(incumbent, challenger, rule.prior, dispersion);
    let Some(post) = post else {
        let (incumbent, challenger) = ("the incumbent".to_owned(), "the challenger".to_owned());
        return Err(CompareError::NoSpend { incumbent, challenger });
    };
    let arm =
        |name, e: Exposure| BareArm { name, purchases: e.purchases, spend: e.spend, cpa: e.cpa() };
    let report = BareReport {
        arms: [arm("incumbent", incumbent), arm("challenger", challenger)],
        ratio: incumbent.cpa().zip(challenger.cpa()).filter(|(a, _)| *a > 0.0).map(|(a, b)| b / a),
        p_not_worse: post.probability_at_most(1.0 + margin),
        p_better: post.probability_at_most(1.0),
        expected_excess: post.expected_excess(1.0),
        expected_saving: post.expected_shortfall(1.0),
        q05: post.quantile(0.05),
        q50: post.quantile(0.5),
        q95: post.quantile(0.95),
        margin,
        prior: rule.prior.strength,
        dispersion,
        verdict: Outcome::Inconclusive.as_str(),
        reasons: vec!["bare figures name no days: a verdict needs 14 paired days".to_owned()],
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
        return Ok(());
    }
    let pct = |p: f64| format!("{:.1} %", p * 100.0);
    writeln!(
        out,
        "The challenger is at most {} dearer with probability {}, cheaper with {}.",
        pct(margin),
        pct(report.p_not_worse),
        pct(report.p_better)
    )?;
    writeln!(
        out,
        "Cost ratio: median {:.3}, 90 % interval {:.3} to {:.3} (dispersion {dispersion:.2}, prior {} purchases).",
        report.q50, report.q05, report.q95, report.prior
    )?;
    writeln!(out, "No verdict: {}.", report.reasons.join("; "))?;
    Ok(())
}
