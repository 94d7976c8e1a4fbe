//! The audit chain: append-only links over the stored bytes.
//!
//! `hash = SHA-256(tag ‖ seq ‖ at ‖ len(kind) ‖ kind ‖ len(body) ‖ body ‖ prev)`. Every column of a row goes into its
//! hash, and the bytes are hashed as stored, never re-serialised. A chain alone cannot show that its tail was cut or
//! that the whole was rewritten: heads are therefore sealed with a key kept outside the database and copied out.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::Moment;
use crate::planted::{Bug, bug};

/// A link's hash in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkHash(String);

impl LinkHash {
    /// The hash before the first link.
    pub fn genesis() -> Self {
        Self("0".repeat(64))
    }
    /// Takes a stored hash.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// Lower-case hex.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for LinkHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// 1, 2, 3 … without a gap.
    pub seq: i64,
    /// When it was written.
    pub at: Moment,
    /// What kind of record, e.g. `write_began`.
    pub kind: String,
    /// The record: JSON text, as stored.
    pub body: Vec<u8>,
    /// Hash of the link before.
    pub prev: LinkHash,
    /// Hash of this link.
    pub hash: LinkHash,
}

/// The newest link a verifier has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number; 0 before the first.
    pub seq: i64,
    /// Its hash.
    pub hash: LinkHash,
}

impl Head {
    /// The head of an empty chain.
    pub fn genesis() -> Self {
        Self { seq: 0, hash: LinkHash::genesis() }
    }
    /// The head sealed with a key kept outside the database: hex HMAC-SHA256 over number and hash.
    pub fn seal(&self, key: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(b"rungwise/head/v1");
        mac.update(&self.seq.to_be_bytes());
        mac.update(self.hash.as_str().as_bytes());
        HEXLOWER.encode(&mac.finalize().into_bytes())
    }
}

/// What is wrong with a chain, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainBreak {
    /// A number is missing, doubled or out of order.
    #[error(
        "audit row {found} stands where row {expected} should be: rows were removed, added or reordered"
    )]
    Gap {
        /// The number that should be there.
        expected: i64,
        /// The number that is.
        found: i64,
    },
    /// The row does not point at the row before it.
    #[error("audit row {seq} does not follow the row before it")]
    Prev {
        /// The row.
        seq: i64,
    },
    /// The row's content is not what was hashed.
    #[error("audit row {seq} was changed after it was written")]
    Content {
        /// The row.
        seq: i64,
    },
    /// The chain ends before a head that was copied out.
    #[error("the audit log ends at row {seq}, but row {anchored} was copied out: its tail was cut")]
    Cut {
        /// The last row.
        seq: i64,
        /// The anchored row.
        anchored: i64,
    },
    /// A head that was copied out is not in the chain.
    #[error("audit row {seq} is not the row that was copied out: history was rewritten")]
    Rewritten {
        /// The row.
        seq: i64,
    },
    /// An anchor's seal does not fit the key.
    #[error("the anchor of audit row {seq} has a wrong seal")]
    Seal {
        /// The row.
        seq: i64,
    },
}

impl Link {
    /// Forges the next link after `head`.
    pub fn after(head: &Head, at: Moment, kind: &str, body: Vec<u8>) -> Self {
        let seq = head.seq.saturating_add(1);
        let hash = hash(seq, at, kind, &body, &head.hash);
        Self { seq, at, kind: kind.to_owned(), body, prev: head.hash.clone(), hash }
    }
    /// The head this link makes.
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash.clone() }
    }
    /// Checks this link against the one before and returns the new head.
    pub fn verify(&self, head: &Head) -> Result<Head, ChainBreak> {
        let expected = head.seq.saturating_add(1);
        if self.seq != expected {
            return Err(ChainBreak::Gap { expected, found: self.seq });
        }
        if self.prev != head.hash {
            return Err(ChainBreak::Prev { seq: self.seq });
        }
        if self.hash != hash(self.seq, self.at, &self.kind, &self.body, &self.prev) {
            return Err(ChainBreak::Content { seq: self.seq });
        }
        Ok(self.head())
    }
}

fn hash(seq: i64, at: Moment, kind: &str, body: &[u8], prev: &LinkHash) -> LinkHash {
    let mut hash = Sha256::new();
    hash.update(b"rungwise/audit/v1");
    hash.update(seq.to_be_bytes());
    hash.update(at.millis().to_be_bytes());
    let prev = if bug(Bug::LinkWithoutPrevious) { "" } else { prev.as_str() };
    for part in [kind.as_bytes(), body, prev.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    LinkHash(HEXLOWER.encode(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(n: i64) -> Vec<Link> {
        let mut head = Head::genesis();
        (0..n)
            .map(|i| {
                let body = format!("{{\"i\":{i}}}").into_bytes();
                let link = Link::after(&head, Moment::from_millis(i), "note", body);
                head = link.head();
                link
            })
            .collect()
    }
    fn verify(links: &[Link]) -> Result<Head, ChainBreak> {
        links.iter().try_fold(Head::genesis(), |head, link| link.verify(&head))
    }

    #[test]
    fn an_untouched_chain_verifies() {
        assert_eq!(verify(&chain(20)).unwrap().seq, 20);
    }

    proptest::proptest! {
        #[test]
        fn every_change_of_one_link_is_found(n in 2_usize..12, at in 0_usize..12, what in 0_u8..9) {
            let mut links = chain(i64::try_from(n).unwrap());
            let at = at % n;
            match what {
                0 => links[at].body[0] ^= 1,
                1 => links[at].at = links[at].at.plus(1),
                2 => links[at].kind.push('x'),
                3 => links[at].seq += 1,
                4 => links[at].prev = LinkHash::stored("ff"),
                5 => links[at].hash = LinkHash::stored("ff"),
                6 => { let copy = links[at].clone(); links.insert(at, copy); }
                7 => { if at + 1 == n { return Ok(()); } links.remove(at); }
                _ => { if at + 1 == n { return Ok(()); } links.swap(at, at + 1); }
            }
            proptest::prop_assert!(verify(&links).is_err());
        }
    }

    #[test]
    fn a_seal_needs_the_key() {
        let head = Head::genesis();
        assert_ne!(head.seal(b"one"), head.seal(b"two"));
    }
}
