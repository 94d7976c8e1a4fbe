//! Identifiers as checked newtypes: a campaign id can never be passed where an ad set id is meant.
//!
//! Graph ids are decimal strings of up to about 18 digits (`meta-api` "Paths"); they are kept as text because they
//! exceed what a double can hold. Own ids (`LineId`, `ClimbId`, …) are small readable strings.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} id {text:?} is not valid: {why}")]
pub struct IdError {
    /// The kind of id that was asked for, e.g. `campaign`.
    pub kind: &'static str,
    /// The rejected text, shortened.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

const MAX_GRAPH_DIGITS: usize = 20;

fn check_digits(kind: &'static str, text: &str) -> Result<(), IdError> {
    let why = if text.is_empty() {
        "it is empty"
    } else if text.len() > MAX_GRAPH_DIGITS {
        "it has more than 20 digits"
    } else if !text.bytes().all(|b| b.is_ascii_digit()) {
        "only digits are allowed"
    } else {
        return Ok(());
    };
    Err(IdError { kind, text: text.chars().take(40).collect(), why })
}

macro_rules! graph_id {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and wraps a text of 1 to 20 digits.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                check_digits($kind, &text)?;
                Ok(Self(text))
            }
            /// The digits.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> { Self::new(text) }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> { Self::new(text) }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self { id.0 }
        }
    )+};
}

graph_id! {
    /// A campaign (Graph's internal name: `AdCampaignGroup`).
    CampaignId = "campaign";
    /// An ad set (Graph's internal name: `AdCampaign`).
    AdSetId = "ad set";
    /// An ad (Graph's internal name: `Adgroup`).
    AdId = "ad";
    /// An ad creative.
    CreativeId = "creative";
    /// A pixel (dataset).
    PixelId = "pixel";
    /// A custom conversion.
    CustomConversionId = "custom conversion";
    /// Any Graph object, where the kind does not matter.
    ObjectId = "object";
}

macro_rules! into_object {
    ($($name:ident),+) => {$(
        impl From<&$name> for ObjectId {
            fn from(id: &$name) -> Self { Self(id.0.clone()) }
        }
    )+};
}
into_object!(CampaignId, AdSetId, AdId);

/// An ad account, without the `act_` prefix; [`AccountId::act`] gives the form used in paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

impl AccountId {
    /// Accepts `act_123` and `123`; refuses `act_act_123`.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("act_").unwrap_or(text);
        check_digits("account", digits)?;
        Ok(Self(digits.to_owned()))
    }
    /// `act_123`, as paths want it.
    pub fn act(&self) -> String {
        format!("act_{}", self.0)
    }
    /// The digits alone, as answers give it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "act_{}", self.0)
    }
}
impl FromStr for AccountId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}
impl TryFrom<String> for AccountId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(&text)
    }
}
impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.act()
    }
}

macro_rules! own_id {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and wraps 1 to 64 characters out of letters, digits, `-`, `_` and `.`.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                if text.is_empty() || text.len() > 64 || !text.bytes().all(legal) {
                    let text = text.chars().take(40).collect();
                    return Err(IdError { kind: $kind, text, why: "1 to 64 letters, digits, '-', '_' or '.'" });
                }
                Ok(Self(text))
            }
            /// The text.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> { Self::new(text) }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> { Self::new(text) }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self { id.0 }
        }
    )+};
}

own_id! {
    /// A managed campaign lineage: the thing that climbs.
    LineId = "line";
    /// One attempt to move a line to another rung.
    ClimbId = "climb";
    /// A stored plan; short form of its hash.
    PlanId = "plan";
    /// One recorded decision.
    DecisionId = "decision";
    /// The key of one write, carried in the name of what it creates.
    OpKey = "op key";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graph_ids_take_digits_only() {
        assert!(CampaignId::new("120210000000000001").is_ok());
        for bad in ["", "12a", "act_1", "1\n2", "123456789012345678901", "١٢"] {
            assert!(CampaignId::new(bad).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn an_account_id_is_one_thing_with_or_without_prefix() {
        assert_eq!(AccountId::new("act_12").unwrap(), AccountId::new("12").unwrap());
        assert!(AccountId::new("act_act_12").is_err());
        assert_eq!(AccountId::new("12").unwrap().act(), "act_12");
    }
}
