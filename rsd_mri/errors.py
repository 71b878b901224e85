"""The one exception that means: what the user gave us is not usable."""


class InputError(ValueError):
    """Bad input or bad usage, said in one sentence that names the file, the field and what was expected.

    The command line prints the sentence and ends with exit code 2; nothing else is caught there.
    """


def alike(name: str, names: list[str]) -> str:
    """The end of a sentence that names those that a name may have been meant for."""
    import difflib  # where something was mistaken

    near = difflib.get_close_matches(name, names, n=3)
    return f"; near it: {', '.join(near)}" if near else ""
