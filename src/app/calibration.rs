//! Past verdicts and their intervals against what happened in the four weeks after.

use serde::Serialize;

use crate::{
    app::{
        Result,
        series::{self, Known},
        views::{cpa, decision_of},
    },
    domain::{
        AccountId, CampaignId, Day, Policy,
        climb::{State, Test, Verdict},
        decide::Decision,
        verdict::{Exposure, USUAL_DISPERSION, special::normal_cdf},
    },
    ports::Store,
};

/// Days after a verdict that are held against it.
const AFTER_DAYS: i64 = 28;
/// Standard deviation of the season between two periods, as a share.
const SEASON_SD: f64 = 0.15;
/// Normal quantile of a two-sided 90 % interval.
const Z90: f64 = 1.644_853_626_951_472_7;
/// Observable verdicts below which nothing is claimed.
pub const ENOUGH: usize = 10;
/// Purchases after the verdict below which a realised ratio is no more than noise.
const LEAST_PURCHASES: f64 = 5.0;

/// The report.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    /// The account.
    pub account: String,
    /// Currency of the costs.
    pub currency: String,
    /// Every verdict of a side-by-side test, oldest first.
    pub verdicts: Vec<PastVerdict>,
    /// Verdicts whose forecast can be held against what happened.
    pub observable: usize,
    /// Share of them inside the posterior's own 90 % interval.
    pub inside: Option<f64>,
    /// Share inside the interval widened by the noise and season of the weeks after: this is the one that should be 90 %.
    pub inside_widened: Option<f64>,
    /// Brier score of "not worse than the margin": 0 = clairvoyant, 0.25 = a coin.
    pub brier: Option<f64>,
    /// Brier score to be expected if every probability were exact.
    pub brier_expected: Option<f64>,
    /// What may be said.
    pub sentence: String,
}

/// One verdict and what came after.
#[derive(Debug, Clone, Serialize)]
pub struct PastVerdict {
    /// The climb.
    pub climb: String,
    /// From this rung.
    pub from: String,
    /// To that one.
    pub to: String,
    /// The verdict.
    pub verdict: String,
    /// When it fell.
    pub on: Day,
    /// Forecast cost ratio: median and 90 % interval.
    pub forecast: (f64, f64, f64),
    /// The interval widened by what the weeks after can say.
    pub widened: Option<(f64, f64)>,
    /// Probability of "not worse" at the verdict.
    pub p_not_worse: f64,
    /// Cost per macro-conversion of the arm that went on, in the four weeks after; None without purchases.
    pub after: Option<String>,
    /// Its ratio to the incumbent's cost during the test.
    pub realised: Option<f64>,
    /// Why it cannot be held against the forecast, if it cannot.
    pub not_observable: Option<&'static str>,
}

/// Builds the report.
pub async fn calibration<S: Store>(
    store: &S,
    id: &AccountId,
    policy: &Policy,
) -> Result<Calibration> {
    let known = series::known(store, id, policy).await?;
    let mut rows = store.decisions(None, u32::MAX).await?;
    rows.reverse();
    let mut verdicts = Vec::new();
    for row in rows {
        let decision = decision_of(&row)?;
        let State::Judged { test, verdict } = &decision.next.state else { continue };
        // A judged climb that waits for its plan decides again without news: one verdict, one row.
        if decision.trail.len() < 2 {
            continue;
        }
        let on = known.account.zone.day_of(row.at);
        let arms = (test, &decision.next.incumbent);
        let after = after(store, id, policy, &known, arms, *verdict, on).await?;
        let climb = row.climb.to_string();
        if let Some(past) = judge(&known, climb, &decision, test, *verdict, on, after) {
            verdicts.push(past);
        }
    }
    Ok(summary(id.act(), known.account.currency.to_string(), verdicts, policy.compare.margin))
}

/// The arm that went on, over the days after; None while they are not over.
async fn after<S: Store>(
    store: &S,
    id: &AccountId,
    policy: &Policy,
    known: &Known,
    (test, incumbent): (&Test, &CampaignId),
    verdict: Verdict,
    on: Day,
) -> Result<Option<Exposure>> {
    let last = on.plus(AFTER_DAYS);
    if last > known.window.until() {
        return Ok(None);
    }
    let range = crate::domain::DayRange::new(on.plus(1), last).expect("28 days on is later");
    let action = policy.ladder.macro_rung().map_or("", |r| r.action_type.as_str());
    let winner: CampaignId = match verdict {
        Verdict::Promote => test.challenger.clone(),
        Verdict::Stay | Verdict::Inconclusive | Verdict::Aborted => incumbent.clone(),
    };
    let mut sum = Exposure::default();
    let actions = [action.to_owned()];
    for seen in store.insights_counting(id, &[winner], range, None, &actions).await? {
        #[expect(clippy::cast_precision_loss, reason = "counts and money far below 2^53")]
        let (n, spend) = (seen.row.count(action) as f64, seen.row.spend.minor() as f64);
        sum.purchases += n;
        sum.spend += spend;
    }
    Ok(Some(sum))
}

fn judge(
    known: &Known,
    climb: String,
    decision: &Decision,
    test: &Test,
    verdict: Verdict,
    on: Day,
    after: Option<Exposure>,
) -> Option<PastVerdict> {
    let figures = decision.look.as_ref()?.figures.as_ref()?;
    let before = figures.incumbent.cpa();
    let cost = after.and_then(Exposure::cpa);
    let realised = cost.zip(before).filter(|(_, b)| *b > 0.0).map(|(a, b)| a / b);
    let not_observable = match (verdict, after) {
        (_, None) => Some("the four weeks after are not over"),
        (Verdict::Promote, Some(a)) if a.purchases < LEAST_PURCHASES => {
            Some("too few purchases after it")
        }
        (Verdict::Promote, Some(_)) if realised.is_none() => Some("the incumbent had no purchase"),
        (Verdict::Promote, Some(_)) => None,
        _ => Some("the challenger was paused, so nobody knows what it would have cost"),
    };
    let widened = after.filter(|a| a.purchases > 0.0).map(|a| {
        let own = libm::log(figures.high / figures.low) / (2.0 * Z90);
        let noise = USUAL_DISPERSION / a.purchases + SEASON_SD * SEASON_SD;
        let reach = Z90 * libm::sqrt(own * own + noise);
        (figures.median * libm::exp(-reach), figures.median * libm::exp(reach))
    });
    Some(PastVerdict {
        climb,
        from: test.route.from.clone(),
        to: test.route.to.clone(),
        verdict: verdict.as_str().to_owned(),
        on,
        forecast: (figures.median, figures.low, figures.high),
        widened,
        p_not_worse: figures.p_not_worse,
        after: cost.and_then(|c| cpa(c, known.account.currency)),
        realised,
        not_observable,
    })
}

fn summary(
    account: String,
    currency: String,
    verdicts: Vec<PastVerdict>,
    margin: f64,
) -> Calibration {
    let seen: Vec<(&PastVerdict, f64)> = verdicts
        .iter()
        .filter(|v| v.not_observable.is_none())
        .filter_map(|v| v.realised.map(|r| (v, r)))
        .collect();
    let n = seen.len();
    let mean = |f: &dyn Fn(&PastVerdict, f64) -> f64| {
        let total: f64 = seen.iter().map(|(v, r)| f(v, *r)).sum();
        (n > 0).then(|| total / crate::domain::verdict::special::count(n))
    };
    let yes = |b: bool| if b { 1.0 } else { 0.0 };
    let inside = mean(&|v, r| yes(r >= v.forecast.1 && r <= v.forecast.2));
    let inside_widened = mean(&|v, r| yes(v.widened.is_some_and(|(l, h)| r >= l && r <= h)));
    let brier = mean(&|v, r| {
        let miss = v.p_not_worse - yes(r <= 1.0 + margin);
        miss * miss
    });
    let brier_expected = mean(&|v, _| v.p_not_worse * (1.0 - v.p_not_worse));
    let sentence = if n < ENOUGH {
        format!(
            "{n} of {} verdicts can be held against what happened; below {ENOUGH} that is too few to say anything about \
             calibration",
            verdicts.len()
        )
    } else {
        let share = inside_widened.unwrap_or(0.0);
        // How likely so few inside would be if nine in ten should be.
        let total = crate::domain::verdict::special::count(n);
        let z = (share - 0.9) / libm::sqrt(0.09 / total);
        let judged = if normal_cdf(z) < 0.05 {
            "fewer than chance allows: the intervals are too narrow"
        } else {
            "no sign that the intervals are too narrow"
        };
        format!(
            "{:.0} % of {n} outcomes lie inside their widened 90 % interval: {judged}",
            share * 100.0
        )
    };
    Calibration {
        account,
        currency,
        observable: n,
        inside,
        inside_widened,
        brier,
        brier_expected,
        sentence,
        verdicts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(median: f64, p: f64, realised: Option<f64>) -> PastVerdict {
        PastVerdict {
            climb: "c".into(),
            from: "add_to_cart".into(),
            to: "initiate_checkout".into(),
            verdict: "promote".into(),
            on: "2026-05-01".parse().unwrap(),
            forecast: (median, median * 0.8, median * 1.25),
            widened: Some((median * 0.6, median * 1.6)),
            p_not_worse: p,
            after: None,
            realised,
            not_observable: realised.is_none().then_some("paused"),
        }
    }

    #[test]
    fn few_verdicts_are_called_few_and_the_unobservable_are_not_counted() {
        let report = summary(
            "act_1".into(),
            "EUR".into(),
            vec![past(0.9, 0.9, Some(1.0)), past(1.0, 0.5, None)],
            0.1,
        );
        assert_eq!((report.observable, report.inside), (1, Some(1.0)));
        assert!(report.sentence.contains("too few"), "{}", report.sentence);
        assert!((report.brier.unwrap() - 0.01).abs() < 1e-12);
        let none = summary("act_1".into(), "EUR".into(), vec![], 0.1);
        assert_eq!((none.brier, none.inside), (None, None));
    }

    #[test]
    fn intervals_that_miss_too_often_are_called_too_narrow() {
        let missed = vec![past(0.9, 0.9, Some(3.0)); 12];
        let report = summary("act_1".into(), "EUR".into(), missed, 0.1);
        assert!(
            report.sentence.contains("too narrow") && report.sentence.contains("fewer than chance")
        );
        let met = vec![past(0.9, 0.9, Some(0.95)); 12];
        assert!(summary("act_1".into(), "EUR".into(), met, 0.1).sentence.contains("no sign"));
    }
}
