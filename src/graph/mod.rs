//! The only place that knows Meta's spelling.
