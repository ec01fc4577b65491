"""From the bytes of a file to rows of text: which encoding, which delimiter, which column is what.

A file that cannot be read as rows is refused as a whole, before any row is looked at.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from lvportal.errors import ChangeRefused
from lvportal.services.people_import.columns import REASON, ROW, fields_by_key, key_of, words_of

LARGEST_FILE = 10 * 1024 * 1024
MOST_ROWS = 50_000

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_IGNORED = {key_of(ROW), key_of(REASON)}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class FileRefused(ChangeRefused):
    """A file of which no row can be read."""

    code = "import.file"
    user_message = "This file could not be read."
    next_step = "Fill in the template and save it as CSV."
    field = "file"


class FileTooLarge(FileRefused):
    code = "import.too_large"
    status = 413
    user_message = "Over 10 MB."
    next_step = "Split the file."


class TooManyRows(FileRefused):
    code = "import.too_many_rows"
    user_message = f"Over {MOST_ROWS:,} rows."
    next_step = "Split the file."


class FileEmpty(FileRefused):
    code = "import.empty"
    user_message = "The file has no rows below its header."
    next_step = "Add a row for each person and save it as CSV."


class FileIsWorkbook(FileRefused):
    code = "import.workbook"
    user_message = "This is a workbook of a spreadsheet program, not CSV."
    next_step = "Open it there, choose Save As, and take CSV UTF-8."


class FileNotText(FileRefused):
    code = "import.not_text"
    user_message = "The file is not text in UTF-8, UTF-16 or Windows-1252."
    next_step = "Save it as CSV UTF-8."


class ColumnMissing(FileRefused):
    code = "import.column_missing"
    user_message = "The column {column} is missing. The first row has: {found}."
    next_step = "Name the columns in the first row as the template does."


class ColumnRepeated(FileRefused):
    code = "import.column_repeated"
    user_message = "Two columns mean {column}: {found}."
    next_step = "Remove one of them."


class QuoteOpen(FileRefused):
    code = "import.quote_open"
    user_message = "A quotation mark that opens near row {row} is never closed."
    next_step = "Close it, or save the file as CSV again from your spreadsheet program."


@dataclass(frozen=True, slots=True)
class Layout:
    """How the file is to be read, as far as its start tells."""

    codec: str
    encoding: str  # in words
    encoding_is_certain: bool
    delimiter: str
    delimiter_words: str
    header: tuple[str, ...]
    header_row: int
    fields: tuple[str | None, ...]  # what each column means; None: left out
    unknown: tuple[str, ...]
    absent: tuple[str, ...]  # words of known columns that the file does not have


@dataclass(frozen=True, slots=True)
class Line:
    """One row that is not empty. ``number`` counts as a spreadsheet does, the header included."""

    number: int
    cells: tuple[str, ...]
    is_readable: bool = True


def inspect(content: bytes, audience: str) -> Layout:
    """Tell how the file is to be read. Raises a FileRefused."""
    if len(content) > LARGEST_FILE:
        raise FileTooLarge
    if content.startswith(_WORKBOOKS):
        raise FileIsWorkbook
    codec, encoding, is_certain = _encoding(content)
    start = _start(content, codec)
    if not start:
        raise FileEmpty
    hinted = _hinted_delimiter(start[0])
    first = 1 if hinted else 0
    known = fields_by_key(audience)
    delimiter = hinted or max(_DELIMITERS, key=lambda sign: _fit(start, sign, known))
    header_row, header = _header(start[first:], delimiter)
    fields, unknown = _meaning(header, known, audience)
    words = words_of(audience)
    return Layout(
        codec,
        encoding,
        is_certain,
        delimiter,
        _DELIMITERS.get(delimiter, delimiter),
        header,
        header_row + first,
        fields,
        unknown,
        tuple(words[field] for field in words if field not in fields),
    )


def lines(content: bytes, layout: Layout) -> Iterator[Line]:
    """Yield every row that is not empty. Raises TooManyRows, QuoteOpen or FileEmpty."""
    found = 0
    for number, cells in _records(content, layout):
        if number <= layout.header_row:
            continue
        if cells is None:
            found += 1
            yield Line(number, (), is_readable=False)
        elif any(cells):
            found += 1
            yield Line(number, cells)
        if found > MOST_ROWS:
            raise TooManyRows
    if not found:
        raise FileEmpty


def guess_rows(content: bytes) -> int:
    """Return about how many rows the file has: enough for a bar of progress."""
    return max(1, max(content.count(b"\n"), content.count(b"\r")) - 1)


def _encoding(content: bytes) -> tuple[str, str, bool]:
    """Return codec, its name in words, and whether the file itself says so."""
    marks = (
        (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
        (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
    )
    for mark, codec, words in marks:
        if content.startswith(mark):
            _try(content, codec)
            return codec, words, True
    # Text in UTF-16 without a mark: every second byte of an ASCII header is NUL.
    half = max(1, len(content[:200]) // 2)
    for codec, nulls in (("utf-16-le", content[1:200:2]), ("utf-16-be", content[0:200:2])):
        if len(content) > 3 and nulls.count(0) > 0.8 * half:
            _try(content, codec)
            return codec, "UTF-16", True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        _try(content, "cp1252")
        return "cp1252", "Windows-1252", False
    return "utf-8", "UTF-8", True


def _try(content: bytes, codec: str) -> None:
    try:
        content.decode(codec)
    except UnicodeDecodeError as error:
        raise FileNotText(str(error.reason)) from error


def _text(content: bytes, codec: str) -> io.TextIOWrapper:
    # Decoded piece by piece: a file of 10 MB as one text could take 40.
    return io.TextIOWrapper(io.BytesIO(content), encoding=codec, newline="")


def _start(content: bytes, codec: str) -> list[str]:
    """Return the first physical lines, where the header must be."""
    return [line[:10_000] for line in islice(_text(content, codec), 50)]


def _hinted_delimiter(line: str) -> str | None:
    """Return the delimiter that Excel's own first line names: ``sep=;``."""
    hint = line.strip().strip('"')
    return hint[4] if len(hint) == 5 and hint.lower().startswith("sep=") and hint[4] in _DELIMITERS else None


def _parse(source: Iterable[str], delimiter: str) -> Iterator[tuple[int, tuple[str, ...] | None]]:
    """Yield number and cells of each record, None for the cells that cannot be told apart."""
    reader = csv.reader(source, delimiter=delimiter, strict=True, skipinitialspace=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) or "larger than field limit" in str(error):
                raise QuoteOpen(str(error), row=number) from error
            yield number, None
        else:
            yield number, tuple(map(_plain, cells))


def _records(content: bytes, layout: Layout) -> Iterator[tuple[int, tuple[str, ...] | None]]:
    return _parse(_text(content, layout.codec), layout.delimiter)


def _plain(cell: str) -> str:
    """Return a cell without spaces around it, and without the apostrophe of our own files."""
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA_STARTS) else cell


def _header(start: list[str], delimiter: str) -> tuple[int, tuple[str, ...]]:
    """Return number and cells of the first record that is not empty."""
    for number, cells in _parse(start, delimiter):
        if cells is not None and any(cells):
            return number, cells
    raise FileEmpty


def _fit(start: list[str], delimiter: str, known: dict[str, str]) -> tuple[int, int]:
    """Tell how well this delimiter splits the header: known columns first, then any."""
    try:
        _, cells = _header(start, delimiter)
    except FileRefused:
        return 0, 0
    return sum(key_of(cell) in known for cell in cells), len(cells)


def _meaning(
    header: tuple[str, ...], known: dict[str, str], audience: str
) -> tuple[tuple[str | None, ...], tuple[str, ...]]:
    """Return what each column means and which are unknown. Raises ColumnRepeated or ColumnMissing."""
    words = words_of(audience)
    seen: dict[str, str] = {}
    fields: list[str | None] = []
    unknown = []
    for cell in header:
        field = known.get(key_of(cell))
        fields.append(field)
        if field is None:
            if cell and key_of(cell) not in _IGNORED:
                unknown.append(cell[:60])
        elif field in seen:
            raise ColumnRepeated(column=words[field], found=f"{seen[field]} and {cell}")
        else:
            seen[field] = cell
    if "login_name" not in seen:
        found = ", ".join(cell[:60] for cell in header[:12] if cell)
        raise ColumnMissing(column=words["login_name"], found=found)
    return tuple(fields), tuple(unknown[:20])
