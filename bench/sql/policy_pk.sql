\if :acts = 0
SELECT account.act_as(:who::uuid, is_local => false);
\set acts 1
\endif
\set id random(1, :rows)
SELECT amount FROM things WHERE id = :id;
