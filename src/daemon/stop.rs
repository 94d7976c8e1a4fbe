//! The kill switch: a file named `STOP` in the state directory, read before every send without the database.
//!
//! Anybody who can write to the directory can stop the money: `touch STOP` is enough. What stands in the file is shown
//! as the reason. A switch that cannot be read is on.

use std::{
    fmt, fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use super::hold::Hold;
use crate::ports::StopSwitch;

/// Name of the file.
pub const STOP_FILE: &str = "STOP";
/// Longest reason shown, in bytes.
const MAX_REASON: usize = 300;

/// The switch of one state directory: the file, the hold, and whatever else this process must ask before it sends.
#[derive(Clone)]
pub struct StopFile {
    path: PathBuf,
    hold: Hold,
    also: Vec<Arc<dyn StopSwitch>>,
}

impl fmt::Debug for StopFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl StopFile {
    /// The switch of `dir`.
    pub fn of(dir: &Path) -> Self {
        Self { path: dir.join(STOP_FILE), hold: Hold::of(dir), also: Vec::new() }
    }
    /// The same switch that is also on while `other` is.
    #[must_use]
    pub fn also(mut self, other: Arc<dyn StopSwitch>) -> Self {
        self.also.push(other);
        self
    }
    /// Why the agent is held in observe, if it is.
    pub fn held(&self) -> Option<String> {
        self.hold.reason()
    }
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Turns it on.
    pub fn stop(&self, reason: &str) -> std::io::Result<()> {
        let mut file = fs::File::create(&self.path)?;
        file.write_all(reason.as_bytes())?;
        file.sync_all()
    }
    /// Turns it off, and lets a held agent go; false when it was neither stopped nor held.
    pub fn start(&self) -> std::io::Result<bool> {
        let held = self.hold.release()?;
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(held),
            Err(e) => Err(e),
        }
    }
}

/// On as soon as the process was told to end: nothing more is sent, whatever pass is under way.
#[derive(Debug)]
pub struct Ending(pub CancellationToken);

impl StopSwitch for Ending {
    fn stopped(&self) -> Option<String> {
        self.0.is_cancelled().then(|| "the agent is ending".to_owned())
    }
}

/// What stands in a file of ours, fit to be shown in one line.
pub(super) fn one_line(bytes: &[u8]) -> String {
    let short = bytes.get(..MAX_REASON).unwrap_or(bytes);
    let text = String::from_utf8_lossy(short);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    if line.is_empty() { "no reason given".to_owned() } else { line.to_owned() }
}

impl StopSwitch for StopFile {
    fn stopped(&self) -> Option<String> {
        match fs::read(&self.path) {
            Ok(bytes) => Some(one_line(&bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let held = self.held().map(|why| format!("held in observe: {why}"));
                held.or_else(|| self.also.iter().find_map(|other| other.stopped()))
            }
            Err(e) => Some(format!("the switch cannot be read ({e}), so it counts as on")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_stops_and_an_unreadable_one_too() {
        let dir = tempfile::tempdir().unwrap();
        let switch = StopFile::of(dir.path());
        assert_eq!(switch.stopped(), None);
        fs::write(switch.path(), "").unwrap();
        assert!(switch.stopped().is_some());
        assert!(switch.start().unwrap());
        fs::create_dir(switch.path()).unwrap();
        assert!(switch.stopped().is_some(), "a directory of that name cannot be read, so it stops");
    }

    #[test]
    fn the_reason_stays_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let switch = StopFile::of(dir.path());
        switch.stop("bad\nday\u{1b}[31m").unwrap();
        assert_eq!(switch.stopped().unwrap(), "bad day [31m");
    }
}
