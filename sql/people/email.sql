-- Proving that an address is somebody's: a code goes there, and comes back.

CREATE TABLE account_data.email_codes (
    user_id     uuid NOT NULL,
    email       text NOT NULL,
    id          uuid NOT NULL,
    mac         bytea NOT NULL CHECK (octet_length(mac) = 32),
    valid_until timestamptz NOT NULL,
    PRIMARY KEY (user_id, email),
    FOREIGN KEY (user_id, email) REFERENCES account_data.emails (user_id, email) ON DELETE CASCADE
);
COMMENT ON TABLE account_data.email_codes IS 'The one code that now verifies an address of a person.';
COMMENT ON COLUMN account_data.email_codes.id IS 'Also the id of the message that carries the code, and what wrong tries are counted by.';
COMMENT ON COLUMN account_data.email_codes.mac IS 'HMAC of the code under a key that needs the master key: six digits behind a plain hash could be tried out.';

CREATE TABLE account_data.email_code_sends (
    email   text PRIMARY KEY,
    sent_at timestamptz[] NOT NULL CHECK (cardinality(sent_at) BETWEEN 1 AND 5)
);
CREATE INDEX email_code_sends_last_idx ON account_data.email_code_sends ((sent_at[cardinality(sent_at)]));
COMMENT ON TABLE account_data.email_code_sends IS 'When codes went to an address in the last hour, whoever asked for them; its row is also the lock on the address.';

CREATE TABLE account_data.consumer_domain_defaults (
    domain text PRIMARY KEY
);
COMMENT ON TABLE account_data.consumer_domain_defaults IS 'Mail domains that belong to no company, as shipped; consumer_domains overrides them.';

CREATE TABLE account_data.consumer_domains (
    domain      text PRIMARY KEY CHECK (domain = lower(domain COLLATE "C")),
    is_consumer boolean NOT NULL DEFAULT true,
    changed_by  name NOT NULL DEFAULT session_user,
    changed_at  timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE account_data.consumer_domains IS 'Mail domains an operator called a consumer''s, or with is_consumer = false a company''s, on top of the ones shipped; written by account.add_consumer_domain and remove_consumer_domain.';

CREATE VIEW account_data.consumer_domains_in_force WITH (security_barrier) AS
    SELECT domain FROM account_data.consumer_domain_defaults d
     WHERE NOT EXISTS (SELECT FROM account_data.consumer_domains c WHERE c.domain = d.domain)
    UNION ALL
    SELECT domain FROM account_data.consumer_domains WHERE is_consumer;
COMMENT ON VIEW account_data.consumer_domains_in_force IS 'Mail domains that belong to no company: those shipped and those of the operator.';

INSERT INTO account_data.consumer_domain_defaults (domain)
SELECT unnest(ARRAY[
    -- the world over
    'aim.com', 'aol.com', 'email.com', 'fastmail.com', 'fastmail.fm', 'gmail.com', 'gmx.com', 'gmx.net',
    'googlemail.com', 'hey.com', 'hotmail.com', 'hushmail.com', 'icloud.com', 'inbox.com', 'live.com', 'mac.com',
    'mail.com', 'me.com', 'msn.com', 'outlook.com', 'passport.com', 'pm.me', 'posteo.de', 'posteo.net', 'proton.me',
    'protonmail.ch', 'protonmail.com', 'rocketmail.com', 'tuta.com', 'tuta.io', 'tutanota.com', 'tutanota.de',
    'yahoo.com', 'ymail.com', 'zohomail.com',
    -- their country names
    'gmx.at', 'gmx.ch', 'gmx.de', 'gmx.fr', 'gmx.co.uk', 'hotmail.be', 'hotmail.ca', 'hotmail.ch', 'hotmail.co.jp',
    'hotmail.co.uk', 'hotmail.com.ar', 'hotmail.com.br', 'hotmail.de', 'hotmail.es', 'hotmail.fr', 'hotmail.it',
    'hotmail.nl', 'hotmail.se', 'live.be', 'live.ca', 'live.cn', 'live.co.uk', 'live.com.au', 'live.com.mx', 'live.de',
    'live.dk', 'live.fr', 'live.it', 'live.jp', 'live.nl', 'live.no', 'live.se', 'outlook.at', 'outlook.be',
    'outlook.com.au', 'outlook.com.br', 'outlook.de', 'outlook.es', 'outlook.fr', 'outlook.in', 'outlook.it',
    'outlook.jp', 'outlook.kr', 'yahoo.ca', 'yahoo.cn', 'yahoo.co.id', 'yahoo.co.in', 'yahoo.co.jp', 'yahoo.co.kr',
    'yahoo.co.nz', 'yahoo.co.uk', 'yahoo.com.ar', 'yahoo.com.au', 'yahoo.com.br', 'yahoo.com.cn', 'yahoo.com.hk',
    'yahoo.com.mx', 'yahoo.com.ph', 'yahoo.com.sg', 'yahoo.com.tr', 'yahoo.com.tw', 'yahoo.com.vn', 'yahoo.de',
    'yahoo.es', 'yahoo.fr', 'yahoo.gr', 'yahoo.ie', 'yahoo.in', 'yahoo.it', 'yahoo.pl', 'yahoo.ro', 'yahoo.se',
    'yandex.by', 'yandex.com', 'yandex.kz', 'yandex.ru', 'yandex.ua', 'ya.ru',
    -- of one country
    '126.com', '139.com', '163.com', '189.cn', '21cn.com', 'abv.bg', 'alice.it', 'aliyun.com', 'arcor.de', 'att.net',
    'bellsouth.net', 'bigpond.com', 'bigpond.net.au', 'bk.ru', 'blueyonder.co.uk', 'bluewin.ch', 'bol.com.br',
    'btinternet.com', 'centrum.cz', 'charter.net', 'comcast.net', 'cox.net', 'daum.net', 'docomo.ne.jp', 'earthlink.net',
    'ezweb.ne.jp', 'foxmail.com', 'free.fr', 'freenet.de', 'hanmail.net', 'home.nl', 'inbox.lv', 'inbox.ru',
    'interia.pl', 'juno.com', 'kakao.com', 'laposte.net', 'libero.it', 'list.ru', 'mail.bg', 'mail.ru', 'mail.ua',
    'nate.com', 'naver.com', 'neuf.fr', 'ntlworld.com', 'o2.pl', 'onet.pl', 'optonline.net', 'optusnet.com.au',
    'orange.fr', 'qq.com', 'rambler.ru', 'rediffmail.com', 'rogers.com', 'sapo.pt', 'sbcglobal.net', 'seznam.cz',
    'sfr.fr', 'shaw.ca', 'sina.cn', 'sina.com', 'skynet.be', 'sky.com', 'softbank.ne.jp', 'sohu.com', 'sympatico.ca',
    't-online.de', 'talktalk.net', 'telenet.be', 'telia.com', 'telus.net', 'terra.com.br', 'tin.it', 'tiscali.it',
    'ukr.net', 'uol.com.br', 'vip.qq.com', 'verizon.net', 'virgilio.it', 'virginmedia.com', 'wanadoo.fr', 'web.de',
    'wp.pl', 'xtra.co.nz', 'yeah.net', 'ziggo.nl',
    -- addresses to throw away
    '10minutemail.com', 'discard.email', 'getnada.com', 'guerrillamail.com', 'mailinator.com', 'maildrop.cc',
    'sharklasers.com', 'temp-mail.org', 'tempmail.com', 'throwawaymail.com', 'trashmail.com', 'yopmail.com'
]);

SELECT pg_catalog.pg_extension_config_dump('account_data.email_codes', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.email_code_sends', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.consumer_domains', '');

CREATE FUNCTION account.add_email(email text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_add_email';
COMMENT ON FUNCTION account.add_email(text) IS 'Adds an address to the acting person''s and sends it a code.';

CREATE FUNCTION account.resend_email_code(email text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_resend_email_code';
COMMENT ON FUNCTION account.resend_email_code(text)
    IS 'Sends an unverified address a new code; the last one holds no more. At most 5 codes an hour go to one address.';

CREATE FUNCTION account.verify_email(email text, code text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_verify_email';
COMMENT ON FUNCTION account.verify_email(text, text)
    IS 'Proves with the code that an address is the acting person''s. A code holds for 15 minutes and dies after 5 wrong tries, which no rollback undoes.';

CREATE FUNCTION account.set_primary_email(email text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_set_primary_email';
COMMENT ON FUNCTION account.set_primary_email(text) IS 'Makes a verified address of the acting person the primary one.';

CREATE FUNCTION account.remove_email(email text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_remove_email';
COMMENT ON FUNCTION account.remove_email(text) IS 'Removes an address of the acting person that is not the primary one.';

CREATE FUNCTION account.add_consumer_domain(domain text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_add_consumer_domain';
COMMENT ON FUNCTION account.add_consumer_domain(text)
    IS 'Says that everybody can have an address of a domain: it is no company''s, earns no company bonus and recommends no teams.';

CREATE FUNCTION account.remove_consumer_domain(domain text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_remove_consumer_domain';
COMMENT ON FUNCTION account.remove_consumer_domain(text) IS 'Says that a domain is a company''s, also one of those shipped.';

CREATE VIEW account.emails WITH (security_barrier) AS
    SELECT e.email, e.is_primary, e.verified_at IS NOT NULL AS is_verified,
           NOT EXISTS (SELECT FROM account_data.consumer_domains_in_force c
                        WHERE c.domain = split_part(e.email, '@', 2)) AS is_company,
           e.added_at, e.verified_at
      FROM account.acting() p
      JOIN account_data.emails e ON e.user_id = p.user_id
     WHERE account.require_principal() AND p.proof <> 'api_key';
COMMENT ON VIEW account.emails IS 'Addresses of the acting person; API keys see none.';
COMMENT ON COLUMN account.emails.is_company IS 'Whether the domain is not a mail provider''s for everybody.';
