//! The only place that knows sqlx: history and intentions in one SQLite database.
//!
//! Reading order: [`SqliteStore`] (opening, committing), `commit.rs` (what each record becomes), then one file per noun
//! for reading back. `sql.rs` and `dialect.rs` hold every statement, `migrations/sqlite` the tables. [`AnchorFile`]
//! keeps copies of the audit chain's heads outside the database.

mod anchor;
mod audit;
mod backup;
mod climbs;
mod commit;
mod dialect;
mod doc;
mod error;
mod header;
mod hook;
mod insights;
mod objects;
mod open;
mod personal;
mod plans;
mod rows;
mod schema;
mod secrets;
mod small;
mod space;
mod sql;
mod sqlite;
mod standing;
mod turns;
mod vault;

pub use anchor::{ANCHOR_FILE, AnchorFile, Anchors, KEY_FILE, set_anchors_aside};
pub use audit::AuditError;
pub use backup::Backup;
pub use hook::{Change, CommitHook};
pub use open::DATABASE_FILE;
pub use personal::People;
pub use schema::Proved;
pub use space::RESERVE_FILE;
pub use sqlite::{Access, SqliteStore};
pub use standing::{Looked, Standing, WAL_ALARM_BYTES};
pub use vault::{Keyring, VaultError};
