//! Row to domain: typed access to columns, with the column's name in every error.

use std::fmt::Display;

use sqlx::{ColumnIndex, Decode, Row, Sqlite, Type, sqlite::SqliteRow};

use super::error::{document, failed};
use crate::{domain::Moment, ports::StoreError};

/// A row being read.
pub(crate) struct Got<'r> {
    row: &'r SqliteRow,
    doing: &'static str,
}

impl<'r> Got<'r> {
    pub(crate) fn new(row: &'r SqliteRow, doing: &'static str) -> Self {
        Self { row, doing }
    }
    fn get<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
        for<'c> &'c str: ColumnIndex<SqliteRow>,
    {
        self.row.try_get(column).map_err(failed(self.doing))
    }
    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.get(column)
    }
    pub(crate) fn optional_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }
    pub(crate) fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.get(column)
    }
    pub(crate) fn optional_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }
    pub(crate) fn count(&self, column: &str) -> Result<u64, StoreError> {
        u64::try_from(self.int(column)?).map_err(|e| document(column, &e))
    }
    pub(crate) fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }
    pub(crate) fn blob(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        self.get(column)
    }
    /// A blob where it stands, without a copy.
    pub(crate) fn bytes(&self, column: &str) -> Result<&'r [u8], StoreError> {
        self.get(column)
    }
    pub(crate) fn moment(&self, column: &str) -> Result<Moment, StoreError> {
        Ok(Moment::from_millis(self.int(column)?))
    }
    /// A checked value such as an id, a day or a currency.
    pub(crate) fn parsed<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: TryFrom<String>,
        T::Error: Display,
    {
        T::try_from(self.text(column)?).map_err(|e| document(column, &e))
    }
}
