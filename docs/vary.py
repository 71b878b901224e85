"""Run one command several times, each time with another value of a constant: so `choices.md` is found again.

    python docs/vary.py rsd_mri.bench.restorations.WIENER 0.01 0.1 0.4 -- bench run restore --set prior=run

The constant is that of a module and must be read where it is used, not where a default is made of it.
"""

import ast
import importlib
import sys

from rsd_mri.commands.app import app


def main(arguments: list[str]) -> None:
    """Set the constant, run, and say which value it was."""
    if "--" not in arguments or len(arguments) < 4:
        sys.exit("usage: python docs/vary.py MODULE.CONSTANT VALUE... -- COMMAND...")
    cut = arguments.index("--")
    where, name = arguments[0].rsplit(".", 1)
    module = importlib.import_module(where)
    sys.stdout.write(f"{arguments[0]} is {getattr(module, name)}\n")
    for value in arguments[1:cut]:
        setattr(module, name, ast.literal_eval(value))
        sys.stdout.write(f"\n{name} = {value}\n")
        app(arguments[cut + 1 :], standalone_mode=False)


if __name__ == "__main__":
    main(sys.argv[1:])
