"""What a notebook shows of a thing: a table, a picture beside it, and the warning."""

import base64
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE

if TYPE_CHECKING:
    from PIL import Image


def panel(title: str, rows: Sequence[tuple[str, ...]], picture: "Image.Image | None" = None, caption: str = "") -> str:
    """HTML of rows (name, what there is to say of it) under a title, beside a picture and what that shows."""
    left = "style='text-align:left;vertical-align:top'"
    body = "".join(
        f"<tr><th {left}>{html.escape(row[0])}</th><td {left}>{html.escape(' '.join(row[1:]))}</td></tr>"
        for row in rows
    )
    shown = ""
    if picture is not None:
        said = html.escape(caption, quote=True)
        style = "width:18em;image-rendering:pixelated;border:1px solid grey"
        shown = (
            f"<figure style='margin:0'><img alt='{said}' style='{style}' src='{data_uri(picture)}'>"
            f"<figcaption>{said}</figcaption></figure>"
        )
    return (
        f"<div><b>{html.escape(title)}</b><div style='display:flex;gap:1em;align-items:flex-start'>"
        f"<table>{body}</table>{shown}</div><i>{NOT_FOR_DIAGNOSTIC_USE}</i></div>"
    )


def data_uri(picture: "Image.Image") -> str:
    """A picture as text that an `img` element shows."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
