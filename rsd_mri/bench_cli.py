"""`rsd-mri bench`: the published experiments, listed and run."""

import os
from enum import Enum
from typing import Annotated

import typer

from rsd_mri.console import Bar, refusing, result

bench = typer.Typer(
    help="The published experiments: list them, run one.", no_args_is_help=True, rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


class Scale(str, Enum):
    """How much of an experiment to run."""

    mini = "mini"
    paper = "paper"


@bench.command("list")
def list_benches(as_json: JsonOption = False) -> None:
    """List the experiments with their published figures."""
    from rsd_mri.evaluation.benches import BENCHES, RUNNABLE

    width = max(len(b.name) for b in BENCHES)
    lines = [
        f"{'run ' if b.name in RUNNABLE else '    '}{b.name:<{width}}  {b.data}; {b.corruption}: {b.published}"
        for b in BENCHES
    ]
    result(lines, {"benches": [b.as_dict() for b in BENCHES]}, as_json)


@bench.command("run")
def run(
    name: Annotated[str, typer.Argument(help="Name, as 'rsd-mri bench list' gives it.")],
    scale: Annotated[
        Scale, typer.Option(help="mini: under a minute on one core. paper: the whole experiment.")
    ] = Scale.mini,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run one experiment and print our figure beside the published one."""
    with refusing():
        from rsd_mri.evaluation.benches import find_bench, linear_table, require_runnable

        chosen = find_bench(name)
        require_runnable(chosen)
        # Before torch is imported: on tiny matrices the threads of its libraries wait for each other.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        from rsd_mri.rsd.linear import linear_cases, mini_cases, run_linear

        cases = mini_cases(seed) if scale is Scale.mini else linear_cases(seed=seed)
        with Bar(name) as bar:
            found = run_linear(cases, bar.update)
        lines = [*linear_table(found), f"published: {chosen.published} ({chosen.source})"]
        values = {**chosen.as_dict(), "scale": scale.value, "seed": seed, **found}
        result(lines, values, as_json)
