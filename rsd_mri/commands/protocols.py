"""`rsd-mri protocols`: what experiments there are, and every value of one."""

from json import dumps
from typing import Annotated, Optional

import typer

from rsd_mri.commands.console import refusing
from rsd_mri.commands.options import JsonOption
from rsd_mri.commands.output import result
from rsd_mri.errors import InputError


def protocols(
    name: Annotated[Optional[str], typer.Argument(help="Print this one.")] = None,
    as_schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema, by which editors complete and check protocols.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List the protocols, or print one with every value.

    Example: rsd-mri protocols mri-r4
    """
    with refusing():
        from rsd_mri.protocol import load_protocol, protocol_names, schema

        if as_schema and name is not None:
            raise InputError(f"--schema: is that of all protocols; leave {name} or --schema out")
        if as_schema:
            made = schema()
            result([dumps(made, indent=2)], {"schema": made}, json)
            return
        if name is not None:
            text = load_protocol(name).to_yaml()
            result([text.rstrip()], {"name": name, "yaml": text}, json)
            return
        found = {n: load_protocol(n).description for n in protocol_names()}
        width = max(map(len, found))
        result([f"{n:<{width}}  {text}" for n, text in found.items()], {"protocols": found}, json)
