-- Payment methods and the billing address: one default, for admins, and never a card number.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
CREATE FUNCTION pg_temp.methods() RETURNS SETOF text LANGUAGE sql AS
    $$SELECT provider_ref || CASE WHEN is_default THEN ' *' ELSE '' END FROM account.payment_methods ORDER BY id$$;

SELECT throws_ok($$SELECT account.add_payment_method('stripe', 'pm_1', NULL, NULL, NULL, NULL)$$, '28000', 'not signed in', 'nobody adds a method without acting');
SELECT throws_ok($$SELECT account.set_billing_address('{}')$$, '28000', 'not signed in', 'nor an address');

-- One default
SELECT account.act_as(:'ben', :'team');
SELECT account.add_payment_method('stripe', 'pm_1', 'visa', '4242', 12, 2030) AS one \gset
SELECT account.add_payment_method('stripe', 'pm_2', 'mastercard', '4444', 1, 2031) AS two \gset
SELECT account.add_payment_method('stripe', 'ba_3', NULL, NULL, NULL, NULL) AS three \gset
SELECT results_eq('SELECT pg_temp.methods()', '{pm_1 *,pm_2,ba_3}'::text[], 'the first method is the default');
SELECT results_eq('SELECT provider, brand, last4, exp_month, exp_year FROM account.payment_methods WHERE id = ' || quote_literal(:'one'), $$VALUES ('stripe', 'visa', '4242', 12, 2030)$$, 'a method is what it is known by');
SELECT account.set_default_payment_method(:'two');
SELECT account.set_default_payment_method(:'two');
SELECT results_eq('SELECT pg_temp.methods()', '{pm_1,pm_2 *,ba_3}'::text[], 'another can be made it, there is one');
SELECT account.remove_payment_method(:'one');
SELECT results_eq('SELECT pg_temp.methods()', '{pm_2 *,ba_3}'::text[], 'one that is not the default goes alone');
SELECT account.add_payment_method('paypal', 'pm_2', NULL, NULL, NULL, NULL) AS four \gset
SELECT account.remove_payment_method(:'two');
SELECT results_eq('SELECT pg_temp.methods()', '{ba_3,"pm_2 *"}'::text[], 'after the default the newest is it');
SELECT account.remove_payment_method(:'four'), account.remove_payment_method(:'three');
SELECT is_empty('SELECT pg_temp.methods()', 'and without methods there is none');
SELECT account.add_payment_method('stripe', 'pm_5', NULL, NULL, NULL, NULL) AS five \gset
SELECT results_eq('SELECT pg_temp.methods()', '{pm_5 *}'::text[], 'the next is the first again');
SELECT throws_ok($$SELECT account.add_payment_method('stripe', 'pm_5', 'visa', NULL, NULL, NULL)$$, '23505', 'this payment method already exists', 'a method is added once');
SELECT throws_ok(format('SELECT account.%s(%L)', f, id), '22023', NULL, f || ' of null')
  FROM unnest('{set_default_payment_method,remove_payment_method}'::text[]) f, (VALUES (NULL::uuid)) none (id);
SELECT results_eq($$SELECT action, count(*)::int FROM account_data.events WHERE resource_name = 'payment method' GROUP BY 1 ORDER BY 1$$, $$VALUES ('added', 5), ('made_default', 1), ('removed', 4)$$, 'each is an event');

-- Malformed
SELECT throws_ok('SELECT account.add_payment_method(' || args || ')', '22023', NULL, 'refused: ' || left(args, 60))
  FROM unnest(ARRAY[$$NULL, 'x', 'visa', '4242', 1, 2030$$, $$'stripe', NULL, 'visa', '4242', 1, 2030$$, $$'', 'x', 'visa', '4242', 1, 2030$$, $$'stripe', ' ', 'visa', '4242', 1, 2030$$,
    $$'stripe', 'x', '', '4242', 1, 2030$$, $$'stripe', 'x', 'visa', '424', 1, 2030$$, $$'stripe', 'x', 'visa', '42424', 1, 2030$$, $$'stripe', 'x', 'visa', 'abcd', 1, 2030$$,
    $$'stripe', 'x', 'visa', '4242', 0, 2030$$, $$'stripe', 'x', 'visa', '4242', 13, 2030$$, $$'stripe', 'x', 'visa', '4242', 1, 1999$$, $$'stripe', 'x', 'visa', '4242', 1, 30$$,
    $$'stripe', 'x', 'visa', '4242', NULL, 2030$$, $$'stripe', 'x', 'visa', '4242', 1, NULL$$, $$'stripe', repeat('x', 256), 'visa', '4242', 1, 2030$$, $$repeat('x', 51), 'x', 'visa', '4242', 1, 2030$$]) args;

-- Never a card number: published test numbers of all lengths, in every field and however written
CREATE TEMP TABLE cards (number) AS SELECT unnest('{4222222222222,30569309025904,378282246310005,4111111111111111,5555555555554444,6304000000000000000}'::text[]);
CREATE TEMP TABLE written (way) AS
SELECT number FROM cards UNION SELECT 'pm_' || number || '_x' FROM cards UNION SELECT regexp_replace(number, '(....)', '\1 ', 'g') FROM cards
UNION SELECT regexp_replace(number, '(....)', '\1-', 'g') FROM cards UNION SELECT regexp_replace(number, '(....)', '\1 - ', 'g') FROM cards UNION SELECT regexp_replace(number, '(...)', E'\\1\u00a0', 'g') FROM cards
UNION SELECT regexp_replace(number, '(....)', '\1' || between, 'g') FROM cards, unnest('{_,/,|,.,"* "}'::text[]) between
UNION SELECT translate(number, '0123456789', digits) FROM cards, unnest('{０１２３４５６７８９,٠١٢٣٤٥٦٧٨٩,۰۱۲۳۴۵۶۷۸۹,०१२३४५६७८९,0１2３4５6７8９}'::text[]) digits
UNION SELECT '12 ' || number || ' 34' FROM cards UNION SELECT '2030-12-' || number FROM cards UNION SELECT 'card 7: ' || number || ', 12/30' FROM cards;
CREATE FUNCTION pg_temp.said(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
    more text;
BEGIN
    EXECUTE query;
    RETURN 'taken';
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, more = PG_EXCEPTION_DETAIL;
    RETURN said || more;
END
$$;
CREATE TEMP TABLE boxes (field, args) AS VALUES ('provider', $$%L, 'x', 'visa', '4242', 1, 2030$$), ('provider_ref', $$'stripe', %L, 'visa', '4242', 1, 2030$$),
    ('brand', $$'stripe', 'x', %L, '4242', 1, 2030$$), ('last4', $$'stripe', 'x', 'visa', %L, 1, 2030$$);
SELECT is_empty($$SELECT way, field, said FROM written, boxes, pg_temp.said(format('SELECT account.add_payment_method(' || args || ')', way)) said
    WHERE said <> format('invalid %s: it contains a card number', field)$$, 'no card number in any text');
SELECT is_empty($$SELECT way, field, said FROM written, unnest('{name,company,line1,line2,city,state,country,postal_code}'::text[]) field,
    pg_temp.said(format('SELECT account.set_billing_address(%L)', jsonb_build_object(field, way))) said WHERE said <> 'invalid address: it contains a card number'$$, 'nor in an address');
SELECT is(pg_temp.said(format('SELECT account.set_billing_address(%L)', address)), 'invalid address: it contains a card number', 'wherever it stands: ' || address)
  FROM unnest(ARRAY['{"4111111111111111": "x"}', '{"line2": 4111111111111111}', '{"address": {"line1": ["1 Road", "4111 1111 1111 1111"]}}',
    '{"tax_id": "732 829 320 00074", "note": "4111111111111111"}', '{"tax_id": {"note": "4111111111111111"}}']) address;
SELECT results_eq('SELECT pg_temp.methods()', '{pm_5 *}'::text[], 'nothing of all this was written');
SELECT lives_ok(format('SELECT account.add_payment_method(%L, %L, NULL, NULL, NULL, NULL)', 'adyen', ref), 'a reference is not a card number: ' || ref)
  FROM unnest(ARRAY['4111111111111112', '411111111111', '41111111111111111111', 'pm_1NAXmhLkdIwHu7ix0oTJm5m3', '4111x1111x1111x1111', '４１１１１１１１１１１１１１１２', '四一一一一一一一一一一一一一一一']) ref;
SELECT throws_ok($$SELECT count(account.add_payment_method('many', 'm' || n, NULL, NULL, NULL, NULL)) FROM generate_series(1, 50) n$$, '55000', 'too many payment methods', 'a workspace has fifty at most');

-- The address
SELECT results_eq('SELECT billing_address, auto_top_up_enabled FROM account.billing', 'VALUES (NULL::jsonb, false)', 'there is no address at first');
SELECT account.set_billing_address('{"name": "Ben", "company": "Team", "line1": "1 Road", "line2": "Floor 2", "city": "Lyon", "state": "ARA", "postal_code": "69001", "country": "FR", "tax_id": "732 829 320 00074"}');
SELECT is((SELECT billing_address ->> 'tax_id' FROM account.billing), '732 829 320 00074', 'a tax number may be a Luhn number, as a SIRET is');
SELECT account.set_billing_address('{"company": "Team Ltd"}');
SELECT is((SELECT billing_address FROM account.billing), '{"company": "Team Ltd"}', 'an address replaces the one before');
SELECT throws_ok(format('SELECT account.set_billing_address(%s)', address), '22023', NULL, 'refused: ' || left(address, 50))
  FROM unnest(ARRAY['NULL', $$'[]'$$, $$'"x"'$$, $$'7'$$, $$jsonb_build_object('name', repeat('x', 10000))$$, $$'{"n": 1e100000}'$$]) address;
SELECT account.set_billing_address('{"street": "1 Road", "line2": "", "postal_code": 69001, "country": "France", "contact": {"email": "a@b.test"}}');
SELECT is((SELECT billing_address FROM account.billing), '{"street": "1 Road", "line2": "", "postal_code": 69001, "country": "France", "contact": {"email": "a@b.test"}}',
    'an application names the fields as it likes');
SELECT account.set_billing_address('{}');
SELECT is((SELECT billing_address FROM account.billing), NULL, 'an empty one removes it');
SELECT account.set_billing_address('{"city": "Lyon"}');
SELECT is((SELECT count(*)::int FROM account_data.events WHERE resource_name = 'billing address' AND coalesce(metadata, '{}') = '{}'), 5, 'each is an event that does not repeat it');

-- The processor is told by what to pay.
SELECT account.set_default_payment_method(:'five');
SELECT account.set_auto_top_up(true);
SELECT results_eq($$SELECT payload ->> 'provider', payload ->> 'provider_ref' FROM account_data.messages WHERE kind = 'top_up_request'$$, $$VALUES ('stripe', 'pm_5')$$, 'a top-up request names the default method');
SELECT results_eq('SELECT auto_top_up_enabled, auto_top_up_threshold_micros, auto_top_up_amount_micros FROM account.billing', 'VALUES (true, 20000000::bigint, 100000000::bigint)', 'account.billing shows how it tops up');

-- Who may
SELECT account.act_as(:'eva', :'team');
SELECT throws_ok(format(call, :'five'), '42501', NULL, 'an editor may not: ' || call)
  FROM unnest(ARRAY[$$SELECT account.add_payment_method('stripe', 'e', NULL, NULL, NULL, NULL)$$, 'SELECT account.set_default_payment_method(%L)', 'SELECT account.remove_payment_method(%L)',
    $$SELECT account.set_billing_address('{}')$$, 'SELECT account.set_auto_top_up(true)']) call;
SELECT is((SELECT count(*)::int FROM account.payment_methods) + (SELECT count(*)::int FROM account.billing), 0, 'nor see any');
SELECT account.act_as(:'ann');
SELECT throws_ok(format('SELECT account.%s(%L)', f, :'five'), 'P0002', NULL, 'another workspace''s is none of hers: ' || f) FROM unnest('{set_default_payment_method,remove_payment_method}'::text[]) f;
SELECT key FROM account.create_api_key('billing') \gset
SELECT FROM account.authenticate(:'key');
SELECT throws_ok($$SELECT account.add_payment_method('stripe', 'e', NULL, NULL, NULL, NULL)$$, '42501', NULL, 'a key may not, whoever''s it is');
SELECT throws_ok($$SELECT account.set_billing_address('{}')$$, '42501', NULL, 'nor set an address');
SELECT is((SELECT count(*)::int FROM account.billing), 0, 'nor see it');

-- All of it goes with the workspace.
SELECT lives_ok(format('DELETE FROM account_data.workspaces WHERE id = %L', :'team'), 'a workspace can be deleted');
SELECT is((SELECT count(*)::int FROM account_data.payment_methods) + (SELECT count(*)::int FROM account_data.billing_addresses) + (SELECT count(*)::int FROM account_data.auto_top_ups WHERE workspace_id = :'team'), 0,
    'with its methods, address and settings');
SELECT * FROM finish();
ROLLBACK;
