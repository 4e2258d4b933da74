import re

from website.parameter_lists import with_lists

import preimage
from preimage.jobs.registry import JOBS
from website import api, command_line, job_pages, spec_pages


def test_every_kind_of_job_has_a_page_with_all_its_keys():
    pages = job_pages.pages()
    for job, schema in job_pages.jobs().items():
        page = pages[f"reference/jobs/{job}.md"]
        for key in schema["properties"].keys() - {*job_pages.OF_A_FILE, "job"}:
            assert f'<span id="{key}">' in page, (job, key)
    assert set(JOBS) == set(job_pages.jobs())


def test_every_link_of_a_generated_page_leads_to_a_section():
    pages = job_pages.pages()
    shared = pages["reference/settings.md"]
    for path, page in pages.items():
        for target, anchor in re.findall(r"\]\(([^)#]*)#([\w-]+)\)", page):
            where = {"": page}.get(
                target, shared if target.endswith("settings.md") else pages["reference/index.md"]
            )
            titles = [
                each.lower().replace(" ", "-") for each in re.findall(r"^## (.+)$", where, re.MULTILINE)
            ]
            assert anchor in titles, (path, target, anchor)


def test_every_shipped_spec_has_a_page_that_links_its_jobs():
    pages = spec_pages.pages()
    demo = pages["reference/specs/demo.md"]
    assert "[`train-gan`](../jobs/train-gan.md)" in demo
    assert set(job_pages.jobs()) >= set(re.findall(r"\.\./jobs/([\w-]+)\.md", "".join(pages.values())))


def test_the_command_line_s_page_has_whole_sentences():
    page = command_line.pages()["reference/command-line.md"]
    assert "## `preimage run`" in page
    assert "..." not in re.findall(r"^\* `run`: (.*)$", page, re.MULTILINE)[0]


def test_the_api_s_page_has_every_exported_name():
    page = api.pages()["reference/api.md"]
    assert {f"::: preimage.{name}" in page for name in preimage.__all__ if name not in api.ELSEWHERE} == {
        True
    }


def test_descriptions_of_parameters_become_a_list():
    text = "Find.\n\nimages: (N, d) floats; `a`. seed, ids: whole\nnumbers. Raises Error: now.\n\nMore: text."
    assert with_lists(text, {"images", "seed", "ids"}) == (
        "Find.\n\n- `images`: (N, d) floats; `a`.\n- `seed`, `ids`: whole numbers. Raises Error: now."
        "\n\nMore: text."
    )
