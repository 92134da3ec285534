-- Every object of the extension: who may touch it, whether it is explained, dumped and keyed as the rules say.
BEGIN;
SELECT no_plan();

-- Without the types that come with another object, an array's and a relation's row, which 17 counts too.
CREATE TEMP VIEW members_of_extension AS
SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS name
  FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
 WHERE e.extname = 'account' AND d.deptype = 'e' AND NOT (d.classid = 'pg_type'::regclass AND (
       d.objid IN (SELECT typarray FROM pg_type) OR d.objid IN (SELECT reltype FROM pg_class WHERE relkind <> 'c')));
CREATE TEMP VIEW relations AS
SELECT c.* FROM pg_class c JOIN members_of_extension m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;
CREATE TEMP VIEW functions AS
SELECT p.* FROM pg_proc p JOIN members_of_extension m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;
CREATE TEMP VIEW types AS
SELECT t.* FROM pg_type t JOIN members_of_extension m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid;
SELECT isnt_empty('TABLE ' || v, v || ' are found') FROM unnest('{relations,functions,types}'::text[]) v;

-- Where and whose

SELECT is_empty($$SELECT name FROM members_of_extension WHERE classid NOT IN ('pg_namespace'::regclass, 'pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass)$$,
    'the extension has schemas, relations, functions and types; anything else needs a test here');
SELECT is_empty($$SELECT oid::regclass::text FROM relations WHERE relnamespace NOT IN ('account'::regnamespace, 'account_data'::regnamespace)
    UNION ALL SELECT oid::regprocedure::text FROM functions WHERE pronamespace NOT IN ('account'::regnamespace, 'account_data'::regnamespace)
    UNION ALL SELECT oid::regtype::text FROM types WHERE typnamespace <> 'account'::regnamespace$$, 'everything is in the two schemas, types in account');
SELECT is_empty($$SELECT oid::regclass FROM relations WHERE relnamespace = 'account'::regnamespace AND relkind NOT IN ('v', 'c')$$,
    'schema account has no table or sequence');
SELECT is_empty($$SELECT owner FROM (SELECT relowner FROM relations UNION SELECT proowner FROM functions UNION SELECT typowner FROM types
    UNION SELECT nspowner FROM pg_namespace WHERE nspname IN ('account', 'account_data')) x (owner) WHERE owner <> (SELECT extowner FROM pg_extension WHERE extname = 'account')$$,
    'everything belongs to the owner of the extension');

-- PUBLIC, and everybody else, has nothing by the script

SELECT is_empty($$SELECT oid::regprocedure FROM functions, aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee <> proowner$$,
    'nobody but the owner may call a function');
SELECT is_empty($$SELECT oid::regtype FROM types, aclexplode(coalesce(typacl, acldefault('T', typowner))) WHERE grantee <> typowner$$, 'or use a type');
SELECT is_empty($$SELECT oid::regclass FROM relations, aclexplode(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)))
    WHERE grantee <> relowner$$, 'or touch a table, view or sequence');
SELECT is_empty($$SELECT attrelid::regclass, attname FROM pg_attribute WHERE attrelid IN (SELECT oid FROM relations) AND attacl IS NOT NULL$$, 'or a column');
SELECT is_empty($$SELECT nspname FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) WHERE nspname IN ('account', 'account_data') AND grantee <> nspowner$$,
    'or a schema');

-- Functions: C, as the caller; one that were SECURITY DEFINER would have to pin its path

SELECT is_empty($$SELECT oid::regprocedure FROM functions WHERE prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')$$, 'every function is in C');
SELECT is_empty($$SELECT oid::regprocedure FROM functions WHERE prosecdef AND NOT coalesce(EXISTS (
    SELECT FROM unnest(proconfig) c WHERE c ~ '^search_path=.*pg_temp"?$' AND c !~ 'public|\$user'), false)$$,
    'every SECURITY DEFINER function pins its search path, with pg_temp last');
SELECT is_empty($$SELECT oid::regprocedure, prosrc FROM functions WHERE prosrc !~ ('^account_' || proname || '(_in)?$')$$, 'the symbol of a function is account_ and its name');

-- Comments

SELECT is_empty($$SELECT name FROM members_of_extension m WHERE obj_description(objid, (SELECT relname FROM pg_class WHERE oid = classid)) IS NULL$$, 'every object has a comment');
SELECT is_empty($$SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM relations) AND NOT tgisinternal
    AND obj_description(oid, 'pg_trigger') IS NULL$$, 'every trigger too');
SELECT is_empty($$SELECT name, c FROM members_of_extension, obj_description(objid, (SELECT relname FROM pg_class WHERE oid = classid)) c WHERE c !~ '[.]$'$$,
    'a comment ends like a sentence');
SELECT is_empty($$SELECT name, description FROM members_of_extension JOIN pg_description ON (classoid, objoid) = (classid, objid) WHERE description COLLATE "C" ~ '[^ -~]'$$,
    'comments are in ASCII, which databases of every encoding take');

-- Triggers only guard: a restore inserts rows with them on

SELECT is_empty($$SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM relations) AND NOT tgisinternal AND tgconstraint = 0 AND tgtype & 4 <> 0$$,
    'no trigger but a constraint fires on INSERT');
SELECT is_empty($$SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM relations) AND NOT tgisinternal AND tgenabled <> 'O'$$,
    'none is ENABLE ALWAYS or REPLICA');

-- Dump and restore

SELECT set_eq($$SELECT unnest(extconfig)::regclass::text FROM pg_extension WHERE extname = 'account'$$,
    $$SELECT oid::regclass::text FROM relations WHERE relkind IN ('r', 'p', 'S') AND relname !~ '_defaults$'$$, 'every table and sequence is marked for dump, but for …_defaults');
SELECT is_empty($$SELECT c FROM pg_extension, unnest(extcondition) c WHERE extname = 'account' AND c <> ''$$, 'with all its rows');
SELECT is_empty($$SELECT oid::regclass FROM relations WHERE relpersistence <> 'p'$$, 'no table is unlogged');

-- Columns

SELECT is_empty($$SELECT attrelid::regclass, attname FROM pg_attribute WHERE attrelid IN (SELECT oid FROM relations UNION SELECT typrelid FROM types) AND attnum > 0
    AND attname IN (SELECT word FROM pg_get_keywords() WHERE catcode = 'R')$$, 'no column has a name that must be quoted, as limit or check');
SELECT is_empty($$SELECT oid::regprocedure, n FROM functions, unnest(proargnames) n WHERE n IN (SELECT word FROM pg_get_keywords() WHERE catcode = 'R')$$,
    'no argument or result either');
SELECT is_empty($$SELECT attrelid::regclass, attname FROM pg_attribute WHERE attrelid IN (SELECT oid FROM relations WHERE relkind IN ('r', 'p')) AND attnum > 0 AND NOT attisdropped
    AND (attname ~ '_at$' AND atttypid NOT IN ('timestamptz'::regtype, 'timestamptz[]'::regtype) OR attname ~ '_micros$' AND atttypid NOT IN ('bigint'::regtype, 'bigint[]'::regtype) OR attname ~ '^(is|has)_' AND atttypid <> 'boolean'::regtype
      OR atttypid IN ('timestamp'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'money'::regtype, 'json'::regtype, 'float8'::regtype))$$, 'names of columns tell their types');

SELECT * FROM finish();
ROLLBACK;
