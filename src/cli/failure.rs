//! A failed command: one line what failed and on which input, a hint, and an exit code.

use super::exit_code::Ending;
use crate::{
    app::AppError,
    boot::{
        BootError,
        custody::CustodyError,
        login::{LoginError, LoopbackTrouble},
    },
    config::ConfigError,
    ports::{MetaClass, MetaError, StoreError},
    store::AuditError,
};

/// How a command failed.
#[derive(Debug)]
pub struct Failure {
    /// What failed.
    pub what: String,
    /// What can be done.
    pub hint: Option<String>,
    /// The exit code.
    pub ending: Ending,
}

impl Failure {
    /// A failure of that kind.
    pub fn new(ending: Ending, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: Some(hint.into()), ending }
    }
    /// Stdout cannot be written.
    #[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
    pub fn output(e: std::io::Error) -> Self {
        Self { what: format!("cannot write to stdout: {e}"), hint: None, ending: Ending::Failed }
    }
}

fn store_ending(e: &StoreError) -> Ending {
    match e {
        StoreError::Locked { .. } => Ending::Busy,
        StoreError::Open { .. } => Ending::Config,
        StoreError::Full { .. } => Ending::CannotWrite,
        StoreError::Document { .. } | StoreError::Database { .. } => Ending::Damaged,
        StoreError::Conflict { .. } => Ending::Failed,
    }
}

fn meta_ending(e: &MetaError) -> Ending {
    match e.class {
        MetaClass::Auth | MetaClass::Policy => Ending::NoPermission,
        MetaClass::NotSent
        | MetaClass::Transient
        | MetaClass::Throttled
        | MetaClass::Lost
        | MetaClass::Version
        | MetaClass::TooMuch
        | MetaClass::Unknown => Ending::Unavailable,
        MetaClass::Refused | MetaClass::Immutable | MetaClass::Gone => Ending::Failed,
    }
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        Self::new(store_ending(&e), e.to_string(), e.hint())
    }
}
impl From<MetaError> for Failure {
    fn from(e: MetaError) -> Self {
        Self::new(meta_ending(&e), e.to_string(), e.hint())
    }
}
impl From<AppError> for Failure {
    fn from(e: AppError) -> Self {
        let ending = match &e {
            AppError::Store(e) => store_ending(e),
            AppError::Meta(e) => meta_ending(e),
            AppError::NotApproved(_) => Ending::NotApproved,
            AppError::Missing { .. } => Ending::NotFound,
            AppError::Plan(_) | AppError::NotNow(..) | AppError::AccountChanged(_) => {
                Ending::Failed
            }
        };
        Self::new(ending, e.to_string(), e.hint())
    }
}
impl From<BootError> for Failure {
    fn from(e: BootError) -> Self {
        let ending = match &e {
            BootError::Dir { .. } => Ending::CannotWrite,
            BootError::Store(e) => store_ending(e),
            BootError::BaseUrl(_) => Ending::Config,
            BootError::NoToken(_) => Ending::NoPermission,
        };
        Self::new(ending, e.to_string(), e.hint())
    }
}
impl From<CustodyError> for Failure {
    fn from(e: CustodyError) -> Self {
        let ending = match &e {
            CustodyError::KeyFile { .. } | CustodyError::NoKey | CustodyError::NotOurs(_) => {
                Ending::Config
            }
            CustodyError::Vault(_) => Ending::Damaged,
            CustodyError::Store(e) => store_ending(e),
            CustodyError::Meta(e) => meta_ending(e),
            CustodyError::Rejected(_) => Ending::NoPermission,
            CustodyError::Boot(_) => {
                let CustodyError::Boot(inner) = e else { unreachable!("matched above") };
                return (*inner).into();
            }
        };
        Self::new(ending, e.to_string(), e.hint())
    }
}
impl From<LoginError> for Failure {
    fn from(e: LoginError) -> Self {
        let ending = match &e {
            LoginError::NoApp => Ending::Config,
            LoginError::Refused(_) => Ending::NoPermission,
            LoginError::Loopback(LoopbackTrouble::Address(_)) => Ending::Usage,
            LoginError::Loopback(_) => Ending::Unavailable,
            LoginError::Meta(e) => meta_ending(e),
        };
        Self::new(ending, e.to_string(), e.hint())
    }
}
impl From<ConfigError> for Failure {
    fn from(e: ConfigError) -> Self {
        let general = || "`rungwise config default` prints every key with its meaning".to_owned();
        let hint = Some(e.hint().unwrap_or_else(general));
        Self { what: e.to_string(), hint, ending: Ending::Config }
    }
}
impl From<AuditError> for Failure {
    fn from(e: AuditError) -> Self {
        Self::new(
            Ending::ChainBroken,
            e.to_string(),
            "the history was changed after it was written: stop the agent, keep the files, restore a verified backup",
        )
    }
}
impl From<super::compare::CompareError> for Failure {
    fn from(e: super::compare::CompareError) -> Self {
        Self { what: e.to_string(), hint: Some(e.hint().to_string()), ending: Ending::BadInput }
    }
}
impl From<super::advise::AdviseError> for Failure {
    fn from(e: super::advise::AdviseError) -> Self {
        Self { what: e.to_string(), hint: Some(e.hint().to_string()), ending: Ending::BadInput }
    }
}
impl From<super::simulate::SimulateError> for Failure {
    fn from(e: super::simulate::SimulateError) -> Self {
        Self { what: e.to_string(), hint: e.hint(), ending: Ending::BadInput }
    }
}
