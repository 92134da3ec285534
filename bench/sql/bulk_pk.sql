SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_memoize = off;
SELECT count(a.abalance) FROM drawn d JOIN pgbench_accounts a ON a.aid = d.id;
