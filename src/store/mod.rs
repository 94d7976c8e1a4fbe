//! The only place that knows sqlx.
