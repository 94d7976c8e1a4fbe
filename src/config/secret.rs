//! Secrets: from the environment or a file of their own, wrapped at once, never shown.

use std::{fmt, path::PathBuf};

use secrecy::SecretString;

/// Longest file that is taken for a secret, in bytes; a larger one is a wrong path.
pub(super) const MAX_SECRET_BYTES: usize = 8 * 1024;

/// Where a secret came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
    /// Handed over in code.
    Given,
    /// Sealed in the database by `rungwise login`.
    Stored,
}
impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Given => f.write_str("given"),
            Self::Stored => f.write_str("rungwise login"),
        }
    }
}

/// A secret with its source; `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The secret.
    pub value: SecretString,
    /// Where it came from.
    pub source: SecretSource,
}
