\set key random(1, :keys) + 1000000000
SELECT (account.authenticate('ul_000000000000000000000000000000' || :key)).workspace_id;
