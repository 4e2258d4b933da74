"""One trial of `recover-partial`: the codes found from what one measurement observes."""

import logging
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from preimage.inversion.conditioning import measure_conditioning
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import invert
from preimage.inversion.jacobian import NoJacobianError
from preimage.inversion.labels import labels_at
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.inversion.setup_cache import SetupCache
from preimage.jobs.recover_partial.figures import Completion
from preimage.jobs.sampling import draw_codes, draw_labels, make_images, open_generator
from preimage.models.cards import read_card
from preimage.storage.folder import Folder
from preimage.work.trials import Results

log = logging.getLogger(__name__)

CONDITIONED = 8
"""Codes at which the generator's condition is measured."""


@dataclass(frozen=True)
class PartialRecovery:
    """Finds the codes from what one measurement sees. It travels to workers, so it holds an address."""

    generator: Folder
    inversion: InversionConfig
    images: int
    seed: int

    def __call__(self, seen: MeasurementConfig, device: torch.device) -> Results:
        """Of each image: `z` (n, d); `z_error` (n,), the mean squared error of its code; `hidden_error` (n,),
        that of the pixels not seen, NaN where nothing is hidden; `passes` and `diverged` (n,). Of the first
        codes `smallest` and `condition` (k,), of the generator seen through the measurement."""
        network, prior = open_generator(self.generator, device)
        codes = draw_codes(prior, self.images, self.seed)
        labels = draw_labels(network, self.images, self.seed)
        images = make_images(network, codes.to(device), labels)
        measurement = self._measurement(seen, images)
        settings = {"config": self.inversion, "prior": prior, "measurement": measurement, "seed": self.seed}
        kept = SetupCache.beside(self.generator, read_card(self.generator))
        found = invert(network, images, **settings, labels=labels, measured=False, setups=kept)
        hidden = 1 - _seen(measurement, torch.arange(self.images, device=device))
        completed = make_images(network, found.z.to(device), labels)
        error = (completed - images).square().mean(1, keepdim=True) * hidden
        return {
            "z": found.z,
            "z_error": (found.z - codes).square().mean(1),
            "hidden_error": error.sum((1, 2, 3)) / hidden.sum((1, 2, 3)),
            "passes": found.passes,
            "diverged": found.diverged,
            **_conditioning(network, codes[:CONDITIONED].to(device), labels, measurement),
        }

    def completion(self, seen: MeasurementConfig, z: Tensor) -> Completion:
        """The first images: as they are, as seen, and as made from the codes z (n, d) found for them."""
        network, prior = open_generator(self.generator, torch.device("cpu"))
        labels = labels_at(draw_labels(network, self.images, self.seed), slice(len(z)), z.device)
        images = make_images(network, draw_codes(prior, self.images, self.seed)[: len(z)], labels)
        shown = self._measurement(seen, images).shown(images, torch.arange(len(z)))
        return Completion(images, shown, make_images(network, z, labels))

    def _measurement(self, seen: MeasurementConfig, images: Tensor) -> Measurement:
        channels, height, width = images.shape[1:]
        return make_measurement(seen, (channels, height, width), self.seed)


def _conditioning(
    network: nn.Module, codes: Tensor, labels: Tensor | None, measurement: Measurement
) -> Results:
    """Nothing where the Jacobian cannot be computed, and a warning that says why."""
    try:
        some = labels_at(labels, slice(len(codes)), codes.device)
        found = measure_conditioning(network, codes, some, measurement)
    except NoJacobianError as error:
        log.warning("%s. The table goes without the generator's condition.", error)
        return {}
    return {"smallest": found.values[:, 0], "condition": found.conditions}


def _seen(measurement: Measurement, ids: Tensor) -> Tensor:
    """(n, 1, H, W), 1 where a pixel of the whole image is seen, by itself or in an average of neighbours."""
    masks = measurement.masks(ids)
    if masks is None:
        whole = 0.0 if measurement.operator else 1.0
        return torch.full((len(ids), 1, *measurement.shape[1:]), whole, device=ids.device)
    return interpolate(masks, measurement.shape[1:])
