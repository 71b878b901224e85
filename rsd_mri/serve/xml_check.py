"""The first look at a header: whether it is XML that may be read at all."""

from xml.parsers import expat

from rsd_mri.serve.wire import Refused

MOST_ELEMENTS = 200_000
MOST_DEPTH = 200


def decoded(data: bytes) -> str:
    """Text of a header; what is no UTF-8 is taken as Latin-1, which some converters write."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def check_header(text: str) -> None:
    """See that a header is XML without declarations of its own.

    Raises
    ------
    Refused
        If it is not; the sentence repeats nothing of it.
    """
    parser = expat.ParserCreate("utf-8")
    elements = depth = 0

    def declared(*_: object) -> None:
        raise Refused("the header declares entities or a document type; expected a plain ISMRMRD header")

    def begun(*_: object) -> None:
        nonlocal elements, depth
        elements, depth = elements + 1, depth + 1
        if elements > MOST_ELEMENTS or depth > MOST_DEPTH:
            raise Refused(f"the header has more than {MOST_ELEMENTS} elements, or {MOST_DEPTH} inside one another")

    def ended(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = declared
    parser.StartElementHandler, parser.EndElementHandler = begun, ended
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except (expat.ExpatError, ValueError):
        raise Refused("the header is not XML; expected an ISMRMRD header") from None
