"""The verb `browse`."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from preimage.cli import complete
from preimage.cli.listening import HOSTS, LOCAL, allowed_hosts, require_free
from preimage.cli.options import RootOption
from preimage.cli.screen import line
from preimage.extras import require

if TYPE_CHECKING:
    from preimage.browsing.points import Points
    from preimage.browsing.subject import Subject


def browse(
    run: Annotated[
        str,
        typer.Argument(
            help="A run by its name, its folder or its MLflow run id; a store's or a generator's folder; or "
            "a model in MLflow.",
            metavar="RUN",
            autocompletion=complete.runs,
        ),
    ],
    method: Annotated[
        Literal["tsne", "pca"] | None,
        typer.Option(
            "--map",
            help="How codes are laid out: t-SNE, which shows clusters, or the first two principal "
            "components. Default: t-SNE of up to 10,000 found codes. Made once, and kept beside the store.",
            show_default=False,
        ),
    ] = None,
    static: Annotated[
        str | None,
        typer.Option(
            help="Write one HTML file with the map and thumbnails instead, which needs no server.",
            metavar="FILE",
        ),
    ] = None,
    selections: Annotated[
        str | None,
        typer.Option(
            help="Keep selections of images in this folder. Default: the browser downloads them.",
            metavar="FOLDER",
        ),
    ] = None,
    results: RootOption = None,
    code: Annotated[
        list[str] | None,
        typer.Option(
            help="A Python module, such as mypkg.nets, whose code may build an imported generator; "
            "repeatable.",
            metavar="MODULE",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. On any but 127.0.0.1 the page asks for the token in the printed "
            "address, which travels unencrypted: use it on networks that you trust, or better a tunnel "
            f"(ssh -L). List names other than private addresses in {HOSTS}=NAME:PORT."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5006,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in this machine's browser.")
    ] = False,
) -> None:
    """Look into a latent space in the browser: a map of all codes; sliders, walks, sums, completions and
    samples, decoded as you move. It changes nothing; Ctrl-C stops it.

    The page is served to this machine alone, and other sites' pages cannot read it. On another --host it asks
    for a new random token, which the printed address holds. No file of yours is served.

    Examples: preimage browse demo-run; preimage browse invert-3f2a --map pca --open; preimage browse glo-a81c
    --selections picked; preimage browse invert-3f2a --static map.html
    """
    require("preimage browse", "bokeh", "scikit-learn")
    if static:
        _require_writable(static)
    else:
        require_free(host, port)
    from preimage.library.browse import open_subject

    console = Console()
    line(console, f"opening {run}")
    subject = open_subject(run, results, code or ())
    for each in subject.missing:
        line(console, ("not shown: ", "bold"), each)
    for each in subject.notes:
        line(console, each)
    points = _points(console, subject, method)
    if static:
        _write_static(console, subject, points, static)
    else:
        _serve(console, subject, points, selections, host, port, open_page)


def _points(console: Console, subject: "Subject", method: Literal["tsne", "pca"] | None) -> "Points":
    from preimage.browsing.maps import usual_method
    from preimage.browsing.points import points_of
    from preimage.pipelines.progress import showing

    with showing(console) as show:
        return points_of(subject, method or usual_method(subject), show.task)


def _require_writable(file: str) -> None:
    """Before the map is made, which may take a minute."""
    from preimage.browsing.static.write import require_writable

    require_writable(file)


def _write_static(console: Console, subject: "Subject", points: "Points", file: str) -> None:
    from preimage.browsing.static.write import write_static

    write_static(subject, points, file)
    line(console, f"wrote {file}")


def _serve(
    console: Console,
    subject: "Subject",
    points: "Points",
    selections: str | None,
    host: str,
    port: int,
    open_page: bool,
) -> None:
    from preimage.browsing.page.guard import guard_of
    from preimage.browsing.page.serve import serve
    from preimage.storage.folder import Folder

    guard = guard_of(allowed_hosts(host), LOCAL, host, port)
    query = f"?token={guard.token}" if guard.token else ""
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/{query}"

    def ready() -> None:
        line(console, f"{subject.name}: {subject.count:,} codes; Ctrl-C stops it\n{address}")
        if open_page:
            import webbrowser

            webbrowser.open(address)

    folder = Folder.at(selections) if selections else None
    serve(subject, points, guard, host, folder, ready)
