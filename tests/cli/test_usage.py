"""What is wrong with a command line is one line; what it leaves out is listed."""

from pathlib import Path

import pytest

from preimage import __version__
from preimage.cli.usage import completed
from shell import SPEC, Shell

REPOSITORY = Path(__file__).parents[2]
PROFILES = """
profiles:
  small: {training.total_images: 240}
  wide: {model.base_channels: 8}
"""


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path):
    (tmp_path / "job.yaml").write_text(
        "# A job.\n#   small     half the images. Not more\n" + SPEC + PROFILES
    )
    (tmp_path / "plain.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "no such command 'rnu': did you mean 'run'? See preimage --help"),
        (["store", "shwo"], "no such command 'shwo': did you mean 'show'? See preimage store --help"),
        (["plain.yaml"], "'plain.yaml' is a file, not a command: preimage run plain.yaml"),
        (["demo"], "'demo' is a spec, not a command: preimage run demo"),
        (["run", "--jsn"], "no such option --jsn: did you mean --json? See preimage run --help"),
        (["status"], "missing argument 'SUBMISSION'. See preimage status --help"),
        (
            ["ui", "--port", "abc"],
            "invalid value for '--port': it should be a valid integer. See preimage ui --help",
        ),
        (
            ["store", "show", "x", "--worst", "0"],
            "invalid value for '--worst': it should be greater than or equal to 1. See preimage store show "
            "--help",
        ),
        (
            ["study", "pick", "x", "0", "good"],
            "invalid value for 'name': 'good' is not one of 'best', 'worst'. See preimage study pick --help",
        ),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_words_that_no_verb_takes_are_one_line(shell, words, message):
    said = shell(*words)
    assert (said.code, said.out, said.err) == (2, "", f"error: {message}\n")


def test_the_version(shell):
    assert shell("--version").out == f"preimage {__version__}\n"


@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_help_cuts_nothing_at_any_width(shell, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    for words in (["run"], ["store", "import"], ["generator", "export"], ["submit"]):
        said = shell(*words, "-h")
        assert (said.code, "…" in said.out) == (0, False), words
        assert max(map(len, said.out.splitlines())) <= int(width) + 1


def test_without_a_spec_those_that_ship_are_listed(shell):
    for verb in ("run", "plan", "submit"):
        said = shell(verb)
        assert (said.code, said.err) == (2, "")
        for path in (*REPOSITORY.glob("jobs/*.yaml"), *REPOSITORY.glob("tuning/*.yaml")):
            (line,) = (each for each in said.out.splitlines() if each.startswith(path.stem + " "))
            assert len(line.split()) > 3, "it says what it is for"
        assert f"preimage {verb} demo" in said.out


@pytest.mark.parametrize("option", [["--profile"], ["-p"], ["--profile", "--fresh"], ["--profile="]])
def test_profiles_are_listed_with_what_they_are_for(shell, option):
    said = shell("run", "job.yaml", *option)
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split(maxsplit=1) == ["small", "half the images."]
    assert lines[1].split(maxsplit=1) == ["wide", "model.base_channels=8"]
    assert not Path("results").exists()


def test_profiles_of_a_spec_that_has_none(shell):
    said = shell("plan", "plain.yaml", "-p")
    assert (said.code, said.err) == (2, "error: plain.yaml: the spec has no profiles\n")


def test_every_shipped_profile_says_what_it_is_for():
    from preimage.specs.header import header_of
    from preimage.specs.profiles import profiles_in
    from preimage.specs.yaml_lines import parse

    for path in (*REPOSITORY.glob("jobs/*.yaml"), *REPOSITORY.glob("tuning/*.yaml")):
        text = path.read_text()
        assert header_of(text).sentence, path
        assert profiles_in(parse(text, path.name), path.name).keys() <= header_of(text).remarks.keys(), path


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("run a.yaml -p small", "run a.yaml -p small"),
        ("run a.yaml --profile", "run a.yaml --profile="),
        ("submit a.yaml -p --json", "submit a.yaml --profile= --json"),
        ("run a.yaml -- -p", "run a.yaml -- -p"),
        ("ui -p", "ui -p"),
    ],
)
def test_a_profile_without_a_name_is_an_empty_one(words, made):
    assert completed(words.split()) == made.split()
