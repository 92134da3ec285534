-- Subscriptions: the plan a workspace has until its period ends. No job ends
-- one: whoever reads compares period_ends_at with the clock. A row stays when its
-- time is over, and a workspace without one is on the plan free.

CREATE TABLE account_data.subscriptions (
    workspace_id      uuid PRIMARY KEY REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    period_ends_at    timestamptz NOT NULL,
    is_licence        boolean NOT NULL,
    plan              text NOT NULL,
    cycle             text NOT NULL CHECK (cycle IN ('monthly', 'yearly')),
    next_cycle        text CHECK (next_cycle IN ('monthly', 'yearly')),
    seats             integer NOT NULL CHECK (seats > 0),
    next_seats        integer CHECK (next_seats > 0),
    started_at        timestamptz NOT NULL,
    period_started_at timestamptz NOT NULL,
    anchored_at       timestamptz NOT NULL,
    periods           integer NOT NULL,
    cancelled_at      timestamptz,
    credits_due_at    timestamptz,
    end_noted_at      timestamptz,
    provider_ref      text,
    CHECK (period_started_at < period_ends_at)
);
CREATE INDEX subscriptions_end_idx ON account_data.subscriptions (period_ends_at) WHERE end_noted_at IS NULL;
CREATE INDEX subscriptions_credits_idx ON account_data.subscriptions (credits_due_at) WHERE credits_due_at IS NOT NULL;
COMMENT ON TABLE account_data.subscriptions IS 'The last subscription or licence of each workspace that had one; in force until period_ends_at.';
COMMENT ON COLUMN account_data.subscriptions.is_licence IS 'Provisioned by an operator; period_ends_at is the end of the licence, after which it is lapsed.';
COMMENT ON COLUMN account_data.subscriptions.next_cycle IS 'The cycle from the next renewal on, when it changes then.';
COMMENT ON COLUMN account_data.subscriptions.seats IS 'Seats paid for in this period, taken or vacant.';
COMMENT ON COLUMN account_data.subscriptions.next_seats IS 'The seats from the next renewal on, when they change then.';
COMMENT ON COLUMN account_data.subscriptions.anchored_at IS 'Ends of periods are counted in whole months from here, so that the 31st stays the 31st.';
COMMENT ON COLUMN account_data.subscriptions.periods IS 'How many periods after anchored_at this one ends.';
COMMENT ON COLUMN account_data.subscriptions.credits_due_at IS 'When a month of a yearly period next brings monthly credit.';
COMMENT ON COLUMN account_data.subscriptions.end_noted_at IS 'When maintenance told the members that the time was over.';
COMMENT ON COLUMN account_data.subscriptions.provider_ref IS 'What the payment processor calls the subscription.';

CREATE TABLE account_data.subscription_events (
    workspace_id    uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    idempotency_key text NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 200),
    action          text NOT NULL CHECK (action IN ('start', 'renew')),
    plan            text,
    cycle           text,
    seats           integer,
    period_ends_at  timestamptz,
    provider_ref    text,
    result          timestamptz NOT NULL,
    at              timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (workspace_id, idempotency_key)
);
COMMENT ON TABLE account_data.subscription_events IS 'What the payment processor said, by the id of its event, and what that led to: a repeated event changes nothing.';
COMMENT ON COLUMN account_data.subscription_events.result IS 'The end of the period that the event paid for.';

SELECT pg_catalog.pg_extension_config_dump('account_data.subscriptions', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.subscription_events', '');

CREATE VIEW account_data.workspace_plans WITH (security_barrier) AS
    SELECT w.id AS workspace_id,
           CASE WHEN s.period_ends_at > statement_timestamp() THEN s.plan ELSE 'free' END AS plan,
           coalesce(s.is_licence AND s.period_ends_at <= statement_timestamp(), false) AS is_lapsed
      FROM account_data.workspaces w
      LEFT JOIN account_data.subscriptions s ON s.workspace_id = w.id;
COMMENT ON VIEW account_data.workspace_plans IS 'The plan each workspace is on now, and whether its licence has lapsed.';

-- The payment processor's, by way of the service.

CREATE FUNCTION account.start_subscription(workspace_id uuid, plan text, cycle text, idempotency_key text,
    seats integer DEFAULT 1, period_ends_at timestamptz DEFAULT NULL, provider_ref text DEFAULT NULL)
    RETURNS timestamptz LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_start_subscription';
COMMENT ON FUNCTION account.start_subscription(uuid, text, text, text, integer, timestamptz, text)
    IS 'Puts a workspace on a paid plan, monthly or yearly, once for each event of the processor; gives the end of the period, a cycle from now unless the processor says otherwise.';

CREATE FUNCTION account.renew_subscription(workspace_id uuid, idempotency_key text,
    seats integer DEFAULT NULL, period_ends_at timestamptz DEFAULT NULL)
    RETURNS timestamptz LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_renew_subscription';
COMMENT ON FUNCTION account.renew_subscription(uuid, text, integer, timestamptz)
    IS 'Adds the next period to a subscription, once for each event of the processor; gives its end. Changes of cycle and fewer seats take effect here.';

-- The operator's.

CREATE FUNCTION account.provision_enterprise(workspace_id uuid, licence_ends_at timestamptz,
    seats integer DEFAULT NULL, plan text DEFAULT 'enterprise')
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_provision_enterprise';
COMMENT ON FUNCTION account.provision_enterprise(uuid, timestamptz, integer, text)
    IS 'Gives a workspace a licence for a plan to a certain end, or moves the end of the one it has; without seats, as many as the plan allows.';

CREATE FUNCTION account_data.maintain_subscriptions(max_rows bigint)
    RETURNS bigint LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_maintain_subscriptions';
COMMENT ON FUNCTION account_data.maintain_subscriptions(bigint)
    IS 'Tells members whose subscription is over and grants the monthly credit of yearly ones, at most max_rows; gives how many it did.';

-- The admins'.

CREATE FUNCTION account.cancel_subscription()
    RETURNS timestamptz LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_cancel_subscription';
COMMENT ON FUNCTION account.cancel_subscription()
    IS 'Lets the subscription of the active workspace end with its period, which it gives; monthly credits stop at once. Needs admin.';

CREATE FUNCTION account.resume_subscription()
    RETURNS timestamptz LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_resume_subscription';
COMMENT ON FUNCTION account.resume_subscription()
    IS 'Takes a cancellation back before the period has ended; gives when the subscription renews. Needs admin.';

CREATE FUNCTION account.change_cycle(cycle text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_change_cycle';
COMMENT ON FUNCTION account.change_cycle(text)
    IS 'Makes the subscription of the active workspace monthly or yearly from its next renewal on. Needs admin.';

CREATE FUNCTION account.set_seats(seats integer)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_set_seats';
COMMENT ON FUNCTION account.set_seats(integer)
    IS 'Sets the paid seats of the active workspace: more at once, for the rest of the period''s price, fewer from the next renewal on. Needs admin.';

CREATE VIEW account.subscription WITH (security_barrier) AS
    SELECT w.plan,
           CASE WHEN s.workspace_id IS NULL THEN 'none'
                WHEN w.is_lapsed THEN 'lapsed'
                WHEN s.period_ends_at <= statement_timestamp() THEN 'ended'
                WHEN s.cancelled_at IS NOT NULL THEN 'cancelled'
                ELSE 'active' END AS status,
           s.plan AS subscribed_plan, s.is_licence, s.cycle, s.next_cycle, s.seats, s.next_seats,
           (SELECT u.seats FROM account_data.seats_used u WHERE u.workspace_id = p.workspace_id) AS seats_taken,
           CASE s.cycle WHEN 'yearly' THEN x.yearly_price_micros ELSE x.monthly_price_micros END AS seat_price_micros,
           s.started_at, s.period_started_at, s.period_ends_at, s.cancelled_at
      FROM account.acting() p
      JOIN account_data.workspace_plans w ON w.workspace_id = p.workspace_id
      LEFT JOIN account_data.subscriptions s ON s.workspace_id = p.workspace_id
      LEFT JOIN account_data.plans_in_force x ON x.plan = s.plan
     WHERE account.require_principal();
COMMENT ON VIEW account.subscription IS 'The plan of the active workspace and what it is subscribed to: one row.';
COMMENT ON COLUMN account.subscription.plan IS 'The plan now; free again when the subscription is over.';
COMMENT ON COLUMN account.subscription.status IS 'none, active, cancelled (to the end of the period), ended, or lapsed (a licence whose end has come).';
COMMENT ON COLUMN account.subscription.seat_price_micros IS 'What a seat costs a cycle now; null: by agreement.';
