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
    link_id       uuid NOT NULL,
    digest        bytea NOT NULL CHECK (length(digest) = 32),
    redacted_at   timestamptz,
    image_of      bigint,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX events_image_idx ON account_data.events (image_of) WHERE image_of IS NOT NULL;
COMMENT ON TABLE account_data.events IS 'Every change made through the functions, by workspace, newest last.';
COMMENT ON COLUMN account_data.events.database_role IS 'Who called, when nobody was acting: the database role of the service or operator.';
COMMENT ON COLUMN account_data.events.metadata IS 'Changed columns as {"column": [old, new]}, and what else belongs to the action.';
COMMENT ON COLUMN account_data.events.link_id IS 'The link of the chain that holds it: one for each transaction.';
COMMENT ON COLUMN account_data.events.digest IS 'SHA-256 of all that was written of the event; it stays when its payload is erased.';
COMMENT ON COLUMN account_data.events.redacted_at IS 'When personal content was erased from it; the names of changed columns stay.';
COMMENT ON COLUMN account_data.events.image_of IS 'account_data.resource_number(resource_id) while metadata has old and new values, of a resource''s row or of settings, that undo may put back and a purge finds to erase; else null.';

-- Who changes an event changes its digest; who takes one away changes its
-- link's. Links are written at the end of their transaction, one after another.
CREATE TABLE account_data.event_links (
    workspace_id  uuid NOT NULL,
    seq           bigint NOT NULL CHECK (seq > 0),
    id            uuid NOT NULL,
    event_count   bigint NOT NULL CHECK (event_count > 0),
    events_digest bytea NOT NULL,
    digest        bytea NOT NULL,
    pruned_at     timestamptz,
    PRIMARY KEY (workspace_id, seq)
);
COMMENT ON TABLE account_data.event_links IS 'The hash chain of each workspace''s events; account.verify_activity follows it.';
COMMENT ON COLUMN account_data.event_links.events_digest IS 'The digests of its events, hashed one after another.';
COMMENT ON COLUMN account_data.event_links.digest IS 'SHA-256 of the link before and of this one''s events.';
COMMENT ON COLUMN account_data.event_links.pruned_at IS 'When its events and all before were deleted because account.activity_retention was over; of such links the last is kept.';

SELECT pg_catalog.pg_extension_config_dump('account_data.events', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.event_links', '');

CREATE FUNCTION account_data.event_digest(workspace_id uuid, id uuid, at timestamptz, actor_kind text, actor_id uuid,
    database_role text, via account.proof, credential_id uuid, resource_type text, resource_id text, resource_name text,
    action text, description text, metadata jsonb, client_addr inet)
    RETURNS bytea LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_event_digest';
COMMENT ON FUNCTION account_data.event_digest(uuid, uuid, timestamptz, text, uuid, text, account.proof, uuid, text, text, text, text, text, jsonb, inet)
    IS 'SHA-256 of what an event says.';

CREATE FUNCTION account_data.resource_number(resource_id text) RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_resource_number';
COMMENT ON FUNCTION account_data.resource_number(text)
    IS 'A number that hardly another resource of the workspace has, near those of keys that are near: what events with images are indexed by.';

CREATE FUNCTION account_data.event_guard() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_event_guard';
COMMENT ON FUNCTION account_data.event_guard() IS 'Refuses a change to what happened.';

CREATE TRIGGER event_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON account_data.events
    FOR EACH STATEMENT EXECUTE FUNCTION account_data.event_guard();
COMMENT ON TRIGGER event_guard ON account_data.events
    IS 'Events are only added; the extension alone redacts what was purged and deletes what account.activity_retention ends.';
CREATE TRIGGER event_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON account_data.event_links
    FOR EACH STATEMENT EXECUTE FUNCTION account_data.event_guard();
COMMENT ON TRIGGER event_guard ON account_data.event_links
    IS 'The chain is only added to; the extension alone deletes the links of events that are over.';
