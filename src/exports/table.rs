//! What a file says, in one shape whatever it came from.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Event;
use crate::domain::{Currency, Day, DayRange};

/// Millionths of the major unit: exports give spend with up to nine decimals, and sums must not drift by rounding
/// every row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub i64);

impl Micros {
    /// The sum, stopping at the largest amount there is.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
    /// In major units, for statistics.
    pub fn as_f64(self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "statistics; exact up to nine billion units"
        )]
        let value = self.0 as f64;
        value / 1e6
    }
    /// Decimal text in major units, rounded half up to the decimals of the currency (two when unknown).
    pub fn major(self, currency: Option<Currency>) -> String {
        let decimals = currency.map_or(2, Currency::decimals);
        let unit: i64 = if decimals == 0 { 1_000_000 } else { 10_000 };
        let minor = (self.0.unsigned_abs() + unit.unsigned_abs() / 2) / unit.unsigned_abs();
        let sign = if self.0 < 0 && minor > 0 { "-" } else { "" };
        if decimals == 0 {
            return format!("{sign}{minor}");
        }
        format!("{sign}{}.{:02}", minor / 100, minor % 100)
    }
    /// This amount shared by `n`, rounded half up.
    #[must_use]
    pub fn per(self, n: u64) -> Option<Self> {
        let n = i64::try_from(n).ok().filter(|n| *n > 0)?;
        Some(Self(self.0.saturating_add(n / 2).div_euclid(n)))
    }
}

/// All rows of one campaign on one day (or in one period).
#[derive(Debug, Clone, PartialEq)]
pub struct DayRow {
    /// The day; None for a total over a period or without dates.
    pub day: Option<Day>,
    /// The period of a total, where the file names one.
    pub period: Option<DayRange>,
    /// Campaign as the file calls it; empty when it names none.
    pub campaign: String,
    /// Spend.
    pub spend: Micros,
    /// Events counted; absent = zero.
    pub events: BTreeMap<Event, u64>,
    /// Value of purchases; zero where the file has none.
    pub value: Micros,
}

/// A row with spend but without impressions: its counts cannot be trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// Its day, where known.
    pub day: Option<Day>,
    /// Its line (or row, counted from 1) in the file.
    pub line: usize,
    /// Its campaign.
    pub campaign: String,
    /// Its spend.
    pub spend: Micros,
}

/// Sums over rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// Days with a row; for totals, days of the named period; 0 when the file does not say.
    pub days: usize,
    /// Spend.
    pub spend: Micros,
    /// Events.
    pub events: BTreeMap<Event, u64>,
    /// Value of purchases.
    pub value: Micros,
}

impl Totals {
    /// Count of one event.
    pub fn count(&self, event: Event) -> u64 {
        self.events.get(&event).copied().unwrap_or(0)
    }
    /// Adds a row.
    pub fn add(&mut self, row: &DayRow) {
        self.spend = self.spend.plus(row.spend);
        self.value = self.value.plus(row.value);
        for (event, n) in &row.events {
            let sum = self.events.entry(*event).or_default();
            *sum = sum.saturating_add(*n);
        }
    }
}

/// A file as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What messages call the file.
    pub file: String,
    /// Its currency, where it says.
    pub currency: Option<Currency>,
    /// Complete rows, by day and campaign.
    pub rows: Vec<DayRow>,
    /// Rows that were left out.
    pub gaps: Vec<Gap>,
    /// Events the file has a column (or action) for.
    pub known: BTreeSet<Event>,
    /// The columns or fields found, for messages.
    pub found: Vec<String>,
    /// What a reader should know about how the file was read.
    pub notes: Vec<String>,
}

impl Table {
    /// The macro-conversion of the file: purchases, else leads.
    pub fn macro_event(&self) -> Result<Event, ExportError> {
        let known = |event: &Event| self.known.contains(event);
        let sells = |event: &Event| self.rows.iter().any(|row| row.events.contains_key(event));
        let order = [Event::Purchase, Event::Lead];
        let event = order.iter().find(|e| known(e) && sells(e)).or(order.iter().find(|e| known(e)));
        event.copied().ok_or_else(|| ExportError::NoPurchases {
            file: self.file.clone(),
            found: self.found.join(", "),
        })
    }
    /// True when every row has its own day.
    pub fn is_daily(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.day.is_some())
    }
    /// Campaigns in the file, sorted.
    pub fn campaigns(&self) -> BTreeSet<&str> {
        self.rows.iter().map(|row| row.campaign.as_str()).collect()
    }
    /// What to call the arm: its campaign when there is exactly one, else the file.
    pub fn arm_name(&self) -> String {
        let campaigns = self.campaigns();
        match campaigns.first() {
            Some(only) if campaigns.len() == 1 && !only.is_empty() => (*only).to_owned(),
            _ => self.file.clone(),
        }
    }
    /// The rows of one campaign only; None when the file has no such campaign.
    #[must_use]
    pub fn only(mut self, campaign: &str) -> Option<Self> {
        self.rows.retain(|row| row.campaign == campaign);
        self.gaps.retain(|gap| gap.campaign == campaign);
        (!self.rows.is_empty() || !self.gaps.is_empty()).then_some(self)
    }
    /// Sums over the complete rows.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { days: self.days(), ..Totals::default() };
        self.rows.iter().for_each(|row| totals.add(row));
        totals
    }
    /// Sums by day; empty unless the rows have days.
    pub fn by_day(&self) -> BTreeMap<Day, Totals> {
        let mut days = BTreeMap::new();
        for row in &self.rows {
            if let Some(day) = row.day {
                days.entry(day).or_insert_with(|| Totals { days: 1, ..Totals::default() }).add(row);
            }
        }
        days
    }
    fn days(&self) -> usize {
        let covered: BTreeSet<Day> = self
            .rows
            .iter()
            .flat_map(|row| {
                let day = row.day.and_then(|day| DayRange::new(day, day));
                day.or(row.period).into_iter().flat_map(DayRange::iter)
            })
            .collect();
        covered.len()
    }
}

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Nothing in it.
    #[error("{file} is empty")]
    Empty {
        /// The file.
        file: String,
    },
    /// A header and no rows that could be used.
    #[error("{file} has no data rows (columns: {found})")]
    NoRows {
        /// The file.
        file: String,
        /// Columns found.
        found: String,
    },
    /// No column for spend.
    #[error("{file} has no spend column (found: {found})")]
    NoSpend {
        /// The file.
        file: String,
        /// Columns found.
        found: String,
    },
    /// No column for purchases or leads.
    #[error("{file} has no purchase column (found: {found})")]
    NoPurchases {
        /// The file.
        file: String,
        /// Columns found.
        found: String,
    },
    /// A cell that is not a number.
    #[error("{file} line {line}: {text:?} in column {column:?} is not a number")]
    Number {
        /// The file.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// Column.
        column: String,
        /// What stands there.
        text: String,
    },
    /// A cell that is not a date.
    #[error("{file} line {line}: {text:?} in column {column:?} is not a date")]
    Date {
        /// The file.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// Column.
        column: String,
        /// What stands there.
        text: String,
    },
    /// Broken table or JSON.
    #[error("{file} cannot be read: {detail}")]
    Broken {
        /// The file.
        file: String,
        /// What the parser says.
        detail: String,
    },
    /// Two currencies in one file.
    #[error("{file} mixes currencies: {one} and {other}")]
    Currencies {
        /// The file.
        file: String,
        /// One of them.
        one: Currency,
        /// The other.
        other: Currency,
    },
}

impl ExportError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty { .. } | Self::NoRows { .. } => {
                "export the campaign again with a date range that has delivery"
            }
            Self::NoSpend { .. } => {
                "add the column \"Amount spent\" to the report, or name the column \"Spend\""
            }
            Self::NoPurchases { .. } => {
                "add the column \"Purchases\" to the report; \"Results\" alone counts only when \"Result indicator\" \
                 names a purchase"
            }
            Self::Number { .. } => "plain numbers such as 1234.50 or 1.234,50 are expected",
            Self::Date { .. } => "dates such as 2026-08-01, 1.08.2026 or 1/8/2026 are expected",
            Self::Broken { .. } => {
                "a delimited table with a header line, or insights rows as JSON, is expected"
            }
            Self::Currencies { .. } => "export one currency at a time",
        }
    }
}
