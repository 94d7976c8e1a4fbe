-- Everything the product remembers, first version.
--
-- Conventions: instants are integer milliseconds since 1970 (UTC), days are YYYY-MM-DD in the account's own zone, money
-- is an integer in minor units with its currency beside it, documents are blobs holding exactly the bytes that were
-- given, because their hashes are what people approve and auditors check. `account` is the ad account's number without
-- `act_`: an agency keeps several accounts in one database. Foreign keys never cascade and are checked at commit, so
-- that a batch may name its rows in any order.
--
-- History cannot be changed: each history table refuses update and delete, and a guard before insert refuses a row that
-- is there already, so that neither `insert or replace` nor an upsert slips past, whatever a connection has set.

-- "RUNG": tells our file from any other program's.
pragma application_id = 1381322311;
-- The number of the newest migration in this folder.
pragma user_version = 1;

-- Facts about this database itself, written once: `install_id` is part of every write's key.
create table meta (
    name  text not null primary key,
    value text not null
) strict, without rowid;

-- The ad account as last read.
create table accounts (
    account text    not null primary key,
    doc     blob    not null,
    seen_at integer not null
) strict, without rowid;

-- Versions of a campaign with its ad sets and ads. A read that finds nothing changed adds no version; tree_heads
-- remembers that it looked.
create table trees (
    id       integer primary key,
    account  text    not null,
    campaign text    not null,
    seen_at  integer not null,
    digest   text    not null check (length(digest) = 64),
    doc      blob    not null,
    unique (account, campaign, seen_at)
) strict;

-- Newest version and last sighting of each tree.
create table tree_heads (
    account    text    not null,
    campaign   text    not null,
    version_at integer not null,
    digest     text    not null,
    seen_at    integer not null check (seen_at >= version_at),
    primary key (account, campaign),
    foreign key (account, campaign, version_at) references trees (account, campaign, seen_at)
        deferrable initially deferred
) strict, without rowid;

-- One ad set, one day, as one read saw it. A later read that differs adds a row; `digest` says whether it differs.
create table insights (
    id          integer primary key,
    account     text    not null,
    day         text    not null check (day glob '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    adset       text    not null,
    seen_at     integer not null,
    campaign    text    not null,
    spend_minor integer not null,
    currency    text    not null check (length(currency) = 3),
    impressions integer not null check (impressions >= 0),
    link_clicks integer not null check (link_clicks >= 0),
    -- The setting under which plain counts were made, and the explicit windows that were counted beside them.
    attribution text    not null,
    windows     text    not null,
    -- Counts and values by action type, JSON.
    actions     blob    not null,
    amounts     blob    not null,
    digest      text    not null check (length(digest) = 64),
    -- Also the index that finds the newest version of a row and walks a range of days in order.
    unique (account, day, adset, seen_at)
) strict;
create index insights_of_campaign on insights (account, campaign, day, adset, seen_at);

-- Which days were read completely, and when: tells "no delivery" from "not fetched".
create table coverage (
    id         integer primary key,
    account    text    not null,
    since      text    not null,
    until      text    not null,
    fetched_at integer not null,
    check (since <= until)
) strict;
create index coverage_of_days on coverage (account, until, since);

-- The stored inputs of decisions, under the hash of their bytes.
create table evidence (
    id      integer primary key,
    account text    not null,
    hash    text    not null check (length(hash) = 64),
    at      integer not null,
    bytes   blob    not null,
    unique (account, hash)
) strict;

-- Decisions; `doc` is what a replay must reproduce byte for byte.
create table decisions (
    id       integer primary key,
    account  text    not null,
    decision text    not null,
    line     text    not null,
    climb    text    not null,
    at       integer not null,
    evidence text    not null,
    doc      blob    not null,
    unique (account, decision),
    foreign key (account, evidence) references evidence (account, hash) deferrable initially deferred
) strict;
create index decisions_by_time on decisions (account, at);
create index decisions_of_climb on decisions (account, climb, at);

-- Current state of each climb; its past is in decisions and audit.
create table climbs (
    id         integer primary key,
    account    text    not null,
    climb      text    not null,
    line       text    not null,
    state      text    not null,
    open       integer not null check (open in (0, 1)),
    doc        blob    not null,
    updated_at integer not null,
    unique (account, climb)
) strict;
create index climbs_open on climbs (account, open);

-- Immutable plans under the hash of their bytes.
create table plans (
    id      integer primary key,
    account text    not null,
    hash    text    not null unique check (length(hash) = 64),
    line    text    not null,
    climb   text    not null,
    kind    text    not null
        check (kind in ('clone', 'activate', 'split', 'shift', 'end', 'clean_up', 'revert')),
    created integer not null,
    expires integer not null,
    bytes   blob    not null
) strict;
create index plans_by_time on plans (account, created);
-- People name a plan by the beginning of its hash.
create index plans_by_hash on plans (account, hash);

-- A plan ends once.
create table plan_ends (
    plan    text    not null primary key references plans (hash) deferrable initially deferred,
    account text    not null,
    outcome text    not null
        check (outcome in ('done', 'stale', 'rejected', 'expired', 'failed', 'withdrawn')),
    why     text    not null,
    at      integer not null
) strict, without rowid;

-- Yes and no. People may answer more than once; what that means is the domain's business.
create table approvals (
    id       integer primary key,
    account  text    not null,
    plan     text    not null references plans (hash) deferrable initially deferred,
    given_by text    not null,
    at       integer not null,
    granted  integer not null check (granted in (0, 1)),
    note     text    not null
) strict;
create index approvals_of_plan on approvals (plan);

-- Writes recorded before they are sent. An op key exists once, ever.
create table intents (
    id      integer primary key,
    account text    not null,
    op_key  text    not null unique,
    plan    text    not null references plans (hash) deferrable initially deferred,
    action  text    not null,
    creates text    check (creates in ('campaign', 'ad_set', 'ad', 'rule')),
    request blob    not null,
    at      integer not null,
    unique (plan, action)
) strict;
create index intents_of_account on intents (account);

-- The log of each write; `verified` notes that a read has shown what the write promised. An object is created by one
-- write only.
create table intent_entries (
    id      integer primary key,
    account text    not null,
    op_key  text    not null references intents (op_key) deferrable initially deferred,
    at      integer not null,
    entry   text    not null check (entry in ('started', 'succeeded', 'refused', 'outcome_unknown', 'found_applied',
                                              'found_absent', 'verified')),
    object  text
) strict;
create index intent_entries_of_write on intent_entries (op_key);
create index intent_entries_of_account on intent_entries (account);
create unique index intent_entries_object on intent_entries (account, object) where object is not null;

-- Only the transitions the domain knows: what was started is in doubt, and is started again only after it was proved
-- absent. (`src/domain/write_log.rs` is the same table in words.)
create trigger intent_entries_legal before insert on intent_entries
when new.entry <> 'verified'
 and case coalesce((select e.entry from intent_entries as e
                    where e.op_key = new.op_key and e.entry <> 'verified'
                    order by e.id desc limit 1), 'nothing yet')
         when 'nothing yet'     then new.entry <> 'started'
         when 'found_absent'    then new.entry <> 'started'
         when 'started'         then new.entry = 'started'
         when 'outcome_unknown' then new.entry = 'started'
         else true
     end
begin
    select raise(abort, 'this entry cannot follow the write''s log');
end;
create trigger intent_entries_verified before insert on intent_entries
when new.entry = 'verified' and not exists (
    select 1 from intent_entries as e where e.op_key = new.op_key and e.entry in ('succeeded', 'found_applied'))
begin
    select raise(abort, 'only a write that was done can be verified');
end;

-- The audit chain, one per database. Every column goes into `hash`; a row must continue the chain.
create table audit (
    seq  integer primary key,
    at   integer not null,
    kind text    not null,
    body blob    not null,
    prev text    not null check (length(prev) = 64),
    hash text    not null unique check (length(hash) = 64)
) strict;
create trigger audit_follows before insert on audit
when new.seq <> coalesce((select max(a.seq) from audit as a), 0) + 1
  or new.prev <> coalesce((select a.hash from audit as a order by a.seq desc limit 1),
                          '0000000000000000000000000000000000000000000000000000000000000000')
begin
    select raise(abort, 'an audit row must follow the last one');
end;

-- Requests to the agent from other processes. The agent answers each once; nothing else of a row ever changes.
create table commands (
    id       integer primary key,
    account  text    not null,
    at       integer not null,
    given_by text    not null,
    kind     text    not null,
    subject  text    not null,
    note     text    not null,
    done_at  integer,
    answer   text,
    check ((done_at is null) = (answer is null))
) strict;
create index commands_waiting on commands (account, id) where done_at is null;
create trigger commands_answered_once before update on commands
when old.done_at is not null or new.done_at is null
  or new.id <> old.id or new.account <> old.account or new.at <> old.at or new.given_by <> old.given_by
  or new.kind <> old.kind or new.subject <> old.subject or new.note <> old.note
begin
    select raise(abort, 'a command is answered once and not otherwise changed');
end;
create trigger commands_kept before delete on commands
begin
    select raise(abort, 'commands are kept');
end;
create trigger commands_new before insert on commands
when exists (select 1 from commands as o where o.id = new.id)
begin
    select raise(abort, 'duplicate commands.id');
end;

-- Scheduled slots that were run: each once.
create table slots (
    account text    not null,
    job     text    not null,
    slot    integer not null,
    at      integer not null,
    primary key (account, job, slot)
) strict, without rowid;

-- Named small values.
create table notes (
    account text not null,
    name    text not null,
    value   text not null,
    primary key (account, name)
) strict, without rowid;

-- The guards of history: for every history table one against update, one against delete, one against a second row
-- under the same key.

create trigger meta_never_updated before update on meta
begin
    select raise(abort, 'meta is append-only');
end;
create trigger meta_never_deleted before delete on meta
begin
    select raise(abort, 'meta is append-only');
end;
create trigger meta_once before insert on meta
when exists (select 1 from meta as o where o.name = new.name)
begin
    select raise(abort, 'duplicate meta.name');
end;

create trigger trees_never_updated before update on trees
begin
    select raise(abort, 'trees is append-only');
end;
create trigger trees_never_deleted before delete on trees
begin
    select raise(abort, 'trees is append-only');
end;
create trigger trees_once_by_id before insert on trees
when exists (select 1 from trees as o where o.id = new.id)
begin
    select raise(abort, 'duplicate trees.id');
end;
create trigger trees_once_by_account_campaign_seen_at before insert on trees
when exists (select 1 from trees as o where o.account = new.account and o.campaign = new.campaign and o.seen_at = new.seen_at)
begin
    select raise(abort, 'duplicate trees.account, trees.campaign, trees.seen_at');
end;

create trigger insights_never_updated before update on insights
begin
    select raise(abort, 'insights is append-only');
end;
create trigger insights_never_deleted before delete on insights
begin
    select raise(abort, 'insights is append-only');
end;
create trigger insights_once_by_id before insert on insights
when exists (select 1 from insights as o where o.id = new.id)
begin
    select raise(abort, 'duplicate insights.id');
end;
create trigger insights_once_by_account_day_adset_seen_at before insert on insights
when exists (select 1 from insights as o where o.account = new.account and o.day = new.day and o.adset = new.adset and o.seen_at = new.seen_at)
begin
    select raise(abort, 'duplicate insights.account, insights.day, insights.adset, insights.seen_at');
end;

create trigger coverage_never_updated before update on coverage
begin
    select raise(abort, 'coverage is append-only');
end;
create trigger coverage_never_deleted before delete on coverage
begin
    select raise(abort, 'coverage is append-only');
end;
create trigger coverage_once before insert on coverage
when exists (select 1 from coverage as o where o.id = new.id)
begin
    select raise(abort, 'duplicate coverage.id');
end;

create trigger evidence_never_updated before update on evidence
begin
    select raise(abort, 'evidence is append-only');
end;
create trigger evidence_never_deleted before delete on evidence
begin
    select raise(abort, 'evidence is append-only');
end;
create trigger evidence_once_by_id before insert on evidence
when exists (select 1 from evidence as o where o.id = new.id)
begin
    select raise(abort, 'duplicate evidence.id');
end;
create trigger evidence_once_by_account_hash before insert on evidence
when exists (select 1 from evidence as o where o.account = new.account and o.hash = new.hash)
begin
    select raise(abort, 'duplicate evidence.account, evidence.hash');
end;

create trigger decisions_never_updated before update on decisions
begin
    select raise(abort, 'decisions is append-only');
end;
create trigger decisions_never_deleted before delete on decisions
begin
    select raise(abort, 'decisions is append-only');
end;
create trigger decisions_once_by_id before insert on decisions
when exists (select 1 from decisions as o where o.id = new.id)
begin
    select raise(abort, 'duplicate decisions.id');
end;
create trigger decisions_once_by_account_decision before insert on decisions
when exists (select 1 from decisions as o where o.account = new.account and o.decision = new.decision)
begin
    select raise(abort, 'duplicate decisions.account, decisions.decision');
end;

create trigger plans_never_updated before update on plans
begin
    select raise(abort, 'plans is append-only');
end;
create trigger plans_never_deleted before delete on plans
begin
    select raise(abort, 'plans is append-only');
end;
create trigger plans_once_by_id before insert on plans
when exists (select 1 from plans as o where o.id = new.id)
begin
    select raise(abort, 'duplicate plans.id');
end;
create trigger plans_once_by_hash before insert on plans
when exists (select 1 from plans as o where o.hash = new.hash)
begin
    select raise(abort, 'duplicate plans.hash');
end;

create trigger plan_ends_never_updated before update on plan_ends
begin
    select raise(abort, 'plan_ends is append-only');
end;
create trigger plan_ends_never_deleted before delete on plan_ends
begin
    select raise(abort, 'plan_ends is append-only');
end;
create trigger plan_ends_once before insert on plan_ends
when exists (select 1 from plan_ends as o where o.plan = new.plan)
begin
    select raise(abort, 'duplicate plan_ends.plan');
end;

create trigger approvals_never_updated before update on approvals
begin
    select raise(abort, 'approvals is append-only');
end;
create trigger approvals_never_deleted before delete on approvals
begin
    select raise(abort, 'approvals is append-only');
end;
create trigger approvals_once before insert on approvals
when exists (select 1 from approvals as o where o.id = new.id)
begin
    select raise(abort, 'duplicate approvals.id');
end;

create trigger intents_never_updated before update on intents
begin
    select raise(abort, 'intents is append-only');
end;
create trigger intents_never_deleted before delete on intents
begin
    select raise(abort, 'intents is append-only');
end;
create trigger intents_once_by_id before insert on intents
when exists (select 1 from intents as o where o.id = new.id)
begin
    select raise(abort, 'duplicate intents.id');
end;
create trigger intents_once_by_op_key before insert on intents
when exists (select 1 from intents as o where o.op_key = new.op_key)
begin
    select raise(abort, 'duplicate intents.op_key');
end;
create trigger intents_once_by_plan_action before insert on intents
when exists (select 1 from intents as o where o.plan = new.plan and o.action = new.action)
begin
    select raise(abort, 'duplicate intents.plan, intents.action');
end;

create trigger intent_entries_never_updated before update on intent_entries
begin
    select raise(abort, 'intent_entries is append-only');
end;
create trigger intent_entries_never_deleted before delete on intent_entries
begin
    select raise(abort, 'intent_entries is append-only');
end;
create trigger intent_entries_once_by_id before insert on intent_entries
when exists (select 1 from intent_entries as o where o.id = new.id)
begin
    select raise(abort, 'duplicate intent_entries.id');
end;
create trigger intent_entries_once_by_account_object before insert on intent_entries
when exists (select 1 from intent_entries as o where o.account = new.account and o.object = new.object)
begin
    select raise(abort, 'duplicate intent_entries.account, intent_entries.object');
end;

create trigger audit_never_updated before update on audit
begin
    select raise(abort, 'audit is append-only');
end;
create trigger audit_never_deleted before delete on audit
begin
    select raise(abort, 'audit is append-only');
end;
create trigger audit_once_by_seq before insert on audit
when exists (select 1 from audit as o where o.seq = new.seq)
begin
    select raise(abort, 'duplicate audit.seq');
end;
create trigger audit_once_by_hash before insert on audit
when exists (select 1 from audit as o where o.hash = new.hash)
begin
    select raise(abort, 'duplicate audit.hash');
end;

create trigger slots_never_updated before update on slots
begin
    select raise(abort, 'slots is append-only');
end;
create trigger slots_never_deleted before delete on slots
begin
    select raise(abort, 'slots is append-only');
end;
create trigger slots_once before insert on slots
when exists (select 1 from slots as o where o.account = new.account and o.job = new.job and o.slot = new.slot)
begin
    select raise(abort, 'duplicate slots.account, slots.job, slots.slot');
end;
