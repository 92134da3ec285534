-- Addresses: which are taken, and how they are stored.
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

-- What an address becomes when somebody signs up with it, or the SQLSTATE
CREATE FUNCTION pg_temp.stored(address text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    who uuid;
BEGIN
    who := account.sign_up('e-' || substr(md5(random()::text), 1, 20), address, 'us');
    RETURN (SELECT email FROM account_data.emails WHERE user_id = who);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;

SELECT is(pg_temp.stored(address), lower(address COLLATE "C"), 'taken, in lower case: ' || left(address, 50)) FROM (VALUES
    ('a@b.cd'), ('Ann.Lee@Example.COM'), ('ann+tag@example.com'), ('ann_lee@mail.example.com'), ('o''hara@example.com'),
    ('!#$%&''*+-/=?^_`{|}~@example.com'), ('1@2.example'), ('a.b.c@d-e.f-g.hi'), ('ann@xn--bcher-kva.example'), ('ann@example.xn--p1ai'),
    (repeat('a', 64) || '@example.com'), ('a@' || repeat('b', 63) || '.com'),
    ('a@' || repeat(repeat('b', 49) || '.', 5) || 'cd')) v (address);
SELECT is(length('a@' || repeat(repeat('b', 49) || '.', 5) || 'cd'), 254, 'the longest of these has 254 characters');

SELECT is(pg_temp.stored(address), '22023', 'refused: ' || left(to_json(address)::text, 50)) FROM (VALUES
    (''), (' '), ('ann'), ('@'), ('@example.com'), ('ann@'), ('ann@example'), ('ann@.com'), ('ann@example.'), ('ann@example..com'),
    ('ann@@example.com'), ('ann@b@example.com'), ('.ann@example.com'), ('ann.@example.com'), ('ann..lee@example.com'), ('ann lee@example.com'),
    (' ann@example.com'), ('ann@example.com '), (E'ann@example.com\n'), (E'ann\r\nBcc: x@example.com'), (E'ann@exa\tmple.com'), ('"ann"@example.com'),
    ('"a b"@example.com'), ('ann@[192.0.2.1]'), ('ann@192.0.2.1'), ('ann(x)@example.com'), ('<ann@example.com>'), ('Ann <ann@example.com>'),
    ('ann@example.com,ben@example.com'), ('ann;@example.com'), ('ann\@example.com'), ('ann@-example.com'), ('ann@example-.com'),
    ('ann@exa_mple.com'), ('änn@example.com'), ('ann@exämple.com'), ('аnn@example.com'), ('ann@example.com/../x'), ('ann@example.com?x=y'),
    (repeat('a', 65) || '@example.com'), ('a@' || repeat('b', 64) || '.com'), ('a@' || repeat(repeat('b', 49) || '.', 5) || 'cde'),
    (repeat('a@b.', 250000))) v (address);
SELECT throws_ok($$SELECT account.sign_up('email-null', NULL, 'us')$$, '22023', 'invalid email: null', 'an address is needed');
SELECT throws_ok($$SELECT account.sign_up('email-bad', 'Secret Person', 'us')$$, '22023', 'invalid email address', 'the error does not repeat what was given');

-- The table itself

SELECT account.sign_up('email-person', 'first@example.com', 'us') AS person \gset
SELECT throws_ok(format('INSERT INTO account_data.emails (user_id, email) VALUES (%L, ''Second@example.com'')', :'person'), '23514', NULL, 'is in lower case');
SELECT throws_ok(format('INSERT INTO account_data.emails (user_id, email, is_primary) VALUES (%L, ''second@example.com'', true)', :'person'), '23505', NULL,
    'has one primary address a person');
SELECT throws_ok(format('INSERT INTO account_data.emails (user_id, email) VALUES (%L, ''first@example.com'')', :'person'), '23505', NULL,
    'and an address of theirs once');

SELECT * FROM finish();
ROLLBACK;
