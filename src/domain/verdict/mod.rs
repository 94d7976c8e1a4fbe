//! Comparing the CPA of two arms, honestly.
//!
//! [`look`] judges a [`Comparison`] by a [`Rule`] at its scheduled times, [`daily`] watches it in between, [`outlook`]
//! says beforehand what a test can be expected to find. All three are pure and give the same bits everywhere.

mod dispersion;
mod e_process;
mod gauss;
mod lag;
mod look;
mod maturity;
mod posterior;
mod power;
mod rule;
mod series;
pub mod special;
mod stop_loss;
mod value;

pub use dispersion::{DayCounts, Dispersion, USUAL_DISPERSION};
pub use lag::{LAG_DAYS, Lag};
pub use look::{Figures, Look, Odds, Outcome, Reason, look, look_at_all};
pub use maturity::{Growth, MATURE_AT, Maturity, Nowcast};
pub use posterior::{Exposure, Prior, RatioPosterior};
pub use power::{
    Belief, Chances, LookOutlook, Outlook, TestPlan, TestWorth, chances, detectable_ratio, outlook,
    worth_testing,
};
pub use rule::{
    LearningDays, LookAt, Method, Rule, RuleName, StopLossRule, UnknownRule, ValueGuard,
};
pub use series::{ArmDay, Comparison, PairedDay};
pub use special::round12;
pub use stop_loss::{RegretMeter, StopCause, StopLoss, daily, regret_meter};
pub use value::ValueShift;
