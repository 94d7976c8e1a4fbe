//! The pure core: values in, values out.
//!
//! No async, no input or output, no clock, no wire forms. Everything a decision depends on is an argument. Own
//! documents (plans, evidence, audit bodies) derive serde because their stored bytes are hashed; foreign documents
//! are read elsewhere.

mod ads;
pub mod audit;
mod by_name;
pub mod climb;
mod days;
pub mod decide;
pub mod eligibility;
pub mod evidence;
pub mod forecast;
pub mod guard;
mod ids;
mod inert;
mod insight;
pub mod likeness;
mod money;
pub mod parity;
pub mod plan;
pub mod planner;
pub mod policy;
pub mod prospect;
pub mod rung;
pub mod signals;
pub mod twin;
pub mod verdict;
pub mod watch;
pub mod write_log;

pub use ads::{
    AccountInfo, Ad, AdSet, Campaign, EffectiveStatus, Fields, Learning, LearningStatus, Objective,
    Optimisation, Status, Tree,
};
pub use by_name::ByName;
pub use days::{DAY_MS, Day, DayError, DayRange, HOUR_MS, Moment, Zone};
pub use ids::{
    AccountId, AdId, AdSetId, CampaignId, ClimbId, CreativeId, CustomConversionId, DecisionId,
    IdError, LineId, ObjectId, OpKey, PixelId, PlanId,
};
pub use inert::{inert_json, one_line};
pub use insight::{ActionCount, InsightRow, SeenRow};
pub use money::{Currency, Money, MoneyError};
pub use policy::Policy;
pub use rung::{Goal, Ladder, Rung};
