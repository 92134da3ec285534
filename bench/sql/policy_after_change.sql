-- Pages that :query touches, warm and as the first after a role change in another session.
SET role = bench_has_role;
SELECT account.act_as(id, is_local => false) FROM people WHERE name = 'many' \g /dev/null
SELECT sum(pages(:'query')) FROM generate_series(1, 2) \g /dev/null
SELECT pages(:'query');
\setenv PGDATABASE :DBNAME
\! psql -Xq -f bench/sql/policy_change.sql
SELECT pages(:'query');
