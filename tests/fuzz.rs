//! Every parser of foreign bytes on mutated inputs, on stable and within seconds; `fuzz/` runs the same entries under
//! libFuzzer for as long as wanted. `RUNGWISE_FUZZ` sets how many inputs each entry gets here.

#[path = "support/asked.rs"]
mod asked;

#[path = "fuzz_cases/entries.rs"]
mod entries;

use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

/// Pieces that break parsers more often than chance does.
const PIECES: [&[u8]; 24] = [
    b"null",
    b"-1",
    b"1e400",
    b"NaN",
    b"9007199254740993",
    b"9223372036854775808",
    b"\"",
    b"\\u0000",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":",
    b"}}}}",
    b"\r\n",
    b"\0",
    b"\xe2\x80\xae",
    b"0.1.2",
    b"2026-02-30",
    b"12,50",
    b"1,250",
    b"\xd9\xa1\xd9\xa2",
    b"true",
    b",,,,;;;;",
    b"\x1b[31m",
];

fn mutated(seeds: &[&[u8]], rng: &mut Pcg64Mcg) -> Vec<u8> {
    let mut bytes = seeds[rng.random_range(0..seeds.len())].to_vec();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=bytes.len());
        let piece = PIECES[rng.random_range(0..PIECES.len())];
        match rng.random_range(0..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes.truncate(at),
            2 => drop(bytes.splice(at..at, piece.iter().copied())),
            3 => {
                let end = (at + rng.random_range(1..40)).min(bytes.len());
                bytes.splice(at..end, piece.iter().copied());
            }
            4 => {
                let end = (at + rng.random_range(1..60)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.extend(copy);
            }
            5 => {
                let other = seeds[rng.random_range(0..seeds.len())];
                let from = rng.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ if at < bytes.len() => drop(bytes.remove(at)),
            _ => {}
        }
    }
    bytes
}

#[test]
fn no_parser_panics_or_dawdles_on_mutated_bytes() {
    let wanted = crate::asked::asked("RUNGWISE_FUZZ");
    let wanted: usize = wanted.unwrap_or(40);
    for (name, entry, seeds) in entries::all() {
        let mut rng = Pcg64Mcg::seed_from_u64(name.bytes().map(u64::from).sum());
        let mut slowest = Duration::ZERO;
        for n in 0..wanted + seeds.len() {
            let bytes = seeds.get(n).map_or_else(|| mutated(&seeds, &mut rng), |s| s.to_vec());
            let begun = Instant::now();
            let survived = std::panic::catch_unwind(|| entry(&bytes));
            assert!(survived.is_ok(), "{name} on {:?}", String::from_utf8_lossy(&bytes));
            slowest = slowest.max(begun.elapsed());
        }
        assert!(slowest < Duration::from_secs(5), "{name} took {slowest:?} on one input");
        println!("{name}: {wanted} inputs, slowest {slowest:?}");
    }
}

#[test]
fn nesting_and_size_are_no_way_to_bring_a_parser_down() {
    let deep = [b"[".repeat(10_000), b"{\"a\":".repeat(10_000)];
    let wide = [
        format!("{{\"data\":[{}]}}", vec!["{}"; 20_000].join(",")).into_bytes(),
        format!("a{}\n", ";b".repeat(20_000)).into_bytes(),
        b"* ".repeat(10_000),
        "x".repeat(1_000_000).into_bytes(),
    ];
    for (name, entry, _) in entries::all() {
        for bytes in deep.iter().chain(&wide) {
            let begun = Instant::now();
            let survived = std::panic::catch_unwind(|| entry(bytes));
            assert!(survived.is_ok(), "{name} on {} bytes", bytes.len());
            assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn every_entry_is_a_target_of_libfuzzer_too() {
    let targets = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets");
    for (name, ..) in entries::all() {
        let text = std::fs::read_to_string(format!("{targets}/{name}.rs"));
        let text = text.unwrap_or_else(|e| panic!("{targets}/{name}.rs: {e}"));
        assert!(text.contains(&format!("entries::{name}(data)")), "{name}");
    }
}

#[derive(Clone, Default)]
struct Buffer(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics while writing").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn five_thousand_hostile_names_stay_one_line_each_in_logs_tables_and_exports() {
    const HOSTILE: [&str; 14] = [
        "\r\n2026-01-01T00:00:00Z ERROR forged",
        "\u{1b}[2J\u{1b}[31m",
        "\u{9b}31m",
        "\u{202e}gpj.exe",
        "\u{2066}x\u{2069}",
        "\0",
        "</script><script>",
        "\u{2028}",
        "\u{2029}",
        "\u{85}",
        "\u{7f}",
        "\u{feff}",
        "=cmd()|' /C calc'!A0",
        "Sommer 🛒",
    ];
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let config = rungwise::config::LogConfig {
        filter: "info".to_owned(),
        format: rungwise::config::LogFormat::Text,
    };
    let subscriber = rungwise::telemetry::subscriber(&config, move || writer.clone()).unwrap();
    let mut rng = Pcg64Mcg::seed_from_u64(5);
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..5_000 {
            let parts = rng.random_range(1..5);
            let name: String =
                (0..parts).map(|_| HOSTILE[rng.random_range(0..HOSTILE.len())]).collect();
            let shown = rungwise::domain::one_line(&name);
            assert!(!shown.chars().any(char::is_control), "{name:?}");
            assert!(!shown.contains(['\u{202e}', '\u{2066}', '\u{2028}', '\u{2029}', '\u{feff}']));
            let exported = serde_json::json!({ "name": name }).to_string();
            let exported = rungwise::domain::inert_json(&exported);
            assert!(!exported.chars().any(char::is_control), "{exported:?}");
            tracing::info!(campaign = %name, "{name} was read");
        }
    });
    let log = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.split('\n').count(), 5_001, "one event, one line");
    assert!(!log.contains(['\r', '\0', '\u{1b}', '\u{9b}', '\u{202e}', '\u{2028}', '\u{85}']));
}
