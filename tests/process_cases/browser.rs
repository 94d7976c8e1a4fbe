//! The login in a real browser: chromium, driven over WebDriver, against the served rehearsal world.
//!
//! Needs Debian's `chromium` and `chromium-driver` (any pair of browser and driver will do) and is run by hand:
//! `cargo test --test processes browser -- --ignored --nocapture`. Screenshots go to the directory `RUNGWISE_SHOTS` names.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    login::{bare, begin, browser},
    support::{Running, Site},
};

/// A browser session; ends with its driver.
struct Session {
    _driver: Running,
    http: reqwest::Client,
    url: String,
}

impl Session {
    async fn open() -> Self {
        let mut command = Command::new("chromedriver");
        command.args(["--port=0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = Running(command.spawn().expect("chromedriver is installed"));
        let lines = BufReader::new(driver.0.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|l| {
                let rest = l.split("started successfully on port ").nth(1)?;
                Some(rest.trim_end_matches('.').to_owned())
            })
            .expect("chromedriver tells its port");
        let arguments =
            json!(["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=900,700"]);
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": {"args": arguments}}}});
        let mut session = Self {
            _driver: driver,
            http: browser(),
            url: format!("http://127.0.0.1:{port}/session"),
        };
        let made = session.post("", &wanted).await;
        session.url = format!("{}/{}", session.url, made["sessionId"].as_str().unwrap());
        session
    }
    async fn read(answer: reqwest::Response) -> Value {
        let text = answer.text().await.unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        assert!(body["value"]["error"].is_null(), "{body:#}");
        body["value"].clone()
    }
    async fn post(&self, path: &str, body: &Value) -> Value {
        let sent = self.http.post(format!("{}{path}", self.url)).body(body.to_string());
        Self::read(sent.header("content-type", "application/json").send().await.unwrap()).await
    }
    async fn get(&self, path: &str) -> Value {
        Self::read(self.http.get(format!("{}{path}", self.url)).send().await.unwrap()).await
    }
    async fn visit(&self, address: &str) {
        self.post("/url", &json!({ "url": address })).await;
    }
    async fn press(&self, selector: &str) {
        let wanted = json!({"using": "css selector", "value": selector});
        let found = self.post("/element", &wanted).await;
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.post(&format!("/element/{id}/click"), &json!({})).await;
    }
    async fn text(&self) -> String {
        let script = json!({"script": "return document.body.innerText", "args": []});
        self.post("/execute/sync", &script).await.as_str().unwrap().to_owned()
    }
    async fn shot(&self, name: &str) {
        let Some(dir) = std::env::var_os("RUNGWISE_SHOTS") else { return };
        let text = self.get("/screenshot").await;
        let bytes = data_encoding::BASE64.decode(text.as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(PathBuf::from(dir).join(name), bytes).unwrap();
    }
    async fn close(self) {
        self.http.delete(&self.url).send().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs chromium and chromium-driver"]
async fn a_browser_logs_in_from_end_to_end() {
    let site = Site::open("supervised");
    let session = Session::open().await;

    // First a no.
    let waiting = begin(&site, &[]);
    session.visit(&waiting.address).await;
    session.press("#deny").await;
    let (code, _, err) = waiting.end();
    assert_eq!(code, Some(77), "{err}");

    // Then a yes.
    let waiting = begin(&site, &["--pkce"]);
    session.visit(&waiting.address).await;
    let asked = session.text().await;
    assert!(asked.contains("Rehearsal app asks for access"), "{asked}");
    assert!(asked.contains("ads_read") && asked.contains("ads_management"), "{asked}");
    session.shot("login-1-dialog.png").await;
    session.press("#approve").await;
    let back = session.text().await;
    assert!(back.contains("Rungwise has got the answer"), "{back}");
    session.shot("login-2-back.png").await;
    let (code, out, err) = waiting.end();
    assert_eq!(code, Some(0), "{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["kind"], "USER");

    // What the browser brought is what the agent works with.
    let pass = bare(&site, &["tick", "--json"]).output().unwrap();
    assert_eq!(pass.status.code(), Some(0), "{}", String::from_utf8_lossy(&pass.stderr));
    session.close().await;
}
