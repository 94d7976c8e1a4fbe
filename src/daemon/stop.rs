//! The kill switch: a file named `STOP` in the state directory, read before every send without the database.
//!
//! Anybody who can write to the directory can stop the money: `touch STOP` is enough. What stands in the file is shown
//! as the reason. A switch that cannot be read is on.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use crate::ports::StopSwitch;

/// Name of the file.
pub const STOP_FILE: &str = "STOP";
/// Longest reason shown, in bytes.
const MAX_REASON: usize = 300;

/// The switch of one state directory.
#[derive(Debug, Clone)]
pub struct StopFile {
    path: PathBuf,
}

impl StopFile {
    /// The switch of `dir`.
    pub fn of(dir: &Path) -> Self {
        Self { path: dir.join(STOP_FILE) }
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
    /// Turns it off; false when it was not on.
    pub fn start(&self) -> std::io::Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }
}

impl StopSwitch for StopFile {
    fn stopped(&self) -> Option<String> {
        match fs::read(&self.path) {
            Ok(bytes) => {
                let short = bytes.get(..MAX_REASON).unwrap_or(&bytes);
                let text = String::from_utf8_lossy(short);
                let line: String =
                    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                let line = line.trim();
                Some(if line.is_empty() { "no reason given".to_owned() } else { line.to_owned() })
            }
            Err(e) if e.kind() == ErrorKind::NotFound => None,
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
