-- The two schemas. Neither grants anything to PUBLIC; account.grant_usage,
-- account.grant_service and account.grant_operator open doors to a role.

CREATE SCHEMA account;
COMMENT ON SCHEMA account IS 'The doors of account: functions, views and types that applications use.';

CREATE SCHEMA account_data;
COMMENT ON SCHEMA account_data IS 'The tables of account; read through the views and written through the functions of schema account.';
