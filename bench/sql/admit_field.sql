\set key random(1, :keys) + 1000000000
SELECT (account.admit('ul_000000000000000000000000000000' || :key)).allowed;
