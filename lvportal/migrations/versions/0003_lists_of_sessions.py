"""Lists of sessions in the order of people and of when they were last seen.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-25 10:02:00
"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

_COLUMNS = ('email', 'last_seen_at')
_LIVE = sa.text('ended_at IS NULL')


def upgrade() -> None:
    for column in _COLUMNS:
        op.create_index(
            f'ix_sessions_live_{column}',
            'sessions',
            ['tenant_id', column],
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        )


def downgrade() -> None:
    for column in _COLUMNS:
        op.drop_index(f'ix_sessions_live_{column}', table_name='sessions')
