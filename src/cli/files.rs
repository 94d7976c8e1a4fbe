//! Opens the exports that `compare` and `advise` are given.

use std::{fs, path::Path};

use crate::exports::{self, ExportError, Table};

/// Why a file given on the command line cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened.
    #[error("{file} cannot be opened: {source}")]
    Open {
        /// The file.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It cannot be understood.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// It has no such campaign.
    #[error("{file} has no campaign {campaign:?} (it has: {known})")]
    Campaign {
        /// The file.
        file: String,
        /// The campaign asked for.
        campaign: String,
        /// Those it has.
        known: String,
    },
}

impl FileError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open { .. } => "give the path of a CSV export or of insights rows as JSON",
            Self::Export(error) => error.hint(),
            Self::Campaign { .. } => "write FILE#CAMPAIGN with the name exactly as in the file",
        }
    }
}

/// Reads `FILE`, or one campaign of it as `FILE#CAMPAIGN`.
pub fn open(argument: &str) -> Result<Table, FileError> {
    let (path, campaign) = match argument.rsplit_once('#') {
        Some((path, campaign)) if !Path::new(argument).exists() => (path, Some(campaign)),
        _ => (argument, None),
    };
    let bytes =
        fs::read(path).map_err(|source| FileError::Open { file: path.to_owned(), source })?;
    let name = Path::new(path).file_name().map_or(path.into(), |name| name.to_string_lossy());
    let table = exports::read(&name, &bytes)?;
    let Some(campaign) = campaign else { return Ok(table) };
    let known = table.campaigns().into_iter().collect::<Vec<_>>().join(", ");
    table.only(campaign).ok_or_else(|| FileError::Campaign {
        file: path.to_owned(),
        campaign: campaign.to_owned(),
        known,
    })
}
