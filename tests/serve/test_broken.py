"""What a client should not send, and what it may leave out: an answer to each, and no harm to others."""

import io
import random
import socket
import struct
import time

import ismrmrd
import numpy as np
import psutil
import pytest
from ismrmrd.serialization import ConfigText
from mrd_client import Talk, acquisitions, ask, header_text, line

NAME = "Doe^Jane"
PATIENT = (
    "<subjectInformation><patientName>Doe^Jane</patientName><patientWeight_kg>71.5</patientWeight_kg>"
    "<patientID>P1234567</patientID><patientBirthdate>1961-02-03</patientBirthdate></subjectInformation>"
    "<studyInformation><studyID>S7654321</studyID><accessionNumber>99887766</accessionNumber>"
    "<referringPhysicianName>Roe^Richard</referringPhysicianName></studyInformation>"
)
SECRETS = ("Doe", "Jane", "P1234567", "1961-02-03", "S7654321", "99887766", "Roe", "Richard")


def message(one):
    stream = io.BytesIO()
    stream.write(struct.pack("<H", 1008))
    one.serialize_into(stream.write)
    return stream.getvalue()


def whole(scan):
    """All bytes of a measurement, and where its messages end."""
    parts = [struct.pack("<H", 1) + b"zero-filled".ljust(1024, b"\0")]
    text = header_text(scan).encode() + b"\0"
    parts.append(struct.pack("<HI", 3, len(text)) + text)
    parts += [message(one) for one in acquisitions(scan)]
    parts.append(struct.pack("<H", 4))
    return parts


def exchange(server, data, shut=True):
    """Send bytes and give back the texts and whether CLOSE came last."""
    talk = Talk(server, config=None)
    talk.raw(data)
    if shut:
        talk.socket.shutdown(socket.SHUT_WR)
    return talk.answer()


@pytest.fixture(autouse=True)
def serves_on(server):
    """After every test the server is there, and has not kept what it was given."""
    server.forget()
    yield
    assert server.process.poll() is None
    assert ask_nothing(server).closed


def ask_nothing(server):
    return Talk(server).close().answer()


@pytest.mark.parametrize("sent", ["nothing", "config", "header", "shut"])
def test_ordinary_ends_are_answered_with_close_alone(server, small_scan, sent):
    talk = Talk(server, None if sent in ("nothing", "shut") else "default")
    if sent == "header":
        talk.send_header(header_text(small_scan))
    if sent == "shut":
        talk.socket.shutdown(socket.SHUT_WR)
    else:
        talk.close()
    answer = talk.answer()
    assert answer.closed and answer.texts == [] and answer.images == []
    assert server.event("connection")["end"] == "close"


def test_shutting_the_writing_side_means_close(server, small_scan):
    talk = Talk(server, "zero-filled", header_text(small_scan)).send(acquisitions(small_scan))
    talk.socket.shutdown(socket.SHUT_WR)
    answer = talk.answer()
    assert len(answer.images) == 2 and answer.closed


def test_bytes_may_come_one_by_one_or_all_at_once(server, small_scan):
    data = b"".join(whole(small_scan))
    at_once = exchange(server, data)
    talk = Talk(server, config=None)
    for byte in data[:3000]:
        talk.socket.send(bytes([byte]))
    talk.raw(data[3000:])
    assert len(at_once.images) == 2
    np.testing.assert_array_equal(talk.answer().pixels(1), at_once.pixels(1))


def test_cut_off_at_any_byte_is_told(server, small_scan):
    parts = whole(small_scan)
    config, header, first = (len(part) for part in parts[:3])
    data = b"".join(parts[:4])
    ends = {0, config, config + header, config + header + first, len(data)}
    cuts = {1, 2, 3, config - 1, config + 1, config + 2, config + 5, config + 6, config + 100, config + header - 1}
    cuts |= {config + header + n for n in (1, 2, 50, 341, 342, 343, first - 1)} | ends
    for cut in sorted(cuts):
        answer = exchange(server, data[:cut])
        told = [text for text in answer.said("ERROR") if "middle of a message" in text]
        assert answer.closed and bool(told) == (cut not in ends), cut


ABSURD = {
    "config text": struct.pack("<HI", 2, 2**32 - 1),
    "header": struct.pack("<HI", 3, 2**31),
    "text": struct.pack("<HI", 5, 17 * 2**20),
    "unknown kind": struct.pack("<H", 1030),
    "no kind": struct.pack("<H", 0),
}


@pytest.mark.parametrize("what", ABSURD)
def test_absurd_lengths_and_kinds_are_refused_and_the_reason_arrives(server, what):
    # Much follows, unread: a socket closed on it would be reset and the reason lost.
    answer = exchange(server, ABSURD[what] + bytes(3_000_000))
    assert answer.closed and len(answer.said("ERROR")) == 1
    assert server.event("connection", end="error")["error"]


def head(**fields):
    one = ismrmrd.AcquisitionHeader()
    for name, value in fields.items():
        setattr(one, name, value)
    return struct.pack("<H", 1008) + bytes(one)


IMAGE = struct.pack("<HH", 1, 2) + bytes(12) + struct.pack("<3H", 65535, 65535, 65535) + bytes(12)
ABSURD_DATA = {
    "coils": head(active_channels=257, number_of_samples=1),
    "acquisition": head(active_channels=256, number_of_samples=65535),
    "trajectory": head(active_channels=1, number_of_samples=10, trajectory_dimensions=9),
    "attributes": struct.pack("<H", 1022) + bytes(198) + struct.pack("<Q", 2**63),
    "data type": struct.pack("<H", 1022) + struct.pack("<HH", 1, 99) + bytes(194) + bytes(8),
}


@pytest.mark.parametrize("what", ABSURD_DATA)
def test_absurd_data_are_refused(server, small_scan, what):
    talk = Talk(server, "default", header_text(small_scan)).raw(ABSURD_DATA[what])
    answer = talk.answer()
    (sentence,) = answer.said("ERROR")
    assert answer.closed and ("at most" in sentence or "expected" in sentence)


@pytest.mark.long
def test_what_is_merely_claimed_takes_no_memory(server, small_scan):
    def memory():
        process = psutil.Process(server.process.pid)
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))

    ask(server, small_scan, "one-step")  # the workers have loaded all that they load
    before = memory()
    talks = []
    for _ in range(4):
        talk = Talk(server, "default", header_text(small_scan))
        talk.raw(head(active_channels=128, number_of_samples=65000) + bytes(1000))
        talks.append(talk)
    image = bytearray(198)
    image[:4], image[16:22], image[34:36] = struct.pack("<HH", 1, 8), struct.pack("<3H", *[65535] * 3), b"\xff\xff"
    talk = Talk(server, "default", header_text(small_scan))
    talk.raw(struct.pack("<H", 1022) + bytes(image) + struct.pack("<Q", 0) + bytes(100_000))
    time.sleep(0.3)
    claimed = memory() - before
    beside = ask(server, small_scan, "zero-filled").images  # while these hold on
    for one in (*talks, talk):
        one.out.close()
        one.socket.close()
    assert claimed < 50 * 2**20 and len(beside) == 2


@pytest.mark.parametrize("size", ["matrix", "recon", "step", "lines"])
def test_sizes_that_nothing_stands_behind_are_refused(server, small_scan, size):
    text, lines = header_text(small_scan), acquisitions(small_scan, flags=False)[:8]
    if size == "matrix":
        text = text.replace("<x>48</x>", "<x>5000</x>", 1)
    elif size == "recon":
        text = text.replace("<x>48</x>", "<x>50000</x>")
    elif size == "step":
        lines[-1].idx.kspace_encode_step_1 = 60000
    else:
        text = text.replace("<y>40</y>", "<y>4000</y>", 1)
        for one in lines:
            one.idx.repetition = lines.index(one) * 13
    answer = Talk(server, "zero-filled", text).send(lines).close().answer()
    assert answer.closed and answer.images == [] and answer.said("ERROR")


def test_more_than_the_memory_allowed_is_refused(server, small_scan):
    big = line(np.ones((64, 8192), np.complex64))
    talk = Talk(server, "zero-filled", header_text(small_scan))
    for _ in range(14):
        talk.send([big])
    answer = talk.answer()
    assert "--max-memory" in answer.said("ERROR")[0] and answer.closed


@pytest.mark.parametrize("what", ["acquisition", "image", "waveform"])
def test_data_before_config_and_header_are_refused(server, small_scan, what):
    data = {
        "acquisition": message(acquisitions(small_scan)[0]),
        "image": struct.pack("<H", 1022) + bytes(206),
        "waveform": struct.pack("<H", 1026) + bytes(40),
    }[what]
    for talk in (Talk(server, None), Talk(server, "default")):
        answer = talk.raw(data).answer()
        assert answer.closed and "before config and header" in answer.said("ERROR")[0]


BAD_HEADERS = {
    "no XML": "this is no XML",
    "empty": "",
    "cut": "<ismrmrdHeader><encoding>",
    "entities": '<!DOCTYPE a [<!ENTITY b "Doe^Jane"><!ENTITY c "&b;&b;">]><ismrmrdHeader>&c;</ismrmrdHeader>',
    "outside": '<!DOCTYPE a SYSTEM "file:///etc/passwd"><ismrmrdHeader/>',
    "deep": "<a>" * 100_000 + "</a>" * 100_000,
    "many": "<a>" + "<b/>" * 300_000 + "</a>",
}


@pytest.mark.parametrize("what", BAD_HEADERS)
def test_headers_that_may_not_be_read_are_refused(server, what):
    answer = Talk(server, "default", BAD_HEADERS[what]).answer()
    assert answer.closed and "header" in answer.said("ERROR")[0]
    assert NAME not in "".join(answer.texts)


def test_not_cartesian_is_refused(server, small_scan):
    text = header_text(small_scan, kind=("<trajectory>cartesian", "<trajectory>radial"))
    answer = Talk(server, "zero-filled", text).send(acquisitions(small_scan)).answer()
    assert answer.closed and "artesian" in answer.said("ERROR")[0] and answer.images == []


@pytest.mark.parametrize("ending", [b"", b"\0", b"\0rest"])
def test_texts_end_at_their_first_nul_or_at_their_length(server, small_scan, ending):
    text = header_text(small_scan).encode() + ending
    talk = Talk(server, "zero-filled")
    talk.raw(struct.pack("<HI", 3, len(text)) + text)
    assert len(talk.send(acquisitions(small_scan)).close().answer().images) == 2


@pytest.mark.long
def test_silence_ends_a_connection_and_dripping_bytes_do_not(server, small_scan):
    silent, dripping = Talk(server), Talk(server, "zero-filled")
    text = header_text(small_scan).encode()
    dripping.raw(struct.pack("<HI", 3, len(text)))
    begun, sent = time.monotonic(), 0
    silent.socket.setblocking(False)
    while time.monotonic() - begun < 4.5:  # patience is 4 s
        dripping.raw(text[sent : sent + 1])
        sent += 1
        time.sleep(0.25)
    silent.socket.setblocking(True)
    answer = silent.answer()
    assert answer.closed and "nothing came" in answer.said("ERROR")[0]
    dripping.raw(text[sent:])
    assert len(dripping.send(acquisitions(small_scan)).close().answer().images) == 2


def test_a_client_that_reads_nothing_holds_up_no_other(server, small_scan):
    stalled = Talk(server, "zero-filled", header_text(small_scan)).send(acquisitions(small_scan)).close()
    assert len(ask(server, small_scan, "zero-filled").images) == 2
    assert len(stalled.answer().images) == 2


def test_a_client_that_goes_is_noticed(server, small_scan):
    talk = Talk(server, "posterior", header_text(small_scan)).send(acquisitions(small_scan))
    talk.out.close()
    talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.socket.close()
    assert server.event("connection", end="gone")["acquisitions"] > 0
    polite = Talk(server, "posterior", header_text(small_scan)).send(acquisitions(small_scan)).close()
    polite.out.close()
    polite.socket.close()
    assert server.event("connection", end="gone")["acquisitions"] > 0


def test_images_and_waveforms_are_read_over(server, small_scan):
    pixels = np.zeros((2, 3, 8, 9), np.complex128)
    image = ismrmrd.Image.from_array(pixels, transpose=False)
    image.attribute_string = ismrmrd.Meta({"ImageComments": "x" * 5000}).serialize()
    waveform = ismrmrd.Waveform.from_array(np.zeros((3, 50), np.uint32))
    talk = Talk(server, "zero-filled", header_text(small_scan)).send([image, waveform])
    answer = talk.send(acquisitions(small_scan)).send([waveform, image]).close().answer()
    assert len(answer.images) == 2 and answer.said("ERROR") == []
    alone = Talk(server, "zero-filled", header_text(small_scan)).send([image, waveform]).close().answer()
    assert alone.closed and "no raw data" in alone.said("WRN")[0]


def test_nothing_of_the_patient_is_repeated(server, small_scan):
    begin = ("<acquisitionSystemInformation>", PATIENT + "<acquisitionSystemInformation>")
    good = header_text(small_scan, patient=begin)
    worse = good.replace("<x>48</x>", "<x>Doe^Jane</x>", 1)
    answers = [
        ask(server, small_scan, "l1-wavelet", header=good),
        ask(server, small_scan, "l1-wavelet", header=good.replace("<trajectory>cartesian", "<trajectory>Doe^Jane")),
        ask(server, small_scan, "l1-wavelet", header=worse),
        ask(server, small_scan, "Doe^Jane", {"method": "Doe^Jane"}, header=good, slices=[0]),
    ]
    said = "".join(text for answer in answers for text in answer.texts)
    said += "".join(image.attribute_string for answer in answers for image in answer.images)
    log = server.log.read_text() + str(server.seen)
    while not server.events.empty():
        log += str(server.events.get())
    for secret in SECRETS:
        assert secret not in said and secret not in log, secret


CONFIGS = {
    b"tv.xml": ("tv", 0), b"rsdmri": ("posterior", 0), b"": ("posterior", 0), b"../../etc/passwd": ("posterior", 1),
    b"os": ("posterior", 1), b"\xff\xfe\x80": ("posterior", 1), b"null": (None, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations(server, small_scan, name):
    method, warnings = CONFIGS[name]
    talk = Talk(server, None)
    talk.raw(struct.pack("<H", 1) + name.ljust(1024, b"\0"))
    talk.send_header(header_text(small_scan))
    if method != "posterior":
        talk.send(acquisitions(small_scan))
    answer = talk.close().answer()
    assert answer.closed
    assert len([text for text in answer.said("WRN") if "known are" in text]) == warnings
    assert len(answer.images) == (2 if method == "tv" else 0)
    names = {b"tv.xml": "tv", b"rsdmri": "rsdmri", b"": "default", b"null": "null"}
    assert server.event("connection", config=names.get(name, "unknown"))["method"] == method


def test_parameters_come_as_text_or_as_config_text(server, small_scan):
    text = '{"parameters": {"method": "tv", "samples": "99", "pixels": "float32", "Unknown": 1, "preview": "False"}}'
    talk = Talk(server, None)
    talk.send([ConfigText(text)])
    talk.send_header(header_text(small_scan))
    talk.send(["no JSON at all", "[1]"])
    answer = talk.send(acquisitions(small_scan, slices=[0])).close().answer()
    assert [one.data_type for one in answer.images] == [5]
    assert any("samples" in text and "1 to 16" in text for text in answer.said("WRN"))
    assert any("Unknown" in text for text in answer.said("WRN"))


def test_raw_data_are_stored_where_that_is_asked_for(server, small_scan):
    from rsd_mri.scan.reading import read_scan

    answer = ask(server, small_scan, "savedataonly")
    assert answer.closed and answer.images == []
    (path,) = server.saved.glob("*.h5")
    assert path.name in answer.said("DBG")[0]
    with ismrmrd.Dataset(str(path), create_if_needed=False) as file:
        assert file.number_of_acquisitions() == len(acquisitions(small_scan))
        np.testing.assert_array_equal(file.read_acquisition(5).data, acquisitions(small_scan)[5].data)
    scan = read_scan(path)
    np.testing.assert_allclose(scan.kspace, small_scan.kspace * small_scan.mask, atol=1e-6)
    path.unlink()


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_do_no_harm(server, small_scan, seed):
    draw = random.Random(seed)
    parts = whole(small_scan)[:12]
    for _ in range(8):
        data = bytearray(b"".join(parts))
        for _ in range(draw.choice((1, 3, 40))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        start = draw.choice((0, 0, 1024, draw.randrange(len(data))))
        answer = exchange(server, bytes(data[start:]))
        assert answer.closed
        assert all(np.isfinite(image.data).all() for image in answer.images)
