"""The metrics and the table of a `recover` job, beside what the paper prints."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from preimage.figures.tables import markdown
from preimage.jobs.published import RECOVERED, RECOVERED_DISTANCES
from preimage.jobs.sampling import draw_codes
from preimage.latents.priors import Prior
from preimage.work.trials import Results

TITLES: dict[str, str] = {
    "none": "no clipping",
    "clip": "standard clipping",
    "stochastic-clip": "stochastic clipping",
    "ball": "unit ball",
}


@dataclass(frozen=True)
class RecoveredCodes:
    """How searches for known codes ended. One that diverged recovers no code and is skipped in the errors."""

    success: Mapping[float, float]
    """By threshold, the fraction of codes whose squared error, averaged over components, is below it."""
    error: float
    """The mean of these errors."""
    median: float
    evaluations: float
    """Generator evaluations a code, including its share of those spent on setting up."""
    diverged: int


@dataclass(frozen=True)
class Distances:
    """How searches for unseen images ended, many for each. Distances and errors skip one that diverged."""

    mean: float
    """Of |z - z'| / d over pairs of codes of one image. The paper divides the norm by d, not its square."""
    median: float
    image_error: float
    """Squared error per pixel, averaged over the searches."""
    evaluations: float
    diverged: int


def recovered_codes(found: Results, codes: Tensor, thresholds: Sequence[float]) -> RecoveredCodes:
    """How the searches for the first of these codes (N, d) ended."""
    fine = ~found["diverged"].bool()
    errors = (found["z"] - codes[: len(fine)]).double().square().mean(1)
    return RecoveredCodes(
        success={each: ((errors < each) & fine).double().mean().item() for each in thresholds},
        error=errors[fine].mean().item(),
        median=errors[fine].median().item(),
        evaluations=_evaluations(found),
        diverged=int((~fine).sum()),
    )


def distances(found: Results, repeats: int) -> Distances:
    """How searches for images ended, `repeats` of each image in turn."""
    fine = ~found["diverged"].bool()
    latent_dim = found["z"].shape[1]
    of_images = zip(found["z"].double().split(repeats), fine.split(repeats), strict=True)
    pairs = torch.cat([torch.pdist(z[kept]) for z, kept in of_images]) / latent_dim
    return Distances(
        mean=pairs.mean().item(),
        median=pairs.median().item(),
        image_error=found["loss"][fine].double().mean().item(),
        evaluations=_evaluations(found),
        diverged=int((~fine).sum()),
    )


def number_key(number: float) -> str:
    """A threshold or a variance as a key of nested metrics."""
    return f"{number:g}"


def baseline(prior: Prior, seed: int) -> float:
    """The mean of |z - z'| / d over pairs of codes drawn from the prior."""
    return (torch.pdist(draw_codes(prior, 1000, seed)).mean() / prior.latent_dim).item()


def _evaluations(found: Results) -> float:
    return (int(found["passes"].sum()) + int(found["setup"].sum())) / len(found["passes"])


@dataclass(frozen=True)
class RecoverReport:
    """The whole job, by technique."""

    codes: int
    noisy_codes: int
    unseen: int
    repeats: int
    recovered: Mapping[str, RecoveredCodes]
    noisy: Mapping[str, Mapping[float, RecoveredCodes]]
    """By the noise's variance."""
    distances: Mapping[str, Distances]
    baseline: float
    remark: str = ""
    """What differs from the paper's settings."""

    def metrics(self) -> dict[str, Any]:
        searches = [*self.recovered.values(), *self.distances.values()]
        searches += [each for line in self.noisy.values() for each in line.values()]
        return {
            "codes": self.codes,
            **{f"recovered_{name}": next(iter(each.success.values())) for name, each in self._codes()},
            **{f"evaluations_{name}": each.evaluations for name, each in self._codes()},
            "diverged": sum(each.diverged for each in searches),
            "success": {name: _by_number(each.success) for name, each in self._codes()},
            "z_error": {name: {"mean": each.error, "median": each.median} for name, each in self._codes()},
            "z_error_by_noise": self._by_noise(lambda each: each.error),
            "z_error_median_by_noise": self._by_noise(lambda each: each.median),
            "pairwise_distance": {name: each.mean for name, each in self.distances.items()},
            "pairwise_distance_median": {name: each.median for name, each in self.distances.items()},
            "pairwise_distance_baseline": self.baseline,
            "unseen_image_error": {name: each.image_error for name, each in self.distances.items()},
            "unseen_evaluations": {name: each.evaluations for name, each in self.distances.items()},
        }

    def table(self) -> str:
        """Markdown."""
        parts = [
            self.remark,
            f"Of {self.codes} codes those recovered, by technique and threshold on the squared error of a "
            "code, averaged over its components; in brackets the paper's table 1, of 1000 codes of a "
            "generator whose images it does not name. An evaluation is a forward or reverse pass, or a "
            "forward-mode tangent.",
            self._by_threshold(),
            f"The same error, its mean and in brackets its median over {self.noisy_codes} codes, by the "
            "variance of the noise added to the images. The paper's figure 2 prints no numbers: the error "
            "grows in proportion to the noise, least with stochastic clipping.",
            self._by_variance(),
            f"{self.unseen} unseen images, searched for {self.repeats} times each, from starts drawn from "
            "the prior: the distance of two codes of one image, divided by the number of components. The "
            "paper's table 2 is headed so, and its baseline shows that it is the norm, not its square, that "
            "is divided: two vectors of its prior are about sqrt(2/3 * 100) = 8.16 apart.",
            self._by_image(),
        ]
        return "\n\n".join(filter(None, parts)) + "\n"

    def _codes(self) -> list[tuple[str, RecoveredCodes]]:
        return list(self.recovered.items())

    def _by_noise(self, statistic: Callable[[RecoveredCodes], float]) -> dict[str, dict[str, float]]:
        return {
            name: _by_number({noise: statistic(each) for noise, each in line.items()})
            for name, line in self.noisy.items()
        }

    def _by_threshold(self) -> str:
        thresholds = list(self._codes()[0][1].success)
        rows = [["technique", *(f"{each:g}" for each in thresholds), "median error", "evaluations a code"]]
        for name, each in self._codes():
            cells = [
                _beside(f"{each.success[t]:.1%}", RECOVERED.get(name, {}).get(t), ".1%") for t in thresholds
            ]
            rows.append([TITLES[name], *cells, f"{each.median:.1e}", f"{each.evaluations:,.0f}"])
        return markdown(rows)

    def _by_variance(self) -> str:
        variances = list(next(iter(self.noisy.values())))
        rows = [["variance", *(TITLES[name] for name in self.noisy)]]
        for variance in variances:
            found = [line[variance] for line in self.noisy.values()]
            rows.append([f"{variance:g}", *(f"{each.error:.1e} ({each.median:.1e})" for each in found)])
        return markdown(rows)

    def _by_image(self) -> str:
        head = ["technique", "mean distance", "paper", "median", "squared error per pixel"]
        rows = [[*head, "evaluations a search"]]
        for name, each in self.distances.items():
            paper = RECOVERED_DISTANCES.get(name)
            cells = [f"{each.mean:.2e}", f"{paper:.2e}" if paper else "", f"{each.median:.2e}"]
            rows.append([TITLES[name], *cells, f"{each.image_error:.4f}", f"{each.evaluations:,.0f}"])
        rows.append(
            ["codes of the prior", f"{self.baseline:.2e}", f"{RECOVERED_DISTANCES['prior']:.2e}", "", "", ""]
        )
        return markdown(rows)


def _beside(ours: str, paper: float | None, form: str) -> str:
    return ours if paper is None else f"{ours} ({paper:{form}})"


def _by_number(values: Mapping[float, float]) -> dict[str, float]:
    return {number_key(key): value for key, value in values.items()}
