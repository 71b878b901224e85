"""Protocols: every field checked, every shipped file valid."""

import dataclasses

import jsonschema
import pytest
import yaml

from rsd_mri.corruption.build import BUILDERS
from rsd_mri.errors import InputError
from rsd_mri.protocol import (
    CorruptionSettings,
    GaussianBlurSettings,
    ImageCorruptionSettings,
    MaskSettings,
    NoiseSettings,
    Protocol,
    TeacherSettings,
    build,
    load_protocol,
    protocol_folder,
    protocol_for_acceleration,
    protocol_names,
    schema,
)
from rsd_mri.protocol.sentences import members

CHECKER = jsonschema.Draft202012Validator(schema())
EARLIER = """\
kind: gaussian-blur
sigma: 0.2
shown: pseudo-inverse
p: 0.6
delta: 0.1
box: 16
kernel_size: 9
kernel_std: 2.0
factor: 2
"""
"""As versions before the settings of corruptions were told apart wrote it into runs and weights."""


@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_loads_and_survives_a_round_trip(name, tmp_path):
    protocol = load_protocol(name)
    assert protocol.name == name
    path = tmp_path / "copy.yaml"
    path.write_text(protocol.to_yaml())
    assert load_protocol(path) == protocol
    assert load_protocol(path).hash == protocol.hash


def test_acceleration_picks_the_protocol():
    assert protocol_for_acceleration(4).name == "mri-r4"
    with pytest.raises(InputError, match=r"--accel 5: no protocol .* mri-r4 \(4\)"):
        protocol_for_acceleration(5)


BAD = [
    ({"mask": {"acs_width": 3}}, r"mask: unknown key 'acs_width'; known keys: kind, acceleration"),
    ({"msk": {}}, r"file\.yaml: unknown key 'msk'.*near it: mask"),
    ({"teacher": {"learning_rate": "1e-4"}}, r"teacher\.learning_rate: expected a number, got '1e-4'"),
    ({"mask": {"kind": "posson"}}, r"mask\.kind: expected one of uniform, .*got 'posson'; near it: poisson"),
    ({"network": {"multipliers": 3}}, r"network\.multipliers: expected a list"),
    ({"network": {"multipliers": [1, "2"]}}, r"network\.multipliers\.1: expected a whole number, got '2'"),
    ({"network": {"multipliers": []}}, r"network\.multipliers: expected a list of at least 1"),
    ({"network": {"gated": 1}}, r"network\.gated: expected true or false, got 1"),
    ({"seed": True}, r"file\.yaml: seed: expected a whole number, got True"),
    ({"name": 3}, r"name: expected a text, got 3"),
    ({"mask": 4}, r"mask: expected a mapping of settings, got int"),
    ({"mask": {"acceleration": 0}}, r"mask\.acceleration: expected at least 1, got 0"),
    ({"teacher": {"learning_rate": -0.1}}, r"teacher\.learning_rate: expected at least 0, got -0\.1"),
    ({"teacher": {"sigma_data": float("nan")}}, r"teacher\.sigma_data: expected a finite number"),
    ({"teacher": {"batch": 0}}, r"teacher\.batch: expected at least 1, got 0"),
    ({"teacher": {"images": 1.5}}, r"teacher\.images: expected a whole number, got 1\.5"),
    ({"sampler": {"sigma_min": 90.0}}, r"sampler: expected sigma_max above sigma_min, got 80 and 90"),
    ({"corruption": 4}, r"corruption: expected a mapping of settings, got int"),
    ({"corruption": {"kind": "blur"}}, r"corruption\.kind: expected one of undersampling, noise, .*got 'blur'"),
    ({"corruption": {"kind": "noise", "box": 3}}, r"corruption: unknown key 'box' of noise; known keys: kind, sigma$"),
    ({"corruption": {"sigma": 0.2}}, r"corruption: unknown key 'sigma' of undersampling; known keys: kind, shown"),
    ({"corruption": {"kind": "random-inpainting", "p": 1}}, r"corruption\.p: expected less than 1, got 1"),
    ({"corruption": {"kind": "gaussian-blur", "kernel_size": 4}}, r"corruption\.kernel_size: expected an odd number"),
]


@pytest.mark.parametrize(("values", "message"), BAD)
def test_bad_values_are_named(values, message):
    with pytest.raises(InputError, match=message) as caught:
        build(Protocol, values, "file.yaml")
    assert "\n" not in str(caught.value)


def test_the_path_goes_on_from_a_part_of_a_file():
    with pytest.raises(InputError, match=r"^x\.safetensors: protocol\.mask\.acceleration: expected at least 1"):
        build(Protocol, {"mask": {"acceleration": 0.5}}, "x.safetensors: protocol")


def test_settings_made_in_python_are_checked_too():
    with pytest.raises(InputError, match=r"^MaskSettings: acceleration: expected at least 1, got 0$"):
        MaskSettings(acceleration=0)
    with pytest.raises(InputError, match=r"^MaskSettings: kind: expected one of uniform"):
        MaskSettings("spiral")
    with pytest.raises(InputError, match=r"acceleration: expected at least 1, got 0\.5"):
        dataclasses.replace(Protocol().mask, acceleration=0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Protocol().mask.acceleration = 8.0


def test_set_changes_one_value():
    changed = Protocol().with_values({"mask.acceleration": "8", "network.multipliers": "[1, 2]"})
    assert changed.mask.acceleration == 8.0
    assert changed.network.multipliers == (1, 2)
    assert changed.teacher == Protocol().teacher
    with pytest.raises(InputError, match="unknown key 'masks'.*near it: mask"):
        Protocol().with_values({"masks.acceleration": "8"})


def test_another_kind_leaves_behind_what_it_does_not_have():
    noise = Protocol(corruption=NoiseSettings(sigma=0.3))
    blur = noise.with_values({"corruption.kernel_std": "1.5", "corruption.kind": "gaussian-blur"})
    assert blur.corruption == GaussianBlurSettings(sigma=0.3, kernel_std=1.5)
    with pytest.raises(InputError, match="unknown key 'shown' of gaussian-blur"):
        blur.with_values({"corruption.shown": "adjoint"})


def test_every_kind_has_a_law():
    assert set(members(ImageCorruptionSettings).values()) == set(BUILDERS)
    assert set(members(CorruptionSettings)) == {"undersampling", *members(ImageCorruptionSettings)}


def test_runs_and_weights_of_earlier_versions_are_read_and_continued():
    earlier = build(Protocol, {"corruption": yaml.safe_load(EARLIER)}, "run")
    assert earlier.corruption == GaussianBlurSettings(sigma=0.2)
    # What version 0.1 wrote into the checkpoints of its default protocol, which left nothing to the data.
    assert (
        dataclasses.replace(Protocol(), teacher=TeacherSettings(sigma_data=0.35, sigma_hidden=0.0)).hash
        == "01b1a55db980dd6eee6b9bcd4921016389facca2f71e6bc997207651fff3b4c8"
    )
    # Part of such a text is none: what a kind does not have is refused.
    with pytest.raises(InputError, match="unknown key 'shown' of gaussian-blur"):
        build(Protocol, {"corruption": {**yaml.safe_load(EARLIER), "more": 1}}, "run")


@pytest.mark.parametrize("name", protocol_names())
def test_editors_accept_every_protocol(name):
    CHECKER.validate(yaml.safe_load((protocol_folder() / f"{name}.yaml").read_text()))
    CHECKER.validate(yaml.safe_load(load_protocol(name).to_yaml()))


def test_editors_mark_what_is_refused_and_show_what_a_setting_means():
    CHECKER.check_schema(CHECKER.schema)
    # Wrong order of two numbers and an even kernel are beyond a schema.
    for values, message in BAD:
        if "sigma_max" not in message and "odd" not in message and "finite" not in message:
            assert not CHECKER.is_valid(values), values
    teacher = CHECKER.schema["$defs"]["TeacherSettings"]["properties"]
    assert teacher["ema_halflife"]["description"] == "Half-life of the averaged weights [images]."


def test_bad_file_is_one_sentence(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("a: [1,")
    with pytest.raises(InputError, match="not readable as YAML"):
        load_protocol(path)
    with pytest.raises(InputError, match="no protocol named 'nothing'"):
        load_protocol("nothing")


@pytest.mark.parametrize("text", ["1e-4", "5E-5", "1e3", "1.0e-4"])
def test_numbers_may_have_no_point_before_their_exponent(text, tmp_path):
    """As in YAML 1.2 and JSON; PyYAML alone takes the first three for texts."""
    protocol = Protocol().with_values({"teacher.learning_rate": text})
    assert protocol.teacher.learning_rate == float(text)
    path = tmp_path / "some.yaml"
    path.write_text(f"name: '1e5'\nteacher:\n  learning_rate: {text}\n")
    read = load_protocol(path)
    assert (read.name, read.teacher.learning_rate) == ("1e5", float(text))
    path.write_text(read.to_yaml())
    assert load_protocol(path) == read
