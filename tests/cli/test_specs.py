"""The specs that come with Preimage: listed, printed, run by name, and copied to be changed."""

from pathlib import Path

import pytest
import yaml

from preimage.specs.shipped import names, schema_file, shipped_spec
from shell import SPEC, Shell

REPOSITORY = Path(__file__).parents[2]
HEAD = "# yaml-language-server: $schema=schema.json\n"


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path):
    """In an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


def test_all_are_listed_with_their_profiles_and_what_they_are_for(shell):
    said = shell("specs")
    assert (said.code, said.err) == (0, "")
    rows = {line.split()[0]: line for line in said.out.splitlines() if line.split()[:1]}
    for path in (*REPOSITORY.glob("jobs/*.yaml"), *REPOSITORY.glob("tuning/*.yaml")):
        profiles = ", ".join(yaml.safe_load(path.read_text())["profiles"])
        assert f" {profiles}  " in rows[path.stem], path
        assert len(rows[path.stem].split(profiles)[1].split()) > 2, path


def test_one_is_printed_as_it_is(shell):
    assert shell("specs", "glo").out == (REPOSITORY / "jobs/glo.yaml").read_text()


def test_no_two_have_the_same_name():
    assert len(set(names())) == len(names())


@pytest.mark.parametrize("verb", ["specs", "copy"])
def test_an_unknown_name_is_told_the_nearest(shell, verb):
    said = shell(verb, "dcgna")
    assert (said.code, said.err) == (2, "error: 'dcgna': no such shipped spec; did you mean 'dcgan'?\n")


def test_a_name_is_a_spec_wherever_one_is_but_a_file_comes_first(shell):
    named = shell("plan", "pca")
    by_path = shell("plan", shipped_spec("pca"))
    assert named.code == by_path.code == 0
    assert named.out == by_path.out
    Path("pca").write_text(SPEC)
    assert "train-gan" in shell("plan", "pca").out


@pytest.mark.parametrize("name", ["glo", "pag-study"])
def test_a_copy_can_be_planned_and_has_its_schema_beside_it(shell, name):
    said = shell("copy", name, "mine")
    assert (said.code, said.err) == (0, "")
    made, source = Path(f"mine/{name}.yaml").read_text(), shipped_spec(name).read_text()
    assert made.startswith(HEAD)
    assert made.splitlines()[1:] == source.splitlines()[1:]
    assert Path("mine/schema.json").read_bytes() == schema_file().read_bytes()
    assert f"preimage plan mine/{name}.yaml" in said.out


def test_a_copy_replaces_nothing_unless_it_is_told_to(shell):
    Path("glo.yaml").write_text("mine")
    Path("schema.json").write_text("mine too")
    said = shell("copy", "glo")
    assert (said.code, said.err) == (
        2,
        "error: glo.yaml is there already: choose another folder, or replace it with --force\n",
    )
    assert (Path("glo.yaml").read_text(), Path("schema.json").read_text()) == ("mine", "mine too")
    Path("glo.yaml").unlink()
    assert "schema.json was there already, differs, and was kept" in shell("copy", "glo", ".").out
    assert Path("schema.json").read_text() == "mine too"
    assert shell("copy", "glo", "--force").code == 0
    assert Path("schema.json").read_bytes() == schema_file().read_bytes()


def test_a_folder_that_cannot_be_written_to_is_one_message(shell):
    Path("taken").write_text("")
    said = shell("copy", "glo", "taken")
    assert said.code == 2
    assert said.err.startswith("error: cannot write to taken: ")
