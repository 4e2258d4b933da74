"""All studies under some results as one storage of Optuna's, read from their journals while these grow."""

import json
import logging
import threading
from collections.abc import Container, Sequence
from copy import copy, deepcopy
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from preimage.errors import FormatError, StorageError
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.tuning.journal_file import FILE

log = logging.getLogger(__name__)

LOCAL_S, REMOTE_S = 1.0, 5.0
"""Seconds between two looks at the same place, at least: on this machine, and elsewhere."""
TRIALS = 10_000_000
"""More than any study has: trial n of study s has the id s * TRIALS + n."""


class AllStudies(BaseStorage):
    """A storage that only reads. Studies go by their spec's name and their run's, and are numbered in the
    order in which they were begun, or found."""

    def __init__(self, runs: Folder) -> None:
        self.runs = runs
        self._every = LOCAL_S if runs.is_local else REMOTE_S
        self._studies: dict[str, _Study] = {}
        self._refused: set[str] = set()
        self._looked: float | None = None
        self._looking = threading.RLock()
        self.look()

    def look(self) -> None:
        """Find new studies, unless it is too soon. One whose journal cannot be read is not there."""
        with self._looking:
            now = self.runs.storage.clock.monotonic()
            if self._looked is not None and now - self._looked < self._every:
                return
            self._looked = now
            try:
                names = [name for name in self.runs.names() if name.startswith("study-")]
            except StorageError as error:
                log.warning("%s The dashboard shows the studies that were there before.", error)
                return
            new = [name for name in names if name not in self._studies and name not in self._refused]
            begun = [(about["created"], name, about) for name in new if (about := self._about(name))]
            for _, name, about in sorted(begun, key=lambda each: each[:2]):
                title = f"{about['name']} {name}"
                self._studies[name] = _Study(RunFolder(self.runs / name), title, self._every)

    def _about(self, name: str) -> dict[str, Any] | None:
        try:
            return RunFolder(self.runs / name).about_or_none()
        except (StorageError, FormatError) as error:
            self._refused.add(name)
            log.warning("%s Its study is not shown.", error)
            return None

    def get_all_studies(self) -> list[FrozenStudy]:
        self.look()
        found = (study.frozen() for study in self._all())
        return [_numbered(study, id_) for id_, study in enumerate(found) if study]

    def get_study_id_from_name(self, study_name: str) -> int:
        for study in self.get_all_studies():
            if study.study_name == study_name:
                return study._study_id
        raise KeyError(f"there is no study {study_name}")

    def id_of(self, run: str) -> int | None:
        """A study's number, by its run's name; None if it has no journal that can be read."""
        names = list(self._studies)
        return names.index(run) if run in names and self._studies[run].frozen() else None

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._frozen(study_id).study_name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._frozen(study_id).directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._frozen(study_id).user_attrs

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._frozen(study_id).system_attrs

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        self._frozen(study_id)
        found = self._all()[study_id].trials()
        chosen = [each for each in found if states is None or each.state in states]
        return [_of_study(each, study_id, deepcopy) for each in chosen]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        study_id, own = divmod(trial_id, TRIALS)
        self._frozen(study_id)
        for each in self._all()[study_id].trials():
            if each._trial_id == own:
                return _of_study(each, study_id, True)
        raise KeyError(f"there is no trial {trial_id}")

    def _all(self) -> "list[_Study]":
        return list(self._studies.values())

    def _frozen(self, study_id: int) -> FrozenStudy:
        studies = self._all()
        if 0 <= study_id < len(studies) and (found := studies[study_id].frozen()):
            return found
        raise KeyError(f"there is no study {study_id}")

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise PermissionError("studies are only read here")

    create_new_study = delete_study = set_study_user_attr = set_study_system_attr = _refuse
    create_new_trial = set_trial_param = set_trial_state_values = set_trial_intermediate_value = _refuse
    set_trial_user_attr = set_trial_system_attr = _refuse


class _Study:
    """One study's journal, as far as it was read. A backend of Optuna's JournalStorage, by its methods."""

    def __init__(self, run: RunFolder, title: str, every: float) -> None:
        self.run, self._title, self._every = run, title, every
        self._read = b""
        self._lines: list[Any] = []
        self._storage: JournalStorage | None = None
        self._looked: float | None = None
        self._looking = threading.RLock()

    def frozen(self) -> FrozenStudy | None:
        """The study as it was read last; None as long as nobody can read its journal."""
        with self._looking:
            if not self._storage or self.run.folder.is_local:  # elsewhere, each look is a request
                self._look()
            found = self._storage.get_all_studies() if self._storage else []
            own = copy(next((each for each in found if each.study_name == self.run.name), None))
            if own:
                own.study_name = self._title
            return own

    def trials(self) -> list[FrozenTrial]:
        """Its trials, under the journal's own ids."""
        with self._looking:
            self._look()
            found = self.frozen()
            return (
                self._storage.get_all_trials(found._study_id, deepcopy=False)
                if self._storage and found
                else []
            )

    def read_logs(self, log_number_from: int) -> Sequence[dict[str, Any]]:
        return self._lines[log_number_from:]

    def append_logs(self, logs: Sequence[dict[str, Any]]) -> None:
        raise PermissionError("studies are only read here")

    def _look(self) -> None:
        """Read on, up to the last whole line; all anew if the study was begun again."""
        now = self.run.folder.storage.clock.monotonic()
        if self._looked is not None and now - self._looked < self._every:
            return
        self._looked = now
        try:
            data = self.run.folder.find(FILE) or b""
            whole = data[: data.rfind(b"\n") + 1]
            if not whole.startswith(self._read):
                self._read, self._lines, self._storage = b"", [], None
            if whole != self._read:
                new, self._read = whole[len(self._read) :], whole
                self._lines += [json.loads(line) for line in new.splitlines()]
                self._storage = self._storage or JournalStorage(self)  # pyright: ignore[reportArgumentType]
                self._storage.get_all_studies()  # applies what is new
        except StorageError as error:
            log.warning("%s The dashboard shows what was there before.", error)
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            self._storage = None
            log.warning(
                "%s is not a journal of Optuna's: %r. Its study is not shown.", self.run.folder / FILE, error
            )


def _numbered(study: FrozenStudy, id_: int) -> FrozenStudy:
    found = copy(study)
    found._study_id = id_
    return found


def _of_study(trial: FrozenTrial, study_id: int, deep: bool) -> FrozenTrial:
    found = deepcopy(trial) if deep else copy(trial)
    found._trial_id = study_id * TRIALS + trial._trial_id
    return found
