//! `mutants/modules.toml`: the modules, the tests that judge them, the survivors nobody can kill.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The repository.
    #[serde(skip)]
    pub root: PathBuf,
    /// Names the usual sample.
    pub seed: String,
    /// Share of a module's mutants that must be killed, in percent.
    pub least_killed: f64,
    /// A test binary that takes longer than this many seconds with a mutant hangs.
    pub timeout_seconds: u64,
    /// Files whose `const fn`s are needed by constants: they stay const, and cannot have mutants.
    pub keep_const: Vec<String>,
    /// The modules.
    #[serde(rename = "module")]
    pub modules: Vec<Module>,
    /// Survivors with the reason why no test can or need kill them.
    #[serde(rename = "survivor", default)]
    pub survivors: Vec<Known>,
    /// Environment of the tests, from `.cargo/config.toml`: they are not run by cargo.
    #[serde(skip)]
    pub env: BTreeMap<String, String>,
}

/// One module.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its files, or folders that end in `/`.
    pub files: Vec<String>,
    /// What judges its mutants, in this order.
    pub tests: Vec<Tests>,
}

/// Tests of one target: `lib` or the name of a file under `tests/`.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
pub struct Tests {
    /// The target.
    pub target: String,
    /// Parts of names: a test that has one of them is run; all when there is none.
    #[serde(default)]
    pub only: Vec<String>,
    /// Parts of names: a test that has one of them is not run.
    #[serde(default)]
    pub skip: Vec<String>,
}

/// A survivor that is known, by what does not move with the lines.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Its file.
    pub file: String,
    /// What the mutant does, in cargo-mutants' words.
    pub what: String,
    /// The line it is in, trimmed.
    pub line: String,
    /// Why no test kills it.
    pub reason: String,
}

impl Config {
    /// Reads `mutants/modules.toml` and the environment of `.cargo/config.toml`.
    pub fn read(root: &Path) -> Result<Self> {
        let text = |path: &str| {
            fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
        };
        let mut config: Self =
            toml::from_str(&text("mutants/modules.toml")?).context("mutants/modules.toml")?;
        config.root = root.to_owned();
        let cargo: toml::Table =
            toml::from_str(&text(".cargo/config.toml")?).context(".cargo/config.toml")?;
        for (key, value) in cargo.get("env").and_then(toml::Value::as_table).into_iter().flatten() {
            let value = value.as_str().with_context(|| format!("env.{key} is not a text"))?;
            config.env.insert(key.clone(), value.to_owned());
        }
        Ok(config)
    }

    /// Where everything this program makes lies.
    pub fn work(&self) -> PathBuf {
        self.root.join("target/mutants")
    }

    /// The module a file belongs to.
    pub fn module_of(&self, file: &str) -> Option<&Module> {
        let holds = |f: &String| f == file || (f.ends_with('/') && file.starts_with(f.as_str()));
        self.modules.iter().find(|m| m.files.iter().any(holds))
    }
}
