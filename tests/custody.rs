//! Secrets at rest: sealed, renewed, and under a new key, cut off at every point.

#[cfg(test)]
#[path = "custody_cases/at_rest.rs"]
mod at_rest;
