//! *Held*: the agent only observes until a person looks, because it does not trust its own past.
//!
//! A file named `OBSERVE` in the state directory says so and why. It is written after a restore and when the agent has
//! been started too often without ever stopping cleanly; `start` removes it. [`Starts`] counts the starts.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use super::stop::one_line;
use crate::domain::Moment;

/// Name of the file that holds the agent.
pub const HOLD_FILE: &str = "OBSERVE";
/// Name of the file of starts that have not ended cleanly.
pub const STARTS_FILE: &str = "starts";
/// Starts without a clean end that are still taken for bad luck.
pub const MOST_STARTS: usize = 3;
/// The time within which they are counted, in milliseconds.
pub const WITHIN_MS: i64 = 10 * 60 * 1000;

/// The hold of one state directory.
#[derive(Debug, Clone)]
pub struct Hold {
    path: PathBuf,
}

impl Hold {
    /// The hold of `dir`.
    pub fn of(dir: &Path) -> Self {
        Self { path: dir.join(HOLD_FILE) }
    }
    /// Holds the agent from now on. A hold that is there keeps its reason.
    pub fn set(&self, reason: &str) -> io::Result<()> {
        if self.path.exists() {
            return Ok(());
        }
        let mut file = fs::File::create(&self.path)?;
        file.write_all(reason.as_bytes())?;
        file.sync_all()
    }
    /// Lets it go; false when it was not held.
    pub fn release(&self) -> io::Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }
    /// Why it is held; a hold that cannot be read holds.
    pub fn reason(&self) -> Option<String> {
        match fs::read(&self.path) {
            Ok(bytes) => Some(one_line(&bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => Some(format!("the hold cannot be read ({e}), so it holds")),
        }
    }
}

/// The starts of one state directory that have not ended cleanly.
#[derive(Debug, Clone)]
pub struct Starts {
    path: PathBuf,
}

impl Starts {
    /// The starts of `dir`.
    pub fn of(dir: &Path) -> Self {
        Self { path: dir.join(STARTS_FILE) }
    }
    /// Notes a start and tells how many without a clean end there were within [`WITHIN_MS`], this one included.
    pub fn begin(&self, now: Moment) -> io::Result<usize> {
        let before = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
            Err(e) => return Err(e),
        };
        let recent = |at: &i64| (0..=WITHIN_MS).contains(&now.millis().saturating_sub(*at));
        let mut starts: Vec<i64> =
            before.lines().filter_map(|l| l.parse().ok()).filter(recent).collect();
        starts.push(now.millis());
        let lines: Vec<String> = starts.iter().map(ToString::to_string).collect();
        fs::write(&self.path, lines.join("\n"))?;
        Ok(starts.len())
    }
    /// The agent ended cleanly, or a person has looked: counting begins anew.
    pub fn forget(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

/// Notes a start of the agent and holds it when it has been dying again and again.
pub fn note_start(dir: &Path, now: Moment) -> io::Result<()> {
    let count = Starts::of(dir).begin(now)?;
    if count > MOST_STARTS {
        let minutes = WITHIN_MS / 60_000;
        let why = format!("started {count} times within {minutes} minutes without a clean stop");
        Hold::of(dir).set(&why)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    #[test]
    fn the_fourth_start_within_ten_minutes_holds_and_a_clean_stop_forgets() {
        let dir = tempfile::tempdir().unwrap();
        let hold = Hold::of(dir.path());
        for second in [0, 100, 200] {
            note_start(dir.path(), at(second)).unwrap();
            assert_eq!(hold.reason(), None);
        }
        note_start(dir.path(), at(300)).unwrap();
        assert!(hold.reason().unwrap().contains("4 times"));
        assert!(hold.release().unwrap());
        Starts::of(dir.path()).forget().unwrap();
        note_start(dir.path(), at(301)).unwrap();
        assert_eq!(hold.reason(), None);
        assert!(!hold.release().unwrap());
    }

    #[test]
    fn starts_far_apart_and_a_damaged_file_are_no_loop() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(STARTS_FILE), "nonsense\n\u{0}\n").unwrap();
        for n in 0..20 {
            note_start(dir.path(), at(n * 601)).unwrap();
        }
        assert_eq!(Hold::of(dir.path()).reason(), None);
    }

    #[test]
    fn the_first_reason_is_kept_and_an_unreadable_hold_holds() {
        let dir = tempfile::tempdir().unwrap();
        let hold = Hold::of(dir.path());
        hold.set("restored").unwrap();
        hold.set("something else\nand more").unwrap();
        assert_eq!(hold.reason().unwrap(), "restored");
        hold.release().unwrap();
        fs::create_dir(dir.path().join(HOLD_FILE)).unwrap();
        assert!(hold.reason().is_some());
    }
}
