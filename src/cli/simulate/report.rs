//! What a study found, in percent, as JSON and as tables.

use std::io::{self, Write};

use serde::Serialize;

use crate::sandbox::market::population::PolicyReport;

/// A whole study.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Study {
    pub(super) seed: u64,
    pub(super) accounts: u32,
    pub(super) weeks: u32,
    pub(super) worlds: Vec<WorldEntry>,
    pub(super) mean: Vec<Mean>,
}

/// One world of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct WorldEntry {
    pub(super) name: String,
    pub(super) policies: Vec<Entry>,
}

/// One policy in one world; percentages but for counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Entry {
    pub(super) policy: String,
    pub(super) cut: f64,
    pub(super) standard_error: f64,
    pub(super) p10: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) regret: f64,
    pub(super) worse5: f64,
    pub(super) tests: f64,
    pub(super) promotions: f64,
    pub(super) wrong: u32,
    pub(super) missed: u32,
    pub(super) bands: Vec<BandEntry>,
}

/// Accounts of one range of purchases a week.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct BandEntry {
    pub(super) from: f64,
    pub(super) to: Option<f64>,
    pub(super) accounts: usize,
    pub(super) cut: Option<f64>,
}

/// The plain mean over the worlds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Mean {
    pub(super) policy: String,
    pub(super) cut: f64,
    pub(super) p10: f64,
    pub(super) regret: f64,
    pub(super) worse5: f64,
    pub(super) tests: f64,
}

/// Percent with three decimals; more would be noise.
fn percent(fraction: f64) -> f64 {
    rounded(100.0 * fraction)
}

fn rounded(value: f64) -> f64 {
    // Adding zero turns a rounded -0 into 0.
    libm::round(value * 1000.0) / 1000.0 + 0.0
}

impl Entry {
    pub(super) fn of(name: &str, report: &PolicyReport) -> Self {
        let band = |band: &crate::sandbox::market::population::Band| BandEntry {
            from: band.from,
            to: band.to,
            accounts: band.accounts,
            cut: band.mean_cut.map(percent),
        };
        Self {
            policy: name.to_owned(),
            cut: percent(report.mean_cut),
            standard_error: percent(report.standard_error),
            p10: percent(report.p10),
            p50: percent(report.p50),
            p90: percent(report.p90),
            regret: percent(report.regret),
            worse5: percent(report.share_worse),
            tests: rounded(report.tests),
            promotions: rounded(report.promotions),
            wrong: report.wrong,
            missed: report.missed,
            bands: report.bands.iter().map(band).collect(),
        }
    }
}

impl Study {
    pub(super) fn new(accounts: u32, weeks: u32, seed: u64) -> Self {
        Self { seed, accounts, weeks, worlds: Vec::new(), mean: Vec::new() }
    }

    /// Adds a world and brings the mean up to date.
    pub(super) fn add(&mut self, name: String, policies: Vec<Entry>) {
        self.worlds.push(WorldEntry { name, policies });
        let count = self.worlds.first().map_or(0, |world| world.policies.len());
        self.mean = (0..count).filter_map(|at| self.mean_of(at)).collect();
    }

    fn mean_of(&self, at: usize) -> Option<Mean> {
        let policy = self.worlds.first()?.policies.get(at)?.policy.clone();
        let over = |read: fn(&Entry) -> f64| {
            let mut sum = 0.0;
            let mut worlds = 0.0;
            for entry in self.worlds.iter().filter_map(|world| world.policies.get(at)) {
                sum += read(entry);
                worlds += 1.0;
            }
            rounded(sum / worlds)
        };
        Some(Mean {
            policy,
            cut: over(|e| e.cut),
            p10: over(|e| e.p10),
            regret: over(|e| e.regret),
            worse5: over(|e| e.worse5),
            tests: over(|e| e.tests),
        })
    }

    /// One table per world and one of the mean.
    pub(super) fn tables(&self, out: &mut dyn Write) -> io::Result<()> {
        for world in &self.worlds {
            writeln!(
                out,
                "{}: {} accounts, {} weeks, seed {}",
                world.name, self.accounts, self.weeks, self.seed
            )?;
            write!(
                out,
                "{:<24} {:>7} {:>5} {:>7} {:>7} {:>7} {:>6} {:>6} {:>6} |",
                "policy", "cut %", "±", "p10 %", "regret%", ">5%worse", "tests", "wrong", "missed"
            )?;
            for band in world.policies.first().map_or(&[][..], |entry| &entry.bands) {
                let to = band.to.map_or_else(String::new, |to| format!("{to:.0}"));
                write!(out, " {:>7}", format!("{:.0}-{to}", band.from))?;
            }
            writeln!(out)?;
            for entry in &world.policies {
                entry.row(out)?;
            }
            writeln!(out)?;
        }
        if self.worlds.len() > 1 {
            writeln!(out, "mean of {} worlds", self.worlds.len())?;
            writeln!(
                out,
                "{:<24} {:>7} {:>7} {:>7} {:>8} {:>6}",
                "policy", "cut %", "p10 %", "regret%", ">5%worse", "tests"
            )?;
            for m in &self.mean {
                writeln!(
                    out,
                    "{:<24} {:>7.2} {:>7.1} {:>7.2} {:>8.1} {:>6.2}",
                    m.policy, m.cut, m.p10, m.regret, m.worse5, m.tests
                )?;
            }
        }
        Ok(())
    }
}

impl Entry {
    fn row(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(
            out,
            "{:<24} {:>7.2} {:>5.2} {:>7.1} {:>7.2} {:>8.1} {:>6.2} {:>6} {:>6} |",
            self.policy,
            self.cut,
            self.standard_error,
            self.p10,
            self.regret,
            self.worse5,
            self.tests,
            self.wrong,
            self.missed
        )?;
        for band in &self.bands {
            let cut = band.cut.map_or_else(|| "-".to_owned(), |cut| format!("{cut:.1}"));
            write!(out, " {cut:>7}")?;
        }
        writeln!(out)
    }
}
