-- Views: nobody reads one without acting, whatever the plan and however empty the tables. The audit log and
-- the counters are operators' and of all workspaces: they act for nobody.
BEGIN;
SELECT no_plan();

SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c WHERE relnamespace IN ('account'::regnamespace, 'account_data'::regnamespace)
    AND relkind IN ('v', 'm') AND NOT coalesce('security_barrier=true' = ANY (reloptions), false)$$, 'every view has security_barrier');

CREATE TEMP TABLE views AS SELECT c.oid::regclass AS name FROM pg_class c WHERE relnamespace = 'account'::regnamespace AND relkind = 'v' AND relname NOT IN ('audit_log', 'stats');
SELECT isnt_empty('TABLE views', 'there are views');

CREATE FUNCTION pg_temp.analyze_all() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    rel regclass;
BEGIN
    FOR rel IN SELECT oid FROM pg_class WHERE relnamespace = 'account_data'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('ANALYZE %s', rel);
    END LOOP;
END
$$;

-- Every way to join them, from the first page to the last: estimates of no rows move the function about.
CREATE FUNCTION pg_temp.raises(about text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    way text;
    view regclass;
BEGIN
    FOREACH way IN ARRAY '{any,nestloop,hashjoin,mergejoin,material,indexscan}'::text[] LOOP
        PERFORM set_config('enable_' || w, CASE WHEN w = way THEN 'off' ELSE 'on' END, true)
           FROM unnest('{nestloop,hashjoin,mergejoin,material,indexscan}'::text[]) w;
        FOR view IN SELECT name FROM views LOOP
            RETURN NEXT throws_ok('SELECT * FROM ' || view, '28000', 'not signed in', format('%s raises when nobody acts: %s, without %s', view, about, way));
            RETURN NEXT throws_ok('SELECT count(*) FROM ' || view, '28000', NULL, format('counting %s too: %s, without %s', view, about, way));
        END LOOP;
    END LOOP;
END
$$;
SELECT pg_temp.raises('tables never analyzed');
SELECT pg_temp.analyze_all();
SELECT pg_temp.raises('tables analyzed empty');
\ir ../lib/cast.psql
SELECT pg_temp.raises('a few rows');
SELECT pg_temp.analyze_all();
SELECT pg_temp.raises('a few rows, analyzed');

SELECT * FROM finish();
ROLLBACK;
