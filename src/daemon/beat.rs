//! The agent's sign of life: a small file that only its own loop renews, for `health` in another process.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::domain::Moment;

/// Name of the file.
pub const BEAT_FILE: &str = "agent.beat";
/// A waiting loop renews its sign at least this often, in milliseconds; older counts as dead.
pub const WAITING_MS: i64 = 60_000;
/// A pass may take this long before it counts as wedged, in milliseconds: reads wait where Meta's limits say so.
pub const PASS_MS: i64 = 30 * 60_000;

/// What the agent was doing, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Its process.
    pub pid: u32,
    /// When, by the machine's clock, in milliseconds.
    pub at_ms: i64,
    /// `waiting`, or the name of the pass under way.
    pub doing: String,
}

impl Beat {
    /// True while an agent that left this sign counts as alive.
    pub fn is_alive(&self, now: Moment) -> bool {
        let age = now.millis().saturating_sub(self.at_ms);
        let allowed = if self.doing == "waiting" { WAITING_MS } else { PASS_MS };
        // A sign from the future is no sign.
        (-WAITING_MS..=allowed).contains(&age)
    }
}

/// The sign of one state directory.
#[derive(Debug, Clone)]
pub struct BeatFile {
    path: PathBuf,
}

impl BeatFile {
    /// The sign of `dir`.
    pub fn of(dir: &Path) -> Self {
        Self { path: dir.join(BEAT_FILE) }
    }
    /// Renews it. Readers see the old or the new sign, never half of one.
    pub fn write(&self, now: Moment, doing: &str) -> io::Result<()> {
        let beat = Beat { pid: std::process::id(), at_ms: now.millis(), doing: doing.to_owned() };
        let unfinished = self.path.with_extension("beat.unfinished");
        fs::write(&unfinished, serde_json::to_vec(&beat)?)?;
        fs::rename(&unfinished, &self.path)
    }
    /// The agent ended cleanly.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
    /// The last sign; None when no agent runs or ever ran. One that cannot be read is an error.
    pub fn read(&self) -> io::Result<Option<Beat>> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_read_back_and_grows_old() {
        let dir = tempfile::tempdir().unwrap();
        let file = BeatFile::of(dir.path());
        assert_eq!(file.read().unwrap(), None);
        let now = Moment::from_millis(1_000_000);
        file.write(now, "waiting").unwrap();
        let beat = file.read().unwrap().unwrap();
        assert!(beat.is_alive(now.plus(WAITING_MS)) && !beat.is_alive(now.plus(WAITING_MS + 1)));
        assert!(!beat.is_alive(now.plus(-WAITING_MS - 1)), "the clock went back");
        file.write(now, "decide").unwrap();
        let beat = file.read().unwrap().unwrap();
        assert!(beat.is_alive(now.plus(PASS_MS)) && !beat.is_alive(now.plus(PASS_MS + 1)));
        file.remove();
        assert_eq!(file.read().unwrap(), None);
        fs::write(dir.path().join(BEAT_FILE), "half").unwrap();
        assert!(file.read().is_err());
    }
}
