"""The data set that training reads."""

import pickle

import h5py
import numpy as np
import pytest

from data_prep import PreparedDataset, prepare_folder
from rsd_mri.errors import InputError
from rsd_mri.protocol import DataSettings, PrepSettings, Protocol
from rsd_mri.scan import write_fastmri
from rsd_mri.simulation import simulate_scan

PROTOCOL = Protocol(prep=PrepSettings(virtual_coils=3, calib_width=16))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    for case in range(2):
        write_fastmri(folder / f"{case}.h5", simulate_scan(DataSettings(slices=2, matrix=48, coils=4), 0, case)[0])
    return prepare_folder(folder, None, PROTOCOL).out


def test_items(prepared):
    data = PreparedDataset(prepared)
    assert len(data) == 4
    assert len(set(data.items)) == 4
    assert data.shapes == [(3, 48, 48)] * 4
    with h5py.File(prepared / "1.h5") as file:
        np.testing.assert_array_equal(data[3]["kspace"], file["kspace"][1])
        np.testing.assert_array_equal(data[3]["csm"], file["csm"][1])
        assert data[3]["sigma"] == np.float32(file.attrs["sigma"])
    assert data[3]["mask"].all()
    assert PreparedDataset(prepared / "1.h5").items == data.items[2:]


def test_never_reads_the_combined_image(prepared, tmp_path):
    (tmp_path / "0.h5").write_bytes((prepared / "0.h5").read_bytes())
    with h5py.File(tmp_path / "0.h5", "r+") as file:
        del file["image"]
    np.testing.assert_array_equal(PreparedDataset(tmp_path)[0]["kspace"], PreparedDataset(prepared)[0]["kspace"])


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes:UserWarning")  # on one processor
def test_loader_with_workers_gives_the_same(prepared):
    from torch.utils.data import DataLoader

    data = PreparedDataset(prepared)
    first = data[0]["kspace"]  # a handle is open before the workers start
    batches = list(DataLoader(data, batch_size=2, num_workers=2, multiprocessing_context="fork"))
    assert sum((batch["item"] for batch in batches), []) == data.items
    np.testing.assert_array_equal(batches[0]["kspace"][0].numpy(), first)


def test_pickles_without_its_handles(prepared):
    data = PreparedDataset(prepared)
    expected = data[0]
    copy = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(copy[0]["csm"], expected["csm"])
    data.close()


def test_damage_is_found_by_the_checksum(prepared, tmp_path):
    raw = bytearray((prepared / "0.h5").read_bytes())
    with h5py.File(prepared / "0.h5") as file:
        where = file["csm"].id.get_chunk_info(0).byte_offset
    raw[where + 100] ^= 0xFF
    (tmp_path / "0.h5").write_bytes(raw)
    with pytest.raises(InputError, match="damaged"):
        PreparedDataset(tmp_path)[0]


def test_splits(prepared):
    sizes = []
    for split in ("train", "val"):
        try:
            sizes.append(len(PreparedDataset(prepared, split)))
        except InputError:
            sizes.append(0)
    assert sum(sizes) == 4


def test_refusals(tmp_path):
    with pytest.raises(InputError, match="no prepared slice"):
        PreparedDataset(tmp_path)
    write_fastmri(tmp_path / "raw.h5", simulate_scan(DataSettings(slices=1, matrix=32, coils=2), 0, 0)[0])
    with pytest.raises(InputError, match="not a prepared file"):
        PreparedDataset(tmp_path)
