//! The token at rest: renewal in two phases and a change of keys, each cut off at every point.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rungwise::{
    boot::{
        self, AnyClock, AnyTransport, Role,
        custody::{self, Keeper, Keys, Renewal},
    },
    config::{self, AccountConfig, SecretsConfig},
    domain::{AccountId, DAY_MS, Moment},
    ports::{
        BoxFuture, Clock, Request, Response, Store as _, StoreError, Transport, TransportError,
    },
    sandbox::{Options, Sandbox, Scenario, SteadyAudience},
    store::{Change, CommitHook, Keyring, SqliteStore},
};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

/// Counts the points at which the process can die, and dies at one of them.
#[derive(Debug, Default)]
struct Fate {
    seen: AtomicUsize,
    /// 0 = never.
    dies_at: usize,
}

impl Fate {
    /// True when the process is dead from here on.
    fn dead(&self) -> bool {
        let n = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        self.dies_at != 0 && n >= self.dies_at
    }
}

/// A wire that breaks on either side of each request.
struct Wire(Sandbox, Arc<Fate>);

impl Transport for Wire {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            let cut = || TransportError::Lost("the process died".into());
            if self.1.dead() {
                return Err(cut());
            }
            let answer = self.0.send(request).await?;
            if self.1.dead() { Err(cut()) } else { Ok(answer) }
        })
    }
}

/// A disk that stops on either side of each commit.
#[derive(Debug)]
struct Disk(Arc<Fate>);

impl Disk {
    fn pass(&self) -> Result<(), StoreError> {
        let died = || StoreError::Database { doing: "living on", why: "the process died".into() };
        if self.0.dead() { Err(died()) } else { Ok(()) }
    }
}

impl CommitHook for Disk {
    fn before(&self, _: Change<'_>) -> Result<(), StoreError> {
        self.pass()
    }
    fn after(&self, _: Change<'_>) -> Result<(), StoreError> {
        self.pass()
    }
}

/// The world's clock; whoever waits on it lets its time pass.
struct Driver(Sandbox);

impl Clock for Driver {
    fn now(&self) -> Moment {
        self.0.clock().now()
    }
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
        self.0.advance_to(until);
        Box::pin(std::future::ready(()))
    }
}

struct Site {
    dir: TempDir,
    world: Sandbox,
    account: AccountConfig,
    secrets: SecretsConfig,
}

fn start() -> Moment {
    Scenario::default().start
}

fn site(days_left: i64) -> Site {
    let scenario = Scenario { history_days: 2, ..Scenario::default() };
    let token_expires = Some(scenario.start.plus(days_left * DAY_MS));
    let options = Options { token_expires, require_proof: true, ..Options::default() };
    let audience = SteadyAudience::new(scenario.seed);
    let world = Sandbox::with(scenario, options, Box::new(audience));
    let who = world.credentials();
    let text = format!(
        "[account]\nid = \"act_{}\"\n[api]\nbase_url = \"http://127.0.0.1:1\"\napp_id = \"{}\"\n",
        who.account_id, who.app_id
    );
    let secrets = [("api.app_secret", who.app_secret.expose_secret())];
    let config = config::from_toml(&text, &secrets).unwrap();
    let account = config.account(None).unwrap().clone();
    Site { dir: tempfile::tempdir().unwrap(), world, account, secrets: config.secrets }
}

impl Site {
    async fn keeper(&self, fate: &Arc<Fate>) -> (Keeper, SqliteStore) {
        let store = boot::open_store(self.dir.path(), &self.account, Role::Agent).await.unwrap();
        let store = store.with_hook(Arc::new(Disk(Arc::clone(fate))));
        Keys::find_or_draw(&self.secrets, self.dir.path()).unwrap();
        let transport: AnyTransport = Arc::new(Wire(self.world.clone(), Arc::clone(fate)));
        let clock: AnyClock = Arc::new(Driver(self.world.clone()));
        (Keeper::new(store.clone(), &self.secrets, &self.account, transport, clock), store)
    }
    /// The stored token, which must exist, open, and be one that Meta takes.
    async fn usable(&self) -> String {
        let (keeper, store) = self.keeper(&Arc::default()).await;
        let (token, _) = keeper.current().await.unwrap().expect("there is a token at every point");
        let transport: AnyTransport = Arc::new(self.world.clone());
        let clock: AnyClock = Arc::new(Driver(self.world.clone()));
        custody::check(&self.account, &transport, &clock, &token).await.unwrap();
        drop(keeper);
        store.close().await;
        token.expose_secret().to_owned()
    }
    async fn adopted(&self) -> String {
        let (keeper, store) = self.keeper(&Arc::default()).await;
        let token = self.world.credentials().access_token;
        keeper.adopt(&token, "ana").await.unwrap();
        drop(keeper);
        store.close().await;
        token.expose_secret().to_owned()
    }
}

#[tokio::test]
async fn a_renewal_cut_off_at_any_point_leaves_a_usable_token_and_ends_when_it_is_run_again() {
    let count = {
        let site = site(20);
        site.adopted().await;
        let fate = Arc::new(Fate::default());
        let (keeper, store) = site.keeper(&fate).await;
        let done = keeper.renew().await.unwrap();
        assert!(matches!(done, Renewal::Renewed(Some(end)) if end.since(start()) > 59 * DAY_MS));
        drop(keeper);
        store.close().await;
        fate.seen.load(Ordering::Relaxed)
    };
    // Exchange, candidate, examination, account, the swap: each has two sides.
    assert!(count >= 10, "{count} points");
    for dies_at in 1..=count {
        let site = site(20);
        let old = site.adopted().await;
        let (keeper, store) = site.keeper(&Arc::new(Fate { dies_at, ..Fate::default() })).await;
        let cut = keeper.renew().await;
        assert!(!matches!(cut, Ok(Renewal::Renewed(_))) || dies_at == count, "{dies_at}: {cut:?}");
        drop(keeper);
        store.close().await;
        let after_death = site.usable().await;
        let (keeper, store) = site.keeper(&Arc::default()).await;
        let again = keeper.renew().await.unwrap();
        // Died after the swap: there is nothing left to do.
        let swapped = after_death != old;
        assert_eq!(matches!(again, Renewal::Renewed(_)), !swapped, "{dies_at}: {again:?}");
        assert_eq!(store.sealed().await.unwrap().len(), 1, "{dies_at}: no candidate is left");
        store.verify_audit().await.unwrap();
        drop(keeper);
        store.close().await;
        assert_ne!(site.usable().await, old, "{dies_at}: the new token is in use");
    }
    println!("{count} points");
}

#[tokio::test]
async fn only_a_system_users_token_near_its_end_is_renewed() {
    for (days, due) in [(22, false), (21, true), (1, true)] {
        let site = site(days);
        site.adopted().await;
        let (keeper, _store) = site.keeper(&Arc::default()).await;
        let done = keeper.renew().await.unwrap();
        assert_eq!(matches!(done, Renewal::Renewed(_)), due, "{days} days left: {done:?}");
    }
    let site = site(1);
    site.adopted().await;
    site.world.advance_to(start().plus(2 * DAY_MS));
    let (keeper, _store) = site.keeper(&Arc::default()).await;
    assert_eq!(keeper.renew().await.unwrap(), Renewal::NotDue, "an ended token cannot be renewed");
}

#[tokio::test]
async fn a_token_that_fails_its_test_never_replaces_a_good_one() {
    let site = site(20);
    let old = site.adopted().await;
    let (keeper, store) = site.keeper(&Arc::default()).await;
    let unknown: SecretString = "EAABunknown".to_owned().into();
    let refused = keeper.adopt(&unknown, "ana").await.unwrap_err().to_string();
    assert!(refused.contains("not valid") && !refused.contains("EAABunknown"), "{refused}");
    drop(keeper);
    store.close().await;
    assert_eq!(site.usable().await, old);
}

#[tokio::test]
async fn a_swapped_or_altered_row_and_a_lost_key_fail_closed() {
    use sqlx::Connection as _;
    let site = site(20);
    site.adopted().await;
    let file = site.dir.path().join(rungwise::store::DATABASE_FILE);
    let url = format!("sqlite://{}", file.display());
    for damage in [
        "update secrets set sealed = cast(x'00' || substr(sealed, 2) as blob)",
        "update secrets set account = '9'",
        "update secrets set facts = x'7b7d'",
    ] {
        let mut raw = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let kept = sqlx::query(sqlx::AssertSqlSafe(damage)).execute(&mut raw).await;
        assert!(kept.is_err(), "the schema refuses an edit: {damage}");
        sqlx::query("drop trigger secrets_sealed").execute(&mut raw).await.unwrap();
        sqlx::query("create temp table before as select * from secrets")
            .execute(&mut raw)
            .await
            .unwrap();
        sqlx::query(sqlx::AssertSqlSafe(damage)).execute(&mut raw).await.unwrap();
        let (keeper, store) = site.keeper(&Arc::default()).await;
        let found = keeper.current().await;
        assert!(!matches!(found, Ok(Some(_))), "{damage}");
        drop(keeper);
        store.close().await;
        sqlx::query("delete from secrets").execute(&mut raw).await.unwrap();
        sqlx::query("insert into secrets select * from before").execute(&mut raw).await.unwrap();
        sqlx::query("drop table before").execute(&mut raw).await.unwrap();
        sqlx::query(
            "create trigger secrets_sealed before update on secrets begin select raise(abort, 'no'); end",
        )
        .execute(&mut raw)
        .await
        .unwrap();
        raw.close().await.unwrap();
    }
    let key = site.dir.path().join(custody::KEY_FILE);
    let kept = std::fs::read_to_string(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let found = custody::with_stored_token(&site.secrets, site.dir.path(), &site.account).await;
    assert!(matches!(found, Err(custody::CustodyError::NoKey)), "{found:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(&key, kept).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let found = custody::with_stored_token(&site.secrets, site.dir.path(), &site.account).await;
        let why = found.unwrap_err().to_string();
        assert!(why.contains("others can read it"), "{why}");
    }
}

#[tokio::test]
async fn a_key_is_replaced_everywhere_however_often_the_change_is_cut_off() {
    let count = {
        let site = site(20);
        site.adopted().await;
        rotate(&site, 0).await.1
    };
    assert!(count >= 4, "{count} points: two accounts, two sides each");
    for dies_at in 1..=count {
        let site = site(20);
        let token = site.adopted().await;
        let old = std::fs::read_to_string(site.dir.path().join(custody::KEY_FILE)).unwrap();
        rotate(&site, dies_at).await.0.unwrap_err();
        assert_eq!(site.usable().await, token, "{dies_at}: it opens in between");
        let done = rotate(&site, 0).await.0.unwrap();
        assert!(done.old_dropped, "{dies_at}");
        let new = std::fs::read_to_string(site.dir.path().join(custody::KEY_FILE)).unwrap();
        assert_eq!(new.lines().count(), 1, "{dies_at}: one key is left");
        assert!(!new.contains(old.trim()), "{dies_at}: and it is the new one");
        assert_eq!(site.usable().await, token, "{dies_at}");
        let store = boot::open_store(site.dir.path(), &site.account, Role::Agent).await.unwrap();
        for (_, row) in store.all_sealed().await.unwrap() {
            assert_eq!(row.key_id, done.key_id, "{dies_at}: nothing is left under the old key");
        }
    }
    println!("{count} points");
}

/// A change of keys over two accounts of one database, with the number of points it passed.
async fn rotate(
    site: &Site,
    dies_at: usize,
) -> (Result<custody::Rotated, custody::CustodyError>, usize) {
    let fate = Arc::new(Fate { dies_at, ..Fate::default() });
    let plain = boot::open_store(site.dir.path(), &site.account, Role::Agent).await.unwrap();
    let other = AccountId::new("act_77").unwrap();
    let second = plain.for_account(&other);
    if second.sealed().await.unwrap().is_empty() {
        let ring = Keys::find(&site.secrets, site.dir.path()).unwrap().unwrap().ring;
        let secret: SecretString = "another".to_owned().into();
        let standing = rungwise::ports::store::Standing::Current;
        let row = ring.seal(&other, "token", standing, &secret, b"{}".to_vec(), start()).unwrap();
        second.commit(vec![rungwise::ports::Record::Sealed(row)]).await.unwrap();
    }
    let store = plain.clone().with_hook(Arc::new(Disk(Arc::clone(&fate))));
    let done = custody::rotate(&store, &site.secrets, site.dir.path(), "ana", start()).await;
    drop((store, second));
    plain.close().await;
    (done, fate.seen.load(Ordering::Relaxed))
}

#[test]
fn keys_are_looked_for_in_the_safest_place_first() {
    let dir = tempfile::tempdir().unwrap();
    let keys: Vec<String> = (1..=3).map(|n| format!("{n:02x}00").repeat(16)).collect();
    let config = |env: &[(&str, &str)]| {
        let env = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let file = dir.path().join("config.toml");
        std::fs::write(&file, "[account]\nid = \"act_1\"\n").unwrap();
        config::load(Some(&file), &env).unwrap().secrets
    };
    let id = |key: &str| Keyring::parse(&key.to_owned().into()).unwrap().first_id().to_owned();
    let write = |path: &std::path::Path, key: &str| {
        std::fs::write(path, key).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    };
    assert!(Keys::find(&config(&[]), dir.path()).unwrap().is_none());
    let env = [("RUNGWISE_SECRETS_KEY", keys[0].as_str())];
    let found = Keys::find(&config(&env), dir.path()).unwrap().unwrap();
    assert_eq!(found.ring.first_id(), id(&keys[0]));
    assert!(found.warning().is_some(), "the environment is the worst place");
    write(&dir.path().join(custody::KEY_FILE), &keys[1]);
    let found = Keys::find(&config(&env), dir.path()).unwrap().unwrap();
    assert_eq!((found.ring.first_id(), found.warning()), (id(&keys[1]).as_str(), None));
    let credentials = dir.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    write(&credentials.join("rungwise-secrets-key"), &keys[2]);
    let env = [env[0], ("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())];
    let found = Keys::find(&config(&env), dir.path()).unwrap().unwrap();
    assert_eq!(found.ring.first_id(), id(&keys[2]));
    assert!(!format!("{found:?}").contains(&keys[2]));
}

/// What `Debug` says about everything public that holds a secret, and what a panic that shows it says.
#[tokio::test]
async fn nothing_that_can_be_shown_shows_a_secret() {
    let site = site(20);
    let token = site.adopted().await;
    let who = site.world.credentials();
    let account =
        custody::with_stored_token(&site.secrets, site.dir.path(), &site.account).await.unwrap();
    let (keeper, store) = site.keeper(&Arc::default()).await;
    let keys = Keys::find(&site.secrets, site.dir.path()).unwrap().unwrap();
    let transport: AnyTransport = Arc::new(site.world.clone());
    let waiting = boot::login::begin(&account, transport, None, true).await.unwrap();
    let request = Request::post("/v26.0/oauth/access_token")
        .form("client_secret", who.app_secret.expose_secret())
        .form("fb_exchange_token", &token);
    let response = Response { status: 200, headers: Vec::new(), body: token.clone().into_bytes() };
    let shown = format!(
        "{account:?} {keeper:?} {keys:?} {:?} {waiting:?} {request:?} {response:?} {who:?} {store:?} {:?}",
        store.sealed().await.unwrap(),
        site.world,
    );
    let panicked = std::panic::catch_unwind(|| panic!("{shown}")).unwrap_err();
    let said = panicked.downcast_ref::<String>().unwrap();
    let key = std::fs::read_to_string(site.dir.path().join(custody::KEY_FILE)).unwrap();
    let state = waiting.address().split("state=").nth(1).unwrap().split('&').next().unwrap();
    for secret in [token.as_str(), who.app_secret.expose_secret(), key.trim(), state] {
        assert!(said.len() > 500 && !said.contains(secret), "{said}");
    }
    drop(keeper);
    store.close().await;
}
