"""Optuna's own file of a study, for its dashboard and other Optuna tools. It is made from the records; a
study never reads it."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from preimage.runs.run_folder import RunFolder
from preimage.specs.study import StudySpec
from preimage.tuning.journal_file import FILE, JournalFile
from preimage.tuning.records import TrialRecord
from preimage.tuning.searcher import directions, distribution, quiet, to_optuna
from preimage.tuning.trial_pictures import artifacts

if TYPE_CHECKING:
    import optuna


class Journal:
    """<study run>/optuna.log while the study runs, as a context.

    All trials are in it from the beginning, so that Optuna's numbers are the study's: those without a record
    are WAITING, then RUNNING with their parameters, until they have ended.
    """

    def __init__(self, spec: StudySpec, run: RunFolder, records: Iterable[TrialRecord]) -> None:
        """Nothing is written yet. records: of the trials that have ended."""
        from optuna.storages import JournalStorage

        self.spec = spec
        self._file = JournalFile(run.folder, FILE)
        with quiet():
            self._storage = JournalStorage(self._file)  # pyright: ignore[reportArgumentType]: by its methods
        self._begin(run.name, {each.number: each for each in records})

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.__exit__(*raised)

    def start(self, number: int, params: Mapping[str, Any]) -> None:
        """Say that a trial runs."""
        from optuna.trial import TrialState

        trial, storage = self._trial(number), self._storage
        for key, value in params.items():
            kind = distribution(self.spec.space[key])
            internal = kind.to_internal_repr(to_optuna(self.spec.space[key], value))
            storage.set_trial_param(trial, key, internal, kind)
        storage.set_trial_state_values(trial, TrialState.RUNNING)

    def end(self, record: TrialRecord) -> None:
        """Say how a running trial has ended."""
        found, trial, storage = frozen(self.spec, record), self._trial(record.number), self._storage
        for images, value in found.intermediate_values.items():
            storage.set_trial_intermediate_value(trial, images, value)
        for name, value in found.user_attrs.items():
            storage.set_trial_user_attr(trial, name, value)
        for name, value in found.system_attrs.items():
            storage.set_trial_system_attr(trial, name, value)
        storage.set_trial_state_values(trial, found.state, found.values)

    def _begin(self, name: str, records: Mapping[int, TrialRecord]) -> None:
        import optuna
        from optuna.trial import TrialState, create_trial

        waiting = create_trial(state=TrialState.WAITING)
        with quiet():
            study = optuna.create_study(
                storage=self._storage, study_name=name, directions=directions(self.spec)
            )
            study.set_metric_names(list(self.spec.objectives))
        self._study_id = study._study_id
        for number in range(self.spec.trials):
            study.add_trial(frozen(self.spec, records[number]) if number in records else waiting)

    def _trial(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)


def frozen(spec: StudySpec, record: TrialRecord) -> "optuna.trial.FrozenTrial":
    """A record as an Optuna trial."""
    from optuna.trial import TrialState, create_trial

    states = {"complete": TrialState.COMPLETE, "failed": TrialState.FAIL, "stopped": TrialState.PRUNED}
    about = {"run": record.run, "error": record.error, "seconds": record.seconds}
    return create_trial(
        state=states[record.state],
        values=[record.values[name] for name in spec.objectives] if record.state == "complete" else None,
        params={key: to_optuna(spec.space[key], value) for key, value in record.params.items()},
        distributions={key: distribution(spec.space[key]) for key in record.params},
        intermediate_values=dict(record.intermediate),
        user_attrs={name: value for name, value in about.items() if value is not None},
        system_attrs=artifacts(record),
    )
