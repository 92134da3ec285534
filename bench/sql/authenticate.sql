\set key random(1, :keys) + 1000000000
SELECT * FROM account.authenticate('ul_000000000000000000000000000000' || :key);
