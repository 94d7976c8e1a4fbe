//! Only a build that was rehearsed acts alone.
//!
//! `rehearsed.toml` names the source that passed the rehearsals and what they came to; a release build knows its own
//! source (`build.rs`). Where the two differ, `mode = "autonomous"` means *supervised* against Meta. A sandbox on this
//! machine has no money in it and is not held back.

use std::{path::Path, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::{config::AccountConfig, domain::policy::Mode};

/// The account-weeks, points and pairs a rehearsal needs to seal a source (reliability goals 1 to 4).
pub const LEAST: Seal =
    Seal { source: String::new(), weeks: 10_000, points: 400, pairs: 20_000, violations: 0 };

/// What the rehearsals of one source came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// SHA-256 of the source, as `build.rs` reckons it.
    pub source: String,
    /// Account-weeks lived through.
    pub weeks: u32,
    /// Single points died at.
    pub points: u64,
    /// Pairs of points died at.
    pub pairs: u64,
    /// What must never happen and did.
    pub violations: u64,
}

impl Seal {
    /// True when the rehearsals were long enough and nothing was found.
    pub fn suffices(&self) -> bool {
        self.weeks >= LEAST.weeks
            && self.points >= LEAST.points
            && self.pairs >= LEAST.pairs
            && self.violations == 0
    }
    /// Writes it as the file this program is built with.
    pub fn write(&self, file: &Path) -> std::io::Result<()> {
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        std::fs::write(file, format!("{HEADER}{text}"))
    }
    /// True for the source of a seal that suffices.
    pub fn covers(&self, source: &str) -> bool {
        self.suffices() && !source.is_empty() && self.source == source && source != UNNAMED
    }
}

/// What stands above the figures.
const HEADER: &str = "# The source that was rehearsed last, and what it came to. Written by `rungwise rehearse --seal rehearsed.toml`; a\n\
     # release build of any other source does not act alone (docs/adr/0012-only-what-was-rehearsed-acts-alone.md).\n";

/// The source of builds that are not releases.
pub const UNNAMED: &str = "unnamed";

/// The source this program was built of; [`UNNAMED`] in builds that are not releases.
pub const SOURCE: &str = env!("RUNGWISE_SOURCE");

static SEALED: LazyLock<Option<Seal>> =
    LazyLock::new(|| toml::from_str(include_str!("../../rehearsed.toml")).ok());

/// True when this build is the one that was rehearsed. Builds for development and tests count as rehearsed: they are
/// what rehearses.
pub fn is_rehearsed() -> bool {
    cfg!(debug_assertions) || SEALED.as_ref().is_some_and(|seal| seal.covers(SOURCE))
}

/// Takes autonomy from an account with real money in it while this build was not rehearsed.
pub fn hold_back(account: &mut AccountConfig) {
    let alone = account.policy.mode == Mode::Autonomous && !account.api.base_url.is_loopback();
    account.policy.unrehearsed = alone && !is_rehearsed();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal { source: "a".to_owned(), ..LEAST }
    }

    #[test]
    fn a_seal_covers_its_own_source_and_only_when_it_is_long_and_clean() {
        assert!(seal().covers("a"));
        assert!(!seal().covers("b"));
        assert!(!Seal { violations: 1, ..seal() }.covers("a"));
        assert!(!Seal { weeks: 9_999, ..seal() }.covers("a"));
        assert!(!Seal { pairs: 19_999, ..seal() }.covers("a"));
        assert!(!Seal { points: 399, ..seal() }.covers("a"));
        assert!(!Seal { source: String::new(), ..LEAST }.covers(""));
    }

    #[test]
    fn the_file_of_the_seal_can_be_read_and_is_written_like_it() {
        let sealed = SEALED.as_ref().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rehearsed.toml");
        sealed.write(&file).unwrap();
        let written = std::fs::read_to_string(&file).unwrap();
        assert_eq!(written, include_str!("../../rehearsed.toml"));
    }
}
