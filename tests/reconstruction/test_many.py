"""Folders of scans: every one reconstructed, whoever does the work, and none twice."""

import json
import os
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from rsd_mri.errors import InputError
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction import many
from rsd_mri.reconstruction.deliver import Task, Written, apart, attempt, reconstruct_files
from rsd_mri.reconstruction.many import MANIFEST, Scale, reconstruct_many
from rsd_mri.reconstruction.memory import ran_out
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.results.delivery import Delivery
from rsd_mri.simulation import simulate_folder


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    made = tmp_path_factory.mktemp("scans")
    simulate_folder(made, 2, 1, 48, 4, acceleration=2.0)
    simulate_folder(made / "more", 1, 1, 48, 4, acceleration=2.0, seed=1)
    (made / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\nrubbish")
    return made


@pytest.fixture
def folder(scans, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(scans, tmp_path / "scans")


def like(out, method="cg-sense"):
    return Task(out, method_of(method), Delivery(out))


def images(out):
    found = {}
    for path in sorted(out.rglob("*_recon.h5")):
        with h5py.File(path) as file:
            found[path.relative_to(out).as_posix()] = file["reconstruction"][()]
    return found


@pytest.mark.long
def test_a_folder_is_done_once_and_goes_on_where_it_was(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    task = like(out)
    done = reconstruct_many([folder], task, Scale())
    assert len(done.written) == 3 and len(done.failures) == 1 and "bad.h5" in done.failures[0]
    assert list(images(out)) == ["brain_0_0000_recon.h5", "brain_0_0001_recon.h5", "more/brain_1_0000_recon.h5"]
    manifest = json.loads((out / MANIFEST).read_text())
    assert manifest["counts"] == {"done": 3, "failed": 1}
    assert [entry["status"] for entry in manifest["scans"]].count("failed") == 1

    tried = []
    monkeypatch.setattr(many, "attempt", lambda task, progress: tried.append(task.path.name) or attempt(task, progress))

    def again(task=task, scale=Scale()):  # noqa: B008 - frozen
        tried.clear()
        return reconstruct_many([folder], task, scale)

    assert again().kept == 3 and tried == ["bad.h5"]
    (out / "brain_0_0000_recon.h5").unlink()
    assert again().kept == 2 and sorted(tried) == ["bad.h5", "brain_0_0000.h5"]
    os.utime(folder / "brain_0_0001.h5", (0, 0))
    assert again().kept == 2 and sorted(tried) == ["bad.h5", "brain_0_0001.h5"]
    assert again(replace(task, seed=1, prep=PrepSettings(sets="1"))).kept == 0 and len(tried) == 4
    assert again(scale=Scale(fresh=True)).kept == 0 and len(tried) == 4
    (out / MANIFEST).write_text("damaged")
    assert again().kept == 0 and len(tried) == 4


@pytest.mark.long
def test_workers_and_shards_give_what_one_process_gives(folder, tmp_path):
    """A shard is one process over its part of the scans: together they are the images of one process."""
    task = replace(like(tmp_path / "two", "one-step"), held_out=False)
    workers = reconstruct_many([folder], task, Scale(workers=2))
    assert len(workers.written) == 3 and len(workers.failures) == 1
    names = []
    for i in (1, 2):
        shard = reconstruct_many([folder], replace(task, delivery=Delivery(tmp_path / "sh")), Scale(shard=(i, 2)))
        names += [one.scan for one in shard.written]
    assert len(names) == len(set(names)) == 3
    expected, found = images(tmp_path / "sh"), images(tmp_path / "two")
    assert list(found) == list(expected) and len(found) == 3
    for name, image in found.items():
        np.testing.assert_allclose(image, expected[name], rtol=1e-4, atol=1e-6 * expected[name].max())


def test_two_scans_of_one_name_are_refused_before_anything_is_written(folder, tmp_path):
    simulate_folder(tmp_path / "other", 1, 1, 48, 4, acceleration=2.0)
    with pytest.raises(InputError, match="would be written to the same files"):
        reconstruct_many([folder, tmp_path / "other"], like(tmp_path / "out"), Scale())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_folder_without_scans_does_not_stop_the_others(folder, tmp_path, workers):
    (tmp_path / "empty").mkdir()
    good = folder / "brain_0_0000.h5"
    sources = [good, tmp_path / "empty", folder / "brain_0_0001.h5"]
    done = reconstruct_many(sources, like(tmp_path / "out"), Scale(workers))
    assert sorted(one.scan for one in done.written) == [str(good), str(folder / "brain_0_0001.h5")]
    (said,) = done.failures
    assert said.startswith(f"{tmp_path / 'empty'}: holds no scan")
    nothing = reconstruct_many([tmp_path / "empty"], like(tmp_path / "nothing"), Scale(workers))
    assert nothing.failures == [said] and not nothing.written
    assert not (tmp_path / "nothing").exists()


def test_scans_named_one_by_one_do_not_replace_one_another(folder, tmp_path):
    """Two of one name are refused before anything is written; one that is named twice is done once."""
    task = like(tmp_path / "out")
    one, other = folder / "brain_0_0000.h5", folder / "more" / "brain_1_0000.h5"
    namesake = other.rename(other.parent / one.name)
    with pytest.raises(InputError, match="would be written to the same files"):
        reconstruct_files([one, namesake], task)
    assert not (tmp_path / "out").exists()
    again = folder / "more" / ".." / one.name
    done = reconstruct_files([one, again], task)
    assert [written.scan for written in done.written] == [str(one)] and not done.failures


def test_both_files_of_bart_are_one_scan(tmp_path):
    cfl, hdr = tmp_path / "scan.cfl", tmp_path / "scan.hdr"
    tasks = [replace(like(tmp_path / "out"), path=path) for path in (hdr, cfl, tmp_path / "scan")]
    assert apart(tasks) == tasks[:1]


def test_memory_that_runs_out_fails_the_scan_alone(folder, tmp_path, monkeypatch):
    from rsd_mri.reconstruction import movies

    def hungry(moved, *args, **named):
        if moved.prepared.scan.source.name == "brain_0_0000.h5":
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory")
        return whole(moved, *args, **named)

    whole = movies.reconstruct_scan
    monkeypatch.setattr(movies, "reconstruct_scan", hungry)
    done = reconstruct_many([folder], like(tmp_path / "out"), Scale())
    assert len(done.written) == 2
    assert [f for f in done.failures if "the memory ran out" in f] != []
    assert ran_out(MemoryError()) and not ran_out(RuntimeError("shapes"))


def test_what_is_kept_is_what_was_written(folder, tmp_path):
    task = like(tmp_path / "out")
    first = reconstruct_many([folder], task, Scale())
    assert all(isinstance(one, Written) for one in first.written)
    assert [one.files for one in reconstruct_many([folder], task, Scale()).written] == [
        one.files for one in first.written
    ]
