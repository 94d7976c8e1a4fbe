//! The real binary in processes of their own, and a served rehearsal world.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A Monday far from the blackout days of the default configuration.
pub(crate) const OPENING: &str = "2026-01-05T06:30:00Z";

/// A process that is ended with its owner.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The binary with nothing of our environment but what is given.
pub(crate) fn rungwise() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rungwise"));
    command.env_clear().env("USER", "ana").env("RUST_LOG", "info");
    command.stdin(Stdio::null());
    command
}

/// `sandbox serve` on a free port, and a directory whose configuration points at it.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) hello: Value,
    _world: Running,
}

impl Site {
    /// A world in which time passes only when it is told to.
    pub(crate) fn open(mode: &str) -> Self {
        Self::open_at(mode, "0")
    }

    /// A world that lives `speed` seconds in one of ours.
    pub(crate) fn open_at(mode: &str, speed: &str) -> Self {
        Self::serve(mode, speed, &[])
    }

    /// The same with more said to the server.
    pub(crate) fn serve(mode: &str, speed: &str, further: &[&str]) -> Self {
        let mut serve = rungwise();
        serve.args(["sandbox", "serve", "--addr", "127.0.0.1:0", "--speed", speed, "--json"]);
        serve.args(["--scenario", "demo", "--start", OPENING]).args(further);
        let mut world = serve.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(world.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let hello: Value = serde_json::from_str(&line).unwrap();
        let site = Self { dir: tempfile::tempdir().unwrap(), hello, _world: Running(world) };
        site.configure(mode, site.text("base_url"));
        site
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.hello[name].as_str().unwrap()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, mode: &str, base_url: &str) {
        let (account, app) = (self.text("account_id"), self.text("app_id"));
        let text = format!(
            "[account]\nid = \"act_{account}\"\n[mode]\nlevel = \"{mode}\"\n[api]\n\
             base_url = \"{base_url}\"\napp_id = \"{app}\"\n[limits]\n\
             max_daily_spend = \"400.00 EUR\"\nmax_spend_per_climb = \"8000.00 EUR\"\n\
             max_regret_per_climb = \"1000.00 EUR\"\n\
             [gates]\nuntested_below = 15\ntested_below = 30\n[placement]\njudged_by = \"volume\"\n"
        );
        std::fs::write(self.dir.path().join("config.toml"), text).unwrap();
    }

    /// A command on this site's directory, with the token in its environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = rungwise();
        command.env("RUNGWISE_API_TOKEN", self.text("access_token"));
        command.env("RUNGWISE_API_APP_SECRET", self.text("app_secret"));
        command.arg("--dir").arg(self.dir.path()).args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must succeed; its stdout as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let done = self.run(&[args, &["--json"]].concat());
        let text = String::from_utf8(done.stdout).unwrap();
        let talk = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{args:?}: {talk}");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e}: {text}"))
    }

    /// One admin path of the sandbox.
    pub(crate) async fn admin(&self, path: &str) -> Value {
        let url = format!("{}/_sandbox/{path}", self.text("base_url"));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = client.get(url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&body).unwrap()
    }
}

/// Every file of a directory with its bytes, the lock aside.
pub(crate) fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<(PathBuf, Vec<u8>)> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_file())
        .map(|p| {
            let bytes = std::fs::read(&p).unwrap();
            (p, bytes)
        })
        .collect();
    found.sort();
    found
}
