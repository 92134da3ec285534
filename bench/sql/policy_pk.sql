\if :acts = 0
SELECT account.act_as(:who::uuid, is_local => false);
\set acts 1
\endif
-- a row that all of them may see
\set id 100 * random(1, :rows / 100)
SELECT amount FROM things WHERE id = :id;
