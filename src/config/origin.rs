//! Where a value came from.

use std::{collections::BTreeMap, fmt};

use secrecy::SecretString;

use super::schema;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The embedded defaults, with the line there.
    Default(usize),
    /// A file of the user.
    File {
        /// Its name.
        name: String,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// Handed over in code (the sandbox, the demo).
    Given(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(_) => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Env(name) => f.write_str(name),
            Self::Given(key) => write!(f, "override {key}"),
        }
    }
}

/// One effective value, as `config show` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The full key, e.g. `compare.window`.
    pub key: String,
    /// The value as it would be written in a file; `***` for a secret; None when unset.
    pub value: Option<String>,
    /// Where it came from; None when unset.
    pub origin: Option<Origin>,
}

/// A value as written, before its key gives it a type. A secret is wrapped from the first moment.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Raw>),
    Secret(SecretString),
}

impl Raw {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Secret(_) => "text",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a decimal number",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
        }
    }
}
impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Secret(_) => f.write_str("***"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

/// A value and its origin.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// Entries by full key; later layers replace earlier ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Values(pub(super) BTreeMap<String, Entry>);

impl Values {
    pub(super) fn overlay(&mut self, upper: Self) {
        self.0.extend(upper.0);
    }
    /// Every key of the schema and every key of the free tables, with value and origin.
    pub(super) fn effective(&self) -> Vec<Effective> {
        let fixed = schema::KEYS.iter().map(|key| key.name.to_owned());
        let free = self.0.keys().filter(|key| !schema::KEYS.iter().any(|k| k.name == **key));
        let keys: Vec<String> = fixed.chain(free.cloned()).collect();
        keys.into_iter()
            .map(|key| {
                let entry = self.0.get(&key);
                let (value, origin) =
                    (entry.map(|e| e.raw.to_string()), entry.map(|e| e.origin.clone()));
                Effective { key, value, origin }
            })
            .collect()
    }
}
