"""The parameters of a Postgres connection string: those that are used, refused, and left out."""

from __future__ import annotations

# libpq's parameters that we use, with the variable that stands behind each.
VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslpassword": "",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
    "channel_binding": "PGCHANNELBINDING",
    "require_auth": "PGREQUIREAUTH",
    "requirepeer": "PGREQUIREPEER",
    "gssencmode": "PGGSSENCMODE",
    "sslcertmode": "PGSSLCERTMODE",
    "sslcrldir": "PGSSLCRLDIR",
    "replication": "",
}
# A parameter that can't be honoured, and the values that ask for nothing more than we do.
UNHONOURED = {
    "channel_binding": ("prefer", "disable"),
    "require_auth": (),
    "requirepeer": (),
    "gssencmode": ("disable", "prefer"),
    "sslcertmode": ("allow", "disable"),
    "sslcrldir": (),
    "replication": ("false", "off", "no", "0"),
    "sslidentity": (),
}
# What changes neither server nor role nor verification: libpq's own, and then Prisma's, node-pg's and the poolers'.
HARMLESS = frozenset(
    """
    application_name fallback_application_name client_encoding connect_timeout keepalives keepalives_idle
    keepalives_interval keepalives_count tcp_user_timeout krbsrvname gsslib gssdelegation sslsni sslcompression
    min_protocol_version max_protocol_version schema pgbouncer connection_limit pool_timeout socket_timeout
    statement_cache_size max_idle_connection_lifetime max_connection_lifetime single_use_connections sslaccept
    statement_timeout query_timeout lock_timeout idle_in_transaction_session_timeout encoding uselibpqcompat ssl
    supa workaround pool_mode prepareThreshold prepare_threshold
    """.split()
)
TLS_PARAMETERS = (
    "sslcert",
    "sslkey",
    "sslcrl",
    "sslpassword",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
)
