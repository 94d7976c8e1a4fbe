//! Real processes on the loopback: the served rehearsal world, the agent, and commands beside it.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    kills::is_write,
    support::{OPENING, Running, Site, contents},
};
use serde_json::Value;

/// Passes one after the other, each on its moment, with every plan approved in between by another process.
fn live(site: &Site, moments: &[&str]) {
    for moment in moments {
        site.json(&["tick", "--now", moment]);
        for plan in site.json(&["show"]).as_array().unwrap() {
            if plan["approved_by"].as_array().unwrap().is_empty() {
                site.json(&["approve", plan["hash"].as_str().unwrap(), "--note", "agreed"]);
            }
        }
        site.json(&["tick", "--no-decide"]);
    }
}

#[tokio::test]
async fn two_processes_carry_a_placement_to_its_end_over_http() {
    let site = Site::open("supervised");
    live(&site, &[OPENING, "2026-01-05T18:30:00Z", "2026-01-06T06:30:00Z"]);
    live(&site, &["2026-01-20T06:30:00Z", "2026-01-30T06:30:00Z", "2026-02-06T06:30:00Z"]);
    let climbs = site.json(&["climb", "list"]);
    let first = climbs.as_array().unwrap().last().unwrap();
    assert!(["settled", "stayed"].contains(&first["state"].as_str().unwrap()), "{climbs:#}");
    let log = site.admin("requests").await;
    let writes: Vec<&Value> = log.as_array().unwrap().iter().filter(|e| is_write(e)).collect();
    assert!(writes.len() >= 9, "clone and activation");
    let mut seen = Vec::new();
    for write in &writes {
        assert_eq!((&write["applied"], &write["status"]), (&true.into(), &200.into()), "{write:#}");
        let what = format!("{} {} {}", write["method"], write["path"], write["body"]);
        assert!(!seen.contains(&what), "sent twice: {what}");
        seen.push(what);
        for object in write["mutation"]["created"].as_array().into_iter().flatten() {
            assert_eq!(object["fields"]["status"], "PAUSED", "{object:#}");
        }
    }
    let starts = |e: &&&Value| {
        let changed = e["mutation"]["changed"].as_object();
        changed.is_some_and(|c| {
            c.iter().any(|(k, v)| k.starts_with("campaign:") && v["status"][1] == "ACTIVE")
        })
    };
    assert_eq!(writes.iter().filter(starts).count(), 1, "money starts at one write");
    let verified = site.json(&["audit", "verify"]);
    assert_eq!(verified["verified"], true);
    let replayed = site.json(&["replay", "--all"]);
    assert_eq!(replayed["decisions"], replayed["same"]);
    assert!(replayed["decisions"].as_u64().unwrap() >= 5);
}

/// A running agent, once it says that it runs and has taken its first look.
fn daemon(site: &Site) -> Running {
    let mut command = site.command(&["run"]);
    let mut child = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let began = lines.any(|line| line.unwrap().contains("pulled insights"));
    assert!(began, "the agent ended before its first pass");
    // Whoever stops reading must not stop the writer: the pipe is drained until the agent ends.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

/// Asks until it holds; nothing here may take longer than a few seconds.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what} did not come");
    }
}

#[tokio::test]
async fn beside_a_running_agent_every_command_works_and_a_second_agent_is_refused() {
    let site = Site::open("supervised");
    site.json(&["tick", "--now", OPENING]);
    let plan = site.json(&["show"])[0]["hash"].as_str().unwrap().to_owned();
    let mut agent = daemon(&site);
    for args in [&["tick"][..], &["run"], &["apply"], &["plan"]] {
        let second = site.run(args);
        assert_eq!(second.status.code(), Some(75), "{args:?}");
        let said = String::from_utf8(second.stderr).unwrap();
        assert!(said.contains("error: another agent is running on"), "{said}");
        assert!(said.contains("hint: "), "{said}");
    }
    let status = site.json(&["status"]);
    assert_eq!(status["lines"][0]["state"], "proposed");
    assert_ne!(status["insights_read"], Value::Null, "the reads of the sandbox's time are found");
    site.json(&["approve", &plan]);
    assert_eq!(site.json(&["status"])["plans"][0]["approved_by"][0], "ana");
    assert_eq!(site.run(&["stop", "--reason", "lunch"]).status.code(), Some(0));
    assert_eq!(site.json(&["status"])["stopped"], "lunch");
    assert!(site.path().join("STOP").is_file());
    assert_eq!(site.run(&["start"]).status.code(), Some(64), "a release needs a reason");
    assert_eq!(site.run(&["start", "--reason", "back"]).status.code(), Some(0));
    std::fs::write(site.path().join("STOP"), "by hand").unwrap();
    assert_eq!(site.json(&["status"])["stopped"], "by hand");
    let log = site.admin("requests").await;
    assert!(log.as_array().unwrap().iter().all(|e| e["mutation"].is_null()), "nothing was sent");
    let asked = Instant::now();
    let pid = agent.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    eventually("the end of the agent", || agent.0.try_wait().unwrap().is_some());
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert_eq!(agent.0.wait().unwrap().code(), Some(0), "a signal is a clean end");
    // The lock is free again, and the switch still holds: the approved plan waits.
    let waiting = site.json(&["tick", "--no-decide"]);
    assert!(waiting["waiting"][0]["why"].as_str().unwrap().contains("by hand"), "{waiting:#}");
    assert_eq!(site.json(&["audit", "verify"])["verified"], true);
}

#[test]
fn the_demo_gives_the_same_bytes_for_the_same_seed() {
    let tell = || {
        let dir = tempfile::tempdir().unwrap();
        let mut demo = crate::support::rungwise();
        demo.args(["demo", "--seed", "2", "--weeks", "5", "--json", "--dir"]).arg(dir.path());
        let done = demo.output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(!contents(dir.path()).is_empty());
        done.stdout
    };
    let (one, two) = (tell(), tell());
    assert_eq!(one, two);
    let summary: Value = serde_json::from_slice(&one).unwrap();
    assert_eq!(summary["seed"], 2);
    assert_eq!(summary["audit"]["verified"], true);
    for key in ["path", "climbs", "writes", "cpa_before", "cpa_after", "final_rung"] {
        assert!(!summary[key].is_null(), "{key} is missing: {summary:#}");
    }
}
