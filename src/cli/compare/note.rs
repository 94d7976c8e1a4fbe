//! The comparison as a note for people.

use std::io::{self, Write};

use super::{ArmReport, Report};
use crate::exports::Event;

/// The note for people: conclusion, evidence, tables, what was left out.
pub(super) fn note(r: &Report, out: &mut dyn Write) -> io::Result<()> {
    let pct = |p: f64| format!("{:.1} %", p * 100.0);
    let [incumbent, challenger] = &r.arms;
    let headline = match r.verdict {
        "promote" => format!("Promote: {} is not dearer than {}.", challenger.name, incumbent.name),
        "stay" => format!("Stay with {}: {} is dearer.", incumbent.name, challenger.name),
        "extend" => "Undecided: these days do not show a winner; keep both running.".to_owned(),
        _ => "Inconclusive: these figures do not show a winner.".to_owned(),
    };
    writeln!(out, "{headline}")?;
    for reason in &r.reasons {
        writeln!(out, "  {reason}")?;
    }
    writeln!(out)?;
    let what = if r.event == Event::Purchase { "purchase" } else { "lead" };
    if let Some(ratio) = r.ratio {
        let (way, size) = if ratio > 1.0 { ("above", ratio - 1.0) } else { ("below", 1.0 - ratio) };
        writeln!(
            out,
            "Cost per {what} of the challenger: {} {way} the incumbent's, as counted.",
            pct(size)
        )?;
    }
    writeln!(
        out,
        "True ratio: median {:.3}, 90 % interval {:.3} to {:.3}; cheaper with {}, at most {} dearer with {}.",
        r.median,
        r.interval[0],
        r.interval[1],
        pct(r.p_better),
        pct(r.margin),
        pct(r.p_not_worse)
    )?;
    writeln!(out, "{}", dispersion_sentence(r, what))?;
    writeln!(
        out,
        "This many {what}s could confirm a true ratio of {:.2} or less (80 % power).",
        r.power.detectable_ratio
    )?;
    if let Some(value) = r.value_per_purchase {
        writeln!(
            out,
            "Value per purchase: challenger at {:.2} of the incumbent's (90 % interval {:.2} to {:.2}).",
            value.observed, value.low, value.high
        )?;
    }
    if let Some(article) = r.article.filter(|article| *article != r.verdict) {
        writeln!(out, "A plain comparison of the two points would have said: {article}.")?;
    }
    writeln!(out)?;
    arms_table(r, out)?;
    for gap in &r.gaps {
        let day = gap.day.map_or_else(|| format!("line {}", gap.line), |day| day.to_string());
        writeln!(
            out,
            "gap: {} {day}: spend {} without impressions; left out of both arms",
            gap.file, gap.spend
        )?;
    }
    for text in &r.notes {
        writeln!(out, "note: {text}")?;
    }
    Ok(())
}

fn dispersion_sentence(r: &Report, what: &str) -> String {
    let d = r.dispersion_parts;
    match d.measured {
        Some(raw) => format!(
            "Daily {what}s vary {raw:.1} times as much as chance alone; evidence is divided by {:.1}.",
            d.total
        ),
        None => format!("Dispersion is assumed: evidence is divided by {:.1}.", d.total),
    }
}

fn arms_table(r: &Report, out: &mut dyn Write) -> io::Result<()> {
    let code = r.currency.map_or_else(String::new, |c| format!(" {c}"));
    let arms = r.arms.iter().chain(r.paired.iter().flat_map(|p| &p.arms));
    let width = arms.map(|arm| arm.name.chars().count()).max().unwrap_or(0).max(13);
    let unit = if r.event == Event::Purchase { "purchases" } else { "leads" };
    let head = format!("{:>6} {:>16} {unit:>10} {:>12}", "days", format!("spend{code}"), "CPA");
    let mut block = |title: &str, arms: &[ArmReport; 2]| -> io::Result<()> {
        writeln!(out, "{title:<width$} {head}")?;
        for arm in arms {
            let days = if arm.days == 0 { "?".to_owned() } else { arm.days.to_string() };
            writeln!(
                out,
                "{:<width$} {days:>6} {:>16} {:>10} {:>12}",
                arm.name,
                arm.spend,
                arm.purchases,
                arm.cpa.as_deref().unwrap_or("–")
            )?;
        }
        Ok(())
    };
    block("complete rows", &r.arms)?;
    if let Some(paired) = &r.paired {
        block("paired days", &paired.arms)?;
    }
    Ok(())
}
