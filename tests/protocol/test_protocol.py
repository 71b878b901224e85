"""Protocols: every field checked, every shipped file valid."""

import pytest

from rsd_mri.errors import InputError
from rsd_mri.protocol import Protocol, build, load_protocol, protocol_for_acceleration, protocol_names


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


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mask": {"acs_width": 3}}, r"mask: unknown key 'acs_width'; known keys: kind, acceleration"),
        ({"teacher": {"learning_rate": "1e-4"}}, r"teacher\.learning_rate: .*write 1\.0e-4, not 1e-4"),
        ({"mask": {"kind": "spiral"}}, r"mask\.kind: expected one of uniform"),
        ({"network": {"multipliers": 3}}, r"network\.multipliers: expected a list"),
        ({"seed": True}, r"seed: expected int"),
        ({"mask": 4}, r"mask: expected a mapping"),
    ],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(InputError, match=message):
        build(Protocol, values, "file.yaml")


def test_set_changes_one_value():
    changed = Protocol().with_values({"mask.acceleration": "8", "network.multipliers": "[1, 2]"})
    assert changed.mask.acceleration == 8.0
    assert changed.network.multipliers == (1, 2)
    assert changed.teacher == Protocol().teacher
    with pytest.raises(InputError, match="unknown key 'masks'"):
        Protocol().with_values({"masks.acceleration": "8"})


def test_bad_file_is_one_sentence(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("a: [1,")
    with pytest.raises(InputError, match="not readable as YAML"):
        load_protocol(path)
    with pytest.raises(InputError, match="no protocol named 'nothing'"):
        load_protocol("nothing")
