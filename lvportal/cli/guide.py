"""``lvportal guide``: how to connect a provider, in the words of See Instructions."""

from __future__ import annotations

from pathlib import Path

import click

from lvportal.cli.program import RefusingGroup, output_option, put_out
from lvportal.providers import KNOWN
from lvportal.providers.known import PLACEHOLDERS, Guide, KnownProvider

PORTAL = "https://portal.example.com"
AGENT = "https://agent.example.com"
CODE = "acme"
ADDRESSES = dict(
    zip(
        PLACEHOLDERS,
        (f"{PORTAL}/sso/{CODE}", f"{AGENT}/sso/{CODE}", f"{PORTAL}/signed-out", f"{AGENT}/signed-out"),
        strict=True,
    )
)

HEAD = """# Connect {label}

<!-- Made by `lvportal guide docs {key}`; edit lvportal/providers/{key}.py instead. -->

The same steps, with your own addresses and copy buttons, stand in the portal under
Configure > Client > Security > See Instructions. Here the portal is `{portal}`, the agent console
`{agent}` and the client code `{code}`.

## Before you begin

- Customer Care has turned on *Single Sign On* for your client; Configure > Client > Billing shows it.
  Until then you can fill in everything, and only enabling waits.
- Your users and agents have email addresses, each its own: people are matched by it.
- You may create applications at {label}.

## The two addresses

| In the portal | For example |
|---|---|
| User Single Sign On URL | `{user_url}` |
| Agent Single Sign On URL | `{agent_url}` |

Both go to {label}, letter by letter: each is the redirect URI of its host, its bookmark, and the address of
a tile.
"""

TAIL = """
## In the portal

Configure > Client > Security, section Single Sign On:

| Field | Value |
|---|---|
| Authentication Standard | OIDC |
| Application type | as created above |
| Authorization ID | {client_id_word} |
| Authorization Secret | {secret_word}; a Native Application without a secret leaves it empty |
| Issuer URL | {issuer_hint} |
| Email Attribute | `{email_claim}` |
| Advanced | Scopes `{scopes}`; Client authentication `{method}`; Response mode `{mode}` |

*Check* reports what is wrong, and what to do, before anybody signs in. `lvportal doctor ISSUER` prints the
same report. Then turn on *Enable Single Sign On*, and sign in once on each host.
"""


@click.group(cls=RefusingGroup)
def guide() -> None:
    """Explain how to connect a provider."""


@guide.command()
@click.argument("provider", type=click.Choice(sorted(KNOWN)), required=False)
@output_option
@click.option(
    "--into",
    default="docs",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Without PROVIDER: the folder for every connect-PROVIDER.md.",
)
def docs(provider: str | None, output: Path | None, into: Path) -> None:
    """Print the guide for PROVIDER in Markdown; without one, write all of them as connect-PROVIDER.md."""
    if provider is None:
        for known in KNOWN.values():
            file_of(known, into).write_text(page(known), "utf-8")
        return
    put_out(page(KNOWN[provider]), output)


def file_of(provider: KnownProvider, folder: Path) -> Path:
    """Return where a provider's page stands among the documents."""
    return folder / f"connect-{provider.key}.md"


def page(provider: KnownProvider) -> str:
    """Return the whole page about one provider."""
    parts = [
        HEAD.format(
            label=provider.label, key=provider.key, portal=PORTAL, agent=AGENT, code=CODE, **ADDRESSES
        ),
        *(_section(one) for one in provider.guides),
        _list("What to look out for", provider.traps),
        TAIL.format(
            client_id_word=provider.client_id_word,
            secret_word=provider.secret_word,
            issuer_hint=provider.issuer_hint,
            email_claim=provider.default_email_claim,
            scopes=provider.default_scopes,
            method=provider.default_client_authentication,
            mode=provider.default_response_mode,
        ),
    ]
    if provider.errors:
        rows = [f"| `{e.fragment}` | {e.meaning} | {e.fix} |\n" for e in provider.errors]
        parts.append(
            f"\n## When {provider.label} shows an error\n\n"
            "| It says | It means | Do this |\n|---|---|---|\n" + "".join(rows)
        )
    return "".join(parts)


def _section(one: Guide) -> str:
    rows = []
    for row in one.rows:
        lines = row.lines(ADDRESSES)
        shown = "<br>".join(f"`{line}`" if line in ADDRESSES.values() else line for line in lines)
        rows.append(f"| {row.where} | {row.action} | {shown} |\n")
    table = "| Where | | What |\n|---|---|---|\n" + "".join(rows)
    notes = "".join(f"\n- {trap}" for trap in one.traps)
    return f"\n## {one.title}\n\n{table}" + (f"{notes}\n" if notes else "")


def _list(title: str, lines: tuple[str, ...]) -> str:
    return f"\n## {title}\n\n" + "".join(f"- {line}\n" for line in lines) if lines else ""
