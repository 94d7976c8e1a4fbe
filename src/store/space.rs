//! Room on the disk: enough must be free before a write leaves, and a reserve is kept for what must still be recorded.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::open::{private_file, sync_dir};

/// Name of the reserve within the directory.
pub const RESERVE_FILE: &str = "reserve";
/// Bytes kept for outcomes of writes that were sent when the disk filled up.
const RESERVE_BYTES: u64 = 16 * MIB;
/// Below this nothing is sent.
const LEAST_FREE: u64 = 200 * MIB;
/// A larger share of a small disk is kept free, but of a large one no more than this.
const MOST_FREE: u64 = 2048 * MIB;
const MIB: u64 = 1024 * 1024;

/// Free bytes and size of the file system that holds `dir`.
pub(crate) fn free(dir: &Path) -> io::Result<(u64, u64)> {
    let found = statvfs(dir)?;
    Ok((
        found.f_bavail.saturating_mul(found.f_frsize),
        found.f_blocks.saturating_mul(found.f_frsize),
    ))
}

/// What must be free on a file system of `total` bytes: 2 % of it, at least 200 MB, at most 2 GB.
const fn needed(total: u64) -> u64 {
    let share = total / 50;
    if share < LEAST_FREE {
        LEAST_FREE
    } else if share > MOST_FREE {
        MOST_FREE
    } else {
        share
    }
}

/// Why nothing may be sent, when there is too little room to record it.
pub(crate) fn low(dir: &Path) -> Option<String> {
    match free(dir) {
        Ok((free, total)) if free < needed(total) => {
            let (free, needed) = (free / MIB, needed(total) / MIB);
            Some(format!("only {free} MB are free for the database, {needed} MB are needed"))
        }
        Ok(_) => None,
        Err(e) => Some(format!("the free space cannot be read ({e}), so it counts as none")),
    }
}

/// The reserve of one directory.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(crate) fn of(dir: &Path) -> Self {
        Self { path: dir.join(RESERVE_FILE) }
    }
    /// Makes it when it is missing and there is room for it.
    pub(crate) fn ensure(&self, dir: &Path) -> io::Result<()> {
        if self.path.exists() || low(dir).is_some() {
            return Ok(());
        }
        let mut file = private_file(&self.path)?;
        let zeros = vec![0; 1024 * 1024];
        let filled = match fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
            Ok(()) => Ok(()),
            // Not every file system can set room aside without writing to it.
            Err(_) => (0..RESERVE_BYTES / MIB).try_for_each(|_| file.write_all(&zeros)),
        };
        if let Err(e) = filled.and_then(|()| file.sync_all()) {
            let _ = std::fs::remove_file(&self.path);
            return Err(e);
        }
        sync_dir(dir)
    }
    /// Gives it up; false when there was none.
    pub(crate) fn release(&self) -> bool {
        std::fs::remove_file(&self.path).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_free_has_a_floor_and_a_ceiling() {
        assert_eq!(needed(MIB), LEAST_FREE);
        assert_eq!(needed(50 * 300 * MIB), 300 * MIB);
        assert_eq!(needed(u64::MAX), MOST_FREE);
    }

    #[test]
    fn a_place_that_cannot_be_asked_counts_as_full() {
        assert!(low(Path::new("/nowhere/at/all")).is_some());
    }

    #[test]
    fn the_reserve_takes_its_room_and_gives_it_back_once() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(dir.path());
        reserve.ensure(dir.path()).unwrap();
        let meta = std::fs::metadata(dir.path().join(RESERVE_FILE)).unwrap();
        assert_eq!(meta.len(), RESERVE_BYTES);
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            assert!(meta.blocks() * 512 >= RESERVE_BYTES, "the room must really be taken");
        }
        assert!(reserve.release());
        assert!(!reserve.release());
    }
}
