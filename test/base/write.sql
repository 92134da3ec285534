-- A row written without a plan has an entry in every index there is at the time, also in those that an
-- operator adds, by whatever method and with functions of their own.
BEGIN;
SELECT plan(13);
\ir ../lib/cast.psql

CREATE FUNCTION pg_temp.note(action text) RETURNS void LANGUAGE sql
    AS $$ SELECT account.log_event('test', action, metadata => '{"mark": "x"}') $$;
CREATE FUNCTION pg_temp.lower_word(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';

-- The actions of the events that only the index finds, for nothing else has this condition.
CREATE FUNCTION pg_temp.found(condition text, OUT actions text[]) LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    EXECUTE format('SELECT array_agg(action ORDER BY id) FROM account_data.events WHERE %s', condition) INTO actions;
END $$;

SELECT account.act_as(:'ann') \g /dev/null
SELECT pg_temp.note('First') \g /dev/null

CREATE INDEX events_word ON account_data.events (pg_temp.lower_word(action)) WHERE pg_temp.lower_word(resource_type) = 'test';
CREATE INDEX events_metadata ON account_data.events USING gin (metadata);
CREATE INDEX events_at ON account_data.events USING brin (at);
CREATE INDEX events_action ON account_data.events USING hash (action);
SELECT pg_temp.note('Second'), pg_temp.note('Third') \g /dev/null
SELECT is(pg_temp.found($$pg_temp.lower_word(resource_type) = 'test' AND pg_temp.lower_word(action) > ''$$), '{First,Second,Third}',
    'an index of an expression has rows from before and after it was made');
SELECT is(pg_temp.found($$metadata @> '{"mark": "x"}'$$), '{First,Second,Third}', 'so has a gin index');
SELECT is(pg_temp.found($$action = 'Third'$$), '{Third}', 'a hash index has the last');
SELECT is(pg_temp.found($$at = statement_timestamp() AND at > 'epoch'$$), NULL, 'a brin index is no hindrance');

REINDEX INDEX account_data.events_word;
SELECT pg_temp.note('Fourth') \g /dev/null
SELECT is(pg_temp.found($$pg_temp.lower_word(resource_type) = 'test' AND pg_temp.lower_word(action) = 'fourth'$$), '{Fourth}',
    'an index that was rebuilt has what was written after');

DROP INDEX account_data.events_word, account_data.events_at;
SELECT lives_ok($$SELECT pg_temp.note('Fifth')$$, 'rows are written after indexes are gone');
SELECT is(pg_temp.found($$action = 'Fifth'$$), '{Fifth}', 'and are in those that stayed');

SAVEPOINT before;
CREATE INDEX events_type ON account_data.events (resource_type, action);
SELECT pg_temp.note('Lost') \g /dev/null
ROLLBACK TO before;
SELECT lives_ok($$SELECT pg_temp.note('Sixth')$$, 'rows are written after an index was rolled back');
SELECT is(pg_temp.found($$action = 'Lost'$$), NULL, 'what was written meanwhile is gone');

CREATE UNIQUE INDEX events_once ON account_data.events (action) WHERE action = 'Once';
SELECT pg_temp.note('Once') \g /dev/null
SELECT throws_ok($$SELECT pg_temp.note('Once')$$, '23505', NULL, 'an operator''s unique index is kept');
SELECT pg_temp.note('After') \g /dev/null
SELECT is(pg_temp.found($$metadata @> '{"mark": "x"}' AND action = 'After'$$), '{After}', 'and after the error all indexes get their entries');

-- An index that only summarizes lets an update stay on its page (16 and later): the other indexes have its first version.
CREATE EXTENSION pageinspect;
CREATE INDEX wallets_last_at ON account_data.wallets USING brin (last_at);
SELECT account.adjust_credits(:'ann_home', 1000, 'gift', 'gift') \g /dev/null
SELECT account.charge(1, 'x', 'c1'), account.charge(1, 'x', 'c2') \g /dev/null
SELECT is_empty($$
    SELECT i.htid FROM generate_series(1, pg_relation_size('account_data.wallets_pkey') / 8192 - 1) n,
        bt_page_items('account_data.wallets_pkey', n::int) i,
        heap_page_items(get_raw_page('account_data.wallets', (i.htid::text::point)[0]::int)) h
     WHERE h.lp = (i.htid::text::point)[1] AND h.t_infomask2 & 32768 <> 0$$, 'no entry leads into the middle of a row''s versions');
SELECT is((SELECT available_micros FROM account.balance), 5000998::bigint, 'and the row is found');

SELECT * FROM finish();
ROLLBACK;
