//! Builds the woven tree, and takes out the mutants that do not compile.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{
    config::Config,
    judge::{Outcome, Outcomes, Verdict},
    list::Mutant,
    weave::{Arm, Tree},
};

/// The built tests, by target.
pub type Built = BTreeMap<String, PathBuf>;

/// Weaves and builds until everything compiles; what does not is no longer among `mutants` but among the outcomes.
pub fn build(
    config: &Config,
    tree: &Tree,
    mutants: &mut Vec<Mutant>,
    outcomes: &mut Outcomes,
) -> Result<Built> {
    let targets = targets(config, mutants);
    loop {
        let arms = tree.weave(mutants)?;
        // A check tells sooner what does not compile than the build of all tests does.
        let checked = cargo(config, &tree.dir, &["check", "--lib"])?;
        let unviable = blamed(&checked, &arms)?;
        if unviable.is_empty() {
            return tests(config, &tree.dir, &targets);
        }
        println!("{} do not compile", unviable.len());
        let (out, kept) = mutants.drain(..).partition(|m| unviable.contains(&m.id));
        *mutants = kept;
        for mutant in out {
            outcomes.put(&mutant, Outcome { verdict: Verdict::Unviable, by: String::new() });
        }
        outcomes.write(config)?;
    }
}

/// Builds the tests of these targets.
pub fn tests(config: &Config, dir: &Path, targets: &BTreeSet<String>) -> Result<Built> {
    let mut words = vec!["test", "--no-run"];
    for target in targets {
        match target.as_str() {
            "lib" => words.push("--lib"),
            name => words.extend(["--test", name]),
        }
    }
    let messages = cargo(config, dir, &words)?;
    let broken = errors(&messages);
    if let Some(first) = broken.first() {
        bail!("the tree does not build\n{}", first["rendered"].as_str().unwrap_or_default());
    }
    let mut built = Built::new();
    for message in messages.iter().filter(|m| m["profile"]["test"] == true) {
        let Some(path) = message["executable"].as_str() else { continue };
        let is_lib = message["target"]["kind"][0] == "lib";
        let name = message["target"]["name"].as_str().unwrap_or_default();
        built.insert(if is_lib { "lib" } else { name }.to_owned(), PathBuf::from(path));
    }
    for target in targets {
        ensure!(built.contains_key(target), "cargo built no tests for {target}");
    }
    Ok(built)
}

/// The targets that judge these mutants.
pub fn targets(config: &Config, mutants: &[Mutant]) -> BTreeSet<String> {
    let judged = config.modules.iter().filter(|m| mutants.iter().any(|one| one.module == m.name));
    judged.flat_map(|m| m.tests.iter().map(|t| t.target.clone())).collect()
}

fn cargo(config: &Config, dir: &Path, words: &[&str]) -> Result<Vec<Value>> {
    println!("cargo {}", words.join(" "));
    let target = env::var_os("CARGO_TARGET_DIR").map_or(config.work().join("build"), PathBuf::from);
    let mut command = Command::new("cargo");
    command.args(words).args(["--locked", "--message-format=json", "--quiet"]).current_dir(dir);
    // Built once and run a thousand times; overflow checks stay.
    command.args(["--config", "profile.dev.package.rungwise.opt-level=1"]);
    command.env("CARGO_TARGET_DIR", target).stderr(std::process::Stdio::inherit());
    // Symbols would double the size and the time of linking.
    for (key, value) in [
        ("CARGO_PROFILE_DEV_DEBUG", "0"),
        ("CARGO_PROFILE_TEST_DEBUG", "0"),
        ("CARGO_INCREMENTAL", "1"),
    ] {
        command.env(key, value);
    }
    let output = command.output().context("cannot run cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let messages: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    ensure!(
        output.status.success() || !errors(&messages).is_empty(),
        "cargo failed without an error of the compiler"
    );
    Ok(messages)
}

fn errors(messages: &[Value]) -> Vec<&Value> {
    let told = messages.iter().filter(|m| m["reason"] == "compiler-message").map(|m| &m["message"]);
    let errors = told.filter(|m| m["level"] == "error");
    // "aborting due to 3 previous errors" stands nowhere.
    errors.filter(|m| m["spans"].as_array().is_some_and(|s| !s.is_empty())).collect()
}

/// The mutants in whose arms the errors are.
fn blamed(messages: &[Value], arms: &[Arm]) -> Result<BTreeSet<usize>> {
    let (mut blamed, mut foreign) = (BTreeSet::new(), Vec::new());
    for error in errors(messages) {
        let spans = error["spans"].as_array().into_iter().flatten();
        let mut found = false;
        for span in spans.filter(|s| s["is_primary"] == true) {
            let file = span["file_name"].as_str().unwrap_or_default();
            let line = span["line_start"].as_u64().and_then(|n| usize::try_from(n).ok());
            let line = line.context("a span without a line")?;
            for arm in arms.iter().filter(|a| a.file == file && a.first <= line && line <= a.last) {
                blamed.insert(arm.id);
                found = true;
            }
        }
        if !found {
            foreign.push(error["rendered"].as_str().unwrap_or_default());
        }
    }
    // Errors within arms may bring others outside of them.
    if blamed.is_empty() && !foreign.is_empty() {
        bail!("errors that are no mutant's\n{}", foreign.join("\n"));
    }
    Ok(blamed)
}
