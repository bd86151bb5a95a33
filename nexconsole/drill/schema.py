"""NexNum's tables as its installs have them. (nexnum.md#schema, #tables)

`ddl()` gives what Prisma generates from the old or the newest schema; with `timestamptz` the columns are as
app_schema.sql makes them on an empty database, with its `updated_at` triggers.
"""

from __future__ import annotations

from typing import Literal

Era = Literal["old", "head"]

_TYPES = """
CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN');
CREATE TYPE "ReservationStatus" AS ENUM ('PENDING', 'CONFIRMED', 'CANCELLED', 'EXPIRED');
CREATE TYPE "ActivationState" AS ENUM
    ('INIT', 'RESERVED', 'ACTIVE', 'RECEIVED', 'EXPIRED', 'CANCELLED', 'FAILED', 'REFUNDED');
"""

_TABLES = """
CREATE TABLE users (
    id text PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, role "Role" NOT NULL DEFAULT 'USER',
    token_version integer NOT NULL DEFAULT 1,
    created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at {time} NOT NULL
);
CREATE TABLE providers (
    id text PRIMARY KEY, name text NOT NULL UNIQUE, display_name text NOT NULL, description text,
    is_active boolean NOT NULL DEFAULT false, priority integer NOT NULL DEFAULT 0,
    provider_type text NOT NULL DEFAULT 'rest', api_base_url text NOT NULL DEFAULT '',
    "authType" text NOT NULL DEFAULT 'query', auth_key text, auth_header text, auth_query_param text,
    endpoints jsonb NOT NULL DEFAULT '{{}}', mappings jsonb NOT NULL DEFAULT '{{}}',
    balance numeric(10,2) NOT NULL DEFAULT 0, low_balance_alert numeric(10,2) NOT NULL DEFAULT 10,
    last_balance_sync {time}, last_sync_at {time}, sync_status text NOT NULL DEFAULT 'idle',
    sync_count integer NOT NULL DEFAULT 0{providers},
    created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at {time} NOT NULL
);
CREATE TABLE wallets (
    id text PRIMARY KEY, user_id text NOT NULL UNIQUE REFERENCES users(id) ON DELETE CASCADE,
    balance {money} NOT NULL DEFAULT 0, reserved {money} NOT NULL DEFAULT 0,
    created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP{wallets}
);
CREATE TABLE wallet_transactions (
    id text PRIMARY KEY, wallet_id text NOT NULL REFERENCES wallets(id) ON DELETE CASCADE,
    amount {money} NOT NULL, type text NOT NULL, description text, idempotency_key text UNIQUE, metadata jsonb,
    created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP{wallet_transactions}
);
CREATE TABLE purchase_orders (
    id text PRIMARY KEY, user_id text NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    service_name text NOT NULL, country_name text NOT NULL, amount numeric(8,2) NOT NULL,
    status text NOT NULL DEFAULT 'PENDING', provider text, activation_id text, idempotency_key text UNIQUE,
    expires_at {time} NOT NULL{purchase_orders},
    created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at {time} NOT NULL
);
CREATE TABLE activations (
    id text PRIMARY KEY, user_id text NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    state "ActivationState" NOT NULL DEFAULT 'RESERVED', price {price} NOT NULL,
    reserved_tx_id text, captured_tx_id text, refund_tx_id text, provider_activation_id text, provider_id text,
    service_name text NOT NULL, country_code text NOT NULL, country_name text, operator_id text, phone_number text,
    expires_at {time}, number_id text UNIQUE, idempotency_key text UNIQUE{activations},
    created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at {time} NOT NULL
);
CREATE TABLE numbers (
    id text PRIMARY KEY, phone_number text NOT NULL, country_code text NOT NULL, country_name text,
    service_name text NOT NULL, service_code text, price {price} NOT NULL, status text NOT NULL DEFAULT 'active',
    owner_id text REFERENCES users(id), provider text, activation_id text, expires_at {time}, purchased_at {time},
    created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at {time} NOT NULL
);
CREATE TABLE offer_reservations (
    id text PRIMARY KEY, {offer} text NOT NULL, user_id text NOT NULL, quantity integer NOT NULL DEFAULT 1,
    expires_at {time} NOT NULL, status "ReservationStatus" NOT NULL DEFAULT 'PENDING', idempotency_key text UNIQUE,
    provider_reservation_id text, created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, confirmed_at {time}
);
CREATE TABLE outbox_events_v2 (
    id text PRIMARY KEY, aggregate_id text NOT NULL, aggregate_type text NOT NULL, event_type text NOT NULL,
    payload jsonb NOT NULL, status text NOT NULL DEFAULT 'PENDING', error text,
    retry_count integer NOT NULL DEFAULT 0,
    created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at {time} NOT NULL
);
CREATE TABLE provider_health_logs (
    id text PRIMARY KEY, provider_id text NOT NULL REFERENCES providers(id) ON DELETE CASCADE, status text NOT NULL,
    "successRate" numeric(5,2) NOT NULL, "avgLatency" integer NOT NULL, "errorCount" integer NOT NULL,
    checked_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE audit_logs (
    id text{audit_id}, user_id text, action text NOT NULL, resource_type text NOT NULL, resource_id text,
    metadata jsonb, ip_address text, created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP{audit_key}
);
"""

_INDEXES = """
CREATE INDEX providers_is_active_idx ON providers (is_active);
CREATE INDEX providers_priority_idx ON providers (priority);
CREATE INDEX purchase_orders_status_expires_at_idx ON purchase_orders (status, expires_at);
CREATE INDEX purchase_orders_user_id_idx ON purchase_orders (user_id);
CREATE INDEX activations_state_created_at_idx ON activations (state, created_at);
CREATE INDEX numbers_provider_status_idx ON numbers (provider, status);
CREATE INDEX numbers_status_created_at_idx ON numbers (status, created_at);
CREATE INDEX numbers_expires_at_idx ON numbers (expires_at);
CREATE INDEX offer_reservations_status_expires_at_idx ON offer_reservations (status, expires_at);
CREATE INDEX offer_reservations_user_id_idx ON offer_reservations (user_id);
CREATE INDEX offer_reservations_offer_idx ON offer_reservations ({offer});
CREATE INDEX outbox_events_v2_status_created_at_idx ON outbox_events_v2 (status, created_at);
CREATE INDEX outbox_events_v2_aggregate_type_aggregate_id_idx ON outbox_events_v2 (aggregate_type, aggregate_id);
CREATE INDEX provider_health_logs_provider_id_checked_at_idx ON provider_health_logs (provider_id, checked_at);
CREATE INDEX audit_logs_user_id_idx ON audit_logs (user_id);
CREATE INDEX audit_logs_action_idx ON audit_logs (action);
"""

_INDEXES_OLD = """
CREATE INDEX activations_state_idx ON activations (state);
CREATE INDEX activations_user_id_idx ON activations (user_id);
CREATE INDEX activations_provider_id_idx ON activations (provider_id);
CREATE INDEX wallet_transactions_wallet_id_idx ON wallet_transactions (wallet_id);
"""

_INDEXES_HEAD = """
CREATE INDEX providers_is_active_priority_idx ON providers (is_active, priority);
CREATE INDEX activations_state_expires_at_idx ON activations (state, expires_at);
CREATE INDEX activations_user_id_state_idx ON activations (user_id, state);
CREATE INDEX activations_provider_id_state_idx ON activations (provider_id, state);
CREATE INDEX wallet_transactions_wallet_id_created_at_idx ON wallet_transactions (wallet_id, created_at);
"""

_TRIGGER = """
CREATE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.updated_at = CURRENT_TIMESTAMP; RETURN NEW; END $$;
"""
_TRIGGERED = ("providers", "numbers", "purchase_orders", "activations", "outbox_events_v2")

_HEAD_COLUMNS = {
    "providers": """,
    success_rate numeric(5,2) NOT NULL DEFAULT 100, total_orders integer NOT NULL DEFAULT 0,
    use_global_sync boolean NOT NULL DEFAULT true, sync_buffer_percent integer NOT NULL DEFAULT 0""",
    "wallets": """, updated_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP,
    ledger_checksum text, ledger_checksum_at {time}, balance_snapshot {money}""",
    "wallet_transactions": ", currency_snapshot jsonb",
    "purchase_orders": """,
    phone_number text, sms_code text, completed_at {time},
    retry_count integer NOT NULL DEFAULT 0, raw_response jsonb""",
    "activations": ", provider_cost numeric(18,8), profit numeric(18,8), trace_id text",
}


def ddl(*, era: Era = "head", timestamptz: bool = False) -> str:
    """All tables, types and indexes as one script for an empty database."""
    time = "timestamp(3) with time zone" if timestamptz else "timestamp(3) without time zone"
    head = era == "head"
    money, price = ("numeric(18,8)", "numeric(18,8)") if head else ("numeric(12,2)", "numeric(8,2)")
    names = {"time": time, "money": money, "price": price, "offer": "offer_id" if head else "pricing_id"}
    extra = {table: text.format_map(names) if head else "" for table, text in _HEAD_COLUMNS.items()}
    audit = {"audit_id": "", "audit_key": ", PRIMARY KEY (id, created_at)"}
    if not head:
        audit = {"audit_id": " PRIMARY KEY", "audit_key": ""}
    tables = _TABLES.format_map({**names, **extra, **audit})
    indexes = _INDEXES.format_map(names) + (_INDEXES_HEAD if head else _INDEXES_OLD)
    return _TYPES + tables + indexes + (_triggers() if timestamptz else "")


def _triggers() -> str:
    create = (
        f"CREATE TRIGGER trg_{table}_updated_at BEFORE UPDATE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION set_updated_at();\n"
        for table in _TRIGGERED
    )
    return _TRIGGER + "".join(create)
