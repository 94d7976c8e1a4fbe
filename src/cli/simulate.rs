//! `simulate`: decision quality on seeded populations, against baselines.

use std::{
    fs,
    io::{self, Write},
    num::NonZero,
    path::PathBuf,
};

use clap::Args;

use self::report::{Entry, Study};
use crate::{
    config::{ConfigError, from_toml},
    domain::{Policy, policy::RuleName},
    sandbox::market::{
        World, WorldError,
        policies::{self, Baseline},
        population::{Contender, population},
    },
    study::Rungwise,
};

mod report;
mod svg;

/// Arguments of `simulate`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Every account is run by every policy in the same weather, 28 days of purchase optimisation behind it. Figures are \
percentages of cost per purchase against always_purchase on the same account, in expected purchases: `cut` is the mean \
saving, `p10` the saving that nine accounts in ten exceed, `worse5` the share of accounts made more than 5 % dearer, \
`regret` the mean excess over the best an all-knowing policy could do. `tests` are per account, `wrong` counts \
promotions of a challenger truly more than 5 % dearer. The worlds differ in how strong Meta's learning effect is, which \
nobody has published: the figures compare policies and forecast nothing.")]
pub struct SimulateArgs {
    /// Accounts per world.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub accounts: u32,
    /// Weeks each account is run.
    #[arg(long, default_value_t = 26, value_parser = clap::value_parser!(u32).range(1..=520))]
    pub weeks: u32,
    /// A world: neutral, seed-friendly, sceptic, threshold, holdout-a, holdout-b, holdout-c, or a TOML file. Repeat for
    /// several; without it the first four.
    #[arg(long = "world", value_name = "NAME|FILE.toml")]
    pub worlds: Vec<String>,
    /// A policy: rungwise, rungwise_strict, rungwise_quick, rungwise_prove_it_first, rungwise_always_valid,
    /// rungwise_article, article, article_95, always_purchase, always_atc, always_ic, always_vc, thompson, oracle. Repeat for
    /// several, or part them by commas.
    #[arg(long = "policy", value_name = "NAME", value_delimiter = ',')]
    pub policies: Vec<String>,
    /// The rules as shipped, each a point: what each saves and what it risks; with the policies that frame them.
    #[arg(long, conflicts_with = "policies")]
    pub rules: bool,
    /// Seed of the accounts and of all luck: the same seed gives the same figures on any number of threads.
    #[arg(long, default_value_t = 2026)]
    pub seed: u64,
    /// Threads; without it all cores.
    #[arg(long)]
    pub threads: Option<NonZero<usize>>,
    /// Also draw mean cut against the share of accounts made worse.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print JSON; set from the global `--json`.
    #[arg(skip)]
    pub json: bool,
}

/// Why a study cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// Not a policy.
    #[error("{0:?} is not a policy")]
    Policy(String),
    /// Not a world.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A world file cannot be read.
    #[error("world file {path}: {source}", path = path.display())]
    WorldFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A fault in a world file.
    #[error("{path}: {source}", path = path.display())]
    WorldText {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: WorldError,
    },
    /// The default configuration cannot be read with this rule.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The picture cannot be written.
    #[error("cannot write the picture {path}: {source}", path = path.display())]
    Svg {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
    /// The result is no JSON.
    #[error("cannot write the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl SimulateError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Policy(_) => {
                let mut names: Vec<String> = vec![OWN.to_owned()];
                names.extend(RuleName::NAMES.iter().map(|rule| format!("{OWN}_{rule}")));
                names.extend(Baseline::ALL.iter().map(|baseline| baseline.name().to_owned()));
                Some(format!("one of {}", names.join(", ")))
            }
            Self::World(_) | Self::WorldText { .. } => Some(
                "a world file needs `name = \"...\"`; every other key has a default".to_owned(),
            ),
            Self::Config(error) => error.hint(),
            Self::WorldFile { .. } | Self::Svg { .. } | Self::Output(_) | Self::Json(_) => None,
        }
    }
}

/// The name of the product's own policy with its shipped defaults.
const OWN: &str = "rungwise";
/// The policies of a study that names none.
const USUAL: [&str; 8] = [
    OWN,
    "article",
    "article_95",
    "always_purchase",
    "always_atc",
    "always_ic",
    "thompson",
    "oracle",
];

/// The policies of `--rules`.
const RULES: [&str; 8] = [
    "rungwise_quick",
    "rungwise_balanced",
    "rungwise_strict",
    "rungwise_prove_it_first",
    "rungwise_article",
    "article",
    "always_atc",
    "oracle",
];

/// A policy that was asked for.
enum Asked {
    Own(Box<dyn Fn(u64) -> Box<dyn policies::Policy> + Sync>),
    Baseline(Baseline),
    /// The best any fixed rung or the all-knowing monthly mover reached: the ceiling that regret is measured from.
    Ceiling,
}

/// Runs the study. Figures go to `out`, a line per world to `progress`.
pub fn run(
    args: &SimulateArgs,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<(), SimulateError> {
    let worlds = worlds(&args.worlds)?;
    let asked = if args.rules {
        RULES.iter().map(|name| (*name).to_owned()).collect()
    } else if args.policies.is_empty() {
        USUAL.iter().map(|name| (*name).to_owned()).collect()
    } else {
        args.policies.clone()
    };
    let policies = asked
        .iter()
        .map(|name| Ok((name.as_str(), policy(name)?)))
        .collect::<Result<Vec<_>, SimulateError>>()?;
    let contenders: Vec<Contender<'_>> = policies
        .iter()
        .filter_map(|(name, asked)| match asked {
            Asked::Own(make) => Some(Contender::Own { name, make: &**make }),
            Asked::Baseline(baseline) => Some(Contender::Baseline(*baseline)),
            Asked::Ceiling => None,
        })
        .collect();
    let threads = args
        .threads
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZero::<usize>::MIN);
    let accounts = usize::try_from(args.accounts).unwrap_or(usize::MAX);
    let weeks = i64::from(args.weeks);
    let mut study = Study::new(args.accounts, args.weeks, args.seed);
    for (n, world) in worlds.iter().enumerate() {
        writeln!(
            progress,
            "world {} of {}: {}, {accounts} accounts, {weeks} weeks",
            n + 1,
            worlds.len(),
            world.name
        )?;
        let one = std::slice::from_ref(world);
        let found = population(one, accounts, weeks, args.seed, &contenders, threads);
        for world in found.worlds {
            let mut others = world.policies;
            let ceiling = others.pop();
            let mut others = others.into_iter();
            let entries = policies.iter().filter_map(|(name, asked)| {
                let report = match asked {
                    Asked::Ceiling => ceiling.clone(),
                    Asked::Own(_) | Asked::Baseline(_) => others.next(),
                };
                report.map(|report| Entry::of(name, &report))
            });
            study.add(world.world, entries.collect());
        }
    }
    if let Some(path) = &args.svg {
        let picture = svg::frontier(&study);
        let failed = |source| SimulateError::Svg { path: path.clone(), source };
        fs::write(path, picture).map_err(failed)?;
    }
    if args.json {
        serde_json::to_writer(&mut *out, &study)?;
        writeln!(out)?;
    } else {
        study.tables(out)?;
    }
    Ok(())
}

fn worlds(asked: &[String]) -> Result<Vec<World>, SimulateError> {
    if asked.is_empty() {
        let tuning = &World::NAMES[..4];
        return tuning.iter().map(|name| Ok(World::by_name(name)?)).collect();
    }
    asked
        .iter()
        .map(|name| {
            let path = PathBuf::from(name);
            let is_file = path.extension().is_some() || path.exists();
            if World::NAMES.contains(&name.as_str()) || !is_file {
                return Ok(World::by_name(name)?);
            }
            let text = fs::read_to_string(&path)
                .map_err(|source| SimulateError::WorldFile { path: path.clone(), source })?;
            World::from_toml(&text).map_err(|source| SimulateError::WorldText { path, source })
        })
        .collect()
}

fn policy(name: &str) -> Result<Asked, SimulateError> {
    let unknown = || SimulateError::Policy(name.to_owned());
    if let Some(rule) = name.strip_prefix(OWN) {
        let rule = match rule.strip_prefix('_') {
            Some(rule) => Some(RuleName::parse(rule).ok_or_else(unknown)?),
            None if rule.is_empty() => None,
            None => return Err(unknown()),
        };
        let settings = shipped(rule)?;
        return Ok(Asked::Own(Box::new(move |_| Box::new(Rungwise::new(settings.clone())))));
    }
    match Baseline::by_name(name) {
        Some(Baseline::Oracle) => Ok(Asked::Ceiling),
        Some(baseline) => Ok(Asked::Baseline(baseline)),
        None => Err(unknown()),
    }
}

/// The shipped defaults, with another rule where one is named.
fn shipped(rule: Option<RuleName>) -> Result<Policy, SimulateError> {
    let rule = rule.map(|rule| ("compare.rule", rule.as_str()));
    let config = from_toml("[account]\nid = \"act_1\"\n", rule.as_slice())?;
    Ok(config.account(None)?.policy.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> SimulateArgs {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            args: SimulateArgs,
            #[arg(long)]
            json: bool,
        }
        let words = std::iter::once("simulate").chain(text.split_whitespace());
        let cli = <Cli as clap::Parser>::parse_from(words);
        SimulateArgs { json: cli.json, ..cli.args }
    }

    fn output(text: &str) -> Result<String, SimulateError> {
        let (mut out, mut progress) = (Vec::new(), Vec::new());
        run(&args(text), &mut out, &mut progress)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
        let ask = "--accounts 4 --weeks 8 --world neutral --policy rungwise --policy oracle --json";
        let one = output(&format!("{ask} --seed 3 --threads 1")).unwrap();
        assert_eq!(one, output(&format!("{ask} --seed 3 --threads 3")).unwrap());
        assert_ne!(one, output(&format!("{ask} --seed 4 --threads 3")).unwrap());
    }

    #[test]
    fn json_has_every_policy_of_every_world_and_their_mean() {
        let text = output("--accounts 2 --weeks 6 --json --threads 2").unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["seed"], 2026);
        let worlds = value["worlds"].as_array().unwrap();
        assert_eq!(worlds.len(), 4);
        for world in worlds {
            let policies = world["policies"].as_array().unwrap();
            let names: Vec<_> = policies.iter().map(|p| p["policy"].as_str().unwrap()).collect();
            assert_eq!(names, USUAL);
            for policy in policies {
                for key in ["cut", "p10", "regret", "worse5", "tests", "wrong"] {
                    assert!(policy[key].is_number(), "{key} of {policy}");
                }
                assert_eq!(policy["bands"].as_array().unwrap().len(), 6);
            }
        }
        let mean = value["mean"].as_array().unwrap();
        assert_eq!(mean.len(), USUAL.len());
        let purchase = mean.iter().find(|p| p["policy"] == "always_purchase").unwrap();
        assert!(purchase["cut"].as_f64().unwrap().abs() < 1e-9);
    }

    #[test]
    fn every_rule_is_a_point_and_the_default_is_balanced() {
        let ask = "--accounts 3 --weeks 8 --world neutral --json --threads 2";
        let of = |which: &str| -> serde_json::Value {
            serde_json::from_str(&output(&format!("{ask} {which}")).unwrap()).unwrap()
        };
        let rules = of("--rules");
        let names: Vec<_> =
            rules["mean"].as_array().unwrap().iter().map(|m| m["policy"].clone()).collect();
        assert_eq!(names, RULES);
        let both = of("--policy rungwise,rungwise_balanced");
        assert_eq!(both["mean"][0]["cut"], both["mean"][1]["cut"]);
    }

    #[test]
    fn a_wrong_name_is_refused_with_the_names_there_are() {
        let error = output("--policy rungwize").unwrap_err();
        assert_eq!(error.to_string(), "\"rungwize\" is not a policy");
        assert!(error.hint().unwrap().contains("rungwise_prove_it_first"));
        assert!(output("--world nowhere").unwrap_err().to_string().contains("seed-friendly"));
        let missing = output("--world no-such-file.toml").unwrap_err().to_string();
        assert!(missing.starts_with("world file no-such-file.toml: "), "{missing}");
    }

    #[test]
    fn tables_and_picture_show_what_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("frontier.svg");
        let ask = format!(
            "--accounts 2 --weeks 4 --world sceptic --policy always_atc --svg {}",
            file.display()
        );
        let table = output(&ask).unwrap();
        assert!(table.contains("sceptic") && table.contains("always_atc"), "{table}");
        let picture = fs::read_to_string(file).unwrap();
        assert!(picture.starts_with("<svg") && picture.contains("always_atc"));
    }
}
