//! Mutation tests, all mutants in one build.
//!
//! `cargo mutants` builds the crate once per mutant. This crate takes a minute to build and has a thousand mutants in
//! the modules that guard money, so here every mutant of a function becomes one arm of a `match` in it, in a copy of the
//! tree that is built once. A variable of the environment then says which mutant a run of the tests is about:
//!
//! [`list`] what cargo-mutants would do, and the seeded sample of it · [`weave`] the copy with all of it · [`build`] it,
//! without what does not compile · [`judge`] each mutant by the tests until one fails · [`report`] what came of it.

mod build;
mod config;
mod judge;
mod list;
mod report;
mod weave;

use std::{env, path::PathBuf};

use anyhow::{Context, Result, bail};

use config::Config;
use judge::{Outcomes, Verdict};

const USAGE: &str = "\
usage: rungwise-mutants run [--module NAME]… [--sample N] [--seed TEXT] [--shard K/N] [--survivors]
       rungwise-mutants report

run         makes, builds and judges the mutants of the modules in mutants/modules.toml
  --module    only this module; may be given several times
  --sample    mutants per module, drawn by the seed (all when it is not given)
  --seed      names the sample (modules.toml names the usual one)
  --shard     the K-th of N equal parts of the sample, K from 0
  --survivors only those that no test has killed so far; mend the tests, then ask again
report      writes docs/mutants.md from what the runs found; fails where fewer are killed than modules.toml asks for,
            or a survivor has no reason there";

fn main() -> Result<()> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = root.parent().context("the driver lies in the repository")?.to_owned();
    let config = Config::read(&root)?;
    let mut words = env::args().skip(1);
    match words.next().as_deref() {
        Some("run") => run(&config, &Asked::read(&config, words)?),
        Some("report") => report::write(&config, &Outcomes::read(&config)?),
        _ => bail!("{USAGE}"),
    }
}

/// What the command line asks for.
struct Asked {
    modules: Vec<String>,
    sample: Option<usize>,
    seed: String,
    shard: (usize, usize),
    survivors: bool,
}

impl Asked {
    fn read(config: &Config, mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut asked = Self {
            modules: Vec::new(),
            sample: None,
            seed: config.seed.clone(),
            shard: (0, 1),
            survivors: false,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--module" => asked.modules.push(value()?),
                "--sample" => asked.sample = Some(value()?.parse().context("--sample")?),
                "--seed" => asked.seed = value()?,
                "--shard" => {
                    let text = value()?;
                    let (k, n) = text.split_once('/').context("--shard is K/N, e.g. 0/4")?;
                    asked.shard = (k.parse().context("--shard")?, n.parse().context("--shard")?);
                    if asked.shard.0 >= asked.shard.1 {
                        bail!("--shard {text}: K counts from 0 and is less than N");
                    }
                }
                "--survivors" => asked.survivors = true,
                _ => bail!("{word} is not known\n\n{USAGE}"),
            }
        }
        for name in &asked.modules {
            if !config.modules.iter().any(|m| m.name == *name) {
                bail!("--module {name}: modules.toml has no such module");
            }
        }
        Ok(asked)
    }
}

fn run(config: &Config, asked: &Asked) -> Result<()> {
    let all = list::all(config)?;
    let mut outcomes = Outcomes::read(config)?;
    outcomes.seed.clone_from(&asked.seed);
    let mut chosen = Vec::new();
    for module in &config.modules {
        let mine: Vec<_> = all.iter().filter(|m| m.module == module.name).cloned().collect();
        let total = mine.len();
        let sample = list::sample(mine, asked.sample, &asked.seed);
        outcomes.totals.insert(module.name.clone(), total);
        outcomes.samples.insert(module.name.clone(), sample.len());
        println!(
            "{}: {total} mutants, a sample of {} by seed {}",
            module.name,
            sample.len(),
            asked.seed
        );
        outcomes.keep(&module.name, &sample);
        if asked.modules.is_empty() || asked.modules.contains(&module.name) {
            let (k, n) = asked.shard;
            chosen.extend(sample.into_iter().skip(k).step_by(n));
        }
    }
    if asked.survivors {
        chosen.retain(|m| outcomes.of(m).is_none_or(|o| o.verdict == Verdict::Survived));
    }
    // What did not compile before does not now: its key is the text of its line.
    chosen.retain(|m| outcomes.of(m).is_none_or(|o| o.verdict != Verdict::Unviable));
    chosen.sort_by_key(|m| (config.modules.iter().position(|one| one.name == m.module), m.id));
    println!("{} to judge", chosen.len());
    let tree = weave::Tree::copy(config)?;
    let tests = build::build(config, &tree, &mut chosen, &mut outcomes)?;
    judge::judge(config, &tests, &tree, &chosen, &mut outcomes)?;
    judge::alone(config, &tree, &chosen, &mut outcomes)?;
    report::summary(config, &outcomes);
    Ok(())
}
