//! Secrets at rest: sealed here, opened here, and nowhere else.
//!
//! XChaCha20-Poly1305 with a random nonce. Bound to each ciphertext are the row's id, its account, its purpose, the key's
//! id and the facts beside it: moved to another row, or put under other facts, it does not open. A keyring holds several
//! keys; the first seals, all of them open, so that a key can be replaced while the agent runs.

use std::fmt;

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305,
    aead::{Aead as _, Payload},
};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use sha2::{Digest as _, Sha256};

use super::open::random;
use crate::{
    domain::{AccountId, Moment},
    ports::{
        StoreError,
        store::{SealedRow, Standing},
    },
};

/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a nonce.
const NONCE: usize = 24;

/// Why a secret cannot be sealed or opened. Never holds one.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The keyring's text is none.
    #[error("the key of the secrets is unusable: {0}")]
    Key(&'static str),
    /// The row was sealed under another key.
    #[error("the stored {purpose} is sealed under key {key_id}, which the keyring does not hold")]
    OtherKey {
        /// What the secret is for.
        purpose: String,
        /// Which key it needs.
        key_id: String,
    },
    /// The row does not open: it was altered, moved from another row, or the key has this id but is another.
    #[error("the stored {purpose} does not open: it was altered or moved from another row")]
    Altered {
        /// What the secret is for.
        purpose: String,
    },
    /// The system's generator failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl VaultError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Key(_) => {
                "a key is 64 hex digits, one key to a line, the one that seals first: `openssl rand -hex 32`"
            }
            Self::OtherKey { .. } => "give the key it was sealed under, or log in again",
            Self::Altered { .. } => {
                "log in again; if nobody touched the database, restore a backup"
            }
            Self::Store(e) => e.hint(),
        }
    }
}

struct Key {
    id: String,
    bytes: SecretBox<[u8; KEY]>,
}

/// The keys of the secrets. Neither `Debug` nor anything else shows them.
pub struct Keyring {
    keys: Vec<Key>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.ids().collect();
        f.debug_struct("Keyring").field("ids", &ids).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Reads keys of 64 hex digits, separated by line ends, blanks or commas; the first one seals.
    pub fn parse(text: &SecretString) -> Result<Self, VaultError> {
        let words = text.expose_secret().split(|c: char| c.is_whitespace() || c == ',');
        let mut keys: Vec<Key> = Vec::new();
        for word in words.filter(|w| !w.is_empty()) {
            let mut bytes = HEXLOWER_PERMISSIVE
                .decode(word.as_bytes())
                .map_err(|_| VaultError::Key("it is not hexadecimal"))?;
            let fixed: Result<[u8; KEY], _> = bytes.as_slice().try_into();
            bytes.fill(0);
            let fixed = fixed.map_err(|_| VaultError::Key("it does not have 64 hex digits"))?;
            if fixed.iter().all(|b| *b == fixed[0]) {
                return Err(VaultError::Key("all its bytes are the same"));
            }
            let key = Key { id: id_of(&fixed), bytes: SecretBox::new(Box::new(fixed)) };
            if keys.iter().all(|k| k.id != key.id) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(VaultError::Key("it is empty"));
        }
        Ok(Self { keys })
    }
    /// A fresh key as its text.
    pub fn draw() -> Result<SecretString, VaultError> {
        let mut bytes = random::<KEY>()?;
        let text = HEXLOWER.encode(&bytes);
        bytes.fill(0);
        Ok(text.into())
    }
    /// Ids of the keys, the one that seals first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|k| k.id.as_str())
    }
    /// The key that seals.
    pub fn first_id(&self) -> &str {
        self.keys.first().map_or("", |k| k.id.as_str())
    }

    /// Seals a secret into a new row.
    pub fn seal(
        &self,
        account: &AccountId,
        purpose: &str,
        standing: Standing,
        secret: &SecretString,
        facts: Vec<u8>,
        now: Moment,
    ) -> Result<SealedRow, VaultError> {
        let key = self.keys.first().ok_or(VaultError::Key("it is empty"))?;
        let mut row = SealedRow {
            id: HEXLOWER.encode(&random::<16>()?),
            purpose: purpose.to_owned(),
            standing,
            key_id: key.id.clone(),
            nonce: random::<NONCE>()?.to_vec(),
            sealed: Vec::new(),
            facts,
            made_at: now,
        };
        let aad = bound_to(account, &row);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: &aad };
        let nonce: [u8; NONCE] = row.nonce.as_slice().try_into().unwrap_or([0; NONCE]);
        row.sealed = cipher(key)
            .encrypt(&nonce.into(), payload)
            .map_err(|_| VaultError::Key("the cipher refused the text"))?;
        Ok(row)
    }

    /// Opens a row of `account`.
    pub fn open(&self, account: &AccountId, row: &SealedRow) -> Result<SecretString, VaultError> {
        let purpose = || row.purpose.clone();
        let key = self.keys.iter().find(|k| k.id == row.key_id).ok_or_else(|| {
            VaultError::OtherKey { purpose: purpose(), key_id: row.key_id.clone() }
        })?;
        let altered = || VaultError::Altered { purpose: purpose() };
        let nonce: [u8; NONCE] = row.nonce.as_slice().try_into().map_err(|_| altered())?;
        let aad = bound_to(account, row);
        let payload = Payload { msg: &row.sealed, aad: &aad };
        let clear = cipher(key).decrypt(&nonce.into(), payload).map_err(|_| altered())?;
        String::from_utf8(clear).map(SecretString::from).map_err(|_| altered())
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes.expose_secret().into())
}

/// The id of a key: the first eight bytes of a hash of it, so that it tells nothing about the key.
fn id_of(key: &[u8; KEY]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"rungwise/key-id/v1");
    hash.update(key);
    HEXLOWER.encode(&hash.finalize()).chars().take(16).collect()
}

/// What a ciphertext is bound to; each part with its length, so that no two sets of parts read alike.
fn bound_to(account: &AccountId, row: &SealedRow) -> Vec<u8> {
    let mut aad = b"rungwise/secret/v1".to_vec();
    let parts = [
        row.id.as_bytes(),
        account.as_str().as_bytes(),
        row.purpose.as_bytes(),
        row.key_id.as_bytes(),
        &row.facts,
    ];
    for part in parts {
        aad.extend_from_slice(&(part.len() as u64).to_be_bytes());
        aad.extend_from_slice(part);
    }
    aad
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> AccountId {
        AccountId::new("act_1").unwrap()
    }
    fn ring(texts: &[&str]) -> Keyring {
        Keyring::parse(&texts.join("\n").into()).unwrap()
    }
    const A: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const B: &str = "f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn sealed(keys: &Keyring, text: &str) -> SealedRow {
        let now = Moment::from_millis(5);
        keys.seal(
            &account(),
            "token",
            Standing::Current,
            &text.to_owned().into(),
            b"{}".to_vec(),
            now,
        )
        .unwrap()
    }

    #[test]
    fn what_was_sealed_opens_and_never_twice_alike() {
        let keys = ring(&[A]);
        let (one, two) = (sealed(&keys, "EAAB-secret"), sealed(&keys, "EAAB-secret"));
        assert_eq!(keys.open(&account(), &one).unwrap().expose_secret(), "EAAB-secret");
        assert_ne!((&one.nonce, &one.sealed), (&two.nonce, &two.sealed));
        let shown = format!("{keys:?} {one:?}");
        assert!(!shown.contains("EAAB") && !shown.contains(A), "{shown}");
    }

    #[test]
    fn a_changed_moved_or_swapped_row_does_not_open() {
        let keys = ring(&[A]);
        let (good, other) = (sealed(&keys, "one"), sealed(&keys, "two"));
        let change: [fn(&mut SealedRow, &SealedRow); 8] = [
            |row, _| row.sealed[0] ^= 1,
            |row, _| row.sealed.truncate(3),
            |row, _| row.nonce[0] ^= 1,
            |row, _| row.nonce.clear(),
            |row, other| (row.nonce, row.sealed) = (other.nonce.clone(), other.sealed.clone()),
            |row, other| row.id.clone_from(&other.id),
            |row, _| row.purpose = "app_secret".into(),
            |row, _| row.facts = br#"{"expires_at":null}"#.to_vec(),
        ];
        for (i, change) in change.iter().enumerate() {
            let mut row = good.clone();
            change(&mut row, &other);
            let error = keys.open(&account(), &row).unwrap_err();
            assert!(matches!(error, VaultError::Altered { .. }), "change {i}: {error}");
        }
        let stranger = AccountId::new("act_2").unwrap();
        assert!(keys.open(&stranger, &good).is_err(), "another account's row");
    }

    #[test]
    fn a_wrong_key_fails_closed_and_an_old_one_still_opens() {
        let old = sealed(&ring(&[A]), "secret");
        let error = ring(&[B]).open(&account(), &old).unwrap_err();
        assert!(matches!(error, VaultError::OtherKey { .. }), "{error}");
        let both = ring(&[B, A]);
        assert_eq!(both.open(&account(), &old).unwrap().expose_secret(), "secret");
        assert_eq!(sealed(&both, "x").key_id, ring(&[B]).first_id());
        // Another key under the right id: the id is no proof.
        let mut forged = old;
        forged.key_id = ring(&[B]).first_id().to_owned();
        assert!(matches!(both.open(&account(), &forged), Err(VaultError::Altered { .. })));
    }

    #[test]
    fn texts_that_are_no_keys_are_refused() {
        let zeros = "0".repeat(64);
        for bad in ["", " \n", "00ff", &A[1..], "zz", &zeros, &format!("{A}\nshort")] {
            assert!(Keyring::parse(&bad.to_owned().into()).is_err(), "{bad:?}");
        }
        assert_eq!(ring(&[A, A]).ids().count(), 1);
        let (x, y) = (Keyring::draw().unwrap(), Keyring::draw().unwrap());
        assert_ne!(x.expose_secret(), y.expose_secret());
        Keyring::parse(&x).unwrap();
    }
}
