//! The rehearsal world: a seeded market behind the Graph dialect.
//!
//! [`Sandbox`] is one ad account with its history. It implements [`crate::ports::Transport`] in process and is served
//! over HTTP by [`http::serve`]; the same code answers both. Time stands still until its [`SimClock`] is advanced;
//! then the world delivers day by day in the account's zone, reviews ads, evaluates rules, and restates reports.
//!
//! Reading order: [`Scenario`] (what it starts from), `world` and `delivery` (how time passes), `dialect` (from path to
//! handler), `laws` (what is refused), `insights` and `figures` (what is reported), `journal` and `ledger` (the truth).

mod absorb;
mod access;
mod activities;
mod asyncsets;
mod audience;
mod automation;
mod batch;
mod catalogue;
mod clock;
pub mod contract;
mod copies;
mod creates;
mod delivery;
mod dialect;
mod edges;
mod edits;
mod effective;
mod errors;
mod faultmix;
mod faults;
mod fields;
mod figures;
mod filters;
mod handle;
pub mod http;
mod insights;
mod inventory;
mod journal;
mod labels;
mod laws;
mod ledger;
mod login;
pub mod market;
mod mishaps;
mod nodes;
mod num;
mod objects;
mod options;
mod orders;
mod paging;
mod params;
mod people;
mod pixel;
mod reach;
mod reports;
mod request;
mod rows;
mod scenario;
mod slices;
mod studies;
mod tools;
mod town;
mod usage;
mod versions;
mod world;

pub use audience::{Audience, Delivered, Delivery, LearningStage, LearningView, SteadyAudience};
pub use catalogue::known_errors;
pub use clock::SimClock;
pub use faultmix::{FaultKind, FaultMix, Focus, Meets, Outage, kinds as fault_kinds};
pub use faults::{Fault, Faults, NoFaults, ScriptedFaults};
pub use handle::Sandbox;
pub use inventory::Standing;
pub use journal::LogEntry;
pub use ledger::{BudgetPoint, Ledger, LedgerDay};
pub use login::DialogAnswer;
pub use options::{Lateness, Options, Tier};
pub use orders::Order;
pub use people::{Edit, Edited};
pub use scenario::{AdSetSpec, CampaignSpec, Credentials, EventFamily, EventSpec, Scenario};
pub use town::{Town, TownPlan};
