//! Runs the tests against each mutant until one fails.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    build::{self, Built},
    config::{Config, Tests},
    list::{Key, Mutant},
    weave::Tree,
};

/// What came of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A test failed.
    Killed,
    /// The tests did not end.
    Hung,
    /// Every test passed.
    Survived,
    /// It does not compile.
    Unviable,
}

/// What came of a mutant, and by what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// What.
    pub verdict: Verdict,
    /// The first test that failed.
    pub by: String,
}

/// What came of all of them, kept from run to run.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcomes {
    /// The seed of the sample.
    pub seed: String,
    /// Mutants per module.
    pub totals: BTreeMap<String, usize>,
    /// Of these in the sample.
    pub samples: BTreeMap<String, usize>,
    /// By module.
    pub mutants: BTreeMap<String, Vec<(Key, Option<Outcome>)>>,
}

impl Outcomes {
    /// Reads what earlier runs found.
    pub fn read(config: &Config) -> Result<Self> {
        let path = config.work().join("outcomes.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).context("target/mutants/outcomes.json"),
            Err(_) => Ok(Self::default()),
        }
    }
    /// Keeps them.
    pub fn write(&self, config: &Config) -> Result<()> {
        let path = config.work().join("outcomes.json");
        fs::create_dir_all(config.work())?;
        let part = path.with_extension("part");
        fs::write(&part, serde_json::to_vec_pretty(self)?)?;
        fs::rename(part, path).context("cannot write target/mutants/outcomes.json")
    }
    /// Makes `sample` the mutants of a module; of those seen before, what came of them stays.
    pub fn keep(&mut self, module: &str, sample: &[Mutant]) {
        let old: BTreeMap<Key, Option<Outcome>> =
            self.mutants.remove(module).into_iter().flatten().collect();
        let kept = sample.iter().map(|m| (m.key.clone(), old.get(&m.key).cloned().flatten()));
        self.mutants.insert(module.to_owned(), kept.collect());
    }
    /// What came of one.
    pub fn of(&self, mutant: &Mutant) -> Option<&Outcome> {
        let all = self.mutants.get(&mutant.module)?;
        all.iter().find(|(key, _)| *key == mutant.key)?.1.as_ref()
    }
    /// Notes what came of one.
    pub fn put(&mut self, mutant: &Mutant, outcome: Outcome) {
        let all = self.mutants.entry(mutant.module.clone()).or_default();
        match all.iter_mut().find(|(key, _)| *key == mutant.key) {
            Some((_, kept)) => *kept = Some(outcome),
            None => all.push((mutant.key.clone(), Some(outcome))),
        }
    }
}

/// How a run of tests ended.
enum Ran {
    Passed,
    Failed(String),
    Hung,
}

/// Judges what is woven. The tests must pass without a mutant, and tell how long they take.
pub fn judge(
    config: &Config,
    built: &Built,
    tree: &Tree,
    mutants: &[Mutant],
    outcomes: &mut Outcomes,
) -> Result<()> {
    let woven: Vec<_> = mutants.iter().filter(|m| !m.is_alone(tree)).collect();
    let mut usual: BTreeMap<&Tests, Duration> = BTreeMap::new();
    for (n, mutant) in woven.iter().enumerate() {
        let module = config.module_of(&mutant.key.file).context("a mutant has a module")?;
        for tests in &module.tests {
            if !usual.contains_key(tests) {
                usual.insert(tests, pass(config, built, tree, tests)?);
            }
        }
        let outcome = one(config, built, tree, &module.tests, mutant.id, &usual)?;
        told(n + 1, woven.len(), mutant, &outcome);
        outcomes.put(mutant, outcome);
        outcomes.write(config)?;
    }
    Ok(())
}

/// Judges what must be built alone.
pub fn alone(
    config: &Config,
    tree: &Tree,
    mutants: &[Mutant],
    outcomes: &mut Outcomes,
) -> Result<()> {
    let alone: Vec<_> = mutants.iter().filter(|m| m.is_alone(tree)).collect();
    for (n, mutant) in alone.iter().enumerate() {
        let module = config.module_of(&mutant.key.file).context("a mutant has a module")?;
        tree.weave(&[])?;
        tree.alone(mutant)?;
        let targets = build::targets(config, std::slice::from_ref(*mutant));
        let outcome = match build::tests(config, &tree.dir, &targets) {
            Ok(built) => one(config, &built, tree, &module.tests, 0, &BTreeMap::new())?,
            Err(_) => Outcome { verdict: Verdict::Unviable, by: String::new() },
        };
        told(n + 1, alone.len(), mutant, &outcome);
        outcomes.put(mutant, outcome);
        outcomes.write(config)?;
    }
    Ok(())
}

fn told(n: usize, of: usize, mutant: &Mutant, outcome: &Outcome) {
    let Key { file, what, line, .. } = &mutant.key;
    let by = &outcome.by;
    match outcome.verdict {
        Verdict::Survived => println!("[{n}/{of}] SURVIVED {file}: {what}\n        {line}"),
        verdict => println!("[{n}/{of}] {verdict:?} {file}: {what} · {by}"),
    }
}

fn pass(config: &Config, built: &Built, tree: &Tree, tests: &Tests) -> Result<Duration> {
    let begun = Instant::now();
    // On a busy machine the first run may take many times what it needs.
    let most = Duration::from_secs(config.timeout_seconds) * 10;
    let ran = ran(config, &built[&tests.target], &tree.dir, tests, 0, most)?;
    let Tests { target, only, .. } = tests;
    println!("without a mutant: {target} {only:?} {:.1} s", begun.elapsed().as_secs_f64());
    ensure!(matches!(ran, Ran::Passed), "the tests of {target} fail or hang without any mutant");
    Ok(begun.elapsed())
}

fn one(
    config: &Config,
    built: &Built,
    tree: &Tree,
    all: &[Tests],
    id: usize,
    usual: &BTreeMap<&Tests, Duration>,
) -> Result<Outcome> {
    for tests in all {
        // Several times the usual: other work on the machine must not look like a mutant that hangs.
        let least = Duration::from_secs(config.timeout_seconds);
        let most = usual.get(tests).map_or(least * 4, |usual| least.max(*usual * 10));
        let by = |test: String| format!("{}::{test}", tests.target);
        match ran(config, &built[&tests.target], &tree.dir, tests, id, most)? {
            Ran::Passed => {}
            Ran::Failed(test) => return Ok(Outcome { verdict: Verdict::Killed, by: by(test) }),
            Ran::Hung => return Ok(Outcome { verdict: Verdict::Hung, by: by(String::new()) }),
        }
    }
    Ok(Outcome { verdict: Verdict::Survived, by: String::new() })
}

/// One test binary with one mutant, until the first test fails.
fn ran(
    config: &Config,
    binary: &Path,
    dir: &Path,
    tests: &Tests,
    id: usize,
    most: Duration,
) -> Result<Ran> {
    let mut command = Command::new(binary);
    command.args(&tests.only).arg("--test-threads=1").current_dir(dir);
    for skip in &tests.skip {
        command.args(["--skip", skip]);
    }
    command.envs(&config.env).env("RUNGWISE_MUTANT", id.to_string());
    // A failed property is not made small, not kept for the next mutant; a picture that differs is not filed.
    command.env("PROPTEST_MAX_SHRINK_ITERS", "0").env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    command.env("INSTA_UPDATE", "no").env("RUST_BACKTRACE", "0");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let (told, heard) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().context("stdout is piped")?);
    let reader = thread::spawn(move || {
        for line in out.lines().map_while(|line| line.ok()) {
            if told.send(line).is_err() {
                break;
            }
        }
    });
    let end = Instant::now() + most;
    let mut last = String::new();
    let ran = loop {
        match heard.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(test) = line.strip_prefix("test ") {
                    last = test.to_owned();
                    if let Some(test) = test.strip_suffix(" ... FAILED") {
                        break Ran::Failed(test.to_owned());
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => break Ran::Hung,
            Err(RecvTimeoutError::Disconnected) => {
                // No line tells of a process that died, e.g. of its stack.
                if child.wait()?.success() {
                    break Ran::Passed;
                }
                break Ran::Failed(format!("(the process ended after {last:?})"));
            }
        }
    };
    let _ = child.kill();
    child.wait()?;
    drop(heard);
    let _ = reader.join();
    Ok(ran)
}
