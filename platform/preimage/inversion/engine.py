"""The batched inversion engine: descent on many codes at once, each independent of the others.

An image leaves the batch as soon as it is done, and a waiting one takes its place, so the batch stays full
until the last images. It needs the memory of one batch, whatever the number of images.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod

import torch
from torch import Tensor, nn

from preimage.errors import InversionError
from preimage.float32 import float32_products
from preimage.inversion.batch import Given, Inversion
from preimage.inversion.batch_size import fitting_batch
from preimage.inversion.cascade import Cascade
from preimage.inversion.checks import (
    are_measured,
    require_finite,
    require_fit,
    require_measurement_of,
    require_squares,
)
from preimage.inversion.config import CPU_BATCH, InversionConfig
from preimage.inversion.constraints import require_allowed
from preimage.inversion.init_codes import init_codes_of
from preimage.inversion.labels import require_labels
from preimage.inversion.links import link_of
from preimage.inversion.loop import LOOK_EVERY, Loop, OnProgress
from preimage.inversion.losses import LOSSES, Loss, users_loss
from preimage.inversion.measurements import Measurement, make_measurement
from preimage.inversion.operators import LinearOperator
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.quickest import quickest
from preimage.inversion.setup import asked_of, measure_setup
from preimage.inversion.setup_cache import SetupCache
from preimage.inversion.setup_file import read_setup, setup_bytes
from preimage.inversion.setup_size import setup_size
from preimage.inversion.solvers import SOLVERS, Solver, SolverSetup, require_solver
from preimage.latents.priors import Normal, Prior
from preimage.to_device import to_device


def invert(
    generator: nn.Module,
    images: Tensor,
    init_codes: Tensor | None = None,
    config: InversionConfig | None = None,
    *,
    prior: Prior | None = None,
    measurement: Measurement | LinearOperator | None = None,
    labels: Tensor | None = None,
    ids: Tensor | None = None,
    seed: int = 0,
    keep: Sequence[int] = (),
    on_progress: OnProgress | None = None,
    loss: Loss | None = None,
    solver: Solver | None = None,
    measured: bool | None = None,
    setups: SetupCache | None = None,
) -> Inversion:
    """Find the codes that reconstruct images (flexible-priors, Algorithm 1).

    generator: any module from codes (n, d) to images (n, C, H, W), or from codes and labels (n,) int64 if it
    has an attribute `classes`, their number. images: (N, C, H, W) of any floating type, where hidden pixels
    may be anything, or already measured, (N, C, h, w) or as an operator returns them. init_codes: (N, d),
    where the search starts, or (N, R, d), several starts of which the best is kept; by default
    `config.init_codes` draws them from `prior`. prior: the codes' distribution, for starts and restarts;
    N(0, I) if only init_codes are given. measurement: replaces the config's; an operator only its mask and
    pool. labels: (N,), the images' classes, for a conditional generator. ids: (N,) int64, determine each
    image's random draws; default: the row numbers. keep: steps at which codes are kept, for curves and
    figures. loss, solver: replace the config's (`losses.Loss`, `solvers.Solver`). measured: whether the
    images are measured already; to be said only if an operator returns what has their shape. setups: where
    what is measured of the generator is kept.
    Raises InversionError, which is a ValueError, if these do not fit together, before any step.
    """
    if init_codes is None and prior is None:
        raise InversionError("give init_codes, or the prior to draw them from")
    config = config or InversionConfig()
    require_allowed(config.constraint, prior.name if prior else None)
    device = init_codes.device if init_codes is not None else images.device
    prior = prior or Normal(init_codes.shape[-1])  # pyright: ignore[reportOptionalMemberAccess]
    started = init_codes is not None
    given = generator, config, prior, measurement, seed, device, started
    engine = Engine(*given, loss=loss, solver=solver, images=len(images), setups=setups)
    return engine.invert(images, init_codes, ids, keep, on_progress, labels, measured)


class Engine:
    """A generator, prepared once to invert any number of images.

    Raises InversionError if the config contradicts the generator or its prior.
    """

    @torch.inference_mode(False)
    @torch.enable_grad()
    @float32_products("ieee")
    def __init__(
        self,
        generator: nn.Module,
        config: InversionConfig,
        prior: Prior,
        measurement: Measurement | LinearOperator | None = None,
        seed: int = 0,
        device: torch.device | None = None,
        started: bool = False,
        *,
        loss: Loss | None = None,
        solver: Solver | None = None,
        images: int | None = None,
        setups: SetupCache | None = None,
    ) -> None:
        """started: whether `invert` gets init_codes. loss, solver: replace the config's. images: how many
        there are in all, from which the setup's size follows; None: many. setups: where the setup is
        kept, of this generator and prior."""
        if not started:
            require_allowed(config.constraint, prior.name)
        self.config, self.prior, self.seed = config, prior, seed
        network, low, self.device, self.shape, self.classes = quickest(
            generator, prior.latent_dim, device, config.precision == "mixed"
        )
        if isinstance(measurement, Measurement):
            require_measurement_of(measurement, self.shape, self.device)
        else:
            measurement = make_measurement(config.measurement, self.shape, seed, measurement, self.device)
        self.measurement = measurement
        compared = self.measurement.reduced, self.device
        compare = users_loss(loss, *compared) if loss else LOSSES[config.loss].for_images(*compared)
        origin = torch.zeros(1, prior.latent_dim, device=self.device)
        self.problem = Problem(network, origin, self.measurement, compare, low)
        whiten = config.whiten and solver is None
        size = setup_size(images, prior.latent_dim, config.init_codes)
        asked = asked_of(config, size, seed, start=not started, whiten=whiten)
        of = asked, network, prior, measurement, self.device
        measure, read = partial(measure_setup, *of), lambda data: read_setup(data, *of)
        room = setup_bytes(asked, prior, measurement)
        self.setup = setups.setup(asked, measurement, read, measure, room) if setups else measure()
        self.solver = require_solver(self._own(solver) if solver else self._named(loss), origin)
        waits = solver is None and SOLVERS[config.solver].squares_only  # its steps wait for the device anyway
        self.look_every = 1 if self.device.type == "cpu" or waits else LOOK_EVERY
        """Steps between two looks at which images are done."""
        self._fitting = 0

    @torch.inference_mode(False)
    @torch.enable_grad()
    @float32_products("ieee")
    def invert(
        self,
        images: Tensor,
        init_codes: Tensor | None = None,
        ids: Tensor | None = None,
        keep: Sequence[int] = (),
        on_progress: OnProgress | None = None,
        labels: Tensor | None = None,
        measured: bool | None = None,
    ) -> Inversion:
        """See the function `invert`."""
        count, config = len(images), self.config
        ids = torch.arange(count) if ids is None else ids.cpu()
        measured = are_measured(images, self.measurement, measured)
        require_fit(images, init_codes, ids, self.prior.latent_dim)
        given = Given(images, ids, require_labels(labels, self.classes, count), measured)
        for rows, seen in self._seen(given):
            require_finite(seen, ids[rows])
        each = 0
        if init_codes is None:
            init_codes = self._first_codes(given)
            each = self.setup.predictor.passes_each if self.setup.predictor else 0
        several = init_codes if init_codes.dim() == 3 else init_codes[:, None]
        first, more = several[:, 0], several[:, 1:]
        found = self._descend(given, torch.arange(count), first, 0, keep, on_progress)
        found.passes.add_(each)
        again = (_rank(found) > config.tolerance).nonzero().squeeze(1)
        if len(again) and (config.restarts or more.shape[1]):
            drawn = [
                init_codes_of(config, self.prior, ids[again], self.seed, 1 + more.shape[1] + i)
                for i in range(config.restarts)
            ]
            extra = torch.cat([more[again].cpu(), *(each[:, None] for each in drawn)], dim=1)
            found = self._try(found, given, again, extra, 1)
            again = again[_rank(found)[again] > config.tolerance]
        if len(again) and config.restart_negative:
            last = 1 + more.shape[1] + config.restarts
            found = self._try(found, given, again, -found.z[again][:, None], last)
        return found

    def _own(self, solver: Solver) -> Solver:
        """A user's solver: only it could respect a constraint."""
        if self.config.constraint != "none":
            raise InversionError(
                f"constraint={self.config.constraint} is for the solvers that have names: set "
                "constraint=none, and keep the codes there in the solver's own step"
            )
        return solver

    def _named(self, loss: Loss | None) -> Solver:
        """The config's solver."""
        config, kind = self.config, SOLVERS[self.config.solver]
        if kind.squares_only:
            require_squares(config.solver, self.problem, loss)
        rate = config.lr, config.lr_halving_steps, config.steps
        link, predictor = link_of(self.problem.network, self.measurement), self.setup.predictor
        rest = config.constraint, self.seed, self.setup.whitening, link
        weight = predictor.weight if isinstance(predictor, Cascade) else None
        values = prod(self.measurement.reduced)
        return kind.make(SolverSetup(*rate, *rest, weight, values, config.solver_settings))

    def _seen(self, given: Given) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows of images, and what is observed of them."""
        for rows in torch.arange(len(given.images)).split(1024):
            yield rows, self._observe(given, rows)

    def _observe(self, given: Given, rows: Tensor) -> Tensor:
        """(n, C, h, w) or an operator's (n, ...), float32 on the engine's device."""
        images = to_device(given.images[rows.to(given.images.device)], self.device).float()
        return self.measurement.observe(images, to_device(given.ids[rows], self.device), given.measured)

    def _first_codes(self, given: Given) -> Tensor:
        parts = []
        for rows, seen in self._seen(given):
            labels = None if given.labels is None else given.labels[rows]
            own = given.ids[rows], self.seed, 0, self.setup.predictor, seen, labels
            parts.append(init_codes_of(self.config, self.prior, *own).cpu())
        return torch.cat(parts) if parts else torch.zeros(0, self.prior.latent_dim)

    def _try(self, found: Inversion, given: Given, again: Tensor, extra: Tensor, number: int) -> Inversion:
        """Search again from (m, R, d) for some images, all starts in one batch; keep each image's best."""
        m, each = extra.shape[:2]
        rows = again.repeat_interleave(each)
        other = self._descend(given, rows, extra.flatten(0, 1), number, (), None)
        best = _rank(other).view(m, each).argmin(1)
        chosen = torch.arange(m) * each + best
        better = _rank(other)[chosen] < _rank(found)[again]
        rows, chosen = again[better], chosen[better]
        for name in ("z", "loss", "converged", "diverged"):
            getattr(found, name)[rows] = getattr(other, name)[chosen]
        found.restart[rows] = (best[better] + number).int()
        for name in ("steps", "passes"):
            getattr(found, name)[again] += (
                getattr(other, name).view(m, each).sum(1).to(getattr(found, name).dtype)
            )
        return found

    def _descend(
        self,
        given: Given,
        rows: Tensor,
        start: Tensor,
        restart: int,
        keep: Sequence[int],
        on_progress: OnProgress | None,
    ) -> Inversion:
        """Search from start (M, d), each for the image in its row (M,)."""
        loop = Loop(self.problem, self.solver, self.config, self.seed, self.look_every)

        def begin(items: Tensor) -> Rows:
            return self._begin(given, rows[items], start[items], restart)

        return loop.run(begin, len(rows), self._batch_size(begin, len(rows)), keep, on_progress)

    def _batch_size(self, begin: Callable[[Tensor], Rows], count: int) -> int:
        """For `count` searches. What fits on a GPU is measured once."""
        if self.config.batch_size != "auto" or self.device.type != "cuda" or count <= CPU_BATCH:
            return self.config.planned_batch
        self._fitting = self._fitting or fitting_batch(self.device, self.problem, self.solver, begin)
        return self._fitting

    def _begin(self, given: Given, rows: Tensor, start: Tensor, restart: int) -> Rows:
        device, n = self.device, len(rows)
        own, target = to_device(given.ids[rows], device), self._observe(given, rows)
        labels = None if given.labels is None else to_device(given.labels[rows], device)
        mask, z = self.measurement.masks(own), to_device(start, device).float()
        numbers = target[0].numel() if n else 1
        count = torch.full((n,), float(numbers), device=device)
        if mask is not None:
            count = mask.flatten(1).sum(1) * target.shape[1]
        zeros = torch.zeros(n, dtype=torch.int64, device=device)
        counter = zeros + (restart << 40)
        in_low = self.problem.low is not None and not self.solver.searches and self.config.steps > 1
        low = torch.full((n,), in_low, device=device)
        return Rows(z, target, mask, count, own, counter, zeros.clone(), low, labels)


def _rank(found: Inversion) -> Tensor:
    """(N,), lower is better: a search that met a NaN loss ranks last."""
    return found.loss.masked_fill(found.diverged | found.loss.isnan(), torch.inf)
