//! Raw rows of the Insights API.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    dates,
    event::Event,
    number,
    table::{DayRow, ExportError, Gap, Micros, Table},
};
use crate::domain::{Currency, Day, DayRange};

/// A row as the API returns it.
type Row = Map<String, Value>;

pub(super) fn read(file: &str, text: &str) -> Result<Table, ExportError> {
    let rows = rows(file, text)?;
    if rows.is_empty() {
        return Err(ExportError::Empty { file: file.to_owned() });
    }
    let fields: BTreeSet<&str> = rows.iter().flat_map(Map::keys).map(String::as_str).collect();
    let found: Vec<String> = fields.iter().map(|f| (*f).to_owned()).collect();
    if !fields.contains("spend") {
        return Err(ExportError::NoSpend { file: file.to_owned(), found: found.join(", ") });
    }
    let mut notes = Vec::new();
    let names = Names::choose(&rows, &mut notes);
    let mut known: BTreeSet<Event> = names.counts.keys().copied().collect();
    if fields.contains("actions") {
        // Where actions were asked for, an event that never occurs has occurred zero times.
        known.insert(Event::Purchase);
    }
    let reader = Reader { file, has_impressions: fields.contains("impressions"), names };
    let mut table = Table {
        file: file.to_owned(),
        currency: None,
        rows: Vec::new(),
        gaps: Vec::new(),
        known,
        found,
        notes,
    };
    let mut merged: BTreeMap<(Option<Day>, String, String), DayRow> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        reader.add(index + 1, row, &mut table, &mut merged)?;
    }
    table.rows = merged.into_values().collect();
    Ok(table)
}

/// The rows of an array, of an object with `data`, or of JSON lines of either.
fn rows(file: &str, text: &str) -> Result<Vec<Row>, ExportError> {
    let broken = |detail: String| ExportError::Broken { file: file.to_owned(), detail };
    let mut rows = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let value = value.map_err(|e| broken(e.to_string()))?;
        let list = match value {
            Value::Array(list) => list,
            Value::Object(mut object) => match object.remove("data") {
                Some(Value::Array(list)) => list,
                _ if object.contains_key("error") => {
                    return Err(broken("it is an error reply of the API, not rows".to_owned()));
                }
                _ => vec![Value::Object(object)],
            },
            other => return Err(broken(format!("rows are expected, found {other}"))),
        };
        for item in list {
            match item {
                Value::Object(row) => rows.push(row),
                other => return Err(broken(format!("a row is expected, found {other}"))),
            }
        }
    }
    Ok(rows)
}

/// The one action type that counts each event in this file.
struct Names {
    counts: BTreeMap<Event, String>,
    values: Option<String>,
}

impl Names {
    fn choose(rows: &[Row], notes: &mut Vec<String>) -> Self {
        let sums = |field: &str| {
            let mut sums: BTreeMap<String, i64> = BTreeMap::new();
            for (name, value) in rows.iter().flat_map(|row| entries(row, field)) {
                let sum = sums.entry(name.to_owned()).or_default();
                *sum = sum.saturating_add(value);
            }
            sums
        };
        let (actions, amounts) = (sums("actions"), sums("action_values"));
        let mut chosen = BTreeMap::new();
        for event in Event::ALL {
            let present: Vec<String> =
                event.action_types().into_iter().filter(|n| actions.contains_key(n)).collect();
            let Some(name) = present.first() else { continue };
            for other in &present {
                if actions.get(other) != actions.get(name) {
                    notes.push(format!("{name} is counted; {other} differs and is not added"));
                }
            }
            chosen.insert(event, name.clone());
        }
        let aliases = Event::Purchase.action_types();
        let values = aliases.into_iter().find(|name| amounts.contains_key(name));
        Self { counts: chosen, values }
    }
}

/// `(action_type, value in millionths)` of a list field.
fn entries<'a>(row: &'a Row, field: &str) -> impl Iterator<Item = (&'a str, i64)> {
    let list = row.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(|entry| {
        let name = entry.get("action_type")?.as_str()?;
        Some((name, micros(entry.get("value")?)?))
    })
}

/// Millionths of a number that the API writes as text, and notebooks as a number.
fn micros(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => number::micros(text.trim()),
        Value::Number(n) => number::micros(&n.to_string()),
        _ => None,
    }
}

struct Reader<'a> {
    file: &'a str,
    has_impressions: bool,
    names: Names,
}

impl Reader<'_> {
    fn add(
        &self,
        line: usize,
        row: &Row,
        table: &mut Table,
        merged: &mut BTreeMap<(Option<Day>, String, String), DayRow>,
    ) -> Result<(), ExportError> {
        let text = |key: &str| row.get(key).and_then(Value::as_str);
        let Some(spend) = self.number(line, row, "spend")? else { return Ok(()) };
        if let Some(code) = text("account_currency").and_then(|c| c.parse::<Currency>().ok()) {
            let one = *table.currency.get_or_insert(code);
            if one != code {
                let file = self.file.to_owned();
                return Err(ExportError::Currencies { file, one, other: code });
            }
        }
        let since = self.date(line, row, "date_start")?;
        let until = self.date(line, row, "date_stop")?;
        let day = since.filter(|day| until.is_none_or(|end| end == *day));
        let period = since.zip(until).and_then(|(a, b)| DayRange::new(a, b));
        let period = if day.is_some() { None } else { period };
        let campaign = text("campaign_name").or(text("campaign_id")).unwrap_or_default().to_owned();
        let spend = Micros(spend);
        let impressions = self.number(line, row, "impressions")?.unwrap_or(0);
        if self.has_impressions && impressions == 0 && spend.0 > 0 {
            table.gaps.push(Gap { day, line, campaign, spend });
            return Ok(());
        }
        let span = period.map(|p| format!("{}–{}", p.since(), p.until())).unwrap_or_default();
        let blank = || DayRow {
            day,
            period,
            campaign: campaign.clone(),
            spend: Micros(0),
            events: BTreeMap::new(),
            value: Micros(0),
        };
        let sum = merged.entry((day, span, campaign.clone())).or_insert_with(blank);
        sum.spend = sum.spend.plus(spend);
        for (event, name) in &self.names.counts {
            let count = entries(row, "actions").find(|(n, _)| n == name).map_or(0, |(_, v)| v);
            let count = u64::try_from((count + 500_000) / 1_000_000).unwrap_or(0);
            if count > 0 {
                let total = sum.events.entry(*event).or_default();
                *total = total.saturating_add(count);
            }
        }
        if let Some(name) = &self.names.values {
            let value = entries(row, "action_values").find(|(n, _)| n == name);
            sum.value = sum.value.plus(Micros(value.map_or(0, |(_, v)| v)));
        }
        Ok(())
    }

    fn number(&self, line: usize, row: &Row, field: &str) -> Result<Option<i64>, ExportError> {
        let Some(value) = row.get(field) else { return Ok(None) };
        if value.is_null() || value.as_str().is_some_and(number::is_missing) {
            return Ok(None);
        }
        micros(value).filter(|n| *n >= 0).map(Some).ok_or_else(|| ExportError::Number {
            file: self.file.to_owned(),
            line,
            column: field.to_owned(),
            text: value.to_string().chars().take(40).collect(),
        })
    }

    fn date(&self, line: usize, row: &Row, field: &str) -> Result<Option<Day>, ExportError> {
        let Some(text) = row.get(field).and_then(Value::as_str) else { return Ok(None) };
        let day = dates::parse(text, dates::Order::DayFirst);
        day.map(Some).ok_or_else(|| ExportError::Date {
            file: self.file.to_owned(),
            line,
            column: field.to_owned(),
            text: text.chars().take(40).collect(),
        })
    }
}
