-- Secrets at rest, and studies among the things a write can create.

pragma user_version = 3;

-- Tokens, encrypted. `sealed` is XChaCha20-Poly1305 under the key `key_id` names; id, account, purpose, key and facts are
-- bound to it, so that a ciphertext moved to another row does not open. `facts` is what is known about the secret and is
-- none itself: kind, permissions, end. A renewal puts a candidate beside the current one, tests it, and only then lets it
-- take the place.
create table secrets (
    id       text    not null primary key check (length(id) = 32),
    account  text    not null,
    purpose  text    not null,
    standing text    not null check (standing in ('candidate', 'current')),
    key_id   text    not null check (length(key_id) = 16),
    nonce    blob    not null check (length(nonce) = 24),
    sealed   blob    not null,
    facts    blob    not null,
    made_at  integer not null
) strict, without rowid;
create unique index secrets_one_of_each on secrets (account, purpose, standing);
-- A row is replaced by another, never edited: an altered one would not open anyway, and this says so earlier.
create trigger secrets_sealed before update on secrets
begin
    select raise(abort, 'a sealed secret is replaced, never edited');
end;

-- A check cannot be altered, so the two tables of recorded writes are made anew with the wider one. The children first:
-- no row is ever without its parent, and foreign keys stay on. Renaming leads the new child to the new parent's name.
create table intents_wider (
    id      integer primary key,
    account text    not null,
    op_key  text    not null unique,
    plan    text    not null references plans (hash) deferrable initially deferred,
    action  text    not null,
    creates text    check (creates in ('campaign', 'ad_set', 'ad', 'rule', 'study')),
    request blob    not null,
    at      integer not null,
    unique (plan, action)
) strict;
insert into intents_wider select * from intents;
create table intent_entries_wider (
    id      integer primary key,
    account text    not null,
    op_key  text    not null references intents_wider (op_key) deferrable initially deferred,
    at      integer not null,
    entry   text    not null check (entry in ('started', 'succeeded', 'refused', 'outcome_unknown', 'found_applied',
                                              'found_absent', 'verified')),
    object  text
) strict;
insert into intent_entries_wider select * from intent_entries;
drop table intent_entries;
drop table intents;
alter table intents_wider rename to intents;
alter table intent_entries_wider rename to intent_entries;
create index intents_of_account on intents (account);
create index intent_entries_of_write on intent_entries (op_key);
create index intent_entries_of_account on intent_entries (account);
create unique index intent_entries_object on intent_entries (account, object) where object is not null;

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
