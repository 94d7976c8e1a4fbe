//! Every statement, each a named constant, so that all of them can be executed by one test.
//!
//! They are shared by both engines: `$1` parameters, 64-bit integers, text and blobs, `on conflict` and `where not
//! exists` instead of engine dialects. What only one engine understands stands in `dialect.rs`.

use std::sync::LazyLock;

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        $($(#[$doc])* pub(crate) const $name: &str = $text;)+
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),+];
    };
}

statements! {
    /// Once per database.
    META_PUT = "insert into meta (name, value) values ($1, $2)";
    META_GET = "select value from meta where name = $1";

    ACCOUNT_PUT = "insert into accounts (account, doc, seen_at) values ($1, $2, $3)
        on conflict (account) do update set doc = excluded.doc, seen_at = excluded.seen_at";
    ACCOUNT_GET = "select doc from accounts where account = $1";

    TREE_HEADS = "select campaign, digest from tree_heads
        where account = $1 and campaign in (select value from json_each($2))";
    TREE_PUT = "insert into trees (account, campaign, seen_at, digest, doc) values ($1, $2, $3, $4, $5)";
    TREE_HEAD_PUT = "insert into tree_heads (account, campaign, version_at, digest, seen_at)
        values ($1, $2, $3, $4, $5)
        on conflict (account, campaign) do update
        set version_at = excluded.version_at, digest = excluded.digest, seen_at = excluded.seen_at";
    /// Milliseconds by campaign.
    TREES_SEEN = "update tree_heads set seen_at = j.value from json_each($2) j
        where account = $1 and campaign = j.key and seen_at < j.value";
    TREE_GET = "select t.doc, h.seen_at from tree_heads h
        join trees t on t.account = h.account and t.campaign = h.campaign and t.seen_at = h.version_at
        where h.account = $1 and h.campaign = $2";
    TREES_HISTORY = "select doc, seen_at from trees where account = $1 order by seen_at, campaign";
    TREES_GET = "select t.doc, h.seen_at from tree_heads h
        join trees t on t.account = h.account and t.campaign = h.campaign and t.seen_at = h.version_at
        where h.account = $1 order by h.campaign";

    INSIGHT_PUT = "insert into insights (account, day, adset, seen_at, campaign, spend_minor, currency,
            impressions, link_clicks, attribution, windows, actions, amounts, digest)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    /// What the newest versions of some ad sets on some days look like, for comparison with a fresh read.
    INSIGHT_DIGESTS = "select i.day, i.adset, i.digest, i.seen_at from insights i
        where i.account = $1 and i.day >= $2 and i.day <= $3 and i.adset >= $4 and i.adset <= $5 and i.seen_at = (
            select max(n.seen_at) from insights n
            where n.account = i.account and n.day = i.day and n.adset = i.adset)";
    /// A page of newest versions as of an instant, after a place in the order.
    INSIGHTS_PAGE = "select i.day, i.adset, i.seen_at, i.campaign, i.spend_minor, i.currency, i.impressions,
            i.link_clicks, i.attribution, i.actions, i.amounts
        from insights i
        where i.account = $1 and (i.day, i.adset) > ($2, $3) and i.day <= $4 and i.seen_at = (
            select max(n.seen_at) from insights n
            where n.account = i.account and n.day = i.day and n.adset = i.adset and n.seen_at <= $5)
        order by i.day, i.adset limit $6 + 0";
    /// The same of one campaign.
    INSIGHTS_OF_CAMPAIGN_PAGE = "select i.day, i.adset, i.seen_at, i.campaign, i.spend_minor, i.currency,
            i.impressions, i.link_clicks, i.attribution, i.actions, i.amounts
        from insights i
        where i.account = $1 and i.campaign = $7 and (i.day, i.adset) > ($2, $3) and i.day <= $4 and i.seen_at = (
            select max(n.seen_at) from insights n
            where n.account = i.account and n.day = i.day and n.adset = i.adset and n.seen_at <= $5)
        order by i.day, i.adset limit $6 + 0";
    COVERAGE_PUT = "insert into coverage (account, since, until, fetched_at) values ($1, $2, $3, $4)";
    COVERAGE_GET = "select since, until, fetched_at from coverage
        where account = $1 and until >= $2 and since <= $3 and fetched_at <= $4
        order by fetched_at, id";

    EVIDENCE_PUT = "insert into evidence (account, hash, at, bytes)
        select $1, $2, $3, $4 where not exists (select 1 from evidence where account = $1 and hash = $2)";
    EVIDENCE_GET = "select bytes from evidence where account = $1 and hash = $2";

    DECISION_PUT = "insert into decisions (account, decision, line, climb, at, evidence, doc)
        values ($1, $2, $3, $4, $5, $6, $7)";
    DECISION_GET = "select decision, line, climb, at, evidence, doc from decisions
        where account = $1 and decision = $2";
    DECISIONS_GET = "select decision, line, climb, at, evidence, doc from decisions
        where account = $1 order by at desc, id desc limit $2 + 0";
    DECISIONS_OF_CLIMB = "select decision, line, climb, at, evidence, doc from decisions
        where account = $1 and climb = $3 order by at desc, id desc limit $2 + 0";

    CLIMB_PUT = "insert into climbs (account, climb, line, state, open, doc, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (account, climb) do update
        set line = excluded.line, state = excluded.state, open = excluded.open, doc = excluded.doc,
            updated_at = excluded.updated_at";
    CLIMBS_GET = "select climb, line, state, open, doc, updated_at from climbs
        where account = $1 order by id desc";
    CLIMBS_OPEN = "select climb, line, state, open, doc, updated_at from climbs
        where account = $1 and open = 1 order by id desc";

    PLAN_PUT = "insert into plans (account, hash, line, climb, kind, created, expires, bytes)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    PLAN_END_PUT = "insert into plan_ends (plan, account, outcome, why, at) values ($1, $2, $3, $4, $5)";
    PLANS_GET = "select p.hash, p.line, p.climb, p.kind, p.created, p.expires, p.bytes, e.outcome, e.why, e.at
        from plans p left join plan_ends e on e.plan = p.hash
        where p.account = $1 order by p.created desc, p.id desc limit $2 + 0";
    PLANS_OPEN = "select p.hash, p.line, p.climb, p.kind, p.created, p.expires, p.bytes, e.outcome, e.why, e.at
        from plans p left join plan_ends e on e.plan = p.hash
        where p.account = $1 and e.plan is null order by p.created desc, p.id desc limit $2 + 0";
    /// A range instead of `like`, so that the index on hash is used.
    PLANS_LIKE = "select p.hash, p.line, p.climb, p.kind, p.created, p.expires, p.bytes, e.outcome, e.why, e.at
        from plans p left join plan_ends e on e.plan = p.hash
        where p.account = $1 and p.hash >= $2 and p.hash < $3 order by p.hash limit $4 + 0";
    APPROVAL_PUT = "insert into approvals (account, plan, given_by, at, granted, note)
        values ($1, $2, $3, $4, $5, $6)";
    /// Names of people stand behind tokens; what was erased, or is no token, is shown as it stands.
    APPROVALS_GET = "select a.plan, a.at, a.granted,
            coalesce((select p.value from personal p where p.token = a.given_by), a.given_by) as given_by,
            coalesce((select p.value from personal p where p.token = a.note), a.note) as note
        from approvals a where a.plan = $1 order by a.id";

    INTENT_PUT = "insert into intents (account, op_key, plan, action, creates, request, at)
        values ($1, $2, $3, $4, $5, $6, $7)";
    /// A write and its log are one row per entry: both are seen as of the same instant.
    INTENTS_GET = "select i.op_key, i.plan, i.action, i.creates, i.request, i.at, n.at as logged_at, n.entry, n.object
        from intents i left join intent_entries n on n.op_key = i.op_key
        where i.account = $1 order by i.id, n.id";
    INTENTS_OF_PLAN = "select i.op_key, i.plan, i.action, i.creates, i.request, i.at, n.at as logged_at, n.entry, n.object
        from intents i left join intent_entries n on n.op_key = i.op_key
        where i.account = $1 and i.plan = $2 order by i.id, n.id";
    /// Whatever was touched since, and all that may be in doubt.
    INTENTS_SINCE = "select i.op_key, i.plan, i.action, i.creates, i.request, i.at, n.at as logged_at, n.entry, n.object
        from intents i left join intent_entries n on n.op_key = i.op_key
        where i.account = $1 and (
            exists (select 1 from intent_entries e where e.op_key = i.op_key and e.at >= $2)
            or coalesce((select e.entry from intent_entries e where e.op_key = i.op_key and e.entry <> 'verified'
                order by e.id desc limit 1), 'started') in ('started', 'outcome_unknown'))
        order by i.id, n.id";
    ENTRY_PUT = "insert into intent_entries (account, op_key, at, entry, object) values ($1, $2, $3, $4, $5)";
    /// Reading the same result twice is no news.
    VERIFIED_PUT = "insert into intent_entries (account, op_key, at, entry, object)
        select $1, $2, $3, 'verified', null where not exists (
            select 1 from intent_entries where op_key = $2 and entry = 'verified')";

    COMMAND_PUT = "insert into commands (account, at, given_by, kind, subject, note)
        values ($1, $2, $3, $4, $5, $6)";
    COMMAND_DONE = "update commands set done_at = $3, answer = $4 where account = $1 and id = $2";
    COMMANDS_WAITING = "select c.id, c.at, c.kind, c.subject,
            coalesce((select p.value from personal p where p.token = c.given_by), c.given_by) as given_by,
            coalesce((select p.value from personal p where p.token = c.note), c.note) as note
        from commands c where c.account = $1 and c.done_at is null order by c.id";

    PERSONAL_TOKEN = "select token from personal where value = $1";
    PERSONAL_PUT = "insert into personal (token, salt, value) values ($1, $2, $3)";
    PERSONAL_ERASE = "update personal set salt = null, value = null where token = $1";
    PERSONAL_ALL = "select token, salt, value from personal order by token";

    SLOT_PUT = "insert into slots (account, job, slot, at) values ($1, $2, $3, $4)";
    SLOT_LAST = "select max(slot) as slot from slots where account = $1 and job = $2";

    NOTE_PUT = "insert into notes (account, name, value) values ($1, $2, $3)
        on conflict (account, name) do update set value = excluded.value";
    NOTE_GET = "select value from notes where account = $1 and name = $2";
    NOTES_GET = "select name, value from notes where account = $1 and name in (select value from json_each($2))";

    SECRET_PUT = "insert into secrets (id, account, purpose, standing, key_id, nonce, sealed, facts, made_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    SECRETS_GET = "select id, purpose, standing, key_id, nonce, sealed, facts, made_at from secrets
        where account = $1 order by purpose, standing";
    /// Of all accounts: a key is replaced everywhere or it cannot be dropped. The table holds a few rows.
    SECRETS_ALL = "select account, id, purpose, standing, key_id, nonce, sealed, facts, made_at from secrets
        order by account, purpose, standing";
    SECRET_REMOVE = "delete from secrets where account = $1 and id = $2";

    AUDIT_HEAD = "select seq, hash from audit order by seq desc limit 1";
    AUDIT_PUT = "insert into audit (seq, at, kind, body, prev, hash) values ($1, $2, $3, $4, $5, $6)";
    AUDIT_LINKS = "select seq, at, kind, body, prev, hash from audit where seq > $1 order by seq limit $2 + 0";
    /// The kind is written out, or the engine could not use the index of this kind.
    AUDIT_LAST_SCHEMA = "select seq, body from audit where kind = 'schema' order by seq desc limit 1";
    AUDIT_LINK_HASH = "select hash from audit where seq = $1";
}

/// Rows one statement of a bulk puts, most first: the engine is asked forty times less often.
pub(crate) const INSIGHTS_AT_ONCE: [usize; 2] = [40, 8];

/// [`INSIGHT_PUT`] with the parameters of many rows, one text per size of [`INSIGHTS_AT_ONCE`].
pub(crate) fn insight_put_many(size: usize) -> &'static str {
    static TEXTS: [LazyLock<String>; 2] = [
        LazyLock::new(|| put_many(INSIGHTS_AT_ONCE[0])),
        LazyLock::new(|| put_many(INSIGHTS_AT_ONCE[1])),
    ];
    &TEXTS[size]
}

fn put_many(rows: usize) -> String {
    let (head, tuple) = INSIGHT_PUT.split_once(" values ").expect("it puts values");
    let each = tuple.matches('$').count();
    let row = |n: usize| {
        let marks = (1..=each).map(|i| format!("${}", n * each + i));
        format!("({})", marks.collect::<Vec<_>>().join(", "))
    };
    let rows = (0..rows).map(row).collect::<Vec<_>>();
    format!("{head} values {}", rows.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sqlx::{Connection as _, SqliteConnection};

    use super::*;

    enum Arg {
        T(&'static str),
        I(i64),
        B(&'static [u8]),
        Null,
    }
    use Arg::{B, I, Null, T};

    const SCHEMA: &str = concat!(
        include_str!("../../migrations/sqlite/0001_first_version.sql"),
        include_str!("../../migrations/sqlite/0002_custody.sql"),
        include_str!("../../migrations/sqlite/0003_secrets_and_studies.sql"),
    );
    const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    const ID: &str = "0123456789abcdef0123456789abcdef";
    const OTHER_ID: &str = "0123456789abcdef0123456789abcde0";

    fn secret(id: &'static str, standing: &'static str) -> Vec<Arg> {
        let (key, nonce) = (T("0123456789abcdef"), B(b"0123456789abcdef01234567"));
        vec![T(id), T("1"), T("token"), T(standing), key, nonce, B(b"s"), B(b"{}"), I(5)]
    }

    /// Writes in an order the foreign keys and guards accept, with how many rows each changes.
    fn writes() -> Vec<(&'static str, Vec<Arg>, u64)> {
        vec![
            (META_PUT, vec![T("k"), T("v")], 1),
            (ACCOUNT_PUT, vec![T("1"), B(b"{}"), I(5)], 1),
            (TREE_PUT, vec![T("1"), T("7"), I(5), T(HASH), B(b"{}")], 1),
            (TREE_HEAD_PUT, vec![T("1"), T("7"), I(5), T(HASH), I(5)], 1),
            (TREES_SEEN, vec![T("1"), T("{\"7\":6,\"8\":6}")], 1),
            (
                INSIGHT_PUT,
                vec![
                    T("1"),
                    T("2026-01-01"),
                    T("2"),
                    I(5),
                    T("7"),
                    I(1),
                    T("EUR"),
                    I(1),
                    I(1),
                    T("a"),
                    T(""),
                    B(b"{}"),
                    B(b"{}"),
                    T(HASH),
                ],
                1,
            ),
            (COVERAGE_PUT, vec![T("1"), T("2026-01-01"), T("2026-01-02"), I(5)], 1),
            (EVIDENCE_PUT, vec![T("1"), T(HASH), I(5), B(b"e")], 1),
            (EVIDENCE_PUT, vec![T("1"), T(HASH), I(6), B(b"e")], 0),
            (DECISION_PUT, vec![T("1"), T("d"), T("l"), T("c"), I(5), T(HASH), B(b"{}")], 1),
            (CLIMB_PUT, vec![T("1"), T("c"), T("l"), T("s"), I(1), B(b"{}"), I(5)], 1),
            (PLAN_PUT, vec![T("1"), T(HASH), T("l"), T("c"), T("end"), I(5), I(6), B(b"p")], 1),
            (APPROVAL_PUT, vec![T("1"), T(HASH), T("a"), I(5), I(1), T("")], 1),
            (INTENT_PUT, vec![T("1"), T("op"), T(HASH), T("a"), Null, B(b"{}"), I(5)], 1),
            (ENTRY_PUT, vec![T("1"), T("op"), I(5), T("started"), Null], 1),
            (ENTRY_PUT, vec![T("1"), T("op"), I(6), T("succeeded"), T("99")], 1),
            (VERIFIED_PUT, vec![T("1"), T("op"), I(7)], 1),
            (VERIFIED_PUT, vec![T("1"), T("op"), I(8)], 0),
            (PLAN_END_PUT, vec![T(HASH), T("1"), T("done"), T(""), I(9)], 1),
            (COMMAND_PUT, vec![T("1"), I(5), T("a"), T("k"), T("s"), T("")], 1),
            (COMMAND_DONE, vec![T("1"), I(1), I(6), T("ok")], 1),
            (COMMAND_PUT, vec![T("1"), I(5), T("a"), T("k"), T("s"), T("")], 1),
            (SLOT_PUT, vec![T("1"), T("pull"), I(5), I(6)], 1),
            (NOTE_PUT, vec![T("1"), T("k"), T("v")], 1),
            (NOTE_PUT, vec![T("1"), T("k"), T("w")], 1),
            (PERSONAL_PUT, vec![T("p:1"), B(b"salt"), T("ada")], 1),
            (PERSONAL_PUT, vec![T("p:2"), B(b"salt"), T("eve")], 1),
            (PERSONAL_ERASE, vec![T("p:2")], 1),
            (AUDIT_PUT, vec![I(1), I(5), T("k"), B(b"{}"), T(ZERO), T(HASH)], 1),
            (SECRET_PUT, secret(ID, "current"), 1),
            (SECRET_PUT, secret(OTHER_ID, "candidate"), 1),
            (SECRET_REMOVE, vec![T("1"), T(ID)], 1),
        ]
    }

    /// Reads with how many rows each finds after [`writes`].
    fn reads() -> Vec<(&'static str, Vec<Arg>, usize)> {
        let day = || vec![T("1"), T("2026-01-01"), T(""), T("2026-01-02"), I(9), I(10)];
        let of_campaign = || day().into_iter().chain([T("7")]).collect();
        vec![
            (META_GET, vec![T("k")], 1),
            (ACCOUNT_GET, vec![T("1")], 1),
            (TREE_HEADS, vec![T("1"), T("[\"7\",\"8\"]")], 1),
            (TREE_GET, vec![T("1"), T("7")], 1),
            (TREES_GET, vec![T("1")], 1),
            (TREES_HISTORY, vec![T("1")], 1),
            (INSIGHT_DIGESTS, vec![T("1"), T("2026-01-01"), T("2026-01-01"), T("2"), T("2")], 1),
            (INSIGHTS_PAGE, day(), 1),
            (INSIGHTS_OF_CAMPAIGN_PAGE, of_campaign(), 1),
            (COVERAGE_GET, vec![T("1"), T("2026-01-02"), T("2026-01-03"), I(5)], 1),
            (EVIDENCE_GET, vec![T("1"), T(HASH)], 1),
            (DECISION_GET, vec![T("1"), T("d")], 1),
            (DECISIONS_GET, vec![T("1"), I(5)], 1),
            (DECISIONS_OF_CLIMB, vec![T("1"), I(5), T("c")], 1),
            (CLIMBS_GET, vec![T("1")], 1),
            (CLIMBS_OPEN, vec![T("1")], 1),
            (PLANS_GET, vec![T("1"), I(5)], 1),
            (PLANS_OPEN, vec![T("1"), I(5)], 0),
            (PLANS_LIKE, vec![T("1"), T("01"), T("01g"), I(5)], 1),
            (APPROVALS_GET, vec![T(HASH)], 1),
            (INTENTS_GET, vec![T("1")], 3),
            (INTENTS_OF_PLAN, vec![T("1"), T(HASH)], 3),
            (INTENTS_SINCE, vec![T("1"), I(0)], 3),
            (COMMANDS_WAITING, vec![T("1")], 1),
            (SLOT_LAST, vec![T("1"), T("pull")], 1),
            (NOTE_GET, vec![T("1"), T("k")], 1),
            (NOTES_GET, vec![T("1"), T("[\"k\",\"none\"]")], 1),
            (SECRETS_GET, vec![T("1")], 1),
            (SECRETS_ALL, vec![], 1),
            (AUDIT_HEAD, vec![], 1),
            (AUDIT_LINKS, vec![I(0), I(5)], 1),
            (AUDIT_LINK_HASH, vec![I(1)], 1),
            (AUDIT_LAST_SCHEMA, vec![], 0),
            (PERSONAL_TOKEN, vec![T("ada")], 1),
            (PERSONAL_ALL, vec![], 2),
        ]
    }

    fn bound(
        text: &'static str,
        args: Vec<Arg>,
    ) -> sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
        args.into_iter().fold(sqlx::query(text), |query, arg| match arg {
            T(text) => query.bind(text),
            I(number) => query.bind(number),
            B(bytes) => query.bind(bytes),
            Null => query.bind(None::<String>),
        })
    }

    #[tokio::test]
    async fn every_statement_runs_and_does_what_its_name_says() {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(SCHEMA).execute(&mut conn).await.unwrap();
        let mut ran = BTreeSet::new();
        for (text, args, changed) in writes() {
            let done = bound(text, args).execute(&mut conn).await;
            assert_eq!(
                done.unwrap_or_else(|e| panic!("{text}: {e}")).rows_affected(),
                changed,
                "{text}"
            );
            ran.insert(text);
        }
        for (text, args, found) in reads() {
            let rows = bound(text, args).fetch_all(&mut conn).await;
            assert_eq!(rows.unwrap_or_else(|e| panic!("{text}: {e}")).len(), found, "{text}");
            ran.insert(text);
        }
        let left: Vec<_> = ALL.iter().filter(|(_, text)| !ran.contains(text)).collect();
        assert!(left.is_empty(), "not executed: {left:?}");
    }

    #[tokio::test]
    async fn the_bulk_statement_puts_each_of_its_rows() {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let schema = include_str!("../../migrations/sqlite/0001_first_version.sql");
        sqlx::raw_sql(schema).execute(&mut conn).await.unwrap();
        for (size, rows) in INSIGHTS_AT_ONCE.into_iter().enumerate() {
            let mut args = Vec::new();
            for n in 0..i64::try_from(rows).unwrap() {
                let adset = if size == 0 { T("2") } else { T("3") };
                args.extend([T("1"), T("2026-01-01"), adset, I(n), T("7"), I(1), T("EUR"), I(1)]);
                args.extend([I(1), T("a"), T(""), B(b"{}"), B(b"{}"), T(HASH)]);
            }
            let done = bound(insight_put_many(size), args).execute(&mut conn).await.unwrap();
            assert_eq!(done.rows_affected(), rows as u64);
        }
    }

    /// A statement that walks a whole growing table would be slow after a year.
    #[tokio::test]
    async fn no_read_scans_a_table_without_an_index() {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(SCHEMA).execute(&mut conn).await.unwrap();
        for (text, args, _) in reads() {
            let explain: &'static str =
                Box::leak(format!("explain query plan {text}").into_boxed_str());
            for row in bound(explain, args).fetch_all(&mut conn).await.unwrap() {
                let detail: String = sqlx::Row::get(&row, "detail");
                // An argument that is a list is walked whole.
                let whole = detail.starts_with("SCAN")
                    && !detail.contains("json_each")
                    && ![AUDIT_HEAD, AUDIT_LAST_SCHEMA, PERSONAL_ALL, SECRETS_ALL].contains(&text);
                assert!(!whole, "{text}\n{detail}");
                // Pages must come out of an index in order: sorting would read everything for each page.
                let sorted = detail.contains("TEMP B-TREE") && text.contains("limit");
                assert!(!sorted, "{text}\n{detail}");
            }
        }
    }
}
