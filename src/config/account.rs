//! What one ad account is configured with.

use std::{fmt, path::PathBuf};

use super::{ConfigError, Effective, Secret, origin::Values, policy, reader::Reader};
use crate::{
    daemon::schedule::{Job, Schedule, Schedules},
    domain::{AccountId, Currency, Policy, Zone},
};

/// Where the Graph API is: Meta's own address, or http on the loopback for a sandbox. No other address is ever made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

/// The one address outside this machine.
const META: &str = "https://graph.facebook.com";

impl BaseUrl {
    /// Checks an address; a trailing slash is dropped, anything but scheme, host and port is refused.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text == META {
            return Some(Self(text.to_owned()));
        }
        let rest = text.strip_prefix("http://")?;
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let port_is_good =
            |p: &str| p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u16>().is_ok();
        let loopback = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(six) => six.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()),
            None => {
                host == "localhost"
                    || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
            }
        };
        (loopback && port.is_none_or(port_is_good)).then(|| Self(text.to_owned()))
    }
    /// Scheme, host and port, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// True when this is a sandbox on this machine; only there may a command choose the time.
    pub fn is_loopback(&self) -> bool {
        self.0 != META
    }
}
impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How to reach the API for one account.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The address.
    pub base_url: BaseUrl,
    /// The version in paths, e.g. `v26.0`.
    pub version: String,
    /// The app, for login and token checks.
    pub app_id: Option<String>,
    /// The access token; None = the one that `login` stored.
    pub token: Option<Secret>,
    /// The app secret; with it every call carries `appsecret_proof`.
    pub app_secret: Option<Secret>,
    /// Time-out of one request in milliseconds.
    pub timeout_ms: i64,
}

/// One account, with everything merged and checked.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// The account.
    pub id: AccountId,
    /// The zone as configured; None = as the account says.
    pub zone: Option<Zone>,
    /// The currency as configured; None = as the account says.
    pub currency: Option<Currency>,
    /// What decisions need.
    pub policy: Policy,
    /// How to reach the API.
    pub api: ApiConfig,
    /// When jobs run, on the configured zone's clock, UTC until a zone is known: see [`AccountConfig::schedules_in`].
    pub schedules: Schedules,
    /// Every effective value with its origin.
    pub effective: Vec<Effective>,
    values: Values,
}

impl AccountConfig {
    /// Refuses caps in another currency than the account's, and a configured currency that is not the account's.
    pub fn check_currency(&self, account: Currency) -> Result<(), ConfigError> {
        let base = PathBuf::new();
        let read = Reader::new(&self.values, &base);
        let unlike = format!("but account {} is in {account}", self.id);
        match self.currency {
            Some(own) if own != account => {
                Err(read.refuse("account.currency", format!("is {own}, {unlike}"), None))
            }
            _ => policy::check_currency(&read, account, &unlike),
        }
    }
    /// Refuses a configured zone that is not the account's: every day boundary would be wrong.
    pub fn check_zone(&self, account: &Zone) -> Result<(), ConfigError> {
        let base = PathBuf::new();
        let read = Reader::new(&self.values, &base);
        match &self.zone {
            Some(own) if own.name() != account.name() => {
                let why = format!("is {own}, but account {} is in {account}", self.id);
                Err(read.refuse("account.time_zone", why, None))
            }
            _ => Ok(()),
        }
    }
    /// The schedules on the clock of `zone`, for when the account has told its zone.
    pub fn schedules_in(&self, zone: &Zone) -> Schedules {
        self.schedules.iter().map(|(job, schedule)| (*job, schedule.in_zone(zone))).collect()
    }

    pub(super) fn build(
        id: AccountId,
        values: Values,
        read: &Reader<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let zone: Option<Zone> = read.parsed("account.time_zone")?;
        let config = Self {
            id,
            currency: read.parsed("account.currency")?,
            policy: policy::policy(read)?,
            api: api(read, warnings)?,
            schedules: schedules(read, &zone.clone().unwrap_or_else(Zone::utc))?,
            zone,
            effective: values.effective(),
            values,
        };
        if let Some(currency) = config.currency {
            config.check_currency(currency)?;
        }
        Ok(config)
    }
}

pub(super) fn api(read: &Reader<'_>, warnings: &mut Vec<String>) -> Result<ApiConfig, ConfigError> {
    let text = read.need_text("api.base_url")?;
    let base_url = BaseUrl::parse(text).ok_or_else(|| {
        let hint = Some(format!("{META}, or http://127.0.0.1:PORT for a sandbox"));
        read.refuse("api.base_url", format!("is {text:?}, where no token is ever sent"), hint)
    })?;
    let version = read.need_text("api.version")?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let numbers = version.strip_prefix('v').and_then(|v| v.split_once('.'));
    if !numbers.is_some_and(|(major, minor)| digits(major) && digits(minor)) {
        let hint = Some("write it like v26.0".to_owned());
        return Err(read.refuse("api.version", format!("is {version:?}"), hint));
    }
    let app_id = read.text("api.app_id")?;
    if app_id.is_some_and(|id| !digits(id)) {
        return Err(read.refuse("api.app_id", "is not a number", None));
    }
    Ok(ApiConfig {
        base_url,
        version: version.to_owned(),
        app_id: app_id.map(str::to_owned),
        token: read.secret("api.token", warnings)?,
        app_secret: read.secret("api.app_secret", warnings)?,
        timeout_ms: read.duration_ms("api.timeout")?,
    })
}

pub(super) fn schedules(read: &Reader<'_>, zone: &Zone) -> Result<Schedules, ConfigError> {
    let one = |job: Job| {
        let key = format!("schedule.{job}");
        let schedule = Schedule::parse(read.need_text(&key)?, zone)
            .map_err(|e| read.refuse(&key, format!("is wrong: {e}"), e.hint()))?;
        Ok((job, schedule))
    };
    Job::ALL.into_iter().map(one).collect()
}
