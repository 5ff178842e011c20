"""Options of functional forms: read, checked, explained."""

import pytest

from pesforge.errors import SettingsError
from pesforge.fitting.heads import NeuralOptions
from pesforge.fitting.mace_options import MaceOptions
from pesforge.fitting.models import FITTERS, OPTIONS, fitter_of
from pesforge.fitting.options import read_options, split_options


def test_values_are_read_as_what_they_are():
    neural = read_options("ace-neural", NeuralOptions, {"members": "5", "widths": "8, 16", "dropout": "0.1"})
    assert (neural.members, neural.widths, neural.dropout) == (5, (8, 16), 0.1)
    mace = read_options("mace", MaceOptions, {"from": "some/folder", "max_seconds": "90", "device": "cpu"})
    assert (str(mace.start), mace.max_seconds, mace.device, mace.channels) == ("some/folder", 90.0, "cpu", None)


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        ("mace", {"chanels": "8"}, "Did you mean 'channels'"),
        ("mace", {"channels": "many"}, "channels: found 'many'"),
        ("mace", {"average": "1.0"}, "less than 1"),
        ("mace", {"device": "gpu"}, "'auto', 'cpu' or 'cuda'"),
        ("ace-neural", {"widths": "16,x"}, "'x'"),
        ("ace-neural", {"members": "0"}, "greater than or equal to 1"),
        ("pair", {"members": "2"}, "has no options"),
        ("ace", {"zbl": "perhaps"}, "zbl: found 'perhaps'"),
    ],
)
def test_mistakes_are_explained(model, given, message):
    with pytest.raises(SettingsError, match=message):
        fitter_of(model, given)


@pytest.mark.parametrize(
    ("given", "message"), [(["seed"], "write name=value"), (["seed="], "write name=value"), (["a=1", "a=2"], "twice")]
)
def test_an_option_is_a_name_and_a_value(given, message):
    assert split_options(["work=a=b", "seed = 1"]) == {"work": "a=b", "seed": "1"}
    with pytest.raises(SettingsError, match=message):
        split_options(given)


def test_options_belong_to_known_models():
    assert set(OPTIONS) <= set(FITTERS)
