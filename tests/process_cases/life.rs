//! How a process lives and ends: one at a time, killed or asked to go, held after a loop of deaths, and never on a
//! database that is not the one it opened.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rungwise::store::DATABASE_FILE;
use serde_json::Value;

use crate::support::{OPENING, Running, Site};

fn kill(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

/// A running agent whose stderr is read line by line until `wanted` is seen; the rest is drained.
fn agent_until(site: &Site, wanted: &str) -> Running {
    let mut command = site.command(&["run"]);
    let mut child = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    let found = lines.any(|line| {
        let line = line.unwrap();
        let found = line.contains(wanted);
        seen.push(line);
        found
    });
    assert!(found, "{wanted:?} was not said: {seen:#?}");
    std::thread::spawn(move || lines.for_each(drop));
    child
}

fn ended(child: &mut Running, within: Duration) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            return status.code();
        }
        assert!(begun.elapsed() < within, "the agent did not end within {within:?}");
    }
}

#[test]
fn of_many_agents_started_at_once_exactly_one_lives() {
    let wanted = crate::asked::asked("RUNGWISE_STARTS");
    let site = Site::open("supervised");
    let mut starts: Vec<Running> = (0..wanted.unwrap_or(24))
        .map(|_| {
            let mut command = site.command(&["run"]);
            Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        })
        .collect();
    let begun = Instant::now();
    let mut ends = Vec::new();
    while starts.len() > 1 {
        starts.retain_mut(|start| match start.0.try_wait().unwrap() {
            Some(status) => {
                ends.push(status.code());
                false
            }
            None => true,
        });
        assert!(begun.elapsed() < Duration::from_mins(2), "{} still live", starts.len());
    }
    assert!(ends.iter().all(|code| *code == Some(75)), "{ends:?}");
    // The one that lives does its work, on a database in order.
    while !site.path().join("agent.beat").exists() {
        assert!(begun.elapsed() < Duration::from_mins(2), "no sign of life came");
    }
    assert_eq!(starts[0].0.try_wait().unwrap(), None);
    kill(&starts[0].0, "-TERM");
    assert_eq!(ended(&mut starts[0], Duration::from_mins(1)), Some(0));
    assert_eq!(site.json(&["db", "verify"])["verified"], true);
}

#[test]
fn killed_and_asked_to_go_come_to_the_same() {
    let site = Site::open("supervised");
    site.json(&["tick", "--now", OPENING]);
    let known = |site: &Site| {
        let status = site.json(&["status"]);
        (status["lines"].clone(), status["plans"].clone(), status["in_doubt"].clone())
    };
    let before = known(&site);
    for signal in ["-TERM", "-KILL"] {
        let mut agent = agent_until(&site, "pulled insights");
        kill(&agent.0, signal);
        let code = ended(&mut agent, Duration::from_mins(1));
        assert_eq!(code, (signal == "-TERM").then_some(0), "{signal}");
        assert_eq!(known(&site), before, "{signal}");
        assert_eq!(site.json(&["db", "verify"])["verified"], true, "{signal}");
        // A clean end leaves no sign of life; a kill leaves one that health will call dead once it is old.
        assert_eq!(site.path().join("agent.beat").exists(), signal == "-KILL", "{signal}");
    }
}

#[test]
fn an_agent_that_dies_again_and_again_only_observes_until_a_person_says_go() {
    let site = Site::open("supervised");
    for _ in 0..3 {
        let mut agent = agent_until(&site, "runs in mode supervised");
        kill(&agent.0, "-KILL");
        assert_eq!(ended(&mut agent, Duration::from_mins(1)), None);
    }
    let agent = agent_until(&site, "HELD IN OBSERVE");
    let health = site.json(&["health"]);
    assert!(health["held"].as_str().unwrap().contains("4 times"), "{health:#}");
    assert_eq!(health["live"], true, "{health:#}");
    assert!(site.json(&["status"])["stopped"].as_str().unwrap().contains("held"));
    kill(&agent.0, "-KILL");
    drop(agent);
    // The hold outlives the process; a person's word ends it while the agent runs.
    let mut command = site.command(&["run"]);
    let mut agent = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(agent.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|l| l.contains("HELD IN OBSERVE")));
    assert_eq!(site.run(&["start", "--reason", "the disk was slow"]).status.code(), Some(0));
    assert!(lines.any(|l| l.contains("runs in mode supervised")), "it takes up its mode again");
    std::thread::spawn(move || lines.for_each(drop));
    kill(&agent.0, "-TERM");
    assert_eq!(ended(&mut agent, Duration::from_mins(1)), Some(0));
}

#[test]
fn a_database_that_is_replaced_or_removed_under_the_agent_ends_it_soon() {
    for case in ["removed", "replaced"] {
        let site = Site::open("supervised");
        let database = site.path().join(DATABASE_FILE);
        let copy = site.path().join("copy.db");
        let mut agent = agent_until(&site, "pulled insights");
        site.json(&["db", "backup", "--to", copy.to_str().unwrap()]);
        match case {
            "removed" => std::fs::remove_file(&database).unwrap(),
            _ => std::fs::rename(&copy, &database).unwrap(),
        }
        let begun = Instant::now();
        assert_eq!(ended(&mut agent, Duration::from_secs(15)), Some(78), "{case}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{case}: {:?}", begun.elapsed());
        // Nothing begins anew over a lost history.
        let again = site.run(&["tick"]);
        let said = String::from_utf8_lossy(&again.stderr);
        assert_eq!(again.status.code(), Some(78), "{case}: {said}");
        println!("{case}: {said}");
    }
}

#[test]
fn a_copy_is_made_verified_and_put_back_into_an_agent_that_waits_for_a_person() {
    let site = Site::open("autonomous");
    site.json(&["tick", "--now", OPENING, "--no-decide"]);
    let copy = site.path().join("before.db");
    let made = site.json(&["db", "backup", "--to", copy.to_str().unwrap()]);
    assert_eq!(made["verified"], true);
    assert_eq!(site.json(&["db", "verify", copy.to_str().unwrap()])["records"], made["records"]);
    // After the copy, the agent decides and creates at Meta.
    site.json(&["tick"]);
    site.json(&["tick", "--no-decide"]);
    let pack = site.path().join("claim.tar");
    let packed = site.json(&["audit", "export", "--pack", pack.to_str().unwrap()]);
    assert!(packed["records"].as_i64().unwrap() > made["records"].as_i64().unwrap());
    let done = site.run(&["db", "restore", copy.to_str().unwrap(), "--json"]);
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(done.status.code(), Some(0), "{told:#}");
    assert!(told["lost_head"].as_i64() > told["records"].as_i64(), "{told:#}");
    let strangers = told["strangers"].as_array().unwrap();
    assert!(!strangers.is_empty(), "what was created since is unknown: {told:#}");
    // Held: even in autonomous mode nothing is written, and nothing is released over unknown objects.
    let log = site.run(&["audit", "verify"]);
    assert_eq!(log.status.code(), Some(0), "{}", String::from_utf8_lossy(&log.stderr));
    let tick = site.json(&["tick"]);
    assert!(tick["filed"].as_array().unwrap().is_empty(), "observe proposes nothing: {tick:#}");
    let refused = site.run(&["start", "--reason", "restored"]);
    assert_eq!(refused.status.code(), Some(80));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains(strangers[0]["id"].as_str().unwrap()), "{said}");
    for stranger in strangers {
        let id = stranger["id"].as_str().unwrap();
        let done = site.run(&["db", "adopt", id, "--note", "seen"]);
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    }
    assert!(site.json(&["db", "strangers"])["strangers"].as_array().unwrap().is_empty());
    assert_eq!(site.run(&["start", "--reason", "restored"]).status.code(), Some(0));
    assert_eq!(site.json(&["db", "verify"])["verified"], true);
    // Only one agent may be there, and only a real copy is taken.
    let held = rungwise::daemon::AgentLock::acquire(&site.path()).unwrap();
    let busy = site.run(&["db", "restore", copy.to_str().unwrap()]);
    assert_eq!(busy.status.code(), Some(75));
    drop(held);
    let bad = site.run(&["db", "restore", pack.to_str().unwrap()]);
    assert_eq!(bad.status.code(), Some(78), "{}", String::from_utf8_lossy(&bad.stderr));
}

#[test]
fn a_name_is_erased_from_the_record_and_the_record_stays_whole() {
    let site = Site::open("supervised");
    site.json(&["tick", "--now", OPENING]);
    let plan = site.json(&["show"])[0]["hash"].as_str().unwrap().to_owned();
    site.json(&["approve", &plan, "--by", "Ana Example", "--note", "for the spring sale"]);
    let log = || String::from_utf8(site.run(&["audit", "log"]).stdout).unwrap();
    assert!(log().contains("Ana Example"));
    assert_eq!(site.run(&["audit", "erase", "Nobody"]).status.code(), Some(83));
    assert_eq!(site.run(&["audit", "erase", "Ana Example"]).status.code(), Some(0));
    assert!(!log().contains("Ana Example") && log().contains("[erased]"), "{}", log());
    assert_eq!(site.json(&["audit", "verify"])["verified"], true);
    assert_eq!(site.json(&["db", "verify"])["verified"], true);
}

#[test]
fn health_names_each_check_and_fails_with_the_code_of_the_first_that_does() {
    let site = Site::open("supervised");
    let before = site.run(&["health"]);
    assert_eq!(before.status.code(), Some(78), "there is no database yet");
    site.json(&["tick", "--now", OPENING]);
    let health = site.json(&["health"]);
    assert_eq!((&health["live"], &health["ready"]), (&false.into(), &false.into()), "{health:#}");
    let names = ["agent", "database", "writable", "chain", "schema", "space", "wal"];
    let checks = health["checks"].as_array().unwrap();
    assert_eq!(checks.iter().map(|c| c["check"].as_str().unwrap()).collect::<Vec<_>>(), names);
    assert!(checks.iter().all(|c| c["ok"] == true), "{health:#}");
    // A sign of life that has grown old is a dead agent.
    std::fs::write(site.path().join("agent.beat"), r#"{"pid":1,"at_ms":1,"doing":"waiting"}"#)
        .unwrap();
    assert_eq!(site.run(&["health"]).status.code(), Some(1));
    std::fs::remove_file(site.path().join("agent.beat")).unwrap();
    std::fs::write(site.path().join("anchors.log"), "999 ").unwrap();
    std::fs::write(
        site.path().join("anchors.log"),
        format!("999 {} {}\n", "0".repeat(64), "0".repeat(64)),
    )
    .unwrap();
    assert_eq!(site.run(&["health"]).status.code(), Some(81));
}

/// What the parent below runs in a process of its own.
#[test]
#[ignore = "ends the process it runs in"]
fn a_task_that_panics() {
    rungwise::telemetry::end_on_panic();
    let panics = std::thread::spawn(|| panic!("planted"));
    // The process is gone before this returns.
    let _ = panics.join();
}

#[test]
fn a_panic_in_any_task_ends_the_whole_process() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "life::a_task_that_panics", "--ignored", "--test-threads", "1"]);
    let done = child.stdin(Stdio::null()).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(!said.contains("test result"), "the process went on after the panic: {said}");
}
