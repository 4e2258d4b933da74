"""The ledger in the tree: it is built from what stands beside it, and leaves nothing of the papers out."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from papers_contents import ITEMS, NUMBERS
from preimage.jobs import published
from preimage.specs.load import load
from preimage.specs.study import is_study, loads_study
from reproduction.claims import PAPERS, Claim, read_papers
from reproduction.page import anchor, build
from reproduction.printed import CONSTANTS, parts
from reproduction.records import read_all, text_of
from reproduction.verdicts import judge, recorded, values

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reproduction"
PRIVATE = re.compile(r"://|(?<![\w.])[~.]{0,2}/\w|\\\\|@")
"""A path, an address, a user at a host."""
LEDGER = read_papers(FOLDER / "papers")
CLAIMS = {anchor(name, claim): claim for name, paper in LEDGER.items() for claim in paper.claims}
RECORDS = read_all(FOLDER)


def of(paper: str, item: str) -> list[Claim]:
    """The claims that answer an item, such as `Table 1`."""
    claims = LEDGER[paper].claims
    return [claim for claim in claims if re.search(rf"(?<!\w){re.escape(item)}(?!\w)", claim.where)]


def test_the_page_is_what_the_records_and_claims_make():
    assert (ROOT / "docs" / "reproduction.md").read_text() == build(FOLDER), "run `make ledger`"


@pytest.mark.parametrize("paper", PAPERS)
def test_every_table_figure_and_theorem_has_a_row(paper):
    assert [item for item in ITEMS[paper] if not of(paper, item)] == []


@pytest.mark.parametrize("paper", PAPERS)
def test_every_printed_number_has_a_row(paper):
    for item, numbers in NUMBERS[paper].items():
        claims = of(paper, item)
        text = " ".join(f"{each.says} {each.data}" for each in claims).replace(",", "")
        said = {float(each) for each in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?", text)}
        known = said | {each for claim in claims for each in claim.printed.values()}
        assert [each for each in numbers if each not in known] == [], item


def test_every_published_number_is_referred_to_and_typed_once():
    typed = {name: yaml.safe_load((FOLDER / "papers" / f"{name}.yaml").read_text()) for name in PAPERS}
    of_claims = {
        name: {value for claim in each["claims"] for value in claim.get("paper", {}).values()}
        for name, each in typed.items()
    }
    for constant, paper in CONSTANTS.items():
        for which, found in parts(constant).items():
            reference = f"{constant} {which}".strip()
            assert any(reference in str(each.published) for each in CLAIMS.values()), reference
            assert not of_claims[paper] & set(found.values()), reference


def test_the_published_numbers_are_all_known_here():
    kinds = (tuple, dict, published.Published)
    held = {name for name, each in vars(published).items() if name.isupper() and isinstance(each, kinds)}
    assert held - {name for name in held if name.startswith("_")} == CONSTANTS.keys()


def test_a_row_without_a_record_says_how_to_make_one():
    for name, claim in CLAIMS.items():
        if judge(claim, RECORDS).is_ in ("missing", "needs a GPU", "needs a file"):
            assert claim.command, name
            assert claim.takes, name


@pytest.mark.parametrize("command", sorted({each.command for each in CLAIMS.values() if each.command}))
def test_commands_name_specs_profiles_and_keys_that_exist(command):
    words = shlex.split(command)
    assert words[:2] == ["preimage", "run"]
    spec, rest = ROOT / words[2], words[3:]
    profile = rest.pop(rest.index("--profile") + 1) if "--profile" in rest else None
    changes = [each for each in rest if each != "--profile"]
    if is_study(spec.read_text(), str(spec)):
        loads_study(spec.read_text(), str(spec), spec.stem, profile, changes)
    else:
        load(spec, profile, changes)


def test_what_a_recorded_claim_asks_for_is_in_its_records():
    for row, claim in CLAIMS.items():
        found = values(claim, RECORDS)
        for name, each in claim.ours.items():
            if recorded(claim.model_copy(update={"runs": each.runs or claim.runs, "ours": {}}), RECORDS):
                assert name in found, f"{row}: no record has {each.metric}"


def test_every_record_answers_a_claim():
    used = {name for claim in CLAIMS.values() for name in recorded(claim, RECORDS)}
    assert used == RECORDS.keys()


def test_records_are_as_written_and_name_no_place():
    for name, record in RECORDS.items():
        text = (FOLDER / f"{name}.json").read_text()
        assert text == text_of(record), name
        assert not PRIVATE.search(text), name


def test_nothing_in_the_house_knows_the_ledger():
    for path in (ROOT / "platform").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) reproduction\b", path.read_text(), re.MULTILINE), path
