"""How well conditioned the generator of a `recover` job is, and what that says of plain descent."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

import torch
from torch import Tensor

from preimage.figures.tables import markdown
from preimage.inversion.conditioning import Spectra, measure_conditioning
from preimage.inversion.config import InversionConfig
from preimage.inversion.init_codes import init_codes_of
from preimage.inversion.jacobian import NoJacobianError
from preimage.inversion.labels import labels_at
from preimage.jobs.base import Context
from preimage.jobs.recover.metrics import OF_GENERATOR, predictable
from preimage.jobs.sampling import draw_codes, draw_labels, open_generator
from preimage.storage.folder import Folder
from preimage.work.trials import Results

log = logging.getLogger(__name__)


class ConditionSettings(Protocol):
    """The keys of the job that it depends on."""

    @property
    def seed(self) -> int: ...
    @property
    def drawn(self) -> int: ...
    @property
    def inversions(self) -> Mapping[str, InversionConfig]: ...


@dataclass(frozen=True)
class Predicted:
    """What the local rate predicts for the searches of one inversion."""

    config: InversionConfig
    errors: Tensor
    """(n,) float64, of codes at the end, averaged over components."""
    steps: Tensor
    """(n,) float64, until the error is below the first threshold; inf for never."""

    def share(self, threshold: float) -> float:
        return (self.errors < threshold).double().mean().item()


@dataclass(frozen=True)
class Condition:
    """The generator's eigenvalues, and by inversion what they predict; or why they were not measured."""

    spectra: Spectra | None
    predicted: Mapping[str, Predicted]
    threshold: float
    reason: str = "probes is 0"

    def metrics(self, thresholds: Mapping[str, float]) -> dict[str, Any]:
        """thresholds: by their names in nested metrics."""
        if self.spectra is None:
            return {"conditioning": f"not measured: {self.reason}"}
        of = self.spectra
        values = (of.smallest, of.worst, of.largest, of.condition, of.stability_limit)
        return {
            "conditioning": "measured",
            **{name: each for name, each in zip(OF_GENERATOR, values, strict=True) if isfinite(each)},
            "predicted": {
                name: {key: each.share(threshold) for key, threshold in thresholds.items()}
                for name, each in self.predicted.items()
            },
            "predicted_steps": {
                name: steps for name, each in self.predicted.items() if (steps := _finite(each.steps))
            },
        }

    def text(self) -> str:
        """Markdown: the eigenvalues, and where each rate stands beside its limit."""
        if self.spectra is None:
            return f"The generator's condition: not measured ({self.reason})."
        of = self.spectra
        head = ["smallest eigenvalue", "of the worst code", "largest of all codes", "condition"]
        row = [f"{of.smallest:.1e}", f"{of.worst:.1e}", f"{of.largest:.1e}", f"{of.condition:,.0f}"]
        lines = [
            f"Eigenvalues of J J^T / pixels at {len(of.values)} of the codes, J the Jacobian of an image: "
            "medians where no other is named. Near a code, a step of plain descent at rate lr leaves "
            "1 - 2 lr l of its error along an eigenvector of eigenvalue l, so that the smallest decides how "
            "long it takes, and above 1 / largest it diverges.",
            markdown([[*head, "highest stable rate"], [*row, f"{of.stability_limit:,.3g}"]]),
            *(self._of(name, each, of) for name, each in self.predicted.items()),
        ]
        return "\n\n".join(lines)

    def short(self) -> str:
        """For a figure."""
        if self.spectra is None:
            return "condition not measured"
        of = self.spectra
        rate = f"highest stable rate {of.stability_limit:,.3g}"
        return f"smallest eigenvalue {of.smallest:.1e}, condition {of.condition:,.0f}, {rate}"

    def _of(self, name: str, each: Predicted, of: Spectra) -> str:
        lr = each.config.lr or 0.0
        side = "beyond" if lr > of.stability_limit else "within"
        steps = [
            f"{n:,.0f}" if n != float("inf") else "never" for n in (each.steps.median(), each.steps.max())
        ]
        return (
            f"{name}: rate {lr:g} is {side} the limit. By the local rate half of the codes are below "
            f"{self.threshold:g} after {steps[0]} steps, all after {steps[1]}. It is exact near a code only: "
            "searches that come from far take longer, or end elsewhere."
        )


def measure_condition(
    context: Context, generator: Folder, job: ConditionSettings, probes: int, threshold: float
) -> Condition:
    """At the first codes, in a worker of the job. Without a Jacobian or the memory it is not measured,
    and says so."""
    if not probes:
        return Condition(None, {}, threshold)
    try:
        trial = ConditionTrial(generator, job, threshold)
        found = context.on_one_worker().run_trials({"condition": probes}, trial, "measuring the condition")
    except NoJacobianError as error:
        log.warning("%s. The table goes without the generator's condition.", error)
        return Condition(None, {}, threshold, str(error))
    values = found["condition"]
    predicted = {
        name: Predicted(config, values[f"errors-{name}"], values[f"steps-{name}"])
        for name, config in predictable(job.inversions).items()
    }
    return Condition(Spectra(values["values"]), predicted, threshold)


@dataclass(frozen=True)
class ConditionTrial:
    """Measures the eigenvalues and what they predict. It travels to workers."""

    generator: Folder
    job: ConditionSettings
    threshold: float

    def __call__(self, probes: int, device: torch.device) -> Results:
        """`values` (n, d); `errors-NAME` and `steps-NAME` (n,) of each inversion that is `predictable`."""
        network, prior = open_generator(self.generator, device)
        codes = draw_codes(prior, self.job.drawn, self.job.seed)[:probes]
        labels = labels_at(draw_labels(network, self.job.drawn, self.job.seed), slice(probes), device)
        found = measure_conditioning(network, codes.to(device), labels)
        results = {"values": found.values}
        for name, config in predictable(self.job.inversions).items():
            rate = found.predict(init_codes_of(config, prior, found.rows, self.job.seed), config)
            results |= {f"errors-{name}": rate.errors, f"steps-{name}": rate.steps_to(self.threshold)}
        return results


def _finite(steps: Tensor) -> dict[str, float]:
    """Without what never comes, which no metric could say."""
    found = {"median": steps.median().item(), "worst": steps.max().item()}
    return {name: each for name, each in found.items() if each != float("inf")}
