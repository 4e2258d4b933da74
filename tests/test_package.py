"""What everybody expects of a package: its version, its license, its public names."""

from importlib.metadata import metadata
from pathlib import Path

import pytest
import yaml

import preimage

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    installed = metadata("preimage")
    assert preimage.__version__ == installed["Version"] == citation["version"]
    assert installed["License-Expression"] == citation["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert (Path(preimage.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("name", preimage.__all__)
def test_every_public_name_is_there(name):
    assert getattr(preimage, name)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'invertt'"):
        _ = preimage.invertt
