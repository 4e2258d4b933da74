"""The metrics and the table of a `recover` job, beside what the paper prints."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from preimage.figures.tables import markdown
from preimage.jobs.published import RECOVERED, RECOVERED_DISTANCES
from preimage.jobs.recover.condition import Condition
from preimage.jobs.recover.metrics import REASONS, TITLES, Way, number_key
from preimage.jobs.recover.results import MOST, Distances, RecoveredCodes

T = TypeVar("T")


@dataclass(frozen=True)
class RecoverReport:
    """The whole job, by the ways of searching."""

    codes: int
    noisy_codes: int
    unseen: int
    repeats: int
    recovered: Mapping[Way, RecoveredCodes]
    noisy: Mapping[Way, Mapping[float, RecoveredCodes]]
    """By the noise's variance."""
    distances: Mapping[Way, Distances]
    baseline: float
    condition: Condition
    heading: Sequence[str] = ()
    """Paragraphs on the generator, the searches, and what differs from the paper's settings."""

    def metrics(self) -> dict[str, Any]:
        searches = [*self.recovered.values(), *self.distances.values()]
        searches += [each for line in self.noisy.values() for each in line.values()]
        codes, unseen = self.recovered, self.distances
        return {
            "codes": self.codes,
            **{f"recovered_{inversion}_{name}": _first(each) for (inversion, name), each in codes.items()},
            **{
                f"evaluations_{inversion}_{name}": each.evaluations
                for (inversion, name), each in codes.items()
            },
            "budget": _nested(
                {way: each for way, each in codes.items() if each.budget is not None},
                lambda each: each.budget,
            ),
            "diverged": sum(each.diverged for each in searches),
            "success": _nested(codes, lambda each: by_number(each.success)),
            "z_error": _nested(codes, lambda each: {"mean": each.error, "median": each.median}),
            "unrecovered": _nested(codes, _unrecovered),
            "z_error_by_noise": _nested(self.noisy, lambda line: _by_noise(line, lambda each: each.error)),
            "z_error_median_by_noise": _nested(
                self.noisy, lambda line: _by_noise(line, lambda each: each.median)
            ),
            "pairwise_distance": _nested(unseen, lambda each: each.mean),
            "pairwise_distance_median": _nested(unseen, lambda each: each.median),
            "pairwise_distance_baseline": self.baseline,
            "unseen_image_error": _nested(unseen, lambda each: each.image_error),
            "unseen_evaluations": _nested(unseen, lambda each: each.evaluations),
            **self.condition.metrics({number_key(each): each for each in self._thresholds}),
        }

    def table(self) -> str:
        """Markdown."""
        first = number_key(self._thresholds[0])
        parts = [
            *self.heading,
            self.condition.text(),
            f"Of {self.codes:,} codes those recovered, by search, technique and threshold on the squared "
            "error of a code, averaged over its components: of a search's codes the one whose image is "
            "nearest. The paper's rows are its table 1, of 1,000 codes of a generator whose images it does "
            "not name; its authors' code counts a code that was below the threshold at any step. An "
            "evaluation is a forward or reverse pass, or a forward-mode tangent; a code bears its share of "
            "those that a search is set up with.",
            self._by_threshold(),
            self._missed(first),
            f"The same error, its mean and in brackets its median over {self.noisy_codes} codes, by the "
            "variance of the Gaussian white noise added to the images, which are not clipped afterwards; the "
            "code of the paper's authors clips them to [-1, 1], the paper does not say so. Its figure 2 "
            "prints no numbers: the error grows in proportion to the noise, least with stochastic clipping.",
            self._by_variance(),
            f"Unseen images: {self.unseen}, each searched for {self.repeats} times from starts drawn from "
            "the prior: the distance of two codes of one image, divided by the number of components. The "
            "paper's table 2 is headed so, and its baseline shows that it is the norm, not its square, that "
            "is divided: two vectors of its prior are about sqrt(2/3 * 100) = 8.16 apart. An "
            "image that the generator does not make may be equally far from several: see its error.",
            self._by_image(),
        ]
        return "\n\n".join(filter(None, parts)) + "\n"

    @property
    def _thresholds(self) -> list[float]:
        return list(next(iter(self.recovered.values())).success)

    def _by_threshold(self) -> str:
        thresholds = self._thresholds
        head = ["search", "technique", *map(number_key, thresholds), "median error", "evaluations a code"]
        rows = [[*head, f"for {MOST:.0%} of the codes"]]
        for (inversion, name), each in self.recovered.items():
            cells = [f"{each.success[t]:.1%}" for t in thresholds]
            budget = "never" if each.budget is None else f"{each.budget:,.0f}"
            cells += [f"{each.median:.1e}", f"{each.evaluations:,.0f}", budget]
            rows.append([inversion, TITLES[name], *cells])
        for inversion, each in self.condition.predicted.items():
            cells = [f"{each.share(t):.1%}" for t in thresholds]
            rows.append(
                [inversion, "as its local rate predicts", *cells, f"{each.errors.median():.1e}", "", ""]
            )
        for name in dict.fromkeys(way.technique for way in self.recovered):
            if paper := RECOVERED.get(name):
                cells = [f"{paper[t]:.1%}" if t in paper else "" for t in thresholds]
                rows.append(["the paper's", TITLES[name], *cells, "", "200,000", ""])
        return markdown(rows)

    def _missed(self, threshold: str) -> str:
        """What was not recovered: stuck at the bounds, and why."""
        rows = [["search", "technique", "codes", "at a bound", "components"]]
        rows[0] += REASONS
        for (inversion, name), each in self.recovered.items():
            if each.missed:
                reasons = [str((each.reasons or {}).get(reason, "")) for reason in REASONS]
                bounds = [str(each.at_bounds), f"{each.components_at_bounds:.1f}"]
                rows.append([inversion, TITLES[name], str(each.missed), *bounds, *reasons])
        if len(rows) == 1:
            return f"Every code is below {threshold}, in every way."
        text = (
            f"Codes not below {threshold}, how many of them have a component at -1 or 1, the mean number of "
            "such components, and why. The paper: where standard clipping fails, components are stuck there. "
            "rank: at the code there are directions in which its image does not change; saturation: nor does "
            "it where pixels are at -1 or 1; another code: that found has the same image; stopped: none "
            "of these, a local minimum or the end of the steps; unknown: no Jacobian in float64 or no memory."
        )
        return f"{text}\n\n{markdown(rows)}"

    def _by_variance(self) -> str:
        rows = [["variance", *(way.title for way in self.noisy)]]
        for variance in next(iter(self.noisy.values())):
            found = [line[variance] for line in self.noisy.values()]
            rows.append([number_key(variance), *(f"{each.error:.1e} ({each.median:.1e})" for each in found)])
        return markdown(rows)

    def _by_image(self) -> str:
        head = ["search", "technique", "mean distance", "paper", "median", "squared error per pixel"]
        rows = [[*head, "evaluations a search"]]
        for (inversion, name), each in self.distances.items():
            paper = RECOVERED_DISTANCES.get(name)
            cells = [f"{each.mean:.2e}", f"{paper:.2e}" if paper else "", f"{each.median:.2e}"]
            cells += [f"{each.image_error:.4f}", f"{each.evaluations:,.0f}"]
            rows.append([inversion, TITLES[name], *cells])
        prior = [f"{self.baseline:.2e}", f"{RECOVERED_DISTANCES['prior']:.2e}"]
        return markdown([*rows, ["", "codes of the prior", *prior, "", "", ""]])


def by_number(values: Mapping[float, float]) -> dict[str, float]:
    return {number_key(key): value for key, value in values.items()}


def _nested(found: Mapping[Way, T], value: Callable[[T], Any]) -> dict[str, dict[str, Any]]:
    """By inversion, then technique."""
    nested: dict[str, dict[str, Any]] = {}
    for way, each in found.items():
        nested.setdefault(way.inversion, {})[way.technique] = value(each)
    return nested


def _first(each: RecoveredCodes) -> float:
    return next(iter(each.success.values()))


def _by_noise(
    line: Mapping[float, RecoveredCodes], statistic: Callable[[RecoveredCodes], float]
) -> dict[str, float]:
    return by_number({noise: statistic(each) for noise, each in line.items()})


def _unrecovered(each: RecoveredCodes) -> dict[str, float]:
    """By the names of `UNRECOVERED`; the share stuck at the bounds only where a code was not recovered."""
    share = {"share_at_bounds": each.at_bounds / each.missed} if each.missed else {}
    counts = {"codes": each.missed, "at_bounds": each.at_bounds, **share}
    reasons = each.reasons or dict.fromkeys(REASONS, 0)
    components = {"components_at_bounds": each.components_at_bounds}
    return counts | components | {name.replace(" ", "_"): n for name, n in reasons.items()}
