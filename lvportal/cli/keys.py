"""``lvportal keys``: make a key, and seal every secret anew with the current one."""

from __future__ import annotations

import secrets

import click

from lvportal.cli.program import Program, RefusingGroup, pass_program
from lvportal.key_ring import new_key
from lvportal.services import key_rotation


@click.group(cls=RefusingGroup)
def keys() -> None:
    """Make and rotate encryption keys."""


@keys.command()
@click.option("--id", "key_id", help="The key's name: 1-16 letters and digits. Random by default.")
def new(key_id: str | None) -> None:
    """Print a new key for LVPORTAL_ENCRYPTION_KEYS. It is stored nowhere."""
    key_id = key_id or f"k{secrets.token_hex(4)}"
    if not (key_id.isascii() and key_id.isalnum() and len(key_id) <= 16):
        raise click.BadParameter("must be 1-16 letters and digits", param_hint="--id")
    click.echo(new_key(key_id))


@keys.command()
@pass_program
@click.pass_context
def rotate(context: click.Context, program: Program) -> None:
    """Seal every stored secret with the first key of the ring; status 1 when one did not open.

    May be interrupted and run again at any time.
    """
    key_ring = program.portal.key_ring
    with program.session() as session:
        done = key_rotation.reseal_all(session, key_ring)
    click.echo(f"Sealed anew with key {key_ring.current_id}: {done.resealed}. Already so: {done.current}.")
    if done.unopened:
        click.echo(f"Not opened, because their key is not in the ring: {len(done.unopened)}.", err=True)
        for name in done.unopened:
            click.echo(f"  {name}", err=True)
        context.exit(1)
