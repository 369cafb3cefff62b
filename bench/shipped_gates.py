"""Fit the gates that tierchat comes with, on the answers that `bench/real.py` keeps.

    python bench/shipped_gates.py --models DIR --data DIR [--home HOME] [--write CASCADE]

For every cascade of the catalogue whose models are part of the measured ladder: learned from three
quarters of the question groups and judged on the rest. --write puts one into the package. The gates
begin with nothing known, as the shipped default was fitted on these very prompts. Needs
scikit-learn; reads the published files' templates.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import real
from prior_fit import Fitted, nothing_known

from tierchat.config.home import Home
from tierchat.gates.files import GateHead
from tierchat.gates.lookup import SHIPPED
from tierchat.learning.evaluation import policies
from tierchat.learning.evaluation.untaught_policy import walks
from tierchat.learning.evaluation.worth import gain_of
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.work import work_of, workers
from tierchat.learning.training import lesson
from tierchat.learning.training.fit import fit_gates
from tierchat.learning.training.teaching import Round, Taught, choose_gates, split
from tierchat.learning.training.unread import letters_of
from tierchat.paths import find_paths

CASCADES = ("starter", "coder")


def home_with(models: Path, directory: Path) -> Home:
    """Return a home in which the ladder's published files stand for the catalogue's."""
    home = Home(find_paths({"TIERCHAT_HOME": str(directory)}), {})
    lines = []
    for name in real.LADDER.values():
        model = home.catalogue.models[name]
        file = (models / Path(model.file).name).resolve()
        lines += [f'[models."{name}"]', f'file = "{file}"', f'sha256 = "{model.sha256}"']
    home.paths.models_file.parent.mkdir(parents=True, exist_ok=True)
    home.paths.models_file.write_text("\n".join(lines) + "\n", "utf-8")
    return Home(home.paths, {})


def part_of(matrix: Matrix, tiers: Sequence[int]) -> Matrix:
    """Return the matrix of some of its tiers."""
    return replace(
        matrix,
        tiers=tuple(matrix.tiers[tier] for tier in tiers),
        parameters=tuple(matrix.parameters[tier] for tier in tiers),
        rows=tuple(tuple(row[tier] for tier in tiers) for row in matrix.rows),
    )


def taught(matrix: Matrix) -> Taught:
    """Fit on three quarters of the question groups; the rest is held out."""
    held_out, learned = (
        matrix.take([i for i, p in enumerate(matrix.prompts) if p.digest in names])
        for names in ({p.digest for p in part} for part in split(matrix.prompts, 0))
    )
    begun = nothing_known(learned)
    fit = fit_gates(learned, has_token=False, stages=("prefill",), prior=begun)
    gates, estimates, nhg = choose_gates(fit.gates, held_out)
    fit = replace(fit, gates=gates)
    rounds = (Round(1, len(learned.rows), nhg, 0.0),)
    return Taught(fit, learned, held_out, estimates, rounds)


def default(learned: Matrix, held_out: Matrix) -> list[policies.Walk]:
    """Walk as a default would that has not seen the held-out prompts, as the shipped one has."""
    found = Fitted(letters_of(learned), learned, range(len(learned.tiers)))
    x = letters_of(held_out)
    return walks(held_out, found.right(x, held_out.parameters), found.costs(x, held_out))


async def make(home: Home, cascade: str, matrix: Matrix, folder: Path) -> GateHead:
    """Fit the gate of a cascade and write it to a folder."""
    spec = home.catalogue.cascades[cascade]
    names = {name: tier for tier, name in enumerate(real.LADDER.values())}
    places = [names[tier.model] for tier in spec.tiers]
    own = part_of(matrix, places)
    own = replace(own, tiers=tuple(tier.name for tier in spec.tiers), hold_back=spec.hold_back)
    # A tier that is the top of this cascade and not of the ladder has states that no gate reads.
    own = real.without_top_states(own)
    found = taught(own)
    work = work_of(spec, home.catalogue, home.paths)
    async with workers(home, cascade) as pool:
        for tier in spec.tiers:
            await pool.load(tier.model)
        head = lesson.write(folder / f"{cascade}.json", cascade, work, pool, found)
    ours = policies.gated(found.held_out, found.estimates, found.fit.gates)
    gain = gain_of(found.held_out, ours, default(found.learned, found.held_out))
    print(
        f"{cascade}: {head.report.num_prompts} prompts learned, {head.report.num_held_out} held "
        f"out, NHG {head.report.nhg[0]:.3f} [{head.report.nhg[1]:.3f}, {head.report.nhg[2]:.3f}], "
        f"ahead of a default fitted on the same prompts by {gain.gain:.3f} "
        f"[{gain.low:.3f}, {gain.high:.3f}]"
    )
    for quality in (0.9, 0.95, 0.99):
        setting, sure = head.expected(quality), head.promise(quality)
        promised = f"promised at {sure.cost:.3f}" if sure else "not promised below the top's cost"
        print(f"  {setting.quality:.3f} of the top at {setting.cost:.3f} of it; {promised}")
    return head


async def run(home: Home, matrix: Matrix, folder: Path, shipped: str | None) -> None:
    SHIPPED.mkdir(exist_ok=True)
    for cascade in CASCADES:
        await make(home, cascade, matrix, SHIPPED if cascade == shipped else folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--home", type=Path, default=Path.home() / ".cache" / "tierchat-bench-real")
    parser.add_argument("--write", choices=CASCADES, help="into the package")
    given = parser.parse_args()
    matrix = asyncio.run(real.known(given.home, given.data))
    home = home_with(given.models, given.home / "shipped")
    asyncio.run(run(home, matrix, given.home, given.write))


if __name__ == "__main__":
    main()
