//! Reads Ads Manager exports and insights JSON as people have them.
//!
//! [`read`] takes the bytes of one file: delimited text (`,` `;` or tab, any encoding spreadsheets write, headers in nine
//! interface languages, decimal comma or point) or insights rows (a JSON array, an object with `data`, or JSON lines).
//! What it cannot trust it reports: totals rows are skipped, spend without impressions becomes a [`Gap`], and aliases of
//! one event are never added up.

mod dates;
mod delimited;
mod event;
mod header;
mod insights;
mod number;
mod table;
mod text;

pub use event::Event;
pub use table::{DayRow, ExportError, Gap, Micros, Table, Totals};

/// Reads one file; `name` is what messages call it.
pub fn read(name: &str, bytes: &[u8]) -> Result<Table, ExportError> {
    let text = text::decode(bytes);
    let body = text.trim_start();
    if body.trim_end().is_empty() {
        return Err(ExportError::Empty { file: name.to_owned() });
    }
    if body.starts_with('[') || body.starts_with('{') {
        insights::read(name, body)
    } else {
        delimited::read(name, &text)
    }
}
