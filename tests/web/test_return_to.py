"""Return paths: a plain path on this host, or home."""

import pytest

from lvportal.web.return_to import path_of, safe_path


@pytest.mark.parametrize("path", ["/configure/client/security", "/a?b=c", "/profile#x"])
def test_a_plain_path_is_kept(path: str) -> None:
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=y",
        "/a b",
        "/" + "a" * 600,
        "/sign-in?return_to=/",
        "/sso/acme",
        "/\u2028",
    ],
)
def test_anything_else_leads_home(text: str | None) -> None:
    assert safe_path(text) == "/"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("https://portal.example.com/a?b=c", "/a?b=c"),
        ("https://portal.example.com", "/"),
        ("https://portal.example.com.evil.example/a", None),
        ("https://portal.example.com@evil.example/", None),
        ("http://portal.example.com/a", None),
        ("/a", None),
        ("https://[broken", None),
        ("https://portal.example.com//evil.example", "/"),
    ],
)
def test_an_absolute_address_counts_on_this_origin_only(uri: str, path: str | None) -> None:
    assert path_of(uri, "https://portal.example.com") == path
