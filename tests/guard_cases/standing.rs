//! What guard rails take, keep and give back: breaker, autonomy, raises; over a store in memory.

use rungwise::{
    app::{Desk, pull::READ_NOTE, standing},
    domain::{
        AccountInfo, HOUR_MS, Moment, OpKey, Policy, Zone,
        plan::{PlanHash, Template},
        policy::Mode,
        write_log::Entry,
    },
    ports::store::IntentRow,
};

use super::{
    caps::policy,
    memory::Memory,
    paper::{Paper, Ticks},
};

const NOON: i64 = 1_767_787_200_000;

struct Agent {
    policy: Policy,
    ticks: std::sync::Arc<Ticks>,
    store: Memory,
    paper: Paper,
}

impl Agent {
    fn new() -> Self {
        let ticks = Ticks::new(Moment::from_millis(NOON), 1, 0);
        let store = Memory::new(std::sync::Arc::clone(&ticks));
        let paper = Paper::new(vec![], std::sync::Arc::clone(&ticks), 1, 0);
        store.held().account = Some(AccountInfo {
            name: "Shop".into(),
            currency: "EUR".parse().unwrap(),
            zone: Zone::utc(),
            status: 1,
            min_daily_budget: None,
            min_spend_cap: None,
            business: None,
        });
        store.held().notes.insert(READ_NOTE.to_owned(), NOON.to_string());
        Self { policy: policy(Mode::Autonomous), ticks, store, paper }
    }
    fn desk(&self) -> Desk<'_, Memory, Paper, Ticks> {
        Desk {
            store: &self.store,
            meta: &self.paper,
            clock: &self.ticks,
            policy: &self.policy,
            actor: "agent",
        }
    }
    /// A write whose log ended so, some minutes ago.
    fn wrote(&self, key: &str, minutes_ago: i64, end: &[Entry]) {
        let at = Moment::from_millis(NOON - minutes_ago * 60_000);
        let mut entries = vec![(at, Entry::Started)];
        entries.extend(end.iter().map(|e| (at, *e)));
        self.store.held().intents.push(IntentRow {
            op_key: OpKey::new(key).unwrap(),
            plan: PlanHash::named("p"),
            action: key.to_lowercase(),
            creates: None,
            request: Template { method: "POST".into(), path: "1".into(), params: vec![] },
            at,
            entries,
            object: None,
            verified: false,
        });
    }
    fn links(&self) -> Vec<String> {
        self.store.held().links.iter().map(|(kind, _)| kind.clone()).collect()
    }
}

#[tokio::test]
async fn an_open_breaker_is_told_of_once_demotes_and_closes_after_an_hour_and_a_read() {
    let agent = Agent::new();
    let now = || Moment::from_millis(NOON);
    for key in ["A", "B"] {
        agent.wrote(key, 1, &[Entry::Refused]);
    }
    assert_eq!(standing::closed(&agent.store, now()).await.unwrap(), None);
    agent.wrote("C", 0, &[Entry::Refused]);
    let why = standing::closed(&agent.store, now()).await.unwrap().unwrap();
    assert!(why.contains("refused three writes"), "{why}");
    assert!(standing::look_after_breaker(agent.desk()).await.unwrap().is_some());
    assert!(standing::look_after_breaker(agent.desk()).await.unwrap().is_none(), "told once");
    assert_eq!(standing::mode(agent.desk()).await.unwrap().0, Mode::Supervised);
    agent.ticks.advance(HOUR_MS - 1);
    standing::look_after_breaker(agent.desk()).await.unwrap();
    assert!(standing::closed(&agent.store, now()).await.unwrap().is_some());
    agent.ticks.advance(1);
    standing::look_after_breaker(agent.desk()).await.unwrap();
    assert_eq!(standing::closed(&agent.store, now()).await.unwrap(), None);
    assert_eq!(standing::mode(agent.desk()).await.unwrap().0, Mode::Supervised, "not given back");
    standing::lift(&agent.store, now(), "ana", "looked at it").await.unwrap();
    assert_eq!(standing::mode(agent.desk()).await.unwrap(), (Mode::Autonomous, None));
    assert_eq!(agent.links(), ["breaker_opened", "demoted", "breaker_closed", "lifted"]);
}

#[tokio::test]
async fn lost_answers_open_it_without_distrust_and_no_doubt_may_be_open_when_it_closes() {
    let agent = Agent::new();
    agent.wrote("A", 30, &[Entry::OutcomeUnknown, Entry::FoundApplied]);
    agent.wrote("B", 1, &[Entry::OutcomeUnknown]);
    standing::look_after_breaker(agent.desk()).await.unwrap();
    assert_eq!(standing::mode(agent.desk()).await.unwrap().0, Mode::Autonomous);
    agent.ticks.advance(2 * HOUR_MS);
    standing::look_after_breaker(agent.desk()).await.unwrap();
    let now = Moment::from_millis(NOON + 2 * HOUR_MS);
    assert!(standing::closed(&agent.store, now).await.unwrap().is_some(), "a doubt is open");
    agent.store.held().intents[1].entries.push((now, Entry::FoundApplied));
    standing::look_after_breaker(agent.desk()).await.unwrap();
    assert_eq!(standing::closed(&agent.store, now).await.unwrap(), None);
}

#[tokio::test]
async fn raises_wait_for_fresh_insights_to_the_millisecond_and_for_everything_else_that_is_unsure()
{
    let agent = Agent::new();
    let why = || async { standing::no_raises(agent.desk()).await.unwrap() };
    assert!(why().await.is_empty());
    agent.ticks.advance(6 * HOUR_MS);
    assert!(why().await.is_empty());
    agent.ticks.advance(1);
    assert!(why().await[0].contains("newest insights"), "{:?}", why().await);
    agent.store.held().notes.remove(READ_NOTE);
    assert!(why().await[0].contains("no insights"));
    let read = (NOON + 6 * HOUR_MS).to_string();
    agent.store.held().notes.insert(READ_NOTE.to_owned(), read);
    assert!(why().await.is_empty());
    agent.wrote("D", 0, &[Entry::OutcomeUnknown]);
    assert!(why().await[0].contains("write D is in doubt"));
    agent.store.held().intents.clear();
    if let Some(account) = agent.store.held().account.as_mut() {
        account.status = 2;
    }
    assert!(why().await[0].contains("status is 2"));
    if let Some(account) = agent.store.held().account.as_mut() {
        account.status = 1;
    }
    standing::shocked(agent.desk(), "CPM doubled").await.unwrap();
    agent.store.held().notes.insert(READ_NOTE.to_owned(), (NOON + 54 * HOUR_MS).to_string());
    agent.ticks.advance(48 * HOUR_MS - 1);
    assert!(why().await[0].contains("CPM doubled"), "{:?}", why().await);
    agent.ticks.advance(1);
    assert!(why().await.is_empty(), "{:?}", why().await);
    // 24 November lies in the blackout of the default configuration.
    agent.ticks.advance(321 * 24 * HOUR_MS);
    assert!(why().await[0].contains("blackout"), "{:?}", why().await);
}
