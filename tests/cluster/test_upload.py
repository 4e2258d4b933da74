import io
import shutil
from zipfile import ZipFile

import pytest

from preimage.cluster.upload import PACKAGE, collect, packages_of
from preimage.errors import PreimageError


@pytest.fixture
def package(tmp_path):
    """A copy of this package, to be spoilt."""
    return shutil.copytree(PACKAGE, tmp_path / "preimage", ignore=shutil.ignore_patterns("__pycache__"))


def test_the_upload_is_all_source_of_the_package_and_nothing_compiled(package):
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "old.pyc").write_bytes(b"x")
    found = collect([package])
    files = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    source = {f"preimage/{path.relative_to(package)}" for path in files}
    assert found.files.keys() == source
    assert found.mebibytes == pytest.approx(sum(found.files.values()) / 2**20)
    sizes = [size for _, size in found.largest()]
    assert len(sizes) == 5
    assert sizes == sorted(found.files.values(), reverse=True)[:5]
    with ZipFile(io.BytesIO(found.archive)) as archive:
        assert set(archive.namelist()) == source


@pytest.mark.parametrize("name", [".gitignore", ".rayignore"])
def test_an_ignore_file_that_would_drop_source_is_refused(package, name):
    """The pattern of a data folder, as anyone would write it, which is also the name of one of our rooms."""
    (package / name).write_text("data/\n*.log\n")
    with pytest.raises(PreimageError, match=r"would lack preimage/data/.*and \d+ more.*" + name):
        collect([package])


def test_an_ignore_file_of_rubbish_is_fine(package):
    (package / ".gitignore").write_text("*.log\n")
    (package / "old.log").write_text("x")
    assert not any(path.endswith("old.log") for path in collect([package]).files)


def test_named_modules_are_sent_with_their_packages_and_a_single_file_as_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mypkg").mkdir()
    (tmp_path / "mypkg" / "nets.py").write_text("two = 2")
    (tmp_path / "alone.py").write_text("one = 1")
    sent = collect(packages_of(["mypkg.nets", "mypkg.other", "alone"]))
    assert sent.files == {"mypkg/nets.py": 7, "alone/__init__.py": 7}
    for name in ("no_such_package.nets", "sys", ""):
        with pytest.raises(PreimageError, match=f"no module '{name.partition('.')[0]}' to submit"):
            packages_of([name])
