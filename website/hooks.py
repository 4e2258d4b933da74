"""What MkDocs calls while it builds the site: adds the generated pages, and mends links that leave docs/."""

from collections.abc import Iterator
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from website import api, command_line, gallery, job_pages, spec_pages
from website.outside import DOCS, MOVED, ROOT, files_of, page_of, source_page, targets, with_links

_origin: dict[str, str] = {}
"""The file in the repository that a page of the site was made from, where it is not in docs/."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name the generated pages in the navigation."""
    reference = next(each["Reference"] for each in config.nav or [] if "Reference" in each)
    if config.nav:
        config.nav[1:1] = gallery.navigation()
    reference[:] = [*job_pages.navigation(), *spec_pages.navigation(), *reference]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and a page of each file outside docs/ that a page links to."""
    _origin.clear()
    generated = gallery.pages() | job_pages.pages() | spec_pages.pages()
    generated |= command_line.pages() | api.pages()
    for path, text in generated.items():
        files.append(File.generated(config, path, content=text))
    for origin, path in MOVED.items():
        if not files.get_file_from_path(path):
            _origin[path] = origin
            files.append(File.generated(config, path, content=(ROOT / origin).read_text()))
    for origin in _linked():
        path = page_of(origin)
        if not files.get_file_from_path(path):
            _origin[path] = "docs/index.md"  # a folder's links are written from docs/
            files.append(File.generated(config, path, content=source_page(origin)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links that leave docs/ to the site's own pages."""
    path = page.file.src_uri
    origin = _origin.get(path)
    if origin is None and page.file.generated_by:
        return markdown
    return with_links(markdown, origin or f"docs/{path}", path)


def _linked() -> Iterator[str]:
    """Files and folders without a page that some page links to, and the files of such a folder."""
    pages = [*DOCS.rglob("*.md"), *(ROOT / each for each in MOVED)]
    named = {each for page in pages for each in targets(page.read_text(), str(page.relative_to(ROOT)))}
    folders = {each for each in named if (ROOT / each).is_dir()}
    inside = {str(file.relative_to(ROOT)) for each in folders for file in files_of(ROOT / each)}
    files = {each for each in named | inside if not each.startswith("docs/") and (ROOT / each).is_file()}
    yield from sorted(folders | files)
