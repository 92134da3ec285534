-- Plans: what each costs, allows and offers, all of it rows. The rows shipped
-- stand in "..._defaults" tables, which a dump leaves out; the rows of an operator
-- stand beside them and win, one by one. A plan is known when it has a row in
-- either table, so nothing here can have a foreign key on it.

CREATE TABLE account_data.plan_defaults (
    plan                  text PRIMARY KEY,
    rank                  integer NOT NULL,
    monthly_price_micros  bigint,
    yearly_price_micros   bigint,
    monthly_credit_micros bigint,
    signup_credit_micros  bigint NOT NULL,
    company_credit_micros bigint NOT NULL
);
COMMENT ON TABLE account_data.plan_defaults IS 'The plans as shipped; account_data.plans overrides them.';

CREATE TABLE account_data.plans (
    plan                  text PRIMARY KEY CHECK (plan ~ '^[a-z][a-z0-9_]{0,62}$'),
    rank                  integer NOT NULL,
    monthly_price_micros  bigint CHECK (monthly_price_micros BETWEEN 0 AND 1000000000000),
    yearly_price_micros   bigint CHECK (yearly_price_micros BETWEEN 0 AND 1000000000000),
    monthly_credit_micros bigint CHECK (monthly_credit_micros BETWEEN 0 AND 1000000000000),
    signup_credit_micros  bigint NOT NULL CHECK (signup_credit_micros BETWEEN 0 AND 1000000000000),
    company_credit_micros bigint NOT NULL CHECK (company_credit_micros BETWEEN 0 AND 1000000000000),
    changed_by            name NOT NULL DEFAULT session_user,
    changed_at            timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE account_data.plans IS 'Plans an operator added or changed, written by account.set_plan.';
COMMENT ON COLUMN account_data.plans.rank IS 'The order of the plans, from the least to the greatest.';
COMMENT ON COLUMN account_data.plans.monthly_price_micros IS 'What a seat costs a month; null: by agreement, so no processor starts it.';
COMMENT ON COLUMN account_data.plans.yearly_price_micros IS 'What a seat costs a year; null: by agreement, so no processor starts it.';
COMMENT ON COLUMN account_data.plans.monthly_credit_micros IS 'Credit for each seat and month; null: by agreement.';
COMMENT ON COLUMN account_data.plans.signup_credit_micros IS 'Credit at sign-up.';
COMMENT ON COLUMN account_data.plans.company_credit_micros IS 'What a verified company address brings the credit of sign-up to.';

CREATE TABLE account_data.plan_limit_defaults (
    plan      text,
    name      text,
    max_value bigint,
    PRIMARY KEY (plan, name)
);
COMMENT ON TABLE account_data.plan_limit_defaults IS 'The limits of plans as shipped; plan_limits overrides them. Null means no limit.';

CREATE TABLE account_data.plan_limits (
    plan       text,
    name       text CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    max_value  bigint CHECK (max_value >= 0),
    changed_by name NOT NULL DEFAULT session_user,
    changed_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (plan, name)
);
COMMENT ON TABLE account_data.plan_limits IS 'Limits of plans an operator added or changed, written by account.set_plan_limit. Null means no limit.';

CREATE TABLE account_data.plan_feature_defaults (
    plan    text,
    feature text,
    PRIMARY KEY (plan, feature)
);
COMMENT ON TABLE account_data.plan_feature_defaults IS 'The features of plans as shipped; plan_features overrides them.';

CREATE TABLE account_data.plan_features (
    plan        text,
    feature     text CHECK (feature ~ '^[a-z][a-z0-9_]{0,62}$'),
    is_included boolean NOT NULL,
    changed_by  name NOT NULL DEFAULT session_user,
    changed_at  timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (plan, feature)
);
COMMENT ON TABLE account_data.plan_features IS 'Features an operator gave to plans or took from them, written by account.set_plan_feature.';

SELECT pg_catalog.pg_extension_config_dump('account_data.plans', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.plan_limits', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.plan_features', '');

INSERT INTO account_data.plan_defaults VALUES
    ('free', 0, 0, 0, 0, 5000000, 25000000),
    ('pro', 100, 29000000, 290000000, 30000000, 0, 0),
    ('enterprise', 200, NULL, NULL, NULL, 0, 0);

INSERT INTO account_data.plan_limit_defaults
SELECT plan, name, max_value
  FROM (VALUES ('models', 100, 500, NULL),
               ('concurrent_trainings', 3, 10, NULL),
               ('storage_bytes', pg_size_bytes('100 GB'), pg_size_bytes('500 GB'), NULL),
               ('dataset_upload_bytes', pg_size_bytes('10 GB'), pg_size_bytes('20 GB'), pg_size_bytes('50 GB')),
               ('image_upload_bytes', pg_size_bytes('50 MB'), pg_size_bytes('50 MB'), pg_size_bytes('50 MB')),
               ('video_upload_bytes', pg_size_bytes('1 GB'), pg_size_bytes('1 GB'), pg_size_bytes('1 GB')),
               ('model_upload_bytes', pg_size_bytes('1 GB'), pg_size_bytes('1 GB'), pg_size_bytes('1 GB')),
               ('deployments', 3, 10, NULL),
               ('members', 0, 5, 50),
               ('owned_teams', 5, 5, NULL)) AS v (name, free, pro, enterprise),
       LATERAL (VALUES ('free', free), ('pro', pro), ('enterprise', enterprise)) AS l (plan, max_value);

INSERT INTO account_data.plan_feature_defaults VALUES
    ('pro', 'best_gpus'), ('pro', 'cloud_storage'),
    ('enterprise', 'best_gpus'), ('enterprise', 'cloud_storage'),
    ('enterprise', 'sso'), ('enterprise', 'on_premise'), ('enterprise', 'license');

CREATE VIEW account_data.plans_in_force WITH (security_barrier) AS
    SELECT plan, rank, monthly_price_micros, yearly_price_micros, monthly_credit_micros,
           signup_credit_micros, company_credit_micros
      FROM account_data.plan_defaults d
     WHERE NOT EXISTS (SELECT FROM account_data.plans p WHERE p.plan = d.plan)
    UNION ALL
    SELECT plan, rank, monthly_price_micros, yearly_price_micros, monthly_credit_micros,
           signup_credit_micros, company_credit_micros
      FROM account_data.plans;
COMMENT ON VIEW account_data.plans_in_force IS 'The plans there are: those shipped and those of the operator.';

CREATE VIEW account_data.plan_limits_in_force WITH (security_barrier) AS
    SELECT plan, name, max_value FROM account_data.plan_limit_defaults d
     WHERE NOT EXISTS (SELECT FROM account_data.plan_limits l WHERE l.plan = d.plan AND l.name = d.name)
    UNION ALL
    SELECT plan, name, max_value FROM account_data.plan_limits;
COMMENT ON VIEW account_data.plan_limits_in_force IS 'The limits of each plan; null, and no row, mean no limit.';

CREATE VIEW account_data.plan_features_in_force WITH (security_barrier) AS
    SELECT plan, feature FROM account_data.plan_feature_defaults d
     WHERE NOT EXISTS (SELECT FROM account_data.plan_features f WHERE f.plan = d.plan AND f.feature = d.feature)
    UNION ALL
    SELECT plan, feature FROM account_data.plan_features WHERE is_included;
COMMENT ON VIEW account_data.plan_features_in_force IS 'The features each plan has.';

CREATE FUNCTION account.set_plan(plan text, monthly_price_micros bigint, yearly_price_micros bigint,
    monthly_credit_micros bigint DEFAULT 0, signup_credit_micros bigint DEFAULT 0,
    company_credit_micros bigint DEFAULT 0, rank integer DEFAULT NULL)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_set_plan';
COMMENT ON FUNCTION account.set_plan(text, bigint, bigint, bigint, bigint, bigint, integer)
    IS 'Adds a plan or replaces all of one''s prices and credits; a null price is by agreement, a null rank keeps its place or comes last.';

CREATE FUNCTION account.set_plan_limit(plan text, name text, max_value bigint)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_set_plan_limit';
COMMENT ON FUNCTION account.set_plan_limit(text, text, bigint)
    IS 'Sets a limit of a plan, null for none, for every workspace on it at commit; a new name makes a new limit.';

CREATE FUNCTION account.set_plan_feature(plan text, feature text, is_included boolean)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_set_plan_feature';
COMMENT ON FUNCTION account.set_plan_feature(text, text, boolean)
    IS 'Gives a plan a feature or takes it away; a new name makes a new feature.';
