//! Configuration: embedded defaults, file, environment; checked as a whole.
