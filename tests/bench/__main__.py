"""``python -m tests.bench``: runs the scenarios, us and the rivals in turns, and writes the report."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from .contenders import NEEDS, UVLOOP, missing
from .options import Options
from .report import machine, markdown, versions, write
from .result import Result
from .scenarios import APART, HOMES, find


def main() -> int:
    options = _options()
    everything = [letter for letter in HOMES if options.peers or letter not in APART]
    chosen = everything if options.only is None else options.only.split(",")
    if unknown := sorted(set(chosen) - set(HOMES)):
        print(f"no scenario {', '.join(unknown)}; there are {', '.join(HOMES)}", file=sys.stderr)
        return 2
    sizes = Options(rounds=2, seconds=0.2, quick=True, uvloop=False) if options.quick else Options()
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    if options.without_uvloop:
        sizes = replace(sizes, uvloop=False)
    if options.peers:
        sizes = replace(sizes, peers=options.peers.absolute())
    elif apart := sorted(APART.intersection(chosen)):
        print(f"scenario {', '.join(apart)} needs --peers DIR", file=sys.stderr)
        return 2
    if absent := missing([*NEEDS, *(["ours" + UVLOOP] if sizes.uvloop else [])]):
        print(absent, file=sys.stderr)
        return 2
    about = {"quick": sizes.quick, "rounds": sizes.rounds, "versions": versions(), "machine": machine()}
    results: dict[str, Result] = {}
    for letter in chosen:
        begin = time.monotonic()
        results[letter] = find(letter)(sizes)
        print(f"{results[letter].title}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        # After each, so that a long run that is stopped leaves what it has.
        about["load_after"] = [round(load, 2) for load in os.getloadavg()]
        write(options.out, dict(sorted(results.items())), about)
    print(markdown(dict(sorted(results.items())), about))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that everything answers")
    parser.add_argument("--only", metavar="a,c", help=f"only these of {','.join(HOMES)}")
    parser.add_argument("--rounds", type=int, help="how often the contenders take turns")
    parser.add_argument("--without-uvloop", action="store_true", help="measure on asyncio's own loop alone")
    parser.add_argument(
        "--peers",
        type=Path,
        metavar="DIR",
        help="where `tests.bench.peers.environment` has installed the peers",
    )
    parser.add_argument("--out", type=Path, default=Path("bench-results"), metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
