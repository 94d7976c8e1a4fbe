//! One agent per directory: a lock on `agent.lock`, held as long as the value lives.
//!
//! The lock belongs to the open file, not to the process, so a second one in the same process is refused too, and the
//! system releases it however the process ends. It is taken before migrations: the engine's own migration lock is none.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crate::ports::{AgentHold, StoreError};

/// Name of the lock file within the directory.
pub const LOCK_FILE: &str = "agent.lock";

/// The right to be the agent of one directory.
#[derive(Debug)]
pub struct AgentLock {
    dir: PathBuf,
    /// Closing it releases the lock.
    _file: File,
}

impl AgentLock {
    /// Takes the lock of `dir`, which must exist, without waiting.
    ///
    /// Fails with [`StoreError::Locked`], naming the holder's process, when another agent has it, and with
    /// [`StoreError::Open`] when the file cannot be made.
    pub fn acquire(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(LOCK_FILE);
        let open = |why: std::io::Error| StoreError::Open {
            path: path.display().to_string(),
            why: why.to_string(),
            hint: "the directory must exist and be writable; reading commands need no lock",
        };
        let dir = dir.canonicalize().map_err(open)?;
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(open)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(&path, &mut file)),
            Err(TryLockError::Error(why)) => return Err(open(why)),
        }
        file.set_len(0).map_err(open)?;
        file.rewind().map_err(open)?;
        writeln!(file, "{}", std::process::id()).map_err(open)?;
        Ok(Self { dir, _file: file })
    }
}

impl AgentHold for AgentLock {
    fn dir(&self) -> &Path {
        &self.dir
    }
}

fn locked(path: &Path, file: &mut File) -> StoreError {
    let mut pid = String::new();
    let read = file.take(20).read_to_string(&mut pid);
    let pid: String = pid.chars().filter(char::is_ascii_digit).collect();
    let path = path.display();
    let path = match read {
        Ok(_) if !pid.is_empty() => format!("{path} (process {pid})"),
        _ => path.to_string(),
    };
    StoreError::Locked { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_refused_by_name_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = AgentLock::acquire(dir.path()).unwrap();
        let error = AgentLock::acquire(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Locked { .. }));
        let pid = format!("process {}", std::process::id());
        assert!(error.to_string().contains(&pid), "{error}");
        drop(first);
        AgentLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn other_directories_have_other_agents() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = AgentLock::acquire(a.path()).unwrap();
        let second = AgentLock::acquire(b.path()).unwrap();
        assert_ne!(first.dir(), second.dir());
    }

    #[test]
    fn a_missing_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = AgentLock::acquire(&dir.path().join("nowhere")).unwrap_err().to_string();
        assert!(error.contains("nowhere"), "{error}");
    }
}
