//! Configuration: embedded defaults, file, environment; checked as a whole.
//!
//! What must hold: an unknown key, a wrong type or an impossible value is an error with its place, never a silent
//! default; a secret never stands in a file of keys and never comes out of here in clear; every effective value knows
//! where it came from. Reading order: `schema` (which keys exist), `document` (text → entries), `environment`,
//! `reader` (entries → typed values), `policy` and `account` (typed values → what the product uses), `load`.

mod account;
mod document;
mod environment;
mod error;
mod load;
mod origin;
mod policy;
mod reader;
mod schema;
mod secret;
mod units;

pub use account::{AccountConfig, ApiConfig, BaseUrl};
pub use environment::{environment, session_user};
pub use error::ConfigError;
pub use load::{
    AuditConfig, Config, LogConfig, LogFormat, SecretsConfig, StoreConfig, from_toml, load,
};
pub use origin::{Effective, Origin};
pub use secret::{Secret, SecretSource};
pub use units::{parse_duration_ms, show_duration_ms};

/// Where systemd puts credentials that only the service may read.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// The name of our credential there.
const KEY_CREDENTIAL: &str = "rungwise-secrets-key";

/// The embedded defaults, which document every key.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");
