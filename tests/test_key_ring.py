"""The key ring: what is sealed opens for its purpose alone, and outlives a rotation."""

import pytest

from lvportal.errors import SettingsWrong
from lvportal.key_ring import KeyRing, NotOpened, new_key

OLD, NEW = new_key("old"), new_key("new")


def test_what_is_sealed_opens_for_the_same_purpose() -> None:
    ring = KeyRing(OLD)

    assert ring.open(ring.seal("text", purpose="row 1"), purpose="row 1") == "text"


def test_it_opens_for_no_other_purpose() -> None:
    ring = KeyRing(OLD)

    with pytest.raises(NotOpened):
        ring.open(ring.seal("text", purpose="row 1"), purpose="row 2")


@pytest.mark.parametrize("damage", ["", "old", "old.", "old.!!!", "other.AAAA", "old.AAAA", "\u00e9.AAAA"])
def test_damaged_text_opens_nothing(damage: str) -> None:
    with pytest.raises(NotOpened):
        KeyRing(OLD).open(damage, purpose="row 1")


def test_a_rotated_ring_opens_the_old_and_seals_with_the_new() -> None:
    sealed = KeyRing(OLD).seal("text", purpose="p")
    ring = KeyRing(f"{NEW},{OLD}")

    assert ring.open(sealed, purpose="p") == "text"
    assert not ring.is_current(sealed)
    assert ring.is_current(ring.seal("text", purpose="p"))


@pytest.mark.parametrize("text", ["", "a", "a:b", "a:AAAA", f"{OLD},{OLD}", "a b:" + OLD.split(":")[1]])
def test_a_wrong_ring_is_refused_without_showing_a_key(text: str) -> None:
    with pytest.raises(SettingsWrong) as caught:
        KeyRing(text)

    assert OLD.split(":")[1] not in str(caught.value)
