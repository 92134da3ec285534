CREATE FUNCTION account.rotate_master_key(max_rows bigint DEFAULT NULL,
    OUT master_key_id text, OUT resealed bigint, OUT remaining bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_rotate_master_key';
COMMENT ON FUNCTION account.rotate_master_key(bigint)
    IS 'Adds a master key and seals every data key with it, at most max_rows a call; called again while some remain, it goes on.';

CREATE FUNCTION account.health(OUT check_name text, OUT ok boolean, OUT detail text)
    RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'account_health';
COMMENT ON FUNCTION account.health() IS 'What an administrator should look at: every check, whether it holds, and what was found.';

CREATE FUNCTION account.read_stats(OUT subject text, OUT outcome text, OUT count bigint, OUT since timestamptz)
    RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL SAFE ROWS 20 AS 'MODULE_PATHNAME', 'account_read_stats';
COMMENT ON FUNCTION account.read_stats() IS 'The rows of account.stats.';

CREATE VIEW account.stats WITH (security_barrier) AS
    SELECT subject, outcome, count, since FROM account.read_stats();
COMMENT ON VIEW account.stats IS 'How often keys, sessions, codes and invites were proven or refused, and why, in all databases of the server, rolled back or not; for operators.';
COMMENT ON COLUMN account.stats.count IS 'Null where nothing is counted: shared_preload_libraries does not have account.';
COMMENT ON COLUMN account.stats.since IS 'When the server started, or started again after a crash.';

CREATE FUNCTION account_data.create_master_key_file()
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_create_master_key_file';
COMMENT ON FUNCTION account_data.create_master_key_file() IS 'Makes the master key file when the server has none; CREATE EXTENSION calls it.';

SELECT account_data.create_master_key_file();
