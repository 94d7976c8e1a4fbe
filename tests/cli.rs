//! The command line as a whole: it is well formed, and the README tells the truth about it.

use clap::CommandFactory;
use rungwise::cli::{Args, Ending};

const README: &str = include_str!("../README.md");

#[test]
fn the_command_line_is_well_formed() {
    Args::command().debug_assert();
}

#[test]
fn the_readme_names_every_command() {
    for command in Args::command().get_subcommands() {
        let name = command.get_name();
        assert!(README.contains(&format!("`{name}")), "README does not mention `{name}`");
    }
}

#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_code() {
    let endings = [
        Ending::Done,
        Ending::Failed,
        Ending::Proposed,
        Ending::Usage,
        Ending::BadInput,
        Ending::Unavailable,
        Ending::Damaged,
        Ending::CannotWrite,
        Ending::Busy,
        Ending::NoPermission,
        Ending::Config,
        Ending::NotApproved,
        Ending::Stopped,
        Ending::ChainBroken,
        Ending::ReplayDiffers,
        Ending::NotFound,
    ];
    let codes = endings.map(|e| format!("| {} |", e as u8));
    let rows: Vec<&str> = README
        .lines()
        .skip_while(|l| !l.starts_with("| code |"))
        .skip(2)
        .take_while(|l| l.starts_with('|'))
        .collect();
    assert_eq!(rows.len(), codes.len());
    for (row, code) in rows.iter().zip(&codes) {
        assert!(row.starts_with(code.as_str()), "{row} should begin with {code}");
    }
}

#[test]
fn every_command_explains_itself() {
    for command in Args::command().get_subcommands() {
        assert!(command.get_about().is_some(), "{} has no help", command.get_name());
    }
}
