"""What a header says of a patient and a study is repeated nowhere."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

PERSONAL = (
    "subjectInformation",
    "studyInformation",
    "measurementInformation",
    "waveformInformation",
    "userParameterString",
    "userParameterBase64",
    "institutionName",
    "stationName",
    "deviceID",
    "deviceSerialNumber",
    "coilName",
)
"""Parts of a header of which even a number is repeated nowhere."""
OTHERS_WORDS = {
    "siemens",
    "philips",
    "ge",
    "medical",
    "systems",
    "healthcare",
    "healthineers",
    "bruker",
    "canon",
    "toshiba",
    "hitachi",
    "fonar",
    "cartesian",
    "epi",
    "radial",
    "spiral",
    "goldenangle",
    "other",
    "embedded",
    "interleaved",
    "separate",
    "external",
    "hfs",
    "hfp",
    "ffs",
    "ffp",
    "conventionalepi",
    "ernst",
    "true",
    "false",
    "noise",
}
"""Words that say nothing of anybody, wherever they stand."""
NAMED = ("subjectInformation", "studyInformation")
"""Parts whose values are taken apart: a name may be repeated without its first half."""
SHORTEST, SHORTEST_NUMBER = 2, 4
HIDDEN = "(not repeated)"


class Discretion:
    """Takes out of a sentence what a header says of people, places and times.

    Parameters
    ----------
    text
        The header, XML that was checked; None for none.
    """

    def __init__(self, text: str | None = None) -> None:
        self._words = () if text is None else tuple({word.lower() for word in _words(ElementTree.fromstring(text))})

    def __call__(self, sentence: str) -> str:
        """The sentence without them."""
        lower = sentence.lower()
        # Headers may hold a hundred thousand values, sentences are short.
        found = sorted((word for word in self._words if word in lower), key=len, reverse=True)
        for word in found:
            sentence = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", HIDDEN, sentence, flags=re.IGNORECASE)
        return sentence


def _words(root: ElementTree.Element) -> Iterator[str]:
    """Values of a header that are no plain numbers; of its personal parts all, and each part of a name."""
    stack = [(root, False, False)]
    while stack:
        node, personal, named = stack.pop()
        name = node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""
        personal, named = personal or name in PERSONAL, named or name in NAMED
        stack += [(child, personal, named) for child in node]
        for value in (node.text, node.tail, *node.attrib.values()):
            whole = (value or "").strip()
            parts = re.split(r"[\s^,;=&/\\|]+", whole) if named else []
            for word in {whole, *parts}:
                if _tells(word, personal):
                    yield word


def _tells(word: str, personal: bool) -> bool:
    if len(word) < SHORTEST or word.lower() in OTHERS_WORDS:
        return False
    if re.fullmatch(r"[-+\d.eE]+", word):
        return personal and len(re.sub(r"\D", "", word)) >= SHORTEST_NUMBER
    return True
