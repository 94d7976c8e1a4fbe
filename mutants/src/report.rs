//! docs/mutants.md: how it works, the figures, the survivors with their reasons.

use std::{fmt::Write as _, fs};

use anyhow::{Context, Result, bail};

use crate::{
    config::{Config, Known},
    judge::{Outcomes, Verdict},
    list::Key,
};

/// What stands between these in docs/mutants.md is written by the program.
const MARKS: (&str, &str) = ("<!-- figures -->", "<!-- end of figures -->");

struct Count {
    killed: usize,
    hung: usize,
    unviable: usize,
    unjudged: usize,
    survivors: Vec<Key>,
}

impl Count {
    fn of(outcomes: &Outcomes, module: &str) -> Self {
        let mut count =
            Self { killed: 0, hung: 0, unviable: 0, unjudged: 0, survivors: Vec::new() };
        for (key, outcome) in outcomes.mutants.get(module).into_iter().flatten() {
            match outcome.as_ref().map(|o| o.verdict) {
                Some(Verdict::Killed) => count.killed += 1,
                Some(Verdict::Hung) => count.hung += 1,
                Some(Verdict::Unviable) => count.unviable += 1,
                Some(Verdict::Survived) => count.survivors.push(key.clone()),
                None => count.unjudged += 1,
            }
        }
        count.survivors.sort();
        count
    }
    /// Killed in percent of what compiles; a mutant that hangs is noticed too.
    #[expect(clippy::cast_precision_loss, reason = "a thousand mutants")]
    fn rate(&self) -> f64 {
        let caught = self.killed + self.hung;
        100.0 * caught as f64 / (caught + self.survivors.len()).max(1) as f64
    }
}

/// One line per module.
pub fn summary(config: &Config, outcomes: &Outcomes) {
    for module in &config.modules {
        let count = Count::of(outcomes, &module.name);
        println!(
            "{}: {} in the sample, {} killed, {} hung, {} survived, {} do not compile, {} not judged: {:.1} %",
            module.name,
            outcomes.samples.get(&module.name).unwrap_or(&0),
            count.killed,
            count.hung,
            count.survivors.len(),
            count.unviable,
            count.unjudged,
            count.rate()
        );
    }
}

/// Writes the figures into docs/mutants.md.
pub fn write(config: &Config, outcomes: &Outcomes) -> Result<()> {
    summary(config, outcomes);
    let mut faults = Vec::new();
    let mut text = format!(
        "\nSeed `{}`.\n\n| module | mutants | sampled | killed | hung | survived | do not compile | killed of those that compile |\n|---|---|---|---|---|---|---|---|\n",
        outcomes.seed
    );
    for module in &config.modules {
        let count = Count::of(outcomes, &module.name);
        let figure =
            |all: &std::collections::BTreeMap<String, usize>| all.get(&module.name).copied();
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {:.1} % |",
            module.name,
            figure(&outcomes.totals).unwrap_or(0),
            figure(&outcomes.samples).unwrap_or(0),
            count.killed,
            count.hung,
            count.survivors.len(),
            count.unviable,
            count.rate()
        )?;
        if count.unjudged > 0 {
            faults.push(format!("{}: {} are not judged yet", module.name, count.unjudged));
        }
        if count.rate() < config.least_killed {
            faults.push(format!("{}: only {:.1} % are killed", module.name, count.rate()));
        }
    }
    text.push_str("\n### Survivors\n");
    for module in &config.modules {
        let survivors = Count::of(outcomes, &module.name).survivors;
        if survivors.is_empty() {
            continue;
        }
        writeln!(text, "\n{}\n", module.name)?;
        for key in survivors {
            let reason = config.survivors.iter().find(|k| is(k, &key)).map(|k| k.reason.as_str());
            if reason.is_none() {
                faults.push(format!("no reason for {}: {} in {:?}", key.file, key.what, key.line));
            }
            writeln!(
                text,
                "* `{}`: {}, in `{}`: {}",
                key.file,
                key.what,
                key.line,
                reason.unwrap_or("**no reason yet**")
            )?;
        }
    }
    let path = config.root.join("docs/mutants.md");
    let page = fs::read_to_string(&path).context("cannot read docs/mutants.md")?;
    let (head, rest) = page.split_once(MARKS.0).context("docs/mutants.md has no figures")?;
    let (_, tail) = rest.split_once(MARKS.1).context("docs/mutants.md has no end of figures")?;
    fs::write(&path, format!("{head}{}\n{text}\n{}{tail}", MARKS.0, MARKS.1))?;
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(())
}

fn is(known: &Known, key: &Key) -> bool {
    known.file == key.file && known.what == key.what && known.line == key.line
}
