"""Optuna's dashboard of all studies under some results."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from preimage.errors import SpecError
from preimage.storage.folder import Folder
from preimage.tuning.all_studies import AllStudies
from preimage.tuning.trial_pictures import TrialPictures

PICTURES = "/artifacts/"


def dashboard(studies: AllStudies, runs: Folder) -> Callable[..., Iterable[bytes]]:
    """The dashboard as a WSGI application. It asks the studies, and the runs for pictures."""
    from optuna_dashboard import wsgi

    logging.getLogger("optuna_dashboard").setLevel(logging.ERROR)
    pictures = TrialPictures(runs)
    app = wsgi(studies, artifact_store=pictures)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PICTURES):
            return app(environ, start)
        # By the dashboard, a journal would choose the type, and thereby scripts.
        png = pictures.find(path.rpartition("/")[2])
        start("200 OK" if png else "404 Not Found", [("Content-Type", "image/png" if png else "text/plain")])
        return [png or b"there is no such picture"]

    return answer


def page_of(studies: AllStudies, name: str | None) -> str:
    """The path of a study's page, or of the list of all. Raises SpecError if it has no journal yet."""
    if name is None:
        return "dashboard"
    if (id_ := studies.id_of(name)) is None:
        raise SpecError(f"{name} has nothing to show yet: its journal is written when its trials begin")
    return f"dashboard/studies/{id_}"
