"""No client reaches another: every route, every role, both hosts, with ids of somebody else's.

The routes come from the app itself: one that is added tomorrow is tried tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from werkzeug.routing import Rule

from lvportal.extensions import db
from tests.architecture.isolation_world import ACTORS, SECRETS, VALUES, World, shows_globex
from tests.support.house import Page

CARE_SEES_EVERY_CLIENT = "/care/"
NOT_YET = ("/changes.csv",)
"""What the client itself has only later: the file of an import's changes, once there are some."""
FORBIDDEN_OR_MISSING = (403, 404)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("isolation"))
    yield made
    with made.house.app.app_context():
        db.engine.dispose()


def tried(world: World, actor: str, method: str) -> Iterator[tuple[Rule, str]]:
    """Yield every route that the actor could try, with each of Globex's values in its address."""
    for rule in world.rules(actor, method):
        if actor == "CARE" and rule.rule.startswith(CARE_SEES_EVERY_CLIENT):
            continue
        for path in world.addresses(rule):
            yield rule, path


def fault(world: World, rule: Rule, page: Page) -> str:
    """Return what is wrong with an answer, or nothing."""
    is_public = world.is_public(rule)
    sent_away = page.status == 303 and page.location.startswith("/sign-in")
    # On the way to the sign-in the address itself is repeated, and the code is part of some.
    if shows_globex(page, is_public=is_public or sent_away):
        return "shows something of Globex"
    if page.status >= 500:
        return f"answers {page.status}"
    if rule.arguments and not is_public and page.status not in FORBIDDEN_OR_MISSING and not sent_away:
        return f"answers {page.status} instead of 403 or 404"
    return ""


@pytest.mark.parametrize("actor", ACTORS)
def test_no_page_shows_anything_of_another_client(world: World, actor: str) -> None:
    faults = []
    for rule, path in tried(world, actor, "GET"):
        page = world.visitor(actor).get(path)
        if wrong := fault(world, rule, page):
            faults.append(f"GET {path}: {wrong}")

    assert faults == []


@pytest.mark.parametrize("actor", ACTORS)
def test_no_form_changes_anything_of_another_client(world: World, actor: str) -> None:
    faults = []
    for rule, path in tried(world, actor, "POST"):
        page = world.visitor(actor).copy().post(path, **world.fields())
        if wrong := fault(world, rule, page):
            faults.append(f"POST {path}: {wrong}")
        if world.fingerprint() != world.before:
            faults.append(f"POST {path}: changed something of Globex's")

    assert faults == []


@pytest.mark.parametrize("actor", ["SYSADMIN", "agent"])
def test_no_query_brings_up_another_client(world: World, actor: str) -> None:
    query = "&".join(f"{name}={value}" for name, value in world.fields().items() if name != "q")
    faults = []
    for _, path in tried(world, actor, "GET"):
        page = world.visitor(actor).get(f"{path}?{query}")
        # The code in the address may be repeated in a field; what stands in Globex's rows may not.
        if shows_globex(page, is_public=True):
            faults.append(f"GET {path} with ids: shows something of Globex")
        if page.status >= 500:
            faults.append(f"GET {path} with ids: {page.status}")

    assert faults == []


def test_the_client_itself_opens_what_the_others_could_not(world: World) -> None:
    """What the refusals above are worth: the same addresses, and Globex's own SYSADMIN."""
    unopened = []
    for rule in world.rules("SYSADMIN", "GET"):
        if not rule.arguments or rule.arguments & SECRETS or world.is_public(rule):
            continue
        if rule.rule.startswith(CARE_SEES_EVERY_CLIENT) or rule.rule.endswith(NOT_YET):
            continue
        statuses = {path: world.owner.get(path).status for path in world.addresses(rule)}
        if not any(status < 400 for status in statuses.values()):
            unopened.append(statuses)

    assert unopened == []


def test_the_client_itself_sees_its_rows(world: World) -> None:
    pages = ["/monitor/sign-ins", "/monitor/sessions", "/configure/client/security"]

    assert [path for path in pages if "zebra" not in world.owner.get(path).html] == []


def test_every_parameter_of_every_route_is_known(world: World) -> None:
    rules = world.house.app.url_map.iter_rules()
    unknown = {name for rule in rules for name in rule.arguments} - {"filename"} - set(VALUES)

    assert unknown == set(), "teach tests/architecture/isolation_world.py what these are"


def test_the_form_changes_what_is_ones_own(world: World) -> None:
    """The tokens and fields of the forms above are good: with an id of one's own they act."""
    owner = world.owner
    owner.get("/monitor/sessions")

    page = owner.copy().post(f"/monitor/sessions/{world.estate.session_id}/end")

    assert (page.status, page.location) == (303, "/monitor/sessions")
    assert world.fingerprint() != world.before
