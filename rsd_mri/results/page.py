"""The report: one HTML file that opens anywhere, without a network."""

import html
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np
from numpy.typing import NDArray

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.about.panel import data_uri
from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.files.carried import carried
from rsd_mri.results import facts
from rsd_mri.results.figures import contact_sheet
from rsd_mri.results.formats import Beside
from rsd_mri.results.page_data import page_data
from rsd_mri.results.page_volumes import Movie, thinned
from rsd_mri.results.planes import voxel_size
from rsd_mri.results.trust import trust_of
from rsd_mri.results.volume import ReconstructedVolume, frames_of
from rsd_mri.scan.display import mask_picture

MASK_HEIGHT = 12
"""Most that the picture of the sampling pattern is high [em]; its proportions stay."""
SCRIPTS = ("volumes", "planes", "panel", "viewer")
"""The page's own script, in the order in which one part uses another."""


def write(path: Path, frames: Sequence[ReconstructedVolume], beside: Beside) -> list[Path]:
    """Write the page of all frames as `write_page` does; see `Format.write`."""
    compared: list[list[ReconstructedVolume]] = []
    for one in beside.comparisons:
        of_method = (movie for movie in compared if movie[0].method == one.method)
        # A second one of the same frame is another comparison: two names may come to one method.
        same = next((movie for movie in of_method if all(f.frame != one.frame for f in movie)), None)
        if same is None:
            compared.append([one])
        else:
            same.append(one)
    return [write_page(path, [frames, *compared], beside.reference)]


def write_page(
    path: str | Path,
    reconstructions: ReconstructedVolume | Sequence[ReconstructedVolume | Movie],
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
        the same scan and size. The first comparison is shown beside it. Where there are several frames, each is the
        list of its frames, through which the page scrolls.
    reference
        A fully sampled image [(frame,) slice, readout, phase_encode], where there is one.
    three_planes
        Also carry the NiiVue viewer (2.2 MB), for cuts in three planes where the browser has WebGL.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If the volumes do not have one size, or not as many frames.
    """
    path = Path(path)
    recs = [reconstructions] if isinstance(reconstructions, ReconstructedVolume) else list(reconstructions)
    movies: Sequence[Movie] = [frames_of(one) for one in recs]
    whole, rec = movies[0], movies[0][0]
    shapes = {movie[0].magnitude.shape for movie in movies} | (
        {reference.shape[-3:]} if reference is not None else set()
    )
    if len(shapes) != 1:
        raise ValueError(f"the volumes of one page must have one size, got {sorted(shapes)}")
    counts = {len(movie) for movie in movies} | (
        {len(reference)} if reference is not None and reference.ndim == 4 else set()
    )
    if len(counts) != 1:
        raise ValueError(f"the movies of one page must have as many frames, got {sorted(counts)}")
    shown = thinned(movies)
    every = -(-len(whole) // len(shown[0]))
    if reference is not None and reference.ndim == 4:
        reference = reference[::every]
    middle = whole[len(whole) // 2]
    sheet = rec.magnitude if len(whole) == 1 else np.stack([f.magnitude[f.n_slices // 2] for f in shown[0][:64]])
    pattern = mask_picture(_masks(whole))
    text = Template(_part("page.html")).substitute(
        title=html.escape(f"{rec.source.name}: {rec.title or rec.method}"),
        style=_part("page.css"),
        never=NOT_FOR_DIAGNOSTIC_USE,
        trust=_trust(middle, f" (frame {len(whole) // 2 + 1} of {len(whole)})" if len(whole) > 1 else ""),
        warnings="".join(f"<li>{html.escape(line)}</li>" for line in facts.warnings(whole)),
        acquisition=_table(facts.acquisition(whole, every)),
        mask=data_uri(pattern),
        mask_width=f"{MASK_HEIGHT * pattern.width / pattern.height:.1f}em",
        methods=_table(facts.methods(shown, reference), header=True),
        sheet=data_uri(contact_sheet(sheet, pixel=voxel_size(rec.geometry)[:2])),
        version=__version__,
        data=_script_safe(json.dumps(asdict(page_data(shown, reference)))),
        viewer="".join(_part(f"{name}.js") for name in SCRIPTS),
        niivue=_script_safe(_niivue()) if three_planes else "",
    )
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def _table(rows: Sequence[Sequence[str]], header: bool = False) -> str:
    lines = []
    for i, row in enumerate(rows):
        tag = "th" if header and i == 0 else "td"
        first = f'<th scope="row">{html.escape(row[0])}</th>'
        lines.append(f"<tr>{first}{''.join(f'<{tag}>{html.escape(v)}</{tag}>' for v in row[1:])}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _masks(frames: Movie) -> NDArray[np.bool_]:
    """The sampling pattern; where the lines differ between frames, a row of them for each."""
    first = frames[0].mask
    if first.ndim > 1 or all(np.array_equal(frame.mask, first) for frame in frames):
        return first
    rows: NDArray[np.bool_] = np.stack([frame.mask for frame in frames]).repeat(
        max(len(first) // (3 * len(frames)), 1), 0
    )
    return rows


def _trust(rec: ReconstructedVolume, which: str) -> str:
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
    title = f"<h2>How far to trust it{which}</h2>"
    return f'<section id="trust" aria-label="Trust">{title}<div>{"".join(cards)}</div></section>'


def _script_safe(text: str) -> str:
    """Keep text from closing the script element that carries it; both languages ignore the backslash."""
    return text.replace("</", "<\\/").replace("<!--", "<\\!--")


def _part(name: str) -> str:
    return (resources.files("rsd_mri.results") / name).read_text(encoding="utf-8")


def _niivue() -> str:
    """Read the viewer's bundle from nilearn's package; empty where another release does not carry it."""
    try:
        return carried("nilearn", "_assets", "js", "niivue.umd.js").read_text(encoding="utf-8")
    except InputError:
        return ""
