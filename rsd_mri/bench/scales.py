"""How much of a bench is run. Nothing is imported here: the command line has it in its help."""

SCALES = {
    "mini": "minutes on two cores, without data",
    "gpu": "ten minutes of a data-centre GPU, without data",
    "paper": "the whole experiment",
}
"""How much of an experiment to run, and what that takes."""
