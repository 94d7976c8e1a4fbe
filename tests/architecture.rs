//! Who may name whom: the arrows of `ARCHITECTURE.md`, enforced on the source text of every file under `src/`.
//!
//! A file's room is the first part of its path. A mention is a path that starts at the crate's root (`crate::`,
//! `rungwise::`, enough `super::`s) outside comments and strings; groups in braces are opened. The rules are the tables
//! below, each row with its reason. Rooms that do not exist yet have their rows already. Every rule is shown to fail on a
//! made-up file that breaks it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One room: its name, what it may name besides itself (a room, or one module of a room), and why.
type Room = (&'static str, &'static [&'static str], &'static str);

/// `main → cli → boot → {daemon, web} → app → ports → domain`, with the adapters beside it.
const ROOMS: &[Room] = &[
    ("domain", &[], "the core is pure: it can be tested by the million and can fail by nothing"),
    ("ports", &["domain"], "a port that names an adapter is not a port"),
    (
        "app",
        &["domain", "ports"],
        "one set of use cases for agent, page, command line and rehearsal",
    ),
    ("graph", &["domain", "ports"], "Meta's spelling stops here"),
    ("store", &["domain", "ports"], "SQL stops here"),
    ("sandbox", &["domain", "ports"], "the rehearsal world must not know who is tried in it"),
    (
        "study",
        &["config", "domain", "sandbox"],
        "puts the real decisions into the market, and neither knows of the other",
    ),
    ("exports", &["domain", "ports"], "files become rows; nothing is decided while reading"),
    // One reader of cron expressions: a schedule is checked by the code that will follow it.
    (
        "config",
        &["daemon::schedule", "domain", "ports"],
        "text becomes a checked policy; nobody is started",
    ),
    (
        "telemetry",
        &["config", "domain"],
        "logs are set up first: from what [log] says; the core knows how to make foreign text harmless",
    ),
    (
        "daemon",
        &["app", "domain", "ports"],
        "a schedule carries no meaning: boot gives it its parts",
    ),
    ("web", &["app", "domain", "ports"], "no shortcut around approval and audit"),
    (
        "boot",
        &[
            "app",
            "config",
            "daemon",
            "domain",
            "exports",
            "graph",
            "ports",
            "sandbox",
            "store",
            "telemetry",
            "web",
        ],
        "the composition root names everything but those who call it",
    ),
    (
        "rehearse",
        &["app", "boot", "config", "domain", "ports", "sandbox", "store"],
        "drives the whole agent, put together by boot, in the rehearsal world",
    ),
    (
        "cli",
        &[
            "app",
            "boot",
            "config",
            "daemon",
            "domain",
            "exports",
            "ports",
            "rehearse",
            "sandbox",
            "store",
            "study",
            "telemetry",
            "web",
        ],
        "a command never talks to Meta's client itself: boot hands it one",
    ),
    ("main", &["cli"], "the binary parses nothing and knows nothing"),
    ("planted", &[], "a list of mistakes knows nothing of the program that makes them"),
];

/// What every room may name: tests of the tests need their mistakes where a person would make them. Without the feature
/// `planted-bugs` it is a constant `false`, checked when it is compiled.
const EVERYWHERE: &str = "planted";

/// Outside crates that belong to one place: the crate, where it may be named (beginnings of paths), and why.
const OWNED_CRATES: &[(&str, &[&str], &str)] = &[
    ("sqlx", &["store/"], "the database is an adapter"),
    ("reqwest", &["graph/"], "HTTP to Meta is an adapter"),
    ("oauth2", &["graph/"], "so is the login"),
    ("chacha20poly1305", &["store/vault.rs"], "secrets are sealed and opened in one place"),
    ("cron", &["daemon/schedule.rs"], "one reader of cron expressions"),
    ("chrono", &["daemon/schedule.rs"], "one library of time; this one only feeds cron"),
    ("axum", &["web", "sandbox/"], "only the page and the rehearsal world serve HTTP"),
    ("clap", &["cli"], "only the command line reads arguments"),
    ("indicatif", &["cli"], "only the command line shows progress"),
    ("csv", &["exports"], "only file readers know file formats"),
];

/// Methods of floats that the platform's C library works out, each platform a little differently. Decisions take them from
/// the pure-Rust `libm` crate as functions, so that a stored decision is the same bytes everywhere.
const PLATFORM_MATHS: &[&str] = &[
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "exp",
    "exp2", "exp_m1", "gamma", "hypot", "ln", "ln_1p", "ln_gamma", "log", "log10", "log2",
    "mul_add", "powf", "powi", "sin", "sin_cos", "sinh", "sqrt", "tan", "tanh",
];

/// What a pure or port-only room may not touch: the beginning of its paths, names under `std`, outside crates, why.
const CLEAN_ROOMS: &[(&str, &[&str], &[&str], &str)] = &[
    (
        "domain",
        &["env", "fs", "io", "net", "process", "thread", "time"],
        &["getrandom", "rand", "rand_distr", "rand_pcg", "tokio", "tracing"],
        "no input, no output, no clock, no chance: everything is an argument",
    ),
    (
        "app",
        &["env", "fs", "net", "process", "thread", "time"],
        &["getrandom", "rand", "tokio"],
        "use cases reach the world through the ports only",
    ),
];

/// Words that belong to few places: the word, where it may stand (beginnings of paths), and why.
const OWNED_WORDS: &[(&str, &[&str], &str)] = &[
    (
        "MetaWrite",
        // The trait, its implementation, its one user, the pass that lends it, and those who hand it over.
        &["ports", "graph/", "app/apply.rs", "app/tick.rs", "daemon/", "boot", "cli"],
        "only the door of app::apply may hold the write side",
    ),
    ("async", WAITING, PURE),
    ("await", WAITING, PURE),
];
const PURE: &str = "pure rooms wait for nothing";
const WAITING: &[&str] = &[
    "ports",
    "app/",
    "graph/",
    "store/",
    "sandbox",
    "daemon/",
    "web",
    "boot",
    "rehearse/",
    "cli",
    "main.rs",
];

/// Types whose making is a right: the type, the one file that may write its literal, and why.
const OWNED_LITERALS: &[(&str, &str, &str)] = &[
    ("Armed", "ports/store.rs", "a write can be sent only after its intent is committed"),
    ("ApprovedPlan", "domain/plan.rs", "nothing is approved but by its one constructor"),
];

/// Macros that belong to the command line.
const PRINTING: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// Files of the core that may calculate with floats: statistics, and the shares of the policy. Money is integer.
const FLOATS: &[&str] = &[
    "domain/verdict",
    "domain/forecast",
    "domain/signals",
    "domain/decide",
    "domain/policy",
    "domain/prospect",
    "domain/watch",
];

#[test]
fn every_file_keeps_the_arrows() {
    let mut found = Vec::new();
    for (path, source) in sources() {
        found.extend(violations(&path, &source));
    }
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_walk_sees_the_whole_tree() {
    let paths: Vec<String> = sources().into_iter().map(|(path, _)| path).collect();
    for known in ["lib.rs", "main.rs", "domain/money.rs", "ports/store.rs", "app/apply.rs"] {
        assert!(paths.iter().any(|p| p == known), "{known} is not among {} files", paths.len());
    }
    assert!(paths.len() > 80, "only {} files found", paths.len());
}

#[test]
fn the_arrows_have_no_circle() {
    // Each room may only name rooms that come before it once they are sorted by what they need.
    let mut placed: Vec<&str> = Vec::new();
    while placed.len() < ROOMS.len() {
        let free = |(room, may, _): &&Room| {
            !placed.contains(room)
                && may
                    .iter()
                    .all(|other| other.split("::").next().is_some_and(|o| placed.contains(&o)))
        };
        let next = ROOMS.iter().find(free).map(|(room, ..)| *room);
        placed.push(next.expect("a circle, or a row that names a room without one"));
    }
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut open, mut files) = (vec![root.clone()], Vec::new());
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("src can be listed") {
            let path: PathBuf = entry.expect("src can be listed").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(&root).expect("found below src");
                let name: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
                files.push((name.join("/"), fs::read_to_string(&path).expect("a source file")));
            }
        }
    }
    files.sort();
    files
}

/// What is wrong in one file, as `file:line: what: why`.
fn violations(path: &str, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let mut found: Vec<(usize, String)> = Vec::new();
    if path == "lib.rs" {
        root_holds_only_rooms(&tokens, &mut found);
    } else {
        arrows(path, &tokens, &mut found);
    }
    ownership(path, &tokens, &mut found);
    clean_rooms(path, &tokens, &mut found);
    platform_maths(path, &tokens, &mut found);
    found.sort();
    found.into_iter().map(|(line, what)| format!("src/{path}:{line}: {what}")).collect()
}

/// A re-export at the root would let a name slip past the arrows.
fn root_holds_only_rooms(tokens: &[Token], found: &mut Vec<(usize, String)>) {
    for statement in tokens.split(|t| t.text == ";") {
        let words: Vec<&str> = statement.iter().map(|t| t.text.as_str()).collect();
        match words.as_slice() {
            [] => {}
            ["pub", "mod", room] if ROOMS.iter().any(|(name, ..)| name == room) => {}
            _ => {
                let what = format!("`{}`: the root only declares the known rooms", words.join(" "));
                found.push((statement[0].line, what));
            }
        }
    }
}

fn arrows(path: &str, tokens: &[Token], found: &mut Vec<(usize, String)>) {
    let room = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let Some((_, may, why)) = ROOMS.iter().find(|(name, ..)| *name == room) else {
        found.push((1, format!("room {room} has no row in tests/architecture.rs")));
        return;
    };
    for at in root_mentions(path, tokens) {
        let name = tokens[at].text.as_str();
        let inner = tokens.get(at + 1..at + 3).filter(|next| next[0].text == "::");
        let module = inner.map(|next| format!("{name}::{}", next[1].text));
        let allowed = |m: &str| m == name || module.as_deref() == Some(m);
        if name != room && name != EVERYWHERE && !may.iter().any(|m| allowed(m)) {
            found.push((tokens[at].line, format!("{room} names {name}: {why}")));
        }
    }
}

fn ownership(path: &str, tokens: &[Token], found: &mut Vec<(usize, String)>) {
    let within = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
    for (i, token) in tokens.iter().enumerate() {
        let at = |n: usize| tokens.get(i + n).map_or("", |t| t.text.as_str());
        let before = i.checked_sub(1).map_or("", |p| tokens[p].text.as_str());
        let word = token.text.as_str();
        for (name, places, why) in OWNED_CRATES {
            if word == *name && is_outside_crate(tokens, i) && !within(places) {
                found.push((token.line, format!("names {name}: {why}")));
            }
        }
        for (name, places, why) in OWNED_WORDS {
            if word == *name && !within(places) {
                found.push((token.line, format!("says {name}: {why}")));
            }
        }
        for (name, place, why) in OWNED_LITERALS {
            let declares = matches!(before, "struct" | "impl" | "for" | "->" | "&" | "mut");
            let literal = word == *name && at(1) == "{" && !declares;
            if literal && path != *place {
                found.push((token.line, format!("makes {name}: {why}")));
            }
        }
        if PRINTING.contains(&word) && at(1) == "!" && !within(&["cli"]) {
            found.push((token.line, format!("{word}!: output belongs to cli")));
        }
        // A planted bug is chosen beside the configuration, which must not know of it.
        let may_read = within(&["config", "planted.rs"]);
        if word == "env" && at(1) == "::" && at(2).starts_with("var") && !may_read {
            found.push((token.line, "reads the environment: that is config's".to_owned()));
        }
        if matches!(word, "f32" | "f64") && within(&["domain"]) && !within(FLOATS) {
            found.push((token.line, format!("{word}: money and days are integers")));
        }
    }
}

/// In the core, outside its tests: `x.exp()`, `f64::exp(x)` and `.map(f64::exp)`.
fn platform_maths(path: &str, tokens: &[Token], found: &mut Vec<(usize, String)>) {
    if !path.starts_with("domain") {
        return;
    }
    let text = |at: usize| tokens.get(at).map_or("", |t| t.text.as_str());
    for (i, token) in tokens.iter().enumerate() {
        if token.text == "cfg" && text(i + 2) == "test" {
            return;
        }
        let before = |n: usize| i.checked_sub(n).map_or("", text);
        let of_float = before(1) == "." && text(i + 1) == "(";
        let by_path = before(1) == "::" && matches!(before(2), "f32" | "f64");
        if PLATFORM_MATHS.contains(&token.text.as_str()) && (of_float || by_path) {
            let what =
                format!("{}: take it from the libm crate, or bits differ by platform", token.text);
            found.push((token.line, what));
        }
    }
}

fn clean_rooms(path: &str, tokens: &[Token], found: &mut Vec<(usize, String)>) {
    for (room, std_names, crates, why) in CLEAN_ROOMS {
        if path.split('/').next() != Some(room) {
            continue;
        }
        for (i, token) in tokens.iter().enumerate() {
            if token.text == "std" && is_outside_crate(tokens, i) {
                for Token { text: name, line } in
                    first_names(tokens, i + 2).into_iter().map(|at| &tokens[at])
                {
                    if std_names.contains(&name.as_str()) || name == "*" {
                        found.push((*line, format!("{room} names std::{name}: {why}")));
                    }
                }
            }
            if crates.contains(&token.text.as_str()) && is_outside_crate(tokens, i) {
                found.push((token.line, format!("{room} names {}: {why}", token.text)));
            }
        }
    }
}

/// True when the name at `i` begins a path (`name::`), or is imported as a whole.
fn is_outside_crate(tokens: &[Token], i: usize) -> bool {
    let text = |at: usize| tokens.get(at).map_or("", |t| t.text.as_str());
    let before = i.checked_sub(1).map_or("", text);
    let inner =
        before == "::" && i.checked_sub(2).is_some_and(|at| is_word(text(at)) && text(at) != "use");
    let imported = matches!(before, "use" | "crate") || (before == "::" && !inner);
    !inner && (text(i + 1) == "::" || imported)
}

/// Where the file mentions a name directly under the crate's root.
fn root_mentions(path: &str, tokens: &[Token]) -> Vec<usize> {
    let text = |at: usize| tokens.get(at).map_or("", |t| t.text.as_str());
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    let depth = parts.len() - usize::from(parts.last() == Some(&"mod"));
    let (mut braces, mut inline) = (0_usize, Vec::new());
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let starts = i == 0 || text(i - 1) != "::";
        match token.text.as_str() {
            "{" => {
                if i >= 2 && text(i - 2) == "mod" {
                    inline.push(braces);
                }
                braces += 1;
            }
            "}" => {
                braces = braces.saturating_sub(1);
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
            }
            "crate" if text(i + 1) == "as" => found.push(i),
            "crate" | "rungwise" if starts && text(i + 1) == "::" => {
                found.extend(first_names(tokens, i + 2));
            }
            "super" if starts || (i >= 2 && text(i - 2) == "self") => {
                let (mut at, mut ups) = (i, 0);
                while text(at) == "super" && text(at + 1) == "::" {
                    (at, ups) = (at + 2, ups + 1);
                }
                if ups > 0 && ups >= depth + inline.len() {
                    found.extend(first_names(tokens, at));
                }
            }
            _ => {}
        }
    }
    found
}

/// Where the names are that a path goes on with at `at`: one, or the first of every branch of a group.
fn first_names(tokens: &[Token], at: usize) -> Vec<usize> {
    let Some(first) = tokens.get(at) else { return Vec::new() };
    if first.text != "{" {
        return vec![at];
    }
    let (mut names, mut depth, mut fresh) = (Vec::new(), 0_usize, true);
    for (i, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => fresh = true,
            _ => {
                if fresh && depth == 1 {
                    names.push(i);
                }
                fresh = false;
            }
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// A word, or a sign, of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

fn is_word(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// The words and signs of a source text, without comments; strings, characters and lifetimes are one sign each.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let (mut i, mut line, mut tokens) = (0, 1, Vec::new());
    while i < chars.len() {
        let end = match chars[i] {
            c if c.is_whitespace() => i + 1,
            '/' if chars.get(i + 1) == Some(&'/') => after_line(&chars, i),
            '/' if chars.get(i + 1) == Some(&'*') => after_comment(&chars, i),
            '"' => after_string(&chars, i),
            '\'' => after_quote(&chars, i),
            c if c.is_alphanumeric() || c == '_' => after_word(&chars, i),
            ':' if chars.get(i + 1) == Some(&':') => i + 2,
            '-' if chars.get(i + 1) == Some(&'>') => i + 2,
            _ => i + 1,
        };
        let comment = chars[i] == '/' && matches!(chars.get(i + 1), Some('/' | '*'));
        if !chars[i].is_whitespace() && !comment {
            let text: String = chars[i..end].iter().collect();
            let literal = text.contains(['"', '\'']);
            let text = if literal { "\"".to_owned() } else { text };
            tokens.push(Token { text, line });
        }
        line += chars[i..end].iter().filter(|c| **c == '\n').count();
        i = end;
    }
    tokens
}

fn after_line(chars: &[char], from: usize) -> usize {
    chars[from..].iter().position(|c| *c == '\n').map_or(chars.len(), |n| from + n)
}

fn after_comment(chars: &[char], from: usize) -> usize {
    let (mut i, mut depth) = (from, 0_usize);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (i, depth) = (i + 2, depth + 1),
            ('*', Some('/')) => (i, depth) = (i + 2, depth - 1),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn after_string(chars: &[char], quote: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// A character literal, or a lifetime.
fn after_quote(chars: &[char], quote: usize) -> usize {
    if chars.get(quote + 1) == Some(&'\\') {
        let rest = chars.get(quote + 3..).unwrap_or_default();
        return rest.iter().position(|c| *c == '\'').map_or(chars.len(), |n| quote + n + 4);
    }
    if chars.get(quote + 2) == Some(&'\'') {
        return quote + 3;
    }
    quote + 1
}

/// A word, with the string it may be the prefix of.
fn after_word(chars: &[char], from: usize) -> usize {
    let rest = &chars[from..];
    let length = rest.iter().position(|c| !(c.is_alphanumeric() || *c == '_'));
    let end = length.map_or(chars.len(), |n| from + n);
    let word: String = chars[from..end].iter().collect();
    if !matches!(word.as_str(), "b" | "c" | "r" | "br" | "cr") {
        return end;
    }
    let hashes = chars[end..].iter().take_while(|c| **c == '#').count();
    match chars.get(end + hashes) {
        Some('"') if word.ends_with('r') => {
            let close: Vec<char> = std::iter::once('"').chain(vec!['#'; hashes]).collect();
            let body = end + hashes + 1;
            let n = chars[body..].windows(close.len()).position(|w| w == close);
            n.map_or(chars.len(), |n| body + n + close.len())
        }
        Some('"') if hashes == 0 => after_string(chars, end),
        // A raw identifier, `r#type`.
        Some(c) if hashes == 1 && word == "r" && (c.is_alphabetic() || *c == '_') => {
            after_word(chars, end + 1)
        }
        _ => end,
    }
}

mod each_rule_can_fail {
    use super::*;

    /// Asserts that a made-up file is caught for the given reason.
    fn caught(path: &str, source: &str, reason: &str) {
        let found = violations(path, source);
        assert!(found.iter().any(|v| v.contains(reason)), "{path}: {source}\nfound: {found:?}");
    }
    fn clean(path: &str, source: &str) {
        let found = violations(path, source);
        assert!(found.is_empty(), "{path}: {source}\nfound: {found:?}");
    }

    #[test]
    fn an_arrow_against_the_direction_is_caught_however_it_is_written() {
        caught("domain/plan.rs", "use crate::ports::Store;", "domain names ports");
        caught(
            "app/pull.rs",
            "use crate::{\n domain::Day,\n store::SqliteStore,\n};",
            "app names store",
        );
        caught("app/pull.rs", "use crate::{domain::{Day, Moment}, graph};", "app names graph");
        caught("store/rows.rs", "fn f() { crate::app::views::f() }", "store names app");
        caught("graph/read.rs", "use super::super::sandbox::World;", "graph names sandbox");
        caught("graph/mod.rs", "use super::store;", "graph names store");
        caught("config.rs", "use super::cli;", "config names cli");
        caught("config/load.rs", "use crate::daemon::AgentLock;", "config names daemon");
        caught(
            "config/load.rs",
            "use crate::daemon::{schedule, AgentLock};",
            "config names daemon",
        );
        caught("web/page.rs", "use crate as all;", "web names crate");
        caught("web/page.rs", "use crate::*;", "web names *");
        caught("daemon/agent.rs", "use rungwise::boot;", "daemon names boot");
        caught("cli/login.rs", "use crate::graph::oauth;", "cli names graph");
        caught("main.rs", "use rungwise::domain::Money;", "main names domain");
        caught("attic/a.rs", "", "room attic has no row");
    }

    #[test]
    fn an_arrow_in_the_direction_passes() {
        clean("app/pull.rs", "use crate::{app::Desk, domain::Day, ports::{Clock, Store}};");
        clean(
            "store/rows.rs",
            "use super::{open, sql}; mod tests { use super::super::AuditError; }",
        );
        clean("domain/plan.rs", "pub(crate) fn f() {} mod tests { use super::*; }");
        clean("config/load.rs", "use crate::{daemon::schedule::{Job, Schedule}, domain::Zone};");
        clean("main.rs", "fn main() { rungwise::cli::main() }");
        clean("boot.rs", "use crate::{graph::Client, store::SqliteStore};");
    }

    #[test]
    fn comments_and_strings_are_not_mentions() {
        clean(
            "domain/plan.rs",
            "//! See [`crate::app::apply`].\n/* crate::store /* crate::cli */ */",
        );
        clean(
            "domain/plan.rs",
            r##"const A: &str = "crate::store"; const B: &str = r#"crate::"cli"#;"##,
        );
        clean("domain/plan.rs", r"const Q: char = '\''; fn f<'a>(x: &'a str) {} // sqlx::query");
        caught("domain/plan.rs", "const Q: char = '\"'; use crate::cli; // \"", "domain names cli");
        caught("domain/plan.rs", "const B: &[u8] = b\"\\\\\"; use crate::cli;", "domain names cli");
    }

    #[test]
    fn the_line_of_a_violation_is_told() {
        let found = violations("domain/plan.rs", "\n/* one\n two */\nuse crate::cli;\n");
        assert!(found[0].starts_with("src/domain/plan.rs:4: "), "{found:?}");
    }

    #[test]
    fn the_root_re_exports_nothing() {
        clean("lib.rs", "//! Docs.\npub mod app;\npub mod domain;");
        caught("lib.rs", "pub mod app;\npub use store::SqliteStore;", "only declares");
        caught("lib.rs", "pub mod attic;", "only declares");
    }

    #[test]
    fn owned_crates_stay_in_their_room() {
        caught("app/pull.rs", "async fn f() { sqlx::query(X).await }", "names sqlx");
        caught("web/page.rs", "use reqwest::Client;", "names reqwest");
        caught("boot/custody.rs", "use chacha20poly1305::Key;", "names chacha20poly1305");
        caught("cli/login.rs", "use ::oauth2::Scope;", "names oauth2");
        caught("daemon/agent.rs", "use cron::Schedule;", "names cron");
        caught("app/tick.rs", "use chrono;", "names chrono");
        caught("daemon/agent.rs", "use axum::Router;", "names axum");
        caught("config/load.rs", "use clap::Parser;", "names clap");
        caught("app/pull.rs", "use csv::Reader;", "names csv");
        caught("app/pull.rs", "use indicatif::ProgressBar;", "names indicatif");
        clean("daemon/schedule.rs", "use cron::Schedule; use chrono::{DateTime, Utc};");
        clean("config/policy.rs", "let cron = schedule.cron; let x = self::cron::f();");
    }

    #[test]
    fn the_core_is_pure_and_use_cases_stay_behind_the_ports() {
        caught("domain/days.rs", "use std::time::SystemTime;", "std::time");
        caught("domain/days.rs", "use std::{fmt, fs::File};", "std::fs");
        caught("domain/days.rs", "use std::*;", "std::*");
        caught("domain/days.rs", "fn f() { tracing::info!(\"x\") }", "names tracing");
        caught("domain/climb.rs", "use rand::Rng;", "names rand");
        caught("domain/climb.rs", "pub async fn on() {}", "says async");
        caught("domain/climb.rs", "fn f() { x.await }", "says await");
        caught("app/pull.rs", "use std::thread;", "std::thread");
        caught("app/pull.rs", "use tokio::time::timeout;", "names tokio");
        clean("domain/days.rs", "use std::{collections::BTreeMap, fmt};");
    }

    #[test]
    fn the_write_side_has_one_user() {
        caught("app/pull.rs", "use crate::ports::MetaWrite;", "says MetaWrite");
        caught("web/page.rs", "fn f<W: crate::ports::MetaWrite>() {}", "says MetaWrite");
        caught("app/commands.rs", "use crate::ports::{Clock, MetaWrite};", "says MetaWrite");
        clean("app/apply.rs", "use crate::ports::MetaWrite;");
    }

    #[test]
    fn rights_are_made_in_one_place() {
        caught("app/apply.rs", "let a = Armed { op_key, request };", "makes Armed");
        caught("ports/meta.rs", "fn f() -> Armed { store::Armed { op_key } }", "makes Armed");
        caught("app/apply.rs", "Ok(ApprovedPlan { plan })", "makes ApprovedPlan");
        clean("ports/store.rs", "pub struct Armed { op_key: OpKey } fn f() { Armed { op_key } }");
        clean("graph/write.rs", "impl Send for Armed {} fn f() -> Armed { g() }");
    }

    #[test]
    fn printing_belongs_to_the_command_line() {
        caught("app/pull.rs", "println!(\"x\");", "println!");
        caught("daemon/agent.rs", "eprint!(\"x\");", "eprint!");
        caught("boot.rs", "dbg!(x);", "dbg!");
        clean("cli/output.rs", "println!(\"x\");");
        clean("app/pull.rs", "fn print(x: u8) {}");
    }

    #[test]
    fn the_environment_is_read_in_one_room() {
        caught("graph/link.rs", "std::env::var(\"X\")", "environment");
        caught("cli/run.rs", "use std::env; fn f() { env::vars_os() }", "environment");
        clean("config/environment.rs", "std::env::vars_os()");
        clean("cli/run.rs", "std::env::args_os()");
    }

    #[test]
    fn the_core_calls_no_maths_of_the_platform() {
        caught("domain/verdict/power.rs", "fn f(x: f64) -> f64 { x.exp() }", "exp: take it");
        caught("domain/forecast.rs", "let y = (a / b).powf(0.5);", "powf: take it");
        caught("domain/signals.rs", "xs.map(f64::ln)", "ln: take it");
        clean("domain/forecast.rs", "use libm::exp; let y = exp(x).abs(); log(1.0);");
        clean("domain/forecast.rs", "fn f() {} #[cfg(test)] mod tests { fn g() { x.exp(); } }");
        clean("sandbox/market/arm.rs", "fn f(x: f64) -> f64 { x.exp() }");
    }

    #[test]
    fn money_is_integer() {
        caught("domain/money.rs", "fn share(x: f64) {}", "f64");
        caught("domain/planner/budget.rs", "let x = y as f32;", "f32");
        clean("domain/verdict/look.rs", "fn p(x: f64) {}");
        clean("domain/signals.rs", "fn p(x: f64) {}");
    }
}
