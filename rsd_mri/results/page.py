"""The report: one HTML file that opens anywhere, without a network."""

import base64
import dataclasses
import gzip
import html
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.about.panel import data_uri
from rsd_mri.files import written_whole
from rsd_mri.results import facts
from rsd_mri.results.figures import contact_sheet, upper_window
from rsd_mri.results.formats import Beside
from rsd_mri.results.nifti import nifti_image
from rsd_mri.results.planes import edge_letters, is_known, voxel_size
from rsd_mri.results.trust import trust_of
from rsd_mri.results.volume import ReconstructedVolume
from rsd_mri.scan.display import mask_picture

SCRIPTS = ("volumes", "planes", "panel", "viewer")
"""The page's own script, in the order in which one part uses another."""
FILM_SAMPLES = 12
FILM_PIXELS = 8_000_000
"""The film's samples and their pixels in all, at most; two bytes a pixel before compression."""


def write(path: Path, frames: Sequence[ReconstructedVolume], beside: Beside) -> list[Path]:
    """Write the page of one frame as `write_page` does; see `Format.write`."""
    return [write_page(path, [*frames, *beside.comparisons], beside.reference)]


def write_page(
    path: str | Path,
    reconstructions: ReconstructedVolume | Sequence[ReconstructedVolume],
    reference: NDArray[np.floating] | None = None,
    three_planes: bool = True,
) -> Path:
    """Write the report page of a scan.

    Parameters
    ----------
    path
        The HTML file.
    reconstructions
        The reconstruction reported, first; then those it is compared with (zero-filled, CG-SENSE, ...), of
        the same scan and size. The first comparison is shown beside it.
    reference
        A fully sampled image [slice, readout, phase_encode], where there is one.
    three_planes
        Also carry the NiiVue viewer (2.2 MB), for cuts in three planes where the browser has WebGL.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If the volumes do not have one size.
    """
    path = Path(path)
    recs = [reconstructions] if isinstance(reconstructions, ReconstructedVolume) else list(reconstructions)
    rec = recs[0]
    shapes = {r.magnitude.shape for r in recs} | ({reference.shape} if reference is not None else set())
    if len(shapes) != 1:
        raise ValueError(f"the volumes of one page must have one size, got {sorted(shapes)}")
    text = Template(_part("page.html")).substitute(
        title=html.escape(f"{rec.source.name}: {rec.title or rec.method}"),
        style=_part("page.css"),
        never=NOT_FOR_DIAGNOSTIC_USE,
        trust=_trust(rec),
        warnings="".join(f"<li>{html.escape(line)}</li>" for line in facts.warnings(rec)),
        acquisition=_table(facts.acquisition(rec)),
        mask=data_uri(mask_picture(rec.mask)),
        methods=_table(facts.methods(recs, reference), header=True),
        sheet=data_uri(contact_sheet(rec.magnitude, pixel=voxel_size(rec.geometry)[:2])),
        version=__version__,
        data=_script_safe(json.dumps(_data(recs, reference))),
        viewer="".join(_part(f"{name}.js") for name in SCRIPTS),
        niivue=_script_safe(_niivue()) if three_planes else "",
    )
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume that a panel can show."""

    name: str
    """Shown above the panel."""
    kind: str
    """`image`, `part`, `std`, `prior` or `difference`; volumes of a kind share one window."""
    caption: str
    values: NDArray[np.floating] | None
    """[slice, readout, phase_encode]; None for a difference, which the page computes itself."""
    subtracted: str = ""
    """Name of the volume that a difference takes from the first one."""
    sample: int | None = None
    """Number of a posterior sample: a picture of the film."""


def volumes(recs: Sequence[ReconstructedVolume], reference: NDArray[np.floating] | None) -> list[Volume]:
    """List what there is to see, in the order of the panels: image, comparison, std, difference, the rest."""
    main, *others = recs
    title = main.title or main.method
    first = [Volume(title, "image", "The reconstruction reported.", main.magnitude)]
    compared = [Volume(rec.title or rec.method, "image", "For comparison.", rec.magnitude) for rec in others]
    if reference is not None:
        compared.append(Volume("Reference", "image", "The fully sampled image.", reference))
    differences = [
        Volume(
            f"Difference from {_lower(other.name)}",
            "difference",
            "Orange: brighter in the reconstruction. Blue: darker.",
            None,
            other.name,
        )
        for other in compared
    ]
    # Where the truth is there, the difference from it is what one wants to see first.
    differences.reverse() if reference is not None else None
    spread = []
    if main.std is not None:
        count = 0 if main.samples is None else len(main.samples)
        known = f" From {count} samples, averaged over neighbours." if count > 1 else ""
        caption = f"Bright: the data do not decide here; read the image with care.{known}"
        spread = [Volume("Uncertainty (standard deviation)", "std", caption, main.std)]
    filled = []
    if main.prior_part is not None:
        caption = "What the data leave open; it could be otherwise."
        filled = [Volume("Prior part", "prior", caption, main.prior_part)]
    measured = []
    if main.measured_part is not None:
        measured = [Volume("Measured part", "part", "What the data determine of the image.", main.measured_part)]
    half = []
    if main.half_width is not None:
        half = [Volume("Calibrated half width", "std", "Of the interval around the image.", main.half_width)]
    shown = first + compared[:1] + spread + differences[:1] + measured + filled + half + compared[1:] + differences[1:]
    return shown + _film(main)


def _film(rec: ReconstructedVolume) -> list[Volume]:
    """The posterior samples, as many as keep the page small."""
    if rec.samples is None:
        return []
    count = min(len(rec.samples), FILM_SAMPLES, max(FILM_PIXELS // rec.magnitude.size, 2))
    caption = "One of the images that fit the data; what differs between them is not known."
    return [
        Volume(f"Sample {number + 1} of {len(rec.samples)}", "image", caption, values, sample=number)
        for number, values in enumerate(rec.samples[:count])
    ]


def _data(recs: Sequence[ReconstructedVolume], reference: NDArray[np.floating] | None) -> dict[str, Any]:
    main = recs[0]
    shown = volumes(recs, reference)
    names = [v.name for v in shown]
    white = upper_window(main.magnitude if reference is None else reference)
    return {
        "size": main.magnitude.shape,
        "pixel": voxel_size(main.geometry)[:2],
        "letters": edge_letters(main.geometry) if is_known(main.geometry, main.n_slices) else None,
        "windows": {
            "image": [0, white],
            "part": [0, white],
            "std": [0, upper_window(main.std, 99.5) if main.std is not None else 1],
            "prior": [0, upper_window(main.prior_part) if main.prior_part is not None else 1],
            "difference": [-white / 5, white / 5],
        },
        "residual": [round(float(value), 3) for value in main.residual],
        "panels": [i for i, v in enumerate(shown) if v.sample is None][:4],
        "volumes": [
            {
                "name": v.name,
                "kind": v.kind,
                "caption": v.caption,
                "nifti": None if v.values is None else _nifti(v.values, main),
                "subtracted": names.index(v.subtracted) if v.subtracted else None,
                "sample": v.sample,
            }
            for v in shown
        ],
    }


def _nifti(values: NDArray[np.floating], rec: ReconstructedVolume) -> str:
    """A compressed NIfTI of 16-bit values with their scale, in base64: both viewers read it."""
    image = nifti_image(values.astype(np.float32), rec.geometry)
    image.set_data_dtype(np.int16)
    return base64.b64encode(gzip.compress(image.to_bytes(), 6, mtime=0)).decode()


def _table(rows: Sequence[Sequence[str]], header: bool = False) -> str:
    lines = []
    for i, row in enumerate(rows):
        tag = "th" if header and i == 0 else "td"
        first = f'<th scope="row">{html.escape(row[0])}</th>'
        lines.append(f"<tr>{first}{''.join(f'<{tag}>{html.escape(v)}</{tag}>' for v in row[1:])}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _trust(rec: ReconstructedVolume) -> str:
    """A card for each question: number, sentence, picture; nothing for methods without a prior."""
    cards = []
    for one in trust_of(rec):
        picture = ""
        if one.picture is not None:
            sheet = contact_sheet(one.picture[None], white=one.white, pixel=voxel_size(rec.geometry)[:2])
            shown = html.escape(one.shown)
            picture = f'<figure><img src="{data_uri(sheet)}" alt="{shown}"><figcaption>{shown}</figcaption></figure>'
        words = f"<h3>{html.escape(one.question)}</h3><p><b>{html.escape(one.number)}</b></p>"
        cards.append(f"<div>{words}<p>{html.escape(one.sentence)}</p>{picture}</div>")
    if not cards:
        return ""
    return f'<section id="trust" aria-label="Trust"><h2>How far to trust it</h2><div>{"".join(cards)}</div></section>'


def _script_safe(text: str) -> str:
    """Keep text from closing the script element that carries it; both languages ignore the backslash."""
    return text.replace("</", "<\\/").replace("<!--", "<\\!--")


def _part(name: str) -> str:
    return (resources.files("rsd_mri.results") / name).read_text(encoding="utf-8")


def _niivue() -> str:
    """Read the viewer's bundle from nilearn's package; empty where another release does not carry it."""
    bundle = resources.files("nilearn") / "_assets" / "js" / "niivue.umd.js"
    return bundle.read_text(encoding="utf-8") if bundle.is_file() else ""


def _lower(name: str) -> str:
    return name if name[:2].isupper() else name[0].lower() + name[1:]
