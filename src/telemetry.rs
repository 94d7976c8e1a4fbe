//! Logging: one subscriber, to stderr, as text or JSON.
//!
//! The HTTP crates are silenced whatever filter is asked for: their events can hold URLs, and URLs can hold secrets.
//! What they would say reaches us as values of our own error types anyway.

use std::io;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    filter::{Targets, filter_fn},
    fmt::{MakeWriter, layer},
    layer::{Layer, SubscriberExt},
};

use crate::{
    config::{LogConfig, LogFormat},
    domain::one_line,
};

/// Crates whose events may show a URL or a header.
const SILENCED: [&str; 7] =
    ["reqwest", "hyper", "hyper_util", "h2", "rustls", "oauth2", "tower_http"];
/// Crates that would fill the log below warnings (sqlx logs each statement).
const QUIETED: [&str; 2] = ["sqlx", "axum"];

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("log.level {filter:?} is no log filter")]
    Filter {
        /// The filter.
        filter: String,
        /// What the parser says.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// A subscriber is already set in this process.
    #[error("logging was already started")]
    Started(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Starts logging to stderr for the whole process; once.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let subscriber = subscriber(config, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Started)
}

/// From now on a panic anywhere ends the process, after it was logged: half an agent would be worse than none, and what
/// it was doing is taken up at the next start.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // The payload may quote a value: only what was written in the source is shown.
        let what = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("a panic");
        tracing::error!(place, "the program is wrong and ends here: {what}");
        end();
    }));
}

/// Not `abort`: a core file would hold the token.
#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "destructors of half an agent must not run"
)]
fn end() -> ! {
    std::process::exit(1)
}

/// The subscriber with another writer, for tests.
pub fn subscriber<W>(
    config: &LogConfig,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let targets: Targets = config
        .filter
        .parse()
        .map_err(|source| TelemetryError::Filter { filter: config.filter.clone(), source })?;
    let lines = layer().with_writer(OneLines(writer)).with_ansi(false);
    let lines: Box<dyn Layer<_> + Send + Sync> = match config.format {
        LogFormat::Text => Box::new(lines),
        LogFormat::Json => Box::new(lines.json().flatten_event(true)),
    };
    Ok(tracing_subscriber::registry().with(lines).with(targets).with(filter_fn(may_show)))
}

/// Makes writers that keep each event on its line.
struct OneLines<M>(M);

impl<'w, M: MakeWriter<'w>> MakeWriter<'w> for OneLines<M> {
    type Writer = OneLine<M::Writer>;
    fn make_writer(&'w self) -> Self::Writer {
        OneLine(self.0.make_writer())
    }
}

/// Keeps each event on its line: values in events are foreign text, and may hold line ends and escape sequences.
struct OneLine<W>(W);

impl<W: io::Write> io::Write for OneLine<W> {
    /// The formatter hands over one whole event at a time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let shown = one_line(text.strip_suffix('\n').unwrap_or(&text));
        self.0.write_all(shown.as_bytes())?;
        self.0.write_all(b"\n")?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn may_show(event: &Metadata<'_>) -> bool {
    let of = |names: &[&str]| {
        let root = event.target().split("::").next().unwrap_or_default();
        names.contains(&root)
    };
    !of(&SILENCED) && (!of(&QUIETED) || *event.level() <= Level::WARN)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);
    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: LogFormat) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let config = LogConfig { filter: filter.to_owned(), format };
        let subscriber = subscriber(&config, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "reqwest::connect", "https://host/?access_token=SECRET");
            tracing::warn!(target: "hyper_util::client", "SECRET");
            tracing::debug!(target: "sqlx::query", "SELECT");
            tracing::warn!(target: "sqlx::query", "slow statement");
            tracing::info!(target: "rungwise::app", hash = "abc", "planned");
            tracing::debug!(target: "rungwise::app", "detail");
        });
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn http_crates_stay_silent_even_when_everything_is_asked_for() {
        let all = logged("trace,reqwest=trace,reqwest::connect=trace", LogFormat::Text);
        assert!(!all.contains("SECRET"), "{all}");
        assert!(!all.contains("SELECT") && all.contains("slow statement"), "{all}");
        assert!(all.contains("planned") && all.contains("detail"), "{all}");
    }

    #[test]
    fn the_filter_holds_and_json_lines_are_json() {
        let lines = logged("info", LogFormat::Json);
        assert!(!lines.contains("detail"));
        let planned: serde_json::Value =
            serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!(planned["hash"], "abc");
    }

    #[test]
    fn an_event_is_one_line_whatever_its_values_hold() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let config = LogConfig { filter: "info".to_owned(), format: LogFormat::Text };
        let subscriber = subscriber(&config, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(
                name = "a\nb",
                "\r\n2026-01-01 ERROR forged \u{1b}[31m{}",
                "\u{202e}x\0"
            );
        });
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(text.ends_with('\n') && !text.contains(['\r', '\0', '\u{1b}', '\u{202e}']));
    }

    #[test]
    fn a_bad_filter_is_refused() {
        let config = LogConfig { filter: "info,app=loud".into(), format: LogFormat::Text };
        assert!(subscriber(&config, std::io::sink).is_err());
    }
}
