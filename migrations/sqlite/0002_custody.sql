-- What custody of the history needs: the schema's own links are found at once, and what people are called can be erased
-- without touching a link.

pragma user_version = 2;

-- Links that record the schema are few and asked for at each start.
create index audit_schema on audit (seq) where kind = 'schema';

-- Names and words of people. History holds the token, which commits to salt and value; erasing both leaves every
-- link as it is. One row per text that was not erased, so that one person keeps one token.
create table personal (
    id    integer primary key,
    token text not null unique check (token glob 'p:*'),
    salt  blob,
    value text,
    check ((salt is null) = (value is null))
) strict;
create unique index personal_values on personal (value) where value is not null;
create trigger personal_only_erased before update on personal
when new.value is not null or new.salt is not null or old.value is null
  or new.id <> old.id or new.token <> old.token
begin
    select raise(abort, 'personal text is erased and not otherwise changed');
end;
create trigger personal_kept before delete on personal
begin
    select raise(abort, 'tokens of personal text are kept');
end;
create trigger personal_new before insert on personal
when exists (select 1 from personal as o where o.id = new.id or o.token = new.token or o.value = new.value)
begin
    select raise(abort, 'duplicate personal.token');
end;
