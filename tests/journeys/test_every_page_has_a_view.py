"""A page that is added is looked at too: each address that shows one is named beside its view."""

from __future__ import annotations

import re

from tests.browser import pages
from tests.journeys.stage import HOSTS, Stage

FILES = re.compile(r"\.(csv|jsonl)$|^/static/")


def test_every_address_that_shows_a_page_has_a_view_or_a_reason(stage: Stage) -> None:
    audience_of = {host: audience for audience, host in HOSTS.items()}
    shown = {
        (audience_of[rule.host or ""], re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"<\1>", rule.rule))
        for rule in stage.app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not FILES.search(rule.rule)
    }

    assert shown == pages.SEEN_IN.keys() | pages.NOT_SEEN.keys()
    assert not pages.SEEN_IN.keys() & pages.NOT_SEEN.keys()
    assert set(pages.SEEN_IN.values()) <= {view.name for view in pages.EVERY}
