-- Every function of schema account, called by hostile hands: it answers or raises, and never what must be refused.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
\ir ../lib/parallel.psql
CREATE ROLE sweep_usage;
SELECT account.grant_usage('sweep_usage');

-- Adding a master key is undone by nothing: test/access/master_key.sql.
CREATE TEMP TABLE doors AS
SELECT p.oid, proname::text AS name, proargtypes::oid[] AS types, provolatile, proparallel,
       has_function_privilege('sweep_usage', p.oid, 'EXECUTE') AS is_for_users
  FROM pg_proc p WHERE pronamespace = 'account'::regnamespace AND proname <> 'rotate_master_key';

-- What a call comes to: ok, or an SQLSTATE; nothing it does stays.
CREATE FUNCTION pg_temp.outcome(name text, args text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT * FROM account.%I(%s)', name, array_to_string(args, ', '));
    RAISE EXCEPTION USING errcode = 'SWEEP';
EXCEPTION
    WHEN SQLSTATE 'SWEEP' THEN RETURN 'ok';
    WHEN OTHERS THEN RETURN SQLSTATE;
END
$$;

-- Values that may do harm, and one, the first, that might be meant
CREATE TEMP TABLE hostile (type regtype, literals text[]);
INSERT INTO hostile VALUES
    ('uuid', ARRAY[quote_literal(:'team'), $$'00000000-0000-0000-0000-000000000000'$$, quote_literal(:'ann'), quote_literal(:'zoe_home')]),
    ('text', ARRAY[$$'plain-text'$$, $$''$$, $$'monthly'$$, $$'pro'$$, $$'a@b.test'$$, $$E'\x01'$$, $$'%s%n'$$, $$'''; DROP TABLE x --'$$, $$repeat('x', 1000000)$$,
        $$repeat('é', 70)$$, $$'NULL'$$]),
    ('boolean', '{true,false}'), ('integer', '{1,0,-1,2147483647,(-2147483648)}'), ('bigint', '{1,0,-1,9223372036854775807,(-9223372036854775808)}'),
    ('timestamptz', ARRAY[$$(now() + '1d')$$, $$'-infinity'$$, $$'infinity'$$, $$'294276-12-31'$$, $$'4713-01-01 BC'$$, $$'epoch'$$]),
    ('interval', ARRAY[$$'1h'$$, $$'-1s'$$, $$'0'$$, $$'178000000y'$$, $$'-178000000y'$$, $$'2147483647 days'$$]),
    ('text[]', ARRAY[$$'{a}'$$, $$'{}'$$, $$'{NULL}'$$, $$'{{a},{b}}'$$, $$'[5:6]={a,b}'$$, $$array_fill('x'::text, '{1000}')$$]),
    ('uuid[]', ARRAY[format($$'{%s}'$$, :'team'), $$'{}'$$, $$'{NULL}'$$, format($$'{{%s},{%1$s}}'$$, :'team')]),
    ('cidr[]', ARRAY[$$'{::1}'$$, $$'{}'$$, $$'{NULL}'$$, $$'{{::1},{::2}}'$$]), ('inet', ARRAY[$$'::1'$$, $$'0.0.0.0/0'$$, $$'255.255.255.255/32'$$]),
    ('jsonb', ARRAY[$$'{}'$$, $$'null'$$, $$'[]'$$, $$'1e400'$$, $$'"x"'$$, $$'{"a":{"b":[null]}}'$$, $$(repeat('[', 1000) || repeat(']', 1000))$$]),
    ('account.transaction_type', ARRAY[$$'promo'$$, $$'usage'$$]),
    ('account.charge_request[]', ARRAY[$$ARRAY[ROW(1, 'd', 'k', 'c', '{}', false)]::account.charge_request[]$$, $$'{}'$$, $$'{NULL}'$$,
        $$ARRAY[ROW(NULL, NULL, NULL, NULL, NULL, NULL)]::account.charge_request[]$$, $$ARRAY[ROW(9223372036854775807, '', '', '', '[]', true)]::account.charge_request[]$$]),
    ('account.role', ARRAY[$$'viewer'$$, $$'owner'$$]), ('account.region', ARRAY[$$'us'$$, $$'ap'$$]), ('regrole', ARRAY[$$'sweep_usage'$$, '0']),
    ('regclass', ARRAY[$$'account_data.users'$$, '0', '4294967295', $$'pg_class'$$]), ('name', ARRAY[$$'name'$$, $$''$$, $$'%s"%n'$$]),
    ('account.identity_claim', ARRAY[$$ROW('p', 's', 'a@b.test', true)$$, 'ROW(NULL, NULL, NULL, NULL)', $$ROW('', '', '', NULL)$$]);
SELECT is_empty($$SELECT DISTINCT t::regtype FROM doors, unnest(types) t WHERE NOT EXISTS (SELECT FROM hostile WHERE type = t)$$,
    'there are values for every type of argument');

-- All null, all plausible, and each argument in turn null or hostile among plausible ones
CREATE FUNCTION pg_temp.plausible(types oid[]) RETURNS text[] LANGUAGE sql AS
    'SELECT coalesce(array_agg(literals[1] || ''::'' || type ORDER BY n), ''{}'') FROM unnest(types) WITH ORDINALITY u (t, n) JOIN hostile ON type = t';
CREATE TEMP TABLE calls AS
SELECT name, (SELECT coalesce(array_agg('NULL::' || t::regtype), '{}') FROM unnest(types) t) AS args FROM doors
UNION SELECT name, pg_temp.plausible(types) FROM doors
UNION SELECT name, a[:n - 1] || (literal || '::' || t::regtype) || a[n + 1:]
        FROM doors, pg_temp.plausible(types) a, unnest(types) WITH ORDINALITY u (t, n) JOIN hostile ON type = t, unnest(literals || 'NULL'::text) literal;
SELECT ok(count(*) > 500, 'there are hundreds of calls') FROM calls;

-- Internal errors, wrong transaction states, resources, our own mistakes in SQL
CREATE FUNCTION pg_temp.broken(outcomes text) RETURNS text LANGUAGE sql AS $$
    SELECT format('SELECT DISTINCT ON (name, outcome) name, left(args::text, 200), outcome FROM %I WHERE outcome ~ ''^(XX|25|53|57|58|0A|42[^5]|P0001)''', outcomes)
$$;

-- Nobody acts: what needs no principal answers, proofs are 28000, everything else of end users is refused

CREATE TEMP TABLE nobody AS SELECT c.name, args, is_for_users, pg_temp.outcome(c.name, args) AS outcome FROM calls c JOIN (SELECT DISTINCT name, is_for_users FROM doors) d USING (name);
SELECT is_empty(pg_temp.broken('nobody'), 'with nobody acting, no call breaks anything');
SELECT is_empty($$SELECT DISTINCT ON (name) name, args FROM nobody WHERE is_for_users AND outcome = 'ok' AND name NOT IN ('current_principal', 'current_user_id',
    'current_workspace_id', 'reset_principal', 'workspace_ids', 'has_role', 'has_scope', 'has_feature', 'verify_api_key', 'locate_api_key', 'admit')$$,
    'with nobody acting, no door of end users opens');
SELECT is_empty($$SELECT DISTINCT ON (name, outcome) name, left(args::text, 200), outcome FROM nobody WHERE is_for_users AND outcome NOT IN ('ok', '28000', '22023')
    AND (name, outcome) <> ('invite_info', 'P0002')$$,
    'they refuse with 28000, or 22023 for what is malformed');
SELECT is_empty($$SELECT name, left(args::text, 200), outcome FROM nobody WHERE name IN ('authenticate', 'resume_session') AND outcome <> '28000'$$,
    'a proof refuses with 28000 whatever it is given');

-- The owner of a team acts; then a key of hers

SELECT account.act_as(:'ann', :'team');
SELECT key FROM account.create_api_key('sweep') \gset
CREATE TEMP TABLE owner AS SELECT name, args, pg_temp.outcome(name, args) AS outcome FROM calls;
SELECT is_empty(pg_temp.broken('owner'), 'with an owner acting, no call breaks anything');
SELECT is(account.current_user_id(), :'ann', 'and she still acts');
SELECT is_empty($$SELECT name, left(args::text, 200) FROM owner WHERE name IN ('authenticate', 'resume_session') AND outcome <> '28000'$$, 'proofs are refused to her too');
SELECT account.authenticate(:'key');
CREATE TEMP TABLE by_key AS SELECT name, args, pg_temp.outcome(name, args) AS outcome FROM calls;
SELECT is_empty(pg_temp.broken('by_key'), 'with a key acting, no call breaks anything');
SELECT is_empty($$SELECT DISTINCT ON (name) name, left(args::text, 200) FROM by_key JOIN doors USING (name) WHERE provolatile = 'v' AND is_for_users AND outcome = 'ok'
    AND name NOT IN ('reset_principal', 'admit', 'log_event')$$, 'and a key changes nothing but resources');

-- What is said to be safe in parallel runs in a worker, and what is said to be stable where nothing may be written

CREATE FUNCTION pg_temp.quiet(name text, args text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT account.%I(%s)', name, array_to_string(args, ', '));
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
SELECT account.act_as(:'ann', :'team');
CREATE TEMP TABLE safe AS SELECT DISTINCT name, args, pg_temp.quiet(name, args) AS outcome FROM calls JOIN doors USING (name)
 WHERE proparallel = 's' AND provolatile = 's' AND args IN (SELECT pg_temp.plausible(types) FROM doors d WHERE d.name = calls.name);
SET LOCAL :force_parallel = on;
SELECT is_empty($$SELECT name, args, outcome, pg_temp.quiet(name, args) FROM safe WHERE pg_temp.quiet(name, args) <> outcome$$, 'in a worker each gives what it gives in the leader');
RESET :force_parallel;
SET TRANSACTION READ ONLY;
SELECT is_empty($$SELECT name, args FROM safe WHERE pg_temp.quiet(name, args) ~ '^25'$$, 'what is stable writes nothing');

SELECT * FROM finish();
ROLLBACK;
