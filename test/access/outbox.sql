-- The outbox: what is queued is delivered, and what it carries is nobody else's.
BEGIN;
SELECT no_plan();

CREATE ROLE outbox_worker;
SELECT account.grant_service('outbox_worker');
CREATE ROLE outbox_operator;
SELECT account.grant_operator('outbox_operator');
SELECT account.sign_up('outbox-one', 'one@outbox.example', 'us') AS one \gset
SELECT account.sign_up('outbox-two', 'two@outbox.example', 'us') AS two \gset
SELECT account.sign_up('outbox-three', 'three@outbox.example', 'us') AS three \gset

-- What a sign-up queues
SELECT results_eq(
    $$SELECT kind, channel, recipient, attempts, secret_name FROM account_data.messages ORDER BY id$$,
    $$VALUES ('email_code', 'email', 'one@outbox.example', 0, 'code'),
             ('email_code', 'email', 'two@outbox.example', 0, 'code'),
             ('email_code', 'email', 'three@outbox.example', 0, 'code')$$,
    'a sign-up queues the code for its address');
SELECT is_empty($$SELECT FROM account_data.messages WHERE payload ?| '{code,token}' OR sealed IS NULL$$,
    'a waiting message holds its code sealed, not in the payload');
SELECT is_empty($$SELECT FROM account_data.messages WHERE due_at <> created_at$$, 'a new message is due at once');

-- Arguments
SELECT throws_ok($$SELECT account.take_messages(0)$$, '22023', 'invalid max', 'nobody takes no messages');
SELECT throws_ok($$SELECT account.take_messages(10001)$$, '22023', 'invalid max', 'nobody takes more than 10,000');
SELECT throws_ok($$SELECT account.take_messages(NULL)$$, '22023', 'invalid max: null', 'max is required');
SELECT throws_ok($$SELECT account.take_messages(1, '0')$$, '22023', 'invalid lease', 'a lease has a length');
SELECT throws_ok($$SELECT account.take_messages(1, '-1 minute')$$, '22023', 'invalid lease', 'a lease does not end before it begins');
SELECT throws_ok($$SELECT account.take_messages(1, '25 hours')$$, '22023', 'invalid lease', 'a lease ends');
SELECT throws_ok($$SELECT account.take_messages(1, '290000 years')$$, '22023', 'invalid lease: it must be at most 100 years', 'and at a time that there is');
SELECT throws_ok($$SELECT account.mark_sent(NULL)$$, '22023', 'invalid id: null', 'mark_sent needs an id');
SELECT throws_ok($$SELECT account.mark_failed(NULL, 'x')$$, '22023', 'invalid id: null', 'mark_failed needs an id');
SELECT throws_ok(format('SELECT account.mark_failed(%L, NULL)', :'one'), '22023', 'invalid error: null', 'mark_failed needs an error');
SELECT throws_ok(format('SELECT account.mark_sent(%L)', :'one'), 'P0002', NULL, 'an unknown message cannot be marked sent');
SELECT throws_ok(format('SELECT account.mark_failed(%L, %L)', :'one', 'x'), 'P0002', NULL, 'an unknown message cannot be marked failed');
SELECT throws_ok(format('SELECT account.mark_failed(%L, %L)', (SELECT min(id::text) FROM account_data.messages), 'x'), '55000', NULL,
    'what nobody has taken cannot have failed');

-- Taking
SET LOCAL ROLE outbox_worker;
CREATE TEMP TABLE taken AS SELECT 1 AS round, m.* FROM account.take_messages(2) m;
RESET ROLE;
SELECT results_eq('SELECT recipient, attempts FROM taken ORDER BY id',
    $$VALUES ('one@outbox.example', 1), ('two@outbox.example', 1)$$, 'the oldest due messages come first, at most max of them');
SELECT results_eq($$SELECT DISTINCT payload ->> 'code' ~ '^[0-9]{6}$', payload ->> 'username' ~ '^outbox-' FROM taken$$,
    'VALUES (true, true)', 'the payload has the code joined to what else it says');
SELECT results_eq('SELECT workspace FROM taken ORDER BY id',
    format('SELECT personal_workspace_id FROM account_data.users WHERE id IN (%L, %L) ORDER BY created_at, id', :'one', :'two'),
    'a message names its workspace');
INSERT INTO taken SELECT 2, m.* FROM account.take_messages() m;
SELECT results_eq('SELECT recipient FROM taken WHERE round = 2', $$VALUES ('three@outbox.example')$$,
    'what is leased is not given to another taker');
SELECT is_empty('SELECT * FROM account.take_messages()', 'an empty queue gives nothing');

-- Sent
SELECT id AS id1 FROM taken WHERE recipient ^@ 'one' \gset
SELECT id AS id2 FROM taken WHERE recipient ^@ 'two' \gset
SELECT id AS id3 FROM taken WHERE recipient ^@ 'three' \gset
SELECT lives_ok(format('SELECT account.mark_sent(%L)', :'id1'), 'a taken message is marked sent');
SELECT is_empty(format('SELECT FROM account_data.messages WHERE id = %L', :'id1'), 'a sent message leaves the queue, its code with it');
SELECT lives_ok(format('SELECT account.mark_sent(%L)', :'id1'), 'marking it sent again changes nothing');
SELECT lives_ok(format('SELECT account.mark_failed(%L, %L)', :'id1', 'late'), 'a failure after it was sent changes nothing');
SELECT is_empty(format('SELECT FROM account_data.messages WHERE id = %L', :'id1'), 'what was sent stays sent');

-- Failed
SELECT due_at AS lease_end FROM account_data.messages WHERE id = :'id2' \gset
SELECT account.mark_failed(:'id2', 'mailbox full');
SELECT results_eq(format('SELECT error, is_taken, due_at FROM account_data.messages WHERE id = %L', :'id2'),
    format('VALUES (%L, false, %L::timestamptz)', 'mailbox full', :'lease_end'), 'a failure without its attempt waits for the lease to end');
SELECT account.mark_failed(:'id3', 'no route', 1);
SELECT results_eq(format('SELECT error, due_at - statement_timestamp() <= %L FROM account_data.messages WHERE id = %L', '30 seconds', :'id3'),
    $$VALUES ('no route', true)$$, 'a failure of the last attempt is retried after 30 seconds');
SELECT due_at AS due FROM account_data.messages WHERE id = :'id3' \gset
SELECT account.mark_failed(:'id3', 'again', 1);
SELECT results_eq(format('SELECT error, due_at FROM account_data.messages WHERE id = %L', :'id3'),
    format('VALUES (%L, %L::timestamptz)', 'no route', :'due'), 'a failure counts once an attempt');
SELECT is_empty('SELECT * FROM account.take_messages()', 'a failed message is not due before its retry');
UPDATE account_data.messages SET due_at = statement_timestamp() - interval '1 second' WHERE id = :'id3';
SELECT results_eq('SELECT recipient, attempts FROM account.take_messages()', $$VALUES ('three@outbox.example', 2)$$,
    'a failed message is taken again when its retry is due');
SELECT account.mark_failed(:'id3', 'from the first taker', 1);
SELECT results_eq(format('SELECT error, is_taken FROM account_data.messages WHERE id = %L', :'id3'),
    $$VALUES ('no route', true)$$, 'a late failure of an earlier attempt does not touch the lease of the next');
SELECT account.mark_failed(:'id3', repeat('ü', 2000), 2);
SELECT results_eq(format('SELECT octet_length(error), round(extract(epoch FROM due_at - statement_timestamp()) / 10) FROM account_data.messages WHERE id = %L', :'id3'),
    'VALUES (1000, 6::numeric)', 'the second retry waits twice as long, and an error is cut to 1,000 bytes between characters');
SELECT account.mark_sent(:'id3');
SELECT is_empty(format('SELECT FROM account_data.messages WHERE id = %L', :'id3'), 'a taker whose attempt is over may still say that it was sent');

-- Dead
SET LOCAL account.outbox_attempts = 2;
UPDATE account_data.messages SET due_at = statement_timestamp() WHERE id = :'id2';
SELECT results_eq('SELECT attempts FROM account.take_messages()', 'VALUES (2)', 'the last attempt is given out');
SELECT account.mark_failed(:'id2', 'mailbox full');
SELECT results_eq(format('SELECT sealed IS NULL, due_at IS NULL, dead_at IS NOT NULL FROM account_data.messages WHERE id = %L', :'id2'),
    'VALUES (true, true, true)', 'after the last attempt a message is dead and its code wiped');
SELECT is_empty('SELECT * FROM account.take_messages()', 'a dead message is not given out');
SELECT lives_ok(format('SELECT account.mark_failed(%L, %L)', :'id2', 'again'), 'a failure of a dead message changes nothing');
SELECT account.sign_up('outbox-four', 'four@outbox.example', 'us') AS four \gset
UPDATE account_data.messages SET attempts = 2, is_taken = true WHERE recipient ^@ 'four';
SELECT account.sign_up('outbox-five', 'five@outbox.example', 'us') AS five \gset
UPDATE account_data.messages SET valid_until = statement_timestamp() WHERE recipient ^@ 'five';
SELECT account.sign_up('outbox-six', 'six@outbox.example', 'us') AS six \gset
SELECT results_eq('SELECT recipient FROM account.take_messages(1)', $$VALUES ('six@outbox.example')$$,
    'messages that can no longer be delivered do not hide one that can');
SET LOCAL ROLE outbox_operator;
SELECT results_eq('SELECT recipient, kind, attempts, error FROM account.dead_letters() ORDER BY created_at, id',
    $$VALUES ('two@outbox.example', 'email_code', 2, 'mailbox full'),
             ('four@outbox.example', 'email_code', 2, 'taken too often without being marked'),
             ('five@outbox.example', 'email_code', 0, 'not sent before it expired')$$,
    'an operator sees what was given up, and why');
SELECT throws_ok(format('SELECT account.retry_dead_letter(%L)', :'id2'), '55000', NULL, 'what carried a code cannot be sent again');
SELECT throws_ok(format('SELECT account.retry_dead_letter(%L)', :'id1'), 'P0002', NULL, 'what is not dead cannot be revived');
RESET ROLE;
UPDATE account_data.messages SET secret_name = NULL WHERE id = :'id2';
SELECT account.retry_dead_letter(:'id2');
SELECT results_eq('SELECT recipient, attempts FROM account.take_messages()', $$VALUES ('two@outbox.example', 1)$$,
    'a dead letter without a secret starts anew');
SELECT lives_ok(format('SELECT account.mark_sent(%L)', id), 'a dead message that was sent after all is sent')
  FROM account.dead_letters() WHERE recipient ^@ 'four';
SELECT is((SELECT count(*) FROM account.dead_letters()), 1::bigint, 'and no dead letter any more');

-- A secret that does not open
UPDATE account_data.messages SET due_at = statement_timestamp(), attempts = 0,
       sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE recipient ^@ 'six';
SELECT account.sign_up('outbox-seven', 'seven@outbox.example', 'us') AS seven \gset
SELECT results_eq('SELECT recipient FROM account.take_messages()', $$VALUES ('seven@outbox.example')$$,
    'a message whose secret does not open stops nobody else''s');
SELECT matches((SELECT error FROM account_data.messages WHERE recipient ^@ 'six'), '^its secret cannot be opened: ',
    'it is a failed attempt that says why');

-- Nothing else opens the queue
CREATE ROLE outbox_user;
SELECT account.grant_usage('outbox_user');
SET LOCAL ROLE outbox_user;
SELECT throws_ok('SELECT account.take_messages()', '42501', NULL, 'an end user cannot take messages');
SELECT throws_ok(format('SELECT account.mark_sent(%L)', :'id1'), '42501', NULL, 'an end user cannot mark messages');
SELECT throws_ok('SELECT account.dead_letters()', '42501', NULL, 'an end user cannot see dead letters');
SET LOCAL ROLE outbox_worker;
SELECT throws_ok('SELECT account.dead_letters()', '42501', NULL, 'a trusted backend cannot see dead letters');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
