//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// Climbs Meta ads up the conversion ladder, one proven rung at a time, and can prove every cent it moved.
#[derive(Debug, Parser)]
#[command(name = "rungwise", version, propagate_version = true, after_help = FIRST_STEPS)]
pub struct Args {
    /// Configuration file [default: DIR/config.toml if --dir is given and holds one, else ./config.toml]
    #[arg(long, global = true, value_name = "FILE", env = "RUNGWISE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Directory of database and state [default: store.dir of the configuration]
    #[arg(long, global = true, value_name = "DIR", env = "RUNGWISE_DIR")]
    pub dir: Option<PathBuf>,
    /// The ad account, where several are configured, e.g. act_1234567890
    #[arg(long, global = true, value_name = "ID", env = "RUNGWISE_ACCOUNT")]
    pub account: Option<String>,
    /// Print JSON on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  rungwise demo                       the whole story on the built-in sandbox, no account needed
  rungwise init --account act_…       a first config.toml
  rungwise login                      a token, kept sealed (or give one by RUNGWISE_API_TOKEN)
  rungwise doctor                     is everything in place? a fix per line
  rungwise sync && rungwise status    read the account, see the gates
  rungwise plan                       what it would do next (exit code 2 = changes proposed)
  rungwise run                        the daemon";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The whole story on the built-in sandbox, in under a minute; opens nothing on the network
    Demo(Demo),
    /// Write a first configuration file; asks nothing of Meta and changes nothing there
    Init(Init),
    /// Log in at Meta in a browser, or take in a system-user token; it is checked and kept sealed
    Login(Login),
    /// Check configuration, keys, token, account, pixel and campaigns, with a fix per line
    Doctor,
    /// Read the account: campaigns, and daily rows of its ad sets
    Sync(Sync),
    /// One screen: mode, lines, gates, open plans, doubts
    Status(Status),
    /// Rung table of every line, and what the next test would show, out of stored days
    Forecast,
    /// The weekly audit: event ratios, friction, learning, cost, spiral, pixel
    AuditEvents,
    /// This policy over the stored history, with the evidence as seen then
    Backtest(super::backtest::BacktestArgs),
    /// Past verdicts and intervals against what happened four weeks later
    Calibration,
    /// Outside changes on managed objects: stored snapshots against a fresh read
    Drift,
    /// Take today's decisions and file the plans that follow; changes nothing at Meta
    Plan(Plan),
    /// Show plans, or one plan with its exact requests
    Show(Show),
    /// Say yes to one plan hash
    Approve(Answer),
    /// Say no to one plan hash
    Reject(Answer),
    /// Carry out what is approved, as far as it goes now
    Apply,
    /// The daemon: pulls, decides, proposes and carries out on its schedules
    Run,
    /// One pass of the daemon
    Tick(Tick),
    /// List and steer climbs
    Climb(Climb),
    /// Kill switch: stop every write within a second
    Stop(Reason),
    /// Release the kill switch; a reason is required
    Start(Reason),
    /// Give back what a guard rail took (autonomy, the circuit breaker, the hold after a shock); a reason is required
    Lift(Reason),
    /// Why: a decision with its figures, in words
    Explain(Explain),
    /// Take stored decisions again: the same bytes must come out
    Replay(Replay),
    /// The guarantees under faults, on this build
    Rehearse(Rehearse),
    /// The audit chain: read it, verify it, copy its head out
    Audit(Audit),
    /// Offline: two exports or insights files, or bare counts, side by side
    Compare(super::compare::CompareArgs),
    /// Offline: rung table and friction out of exports or insights files
    Advise(super::advise::AdviseArgs),
    /// Decision quality on seeded populations of accounts, against baselines
    Simulate(super::simulate::SimulateArgs),
    /// The rehearsal world
    Sandbox(Sandbox),
    /// The configuration
    Config(ConfigCommand),
    /// Copies of the database: make, verify, put one back
    Db(Db),
    /// Does the agent live, and is everything in place for it? Exit code 0 if so
    Health,
    /// Shell completions on stdout
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// `demo`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  rungwise demo\n  rungwise demo --seed 7 --dir /tmp/story   then: rungwise status --dir /tmp/story\n  rungwise demo --json | tail -n 1"
)]
pub struct Demo {
    /// Seed of the market: same seed, same story, same bytes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Weeks to live through
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(4..=104))]
    pub weeks: u32,
    /// Propose mode: the same story, but nothing is ever written
    #[arg(long)]
    pub propose_only: bool,
}

/// `login`.
#[derive(Debug, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the command line")]
#[command(
    after_help = "Examples:\n  rungwise login                                     in a browser on this machine\n  rungwise login --no-browser                        prints the address\n  rungwise login --system-user < token.txt           the right token for a daemon\n  rungwise login --rotate-key                        a new key for what is stored\n\nNeeds api.app_id and the app secret. An app that is live at Meta wants its redirect registered: give the same address\nwith --redirect. A running agent takes the new token up at its next pass."
)]
pub struct Login {
    /// Print the address instead of opening a browser
    #[arg(long)]
    pub no_browser: bool,
    /// Take in a token made in Business Settings, from standard input
    #[arg(long, conflicts_with_all = ["no_browser", "redirect", "pkce"])]
    pub system_user: bool,
    /// Read that token from a file instead
    #[arg(long, value_name = "FILE", requires = "system_user")]
    pub token_file: Option<PathBuf>,
    /// Come back to this address on this machine, registered with the app [default: a free port, a random path]
    #[arg(long, value_name = "URL")]
    pub redirect: Option<String>,
    /// Bind the code to this login by PKCE too; Meta documents it for its OpenID Connect flow only, as in testing
    #[arg(long)]
    pub pkce: bool,
    /// Replace the key under which stored secrets are sealed
    #[arg(long, conflicts_with_all = ["no_browser", "redirect", "pkce", "system_user"])]
    pub rotate_key: bool,
}

/// `init`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  rungwise init --account act_1234567890\n  rungwise init --account act_1234567890 --max-daily-spend \"300.00 EUR\" \\\n      --max-spend-per-climb \"6000.00 EUR\" --max-regret-per-climb \"600.00 EUR\"\n\nWithout the three caps Rungwise only observes."
)]
pub struct Init {
    /// Where to write it
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    pub to: PathBuf,
    /// Daily budgets of everything managed, together, e.g. "300.00 EUR"
    #[arg(long, value_name = "MONEY", requires_all = ["max_spend_per_climb", "max_regret_per_climb"])]
    pub max_daily_spend: Option<String>,
    /// What one test may spend in all
    #[arg(long, value_name = "MONEY", requires = "max_daily_spend")]
    pub max_spend_per_climb: Option<String>,
    /// What one test may lose against the incumbent's cost
    #[arg(long, value_name = "MONEY", requires = "max_daily_spend")]
    pub max_regret_per_climb: Option<String>,
}

/// `sync`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  rungwise sync\n  rungwise sync --since 2026-01-01")]
pub struct Sync {
    /// Read back to this day (YYYY-MM-DD, the account's calendar)
    #[arg(long, value_name = "DAY")]
    pub since: Option<String>,
}

/// `status`.
#[derive(Debug, ClapArgs)]
pub struct Status {
    /// Show it again every few seconds
    #[arg(short, long)]
    pub watch: bool,
}

/// `plan`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  rungwise plan            exit code 2 when a plan waits for approval\n  rungwise plan -o next.json"
)]
pub struct Plan {
    /// Also write the newest open plan's bytes to a file, exactly as they are hashed
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `show`.
#[derive(Debug, ClapArgs)]
pub struct Show {
    /// A plan: its hash or the first characters of it; all plans when left out
    pub plan: Option<String>,
    /// Ended plans too
    #[arg(long)]
    pub all: bool,
}

/// `approve`, `reject`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  rungwise approve 3f2a91c07b1e --note \"agreed with Ana\"\n  rungwise approve --file next.json   the hash of that very file"
)]
pub struct Answer {
    /// The plan's hash, or at least its first 4 characters
    #[arg(required_unless_present = "file")]
    pub plan: Option<String>,
    /// Take the hash from a plan file instead
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    pub file: Option<PathBuf>,
    /// Who says so [default: the user name of the session]
    #[arg(long)]
    pub by: Option<String>,
    /// Why
    #[arg(long, default_value = "")]
    pub note: String,
}

/// `tick`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  rungwise tick\n  rungwise tick --now 2026-07-01T06:30:00Z   against a sandbox: lets its time pass first"
)]
pub struct Tick {
    /// The time to do it at; only against a sandbox on this machine
    #[arg(long, value_name = "TIME")]
    pub now: Option<String>,
    /// Do not take the daily decisions, only go on with what is under way
    #[arg(long)]
    pub no_decide: bool,
}

/// `climb`.
#[derive(Debug, ClapArgs)]
pub struct Climb {
    /// What to do
    #[command(subcommand)]
    pub what: ClimbWhat,
}

/// `climb …`.
#[derive(Debug, Subcommand)]
pub enum ClimbWhat {
    /// All climbs, newest first
    List {
        /// Unfinished ones only
        #[arg(long)]
        open: bool,
    },
    /// Hold a climb: nothing is proposed, only the stop-loss acts
    Pause(ClimbId),
    /// Let it go on
    Resume(ClimbId),
    /// End it and restore the incumbent
    Abort(ClimbId),
    /// Take the challenger now, whatever the figures say
    Promote(ClimbId),
}

/// A climb and why.
#[derive(Debug, ClapArgs)]
pub struct ClimbId {
    /// The climb
    pub id: String,
    /// Why
    #[arg(long, default_value = "")]
    pub note: String,
}

/// `stop`, `start`.
#[derive(Debug, ClapArgs)]
pub struct Reason {
    /// Why
    #[arg(long, default_value = "")]
    pub reason: String,
    /// `start` after a restore, although objects at Meta are unknown to this history
    #[arg(long)]
    pub accept_strangers: bool,
}

/// `explain`.
#[derive(Debug, ClapArgs)]
pub struct Explain {
    /// A decision or a climb; the newest decisions when left out
    pub id: Option<String>,
}

/// `replay`.
#[derive(Debug, ClapArgs)]
pub struct Replay {
    /// One decision
    #[arg(required_unless_present = "all")]
    pub id: Option<String>,
    /// Every decision
    #[arg(long)]
    pub all: bool,
}

/// `rehearse`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  rungwise rehearse --weeks 60 --seed 7\n  rungwise rehearse --crash-points --pairs 200 --seed 1 --json | tail -n 1\n  rungwise rehearse --seal rehearsed.toml\n\nEverything happens on the built-in sandbox in a temporary directory. Exit code 1 when something was found."
)]
pub struct Rehearse {
    /// Weeks to live through with everything going wrong
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub weeks: u32,
    /// Instead: die at every call and every commit of one climb, on both sides
    #[arg(long, conflicts_with = "weeks")]
    pub crash_points: bool,
    /// With --crash-points: also die twice, at this many sampled pairs
    #[arg(long, default_value_t = 0, requires = "crash_points")]
    pub pairs: u64,
    /// With --crash-points: die at every n-th call or commit only
    #[arg(long, default_value_t = 1, requires = "crash_points")]
    pub every: u64,
    /// With --crash-points: go on to the end of the climb in every n-th life, even where it stands again where a life without that death stood
    #[arg(long, default_value_t = 10, requires = "crash_points")]
    pub whole: u64,
    /// Seed of world, faults and sampling
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Instead: all that autonomy needs (10,000 weeks, the crash points of four climbs, 20,000 pairs); takes an hour or more. Writes FILE when nothing was found
    #[arg(long, value_name = "FILE", conflicts_with_all = ["weeks", "crash_points"])]
    pub seal: Option<PathBuf>,
}

/// `audit`.
#[derive(Debug, ClapArgs)]
pub struct Audit {
    /// What to do
    #[command(subcommand)]
    pub what: AuditWhat,
}

/// `audit …`.
#[derive(Debug, Subcommand)]
pub enum AuditWhat {
    /// Print the newest links, oldest of them first
    Log {
        /// How many
        #[arg(short = 'n', long, default_value_t = 40)]
        last: u32,
    },
    /// Read the whole chain and hold it against the copied heads
    Verify,
    /// Print every link as one JSON document per line, or write an evidence pack
    Export {
        /// Write a tar file with links, decisions, plans, writes, budgets, deliveries and proof instead
        #[arg(long, value_name = "FILE")]
        pack: Option<PathBuf>,
    },
    /// Erase what a person is called or has written; the chain stays whole
    #[command(
        after_help = "Example:\n  rungwise audit erase \"ana\"\n\nStop the agent first. Copies of the database that were made before still hold the text."
    )]
    Erase {
        /// The text exactly as it was given, e.g. a name
        text: String,
    },
    /// Copy the newest head out: appended to the anchor file and printed
    Anchor,
}

/// `db`.
#[derive(Debug, ClapArgs)]
pub struct Db {
    /// What to do
    #[command(subcommand)]
    pub what: DbWhat,
}

/// `db …`.
#[derive(Debug, Subcommand)]
pub enum DbWhat {
    /// Copy the live database while everybody goes on, and verify the copy
    Backup {
        /// Where to; must not exist [default: DIR/backups/backup-SECONDS.db]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Read a copy, or the live database, from the first byte to the last record
    Verify {
        /// The copy; the live database when left out
        file: Option<PathBuf>,
    },
    /// Put a copy in the place of the database; the agent then only observes until `start`
    Restore {
        /// The copy
        file: PathBuf,
    },
    /// List objects at Meta that carry our marker and that this history does not know
    Strangers,
    /// Take one of them as known; nothing changes at Meta
    Adopt {
        /// Its id
        id: String,
        /// Why
        #[arg(long, default_value = "")]
        note: String,
    },
}

/// `sandbox`.
#[derive(Debug, ClapArgs)]
pub struct Sandbox {
    /// What to do
    #[command(subcommand)]
    pub what: SandboxWhat,
}

/// How strict the rehearsal world is.
#[derive(Debug, ClapArgs)]
pub struct SandboxRules {
    /// Refuse what breaks Meta's specification: unknown fields, wrong types, unknown values
    #[arg(long)]
    pub strict: bool,
    /// Enforce the call limits of an access tier: limited or full; left out, usage is told and nothing refused
    #[arg(long, value_name = "TIER")]
    pub tier: Option<String>,
    /// Refuse calls without appsecret_proof
    #[arg(long)]
    pub require_proof: bool,
    /// Changes the budget of an ad set may see in an hour
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub budget_changes: usize,
    /// Milliseconds until a new object can be read
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub read_lag: i64,
    /// Language of the business, for the suffix of copies (de_DE)
    #[arg(long, default_value = "en_US")]
    pub locale: String,
}

/// `sandbox …`.
#[derive(Debug, Subcommand)]
pub enum SandboxWhat {
    /// Serve the rehearsal world over HTTP, for any Graph client
    #[command(
        after_help = "Examples:\n  rungwise sandbox serve\n  rungwise sandbox serve --addr 127.0.0.1:8199 --seed 3 --json\n  curl -X POST localhost:8199/_sandbox/advance -d '{\"seconds\":86400}'\n  curl -X POST localhost:8199/_sandbox/faults -d '{\"match\":\"/insights\",\"code\":80000,\"subcode\":2446079}'"
    )]
    Serve {
        /// Loopback address and port; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:0")]
        addr: String,
        /// Seed of account and market
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Seconds of the world per second; 0 = time passes only by /_sandbox/advance
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
        /// Which account: default, demo, lead_gen, custom_conversion
        #[arg(long, default_value = "default")]
        scenario: String,
        /// Let things go wrong as on a bad day: lost replies, errors, throttling, broken bodies
        #[arg(long)]
        faults: bool,
        /// Start at this time instead of now (2026-01-05T08:00:00Z)
        #[arg(long, value_name = "TIME")]
        start: Option<String>,
        /// How strict it is
        #[command(flatten)]
        rules: SandboxRules,
    },
}

/// `config`.
#[derive(Debug, ClapArgs)]
pub struct ConfigCommand {
    /// What to do
    #[command(subcommand)]
    pub what: ConfigWhat,
}

/// `config …`.
#[derive(Debug, Subcommand)]
pub enum ConfigWhat {
    /// Print the embedded default file, which documents every key
    Default,
    /// Print every effective value with its origin
    Show,
    /// Check it, and print what is in force with the next wake-ups
    Check,
}
