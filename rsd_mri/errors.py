"""The one exception that means: what the user gave us is not usable."""


class InputError(ValueError):
    """Bad input or bad usage, said in one sentence that names the file, the field and what was expected.

    The command line prints the sentence and ends with exit code 2; nothing else is caught there.
    """
