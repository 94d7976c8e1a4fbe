//! Conversions between counts, money and the floats of the market, each in one place.

/// Nearest double of an integer.
#[expect(clippy::cast_precision_loss, reason = "counts and minor units stay far below 2^53")]
pub(super) fn float(x: i64) -> f64 {
    x as f64
}

/// Nearest integer, halves away from zero.
#[expect(clippy::cast_possible_truncation, reason = "saturating by definition of `as`")]
pub(super) fn round(x: f64) -> i64 {
    x.round() as i64
}

/// The whole part as a count; negative and absent become zero.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just before")]
pub(super) fn count(x: f64) -> u32 {
    x.floor().clamp(0.0, f64::from(u32::MAX)) as u32
}

/// A 64-bit hash of some numbers (SplitMix64 finaliser): the world's only source of chance outside the market.
pub(super) fn mix(parts: &[u64]) -> u64 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for part in parts {
        state = state.wrapping_add(*part).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state ^= state >> 30;
        state = state.wrapping_mul(0x94D0_49BB_1331_11EB);
        state ^= state >> 31;
    }
    state
}

/// `mix` mapped to 0 … 1.
pub(super) fn unit(parts: &[u64]) -> f64 {
    f64::from(u32::try_from(mix(parts) >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

/// A whole number in `low..=high`.
pub(super) fn between(low: i64, high: i64, parts: &[u64]) -> i64 {
    let width = u64::try_from(high - low + 1).unwrap_or(1).max(1);
    low + i64::try_from(mix(parts) % width).unwrap_or(0)
}
