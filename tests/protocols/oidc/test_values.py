import json
from collections.abc import Callable
from types import UnionType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvportal.errors import SignInRefused
from lvportal.protocols.oidc import values
from lvportal.protocols.oidc.errors import DocumentMalformed, TokenMalformed

QUICK = settings(max_examples=150, deadline=None)


def read(data, **limits):
    return values.read_json_object(data, what="a document", **limits)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{}", {}),
        (b' {"a": [1, 2.5, null, true, "\xc3\xa9"]} ', {"a": [1, 2.5, None, True, "é"]}),
        (rb'{"a": "\ud83d\ude00"}', {"a": "\U0001f600"}),
        (b'{"a": "[[[[[[[[[[[[[[[[[[[[[[[["}', {"a": "[" * 24}),
        (rb'{"a": "\"[[[[[[[[[[[[[[[[[[[[[[[["}', {"a": '"' + "[" * 24}),
        (b'{"a": [' + b",".join([b"[]"] * 40) + b"]}", {"a": [[]] * 40}),
    ],
)
def test_a_plain_object_is_read(data, expected):
    assert read(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\xff"}',
        rb'{"a": "\ud800"}',
        rb'{"\udfff": 1}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": 1} {"b": 2}',
        b'{"a": "\x00"}',
        b"{" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"' + b'\\"' * 100_000,
        b'{"a": [' + b"[" * 30 + b"]" * 30 + b"]}",
    ],
)
def test_anything_else_is_refused_with_a_code(data):
    with pytest.raises(DocumentMalformed) as caught:
        read(data)

    assert caught.value.code == "sign_in.document"
    assert caught.value.facts == {"what": "a document"}


def test_the_caller_chooses_the_refusal():
    with pytest.raises(TokenMalformed):
        read(b"[]", refused=TokenMalformed)


def test_a_document_may_be_as_large_as_the_limit_and_no_larger():
    data = b'{"a": 1}'

    assert read(data, max_bytes=len(data)) == {"a": 1}
    with pytest.raises(DocumentMalformed):
        read(data, max_bytes=len(data) - 1)


def test_nesting_may_be_as_deep_as_the_limit_and_no_deeper():
    data = b'{"a": [[]]}'

    assert read(data, max_depth=3) == {"a": [[]]}
    with pytest.raises(DocumentMalformed):
        read(data, max_depth=2)


def test_a_refused_document_is_not_in_the_chain_of_exceptions():
    with pytest.raises(DocumentMalformed) as caught:
        read(b'{"secret-thing": ')

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "secret-thing" not in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@QUICK
@given(st.binary(max_size=300) | st.text('{}[]":,\\ue0129.-+ntf ', max_size=80).map(str.encode))
def test_no_bytes_make_the_reader_raise_anything_but_a_refusal(data):
    try:
        value = read(data)
    except SignInRefused:
        return

    assert isinstance(value, dict)
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@QUICK
@given(st.dictionaries(st.sampled_from(["a", "b"]), json_values))
def test_typed_readers_give_their_type_or_a_refusal(document):
    readers: list[tuple[Callable[..., object], type | UnionType]] = [
        (values.read_string, str),
        (values.read_strings, tuple),
        (values.read_number, int | float),
        (values.read_boolean, bool),
    ]
    for reader, kind in readers:
        try:
            value = reader(document, "a", what="a document")
        except SignInRefused:
            continue
        assert value is None or isinstance(value, kind)


@pytest.mark.parametrize("value", ["x", "x" * 10, "é"])
def test_a_string_is_read(value):
    assert values.read_string({"a": value}, "a", what="w", max_length=10) == value
    assert values.require_string({"a": value}, "a", what="w", max_length=10) == value


@pytest.mark.parametrize("value", ["", "x" * 11, "a\nb", "a\x00", 1, True, ["x"], {}])
def test_what_is_no_usable_string_is_refused(value):
    with pytest.raises(DocumentMalformed):
        values.read_string({"a": value}, "a", what="w", max_length=10)


@pytest.mark.parametrize("document", [{}, {"a": None}])
def test_an_absent_string_is_none_unless_it_is_required(document):
    assert values.read_string(document, "a", what="w") is None
    with pytest.raises(DocumentMalformed, match="a is missing"):
        values.require_string(document, "a", what="w")


@pytest.mark.parametrize(("value", "expected"), [([], ()), (["x", ""], ("x", "")), (None, None)])
def test_an_array_of_strings_is_read(value, expected):
    assert values.read_strings({"a": value}, "a", what="w") == expected


@pytest.mark.parametrize("value", ["x", {}, [1], ["x", None], ["x"] * 201, ["x" * 2001]])
def test_what_is_no_array_of_strings_is_refused(value):
    with pytest.raises(DocumentMalformed):
        values.read_strings({"a": value}, "a", what="w")


@pytest.mark.parametrize("value", [0, -1, 1.5, 2**53])
def test_a_number_is_read(value):
    assert values.read_number({"a": value}, "a", what="w") == value


@pytest.mark.parametrize("value", [True, None, "1", 2**53 + 1, 1e300, float("nan"), float("inf"), []])
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(DocumentMalformed):
        values.read_number({"a": value}, "a", what="w")


def test_an_absent_number_is_none():
    assert values.read_number({}, "a", what="w") is None


@pytest.mark.parametrize("value", [True, False, None])
def test_a_boolean_is_read(value):
    assert values.read_boolean({"a": value}, "a", what="w") is value


@pytest.mark.parametrize("value", [0, 1, "true", []])
def test_what_is_no_boolean_is_refused(value):
    with pytest.raises(DocumentMalformed):
        values.read_boolean({"a": value}, "a", what="w")


@pytest.mark.parametrize(("value", "expected"), [(True, True), (1, False), ("true", False), ([1], False)])
def test_only_json_true_is_true(value, expected):
    assert values.is_true(value) is expected


@pytest.mark.parametrize(("other", "expected"), [("é", True), ("e", False), ("", False), ("\udcff", False)])
def test_any_two_strings_can_be_compared(other, expected):
    assert values.are_equal("é", other) is expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\r\nlines\tand  more", "two lines and more"),
        ("\x1b[31mred\x07", "[31mred"),
        ("abc\u202egpj.exe", "abcgpj.exe"),
        ("zero\u200bwidth", "zerowidth"),
        ("half\ud800", "half"),
        ("é", "é"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
        ("x" * 100_000, "x" * 199 + "…"),
        (7, "7"),
    ],
)
def test_a_providers_text_is_cut_to_what_can_be_shown(text, shown):
    assert values.cut(text) == shown


@QUICK
@given(st.text(st.characters(codec=None), max_size=500))
def test_cut_text_is_short_and_can_be_written_anywhere(text):
    shown = values.cut(text)

    assert len(shown) <= 200
    shown.encode()
    assert all(character >= " " and not "\x7f" <= character <= "\x9f" for character in shown)


@pytest.mark.parametrize(("segment", "expected"), [("", b""), ("YQ", b"a"), ("-_8", b"\xfb\xff")])
def test_base64url_is_decoded(segment, expected):
    assert values.decode_base64url(segment, what="w", refused=TokenMalformed) == expected


@pytest.mark.parametrize("segment", ["YQ==", "+/8", "a", "YR", "Y Q", "é"])
def test_what_is_no_canonical_base64url_is_refused(segment):
    with pytest.raises(TokenMalformed):
        values.decode_base64url(segment, what="w", refused=TokenMalformed)


@pytest.mark.parametrize(("text", "expected"), [("a b", True), ("a\u200bb", True), ("a@b.example", False)])
def test_hidden_characters_are_found(text, expected):
    assert values.has_hidden_characters(text) is expected


@pytest.mark.parametrize(("text", "expected"), [("abc", True), ("", False), ("a b", False), ("é", False)])
def test_visible_ascii_is_recognised(text, expected):
    assert values.is_visible_ascii(text) is expected
