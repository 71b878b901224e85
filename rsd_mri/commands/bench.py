"""`rsd-mri bench`: the published experiments, listed and run."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.about.plain import Json
from rsd_mri.bench.scales import SCALES
from rsd_mri.commands.console import Bar, refusing
from rsd_mri.commands.options import Device, JsonOption, SeedOption, pairs_of
from rsd_mri.commands.output import result
from rsd_mri.errors import InputError

if TYPE_CHECKING:
    from rsd_mri.bench.bench import Bench

bench = typer.Typer(
    help="The published experiments: list them, run one, tabulate what was found.\n\nExample: rsd-mri bench run linear",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


Scale = Enum("Scale", {name: name for name in SCALES}, type=str)  # type: ignore[misc]
MINI = Scale("mini")
SCALE_HELP = ". ".join(f"{name}: {what}" for name, what in SCALES.items()) + "."


@bench.command("list")
def list_benches(as_json: JsonOption = False) -> None:
    """List the experiments with their published figures.

    Example: rsd-mri bench list --json
    """
    from rsd_mri.bench.benches import BENCHES

    width = max(map(len, BENCHES))
    lines = [f"{n:<{width}}  {b.about.data}; {b.about.corruption}: {b.about.published}" for n, b in BENCHES.items()]
    result(lines, {"benches": [_facts(one) for one in BENCHES.values()]}, as_json)


@bench.command("run")
def run(
    name: Annotated[str, typer.Argument(help="Name, as 'rsd-mri bench list' gives it.")],
    scale: Annotated[Scale, typer.Option(help=SCALE_HELP)] = MINI,
    out: Annotated[Optional[Path], typer.Option(help="Folder of the run; default bench-NAME.")] = None,
    data: Annotated[
        Optional[Path],
        typer.Option(help="paper: prepared data. recon: a folder of fully sampled scans instead of simulated heads."),
    ] = None,
    assignments: Annotated[
        Optional[list[str]], typer.Option("--set", help="Change one value of the bench: --set count=100.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of continuing.")] = False,
    device: Annotated[Optional[Device], typer.Option(help="Where to compute; auto without it.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Say what it would cost: parameters, memory, GPU hours.")] = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Run one experiment and print our figures beside the published ones.

    'rsd-mri bench show NAME' lists what --set changes. Example: rsd-mri bench run noise-0.2-cifar10
    """
    with refusing():
        from rsd_mri.bench.bench import Costed
        from rsd_mri.bench.benches import find_bench
        from rsd_mri.files.claims import claimed

        chosen = find_bench(name)
        if scale.value not in chosen.scales:
            raise InputError(f"bench {name}: has no scale {scale.value}; there is {', '.join(chosen.scales)}")
        given = {"seed": str(seed)} | ({} if data is None else {"data": str(data)})
        given |= ({"fresh": "true"} if fresh else {}) | ({} if device is None else {"device": device.value})
        settings = _settings(chosen, given | pairs_of(assignments))
        values = {**_facts(chosen), "scale": scale.value, "seed": settings.seed}
        if dry_run:
            if not isinstance(chosen, Costed):
                raise InputError(f"bench {name}: --dry-run is for the published experiments; this one takes minutes")
            costs = chosen.costs(settings, scale.value)
            result(costs.lines(), {**values, **costs.as_dict()}, as_json)
            return
        folder = out or Path(f"bench-{name}")
        with claimed(folder / "card.json"), Bar(name) as bar:
            card = chosen.run(settings, scale.value, folder, bar.progress)
        published = f"published: {chosen.about.published} ({chosen.about.source})"
        result([*card.lines(), published, NOT_FOR_DIAGNOSTIC_USE], {**values, **card.as_dict()}, as_json)


@bench.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name, as 'rsd-mri bench list' gives it.")], as_json: JsonOption = False
) -> None:
    """Say what a bench stands for, and what --set changes of it.

    Example: rsd-mri bench show recon
    """
    with refusing():
        from pydantic import TypeAdapter

        from rsd_mri.bench.benches import find_bench

        chosen = find_bench(name)
        about, schema = chosen.about, TypeAdapter(chosen.settings).json_schema()
        lines = [f"{name}: {about.data}; {about.corruption}", f"published: {about.published} ({about.source})"]
        lines += [
            f"--set {key}={one.get('default')}  {one.get('description', '')}".rstrip()
            for key, one in schema["properties"].items()
        ]
        result(lines, {**_facts(chosen), "settings": schema}, as_json)


def _facts(chosen: "Bench") -> dict[str, Json]:
    return {**chosen.about.as_dict(), "protocols": dict(chosen.protocols), "scales": list(chosen.scales)}


def _settings(chosen: "Bench", texts: dict[str, str]) -> Any:
    """The settings of a bench from the texts of options."""
    from rsd_mri.protocol.reading import from_texts

    return from_texts(chosen.settings, texts, f"bench {chosen.about.name}")


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
        from rsd_mri.bench.cards import read_card
        from rsd_mri.bench.tables import shipped_cards, shipped_tables, tables

        found = [read_card(path) for path in cards or shipped_cards()]
        lines = tables(found) if cards else shipped_tables()
        result([*lines, NOT_FOR_DIAGNOSTIC_USE], {"cards": [card.as_dict() for card in found]}, as_json)
