//! How much a long test is asked for: a few cases by default, as many as an environment variable says.

use std::str::FromStr;

/// The value of an environment variable, where there is one that can be read.
#[expect(clippy::disallowed_methods, reason = "how long to try is up to whoever runs the test")]
pub(crate) fn asked<T: FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}
