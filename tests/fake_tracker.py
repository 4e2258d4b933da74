"""A tracker in memory."""

from collections import Counter

from preimage.errors import TrackingError
from preimage.tracking.tracker import RunDeleted


class Fake:
    """A tracker in memory, whose calls fail at chosen numbers: before they take effect, or after."""

    home = "fake"

    def __init__(self, fails=None):
        self.fails = fails or {}
        self.calls = 0
        self.runs, self.parents, self.metric_rows, self.images = {}, {}, Counter(), Counter()
        self.files, self.tag_values, self.status, self.datasets, self.param_values = {}, {}, {}, set(), {}
        self.generators, self.versions, self.names = {}, {}, {}
        self.gone = set()

    def delete(self, key):
        """As in MLflow, which then still takes files, and refuses the rest."""
        self.gone.add(self.runs.pop(key))

    def _call(self, effect, run_id=None):
        self.calls += 1
        how = self.fails.get(self.calls)
        if run_id in self.gone:
            raise RunDeleted(f"{run_id} was deleted.", run_id)
        if how == "before":
            raise TrackingError("away")
        result = effect()
        if how == "after":
            raise TrackingError("the answer was lost")
        return result

    def page(self, run_id):
        return f"http://tracker/{run_id.replace(' ', '-')}"

    def begin(self, key, name, tags, parent):
        def effect():
            run_id = self.runs.setdefault(key, f"run {len(self.runs) + len(self.gone)}")
            self.status[run_id] = "RUNNING"
            self.names[run_id] = name
            self.parents[run_id] = parent
            self.tag_values.setdefault(run_id, {}).update(tags)
            return run_id

        return self._call(effect)

    def resume(self, run_id, parent):
        def effect():
            self.status[run_id] = "RUNNING"
            self.parents[run_id] = parent or self.parents[run_id]

        self._call(effect, run_id)

    def params(self, run_id, params):
        self._call(lambda: self.param_values.update({run_id: dict(params)}), run_id)

    def tags(self, run_id, tags):
        self._call(lambda: self.tag_values[run_id].update(tags), run_id)

    def dataset(self, run_id, dataset):
        known = (run_id, dataset.name, dataset.fingerprint, dataset.address, dataset.context)
        self._call(lambda: self.datasets.add(known), run_id)

    def metrics(self, run_id, records):
        def effect():
            for each in records:
                for name, value in each.metrics.items():
                    self.metric_rows[run_id, name, each.step, each.time_ms, value] = 1

        self._call(effect, run_id)

    def image(self, run_id, key, record, png):
        self._call(lambda: self.images.update({(run_id, key, record.step, record.time_ms, png): 1}), run_id)

    def file(self, run_id, folder, name, data):
        self._call(lambda: self.files.update({(run_id, folder, name): data}))

    def generator(self, run_id, folder):
        """One for each run: a tracker that is told twice must find the first."""
        self._call(lambda: self.generators.update({run_id: folder.uri}), run_id)

    def register(self, run_id, name):
        def effect():
            versions = self.versions.setdefault(name, [])
            versions += [run_id] if run_id not in versions else []
            return str(versions.index(run_id) + 1)

        return self._call(effect, run_id)

    def version_page(self, name, version):
        return None

    def end(self, run_id, status):
        self._call(lambda: self.status.update({run_id: status}), run_id)
