"""`rsd-mri send` to a server that dies."""

import io
import json
import socket
import threading

import ismrmrd
import numpy as np
import pytest
from ismrmrd.serialization import ProtocolSerializer
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.scan import write_fastmri


@pytest.fixture
def dying():
    """A server that sends so many images by ismrmrd's own serializer, half of one more, and is gone."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answers(images):
        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                for number in range(images + 1):
                    made = ismrmrd.Image.from_array(np.full((6, 8), number, np.float32), transpose=False)
                    made.image_series_index, made.image_index = 1, number + 1
                    data = io.BytesIO()
                    ProtocolSerializer(data).serialize(made)
                    whole = data.getvalue()
                    connection.sendall(whole if number < images else whole[: len(whole) // 2])
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass

        threading.Thread(target=serve, daemon=True).start()
        return str(listening.getsockname()[1])

    yield answers
    listening.close()


def sent(scan, tmp_path, port):
    path = write_fastmri(tmp_path / "scan.h5", scan)
    asked = ["send", str(path), "--port", port, "--out", str(tmp_path / "images.h5"), "--json"]
    return CliRunner().invoke(app, asked)


def test_images_that_came_before_a_server_died_are_written(dying, small_scan, tmp_path):
    done = sent(small_scan, tmp_path, dying(3))
    assert done.exit_code == 1
    assert "broke off without CLOSE; 3 images had come" in done.stderr and len(done.stderr.splitlines()) == 1
    values = json.loads(done.stdout.splitlines()[-1])
    assert values["images"] == 3 and values["closed"] is False
    with ismrmrd.Dataset(str(tmp_path / "images.h5"), "dataset", create_if_needed=False) as file:
        assert file.number_of_images("image_1") == 3
        assert [float(file.read_image("image_1", i).data.mean()) for i in range(3)] == [0, 1, 2]


def test_a_server_that_died_before_any_image_is_refused(dying, small_scan, tmp_path):
    done = sent(small_scan, tmp_path, dying(0))
    assert done.exit_code == 2
    assert done.stderr.strip().endswith("broke off without CLOSE, before any image")
    assert not (tmp_path / "images.h5").exists()
