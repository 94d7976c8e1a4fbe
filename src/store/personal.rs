//! Names and words of people, kept beside the history instead of in it.
//!
//! History is hashed and never changes, yet a person may ask to be forgotten. So what a person is called or has written
//! is replaced by a token before it goes into a link, an approval or a command: a salted commitment, `p:` and the first
//! 32 hex digits of SHA-256 over tag, salt and text. Salt and text stand in a table of their own; erasing them leaves
//! the chain as it is, and without the salt nobody can guess the text.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::SqliteConnection;

use super::{commit::run, error::failed, open::random, rows::Got, sql, sqlite::SqliteStore};
use crate::{
    domain::Moment,
    ports::{Record, Store as _, StoreError},
};

/// Fields of an audit body that hold what a person is called or has written.
const FIELDS: [&str; 4] = ["actor", "by", "note", "approved_by"];
/// Kinds of links whose `why` a person wrote.
const WHY_OF: [&str; 2] = ["stopped", "started"];
const DOING: &str = "keeping personal text";

/// True for what the program calls itself: there is nobody to protect.
fn is_ours(text: &str) -> bool {
    text.is_empty() || text == "agent" || text.starts_with("policy:")
}

fn token_of(salt: &[u8], text: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"rungwise/personal/v1");
    hash.update(salt);
    hash.update(text.as_bytes());
    let hex = HEXLOWER.encode(&hash.finalize());
    format!("p:{}", hex.get(..32).unwrap_or(&hex))
}

/// The token that stands for `text` in history, made at its first use.
pub(crate) async fn token(conn: &mut SqliteConnection, text: &str) -> Result<String, StoreError> {
    if is_ours(text) {
        return Ok(text.to_owned());
    }
    let get = sqlx::query(sql::PERSONAL_TOKEN).bind(text);
    if let Some(row) = get.fetch_optional(&mut *conn).await.map_err(failed(DOING))? {
        return Got::new(&row, DOING).text("token");
    }
    keep(conn, &random::<16>()?, text).await
}

async fn keep(conn: &mut SqliteConnection, salt: &[u8], text: &str) -> Result<String, StoreError> {
    let token = token_of(salt, text);
    let put = sqlx::query(sql::PERSONAL_PUT).bind(&token).bind(salt).bind(text);
    run(conn, DOING, put).await?;
    Ok(token)
}

/// Makes the tokens of `texts` beforehand, under salts that follow from `seed` and can be guessed: in a rehearsal there
/// is nobody to protect, and its history must come out the same twice.
pub(crate) async fn foresee(
    conn: &mut SqliteConnection,
    seed: &str,
    texts: &[&str],
) -> Result<(), StoreError> {
    for text in texts {
        let salt = Sha256::digest(format!("{seed} {text}"));
        keep(conn, &salt[..16], text).await?;
    }
    Ok(())
}

/// The body of a link with tokens in the place of personal text. Bytes that hold none stay exactly as they are.
pub(crate) async fn tokenised(
    conn: &mut SqliteConnection,
    kind: &str,
    body: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice::<Value>(body) else {
        return Ok(body.to_vec());
    };
    let why = WHY_OF.contains(&kind).then_some("why");
    let mut changed = false;
    for name in FIELDS.into_iter().chain(why) {
        let texts: Vec<&mut Value> = match map.get_mut(name) {
            Some(Value::Array(list)) => list.iter_mut().collect(),
            Some(value) => vec![value],
            None => continue,
        };
        for value in texts {
            if let Value::String(text) = value {
                let token = token(&mut *conn, text).await?;
                changed |= token != *text;
                *text = token;
            }
        }
    }
    Ok(if changed { Value::Object(map).to_string().into_bytes() } else { body.to_vec() })
}

/// What stands behind tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    texts: BTreeMap<String, Option<(String, String)>>,
}

impl People {
    /// The text of a token; None for what is no token. What was erased reads `[erased]`.
    pub fn text(&self, token: &str) -> Option<&str> {
        let known = self.texts.get(token)?;
        Some(known.as_ref().map_or("[erased]", |(text, _)| text.as_str()))
    }
    /// Puts texts in the place of tokens, anywhere in a document.
    pub fn name_all(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(named) = self.text(text) {
                    *text = named.to_owned();
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|v| self.name_all(v)),
            Value::Object(map) => map.values_mut().for_each(|v| self.name_all(v)),
            _ => {}
        }
    }
    /// Token, text and salt (hex) of everything that was not erased: whoever has them can check each commitment.
    pub fn openings(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.texts.iter().filter_map(|(token, known)| {
            known.as_ref().map(|(text, salt)| (token.as_str(), text.as_str(), salt.as_str()))
        })
    }
}

impl SqliteStore {
    /// Everything that stands behind tokens.
    pub async fn people(&self) -> Result<People, StoreError> {
        let rows = self.rows(DOING, sqlx::query(sql::PERSONAL_ALL)).await?;
        let mut people = People::default();
        for row in &rows {
            let got = Got::new(row, DOING);
            let text = got.optional_text("value")?;
            let known = match text {
                Some(text) => Some((text, HEXLOWER.encode(&got.blob("salt")?))),
                None => None,
            };
            people.texts.insert(got.text("token")?, known);
        }
        Ok(people)
    }

    /// Erases `text` wherever history names it, and records that it was done (not what it was). False when history
    /// names no such text. Copies made earlier still hold it.
    pub async fn erase(&self, text: &str, by: &str, now: Moment) -> Result<bool, StoreError> {
        let doing = "erasing personal text";
        self.agent_only(doing)?;
        let erase = async |conn: &mut SqliteConnection| {
            let get = sqlx::query(sql::PERSONAL_TOKEN).bind(text);
            let row = get.fetch_optional(&mut *conn).await.map_err(failed(doing))?;
            let Some(row) = row else { return Ok(None) };
            let token = Got::new(&row, doing).text("token")?;
            run(conn, doing, sqlx::query(sql::PERSONAL_ERASE).bind(&token)).await?;
            Ok(Some(token))
        };
        let Some(token) = self.change(doing, erase).await? else { return Ok(false) };
        let by = if by == text { "agent" } else { by };
        let body = serde_json::json!({ "token": token, "by": by, "time": now.rfc3339() });
        let body = body.to_string().into_bytes();
        self.commit(vec![Record::Audit { at: now, kind: "erased".to_owned(), body }]).await?;
        // The engine overwrites what it frees (`secure_delete`); the log is emptied so that it is gone from there too.
        self.empty_log().await?;
        Ok(true)
    }
}
