-- What comes back from the trash is what was deleted, for every built-in type.
BEGIN;
SELECT no_plan();

SELECT account.sign_up('exact-owner', 'owner@exact.test', 'us') AS owner \gset
SELECT personal_workspace_id AS workspace FROM account_data.users WHERE id = :'owner' \gset
SELECT account.act_as(:'owner');

CREATE TYPE mood AS ENUM ('sad', 'so "so"', 'happy');
CREATE TYPE pair AS (a int, b text, m mood);
CREATE DOMAIN positive AS numeric CHECK (value > 0);
CREATE DOMAIN moods AS mood[] CHECK (cardinality(value) < 10);
CREATE TYPE moodrange AS RANGE (subtype = mood);

CREATE TABLE exact (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workspace_id uuid NOT NULL, name text,
    i serial, ident bigint GENERATED ALWAYS AS IDENTITY,
    c_bool bool, c_char "char", c_name name, c_int2 int2, c_int4 int4, c_int8 int8, c_oid oid,
    c_float4 float4, c_float8 float8, c_numeric numeric, c_scale numeric(20,6), c_money money,
    c_text text, c_varchar varchar(20), c_bpchar char(7), c_bytea bytea, c_json json, c_jsonb jsonb, c_xml xml,
    c_date date, c_time time(3), c_timetz timetz, c_ts timestamp, c_tstz timestamptz, c_interval interval,
    c_bit bit(9), c_varbit varbit, c_inet inet, c_cidr cidr, c_mac macaddr, c_mac8 macaddr8,
    c_point point, c_line line, c_lseg lseg, c_box box, c_path path, c_polygon polygon, c_circle circle,
    c_tsvector tsvector, c_tsquery tsquery, c_lsn pg_lsn, c_snapshot pg_snapshot, c_xid8 xid8, c_tid tid,
    c_regclass regclass, c_regtype regtype, c_regproc regprocedure, c_jsonpath jsonpath,
    c_int_array int[], c_text_array text[], c_ts_array timestamptz[], c_float_array float8[], c_money_array money[],
    c_range int4range, c_numrange numrange, c_tsrange tstzrange, c_multi datemultirange, c_moodrange moodrange,
    c_enum mood, c_enum_array mood[], c_pair pair, c_pairs pair[], c_positive positive, c_moods moods,
    generated text GENERATED ALWAYS AS (upper(name)) STORED
);
SELECT account.register_resource('exact', 'exact');
INSERT INTO exact (workspace_id, name, c_bool, c_char, c_name, c_int2, c_int4, c_int8, c_oid, c_float4, c_float8, c_numeric, c_scale,
    c_money, c_text, c_varchar, c_bpchar, c_bytea, c_json, c_jsonb, c_xml, c_date, c_time, c_timetz, c_ts, c_tstz, c_interval,
    c_bit, c_varbit, c_inet, c_cidr, c_mac, c_mac8, c_point, c_line, c_lseg, c_box, c_path, c_polygon, c_circle, c_tsvector, c_tsquery,
    c_lsn, c_snapshot, c_xid8, c_tid, c_regclass, c_regtype, c_regproc, c_jsonpath, c_int_array, c_text_array, c_ts_array,
    c_float_array, c_money_array, c_range, c_numrange, c_tsrange, c_multi, c_moodrange, c_enum, c_enum_array, c_pair, c_pairs, c_positive, c_moods)
SELECT :'workspace', v.name, n % 2 = 0, (64 + n)::"char", 'Näme', 32767 * s, 2147483647 * s, 9223372036854775807 * s, 4294967295,
    v.f4, v.f, v.num, 1234567.891000 * s, '12.34'::money * s, E'tab\t "quote" \\ ünï ' || n, 'var  ', 'ab ', '\x00ff5c27',
    '{"b": 1,  "a":[1.0, 1.00], "b":2}', '{"x": 1.10, "y": null}', '<?xml version="1.0"?><a b="c">d<!-- e --></a>',
    v.d, '23:59:59.999', '12:00:00.5+05:30', v.ts, v.ts AT TIME ZONE 'UTC', v.span,
    B'101010101', B'1011', '10.1.2.3/8', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
    point(v.f, 0.1), '{1.1,-2.2,0.3}', '[(0.1,0.2),(3,4)]', '(1,1),(0.1,0.1)', '[(0,0),(1.5,1)]', '((0,0),(1,1),(2,0.3))', '<(0.1,0.2),3>',
    'a:1A fat:2 ''it''''s'':3', 'fat & (rat | !cat:AB)', '16/B374D848', '10:20:10,14,15', '18446744073709551615', '(4,2)',
    'pg_class', 'mood', 'sum(integer)', '$.a[*] ? (@.b > 1)',
    '[2:3][-1:0]={{1,NULL},{3,4}}', ARRAY['NULL', NULL, '', 'a,"b"\'], ARRAY['infinity', '2020-02-29 12:00:00.000001+00'::timestamptz],
    ARRAY[v.f, '-0', 1e-320], ARRAY['1.23'::money], '[1,5)', '(,1.50]', '["2020-01-01 00:00:00+00",infinity)', '{[2020-01-01,2020-02-01),[2021-01-01,)}',
    '[sad,happy)', 'so "so"', ARRAY['sad', NULL, 'so "so"']::mood[], ROW(1, NULL, 'happy')::pair, ARRAY[ROW(2, 'x,"y', NULL)::pair, NULL], 0.10, '{happy}'
  FROM (VALUES (1, 1, 'first', 'NaN'::float8, 'NaN'::float4, 'NaN'::numeric, 'infinity'::date, 'infinity'::timestamp, '1 year -2 mons +3 days -04:05:06.000007'::interval),
               (2, -1, 'second', 'infinity', '-infinity', 'Infinity', '-infinity', '-infinity', '-178000000 years'),
               (3, 1, 'third', '-0', '-0', 1.10000, '0044-03-15 BC', '4713-01-01 00:00:00 BC', '@ 1 microsecond'),
               (4, -1, 'fourth', 1.7976931348623157e308, 3.4028235e38, 1e-1000, '5874897-12-31', '294276-12-31 23:59:59.999999', '0'),
               (5, 1, 'fifth', 4.9e-324, 1e-45, -123456789012345678901234567890.123456789, '2020-02-29', '2020-02-29 01:02:03.000004', '1 mon')) v (n, s, name, f, f4, num, d, ts, span)
  ORDER BY n;
INSERT INTO exact (workspace_id, name) VALUES (:'workspace', 'nulls');
INSERT INTO exact (workspace_id, name, c_text, c_bytea)
    SELECT :'workspace', 'toasted', string_agg(md5(n::text), ''), decode(string_agg(md5((n + 7)::text), ''), 'hex') FROM generate_series(1, 100000) n;

-- Rows are compared by what is stored: equal values need not be the same.
CREATE VIEW images AS SELECT id, record_send(e)::text AS image, e::text FROM exact e;
CREATE TABLE were AS TABLE images;
SELECT is(count(*), 7::bigint, 'every type is there') FROM were;

SET LOCAL datestyle = 'SQL, DMY';
SET LOCAL intervalstyle = 'sql_standard';
SET LOCAL extra_float_digits = -10;
SET LOCAL timezone = 'Asia/Kathmandu';
SET LOCAL bytea_output = 'escape';
SET LOCAL xmloption = 'document';
SET LOCAL array_nulls = off;
DELETE FROM exact;
SET LOCAL datestyle = 'German';
SET LOCAL intervalstyle = 'iso_8601';
SET LOCAL timezone = 'America/New_York';
SELECT account.restore(id) FROM account.trash;
RESET datestyle; RESET intervalstyle; RESET timezone; RESET extra_float_digits; RESET bytea_output; RESET xmloption; RESET array_nulls;
SELECT set_eq('TABLE images', 'TABLE were', 'every row is what it was, bit by bit, whatever the settings');
SELECT lives_ok($$INSERT INTO exact (workspace_id, name) SELECT workspace_id, 'next' FROM exact LIMIT 1$$, 'sequences go on');

-- keys are named alike whatever the settings
CREATE TABLE days (day date PRIMARY KEY, workspace_id uuid NOT NULL, at timestamptz);
SELECT account.register_resource('days', 'day', name_column => 'at');
SET LOCAL datestyle = 'SQL, DMY';
INSERT INTO days VALUES ('01/02/2020', :'workspace', '01/02/2020 12:00+00');
SET LOCAL datestyle = 'German';
DELETE FROM days;
RESET datestyle;
SELECT results_eq($$SELECT action, resource_id, resource_name FROM account_data.events WHERE resource_type = 'day' ORDER BY id$$,
    $$VALUES ('created', '2020-02-01', '2020-02-01 12:00:00+00'), ('trashed', '2020-02-01', '2020-02-01 12:00:00+00')$$, 'an event names the row as the others do');
SELECT results_eq($$SELECT resource_id, name FROM account.trash WHERE kind = 'day'$$, $$VALUES ('2020-02-01', '2020-02-01 12:00:00+00')$$, 'and so does the trash');

-- a table that changed meanwhile
CREATE TABLE changing (id int PRIMARY KEY, workspace_id uuid, name text, kept int, renamed int, dropped text, widened int, narrowed text);
CREATE TABLE changing_child (id int PRIMARY KEY, parent int REFERENCES changing ON DELETE CASCADE, dropped int, note text);
SELECT account.register_resource('changing', 'changing');
INSERT INTO changing VALUES (1, :'workspace', 'one', 1, 2, 'gone', 3, '4');
INSERT INTO changing_child VALUES (1, 1, 2, 'child');
DELETE FROM changing;
ALTER TABLE changing RENAME renamed TO other;
ALTER TABLE changing DROP dropped;
ALTER TABLE changing ALTER widened TYPE bigint;
ALTER TABLE changing ALTER narrowed TYPE int USING 0;
ALTER TABLE changing ADD added text NOT NULL DEFAULT 'default';
ALTER TABLE changing_child DROP dropped;
SELECT id AS changed FROM account.trash WHERE kind = 'changing' \gset
SELECT results_eq(format('SELECT action, kind, name FROM account.restore_plan(%L) WHERE action <> $$restore$$ ORDER BY 1, 2, 3', :'changed'),
    $$VALUES ('convert', 'changing', 'narrowed'), ('convert', 'changing', 'widened'), ('skip', 'changing', 'dropped'), ('skip', 'changing_child', 'dropped')$$,
    'the plan names columns that are gone or of another type');
SELECT account.restore(:'changed');
SELECT results_eq('SELECT id, name, kept, other, widened, narrowed, added FROM changing', $$VALUES (1, 'one', 1, 2, 3::bigint, 4, 'default')$$,
    'columns renamed, retyped and added are handled');
SELECT results_eq('TABLE changing_child', $$VALUES (1, 1, 'child')$$, 'also of rows below');


-- a column that does not take its value any more
INSERT INTO changing VALUES (2, :'workspace', 'two', 1, 2, 3, 4);
DELETE FROM changing WHERE id = 2;
SELECT id AS refused FROM account.trash WHERE name = 'two' \gset
ALTER TABLE changing ALTER name TYPE date USING NULL, ALTER kept TYPE numeric(3, 1);
SELECT results_eq(format('SELECT action, name, conflict FROM account.restore_plan(%L) WHERE action <> $$restore$$ ORDER BY 1, 2', :'refused'),
    $$VALUES ('convert', 'kept', 'column "kept" was of type integer'), ('convert', 'name', 'column "name" was of type pg_catalog.text'),
        ('refuse', 'name', 'invalid input syntax for type date: "two"')$$, 'the plan names the column that refuses its value');
SELECT throws_ok(format('SELECT account.restore(%L)', :'refused'), '22007', NULL, 'and so does the restore');
ALTER TABLE changing ALTER name TYPE varchar(2) USING NULL, ALTER kept TYPE int;
SELECT is((SELECT conflict FROM account.restore_plan(:'refused') WHERE action = 'refuse' AND name = 'name'), 'value too long for type character varying(2)', 'or is too narrow for it');
ALTER TABLE changing ALTER name TYPE text;
SELECT lives_ok(format('SELECT account.restore(%L)', :'refused'), 'put right it comes back');

SELECT * FROM finish();
ROLLBACK;
