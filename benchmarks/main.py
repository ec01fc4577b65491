"""The command line of ``benchmarks/run``: what to measure, in rounds, and the table at the end."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.client import Browser, WrongPage, ask_json, require_home, sign_in
from benchmarks.measure import CLIENT_CORE, CannotMeasure, Server, Spread, require_linux
from benchmarks.subjects import WORK, Stage, Subject, people_of

LEAST_ROUNDS = 8
PEOPLE = 200


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is done per round and before the first."""

    rounds: int
    sign_ins: int
    pages: int
    warm_up_sign_ins: int = 60
    warm_up_pages: int = 300


@dataclass(frozen=True, slots=True)
class Measurement:
    """One thing that is measured: ``do(subject, count, browsers)`` does it ``count`` times."""

    key: str
    title: str
    do: Callable[[Subject, int, int], None]


def do_sign_ins(subject: Subject, count: int, browsers: int) -> None:
    """Sign ``count`` people in, each with a new browser, ``browsers`` at a time. Raises WrongPage."""

    def one(number: int) -> None:
        sign_in(subject.start_url, subject.home_url, subject.person(number)).close()

    _spread_over(browsers, count, one)


def do_pages(subject: Subject, count: int, browsers: int) -> None:
    """Fetch the signed-in home ``count`` times on kept connections. Raises WrongPage."""
    share = count // browsers

    def one(number: int) -> None:
        email = subject.person(number)
        with sessions[number] as browser:
            for _ in range(share):
                require_home(browser.get(subject.home_url), subject.home_url, email)

    sessions = [signed_in(subject, number) for number in range(browsers)]
    _spread_over(browsers, browsers, one)


_kept_sessions: dict[tuple[str, str], Browser] = {}


def signed_in(subject: Subject, number: int) -> Browser:
    """Return a browser with a live session, signed in once per run."""
    key = (subject.start_url, subject.person(number))
    if key not in _kept_sessions:
        _kept_sessions[key] = sign_in(subject.start_url, subject.home_url, subject.person(number))
    return _kept_sessions[key]


def _spread_over(threads: int, count: int, one: Callable[[int], None]) -> None:
    if threads == 1:
        for number in range(count):
            one(number)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(one, number) for number in range(count)]:
            done.result()


SIGN_IN = Measurement("sign-in", "CPU per sign-in", do_sign_ins)
PAGE = Measurement("page", "CPU per page", do_pages)
MEASUREMENTS = (SIGN_IN, PAGE)


@dataclass(frozen=True, slots=True)
class Figure:
    """CPU and wall-clock milliseconds per piece, one measurement of one round."""

    cpu_ms: float
    wall_ms: float


def measure(server: Server, work: Callable[[], None], count: int) -> Figure:
    """Do ``work``, which is ``count`` pieces, and tell what each cost ``server``'s tree."""
    cpu, wall = server.cpu_seconds(), time.perf_counter()
    work()
    cpu, wall = server.cpu_seconds() - cpu, time.perf_counter() - wall
    return Figure(1000 * cpu / count, 1000 * wall / count)


def run(
    subjects: Sequence[Subject], chosen: Sequence[Measurement], amounts: Amounts, browsers: int
) -> Figures:
    """Measure all subjects in interleaved rounds: A B A B, for each measurement."""
    for subject in subjects:
        do_sign_ins(subject, amounts.warm_up_sign_ins, browsers)
        do_pages(subject, amounts.warm_up_pages, browsers)
    figures: Figures = {}
    for number in range(1, amounts.rounds + 1):
        line = []
        for measurement in chosen:
            count = amounts.sign_ins if measurement is SIGN_IN else amounts.pages
            for subject in subjects:
                if measurement is PAGE:
                    signed_in(subject, 0)
                work = partial(measurement.do, subject, count, browsers)
                figure = measure(subject.server, work, count)
                figures.setdefault((measurement.key, subject.name), []).append(figure)
                line.append(f"{subject.name} {figure.cpu_ms:.3f}")
        print(f"round {number}/{amounts.rounds}: {', '.join(line)} ms", flush=True)
    return figures


Figures = dict[tuple[str, str], list[Figure]]


def table(figures: Figures, subjects: Sequence[str], chosen: Sequence[Measurement]) -> str:
    """Return the table: median, least and most CPU, ratio to the first subject, wall clock.

    The ratio is that of the medians; in brackets the least and most of the
    rounds' own ratios, which tell how far it can be trusted.
    """
    rows = [("", "", "CPU ms, median", "min - max", "ratio", "wall ms, median")]
    for measurement in chosen:
        base = figures[measurement.key, subjects[0]]
        for name in subjects:
            mine = figures[measurement.key, name]
            cpu = Spread.of([figure.cpu_ms for figure in mine])
            ratio = cpu.median / Spread.of([figure.cpu_ms for figure in base]).median
            pairs = Spread.of([own.cpu_ms / other.cpu_ms for own, other in zip(mine, base, strict=True)])
            shown = (
                "1.00 x" if name == subjects[0] else f"{ratio:.2f} x ({pairs.least:.2f} - {pairs.most:.2f})"
            )
            wall = Spread.of([figure.wall_ms for figure in mine]).median
            rows.append(
                (
                    measurement.title,
                    name,
                    f"{cpu.median:.3f}",
                    f"{cpu.least:.3f} - {cpu.most:.3f}",
                    shown,
                    f"{wall:.3f}",
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def provider_requests(subject: Subject, browsers: int, count: int = 20) -> float:
    """Return how many requests one sign-in makes to the provider, the browser's own left out."""
    address = f"http://127.0.0.1:{subject.provider.port}/counts"
    before = ask_json(address)
    do_sign_ins(subject, count, browsers)
    after = ask_json(address)
    own = sum(n - before.get(name, 0) for name, n in after.items() if name not in ("counts", "authorize"))
    return own / count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen measurements; 0 when every sign-in ended where it should."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/run", description="The portal against a plain relying party."
    )
    parser.add_argument(
        "--rounds", type=int, default=10, help=f"at least {LEAST_ROUNDS} for figures to quote"
    )
    parser.add_argument("--quick", action="store_true", help="few and small rounds: does it run at all?")
    parser.add_argument("--only", choices=[m.key for m in MEASUREMENTS], help="one measurement")
    parser.add_argument(
        "--subjects", nargs="+", choices=["reference", "portal"], default=["reference", "portal"]
    )
    parser.add_argument("--server", choices=["granian", "gunicorn"], default="granian", help="of the portal")
    parser.add_argument("--browsers", type=int, default=1, help="how many sign in at the same time")
    parser.add_argument("--sign-ins", type=int, default=150, help="per round")
    parser.add_argument("--pages", type=int, default=800, help="per round")
    parser.add_argument("--keep", action="store_true", help="keep databases and logs in benchmarks/.work")
    given = parser.parse_args(arguments)

    amounts = Amounts(given.rounds, given.sign_ins, given.pages)
    if given.quick:
        amounts = Amounts(rounds=2, sign_ins=20, pages=100, warm_up_sign_ins=5, warm_up_pages=20)
    chosen = [m for m in MEASUREMENTS if given.only in (None, m.key)]
    WORK.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=WORK))
    stage = Stage(folder)
    try:
        require_linux()
        if stage.pinned:
            os.sched_setaffinity(0, {CLIENT_CORE})
        provider = stage.start_provider()
        people = people_of("acme", PEOPLE)
        subjects = []
        if "reference" in given.subjects:
            subjects.append(stage.start_reference(provider, people))
        if "portal" in given.subjects:
            subjects.append(stage.start_portal(provider, people, server=given.server))
        figures = run(subjects, chosen, amounts, given.browsers)
        asked = {s.name: provider_requests(s, given.browsers) for s in subjects} if SIGN_IN in chosen else {}
    except (CannotMeasure, WrongPage) as failed:
        print(f"benchmarks: {failed}", file=sys.stderr)
        return 1
    finally:
        stage.close()
        if given.keep:
            print(f"kept: {folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print()
    print(table(figures, [s.name for s in subjects], chosen))
    print()
    for name, number in asked.items():
        print(f"{name}: {number:.2f} requests to the provider per sign-in")
    if amounts.rounds < LEAST_ROUNDS:
        print(f"Not to be quoted: fewer than {LEAST_ROUNDS} rounds.")
    if not stage.pinned:
        print("Not to be quoted: server and client shared their cores.")
    return 0
