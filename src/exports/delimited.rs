//! Delimited tables.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    dates,
    event::Event,
    header::{Column, names_a_total, recognise, result_event},
    number::{self, Style},
    table::{DayRow, ExportError, Gap, Micros, Table},
    text,
};
use crate::domain::{Currency, Day, DayRange};

pub(super) fn read(file: &str, text: &str) -> Result<Table, ExportError> {
    let delimiter = text::delimiter(text);
    let broken = |detail: String| ExportError::Broken { file: file.to_owned(), detail };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| broken(e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let filled = record.iter().any(|cell| !cell.trim().is_empty());
        if filled {
            records.push(Line { number: usize::try_from(line).unwrap_or(0), cells: record });
        }
    }
    // Some exports open with a title; the header is the first line that names a spend column.
    let at = records.iter().take(10).position(Line::names_spend);
    let header = at.and_then(|at| records.get(at));
    let Some((at, header)) = at.zip(header) else {
        let found = records.first().map(|l| l.cells.iter().collect::<Vec<_>>().join(", "));
        let found = found.unwrap_or_default().chars().take(400).collect();
        return Err(ExportError::NoSpend { file: file.to_owned(), found });
    };
    let columns = Columns::new(header);
    let lines = records.get(at + 1..).unwrap_or_default();
    let default = if delimiter == b';' { Style::Comma } else { Style::Point };
    let numeric = columns.numeric();
    let cells = lines.iter().flat_map(|l| numeric.iter().filter_map(|i| l.cells.get(*i)));
    let style = number::style(cells, default);
    Sheet { file, columns, lines, style }.table()
}

/// A record and where it stands.
struct Line {
    number: usize,
    cells: csv::StringRecord,
}

impl Line {
    fn names_spend(&self) -> bool {
        self.cells.iter().any(|c| matches!(recognise(c), Some((Column::Spend, ..))))
    }
}

/// Where the known columns are.
struct Columns {
    names: Vec<String>,
    at: BTreeMap<Column, usize>,
    currency: Option<Currency>,
    ignored: Vec<String>,
}

impl Columns {
    fn new(header: &Line) -> Self {
        let mut best: BTreeMap<Column, (usize, usize)> = BTreeMap::new();
        let mut currency = None;
        let mut ignored = Vec::new();
        let names: Vec<String> = header.cells.iter().map(str::to_owned).collect();
        for (index, cell) in names.iter().enumerate() {
            let Some((column, rank, code)) = recognise(cell) else { continue };
            if column == Column::Spend {
                currency = currency.or(code);
            }
            let old = best.get(&column).copied();
            let worse = old.is_some_and(|(known, _)| known <= rank);
            if matches!(column, Column::Spend | Column::Value | Column::Count(_)) {
                let loser = if worse { Some(index) } else { old.map(|(_, at)| at) };
                ignored.extend(loser.and_then(|at| names.get(at)).cloned());
            }
            if !worse {
                best.insert(column, (rank, index));
            }
        }
        let at = best.into_iter().map(|(column, (_, index))| (column, index)).collect();
        Self { names, at, currency, ignored }
    }
    fn numeric(&self) -> Vec<usize> {
        let numeric = |column: &Column| {
            matches!(column, Column::Spend | Column::Value | Column::Impressions | Column::Count(_))
        };
        self.at.iter().filter(|(column, _)| numeric(column)).map(|(_, index)| *index).collect()
    }
    fn cell<'a>(&self, line: &'a Line, column: Column) -> Option<&'a str> {
        line.cells.get(*self.at.get(&column)?)
    }
    fn name(&self, column: Column) -> String {
        self.at.get(&column).and_then(|i| self.names.get(*i)).cloned().unwrap_or_default()
    }
}

/// A table being read.
struct Sheet<'a> {
    file: &'a str,
    columns: Columns,
    lines: &'a [Line],
    style: Style,
}

/// Rows of the same day or period and campaign.
type Key = (Option<Day>, Option<(Day, Day)>, String);

impl Sheet<'_> {
    fn table(&self) -> Result<Table, ExportError> {
        let mut notes = Vec::new();
        let mut known: BTreeSet<Event> =
            self.columns.at.keys().copied().filter_map(Self::counted).collect();
        let mut currency = self.columns.currency;
        let (mut gaps, mut totals) = (Vec::new(), 0_usize);
        let mut merged: BTreeMap<Key, DayRow> = BTreeMap::new();
        let order = dates::order(&self.date_cells());
        let has_impressions = self.columns.at.contains_key(&Column::Impressions);
        for line in self.lines {
            if self.is_total(line) {
                totals += 1;
                continue;
            }
            self.check_currency(line, &mut currency)?;
            let Some(spend) = self.number(line, Column::Spend, false)? else { continue };
            let spend = Micros(spend);
            let (day, period) = self.date(line, order)?;
            let campaign = self.columns.cell(line, Column::Campaign).unwrap_or_default().to_owned();
            let impressions = self.number(line, Column::Impressions, true)?.unwrap_or(0);
            if has_impressions && impressions == 0 && spend.0 > 0 {
                gaps.push(Gap { day, line: line.number, campaign, spend });
                continue;
            }
            let (events, value) = self.counts(line, &mut known)?;
            let key = (day, period.map(|p| (p.since(), p.until())), campaign.clone());
            let blank = || DayRow {
                day,
                period,
                campaign,
                spend: Micros(0),
                events: BTreeMap::new(),
                value: Micros(0),
            };
            let row = merged.entry(key).or_insert_with(blank);
            row.spend = row.spend.plus(spend);
            row.value = row.value.plus(value);
            for (event, n) in events {
                let sum = row.events.entry(event).or_default();
                *sum = sum.saturating_add(n);
            }
        }
        let found: Vec<String> = self.columns.names.clone();
        if merged.is_empty() && gaps.is_empty() {
            let file = self.file.to_owned();
            return Err(ExportError::NoRows { file, found: found.join(", ") });
        }
        if totals > 0 {
            notes.push(format!("{totals} totals row(s) skipped"));
        }
        if !self.columns.ignored.is_empty() {
            let names = self.columns.ignored.join(", ");
            notes.push(format!("second name of a column already counted, ignored: {names}"));
        }
        let rows = merged.into_values().collect();
        Ok(Table { file: self.file.to_owned(), currency, rows, gaps, known, found, notes })
    }

    fn counted(column: Column) -> Option<Event> {
        match column {
            Column::Count(event) => Some(event),
            _ => None,
        }
    }

    /// A row that sums up others: named so, or without any of the names and dates that the other rows have.
    fn is_total(&self, line: &Line) -> bool {
        let names = [Column::Campaign, Column::AdSet, Column::Ad, Column::Day];
        let cells: Vec<&str> =
            names.into_iter().filter_map(|column| self.columns.cell(line, column)).collect();
        if cells.is_empty() {
            return line.cells.get(0).is_some_and(names_a_total);
        }
        let nameless = cells.iter().all(|cell| number::is_missing(cell));
        let many = self.lines.len() > 1;
        (nameless && many)
            || cells.iter().any(|c| !number::is_missing(c) && names_a_total_row(c, &cells))
    }

    fn check_currency(
        &self,
        line: &Line,
        currency: &mut Option<Currency>,
    ) -> Result<(), ExportError> {
        let code = self.columns.cell(line, Column::CurrencyCode);
        let Some(code) = code.and_then(|c| c.parse::<Currency>().ok()) else { return Ok(()) };
        let one = *currency.get_or_insert(code);
        if one == code {
            return Ok(());
        }
        Err(ExportError::Currencies { file: self.file.to_owned(), one, other: code })
    }

    fn number(
        &self,
        line: &Line,
        column: Column,
        counts: bool,
    ) -> Result<Option<i64>, ExportError> {
        let Some(cell) = self.columns.cell(line, column) else { return Ok(None) };
        if number::is_missing(cell) {
            return Ok(None);
        }
        let parsed = number::parse(cell, self.style, counts).filter(|n| *n >= 0);
        parsed.map(Some).ok_or_else(|| ExportError::Number {
            file: self.file.to_owned(),
            line: line.number,
            column: self.columns.name(column),
            text: cell.chars().take(40).collect(),
        })
    }

    fn counts(
        &self,
        line: &Line,
        known: &mut BTreeSet<Event>,
    ) -> Result<(BTreeMap<Event, u64>, Micros), ExportError> {
        let mut events = BTreeMap::new();
        let whole = |micros: i64| u64::try_from((micros + 500_000) / 1_000_000).unwrap_or(0);
        for event in Event::ALL {
            if let Some(n) = self.number(line, Column::Count(event), true)? {
                events.insert(event, whole(n));
            }
        }
        let mut value = self.number(line, Column::Value, false)?;
        // "Results" counts what its indicator says, unless the event has a column of its own.
        let indicator = self.columns.cell(line, Column::ResultIndicator);
        if let Some(event) = indicator.and_then(result_event) {
            let own = self.columns.at.contains_key(&Column::Count(event));
            if !own && let Some(n) = self.number(line, Column::Results, true)? {
                known.insert(event);
                events.insert(event, whole(n));
            }
            if event == Event::Purchase && value.is_none() {
                value = self.number(line, Column::ResultValue, false)?;
            }
        }
        events.retain(|_, n| *n > 0);
        Ok((events, Micros(value.unwrap_or(0))))
    }

    fn date_cells(&self) -> impl Iterator<Item = &str> + Clone {
        let column = [Column::Day, Column::Starts]
            .into_iter()
            .find(|column| self.columns.at.contains_key(column));
        self.lines
            .iter()
            .filter(|line| !self.is_total(line))
            .filter_map(move |line| self.columns.cell(line, column?))
            .filter(|cell| !number::is_missing(cell))
    }

    fn date(
        &self,
        line: &Line,
        order: dates::Order,
    ) -> Result<(Option<Day>, Option<DayRange>), ExportError> {
        let read = |column: Column| {
            let Some(cell) = self.columns.cell(line, column) else { return Ok(None) };
            if number::is_missing(cell) {
                return Ok(None);
            }
            dates::parse(cell, order).map(Some).ok_or_else(|| ExportError::Date {
                file: self.file.to_owned(),
                line: line.number,
                column: self.columns.name(column),
                text: cell.chars().take(40).collect(),
            })
        };
        if let Some(day) = read(Column::Day)? {
            return Ok((Some(day), None));
        }
        let (starts, ends) = (read(Column::Starts)?, read(Column::Ends)?);
        Ok(match (starts, ends) {
            (Some(one), Some(other)) if one == other => (Some(one), None),
            (Some(since), Some(until)) => (None, DayRange::new(since, until)),
            _ => (None, None),
        })
    }
}

/// A name like "Total" marks a totals row only where the other names of the row are empty: a campaign may be called
/// "Total Home".
fn names_a_total_row(cell: &str, all: &[&str]) -> bool {
    let filled = all.iter().filter(|c| !number::is_missing(c)).count();
    names_a_total(cell) && (filled == 1 && all.len() > 1 || cell.split(' ').count() == 1)
}
