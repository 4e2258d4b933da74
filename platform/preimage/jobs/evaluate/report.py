"""The metrics of an evaluate job, and its table, beside the paper's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from statistics import fmean, stdev
from typing import Any

from torch import Tensor

from preimage.data.dataset import Dataset
from preimage.data.image_shape import shape_text
from preimage.figures.tables import markdown
from preimage.jobs.evaluate.metric_names import compared
from preimage.jobs.published import DFM_SCORES, TRAINING, Published, closest
from preimage.metrics.duplicates import Nearest
from preimage.metrics.scores import Score, class_entropy
from preimage.models.inception_weights import is_published
from preimage.models.scorer import Scorer

TEST = "test images"
MAX_LISTED_CLASSES = 20
"""The table lists the classes if there are no more than these."""


@dataclass(frozen=True)
class SetMetrics:
    """The metrics of one set of images."""

    count: int
    score: Score
    distance: float | None
    """To the training images; None for these themselves."""
    histogram: Tensor
    """(K,) int64."""
    nearest: Nearest
    """The nearest other one of each of the first images' thumbnails."""
    near_duplicates: float
    """The fraction of near-duplicates among these."""

    @property
    def entropy(self) -> float:
        return class_entropy(self.histogram)


@dataclass(frozen=True)
class EvaluateReport:
    """The metrics of every generator and of the real images."""

    runs: Mapping[str, Sequence[SetMetrics]]
    """By name, one for each generator."""
    real: Mapping[str, SetMetrics]
    """TRAINING, and TEST where there are test images."""
    scorer: Scorer
    dataset: Dataset
    """The training images."""
    remarks: tuple[str, ...] = ()
    """What else a reader of the table has to know."""

    @property
    def paper(self) -> Mapping[str, float]:
        """The paper's scores by name, where ours are the same kind of score, of the same source of images."""
        return self._published.values if self._published else {}

    @property
    def _published(self) -> Published | None:
        comparable = self.scorer.score == "inception_score" and is_published(self.scorer.fingerprint)
        return closest(DFM_SCORES, self.dataset.config) if comparable else None

    @property
    def most_collapsed(self) -> tuple[str, int]:
        """The name and the index of the generator with the largest fraction of near-duplicates."""
        shares = {
            (name, i): each.near_duplicates for name, runs in self.runs.items() for i, each in enumerate(runs)
        }
        return max(shares, key=shares.__getitem__)

    def metrics(self) -> dict[str, Any]:
        """`ordering` begins with the highest score; `table` has means over generators, `runs` has each."""
        score = self.scorer.score
        table = {name: self._means(runs) for name, runs in self.runs.items()}
        first = next(iter(self.runs.values()))[0]
        return {
            "images": first.count,
            "splits": first.score.splits,
            "images_per_split": first.score.images_per_split,
            "scorer": {"score": score, **self.scorer.about},
            "table": table,
            "real": {name: _metrics(each, self.scorer) for name, each in self.real.items()},
            "runs": {
                name: {str(i): _metrics(each, self.scorer) for i, each in enumerate(runs)}
                for name, runs in self.runs.items()
                if len(runs) > 1
            },
            "ordering": sorted(table, key=lambda name: -table[name][score]),
        }

    def _means(self, runs: Sequence[SetMetrics]) -> dict[str, Any]:
        """The mean of each metric over several generators, and the deviation of those that are compared."""
        each = [_metrics(run, self.scorer) for run in runs]
        if len(each) == 1:
            return each[0]
        means = {name: fmean(run[name] for run in each) for name in each[0]}
        names = compared(self.scorer.score, self.scorer.distance)
        deviations = {f"{name}_std": stdev(run[name] for run in each) for name in names}
        return means | deviations | {"generators": len(each), "images": runs[0].count}

    def table(self) -> str:
        """Markdown."""
        data = self.dataset.config
        parts = [
            f"Samples scored beside {self.real[TRAINING].count:,} images of {data.source} {data.split}, "
            f"{shape_text(data.shape)}, by {self._network()}.",
            self._scores(),
            self._published.remark(data, self.dataset.count) if self._published else "",
            self._classes(),
            self._explained(),
            *self.remarks,
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _scores(self) -> str:
        """A line for each name, and those of the real images."""
        head = ["", "splits x images", _title(self.scorer.score), "in the paper"]
        head += [_title(self.scorer.distance), "effective classes", "near-duplicates"]
        lines = {name: [each] for name, each in self.real.items()} | dict(self.runs)
        names = [*self.runs, *(name for name in (TEST, TRAINING) if name in self.real)]
        rows = [head, *(self._row(name, lines[name]) for name in names)]
        return markdown(rows if self.paper else [_without(row, 3) for row in rows])

    def _row(self, name: str, runs: Sequence[SetMetrics]) -> list[str]:
        means, first = self._means(runs), runs[0]
        score, distance = self.scorer.score, self.scorer.distance
        several = len(runs) > 1

        def spread(key: str, form: str = ".3g") -> str:
            return f" ± {means[f'{key}_std']:{form}}" if several else ""

        return [
            f"{name}, {len(runs)} runs" if several else name,
            f"{first.score.splits} x {first.score.images_per_split:,}",
            f"{means[score]:.3f} ± {means[f'{score}_std']:.3f}",
            f"{self.paper[name]:g}" if name in self.paper else "-",
            f"{means[distance]:.4g}{spread(distance)}" if distance in means else "-",
            f"{means['effective_classes']:.2f}{spread('effective_classes')}",
            f"{means['near_duplicates']:.1%}{spread('near_duplicates', '.1%')}",
        ]

    def _network(self) -> str:
        about = self.scorer.about
        if self.scorer.score != "inception_score":
            return (
                f"a classifier of {len(self.scorer.classes)} classes that tells {about['accuracy']:.1%} of "
                f"{about['held_out']}: not an Inception Score, and comparable with nothing but itself"
            )
        weights = f"Inception, weights with SHA-256 {about['weights_sha256']}"
        if is_published(self.scorer.fingerprint):
            return f"{weights} (the published ones)"
        return f"{weights}: not the published file, so these metrics do not compare with published ones"

    def _classes(self) -> str:
        """The fraction of each line's images that each class has."""
        names = self.scorer.classes
        if not 0 < len(names) <= MAX_LISTED_CLASSES:
            return ""
        lines = dict(self.runs) | {name: [each] for name, each in self.real.items()}
        shares = {}
        for name, runs in lines.items():
            counts = sum((each.histogram for each in runs[1:]), runs[0].histogram)
            shares[name] = (counts / counts.sum()).tolist()
        rows = [["fraction of images", *shares]]
        rows += [[each, *(f"{share[k]:.1%}" for share in shares.values())] for k, each in enumerate(names)]
        return markdown(rows)

    def _explained(self) -> str:
        looked_at = len(next(iter(self.runs.values()))[0].nearest.distances)
        several = any(len(runs) > 1 for runs in self.runs.values())
        deviation = "over the splits" + (
            ", or over generators where there are several (n - 1)" if several else ""
        )
        return (
            f"Score: exp of the mean KL(p(y|x) || p(y)), higher is better; ± is its deviation {deviation}. "
            "It grows with the images per split, so compare lines of as many; that of test images is the "
            f"ceiling. {_title(self.scorer.distance)}: Frechet distance of features to those of the "
            "training images, lower is better; it falls with the number of images. Effective classes: exp of "
            "the entropy of the most likely classes. Near-duplicates: the fraction of images nearer to "
            "another of their set, at 8 x 8 pixels, than 99% of as many training images are to theirs; among "
            f"the first {looked_at:,}."
        )


def _metrics(one: SetMetrics, scorer: Scorer) -> dict[str, Any]:
    """By the names that the outcome gives them; `metric_names` declares these."""
    distance = {} if one.distance is None else {scorer.distance: one.distance}
    return {
        "images": one.count,
        "images_per_split": one.score.images_per_split,
        scorer.score: one.score.mean,
        f"{scorer.score}_std": one.score.std,
        **distance,
        "class_entropy": one.entropy,
        "effective_classes": exp(one.entropy),
        "near_duplicates": one.near_duplicates,
    }


def _title(name: str) -> str:
    return {"fid": "FID", "inception_score": "Inception Score"}.get(name, name.replace("_", " "))


def _without(row: list[str], place: int) -> list[str]:
    return row[:place] + row[place + 1 :]
