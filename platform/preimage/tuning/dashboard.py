"""Optuna's dashboard of all studies under some results."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from preimage.errors import SpecError
from preimage.storage.folder import Folder
from preimage.tuning.all_studies import AllStudies
from preimage.tuning.trial_pictures import TrialPictures


def dashboard(studies: AllStudies, runs: Folder) -> Callable[..., Iterable[bytes]]:
    """The dashboard as a WSGI application. It asks the studies, and the runs for pictures."""
    from optuna_dashboard import wsgi

    logging.getLogger("optuna_dashboard").setLevel(logging.ERROR)
    app = wsgi(studies, artifact_store=TrialPictures(runs))

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        def begin(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            # the dashboard lets a journal choose the type, and thereby scripts
            kept = [(name, value) for name, value in headers if name.lower() != "content-type"]
            return start(status, [*kept, ("Content-Type", "image/png")], *error)

        is_picture = environ.get("PATH_INFO", "").startswith("/artifacts/")
        return app(environ, begin if is_picture else start)

    return answer


def page_of(studies: AllStudies, name: str | None) -> str:
    """The path of a study's page, or of the list of all. Raises SpecError if it has no journal yet."""
    if name is None:
        return "dashboard"
    shown = {each.study_name: each._study_id for each in studies.get_all_studies()}
    if name not in shown:
        raise SpecError(f"{name} has nothing to show yet: its journal is written when its trials begin")
    return f"dashboard/studies/{shown[name]}"
