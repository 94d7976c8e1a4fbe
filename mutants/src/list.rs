//! The mutants, as cargo-mutants lists them, and the seeded sample of them.

use std::{collections::BTreeMap, fs, process::Command};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::Config;

/// What a mutant is, by what does not move with the lines above it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Its file.
    pub file: String,
    /// What it does, in cargo-mutants' words.
    pub what: String,
    /// The line it is in, trimmed.
    pub line: String,
    /// Which of several that are equal in all this, from 1.
    pub nth: usize,
}

/// One mutant.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// Number in this run, from 1: 0 is the program as it is.
    pub id: usize,
    /// The module it belongs to.
    pub module: String,
    /// What it is.
    pub key: Key,
    /// Its function, as bytes of the file; None for what is outside of any.
    pub function: Option<(usize, usize)>,
    /// What of the file is replaced.
    pub span: (usize, usize),
    /// By what.
    pub replacement: String,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    file: String,
    function: Option<Function>,
    span: Span,
    replacement: String,
}

#[derive(Deserialize)]
struct Function {
    span: Span,
}

#[derive(Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

/// Both count from 1; columns are characters.
#[derive(Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

impl Place {
    fn byte(&self, text: &str) -> Option<usize> {
        let line_start = match self.line.checked_sub(2) {
            None => 0,
            Some(n) => text.match_indices('\n').nth(n)?.0 + 1,
        };
        let rest = text.get(line_start..)?;
        let mut columns = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        Some(line_start + columns.nth(self.column - 1)?)
    }
}

impl Span {
    fn bytes(&self, text: &str) -> Option<(usize, usize)> {
        Some((self.start.byte(text)?, self.end.byte(text)?))
    }
}

/// Every mutant of the modules.
pub fn all(config: &Config) -> Result<Vec<Mutant>> {
    let made = Command::new("cargo")
        .args(["mutants", "--list", "--json", "--colors", "never"])
        .current_dir(&config.root)
        .output()
        .context("cannot run cargo")?;
    ensure!(
        made.status.success(),
        "cargo mutants --list failed; `cargo install cargo-mutants --locked` brings it\n{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let listed: Vec<Listed> =
        serde_json::from_slice(&made.stdout).context("the list of cargo mutants")?;
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut seen: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    let mut mutants = Vec::new();
    for one in listed {
        let Some(module) = config.module_of(&one.file) else { continue };
        if !texts.contains_key(&one.file) {
            let text = fs::read_to_string(config.root.join(&one.file)).context("cannot read it")?;
            texts.insert(one.file.clone(), text);
        }
        let text = &texts[&one.file];
        let what = one.name.splitn(4, ':').last().unwrap_or_default().trim().to_owned();
        let line = one.span.start.line;
        let source = text.lines().nth(line - 1).unwrap_or_default().trim().to_owned();
        let nth = seen.entry((one.file.clone(), what.clone(), source.clone())).or_default();
        *nth += 1;
        let outside = || format!("{} lies outside its file", one.name);
        let function = one.function.map(|f| f.span.bytes(text).with_context(outside));
        mutants.push(Mutant {
            id: mutants.len() + 1,
            module: module.name.clone(),
            function: function.transpose()?,
            span: one.span.bytes(text).with_context(outside)?,
            replacement: one.replacement,
            key: Key { file: one.file, what, line: source, nth: *nth },
        });
    }
    Ok(mutants)
}

/// `n` of them in the order of the seed: each mutant's place depends on itself alone, so that a change elsewhere leaves the
/// rest of the sample as it was.
pub fn sample(mut mutants: Vec<Mutant>, n: Option<usize>, seed: &str) -> Vec<Mutant> {
    mutants.sort_by_cached_key(|m| {
        let Key { file, what, line, nth } = &m.key;
        Sha256::digest(format!("{seed}\n{file}\n{what}\n{line}\n{nth}")).to_vec()
    });
    mutants.truncate(n.unwrap_or(usize::MAX));
    mutants
}
