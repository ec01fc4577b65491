"""The first tables.

Revision ID: 0001
Revises:
Create Date: 2026-11-25 00:03:13.622879
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("max_failed_portal", sa.Integer(), nullable=False),
        sa.Column("max_failed_agent", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("code <> ''", name=op.f("ck_tenants_code_not_blank")),
        sa.CheckConstraint("kind IN ('client', 'operator')", name=op.f("ck_tenants_kind_known")),
        sa.CheckConstraint(
            "max_failed_agent BETWEEN 1 AND 9", name=op.f("ck_tenants_max_failed_agent_range")
        ),
        sa.CheckConstraint(
            "max_failed_portal BETWEEN 1 AND 9", name=op.f("ck_tenants_max_failed_portal_range")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("code", name=op.f("uq_tenants_code")),
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(length=8), nullable=False),
        sa.Column("login_name", sa.String(length=64), nullable=False),
        sa.Column("folded_login_name", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("folded_email", sa.String(length=254), nullable=True),
        sa.Column("first_name", sa.String(length=80), nullable=False),
        sa.Column("last_name", sa.String(length=80), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=True),
        sa.Column("agent_team", sa.String(length=80), nullable=False),
        sa.Column("home_agent", sa.Boolean(), nullable=False),
        sa.Column("extension", sa.String(length=7), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("failed_attempts", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_sign_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_address", sa.String(length=45), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(audience = 'portal') = (role IS NOT NULL)", name=op.f("ck_accounts_users_have_roles")
        ),
        sa.CheckConstraint("audience IN ('portal', 'agent')", name=op.f("ck_accounts_audience_known")),
        sa.CheckConstraint("password_hash <> ''", name=op.f("ck_accounts_password_hash_not_blank")),
        sa.CheckConstraint(
            "role IN ('SYSADMIN', 'SUPERUSER', 'MANAGER', 'IT_USER', 'CLIENT_AUDITOR', 'CARE')",
            name=op.f("ck_accounts_role_known"),
        ),
        sa.CheckConstraint("failed_attempts >= 0", name=op.f("ck_accounts_failed_attempts_counted")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_accounts_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("id", "tenant_id", "audience", name=op.f("uq_accounts_id_tenant_id_audience")),
        sa.UniqueConstraint(
            "tenant_id",
            "audience",
            "folded_login_name",
            name=op.f("uq_accounts_tenant_id_audience_folded_login_name"),
        ),
    )
    op.create_index("ix_accounts_email", "accounts", ["tenant_id", "audience", "folded_email"], unique=False)

    op.create_table(
        "audit_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("actor_account_id", sa.Integer(), nullable=True),
        sa.Column("by_care", sa.Boolean(), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_audit_events_tenant_id_tenants")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_tenant_at", "audit_events", ["tenant_id", "at"], unique=False)

    op.create_table(
        "connections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("enabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("live_revision_id", sa.Integer(), nullable=True),
        sa.Column("live_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "NOT enabled OR live_revision_id IS NOT NULL", name=op.f("ck_connections_enabled_needs_live")
        ),
        sa.ForeignKeyConstraint(
            ["live_revision_id"],
            ["revisions.id"],
            name=op.f("fk_connections_live_revision_id_revisions"),
            use_alter=True,
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_connections_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connections")),
        sa.UniqueConstraint("tenant_id", name=op.f("uq_connections_tenant_id")),
    )
    op.create_table(
        "email_domains",
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("proof", sa.String(length=20), nullable=False),
        sa.Column("proven_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "domain = lower(domain) AND domain <> ''", name=op.f("ck_email_domains_domain_lower")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_email_domains_tenant_id_tenants")
        ),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_email_domains")),
    )
    op.create_index(op.f("ix_email_domains_tenant_id"), "email_domains", ["tenant_id"], unique=False)

    op.create_table(
        "features",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=120), nullable=False),
        sa.Column("ticket", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_features_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "name", name=op.f("pk_features")),
    )
    op.create_table(
        "sign_in_records",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=8), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(length=8), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("method", sa.String(length=12), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=True),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("revision_id", sa.Integer(), nullable=True),
        sa.Column("state_hash", sa.String(length=64), nullable=True),
        sa.Column("claim_names", sa.JSON(), nullable=False),
        sa.Column("harmless_claims", sa.JSON(), nullable=False),
        sa.Column("provider_said", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("device", sa.String(length=200), nullable=False),
        sa.CheckConstraint(
            "(outcome = 'refused') = (code IS NOT NULL)", name=op.f("ck_sign_in_records_refusals_have_codes")
        ),
        sa.CheckConstraint(
            "outcome IN ('signed_in', 'refused')", name=op.f("ck_sign_in_records_outcome_known")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_sign_in_records_tenant_id_tenants")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_records")),
        sa.UniqueConstraint("reference", name=op.f("uq_sign_in_records_reference")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_sign_in_records_state_hash")),
    )
    op.create_index("ix_sign_in_records_at", "sign_in_records", ["at"], unique=False)
    op.create_index("ix_sign_in_records_tenant_at", "sign_in_records", ["tenant_id", "at"], unique=False)

    op.create_table(
        "identity_links",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(length=8), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "tenant_id", "audience"],
            ["accounts.id", "accounts.tenant_id", "accounts.audience"],
            name="fk_identity_links_account",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_links")),
        sa.UniqueConstraint("account_id", "issuer", name=op.f("uq_identity_links_account_id_issuer")),
        sa.UniqueConstraint(
            "tenant_id",
            "audience",
            "issuer",
            "subject",
            name=op.f("uq_identity_links_tenant_id_audience_issuer_subject"),
        ),
    )
    op.create_table(
        "revisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("standard", sa.String(length=8), nullable=False),
        sa.Column("provider", sa.String(length=24), nullable=False),
        sa.Column("application_type", sa.String(length=8), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("client_authentication", sa.String(length=24), nullable=False),
        sa.Column("sealed_secret", sa.String(length=4000), nullable=True),
        sa.Column("secret_set_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("secret_expires_on", sa.Date(), nullable=True),
        sa.Column("email_claim", sa.String(length=120), nullable=False),
        sa.Column("scopes", sa.String(length=500), nullable=False),
        sa.Column("response_mode", sa.String(length=12), nullable=False),
        sa.Column("matches_case", sa.Boolean(), nullable=False),
        sa.Column("accepts_unverified_email", sa.Boolean(), nullable=False),
        sa.Column("accepts_email_verified_as_text", sa.Boolean(), nullable=False),
        sa.Column("required_hosted_domain", sa.String(length=253), nullable=True),
        sa.Column("allows_hs256", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.CheckConstraint(
            "(client_authentication = 'none') = (sealed_secret IS NULL)",
            name=op.f("ck_revisions_secret_as_authenticated"),
        ),
        sa.CheckConstraint(
            "application_type IN ('web', 'native')", name=op.f("ck_revisions_application_type_known")
        ),
        sa.CheckConstraint(
            "client_authentication IN ('none', 'client_secret_basic', 'client_secret_post')",
            name=op.f("ck_revisions_client_authentication_known"),
        ),
        sa.CheckConstraint("client_id <> ''", name=op.f("ck_revisions_client_id_not_blank")),
        sa.CheckConstraint("email_claim <> ''", name=op.f("ck_revisions_email_claim_not_blank")),
        sa.CheckConstraint("issuer <> ''", name=op.f("ck_revisions_issuer_not_blank")),
        sa.CheckConstraint(
            "response_mode IN ('query', 'form_post')", name=op.f("ck_revisions_response_mode_known")
        ),
        sa.CheckConstraint("standard IN ('oidc')", name=op.f("ck_revisions_standard_known")),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_revisions_connection_id_connections")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revisions")),
        sa.UniqueConstraint("connection_id", "number", name=op.f("uq_revisions_connection_id_number")),
    )
    # Connections and revisions point to each other. SQLite took this key with the
    # table, before the other one existed; others take it now.
    if op.get_context().dialect.name != "sqlite":
        op.create_foreign_key(
            op.f("fk_connections_live_revision_id_revisions"),
            "connections",
            "revisions",
            ["live_revision_id"],
            ["id"],
        )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("handle_hash", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(length=8), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("method", sa.String(length=12), nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=True),
        sa.Column("revision_id", sa.Integer(), nullable=True),
        sa.Column("provider_label", sa.String(length=60), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=True),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("provider_session", sa.String(length=1000), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=24), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("device", sa.String(length=200), nullable=False),
        sa.CheckConstraint(
            "(method = 'sso') = (connection_id IS NOT NULL)", name=op.f("ck_sessions_sso_has_connection")
        ),
        sa.CheckConstraint("method IN ('sso', 'password')", name=op.f("ck_sessions_method_known")),
        sa.ForeignKeyConstraint(
            ["account_id", "tenant_id", "audience"],
            ["accounts.id", "accounts.tenant_id", "accounts.audience"],
            name="fk_sessions_account",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("handle_hash", name=op.f("uq_sessions_handle_hash")),
    )
    op.create_index("ix_sessions_account", "sessions", ["account_id"], unique=False)
    op.create_index("ix_sessions_expires", "sessions", ["expires_at"], unique=False)
    op.create_index("ix_sessions_provider", "sessions", ["connection_id", "subject"], unique=False)


def downgrade() -> None:

    op.drop_table("sessions")
    if op.get_context().dialect.name != "sqlite":
        op.drop_constraint(
            op.f("fk_connections_live_revision_id_revisions"), "connections", type_="foreignkey"
        )
    op.drop_table("revisions")
    op.drop_table("identity_links")

    op.drop_table("sign_in_records")
    op.drop_table("features")

    op.drop_table("email_domains")
    op.drop_table("connections")

    op.drop_table("audit_events")

    op.drop_table("accounts")
    op.drop_table("tenants")
