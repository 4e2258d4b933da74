"""What a solver minimises: the loss of codes, and its derivatives, for a batch of images."""

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from preimage.inversion.jacobian import Jacobian
from preimage.inversion.labels import generate
from preimage.inversion.losses import RowLoss, squared
from preimage.inversion.measurements import Measurement


@dataclass
class Rows:
    """A batch: each row is one image, or one of its starts."""

    z: Tensor
    """(n, d), where to evaluate the loss next."""
    target: Tensor
    """(n, C, h, w), the observed images, zero where hidden; or an operator's observations, (n, ...)."""
    mask: Tensor | None
    """(n, 1, h, w), 1 where the images are observed; None: everywhere."""
    count: Tensor
    """(n,), the number of observed values."""
    ids: Tensor
    """(n,) int64, determine the random draws."""
    counter: Tensor
    """(n,) int64, unique for every step and restart of an image."""
    taken: Tensor
    """(n,) int64, steps taken."""
    low: Tensor
    """(n,) bool, whether the row still descends in low precision."""
    labels: Tensor | None = None
    """(n,) int64, the images' classes if the generator is conditional."""
    _apart: tuple[Tensor, Tensor] | None = field(default=None, init=False, repr=False)

    def __getitem__(self, where: Tensor) -> "Rows":
        taken: dict[str, Any] = {name: None if c is None else c[where] for name, c in self._columns()}
        return Rows(**taken)

    def put(self, places: Tensor, other: "Rows") -> None:
        """Replace the rows at these places with those of another batch."""
        for (_, mine), (_, theirs) in zip(self._columns(), other._columns(), strict=True):
            if mine is not None and theirs is not None:
                mine[places] = theirs
        self.look()

    def look(self) -> None:
        """Look anew which rows descend in low precision: between two looks the host does not ask again."""
        self._apart = None

    def apart(self) -> tuple[Tensor, Tensor]:
        """The places of the rows in low and in full precision, as of the last look."""
        if self._apart is None:
            self._apart = self.low.nonzero()[:, 0], (~self.low).nonzero()[:, 0]
        return self._apart

    def _columns(self) -> list[tuple[str, Tensor | None]]:
        return [(each.name, getattr(self, each.name)) for each in fields(self) if each.init]


@dataclass(frozen=True)
class Problem:
    """A generator, the measurement of its images, and the loss."""

    network: nn.Module
    origin: Tensor
    """(1, d), a code to try derivatives at."""
    measurement: Measurement | None = None
    compare: RowLoss = squared
    low: nn.Module | None = None
    """The same generator in low precision."""

    @cached_property
    def jacobian(self) -> Jacobian:
        """In low precision if there is one. Raises NoJacobianError if the generator has none."""
        return Jacobian.of(self.low or self.network, self.origin)

    def seen(self, network: nn.Module, z: Tensor, rows: Rows) -> Tensor:
        """What is observed of the images of codes z, of the shape of `rows.target`, zero where hidden."""
        images = generate(network, z, rows.labels)
        images = self.measurement.reduce(images) if self.measurement else images
        return images if rows.mask is None else images * rows.mask

    def loss(self, rows: Rows) -> Tensor:
        """(n,), one per row."""
        with torch.no_grad():
            return self._loss(self.network, rows.z, rows)

    def loss_and_gradient(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """(n,) and (n, d); rows in low precision use the low network."""
        if self.low is None:
            return self._with_gradient(self.network, rows)
        low, full = rows.apart()
        if not len(low):
            return self._with_gradient(self.network, rows)
        if not len(full):
            return self._with_gradient(self.low, rows)
        loss, gradient = torch.empty_like(rows.count), torch.empty_like(rows.z)
        for network, part in ((self.low, low), (self.network, full)):
            loss[part], gradient[part] = self._with_gradient(network, rows[part])
        return loss, gradient

    def normal_equations(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """J J^T (n, d, d) and J r (n, d) in float64, divided by the number of observed values: with J (d, P)
        the Jacobian of the residual r (P,), the loss at z + s is about loss + 2 s.(J r) + s.(J J^T) s."""
        images, slopes = self.images_and_slopes(rows)
        residual, count = images - rows.target.flatten(1), rows.count.double()
        square = (slopes @ slopes.transpose(1, 2)).double() / count[:, None, None]
        return square, (slopes @ residual[:, :, None])[:, :, 0].double() / count[:, None]

    def images_and_slopes(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """The observed images (n, P) of the rows' codes z, and their derivatives (n, d, P) by z."""
        images, slopes = self.jacobian(rows.z, rows.labels)
        if self.low:
            with torch.no_grad():
                images = generate(self.network, rows.z, rows.labels)
        n, d = slopes.shape[:2]
        if self.measurement:
            images = self.measurement.reduce(images)
            slopes = self.measurement.reduce(slopes.flatten(0, 1)).unflatten(0, (n, d))
        if rows.mask is not None:
            images, slopes = images * rows.mask, slopes * rows.mask[:, None]
        return images.flatten(1), slopes.flatten(2)

    def _with_gradient(self, network: nn.Module, rows: Rows) -> tuple[Tensor, Tensor]:
        z = rows.z.detach().requires_grad_()
        loss = self._loss(network, z, rows)
        (gradient,) = torch.autograd.grad(loss.sum(), z)
        return loss.detach(), gradient

    def _loss(self, network: nn.Module, z: Tensor, rows: Rows) -> Tensor:
        return self.compare(self.seen(network, z, rows), rows.target, rows.count)
