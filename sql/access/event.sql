-- What happened, written in the transaction in which it happened. There is no
-- foreign key: an event outlives what it tells of.

CREATE TABLE account_data.events (
    workspace_id  uuid NOT NULL,
    id            uuid NOT NULL,
    at            timestamptz NOT NULL,
    actor_kind    text NOT NULL CHECK (actor_kind IN ('user', 'service_account', 'operator')),
    actor_id      uuid,
    database_role text,
    via           account.proof,
    credential_id uuid,
    resource_type text NOT NULL,
    resource_id   text,
    resource_name text,
    action        text NOT NULL,
    description   text,
    metadata      jsonb,
    client_addr   inet,
    PRIMARY KEY (workspace_id, id)
);
COMMENT ON TABLE account_data.events IS 'Every change made through the functions, by workspace, newest last.';
COMMENT ON COLUMN account_data.events.database_role IS 'Who called, when nobody was acting: the database role of the service or operator.';
COMMENT ON COLUMN account_data.events.metadata IS 'Changed columns as {"column": [old, new]}, and what else belongs to the action.';

SELECT pg_catalog.pg_extension_config_dump('account_data.events', '');
