"""Folders of scans: what is made, what is left, what fails, and that order and workers do not matter."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

import data_prep.prepare as preparation
from data_prep import PreparedDataset, prepare_folder, read_manifest
from data_prep.volume import settings_for_scan
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import Progress
from rsd_mri.preparation import calibrate_volume, prepare_slice
from rsd_mri.protocol import DataSettings, PrepSettings, Protocol
from rsd_mri.scan import read_scan, write_fastmri
from rsd_mri.simulation import simulate_scan

PROTOCOL = Protocol(name="test", prep=PrepSettings(virtual_coils=3, calib_width=16))
SETTINGS = DataSettings(volumes=1, slices=2, matrix=48, coils=4)


@pytest.fixture(scope="module")
def scans():
    return [simulate_scan(SETTINGS, 0, case)[0] for case in range(3)]


@pytest.fixture
def folder(tmp_path, scans):
    source = tmp_path / "raw"
    for i, scan in enumerate(scans):
        write_fastmri(source / f"{i}.h5", scan)
    return source


def content(path):
    with h5py.File(path) as file:
        arrays = {name: file[name][()] for name in file}
        attributes = {k: v for k, v in file.attrs.items() if k != "source_time"}
    return arrays, attributes


def same_content(a, b):
    (arrays_a, attributes_a), (arrays_b, attributes_b) = content(a), content(b)
    assert arrays_a.keys() == arrays_b.keys()
    for name in arrays_a:
        np.testing.assert_array_equal(arrays_a[name], arrays_b[name])
    assert attributes_a.keys() == attributes_b.keys()
    assert attributes_a["entry"] == attributes_b["entry"]


def test_content_is_what_prepare_slice_gives(folder, tmp_path):
    calls = []
    manifest = prepare_folder(folder, None, PROTOCOL, progress=Progress.of(calls.append))
    assert calls == [1 / 3, 2 / 3, 1]
    assert manifest.failed == ()
    assert manifest.out == tmp_path / "raw-prepared"
    scan = read_scan(folder / "1.h5")
    settings = settings_for_scan(PROTOCOL, scan)
    one = prepare_slice(scan, 1, settings, calibrate_volume(scan, settings))
    arrays, attributes = content(manifest.out / "1.h5")
    for name in ("kspace", "csm", "image"):
        np.testing.assert_array_equal(arrays[name][1], getattr(one, name))
        assert arrays[name].dtype == np.complex64
    assert arrays["kspace"].shape[1] == 3
    assert attributes["scale"] == one.scale
    assert attributes["sigma"] == one.sigma
    assert attributes["not_for_diagnostic_use"]
    assert attributes["protocol"] == PROTOCOL.to_yaml()
    assert tuple(attributes["image_size"]) == one.image_size
    assert json.loads((manifest.out / "manifest.json").read_text())["counts"]["slices_done"] == 6
    assert read_manifest(manifest.out).entries == manifest.entries
    split = json.loads((manifest.out / "split.json").read_text())
    assert sorted(split["train"] + split["val"]) == ["0.h5", "1.h5", "2.h5"]


@pytest.mark.long
def test_again_does_only_what_is_missing_or_changed(folder, scans):
    out = prepare_folder(folder, None, PROTOCOL).out
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("?.h5")}
    again = prepare_folder(folder, None, PROTOCOL)
    assert again.counts["volumes_made_now"] == 0
    assert again.counts["volumes_done"] == 3
    assert {p.name: p.stat().st_mtime_ns for p in out.glob("?.h5")} == before
    (folder / "0.h5").touch()  # a new date with the same content changes nothing
    (out / "1.h5").unlink()
    write_fastmri(folder / "2.h5", replace(scans[2], kspace=2 * scans[2].kspace))
    plan = prepare_folder(folder, None, PROTOCOL, dry_run=True)
    assert [e.status for e in plan.entries] == ["done", "missing", "missing"]
    assert plan.peak_bytes > 2 * 48 * 48 * 4 * 8
    third = prepare_folder(folder, None, PROTOCOL)
    assert [e.made_now for e in third.entries] == [False, True, True]
    other = replace(PROTOCOL, prep=replace(PROTOCOL.prep, virtual_coils=2))
    assert prepare_folder(folder, None, other).counts["volumes_made_now"] == 3
    # What only training reads makes nothing again.
    longer = replace(other, teacher=replace(other.teacher, images=1))
    assert prepare_folder(folder, None, longer).counts["volumes_made_now"] == 0


def test_a_damaged_prepared_file_is_made_again(folder):
    out = prepare_folder(folder, None, PROTOCOL).out
    (out / "0.h5").write_bytes((out / "0.h5").read_bytes()[:2000])
    assert [e.made_now for e in prepare_folder(folder, None, PROTOCOL).entries] == [True, False, False]


@pytest.mark.long
def test_shards_and_workers_give_the_same(folder, tmp_path):
    one = prepare_folder(folder, tmp_path / "one", PROTOCOL)
    for i in (1, 2):
        prepare_folder(folder, tmp_path / "shards", PROTOCOL, shard=(i, 2))
    prepare_folder(folder, tmp_path / "pool", PROTOCOL, workers=2)
    for other in ("shards", "pool"):
        assert read_manifest(tmp_path / other).entries == one.entries
        for name in ("0.h5", "1.h5", "2.h5"):
            same_content(tmp_path / "one" / name, tmp_path / other / name)


def test_bad_files_are_listed_and_the_good_ones_done(folder, scans):
    (folder / "3.h5").write_bytes((folder / "0.h5").read_bytes()[:3000])
    (folder / "4.npy").write_bytes(b"\x93NUMPY rubbish")
    empty = scans[0].kspace.copy()
    empty[1] = 0
    write_fastmri(folder / "5.h5", replace(scans[0], kspace=empty))
    manifest = prepare_folder(folder, None, PROTOCOL)
    assert [e.status for e in manifest.entries] == ["done", "done", "done", "failed", "failed", "done"]
    assert [s.status for s in manifest.entries[5].slices] == ["done", "skipped"]
    lines = manifest.failures()
    assert len(lines) == 2
    assert "3.h5" in lines[0]
    assert "4.npy" in lines[1]
    assert sorted(p.name for p in manifest.out.iterdir()) == [
        "0.h5", "0.png", "1.h5", "1.png", "2.h5", "2.png", "5.h5", "5.png", "manifest.json", "split.json",
    ]  # fmt: skip
    with h5py.File(manifest.out / "5.h5") as file:
        assert file["slice_index"][()].tolist() == [0]
        assert len(file["kspace"]) == 1


@pytest.mark.slow
def test_a_worker_that_dies_takes_only_its_own_scan(folder, monkeypatch):
    (folder / "die.npy").write_bytes(b"x")
    monkeypatch.setattr(preparation, "on_one_thread", die_on_request)
    jobs = preparation._jobs(folder, None, PROTOCOL)[2]
    entries = sorted(preparation._run(jobs, 2, None), key=lambda e: e.source)
    assert [e.status for e in entries] == ["done", "done", "done", "failed"]
    assert "worker process died" in entries[3].reason


def die_on_request(job):
    import os

    from data_prep.manifest import VolumeEntry

    _, name, _, output, _ = job
    if name == "die.npy":
        os._exit(9)
    return VolumeEntry(name, output, "done")


def test_same_names_do_not_collide(tmp_path, scans):
    source = tmp_path / "raw"
    write_fastmri(source / "a.h5", scans[0])
    write_fastmri(source / "b" / "a.h5", scans[1])
    np.save(source / "a.npy", scans[2].kspace)
    manifest = prepare_folder(source, None, PROTOCOL)
    assert [e.output for e in manifest.entries] == ["a.h5.h5", "a.npy.h5", "b/a.h5"]
    assert manifest.failed == ()


def test_a_single_file(folder):
    manifest = prepare_folder(folder / "1.h5", None, PROTOCOL)
    assert manifest.out == folder / "1-prepared"
    assert [e.output for e in manifest.entries] == ["1.h5"]
    with pytest.raises(InputError, match="already prepared"):
        read_scan(manifest.out / "1.h5")
    # The folder can be prepared afterwards: what was written below it is no scan.
    assert [e.source for e in prepare_folder(folder, None, PROTOCOL).entries] == ["0.h5", "1.h5", "2.h5"]


def test_all_scans_of_a_patient_are_on_one_side(tmp_path, scans):
    for i in range(3):
        write_fastmri(tmp_path / "raw" / f"{i}.h5", scans[i], attributes={"patient_id": "one"})
    manifest = prepare_folder(tmp_path / "raw", None, PROTOCOL)
    assert len({e.split for e in manifest.entries}) == 1


@pytest.mark.parametrize("shard", [(0, 2), (3, 2)])
def test_bad_shard(folder, shard):
    with pytest.raises(InputError, match="i/n"):
        prepare_folder(folder, None, PROTOCOL, shard=shard)


def test_undersampled_scans_keep_their_mask(tmp_path, scans):
    mask = np.zeros(48, bool)
    mask[::2] = mask[14:34] = True
    write_fastmri(
        tmp_path / "raw" / "a.h5",
        replace(scans[0], kspace=scans[0].kspace * mask, mask=mask, mask_source="file"),
    )
    out = prepare_folder(tmp_path / "raw", None, PROTOCOL).out
    one = PreparedDataset(out)[0]
    np.testing.assert_array_equal(one["mask"], mask)
    assert not one["kspace"][..., ~mask].any()


@pytest.mark.slow
def test_dask(folder, tmp_path):
    distributed = pytest.importorskip("distributed")
    one = prepare_folder(folder, tmp_path / "one", PROTOCOL)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
        manifest = prepare_folder(folder, tmp_path / "dask", PROTOCOL, scheduler=cluster.scheduler_address)
    assert manifest.entries == one.entries
    for name in ("0.h5", "1.h5", "2.h5"):
        same_content(tmp_path / "one" / name, tmp_path / "dask" / name)


def test_no_dask_scheduler(folder):
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match="scheduler"):
        prepare_folder(folder, None, PROTOCOL, scheduler="no-such-protocol://x")
