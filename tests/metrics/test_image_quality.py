"""Image quality against fastMRI's own functions and command."""

import argparse
from pathlib import Path

import fastmri.evaluate
import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.errors import InputError
from rsd_mri.metrics.image_quality import (
    evaluate_files,
    nmse,
    psnr,
    ssim,
)


def volumes(seed: int, shape: tuple[int, int, int], noise: float = 0.1, scale: float = 1.0):
    rng = np.random.default_rng(seed)
    target = rng.random(shape) * np.arange(1, shape[0] + 1)[:, None, None]
    prediction = target + noise * rng.normal(size=shape)
    return (scale * target).astype(np.float32), (scale * prediction).astype(np.float32)


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 100),
    st.integers(1, 4),
    st.integers(7, 30),
    st.integers(7, 30),
    st.sampled_from([1e-6, 1, 1e3]),
)
def test_equal_to_fastmri(seed, slices, rows, columns, scale):
    target, prediction = volumes(seed, (slices, rows, columns), scale=scale)
    assert nmse(target, prediction) == pytest.approx(float(fastmri.evaluate.nmse(target, prediction)), rel=1e-5)
    assert psnr(target, prediction) == pytest.approx(float(fastmri.evaluate.psnr(target, prediction)), rel=1e-5)
    assert ssim(target, prediction) == pytest.approx(fastmri.evaluate.ssim(target, prediction).item(), rel=1e-5)


def test_a_perfect_reconstruction():
    target, _ = volumes(2, (2, 16, 16))
    assert psnr(target, target) == float("inf") and ssim(target, target) == 1 and nmse(target, target) == 0


def write(path: Path, name: str, data: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file[name] = data


@pytest.mark.parametrize("key", ["reconstruction_rss", "reconstruction_esc"])
def test_files_are_matched_cropped_and_averaged_as_fastmri_does(tmp_path, key):
    for i, name in enumerate(("a", "b")):
        target, prediction = volumes(i, (2, 32, 24))
        write(tmp_path / "targets" / f"{name}.h5", key, target)
        write(tmp_path / "same" / f"{name}.h5", "reconstruction", prediction)
        write(tmp_path / "ours" / f"{name}_recon.h5", "reconstruction", prediction)
    args = argparse.Namespace(
        target_path=tmp_path / "targets",
        predictions_path=tmp_path / "same",
        acquisition=None,
        acceleration=None,
    )
    metrics = fastmri.evaluate.Metrics(fastmri.evaluate.METRIC_FUNCS)
    for path in args.target_path.iterdir():  # the command itself cannot average arrays under numpy 2
        with h5py.File(path) as t, h5py.File(args.predictions_path / path.name) as p:
            pair = t[key][:, 4:28], p["reconstruction"][:, 4:28]
        for name, function in fastmri.evaluate.METRIC_FUNCS.items():
            metrics.metrics[name].push(float(np.squeeze(function(*pair))))
    for folder in ("same", "ours"):
        found = evaluate_files(tmp_path / "targets", tmp_path / folder)
        for name in ("nmse", "psnr", "ssim"):
            assert getattr(found, name) == pytest.approx(metrics.means()[name.upper()], rel=1e-5)
        assert [row.name for row in found.files] == ["a.h5", "b.h5"] and found.unused == []
    write(tmp_path / "ours" / "c_recon.h5", "reconstruction", prediction)
    assert evaluate_files(tmp_path / "targets", tmp_path / "ours").unused == ["c_recon.h5"]
    alone = evaluate_files(tmp_path / "targets" / "a.h5", tmp_path / "ours" / "a_recon.h5")
    assert alone.psnr == pytest.approx(evaluate_files(tmp_path / "targets", tmp_path / "ours").files[0].psnr)


def test_what_cannot_be_compared_is_named(tmp_path):
    target, prediction = volumes(0, (2, 32, 32))
    write(tmp_path / "targets" / "a.h5", "reconstruction_rss", target)
    with pytest.raises(InputError, match="nowhere: no such"):
        evaluate_files(tmp_path / "targets", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no reconstruction.* a\.h5"):
        evaluate_files(tmp_path / "targets", tmp_path / "empty")
    with pytest.raises(InputError, match="at least one"):
        evaluate_files(tmp_path / "empty", tmp_path / "targets")
    for shape in ((1, 32, 32), (2, 20, 20)):
        write(tmp_path / "bad" / "a.h5", "reconstruction", np.ones(shape, np.float32))
        with pytest.raises(InputError, match=r"bad/a.h5.*does not cover"):
            evaluate_files(tmp_path / "targets", tmp_path / "bad")
    write(tmp_path / "bad" / "a.h5", "image", prediction)
    with pytest.raises(InputError, match=r"bad/a.h5.*`reconstruction`.*image"):
        evaluate_files(tmp_path / "targets", tmp_path / "bad")
    write(tmp_path / "bad" / "a.h5", "reconstruction", prediction * np.nan)
    with pytest.raises(InputError, match="finite"):
        evaluate_files(tmp_path / "targets", tmp_path / "bad")
    (tmp_path / "bad" / "a.h5").write_text("text")
    with pytest.raises(InputError, match="HDF5"):
        evaluate_files(tmp_path / "targets", tmp_path / "bad")
