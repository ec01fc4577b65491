"""Settings: read once, refused with every name that is wrong, and never a value."""

import pytest

from lvportal import settings
from lvportal.errors import SettingsWrong
from lvportal.key_ring import new_key

GOOD = {
    "LVPORTAL_PORTAL_ORIGIN": "https://portal.example.com",
    "LVPORTAL_AGENT_ORIGIN": "https://agent.example.com",
    "LVPORTAL_ENCRYPTION_KEYS": new_key("a"),
}


def test_good_settings_are_read() -> None:
    found = settings.load(
        GOOD
        | {
            "LVPORTAL_ENVIRONMENT": "development",
            "LVPORTAL_UNSAFE_PROVIDER_ADDRESSES": "Idp.test:9000, [::1]:80",
        }
    )

    assert found.host("portal") == "portal.example.com"
    assert found.unsafe_provider_addresses == {("idp.test", 9000), ("::1", 80)}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"LVPORTAL_PORTAL_ORIGINS": "x"}, "LVPORTAL_PORTAL_ORIGINS"),
        ({"LVPORTAL_ENCRYPTION_KEYS": ""}, "LVPORTAL_ENCRYPTION_KEYS"),
        ({"LVPORTAL_AGENT_ORIGIN": "https://portal.example.com"}, "two hosts"),
        ({"LVPORTAL_PORTAL_ORIGIN": "https://portal.example.com/"}, "LVPORTAL_PORTAL_ORIGIN"),
        ({"LVPORTAL_PORTAL_ORIGIN": "http://portal.example.com"}, "https"),
        ({"LVPORTAL_UNSAFE_PROVIDER_ADDRESSES": "localhost:9000"}, "LVPORTAL_UNSAFE_PROVIDER_ADDRESSES"),
        ({"LVPORTAL_UNSAFE_PROVIDER_ADDRESSES": "localhost"}, "LVPORTAL_UNSAFE_PROVIDER_ADDRESSES"),
        ({"LVPORTAL_AGENT_IDLE_MINUTES": "0"}, "LVPORTAL_AGENT_IDLE_MINUTES"),
        ({"LVPORTAL_TRUSTED_PROXIES": "10.0.0.1/8"}, "LVPORTAL_TRUSTED_PROXIES"),
    ],
    ids=str,
)
def test_production_refuses_to_start_with(changes: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsWrong, match=named):
        settings.load(GOOD | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {
            "LVPORTAL_PORTAL_ORIGIN": "http://portal.example.com",
            "LVPORTAL_UNSAFE_ALLOW_HTTP_ORIGINS_IN_PRODUCTION": "true",
        },
        {
            "LVPORTAL_UNSAFE_PROVIDER_ADDRESSES": "localhost:9000",
            "LVPORTAL_UNSAFE_ALLOW_UNSAFE_PROVIDER_ADDRESSES_IN_PRODUCTION": "true",
        },
    ],
    ids=str,
)
def test_production_starts_with_what_is_allowed_by_its_long_name(changes: dict[str, str]) -> None:
    assert settings.load(GOOD | changes)


def test_a_wrong_value_is_never_shown() -> None:
    with pytest.raises(SettingsWrong) as caught:
        settings.load(GOOD | {"LVPORTAL_PORTAL_IDLE_MINUTES": "hunter2"})

    assert "hunter2" not in str(caught.value)
