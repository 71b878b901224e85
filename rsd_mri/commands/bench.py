"""`rsd-mri bench`: the published experiments, listed and run."""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.commands.console import Bar, refusing, result
from rsd_mri.errors import InputError

bench = typer.Typer(
    help="The published experiments: list them, run one, tabulate what was found."
    "\n\nExample: rsd-mri bench run linear", no_args_is_help=True,
    rich_markup_mode=None, pretty_exceptions_enable=False,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


class Scale(str, Enum):
    """How much of an experiment to run."""

    mini = "mini"
    paper = "paper"


@bench.command("list")
def list_benches(as_json: JsonOption = False) -> None:
    """List the experiments with their published figures.

    Example: rsd-mri bench list --json
    """
    from rsd_mri.bench.benches import BENCHES

    width = max(len(b.name) for b in BENCHES)
    lines = [f"{b.name:<{width}}  {b.data}; {b.corruption}: {b.published}" for b in BENCHES]
    result(lines, {"benches": [b.as_dict() for b in BENCHES]}, as_json)


@bench.command("run")
def run(
    name: Annotated[str, typer.Argument(help="Name, as 'rsd-mri bench list' gives it.")],
    scale: Annotated[
        Scale, typer.Option(help="mini: minutes on two cores, without data. paper: the whole experiment.")
    ] = Scale.mini,
    protocol: Annotated[
        Optional[str], typer.Option(help="Another recipe for the experiment: protocol name or YAML file.")
    ] = None,
    out: Annotated[Optional[Path], typer.Option(help="Run folder; default bench-NAME.")] = None,
    count: Annotated[
        Optional[int],
        typer.Option("-n", "--count", min=10, help="Images per set: 500; at paper scale 50,000; restore: 24."),
    ] = None,
    fresh: Annotated[bool, typer.Option(help="Start over instead of continuing.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    data: Annotated[
        Optional[Path],
        typer.Option(help="paper: prepared data. recon: a folder of fully sampled scans instead of simulated heads."),
    ] = None,
    prior: Annotated[Optional[Path], typer.Option(help="recon, restore: run folder or weights.")] = None,
    rival_minutes: Annotated[
        float, typer.Option(min=0.0, help="recon: minutes of training for deepinv's unrolled network; 0 leaves it out.")
    ] = 2.0,
    features: Annotated[
        Optional[str], typer.Option(help="paper: a TorchScript file or 'principal' instead of Inception.")
    ] = None,
    precision: Annotated[str, typer.Option(help="paper: 32, bf16 or 16, of the networks.")] = "32",
    accumulate: Annotated[int, typer.Option(min=1, help="paper: take each batch in so many parts.")] = 1,
    dry_run: Annotated[bool, typer.Option(help="Say what it would cost: parameters, memory, GPU hours.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run one experiment and print our figures beside the published ones.

    Teacher in full, teacher truncated at the noise of the data, and one-step student are judged against clean
    images that none of them saw.

    Example: rsd-mri bench run noise-0.2-cifar10
    """
    with refusing():
        from rsd_mri.bench.benches import find_bench, linear_table

        chosen = find_bench(name)
        if name == "recon":
            _recon(scale, data, prior, out or Path("bench-recon"), rival_minutes, seed, as_json)
            return
        if name == "restore":
            _restore(out or Path("bench-restore"), prior, count, device, fresh, seed, as_json)
            return
        if dry_run and name != "linear":
            from rsd_mri.experiment.cost import plan
            from rsd_mri.protocol import load_protocol

            recipe = load_protocol(protocol or (chosen.whole if scale is Scale.paper else chosen.mini))
            costs = plan(recipe)
            result([f"{recipe.name}: {recipe.description}", *costs.lines()],
                   {**chosen.as_dict(), "scale": scale.value, "protocol": recipe.name, **costs.as_dict()}, as_json)
            return
        published = f"published: {chosen.published} ({chosen.source})"
        if name == "linear":
            # Before torch is imported: on tiny matrices the threads of its libraries wait for each other.
            os.environ.setdefault("OMP_NUM_THREADS", "1")
            from rsd_mri.rsd.linear import linear_cases, mini_cases, run_linear

            cases = mini_cases(seed) if scale is Scale.mini else linear_cases(seed=seed)
            with Bar(name) as bar:
                found = run_linear(cases, bar.progress)
            lines = linear_table(found)
        else:
            from rsd_mri.bench.comparison import run_comparison, table
            from rsd_mri.bench.whole import COUNT, run_whole
            from rsd_mri.protocol import load_protocol
            from rsd_mri.training.fabric import TrainOptions

            recipe = load_protocol(protocol or (chosen.whole if scale is Scale.paper else chosen.mini))
            recipe = recipe.with_values({"seed": str(seed)})
            folder = out or Path(f"bench-{name}")
            with Bar(name) as bar:
                if scale is Scale.paper:
                    if precision not in ("32", "bf16", "16"):
                        raise InputError(f"--precision {precision}: expected 32, bf16 or 16")
                    options = TrainOptions("all", fresh, device, precision=precision, accumulate=accumulate)
                    prepared = _prepared(name, recipe.name, data)
                    found = run_whole(recipe, folder, prepared, count or COUNT, options, features, bar.progress)
                    lines = found.pop("lines")
                else:
                    found = run_comparison(recipe, folder, count or 500, device, fresh, bar.progress)
                    lines = table(found)
        values = {**chosen.as_dict(), "scale": scale.value, "seed": seed, **found}
        result([*lines, published, NOT_FOR_DIAGNOSTIC_USE], values, as_json)


def _prepared(name: str, protocol: str, data: Path | None) -> Path:
    """The data of a whole experiment, which is never simulated."""
    from data_prep.downloads import how_to_get

    if data is None or not data.exists():
        missing = "needs its data (--data)" if data is None else f"{data} is not there"
        raise InputError(f"bench {name}: {missing}. {how_to_get(protocol, 'bench')}")
    return data


@bench.command("table")
def table_of_cards(
    cards: Annotated[
        Optional[list[Path]],
        typer.Argument(metavar="CARD...", help="Cards, or their run folders; those beside the protocols without."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the cards of experiments as Markdown tables.

    Example: rsd-mri bench table bench-*/card.json
    """
    with refusing():
        from rsd_mri.bench.cards import read_card, shipped_cards, shipped_tables, tables

        found = [read_card(path) for path in cards or shipped_cards()]
        lines = tables(found) if cards else shipped_tables()
        result([*lines, NOT_FOR_DIAGNOSTIC_USE], {"cards": found}, as_json)


def _restore(
    out: Path, prior: Path | None, count: int | None, device: str, fresh: bool, seed: int, as_json: bool
) -> None:
    """Single pictures, restored beside what scikit-image makes of them."""
    from rsd_mri.bench.pictures import COUNT, run_picture_bench, table

    with Bar("restore") as bar:
        found = run_picture_bench(
            out, prior, count or COUNT, device, fresh, seed,
            bar.progress,
        )
    result([*table(found), NOT_FOR_DIAGNOSTIC_USE], {**found, "name": "restore", "out": str(out)}, as_json)


def _recon(
    scale: Scale, data: Path | None, prior: Path | None, out: Path, rival_minutes: float, seed: int, as_json: bool
) -> None:
    """Every reconstruction beside its peers'; writes a card and the figures."""
    import json

    from rsd_mri.bench.recon import (
        as_dict,
        full_scans,
        rival_for,
        run_recon_bench,
        simulated_heads,
        table,
        write_card,
    )
    from rsd_mri.files import written_whole
    from rsd_mri.reconstruction.methods import find_prior

    # 168 lines hold the centre of 20 and one more at R = 8.
    count, size = (1, (160, 168)) if scale is Scale.mini else (4, (320, 168))
    scans = full_scans(data) if data is not None else simulated_heads(count, size, seed)
    chosen = find_prior(prior, "posterior")
    with Bar("recon") as bar:
        rivals, said = [], ""
        if rival_minutes > 0:
            rival, said = rival_for(out, size, rival_minutes, seed, bar.progress)
            rivals = [rival]
        rows = run_recon_bench(scans, chosen, seed=seed, progress=bar.progress, rivals=rivals)
    card = write_card(out / "recon.md", rows, chosen, [scan.source.name for scan, _ in scans], said)
    values = {**as_dict(rows), "name": "recon", "scale": scale.value, "seed": seed, "card": str(card)}
    with written_whole(out / "recon.json") as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    result([*table(rows), f"card and figures in {out}", NOT_FOR_DIAGNOSTIC_USE], values, as_json)
