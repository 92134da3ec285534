\set aid random(1, :keys)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
