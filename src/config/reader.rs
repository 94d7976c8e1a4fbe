//! Entries into typed values: one method per type, each naming place, key and what would be right.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    str::FromStr,
};

use secrecy::ExposeSecret;

use super::{
    ConfigError, Origin, Secret, SecretSource,
    origin::{Entry, Raw, Values},
    schema,
    secret::MAX_SECRET_BYTES,
    units::parse_duration_ms,
};
use crate::domain::{DAY_MS, Money};

/// Typed access to merged entries.
pub(super) struct Reader<'a> {
    values: &'a Values,
    base: &'a Path,
}

impl<'a> Reader<'a> {
    /// `base` is the directory that relative paths start from.
    pub(super) fn new(values: &'a Values, base: &'a Path) -> Self {
        Self { values, base }
    }

    pub(super) fn origin(&self, key: &str) -> Origin {
        self.entry(key).map_or(Origin::Default(0), |entry| entry.origin.clone())
    }
    pub(super) fn refuse(
        &self,
        key: &str,
        why: impl Into<String>,
        hint: Option<String>,
    ) -> ConfigError {
        let (place, key, why) = (self.origin(key), key.to_owned(), why.into());
        ConfigError::Value { place, key, why, hint }
    }
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.values.0.get(key)
    }
    fn wrong_type(key: &str, entry: &Entry, expected: &'static str) -> ConfigError {
        let (place, key, found) = (entry.origin.clone(), key.to_owned(), entry.raw.kind());
        ConfigError::Type { place, key, expected, found }
    }
    /// For keys that the embedded defaults always give.
    fn needed<T>(key: &str, value: Option<T>) -> Result<T, ConfigError> {
        let hint = || "`rungwise config default` shows how it is written".to_owned();
        value.ok_or_else(|| ConfigError::Missing { key: key.to_owned(), hint: hint() })
    }

    /// Text that is not blank.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        match &entry.raw {
            Raw::Text(text) if text.trim().is_empty() => Err(self.refuse(key, "is empty", None)),
            Raw::Text(text) => Ok(Some(text)),
            _ => Err(Self::wrong_type(key, entry, "text in quotes")),
        }
    }
    pub(super) fn need_text(&self, key: &str) -> Result<&'a str, ConfigError> {
        Self::needed(key, self.text(key)?)
    }
    /// Text that `T` can read.
    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &self,
        key: &str,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|e: T::Err| self.refuse(key, format!("is wrong: {e}"), None))
    }
    /// One of a few words.
    pub(super) fn choice<T>(
        &self,
        key: &str,
        names: &[&'static str],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let text = self.need_text(key)?;
        parse(text).ok_or_else(|| {
            let near = schema::nearest(text, names.iter().copied());
            let hint = near.map(|near| format!("did you mean '{near}'?"));
            self.refuse(key, format!("is {text:?}, not one of {}", names.join(", ")), hint)
        })
    }
    pub(super) fn flag(&self, key: &str) -> Result<bool, ConfigError> {
        let entry = Self::needed(key, self.entry(key))?;
        match entry.raw {
            Raw::Bool(flag) => Ok(flag),
            _ => Err(Self::wrong_type(key, entry, "true or false")),
        }
    }
    pub(super) fn int(&self, key: &str, min: u32, max: u32) -> Result<u32, ConfigError> {
        let entry = Self::needed(key, self.entry(key))?;
        let Raw::Int(n) = entry.raw else {
            return Err(Self::wrong_type(key, entry, "an integer"));
        };
        match u32::try_from(n) {
            Ok(n) if (min..=max).contains(&n) => Ok(n),
            _ => Err(self.refuse(key, format!("is {n}, not between {min} and {max}"), None)),
        }
    }
    /// A finite number within bounds.
    pub(super) fn number(&self, key: &str, min: f64, max: f64) -> Result<f64, ConfigError> {
        Self::needed(key, self.maybe_number(key, min, max)?)
    }
    pub(super) fn maybe_number(
        &self,
        key: &str,
        min: f64,
        max: f64,
    ) -> Result<Option<f64>, ConfigError> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        let x = match &entry.raw {
            Raw::Float(x) => *x,
            Raw::Int(n) => i32::try_from(*n).map_or(f64::INFINITY, f64::from),
            Raw::Text(text) if text.trim_end().ends_with('%') => {
                let hint = Some("write 0.20 for 20 %".to_owned());
                return Err(self.refuse(
                    key,
                    format!("is {text:?}, but a share has no % sign"),
                    hint,
                ));
            }
            _ => return Err(Self::wrong_type(key, entry, "a number")),
        };
        if x.is_finite() && (min..=max).contains(&x) {
            return Ok(Some(x));
        }
        let percent = max <= 1.0 && x > 1.0 && x <= 100.0;
        let hint = percent.then(|| format!("a share is meant: write {} for {x} %", x / 100.0));
        Err(self.refuse(key, format!("is {x}, not between {min} and {max}"), hint))
    }
    /// A share of money, in basis points.
    pub(super) fn share_bp(&self, key: &str, min: f64, max: f64) -> Result<i64, ConfigError> {
        let scaled = self.number(key, min, max)? * 10_000.0;
        if (scaled - scaled.round()).abs() > 1e-6 {
            return Err(self.refuse(key, "has more than four decimals", None));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and at most 10 000 by the checks above"
        )]
        Ok(scaled.round() as i64)
    }
    /// A duration above zero, in milliseconds.
    pub(super) fn duration_ms(&self, key: &str) -> Result<i64, ConfigError> {
        let text = self.need_text(key)?;
        let hint = Some("write a number and a unit: \"14d\", \"72h\", \"15m\", \"30s\"".to_owned());
        match parse_duration_ms(text) {
            Some(ms) if ms > 0 => Ok(ms),
            Some(_) => Err(self.refuse(key, "is zero", None)),
            None => Err(self.refuse(key, format!("is {text:?}, which is no duration"), hint)),
        }
    }
    /// A duration of whole days.
    pub(super) fn days(&self, key: &str, min: u32, max: u32) -> Result<u32, ConfigError> {
        let ms = self.duration_ms(key)?;
        if ms % DAY_MS != 0 {
            return Err(self.refuse(key, "is not a number of whole days", None));
        }
        match u32::try_from(ms / DAY_MS) {
            Ok(days) if (min..=max).contains(&days) => Ok(days),
            _ => Err(self.refuse(key, format!("is {}d, not {min}d to {max}d", ms / DAY_MS), None)),
        }
    }
    /// An amount above zero.
    pub(super) fn money(&self, key: &str) -> Result<Option<Money>, ConfigError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let amount: Money = text.parse().map_err(|e| {
            let hint =
                Some("write the amount with a point and the currency: \"120.00 EUR\"".to_owned());
            self.refuse(key, format!("is wrong: {e}"), hint)
        })?;
        if amount.is_positive() {
            Ok(Some(amount))
        } else {
            Err(self.refuse(key, format!("is {amount}: a cap must be above zero"), None))
        }
    }
    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<&'a str>, ConfigError> {
        let Some(entry) = self.entry(key) else { return Ok(Vec::new()) };
        let wrong = || Self::wrong_type(key, entry, "a list of texts");
        let Raw::List(items) = &entry.raw else { return Err(wrong()) };
        let text = |item: &'a Raw| match item {
            Raw::Text(text) => Ok(text.as_str()),
            _ => Err(wrong()),
        };
        items.iter().map(text).collect()
    }
    /// A list of ascending whole numbers above zero.
    pub(super) fn ascending(&self, key: &str) -> Result<Vec<u32>, ConfigError> {
        let entry = Self::needed(key, self.entry(key))?;
        let wrong = || Self::wrong_type(key, entry, "a list of integers");
        let Raw::List(items) = &entry.raw else { return Err(wrong()) };
        let mut out: Vec<u32> = Vec::new();
        for item in items {
            let Raw::Int(n) = item else { return Err(wrong()) };
            let n = u32::try_from(*n).unwrap_or(0);
            if n <= out.last().copied().unwrap_or(0) {
                return Err(self.refuse(key, "must ascend from above zero", None));
            }
            out.push(n);
        }
        Ok(out)
    }
    /// The keys and values of a free table.
    pub(super) fn free(&self, table: &str) -> Result<Vec<(&'a str, String, &'a str)>, ConfigError> {
        let own = self.values.0.keys().filter_map(|key| {
            let (prefix, name) = key.rsplit_once('.')?;
            (prefix == table).then_some((name, key))
        });
        own.map(|(name, key)| Ok((name, key.clone(), self.need_text(key)?))).collect()
    }
    /// A path, relative ones taken from the configuration's directory.
    pub(super) fn path(&self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        Ok(self.text(key)?.map(|text| self.base.join(text)))
    }

    /// A secret given by itself, by the environment or in code.
    pub(super) fn given_secret(&self, key: &str) -> Result<Option<Secret>, ConfigError> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        let Raw::Secret(value) = &entry.raw else {
            return Err(Self::wrong_type(key, entry, "a secret"));
        };
        if value.expose_secret().is_empty() {
            return Err(self.refuse(key, "is empty", None));
        }
        let source = match &entry.origin {
            Origin::Env(name) => SecretSource::Env(name.clone()),
            _ => SecretSource::Given,
        };
        Ok(Some(Secret { value: value.clone(), source }))
    }
    /// A secret from its variable, else from its file.
    pub(super) fn secret(
        &self,
        key: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Secret>, ConfigError> {
        if let Some(given) = self.given_secret(key)? {
            return Ok(Some(given));
        }
        let file_key = format!("{key}_file");
        let Some(path) = self.path(&file_key)? else { return Ok(None) };
        let shown = path.display();
        let text = std::fs::read_to_string(&path).map_err(|e| {
            self.refuse(&file_key, format!("names {shown}, which cannot be read: {e}"), None)
        })?;
        if text.len() > MAX_SECRET_BYTES || text.trim().is_empty() || text.trim().contains('\n') {
            let why = format!("names {shown}, which does not hold one line with a secret");
            return Err(self.refuse(&file_key, why, None));
        }
        if let Some(warning) = readable_by_others(&path) {
            warnings.push(warning);
        }
        let value = text.trim().to_owned().into();
        Ok(Some(Secret { value, source: SecretSource::File(path) }))
    }
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    let open = mode & 0o077 != 0;
    open.then(|| format!("{} can be read by others: chmod 600 it", path.display()))
}
#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> Option<String> {
    None
}
