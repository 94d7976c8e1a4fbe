//! The same decision bytes whatever the platform's mathematics say.
//!
//! This stands in for a run against another C library: a small library is put before the real one (`LD_PRELOAD`) that
//! makes every transcendental function a little wrong, as two honest libraries differ in their last digits, only coarser.
//! Decisions must not notice; a control in the same process must. The real thing, where a musl toolchain is at hand:
//!
//! ```text
//! rungwise demo --dir DIR
//! cargo build --release --target x86_64-unknown-linux-musl
//! target/x86_64-unknown-linux-musl/release/rungwise --dir DIR replay --all
//! ```

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rungwise::domain::{decide::decide, evidence::Evidence, policy::RuleName};

#[path = "support/evidence.rs"]
mod made;

/// Every function of `math.h` that this program or its libraries could be led to, each a ten-millionth off.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
static long calls;
#define OFF(y) (calls++, (y) * 1.0000001)
__attribute__((destructor)) static void tell(void) { fprintf(stderr, "false mathematics: %ld calls\n", calls); }
#define ONE(name) double name(double x) { \
    static double (*real)(double); \
    if (!real) real = (double (*)(double))dlsym(RTLD_NEXT, #name); \
    return OFF(real(x)); }
#define TWO(name) double name(double x, double y) { \
    static double (*real)(double, double); \
    if (!real) real = (double (*)(double, double))dlsym(RTLD_NEXT, #name); \
    return OFF(real(x, y)); }
ONE(exp) ONE(exp2) ONE(expm1) ONE(log) ONE(log2) ONE(log10) ONE(log1p) ONE(sin) ONE(cos) ONE(tan) ONE(asin) ONE(acos)
ONE(atan) ONE(sinh) ONE(cosh) ONE(tanh) ONE(asinh) ONE(acosh) ONE(atanh) ONE(erf) ONE(erfc) ONE(lgamma) ONE(tgamma)
ONE(cbrt) TWO(pow) TWO(atan2) TWO(hypot)
double lgamma_r(double x, int *sign) {
    static double (*real)(double, int *);
    if (!real) real = (double (*)(double, int *))dlsym(RTLD_NEXT, "lgamma_r");
    return OFF(real(x, sign)); }
"#;

/// Compiles the library; SQLite is built from C too, so there is a compiler wherever this program was built.
fn shim(dir: &Path) -> PathBuf {
    let (source, library) = (dir.join("shim.c"), dir.join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-fno-builtin", "-w", "-o"])
        .args([&library, &source])
        .args(["-ldl", "-lm"])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}

/// Situations that between them pass through every kind of figure.
fn situations() -> Vec<(String, Evidence)> {
    let mut all = Vec::new();
    for rule in RuleName::NAMES {
        for testing in [false, true] {
            for wobble in [0, 3] {
                let mut policy = made::policy();
                policy.compare.rule = RuleName::parse(rule).unwrap();
                let mut evidence = made::evidence(&policy, wobble, testing);
                if wobble == 3 {
                    // Hardly any purchases: gates, budgets and other branches of the special functions.
                    for day in &mut evidence.days {
                        day.incumbent.events[4] /= 2;
                        day.incumbent.events[3] /= 2;
                    }
                }
                all.push((format!("{rule} {testing} {wobble}"), evidence));
            }
        }
    }
    all
}

/// Takes every decision and says what the platform makes of four functions. Runs in a process of its own.
#[test]
#[ignore = "started by the test below"]
fn child() {
    println!();
    for (name, evidence) in situations() {
        let decision = decide(&evidence);
        assert!(!decision.conclusion.is_empty());
        println!("decision {name}: {}", Evidence::hash(&decision.bytes()));
    }
    let x = black_box(0.7_f64);
    println!("platform {:?}", [x.exp(), x.ln(), x.powf(1.3), x.sin()].map(f64::to_bits));
}

fn lines(output: &Output, start: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter(|l| l.starts_with(start)).map(str::to_owned).collect()
}

#[test]
fn decisions_are_the_same_bytes_under_another_mathematics_library() {
    let dir = tempfile::tempdir().unwrap();
    let library = shim(dir.path());
    let run = |with: Option<&Path>| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["child", "--exact", "--ignored", "--nocapture", "--test-threads", "1"]);
        if let Some(library) = with {
            child.env("LD_PRELOAD", library);
        }
        child.output().unwrap()
    };
    let (plain, other) = (run(None), run(Some(&library)));
    let decisions = lines(&plain, "decision ");
    assert_eq!(decisions.len(), situations().len());
    assert_eq!(decisions, lines(&other, "decision "));
    let platform = lines(&plain, "platform ");
    assert_eq!(platform.len(), 1);
    assert_ne!(platform, lines(&other, "platform "), "the library was not in effect");
}

/// The same with the program itself on a database of forty weeks.
#[test]
#[ignore = "a minute in release: lives through the demo"]
fn a_whole_history_replays_to_the_same_bytes_under_another_mathematics_library() {
    let dir = tempfile::tempdir().unwrap();
    let library = shim(dir.path());
    let state = dir.path().join("demo");
    let run = |words: &[&str], with: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rungwise"));
        command.args(words);
        if with {
            command.env("LD_PRELOAD", &library);
        }
        command.output().unwrap()
    };
    let state = state.to_string_lossy().into_owned();
    lines(&run(&["demo", "--dir", &state], false), "");
    let replay = run(&["--dir", &state, "replay", "--all"], true);
    let told = String::from_utf8_lossy(&replay.stderr);
    assert!(told.contains("false mathematics: "), "the library was not in effect: {told}");
    println!("{}{told}", lines(&replay, "").join("\n"));
}
