//! Bad input through the real binary: one line, a hint, an exit code, and nothing changed.

#[cfg(test)]
#[path = "process_cases/bad_input.rs"]
mod bad_input;
#[cfg(test)]
#[path = "process_cases/bad_values.rs"]
mod bad_values;
#[cfg(test)]
mod support;
