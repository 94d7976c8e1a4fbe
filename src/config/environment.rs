//! The environment as a layer. It is read once, here.

use std::collections::BTreeMap;

use super::{
    ConfigError, Origin,
    origin::{Entry, Raw, Values},
    schema::{self, Kind},
};
use crate::domain::AccountId;

/// Variables that belong to the command line and stand for no key.
const COMMAND_LINE: [&str; 3] = ["RUNGWISE_CONFIG", "RUNGWISE_DIR", "RUNGWISE_ACCOUNT"];

/// Names of variables that say who sits at the machine, for the audit log.
const SESSION: [&str; 3] = ["USER", "LOGNAME", "USERNAME"];

/// Our variables, `NO_COLOR` and the user's name, from the process's environment. What is not valid Unicode is kept with replacement
/// characters, so that its key still shows up in an error.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()))
        .filter(|(name, _)| {
            let name = name.as_str();
            name.starts_with("RUNGWISE_")
                || matches!(name, "NO_COLOR" | super::CREDENTIALS)
                || SESSION.contains(&name)
        })
        .collect()
}

/// The user name of the session, for the audit log.
pub fn session_user() -> Option<String> {
    let named = |key: &str| std::env::var_os(key).map(|v| v.to_string_lossy().into_owned());
    ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(named).filter(|name| !name.is_empty())
}

/// The layer of the environment for one account, or for what all share.
///
/// A secret can be given per account: `RUNGWISE_API_TOKEN_ACT_123` beats `RUNGWISE_API_TOKEN` for account 123.
pub(super) fn layer(
    env: &BTreeMap<String, String>,
    account: Option<&AccountId>,
) -> Result<Values, ConfigError> {
    let mut values = Values::default();
    let mut own = Values::default();
    for (name, text) in env {
        if !name.starts_with("RUNGWISE_") || COMMAND_LINE.contains(&name.as_str()) {
            continue;
        }
        let found = schema::KEYS.iter().find(|key| schema::variable(key.name) == *name);
        if let Some(key) = found {
            values.0.insert(key.name.to_owned(), entry(key.kind, name, text));
            continue;
        }
        let per_account = schema::KEYS.iter().filter(|k| k.kind == Kind::Secret).find_map(|k| {
            let digits = name.strip_prefix(&format!("{}_ACT_", schema::variable(k.name)))?;
            Some((k, AccountId::new(digits).ok()?))
        });
        match per_account {
            Some((key, id)) if Some(&id) == account => {
                own.0.insert(key.name.to_owned(), entry(key.kind, name, text));
            }
            Some(_) => {}
            None => {
                let hint = schema::variable_suggestion(name);
                return Err(ConfigError::UnknownVariable { name: name.clone(), hint });
            }
        }
    }
    values.overlay(own);
    Ok(values)
}

fn entry(kind: Kind, name: &str, text: &str) -> Entry {
    Entry { raw: typed(kind, text), origin: Origin::Env(name.to_owned()) }
}

/// Reads a variable's text the way a file would have written it; what does not fit stays text and is refused as such.
pub(super) fn typed(kind: Kind, text: &str) -> Raw {
    let text = text.trim();
    let as_text = || Raw::Text(text.to_owned());
    let items = |kind| {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Raw::List(parts.map(|part| typed(kind, part)).collect())
    };
    match kind {
        Kind::Text => as_text(),
        Kind::Secret => Raw::Secret(text.to_owned().into()),
        Kind::Int => text.parse().map_or_else(|_| as_text(), Raw::Int),
        Kind::Number => text.parse().map_or_else(|_| as_text(), Raw::Float),
        Kind::Bool => text.parse().map_or_else(|_| as_text(), Raw::Bool),
        Kind::List => items(Kind::Text),
        Kind::IntList => items(Kind::Int),
    }
}
