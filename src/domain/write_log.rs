//! The life of one write as a fold over its log entries.
//!
//! `Started` already means *in doubt*: what a crashed process leaves behind says exactly what we know, so a crash
//! needs no special case. Impossible sequences are errors, not guesses.

use serde::{Deserialize, Serialize};

/// One entry of a write's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Recorded before the request leaves.
    Started,
    /// Meta said yes.
    Succeeded,
    /// Meta said no, or it certainly never left.
    Refused,
    /// No answer, or one that proves nothing.
    OutcomeUnknown,
    /// A read found what the write was to bring about.
    FoundApplied,
    /// Two complete reads, far enough apart and late enough, did not find it.
    FoundAbsent,
}

impl Entry {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::FoundApplied => "found_applied",
            Self::FoundAbsent => "found_absent",
        }
    }
    /// Reads [`Entry::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Started,
            Self::Succeeded,
            Self::Refused,
            Self::OutcomeUnknown,
            Self::FoundApplied,
            Self::FoundAbsent,
        ]
        .into_iter()
        .find(|e| e.as_str() == text)
    }
}

/// Where a write stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteStatus {
    /// Never left.
    #[default]
    NeverStarted,
    /// Nobody knows whether it happened.
    InDoubt,
    /// It happened.
    Done,
    /// It was refused: a person decides.
    Refused,
    /// It certainly did not happen and may be tried again.
    Absent,
}

/// An entry that cannot follow what stands before it: the log is corrupt, or a bug wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the write log is not possible: {entry:?} after {status:?}")]
pub struct IllegalEntry {
    /// Where it stood.
    pub status: WriteStatus,
    /// What came.
    pub entry: Entry,
}

impl WriteStatus {
    /// The status after one more entry.
    pub fn next(self, entry: Entry) -> Result<Self, IllegalEntry> {
        match (self, entry) {
            (Self::NeverStarted | Self::Absent, Entry::Started)
            | (Self::InDoubt, Entry::OutcomeUnknown) => Ok(Self::InDoubt),
            (Self::InDoubt, Entry::Succeeded | Entry::FoundApplied) => Ok(Self::Done),
            (Self::InDoubt, Entry::Refused) => Ok(Self::Refused),
            (Self::InDoubt, Entry::FoundAbsent) => Ok(Self::Absent),
            (status, entry) => Err(IllegalEntry { status, entry }),
        }
    }
    /// Folds a whole log.
    pub fn fold(entries: impl IntoIterator<Item = Entry>) -> Result<Self, IllegalEntry> {
        entries.into_iter().try_fold(Self::default(), Self::next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Entry::{FoundAbsent, FoundApplied, OutcomeUnknown, Refused, Started, Succeeded};

    const ALL: [Entry; 6] =
        [Started, Succeeded, Refused, OutcomeUnknown, FoundApplied, FoundAbsent];

    #[test]
    fn an_entry_is_read_back_from_the_word_it_is_stored_and_shown_by() {
        for entry in ALL {
            assert_eq!(Entry::parse(entry.as_str()), Some(entry));
            assert_eq!(serde_json::to_value(entry).unwrap(), entry.as_str());
        }
        assert_eq!(Entry::parse("begun"), None);
    }

    #[test]
    fn a_start_without_an_end_is_in_doubt() {
        assert_eq!(WriteStatus::fold([Started]), Ok(WriteStatus::InDoubt));
        assert_eq!(WriteStatus::fold([Started, OutcomeUnknown]), Ok(WriteStatus::InDoubt));
    }

    #[test]
    fn it_is_sent_again_only_after_proof_of_absence() {
        for first in [Succeeded, Refused, OutcomeUnknown, FoundApplied] {
            assert!(WriteStatus::fold([Started, first, Started]).is_err(), "{first:?}");
        }
        assert!(WriteStatus::fold([Started, Started]).is_err());
        let again = WriteStatus::fold([Started, OutcomeUnknown, FoundAbsent, Started]);
        assert_eq!(again, Ok(WriteStatus::InDoubt));
    }

    #[test]
    fn every_prefix_of_a_legal_log_is_legal_and_done_stays_done() {
        let mut frontier = vec![(Vec::new(), WriteStatus::default())];
        for _ in 0..6 {
            let mut next = Vec::new();
            for (log, status) in frontier {
                for entry in ALL {
                    if let Ok(after) = status.next(entry) {
                        assert_ne!(status, WriteStatus::Done, "{log:?} then {entry:?}");
                        assert_ne!(status, WriteStatus::Refused, "{log:?} then {entry:?}");
                        let mut longer: Vec<Entry> = log.clone();
                        longer.push(entry);
                        next.push((longer, after));
                    }
                }
            }
            frontier = next;
        }
        assert!(!frontier.is_empty());
    }
}
