"""What is wrong with a file, and where."""

from __future__ import annotations

from dataclasses import dataclass

from lvportal.errors import ChangeRefused

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A value that cannot stand, by its path in the document; its line is looked up later."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A line of the file (from 1), the value's place in words, and the reason."""

    line: int
    where: str
    reason: str

    def __str__(self) -> str:
        return (
            f"line {self.line}: {self.where}: {self.reason}"
            if self.where
            else f"line {self.line}: {self.reason}"
        )


class FileRefused(ChangeRefused):
    """The file is refused whole; ``problems`` has every reason, by line."""

    code = "apply.refused"
    user_message = "This file was not applied. Nothing was changed."
    next_step = "Correct every line named here and apply the file again."

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda one: (one.line, one.where)))
        super().__init__("; ".join(map(str, self.problems)))


def describe(path: Path) -> str:
    """Return ``clients[0].users[2].email``."""
    words = ""
    for part in path:
        name = part if isinstance(part, int) else "".join(c for c in part[:60] if c.isprintable())
        words += f"[{name}]" if isinstance(part, int) else f".{name}" if words else str(name)
    return words
