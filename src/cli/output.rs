//! The only place that touches stdout and stderr: stdout is data, stderr is talk.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Failure, Said};
use crate::domain::{inert_json, one_line};

/// Data and talk of one command.
#[derive(Debug)]
pub struct Output {
    /// Print JSON instead of text.
    pub json: bool,
}

impl Output {
    /// One line of data.
    pub fn line(&self, text: &str) -> Said {
        self.write(format!("{}\n", one_line(text)).as_bytes())
    }
    /// Data as it is.
    pub fn write(&self, bytes: &[u8]) -> Said {
        match io::stdout().lock().write_all(bytes) {
            // A closed pipe (`| head`) is not an error of ours.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(Failure::output),
        }
    }
    /// A JSON document, pretty.
    pub fn document(&self, value: &impl Serialize) -> Said {
        let text = serde_json::to_string_pretty(value).map_err(|e| Failure::output(e.into()))?;
        self.write(format!("{}\n", inert_json(&text)).as_bytes())
    }
    /// A JSON document on one line.
    pub fn compact(&self, value: &impl Serialize) -> Said {
        let text = serde_json::to_string(value).map_err(|e| Failure::output(e.into()))?;
        self.write(format!("{}\n", inert_json(&text)).as_bytes())
    }
    /// A bar that shows how far something long has come; on stderr, and only where a person can see it.
    pub fn progress(&self, unit: &'static str) -> ProgressBar {
        let form = format!("{{elapsed}} {{bar:30}} {{pos}} of {{len}} {unit}, {{msg}}");
        let style = ProgressStyle::with_template(&form).unwrap_or(ProgressStyle::default_bar());
        ProgressBar::new(0).with_style(style)
    }
    /// Talk.
    pub fn say(&self, text: &str) {
        // Talk that nobody can hear is lost on purpose.
        let _ = writeln!(io::stderr().lock(), "{}", one_line(text));
    }
}
