"""The report page: whole in itself, safe, and working in a browser where one is installed."""

import base64
import dataclasses
import gzip
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest

from rsd_mri.results import facts
from rsd_mri.results.page import write_page
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.scan.facts import Facts
from rsd_mri.scan.scan import Geometry

AXIAL = Geometry(
    (1.0, 1.0, 5.0),
    0.0,
    (0.0, 1.0, 0.0),
    (1.0, 0.0, 0.0),
    (0.0, 0.0, 1.0),
    tuple((0.0, 0.0, 5.0 * i) for i in range(3)),
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def recs(a_reconstruction) -> list[Reconstruction]:
    main = dataclasses.replace(a_reconstruction(), geometry=AXIAL)
    zero_filled = dataclasses.replace(a_reconstruction(method="zero-filled"), magnitude=0.5 * main.magnitude)
    return [main, zero_filled]


def embedded(text: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S).group(1))


def test_the_page_is_whole_in_itself(tmp_path, recs):
    text = write_page(tmp_path / "page.html", recs).read_text()
    ours = text.replace(re.search(r'id="niivue">(.*?)</script>', text, re.S).group(1), "")
    assert not re.search(r'(src|href)="(?!data:)', ours) and "http" not in ours.replace("http-equiv", "")
    assert "default-src 'none'" in text
    assert text.count("Research use only. Not for diagnostic use.") >= 2
    assert "Zero-filled" in text and "c0ffeec0ffee" in text and "16 of 32 lines" in text


def test_the_volumes_in_the_page_are_the_reconstruction(tmp_path, recs):
    data = embedded(write_page(tmp_path / "page.html", recs, reference=recs[0].magnitude * 1.1).read_text())
    names = [v["name"] for v in data["volumes"]]
    assert names[:3] == ["Posterior mean", "Zero-filled", "Uncertainty (standard deviation)"]
    assert names[3] == "Difference from reference" and data["panels"] == [0, 1, 2, 3]
    assert data["letters"] == ["R", "L", "A", "P"]
    for volume, expected in zip(data["volumes"][:3], (recs[0].magnitude, recs[1].magnitude, recs[0].std), strict=True):
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(volume["nifti"])))
        np.testing.assert_allclose(image.get_fdata().T, expected, atol=np.ptp(expected) / 60000)
    assert data["volumes"][3]["subtracted"] == names.index("Reference")


def test_what_a_file_says_cannot_become_code(tmp_path, recs):
    evil = '</script><script>alert(1)</script><!-- "x'
    main = dataclasses.replace(recs[0], notes=(evil,), source=Path("a<b>.h5"), parameters={"x": evil})
    text = write_page(tmp_path / "page.html", main).read_text()
    assert "<script>alert" not in text and html.escape(evil) in text and "a<b>" not in text


def test_a_page_of_different_sizes_is_refused(tmp_path, recs):
    with pytest.raises(ValueError, match="one size"):
        write_page(tmp_path / "page.html", recs, reference=np.ones((3, 40, 31)))


def test_a_hash_leaves_room_for_the_other_columns(recs):
    hashed = dataclasses.replace(recs[0], parameters={"teacher_hash": "a" * 64, "levels": 36})
    table = {row[0]: row[1:] for row in facts.methods([hashed])}
    assert table["Settings"] == (f"teacher_hash {'a' * 12}, levels 36",)


def test_how_maps_were_found_is_said_last_and_in_words(recs):
    notes = ("Coil maps: one set.", "The scan is noisy.")
    said = dataclasses.replace(recs[0], notes=notes, parameters={"n_sets": 1, "calib_width": 8})
    assert facts.warnings(said)[0] == notes[1] and facts.warnings(said)[-1] == notes[0]
    table = {row[0]: row[1:] for row in facts.methods([said])}
    assert table["Settings"] == ("sets of coil maps 1, width of the calibration 8",)


def test_the_sampling_pattern_keeps_its_proportions(tmp_path, recs):
    tall = dataclasses.replace(recs[0], mask=np.ones((40, 20), bool))
    assert "26em, 6.0em)" in write_page(tmp_path / "page.html", tall).read_text()
    lines = dataclasses.replace(recs[0], mask=np.ones(60, bool))
    assert "26em, 36.0em)" in write_page(tmp_path / "page.html", lines).read_text()


def test_what_no_method_has_is_no_row(recs):
    plain = dataclasses.replace(recs[1], posterior=None, checks={})
    names = [row[0] for row in facts.methods([plain])]
    assert "Seed" in names and not {"Samples", "Spread where measured", "Error on lines left out"} & set(names)
    assert "Samples" in [row[0] for row in facts.methods([recs[0], plain])]


def test_warnings_name_slices_that_do_not_fit_their_data(a_reconstruction):
    rec = a_reconstruction()
    quiet = " ".join(facts.warnings(dataclasses.replace(rec, geometry=AXIAL)))
    assert "slice 2" not in quiet.lower() and "Orientation" not in quiet and "4 samples" in quiet
    loud = dataclasses.replace(rec, residual=np.array([1.0, 2.5, 0.2], np.float32))
    text = " ".join(facts.warnings(loud))
    assert "Slice 2: the image explains the measured data worse" in text and "2.50" in text
    assert "Slice 3: the image follows the data more closely" in text and "Orientation" in text


def test_figures_against_a_reference_are_in_the_table(recs):
    reference = recs[0].magnitude
    table = {row[0]: row[1:] for row in facts.methods(recs, reference)}
    assert table["PSNR against the reference"][0] == "inf dB" and table["NMSE"] == ("0.0000", "0.2500")


def test_reasons_to_distrust_are_on_the_page(tmp_path, recs):
    checks = {"peak_mib": 512.0, "prior_share": 0.123, "held_out_error": 0.4, "held_out_error_cg_sense": 0.9}
    part = 0.1 * recs[0].magnitude
    posterior = dataclasses.replace(recs[0].posterior, half_width=2 * recs[0].std)
    prior = dataclasses.replace(recs[0].prior, prior_part=part)
    main = dataclasses.replace(recs[0], checks=checks, prior=prior, posterior=posterior)
    table = {row[0]: row[1:] for row in facts.methods([main, recs[1]])}
    assert table["Energy from the prior"] == ("12.3%", "-")
    assert table["Error on lines left out"] == ("40.0%", "-") and table["The same by CG-SENSE"] == ("90.0%", "-")
    data = embedded(write_page(tmp_path / "page.html", [main, recs[1]]).read_text())
    kinds = {v["name"]: v["kind"] for v in data["volumes"]}
    # One picture of uncertainty, the one with a scale.
    assert kinds["Prior part"] == "prior" and kinds["How far a pixel may be off"] == "std"
    assert list(kinds.values()).count("std") == 1
    assert data["windows"]["std"][1] == pytest.approx(np.percentile(posterior.half_width, 99.5), rel=0.05)
    assert data["windows"]["prior"][1] == pytest.approx(part.max(), rel=0.05)


def in_browser(page: Path, script: str, tmp_path: Path, *options: str) -> str:
    """Open a copy of the page that runs `script` once it is ready; return the document as text."""
    run = f"""<script>setTimeout(async () => {{ {script} }}, 800)</script></body>"""
    copy = page.with_name("copy.html")
    # The page's policy allows its own scripts; the end of the body is the last one.
    copy.write_text(run.join(page.read_text().rsplit("</body>", 1)))
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1600,1000", "--virtual-time-budget=6000",
        *options, "--dump-dom", copy.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_the_viewer_shows_slices_where_they_are_and_answers_keys(tmp_path, recs):
    """The object is an L in the upper left; slice 2 is made brighter to be told from the others."""
    magnitude = recs[0].magnitude.copy()
    magnitude[2] *= 0.25
    page = write_page(tmp_path / "page.html", [dataclasses.replace(recs[0], magnitude=magnitude), recs[1]])
    script = """
      const canvas = document.querySelector('figure canvas');
      const look = (y, x) => {
        const scale = canvas.height / 40, left = (canvas.width - 32 * scale) / 2;
        return canvas.getContext('2d').getImageData(left + (x + .5) * scale, (y + .5) * scale, 1, 1).data[0];
      };
      const press = (key, kind = 'keydown') => dispatchEvent(new KeyboardEvent(kind, {key}));
      const seen = {start: document.getElementById('slice-number').textContent};
      seen.corner = look(9, 12); seen.stem = look(16, 9); seen.mirrored = look(9, 22); seen.below = look(30, 9);
      press('ArrowDown'); seen.down = document.getElementById('slice-number').textContent; seen.dark = look(9, 12);
      press('Home'); press(' '); seen.compared = look(9, 12); press(' ', 'keyup'); seen.back = look(9, 12);
      press('-'); press('-'); press('-'); seen.darker = look(16, 9); press('r'); seen.reset = look(16, 9);
      document.body.dataset.seen = JSON.stringify(seen);
    """
    dom = in_browser(page, script, tmp_path)
    assert 'data-ready="yes"' in dom
    seen = json.loads(html.unescape(re.search(r'data-seen="(.*?)"', dom).group(1)))
    assert seen["start"] == "2 of 3" and seen["down"] == "3 of 3"
    assert seen["corner"] > 200 and 90 < seen["stem"] < 160 and seen["mirrored"] < 20 and seen["below"] < 20
    assert seen["dark"] < 90 and seen["back"] > 200
    assert 100 < seen["compared"] < 150
    assert seen["darker"] < seen["stem"] - 10 and abs(seen["stem"] - seen["reset"]) < 5


def test_the_film_keeps_the_page_small(recs, monkeypatch):
    from rsd_mri.results import page_volumes
    from rsd_mri.results.page_volumes import volumes

    def count():
        return sum(v.sample is not None for v in volumes([[one] for one in recs]))

    assert count() == len(recs[0].samples)
    monkeypatch.setattr(page_volumes, "FILM_PIXELS", 3 * recs[0].magnitude.size)
    assert count() == 3


@pytest.fixture
def movies(recs):
    """Eight frames, each an eighth brighter, by two methods; the second slice of the third explains its data badly."""

    def frame(rec, n):
        residual = rec.residual.copy()
        residual[1] = 3.0 if n == 2 else 1.0
        return dataclasses.replace(
            rec, magnitude=rec.magnitude * (1 + n) / 8, frame={"repetition": n}, residual=residual,
            mask=np.arange(32) % 2 == n % 2, facts=Facts(moment=50.0 * n), checks={"peak_mib": 100.0 + n},
        )  # fmt: skip

    return [[frame(rec, n) for n in range(8)] for rec in recs]


def test_a_page_holds_all_frames(tmp_path, movies):
    text = write_page(tmp_path / "page.html", movies).read_text()
    data = embedded(text)
    assert data["frames"][2] == "repetition 3, 100 ms after the first frame" and data["rate"] == 20
    assert len(data["residual"]) == 8 and data["volumes"][0]["frames"] == 8
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(data["volumes"][0]["nifti"])))
    expected = np.stack([frame.magnitude for frame in movies[0]])
    np.testing.assert_allclose(image.get_fdata().T, expected, atol=np.ptp(expected) / 60000)
    assert "Slice 2 in 1 of 8 frames: the image explains the measured data worse" in text
    assert "8, 50 ms apart: repetition 1, 0 ms after the first frame to repetition 8" in text
    assert "107 MiB" in text, "of all frames the most memory"


def test_a_movie_too_long_for_a_page_is_thinned_and_it_says_so(tmp_path, movies, monkeypatch):
    from rsd_mri.results import page_volumes

    size = movies[0][0].magnitude.size
    monkeypatch.setattr(page_volumes, "PAGE_PIXELS", 8 * size)
    text = write_page(tmp_path / "page.html", movies).read_text()
    data = embedded(text)
    assert len(data["frames"]) == 4 == len(data["residual"])
    assert "one in 2 is on this page" in text
    assert sum(v["frames"] * size for v in data["volumes"] if v["nifti"]) <= 8 * size


def test_movies_of_different_lengths_are_refused(tmp_path, movies):
    with pytest.raises(ValueError, match="as many frames"):
        write_page(tmp_path / "page.html", [movies[0], movies[1][:3]])
