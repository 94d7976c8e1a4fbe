//! Rungwise climbs Meta ads up the conversion ladder, one proven rung at a time, and can prove every cent it moved.
//!
//! Suggested reading order: [`domain`] (the pure rules), [`ports`] (the few traits between rules and world), [`app`]
//! (use cases), then the rooms that touch the world. `ARCHITECTURE.md` is the map.

pub mod app;
pub mod boot;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod exports;
pub mod graph;
pub mod planted;
pub mod ports;
pub mod rehearse;
pub mod sandbox;
pub mod store;
pub mod study;
pub mod telemetry;
