"""Set-up, people and audit: what an administrator needs besides the first tables.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-25 03:20:09.921862
"""

import hashlib
import json
from datetime import UTC

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('domain_claims',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('tenant_id', sa.Integer(), nullable=False),
    sa.Column('domain', sa.String(length=253), nullable=False),
    sa.Column('token', sa.String(length=64), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(length=120), nullable=False),
    sa.Column('checked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_answer', sa.String(length=500), nullable=False),
    sa.CheckConstraint("domain = lower(domain) AND domain <> ''", name=op.f('ck_domain_claims_domain_lower')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_domain_claims_tenant_id_tenants')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_domain_claims')),
    sa.UniqueConstraint('tenant_id', 'domain', name=op.f('uq_domain_claims_tenant_id_domain'))
    )
    op.create_table('mail_messages',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('tenant_id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('recipient', sa.String(length=254), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_try_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.String(length=300), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_mail_messages_tenant_id_tenants')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mail_messages')),
    sa.UniqueConstraint('key', name=op.f('uq_mail_messages_key'))
    )
    with op.batch_alter_table('mail_messages', schema=None) as batch_op:
        batch_op.create_index('ix_mail_messages_waiting', ['sent_at', 'next_try_at'], unique=False)

    op.create_table('people_imports',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('tenant_id', sa.Integer(), nullable=False),
    sa.Column('audience', sa.String(length=8), nullable=False),
    sa.Column('created_by_account_id', sa.Integer(), nullable=False),
    sa.Column('created_by', sa.String(length=120), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('file_name', sa.String(length=120), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=True),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('rows_done', sa.Integer(), nullable=False),
    sa.Column('rows_total', sa.Integer(), nullable=False),
    sa.Column('summary', sa.JSON(), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('run', sa.String(length=32), server_default='', nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("audience IN ('portal', 'agent')", name=op.f('ck_people_imports_audience_known')),
    sa.CheckConstraint("state IN ('reading', 'read', 'writing', 'written', 'cancelled', 'failed')", name=op.f('ck_people_imports_state_known')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_people_imports_tenant_id_tenants')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_people_imports'))
    )
    with op.batch_alter_table('people_imports', schema=None) as batch_op:
        batch_op.create_index('ix_people_imports_tenant', ['tenant_id', 'created_at'], unique=False)

    op.create_table('people_import_parts',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('import_id', sa.Integer(), nullable=False),
    sa.Column('outcome', sa.String(length=8), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('rows', sa.JSON(), nullable=False),
    sa.CheckConstraint("outcome IN ('new', 'changed', 'same', 'refused')", name=op.f('ck_people_import_parts_outcome_known')),
    sa.ForeignKeyConstraint(['import_id'], ['people_imports.id'], name=op.f('fk_people_import_parts_import_id_people_imports')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_people_import_parts')),
    sa.UniqueConstraint('import_id', 'outcome', 'number', name=op.f('uq_people_import_parts_import_id_outcome_number'))
    )
    op.create_table('setup_links',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('tenant_id', sa.Integer(), nullable=False),
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('code_hash', sa.String(length=200), nullable=False),
    sa.Column('purpose', sa.String(length=16), nullable=False),
    sa.Column('for_whom', sa.String(length=120), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(length=120), nullable=False),
    sa.Column('created_by_account_id', sa.Integer(), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('wrong_codes', sa.Integer(), nullable=False),
    sa.Column('browser_hash', sa.String(length=64), nullable=True),
    sa.Column('first_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revision_id', sa.Integer(), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('end_reason', sa.String(length=24), nullable=False),
    sa.CheckConstraint("purpose IN ('connect', 'rotate_secret')", name=op.f('ck_setup_links_purpose_known')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_setup_links_tenant_id_tenants')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_setup_links')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_setup_links_token_hash'))
    )
    with op.batch_alter_table('setup_links', schema=None) as batch_op:
        batch_op.create_index('ix_setup_links_tenant', ['tenant_id', 'created_at'], unique=False)

    op.create_table('test_sign_ins',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('reference', sa.String(length=8), nullable=False),
    sa.Column('tenant_id', sa.Integer(), nullable=False),
    sa.Column('revision_id', sa.Integer(), nullable=False),
    sa.Column('audience', sa.String(length=8), nullable=False),
    sa.Column('tester_account_id', sa.Integer(), nullable=True),
    sa.Column('tester_name', sa.String(length=120), nullable=False),
    sa.Column('ticket_hash', sa.String(length=64), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('state_hash', sa.String(length=64), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('outcome', sa.String(length=8), nullable=True),
    sa.Column('code', sa.String(length=60), nullable=True),
    sa.Column('step', sa.Integer(), nullable=True),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('provider_said', sa.String(length=200), nullable=False),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.Column('claim_names', sa.JSON(), nullable=False),
    sa.Column('sealed_claims', sa.Text(), nullable=True),
    sa.Column('matched_account_id', sa.Integer(), nullable=True),
    sa.CheckConstraint("audience IN ('portal', 'agent')", name=op.f('ck_test_sign_ins_audience_known')),
    sa.CheckConstraint("outcome IN ('passed', 'refused')", name=op.f('ck_test_sign_ins_outcome_known')),
    sa.ForeignKeyConstraint(['revision_id'], ['revisions.id'], name=op.f('fk_test_sign_ins_revision_id_revisions')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_test_sign_ins_tenant_id_tenants')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_test_sign_ins')),
    sa.UniqueConstraint('reference', name=op.f('uq_test_sign_ins_reference')),
    sa.UniqueConstraint('state_hash', name=op.f('uq_test_sign_ins_state_hash')),
    sa.UniqueConstraint('ticket_hash', name=op.f('uq_test_sign_ins_ticket_hash'))
    )
    with op.batch_alter_table('test_sign_ins', schema=None) as batch_op:
        batch_op.create_index('ix_test_sign_ins_revision', ['revision_id', 'audience'], unique=False)
        batch_op.create_index('ix_test_sign_ins_tenant_at', ['tenant_id', 'created_at'], unique=False)

    with op.batch_alter_table('accounts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('sso_only', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column('is_emergency', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column('sealed_totp', sa.String(length=400), nullable=True))
        batch_op.add_column(sa.Column('totp_confirmed_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('totp_last_step', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('rehearsed_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('made_by_provider', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.create_check_constraint(
            batch_op.f('ck_accounts_emergency_users_only'), "NOT is_emergency OR audience = 'portal'"
        )
        batch_op.create_index(
            'ix_accounts_list',
            ['tenant_id', 'audience', 'folded_login_name', 'folded_email', 'active', 'role', 'locked_until',
             'first_name', 'last_name'],
            unique=False,
        )

    with op.batch_alter_table('audit_events', schema=None) as batch_op:
        batch_op.add_column(sa.Column('number', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('previous_hash', sa.String(length=64), server_default='', nullable=False))
        batch_op.add_column(sa.Column('hash', sa.String(length=64), server_default='', nullable=False))
        batch_op.create_unique_constraint(batch_op.f('uq_audit_events_tenant_id_number'), ['tenant_id', 'number'])

    _chain_audit_events()
    with op.batch_alter_table('audit_events', schema=None) as batch_op:
        batch_op.alter_column('number', existing_type=sa.Integer(), nullable=False)

    for statement in _GUARDS[op.get_bind().dialect.name]:
        op.execute(statement)

    with op.batch_alter_table('connections', schema=None) as batch_op:
        batch_op.add_column(sa.Column('next_sealed_secret', sa.String(length=4000), nullable=True))
        batch_op.add_column(sa.Column('next_secret_set_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('next_secret_set_by', sa.String(length=120), nullable=True))
        batch_op.add_column(sa.Column('next_secret_expires_on', sa.Date(), nullable=True))
        batch_op.add_column(sa.Column('failing_since', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('failing_code', sa.String(length=60), nullable=True))
        batch_op.add_column(sa.Column('portal_passwords', sa.String(length=8), server_default='allowed', nullable=False))
        batch_op.add_column(sa.Column('agent_passwords', sa.String(length=8), server_default='allowed', nullable=False))
        batch_op.add_column(sa.Column('reverts_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('reverts_to', sa.JSON(), nullable=True))
        for audience in ('portal', 'agent'):
            batch_op.create_check_constraint(
                batch_op.f(f'ck_connections_{audience}_passwords_known'),
                f"{audience}_passwords IN ('allowed', 'chosen', 'refused')",
            )

    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('ck_sessions_method_known'), type_='check')
        batch_op.create_check_constraint(
            batch_op.f('ck_sessions_method_known'), "method IN ('sso', 'password', 'emergency')"
        )
        batch_op.create_index('ix_sessions_tenant', ['tenant_id', 'created_at'], unique=False)

    op.drop_index('ix_sign_in_records_tenant_at', table_name='sign_in_records')
    with op.batch_alter_table('sign_in_records', schema=None) as batch_op:
        batch_op.add_column(sa.Column('folded_email', sa.String(length=254), nullable=True))
        batch_op.add_column(sa.Column('facts', sa.JSON(), server_default='{}', nullable=False))
        batch_op.create_index('ix_sign_in_records_tenant_at', ['tenant_id', 'at', 'code', 'audience'], unique=False)
        batch_op.create_index('ix_sign_in_records_tenant_code', ['tenant_id', 'code', 'at'], unique=False)
        batch_op.create_index('ix_sign_in_records_account', ['account_id', 'at'], unique=False)
        batch_op.create_index('ix_sign_in_records_email', ['tenant_id', 'folded_email', 'at'], unique=False)
    # Only ASCII letters are folded (services/folding.py): in C as in SQLite, whatever the database's language.
    lower = 'lower(email COLLATE "C")' if op.get_bind().dialect.name == 'postgresql' else 'lower(email)'
    op.execute(f'UPDATE sign_in_records SET folded_email = {lower} WHERE email IS NOT NULL')

    with op.batch_alter_table('revisions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('groups_claim', sa.String(length=120), server_default='', nullable=False))
        batch_op.add_column(sa.Column('role_mapping', sa.JSON(), server_default='{}', nullable=False))
        batch_op.add_column(sa.Column('creates_users', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column('creates_agents', sa.Boolean(), server_default=sa.false(), nullable=False))


_EVENTS = sa.table(
    'audit_events',
    sa.column('id', sa.Integer),
    sa.column('tenant_id', sa.Integer),
    sa.column('at', sa.DateTime(timezone=True)),
    sa.column('actor', sa.String),
    sa.column('actor_account_id', sa.Integer),
    sa.column('by_care', sa.Boolean),
    sa.column('address', sa.String),
    sa.column('action', sa.String),
    sa.column('subject', sa.String),
    sa.column('before', sa.JSON),
    sa.column('after', sa.JSON),
    sa.column('number', sa.Integer),
    sa.column('previous_hash', sa.String),
    sa.column('hash', sa.String),
)
_TOLD = (
    'tenant_id', 'number', 'previous_hash', 'actor', 'actor_account_id', 'by_care', 'address', 'action', 'subject',
    'before', 'after',
)


def _chain_audit_events() -> None:
    """Number and chain the events that were written before there was a chain.

    A copy of services/audit.hash_of: a revision imports nothing of ours.
    """
    database = op.get_bind()
    mend = (
        sa.update(_EVENTS)
        .where(_EVENTS.c.id == sa.bindparam('of_id'))
        .values(
            number=sa.bindparam('new_number'),
            previous_hash=sa.bindparam('new_previous'),
            hash=sa.bindparam('new_hash'),
        )
    )
    heads: dict[int, tuple[int, str]] = {}
    last_id = 0
    while rows := database.execute(
        sa.select(_EVENTS).where(_EVENTS.c.id > last_id).order_by(_EVENTS.c.id).limit(1000)
    ).mappings().all():
        mended = []
        for found in rows:
            event = dict(found)
            number, previous = heads.get(event['tenant_id'], (0, '0' * 64))
            event.update(number=number + 1, previous_hash=previous)
            at = event['at'].replace(tzinfo=UTC) if event['at'].tzinfo is None else event['at'].astimezone(UTC)
            told = {name: event[name] for name in _TOLD} | {'at': at.isoformat(timespec='microseconds')}
            canonical = json.dumps(told, sort_keys=True, separators=(',', ':'), ensure_ascii=True)
            hash_ = hashlib.sha256(canonical.encode('ascii')).hexdigest()
            heads[event['tenant_id']] = (number + 1, hash_)
            mended.append(
                {
                    'of_id': event['id'],
                    'new_number': number + 1,
                    'new_previous': previous,
                    'new_hash': hash_,
                }
            )
        database.execute(mend, mended)
        last_id = rows[-1]['id']


# What is written stays: not even the portal itself, or somebody in its database
# by way of the portal, changes or removes an event. Whoever owns the database
# can drop a trigger; that is what the chain is for. A later revision that
# rebuilds the table on SQLite (batch_alter_table) must create them again.
_GUARDS = {
    'sqlite': (
        """
        CREATE TRIGGER audit_events_stay_unchanged BEFORE UPDATE ON audit_events
        BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END
        """,
        """
        CREATE TRIGGER audit_events_stay BEFORE DELETE ON audit_events
        BEGIN SELECT RAISE(ABORT, 'audit events are never removed'); END
        """,
    ),
    'postgresql': (
        """
        CREATE FUNCTION refuse_change_of_audit_events() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'audit events are never changed or removed'; END $$
        """,
        """
        CREATE TRIGGER audit_events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_events()
        """,
    ),
}
_NO_GUARDS = {
    'sqlite': ('DROP TRIGGER audit_events_stay_unchanged', 'DROP TRIGGER audit_events_stay'),
    'postgresql': (
        'DROP TRIGGER audit_events_stay ON audit_events',
        'DROP FUNCTION refuse_change_of_audit_events()',
    ),
}


def downgrade() -> None:
    with op.batch_alter_table('revisions', schema=None) as batch_op:
        batch_op.drop_column('creates_agents')
        batch_op.drop_column('creates_users')
        batch_op.drop_column('role_mapping')
        batch_op.drop_column('groups_claim')

    op.drop_index('ix_sign_in_records_tenant_at', table_name='sign_in_records')
    with op.batch_alter_table('sign_in_records', schema=None) as batch_op:
        batch_op.drop_index('ix_sign_in_records_email')
        batch_op.drop_index('ix_sign_in_records_account')
        batch_op.drop_index('ix_sign_in_records_tenant_code')
        batch_op.drop_column('facts')
        batch_op.drop_column('folded_email')
        batch_op.create_index('ix_sign_in_records_tenant_at', ['tenant_id', 'at'], unique=False)

    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.drop_index('ix_sessions_tenant')
        batch_op.drop_constraint(batch_op.f('ck_sessions_method_known'), type_='check')
        batch_op.create_check_constraint(
            batch_op.f('ck_sessions_method_known'), "method IN ('sso', 'password')"
        )

    with op.batch_alter_table('connections', schema=None) as batch_op:
        for audience in ('portal', 'agent'):
            batch_op.drop_constraint(batch_op.f(f'ck_connections_{audience}_passwords_known'), type_='check')
        batch_op.drop_column('reverts_to')
        batch_op.drop_column('reverts_at')
        batch_op.drop_column('agent_passwords')
        batch_op.drop_column('portal_passwords')
        batch_op.drop_column('failing_code')
        batch_op.drop_column('failing_since')
        batch_op.drop_column('next_secret_expires_on')
        batch_op.drop_column('next_secret_set_by')
        batch_op.drop_column('next_secret_set_at')
        batch_op.drop_column('next_sealed_secret')

    for statement in _NO_GUARDS[op.get_bind().dialect.name]:
        op.execute(statement)

    with op.batch_alter_table('audit_events', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_audit_events_tenant_id_number'), type_='unique')
        batch_op.drop_column('hash')
        batch_op.drop_column('previous_hash')
        batch_op.drop_column('number')

    with op.batch_alter_table('accounts', schema=None) as batch_op:
        batch_op.drop_index('ix_accounts_list')
        batch_op.drop_constraint(batch_op.f('ck_accounts_emergency_users_only'), type_='check')
        batch_op.drop_column('made_by_provider')
        batch_op.drop_column('rehearsed_at')
        batch_op.drop_column('totp_last_step')
        batch_op.drop_column('totp_confirmed_at')
        batch_op.drop_column('sealed_totp')
        batch_op.drop_column('is_emergency')
        batch_op.drop_column('sso_only')

    with op.batch_alter_table('test_sign_ins', schema=None) as batch_op:
        batch_op.drop_index('ix_test_sign_ins_tenant_at')
        batch_op.drop_index('ix_test_sign_ins_revision')

    op.drop_table('test_sign_ins')
    with op.batch_alter_table('setup_links', schema=None) as batch_op:
        batch_op.drop_index('ix_setup_links_tenant')

    op.drop_table('setup_links')
    op.drop_table('people_import_parts')
    with op.batch_alter_table('people_imports', schema=None) as batch_op:
        batch_op.drop_index('ix_people_imports_tenant')

    op.drop_table('people_imports')
    with op.batch_alter_table('mail_messages', schema=None) as batch_op:
        batch_op.drop_index('ix_mail_messages_waiting')

    op.drop_table('mail_messages')
    op.drop_table('domain_claims')
