//! The catchers, from the cheapest to the dearest, and the book of what they caught.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Properties over random cases that know of no bug: tests of this program by name.
const PROPERTIES: &[&str] = &[
    "approvals::a_mutated_plan_is_refused_whatever_was_changed",
    "door::whatever_leaves_the_door_is_an_authorised_unexpired_in_cap_row",
    "exposure::a_constant_sum_at_the_cap_is_within_both_ceilings",
    "exposure::a_day_is_what_the_adversary_can_spend_on_it",
    "exposure::a_period_is_what_the_adversary_can_spend",
    "exposure::the_closed_form_bounds_every_run_and_its_inverse_stays_within",
    "pages::a_list_is_complete_or_an_error",
    "planner::a_clone_creates_everything_paused_under_its_own_marker_and_conserves_the_budget",
    "planner::a_shift_never_lets_the_sum_of_budgets_rise_and_ends_at_the_run_rate",
    "planner::ending_a_test_restores_the_run_rate_by_raises_of_at_most_a_fifth",
    "planner::money_starts_at_the_last_write_of_an_activation",
    "planner::no_tree_but_the_verified_one_is_turned_on",
    "reckoned::a_protected_name_is_refused_and_no_other_for_that_reason",
    "reckoned::amounts_are_exact_in_every_currency",
    "reckoned::approvals_count_as_a_second_reckoning_counts_them",
    "reckoned::days_are_those_of_the_account_and_close_when_they_are_over",
    "reckoned::figures_are_stale_from_the_first_millisecond_on_and_not_before",
    "reckoned::the_guard_says_what_a_second_reckoning_says",
    "reckoned::what_is_in_doubt_counts_as_done_and_at_its_worst",
    "seen_at::random_restatements_read_back_as_a_plain_model_says",
    "tampers::every_random_tamper_is_found_up_to_the_last_copied_head",
];
/// Random cases of each property that asks how many.
const CASES: &str = "2000";
/// Stories of ten weeks that a bug may take to show, unless `RUNGWISE_SEEDS` says otherwise.
const MOST_SEEDS: u32 = 1_000;
/// Longer than a catcher takes on a slow machine: what hangs is found too.
const LIMIT: Duration = Duration::from_secs(45 * 60);
/// The same for all properties together.
const PROPERTIES_LIMIT: Duration = Duration::from_secs(10 * 60);

fn seeds() -> u32 {
    crate::asked::asked("RUNGWISE_SEEDS").unwrap_or(MOST_SEEDS)
}

/// How a bug was found.
#[derive(Debug)]
pub(crate) struct Caught {
    /// The invariant, or the property.
    pub(crate) by: String,
    /// Seed or case that showed it.
    pub(crate) at: String,
    /// What was seen, in one line.
    pub(crate) what: String,
}

/// One process of this program with one bug and some catchers.
fn run(bug: Option<&str>, known: &str, tests: &[&str]) -> String {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.args(tests).args(["--exact", "--include-ignored", "--test-threads=2"]);
    command.env_remove("RUNGWISE_PLANTED").env("RUNGWISE_SEEDS", seeds().to_string());
    command.env("RUNGWISE_CASES", CASES).env("RUNGWISE_TAMPERS", "54");
    // The same cases in every run, none kept from another one, and files where nothing waits for a disk.
    command.env("PROPTEST_RNG_SEED", "1").env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    if Path::new("/dev/shm").is_dir() {
        command.env("TMPDIR", "/dev/shm");
    }
    command.env("RUST_BACKTRACE", "0").stdout(Stdio::piped()).stderr(Stdio::null());
    command.env("RUNGWISE_KNOWN", known).args((known == "all").then_some("--nocapture"));
    if let Some(name) = bug {
        command.env("RUNGWISE_PLANTED", name);
    }
    let mut child = command.spawn().expect("this program can be started again");
    let mut out = child.stdout.take().expect("it is piped");
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let _ = out.read_to_string(&mut text);
        send.send(text)
    });
    let limit = if tests == PROPERTIES { PROPERTIES_LIMIT } else { LIMIT };
    let text = receive.recv_timeout(limit).unwrap_or_else(|_| {
        let _ = child.kill();
        "test the_catcher_ends ... FAILED\nit hangs".to_owned()
    });
    let _ = child.wait();
    text
}

/// The word after one of these words, e.g. the number of a seed.
fn number_after(text: &str, word: &str) -> Option<u64> {
    let (_, tail) = text.split_once(word)?;
    let digits: String = tail.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn property(text: &str) -> Option<Caught> {
    let failed =
        |line: &str| Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.to_owned());
    let by = text.lines().find_map(failed)?;
    let told = text.split_once(&format!("---- {by} stdout ----")).map_or(text, |(_, tail)| tail);
    let told = told.split("\n---- ").next().unwrap_or(told);
    let at = ["case ", "seed ", "tamper ", "successes: "];
    let at = at.into_iter().find_map(|word| Some((word, number_after(told, word)?)));
    let at = match at {
        Some(("successes: ", n)) => format!("case {n}"),
        Some((word, n)) => format!("{word}{n}"),
        None => "one case".to_owned(),
    };
    let what = told.lines().skip(1).find(|l| !l.trim().is_empty() && !l.contains("panicked at"));
    Some(Caught { by: format!("property `{by}`"), at, what: what.unwrap_or_default().to_owned() })
}

fn rehearsal(kind: &str, text: &str) -> Option<Caught> {
    let found = text.lines().find(|line| line.starts_with("FOUND "));
    let Some(found) = found else {
        return text.contains("... FAILED").then(|| Caught {
            by: format!("{kind} `nothing_panics`"),
            at: "the first seeds".to_owned(),
            what: text.lines().rfind(|l| !l.is_empty()).unwrap_or_default().to_owned(),
        });
    };
    let name = found.split_whitespace().nth(1).unwrap_or_default();
    let at = number_after(found, " seed ").map_or_else(String::new, |n| format!("seed {n}"));
    let what = found.split_once(": ").map_or(found, |(_, what)| what).to_owned();
    Some(Caught { by: format!("{kind} `{name}`"), at, what })
}

/// Seeds on which the program breaks an invariant as it is, with the invariant: findings of their own.
pub(crate) fn broken_without_a_bug() -> BTreeMap<String, String> {
    let text = run(None, "all", &["weeks_break_nothing"]);
    let broken = text.lines().filter_map(|line| line.strip_prefix("BROKEN ")?.split_once(' '));
    broken.map(|(seed, name)| (seed.to_owned(), name.to_owned())).collect()
}

/// Tries every catcher until one cries out.
pub(crate) fn sift(bug: Option<&str>, known: &BTreeMap<String, String>) -> Option<Caught> {
    let known: Vec<&str> = known.keys().map(String::as_str).collect();
    let known = known.join(",");
    let weeks = || (bug.is_some()).then(|| run(bug, &known, &["weeks_break_nothing"]));
    property(&run(bug, &known, PROPERTIES))
        .or_else(|| rehearsal("weeks", &weeks()?))
        .or_else(|| rehearsal("deaths", &run(bug, &known, &["deaths_break_nothing"])))
}

/// A row of the book.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    text: String,
}

impl Row {
    pub(crate) fn of(name: &str, what: &str, caught: Option<&Caught>) -> Self {
        let what = what.trim();
        let (by, at) = caught.map_or(("**nothing**", ""), |c| (c.by.as_str(), c.at.as_str()));
        Self { name: name.to_owned(), text: format!("| `{name}` | {what} | {by} | {at} |") }
    }
    /// The row of a program without a bug.
    pub(crate) fn silence(noise: Option<&Caught>, known: &BTreeMap<String, String>) -> Self {
        let all = format!("{} properties, {} seeds", PROPERTIES.len(), seeds());
        let seeds = known.iter().map(|(seed, name)| format!("seed {seed} `{name}`"));
        let loud: Vec<String> = noise.map(|c| c.by.clone()).into_iter().chain(seeds).collect();
        let by = if loud.is_empty() {
            "all catchers are silent".to_owned()
        } else {
            format!("not counted below: {}", loud.join(", "))
        };
        Self { name: "-".to_owned(), text: format!("| `-` | no bug | {by} | {all} |") }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `docs/planted-bugs.md`: what is above the table stays, rows are put by name.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    head: String,
    rows: BTreeMap<String, String>,
}

impl Book {
    pub(crate) fn open() -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/planted-bugs.md");
        let text = fs::read_to_string(&path).expect("the book is part of the repository");
        let is_row = |line: &&str| line.starts_with("| `");
        let head: Vec<&str> = text.lines().take_while(|line| !is_row(line)).collect();
        let name = |line: &str| line.split('`').nth(1).unwrap_or_default().to_owned();
        let known =
            |name: &str| name == "-" || rungwise::planted::Bug::ALL.iter().any(|b| b.1 == name);
        let rows = text.lines().filter(is_row).map(|line| (name(line), line.to_owned()));
        let rows = rows.filter(|(name, _)| known(name)).collect();
        Self { path, head: head.join("\n"), rows }
    }
    /// Puts a row and saves the book, so that a run that is cut off has lost nothing.
    pub(crate) fn put(&mut self, row: &Row) {
        self.rows.insert(row.name.clone(), row.text.clone());
        let mut text = format!("{}\n", self.head);
        for row in self.rows.values() {
            let _ = writeln!(text, "{row}");
        }
        fs::write(&self.path, text).expect("the book can be written");
    }
}
