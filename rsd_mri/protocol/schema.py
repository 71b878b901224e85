"""The JSON schema of protocols, by which editors complete and check YAML as it is written."""

from pydantic import TypeAdapter

from rsd_mri.about.plain import Json
from rsd_mri.protocol.corruptions import ImageCorruptionSettings
from rsd_mri.protocol.protocol import Protocol
from rsd_mri.protocol.sentences import members


def schema() -> dict[str, Json]:
    """The schema (JSON Schema 2020-12) of a protocol's YAML file."""
    made = TypeAdapter(Protocol).json_schema()
    # Only the kind of MRI need not be named: without this a text that names none would fit several classes.
    for one in members(ImageCorruptionSettings).values():
        made["$defs"][one.__name__]["required"] = ["kind"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
