#![no_main]

#[path = "../../tests/fuzz_cases/entries.rs"]
#[allow(dead_code, reason = "one entry per target")]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::error_body(data));
