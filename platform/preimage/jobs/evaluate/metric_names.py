"""Names of the metrics of an evaluate job that its spec alone decides."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple


def compared(score: str, distance: str) -> tuple[str, ...]:
    """The metrics whose deviation over several generators is worked out."""
    return (score, distance, "near_duplicates", "effective_classes")


class ScoreNames(NamedTuple):
    """What a scoring network's metrics are called."""

    score: str
    distance: str
    about: tuple[str, ...]
    """What the outcome says of the network itself, in words."""
    measured: tuple[str, ...] = ()
    """And in numbers."""

    @property
    def of_one(self) -> tuple[str, ...]:
        """The metrics of one generator's samples."""
        spread = f"{self.score}_std"
        common = ("class_entropy", "effective_classes", "near_duplicates")
        return ("images", "images_per_split", self.score, spread, self.distance, *common)

    @property
    def of_several(self) -> tuple[str, ...]:
        """The means over several generators, and the deviations of those that are compared."""
        deviations = (f"{name}_std" for name in compared(self.score, self.distance))
        return tuple(dict.fromkeys((*self.of_one, *deviations, "generators")))

    def of_job(self, generators: Mapping[str, int]) -> Iterator[str]:
        """The outcome's metrics by dotted name; generators: how many there are of each name."""
        yield from (f"scorer.{name}" for name in self.measured)
        for name, count in generators.items():
            line = self.of_several if count > 1 else self.of_one
            yield from (f"table.{name}.{metric}" for metric in line)
            if count > 1:
                yield from (f"runs.{name}.{i}.{metric}" for i in range(count) for metric in self.of_one)


CLASSIFIER = ScoreNames("classifier_score", "classifier_frechet_distance", ("held_out",), ("accuracy",))
INCEPTION = ScoreNames("inception_score", "fid", ("weights_sha256",))
