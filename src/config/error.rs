//! Why a configuration is refused, and where.

use super::Origin;
use crate::domain::rung::LadderError;

/// Why a configuration is refused. The text is one line with place and key; [`ConfigError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("{path}: cannot be read")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A file is no TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// Where.
        place: Origin,
        /// What the parser says.
        message: String,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key '{key}'")]
    UnknownKey {
        /// Where.
        place: Origin,
        /// The full key.
        key: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// A variable RUNGWISE_… that stands for no key.
    #[error("unknown environment variable {name}")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// A value of the wrong type.
    #[error("{place}: '{key}' must be {expected}, not {found}")]
    Type {
        /// Where.
        place: Origin,
        /// The full key.
        key: String,
        /// What is expected.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A value that cannot hold.
    #[error("{place}: '{key}' {why}")]
    Value {
        /// Where.
        place: Origin,
        /// The full key.
        key: String,
        /// What is wrong with it.
        why: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A secret written into a file of keys.
    #[error("{place}: '{key}' is a secret and must not stand in this file")]
    SecretInFile {
        /// Where.
        place: Origin,
        /// The full key.
        key: String,
        /// The variable that takes it.
        variable: String,
    },
    /// A key of the whole installation in the file of one account.
    #[error("{place}: '{key}' belongs to the main file, not to one account")]
    NotPerAccount {
        /// Where.
        place: Origin,
        /// The full key.
        key: String,
    },
    /// A key that is needed because of others.
    #[error("'{key}' is missing")]
    Missing {
        /// The full key.
        key: String,
        /// Why it is needed.
        hint: String,
    },
    /// The ladder cannot be climbed.
    #[error("{place}: {source}")]
    Ladder {
        /// Where the ladder is named.
        place: Origin,
        /// Why.
        source: LadderError,
    },
    /// Two files configure one account.
    #[error("{place}: account {id} is configured twice")]
    AccountTwice {
        /// The second place.
        place: Origin,
        /// The account.
        id: String,
    },
    /// A command needs an account and none is configured.
    #[error("no ad account is configured")]
    NoAccount,
    /// The named account is not configured.
    #[error("account {0} is not configured")]
    UnknownAccount(String),
    /// Several accounts and none was named.
    #[error("{} accounts are configured: name one", .0.len())]
    WhichAccount(Vec<String>),
}

impl ConfigError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { hint, .. }
            | Self::UnknownVariable { hint, .. }
            | Self::Value { hint, .. } => hint.clone(),
            Self::Missing { hint, .. } => Some(hint.clone()),
            Self::SecretInFile { key, variable, .. } => {
                Some(format!("set {variable}, or name a file in '{key}_file'"))
            }
            Self::Ladder { source, .. } => source.hint(),
            Self::NoAccount => {
                Some("set account.id in the configuration, or run `rungwise init`".to_owned())
            }
            Self::UnknownAccount(_) => Some("`rungwise config show` lists the accounts".to_owned()),
            Self::WhichAccount(ids) => Some(format!("--account {}", ids.join(" | "))),
            Self::Read { source, .. } => Some(source.to_string()),
            Self::Type { .. }
            | Self::Syntax { .. }
            | Self::NotPerAccount { .. }
            | Self::AccountTwice { .. } => None,
        }
    }
}
