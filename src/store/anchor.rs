//! Heads of the audit chain copied out of the database.
//!
//! `anchors.log` holds one line per head, `number hash seal`; `head.key`, readable by its owner only, is the key of the
//! seals. Whoever can rewrite the database but not these two files cannot cut or rewrite history unseen, up to the last
//! copied head. Copies of the log elsewhere serve as well: a line proves itself.

use std::{
    fs::OpenOptions,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;

use super::open::{private_file, random, sync_dir};
use crate::{
    domain::audit::{ChainBreak, Head, LinkHash},
    ports::StoreError,
};

/// Name of the file of copied heads.
pub const ANCHOR_FILE: &str = "anchors.log";
/// Name of the file with the key of the seals.
pub const KEY_FILE: &str = "head.key";

/// The copied heads of one directory.
#[derive(Clone)]
pub struct AnchorFile {
    path: PathBuf,
    key: Vec<u8>,
}

impl std::fmt::Debug for AnchorFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnchorFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchors {
    /// Every sealed head, in the order of the file.
    pub heads: Vec<Head>,
    /// Lines that are no anchor: a crash while writing leaves half a line, anything else was not written by us.
    pub torn: usize,
}

fn failed(path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    let why = format!("{}: {}", path.display(), why);
    StoreError::Database { doing: "keeping audit anchors", why }
}

/// Draws the key when there is none. Only the agent calls this.
pub(crate) fn ensure_key(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(KEY_FILE);
    if path.exists() {
        return Ok(());
    }
    let key = HEXLOWER.encode(&random::<32>()?);
    // Written elsewhere first: a crash must not leave half a key that later seals are made with.
    let unfinished = dir.join(format!("{KEY_FILE}.unfinished"));
    let fail = |e: std::io::Error| failed(&path, &e);
    if unfinished.exists() {
        std::fs::remove_file(&unfinished).map_err(fail)?;
    }
    let mut file = private_file(&unfinished).map_err(fail)?;
    writeln!(file, "{key}").and_then(|()| file.sync_all()).map_err(fail)?;
    std::fs::rename(&unfinished, &path).map_err(fail)?;
    sync_dir(dir).map_err(fail)
}

/// The largest number any line of the file names, sealed or not.
pub(crate) fn newest_number(dir: &Path) -> Option<i64> {
    let text = std::fs::read_to_string(dir.join(ANCHOR_FILE)).ok()?;
    text.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).max()
}

/// Puts the copied heads of `dir` aside and keeps those a chain that ends with `head` can know; the newest of the
/// others is what that chain lost. For a restore: what was copied out stays, under another name.
pub fn set_anchors_aside(dir: &Path, head: &Head) -> Result<Option<Head>, StoreError> {
    let path = dir.join(ANCHOR_FILE);
    let fail = |e: std::io::Error| failed(&path, &e);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fail(e)),
    };
    let beside = |n: u32| dir.join(format!("{ANCHOR_FILE}.replaced{n}"));
    let free = (1..10_000).find(|n| !beside(*n).exists()).unwrap_or(10_000);
    let unfinished = dir.join(format!("{ANCHOR_FILE}.unfinished"));
    let known = |line: &&str| parse(line).is_some_and(|(anchor, _)| anchor.seq <= head.seq);
    let kept: String = text.lines().filter(known).flat_map(|line| [line, "\n"]).collect();
    std::fs::write(&unfinished, kept).map_err(fail)?;
    std::fs::copy(&path, beside(free)).map_err(fail)?;
    std::fs::rename(&unfinished, &path).map_err(fail)?;
    sync_dir(dir).map_err(fail)?;
    let lost = text.lines().filter_map(parse).map(|(anchor, _)| anchor);
    Ok(lost.filter(|anchor| anchor.seq > head.seq).max_by_key(|anchor| anchor.seq))
}

impl AnchorFile {
    /// The anchors of `dir`; its key was made when an agent first opened the database.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let key_path = dir.join(KEY_FILE);
        let text = std::fs::read_to_string(&key_path).map_err(|e| failed(&key_path, &e))?;
        let key = HEXLOWER
            .decode(text.trim().as_bytes())
            .ok()
            .filter(|key| key.len() >= 32)
            .ok_or_else(|| failed(&key_path, &"64 hex digits are expected"))?;
        Ok(Self { path: dir.join(ANCHOR_FILE), key })
    }

    /// The same file sealed with another key, for a key that is kept away from this machine's disk. Its heads verify
    /// only with that key.
    #[must_use]
    pub fn keyed(self, key: &[u8]) -> Self {
        Self { key: key.to_vec(), ..self }
    }

    /// The line that anchors `head`, without its end; also what is written to the log for copies elsewhere.
    pub fn line(&self, head: &Head) -> String {
        format!("{} {} {}", head.seq, head.hash, head.seal(&self.key))
    }

    /// Adds `head` durably.
    pub fn append(&self, head: &Head) -> Result<(), StoreError> {
        let fail = |e: std::io::Error| failed(&self.path, &e);
        let new = !self.path.exists();
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).append(true).create(true).open(&self.path).map_err(fail)?;
        let mut line = self.line(head);
        line.push('\n');
        if ends_torn(&mut file).map_err(fail)? {
            line.insert(0, '\n');
        }
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(fail)?;
        match self.path.parent() {
            Some(dir) if new => sync_dir(dir).map_err(fail),
            _ => Ok(()),
        }
    }

    /// Reads all heads and checks their seals. An anchor with a wrong seal is [`ChainBreak::Seal`].
    pub fn read(&self) -> Result<Anchors, super::AuditError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(failed(&self.path, &e).into()),
        };
        let mut anchors = Anchors { heads: Vec::new(), torn: 0 };
        for line in text.lines().filter(|line| !line.is_empty()) {
            let Some((head, seal)) = parse(line) else {
                anchors.torn += 1;
                continue;
            };
            if head.seal(&self.key) != seal {
                return Err(ChainBreak::Seal { seq: head.seq }.into());
            }
            anchors.heads.push(head);
        }
        Ok(anchors)
    }
}

fn parse(line: &str) -> Option<(Head, &str)> {
    let mut parts = line.split(' ');
    let seq = parts.next()?.parse().ok()?;
    let (hash, seal) = (parts.next()?, parts.next()?);
    let whole = hash.len() == 64 && seal.len() == 64 && parts.next().is_none();
    whole.then(|| (Head { seq, hash: LinkHash::stored(hash) }, seal))
}

fn ends_torn(file: &mut std::fs::File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != [b'\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: i64) -> Head {
        Head { seq, hash: LinkHash::stored(format!("{seq:064x}")) }
    }
    fn anchors() -> (tempfile::TempDir, AnchorFile) {
        let dir = tempfile::tempdir().unwrap();
        ensure_key(dir.path()).unwrap();
        let file = AnchorFile::open(dir.path()).unwrap();
        (dir, file)
    }

    #[test]
    fn heads_come_back_and_the_key_is_private_and_kept() {
        let (dir, file) = anchors();
        file.append(&head(1)).unwrap();
        file.append(&head(7)).unwrap();
        ensure_key(dir.path()).unwrap();
        let again = AnchorFile::open(dir.path()).unwrap().read().unwrap();
        assert_eq!(again, Anchors { heads: vec![head(1), head(7)], torn: 0 });
        assert_eq!(newest_number(dir.path()), Some(7));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(dir.path().join(KEY_FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_forged_line_is_found_and_a_torn_one_is_not_taken_for_one() {
        let (dir, file) = anchors();
        let path = dir.path().join(ANCHOR_FILE);
        file.append(&head(1)).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}2 00ab")).unwrap();
        file.append(&head(3)).unwrap();
        assert_eq!(file.read().unwrap(), Anchors { heads: vec![head(1), head(3)], torn: 1 });
        std::fs::write(&path, whole.replacen('1', "2", 1)).unwrap();
        let error = file.read().unwrap_err();
        assert!(matches!(error, super::super::AuditError::Broken(ChainBreak::Seal { seq: 2 })));
    }
}
