"""Optuna's own file of a study, for optuna-dashboard and other Optuna tools. It is made from the records; a
study never reads it."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from preimage.runs.run_folder import RunFolder
from preimage.specs.study import StudySpec
from preimage.tuning.records import TrialRecord
from preimage.tuning.searcher import directions, distribution, quiet, to_optuna

if TYPE_CHECKING:
    import optuna

FILE = "optuna.log"


class Journal:
    """<study run>/optuna.log. If the results are not on this machine, it is written only at the end."""

    def __init__(self, spec: StudySpec, run: RunFolder) -> None:
        self.spec, self.run = spec, run
        self._study: optuna.Study | None = None

    def begin(self, records: Iterable[TrialRecord]) -> None:
        """Write it again, with the trials that have ended."""
        if self.run.folder.is_local:
            self._study = self._write(self.run.folder.local / FILE, records)

    def add(self, record: TrialRecord) -> None:
        """Add a trial that has ended."""
        if self._study is not None:
            with quiet():
                self._study.add_trial(frozen(self.spec, record))

    def end(self, records: Sequence[TrialRecord]) -> None:
        """Write it again, in the order of the trials' numbers, so that Optuna's numbers are the study's."""
        if self.run.folder.is_local:
            self.begin(records)
            return
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / FILE
            self._write(path, records)
            self.run.folder.write(FILE, path.read_bytes())

    def _write(self, path: Path, records: Iterable[TrialRecord]) -> "optuna.Study":
        import optuna
        from optuna.storages.journal import JournalFileBackend

        path.unlink(missing_ok=True)
        with quiet():
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
            study = optuna.create_study(
                storage=storage, study_name=self.run.name, directions=directions(self.spec)
            )
            study.set_metric_names(list(self.spec.objectives))
            study.add_trials([frozen(self.spec, record) for record in records])
        return study


def frozen(spec: StudySpec, record: TrialRecord) -> "optuna.trial.FrozenTrial":
    """A record as an Optuna trial."""
    from optuna.trial import TrialState, create_trial

    states = {"complete": TrialState.COMPLETE, "failed": TrialState.FAIL, "stopped": TrialState.PRUNED}
    about = {"trial": record.number, "run": record.run, "error": record.error, "seconds": record.seconds}
    return create_trial(
        state=states[record.state],
        values=[record.values[name] for name in spec.objectives] if record.state == "complete" else None,
        params={key: to_optuna(spec.space[key], value) for key, value in record.params.items()},
        distributions={key: distribution(spec.space[key]) for key in record.params},
        intermediate_values=dict(record.intermediate),
        user_attrs={name: value for name, value in about.items() if value is not None},
    )
