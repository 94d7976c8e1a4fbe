//! `calibration`: past verdicts against what happened later.

use super::{Ended, Ending, args, context, output::Output};
use crate::{
    app::calibration::{Calibration, ENOUGH, calibration},
    boot::Role,
};

/// Runs it.
pub async fn run(args: &args::Args, out: &Output) -> Ended {
    let context = context::open(args)?;
    let store = context.store(Role::Reader).await?;
    let report = calibration(&store, &context.account.id, &context.account.policy).await?;
    if out.json {
        out.document(&report)?;
    } else {
        text(&report, out)?;
    }
    Ok(Ending::Done)
}

fn text(report: &Calibration, out: &Output) -> super::Said {
    out.line(&report.sentence)?;
    for v in &report.verdicts {
        let (median, low, high) = v.forecast;
        let later = match (v.realised, v.not_observable) {
            (Some(r), None) => {
                format!("in the four weeks after {r:.2} of the incumbent's cost in the test")
            }
            (Some(r), Some(why)) => format!("the arm that stayed {r:.2} of its own cost; {why}"),
            (None, Some(why)) => why.to_owned(),
            (None, None) => "no purchase in the four weeks after".to_owned(),
        };
        out.line(&format!(
            "  {}  {} to {}: {}; forecast ratio {median:.2} [{low:.2}, {high:.2}], P(not worse) {:.0} %; {later}",
            v.on,
            v.from,
            v.to,
            v.verdict,
            v.p_not_worse * 100.0
        ))?;
    }
    // Shares of a handful of verdicts say nothing; `--json` has them.
    if report.observable >= ENOUGH
        && let (Some(raw), Some(wide), Some(brier), Some(expected)) =
            (report.inside, report.inside_widened, report.brier, report.brier_expected)
    {
        out.line(&format!(
            "of {}: {:.0} % inside the posterior's 90 % interval, {:.0} % inside the one widened by the weeks after; Brier \
             {brier:.3} (exact probabilities would give {expected:.3})",
            report.observable,
            raw * 100.0,
            wide * 100.0
        ))?;
    }
    Ok(())
}
