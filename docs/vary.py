"""Run one command several times, each time with another value of a constant: so `choices.md` is found again.

    python docs/vary.py rsd_mri.bench.restorations.WIENER 0.01 0.1 0.4 -- bench run restore --set prior=run
    python docs/vary.py rsd_mri.reconstruction.posterior.samplers.SAMPLERS.diffpir.levels 24 36 -- posterior

The command is one of `rsd-mri`, or a trial of `trials.py`. The constant is that of a module, or a setting of a row in a
table of one. It must be read where it is used, not where a default is made of it.
"""

import ast
import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from trials import TRIALS

from rsd_mri.commands.root import app


def found(where: str) -> tuple[Any, Callable[[Any], None]]:
    """What a constant is, and how it is changed."""
    owner, name = where.rsplit(".", 1)
    try:
        module = importlib.import_module(owner)
    except ModuleNotFoundError:
        owner, table, row = owner.rsplit(".", 2)
        rows = getattr(importlib.import_module(owner), table)
        return getattr(rows[row], name), lambda value: rows.update({row: replace(rows[row], **{name: value})})
    return getattr(module, name), lambda value: setattr(module, name, value)


def main(arguments: list[str]) -> None:
    """Set the constant, run, and say which value it was."""
    if "--" not in arguments or len(arguments) < 4:
        sys.exit("usage: python docs/vary.py MODULE.CONSTANT VALUE... -- COMMAND...")
    cut = arguments.index("--")
    usual, change = found(arguments[0])
    sys.stdout.write(f"{arguments[0]} is {usual}\n")
    for value in arguments[1:cut]:
        change(ast.literal_eval(value))
        sys.stdout.write(f"\n{arguments[0].rsplit('.', 1)[1]} = {value}\n")
        sys.stdout.flush()
        name, *more = arguments[cut + 1 :]
        if name in TRIALS:
            TRIALS[name](more)
        else:
            app([name, *more], standalone_mode=False)


if __name__ == "__main__":
    main(sys.argv[1:])
