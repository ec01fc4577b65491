"""From bytes to rows: encodings, delimiters, headers, and files that are refused as a whole."""

from __future__ import annotations

import pytest

from lvportal.services.people_import import reading
from lvportal.services.people_import.reading import FileRefused, inspect, lines

HEADER = "Logon ID,Email,First Name"
ROW = "desk_1,desk.1@acme.example,Zoë"


def rows_of(content: bytes, audience: str = "agent") -> list[tuple[int, tuple[str, ...]]]:
    layout = inspect(content, audience)
    return [(line.number, line.cells) for line in lines(content, layout)]


@pytest.mark.parametrize(
    ("codec", "words", "is_certain"),
    [
        ("utf-8", "UTF-8", True),
        ("utf-8-sig", "UTF-8", True),
        ("utf-16", "UTF-16", True),
        ("utf-16-le", "UTF-16", True),
        ("utf-16-be", "UTF-16", True),
        ("cp1252", "Windows-1252", False),
    ],
)
def test_the_encoding_is_told_and_named(codec, words, is_certain):
    content = f"{HEADER}\r\n{ROW}\r\n".encode(codec)

    layout = inspect(content, "agent")

    assert (layout.encoding, layout.encoding_is_certain) == (words, is_certain)
    assert rows_of(content) == [(2, ("desk_1", "desk.1@acme.example", "Zoë"))]


@pytest.mark.parametrize(("sign", "words"), [(",", "comma"), (";", "semicolon"), ("\t", "tab")])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_the_delimiter_is_told_from_the_header(sign, words, newline):
    content = newline.join([HEADER.replace(",", sign), ROW.replace(",", sign)]).encode()

    layout = inspect(content, "agent")

    assert layout.delimiter_words == words
    assert layout.fields == ("login_name", "email", "first_name")
    assert len(rows_of(content)) == 1


def test_a_spreadsheets_hint_about_the_delimiter_counts_as_a_row():
    content = b"sep=;\nLogon ID;Email\ndesk_1;a@acme.example\n"

    assert rows_of(content) == [(3, ("desk_1", "a@acme.example"))]


def test_a_line_break_between_quotation_marks_stays_in_its_cell_and_the_next_row_keeps_its_number():
    content = b'Logon ID,First Name\ndesk_1,"Two\nlines"\n\ndesk_2,One\n'

    assert rows_of(content) == [(2, ("desk_1", "Two\nlines")), (4, ("desk_2", "One"))]


@pytest.mark.parametrize("name", ["Logon ID", "logon_id", "LOGON-ID", " LogonId ", "Agent ID", "username"])
def test_a_column_is_known_by_its_other_names_too(name):
    assert inspect(f"Email,{name}\na@acme.example,desk_1\n".encode(), "agent").fields == (
        "email",
        "login_name",
    )


def test_unknown_and_absent_columns_are_named():
    layout = inspect(b"Logon ID,Shoe Size,Row,Reason\ndesk_1,42,2,because\n", "agent")

    assert layout.unknown == ("Shoe Size",)
    assert layout.absent == (
        "Email", "First Name", "Last Name", "Agent Team", "Active", "Home Agent", "Extension",
    )  # fmt: skip


def test_an_apostrophe_that_our_own_files_put_before_a_formula_is_taken_away():
    assert rows_of(b"Logon ID,First Name\ndesk_1,'=Mary\ndesk_2,'Mary\n") == [
        (2, ("desk_1", "=Mary")),
        (3, ("desk_2", "'Mary")),
    ]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "import.empty"),
        (b"\n\n \n", "import.empty"),
        (b"Logon ID,Email\n", "import.empty"),
        (b"Logon ID,Email\n,\n", "import.empty"),
        (b"Email,First Name\na@acme.example,A\n", "import.column_missing"),
        (b"Logon ID,logon_id\ndesk_1,desk_1\n", "import.column_repeated"),
        (b"PK\x03\x04rest of a workbook", "import.workbook"),
        (b"\xd0\xcf\x11\xe0rest of an older one", "import.workbook"),
        (b"Logon ID\n\x81\x8d\xff\n", "import.not_text"),
        (b"\xff\xfea", "import.not_text"),
        (b'Logon ID,Email\ndesk_1,"a@acme.example\ndesk_2,b\n', "import.quote_open"),
        (b"Logon ID\n" + b"a" * 200_000 + b"\n", "import.quote_open"),
        (b"Logon ID\n" + b"a\n" * 50_001, "import.too_many_rows"),
        (b"x" * (reading.LARGEST_FILE + 1), "import.too_large"),
    ],
)
def test_a_file_that_is_no_list_of_people_is_refused_with_its_reason(content, code):
    with pytest.raises(FileRefused) as refused:
        rows_of(content)

    assert refused.value.code == code
    assert "unknown" not in refused.value.words(refused.value.user_message)


def test_fifty_thousand_rows_are_not_too_many():
    assert len(rows_of(b"Logon ID\n" + b"a\n" * 50_000)) == 50_000


def test_a_row_whose_quotation_marks_do_not_match_leaves_the_others_readable():
    content = b'Logon ID,First Name\ndesk_1,"A"b\ndesk_2,B\n'

    found = list(lines(content, inspect(content, "agent")))

    assert [(line.number, line.is_readable) for line in found] == [(2, False), (3, True)]
