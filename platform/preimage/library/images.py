"""Inverted images: each with its code, and all that can be asked of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from preimage.data.image_shape import shape_text
from preimage.errors import InversionError
from preimage.figures.grids import COLUMNS, STACKED, stacks_png
from preimage.inversion.config import InversionConfig
from preimage.inversion.labels import classes_of
from preimage.inversion.local_rank import rank_eigenvalues
from preimage.jobs.fit_prior.job import FitPriorJob
from preimage.jobs.sampling import make_images
from preimage.latents.fitting import fit_prior
from preimage.latents.local_rank import LocalRank, local_rank
from preimage.latents.prior_kinds import FittedPrior, TrainingCodes
from preimage.latents.priors import PRIORS, Prior
from preimage.latents.schema import UNLABELLED, About, Codes, DatasetInfo
from preimage.latents.statistics import Moments
from preimage.latents.store import Store, StoreWriter
from preimage.latents.walks import interpolate
from preimage.library.display import Generated, Range, picture_html, signed
from preimage.library.network import Network
from preimage.metrics.pag import PagResult, moments_pag
from preimage.random_streams import place_of
from preimage.specs.validation import check
from preimage.storage.folder import Folder, digest

if TYPE_CHECKING:
    from pandas import DataFrame

Rows = slice | int | Tensor | np.ndarray | Sequence[int] | Sequence[bool]


@dataclass(frozen=True, eq=False)
class InvertedImages:
    """N images and the codes found for them, on the CPU; in a notebook, each above its reconstruction.

    A search that diverged leaves no loss (NaN); no statistic counts its code.
    """

    images: Tensor
    """(N, C, H, W) float32; or as they were given, measured already."""
    codes: Codes
    """The columns of a latent store."""
    network: Network
    prior: Prior
    config: InversionConfig
    seed: int
    init_codes: Tensor | None
    """Where the searches started, if they were given."""
    value_range: Range
    """What the values of the images are shown as black and white at."""
    objects: Mapping[str, str] = field(default_factory=dict)
    """The user's own loss, solver and measurement, by what they replace in the config."""

    @property
    def generator(self) -> nn.Module:
        """The generator as it was: a copy in eval mode, in float32."""
        return self.network.module

    @property
    def z(self) -> Tensor:
        """(N, d) float32."""
        return self.codes.z

    @property
    def loss(self) -> Tensor:
        """(N,) float32, averaged over the observed part of the image; NaN if the search diverged."""
        return self.codes.loss

    @property
    def steps(self) -> Tensor:
        """(N,) int32, over all restarts."""
        return self.codes.steps

    @property
    def converged(self) -> Tensor:
        """(N,) bool, whether the search stopped by itself."""
        return self.codes.converged

    @property
    def labels(self) -> Tensor:
        """(N,) int32, -1 without one."""
        return self.codes.label

    @property
    def ids(self) -> Tensor:
        """(N,) int64."""
        return self.codes.image_id

    @cached_property
    def reconstructions(self) -> Tensor:
        """(N, C, H, W) float32, what the generator makes of the codes."""
        return self._images(self.z, self.labels)

    def rank(self, n: int = 32) -> LocalRank:
        """Whether the codes are determined at all: the spectrum of J J^T at the first n codes, and at n draws
        of the prior. Raises NoJacobianError for a generator that cannot be differentiated so."""
        sound, device = self._sound[: max(n, 1)], self.network.device
        if not len(sound):
            raise InversionError("every search diverged: there are no codes to look at")
        labels = self._conditions(sound.labels)
        labels = labels if labels is None else labels.to(device)
        return local_rank(rank_eigenvalues(self.generator, self.prior, sound.z.to(device), labels, self.seed))

    def pag(self, prior: Prior | None = None, std: float | None = None) -> PagResult:
        """How far the codes are from the prior (flexible-priors, eq. 2): lower is better.

        prior: another one to compare with, such as a fitted one. std: compares with N(0, std^2 I). Raises
        PagError for fewer codes than dimensions and for codes that do not span them.
        """
        if prior and std:
            raise InversionError("give either std or a prior to compare the codes with")
        against = prior or self.prior
        if std is None and against.name in PRIORS:
            std = against.std
        found = moments_pag(Moments.of([self._sound.z]), std, None if std else against)
        return replace(found, skipped=len(self) - found.count)

    def fit(self, kind: str = "gaussian", **settings: Any) -> FittedPrior:
        """A prior fitted to all codes, to draw others from: `gaussian`, `diagonal`, `box`, `mixture` with
        components=10 or so, or a plugin's, with the settings of `fit-prior`. Raises InversionError for
        another kind and wrong settings, PreimageError for codes that it cannot be fitted to."""
        job, mistakes = check(FitPriorJob, {"store": "codes", "kind": kind, "settings": settings})
        if not isinstance(job, FitPriorJob):
            wrong = (f"{'.'.join(map(str, place))}: {problem}" for place, problem in mistakes)
            raise InversionError("; ".join(wrong))
        sound = self._sound
        z = sound.z[place_of(sound.ids).argsort()]
        codes = TrainingCodes(lambda: [sound.z], lambda count: z[:count], z.shape[1])
        return fit_prior(kind, codes, job.settings, self.seed)

    def walk(self, i: int, j: int, steps: int = 8) -> Generated:
        """The images along the straight line between the codes of rows i and j, both ends included (glo,
        section 3.3.3). A conditional generator makes them all of row i's class."""
        line = interpolate(self.z[i][None], self.z[j][None], steps, self.prior.support)[0]
        return self._generated(line, self.labels[i])

    def average(self, rows: Rows | None = None, *, label: int | None = None) -> Generated:
        """The image of the mean code of some rows, or of a class (glo, section 3.3.4). Raises InversionError
        if none of them has a code."""
        if (rows is None) == (label is None):
            raise InversionError(
                "give either rows, such as average([0, 3, 5]), or a class, such as average(label=3)"
            )
        chosen = (self[self.labels == label] if rows is None else self[rows])._sound
        if not len(chosen):
            known = ", ".join(map(str, sorted(set(self.labels.tolist()) - {UNLABELLED})[:10]))
            raise InversionError(
                f"no image has label {label}; {f'there are {known}' if known else 'pass labels to invert'}"
            )
        return self._generated(chosen.z.double().mean(0, keepdim=True).float(), chosen.labels[0])

    def worst(self, n: int = 20) -> "InvertedImages":
        """The n images with the highest loss, the highest first; before them those whose search diverged."""
        return self[self.loss.nan_to_num(torch.inf).argsort(descending=True, stable=True)[:n]]

    def save(self, folder: str | Path | Folder) -> Store:
        """Write a latent store, for `pag`, `fit-prior` and every other job that works on codes alone.

        Raises StoreError if the folder holds another one.
        """
        writer = StoreWriter(folder, self._about(), parts=1, count=len(self))
        writer.write(0, self.codes)
        return writer.finish()

    def to_pandas(self) -> "DataFrame":
        """A row per image: image_id, label, loss, steps, restart, converged, and its code as z0, z1, ..."""
        from pandas import DataFrame

        names = ("image_id", "label", "loss", "steps", "restart", "converged")
        columns = {name: getattr(self.codes, name).numpy() for name in names}
        return DataFrame(columns | {f"z{i}": column.numpy() for i, column in enumerate(self.z.T)})

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Rows) -> "InvertedImages":
        """Some of the images: a slice, a mask, or row numbers."""
        chosen = rows if isinstance(rows, slice) else torch.atleast_1d(torch.as_tensor(rows))
        if not isinstance(chosen, slice) and not len(chosen):
            chosen = slice(0, 0)
        starts = None if self.init_codes is None else self.init_codes[chosen]
        return replace(self, images=self.images[chosen], codes=self.codes[chosen], init_codes=starts)

    def __repr__(self) -> str:
        return f"<{self._numbers()}>"

    def _repr_html_(self) -> str:
        about = "images above their reconstructions" if self._has_images else "reconstructions"
        picture = picture_html(self._repr_png_(), about)
        return f"<div>{picture}<br>{self._numbers()}</div>"

    def _repr_png_(self) -> bytes:
        """The first images, each above its reconstruction; or this alone if an operator's observations are no
        images."""
        shown = [self._images(self.z[:STACKED], self.labels[:STACKED])]
        if self._has_images:
            shown.insert(0, F.interpolate(self.images[:STACKED], shown[0].shape[2:]))  # may be pooled
        return stacks_png(
            *(signed(each, self.value_range) for each in shown), columns=min(len(shown[0]), COLUMNS)
        )

    def _numbers(self) -> str:
        loss = self._sound.loss.double().numpy()
        what, unit = ("images", "") if self._has_images else ("observations", " numbers")
        parts = [f"{len(self):,} {what} of {shape_text(self.images.shape[1:])}{unit}"]
        parts.append(f"codes of {self.z.shape[1]} components")
        if len(loss):
            parts.append(f"mean loss {loss.mean():.4g}, median {np.median(loss):.4g}")
        parts.append(f"{self.converged.double().mean():.0%} converged")
        if lost := len(self) - len(loss):
            parts.append(f"{lost:,} diverged")
        return ", ".join(parts)

    @property
    def _sound(self) -> "InvertedImages":
        """Those that did not diverge."""
        return self[~self.codes.diverged]

    @property
    def _has_images(self) -> bool:
        return self.images.dim() == 4 and self.images.shape[1] in (1, 3, 4)

    def _images(self, codes: Tensor, labels: Tensor) -> Tensor:
        device, given = self.network.device, self._conditions(labels)
        made = make_images(self.generator, codes.to(device), given if given is None else given.to(device))
        return made.float().cpu()

    def _conditions(self, labels: Tensor) -> Tensor | None:
        """Labels (n,) as the generator takes them; None if it takes none."""
        return labels.long() if classes_of(self.generator) else None

    def _generated(self, codes: Tensor, label: Tensor) -> Generated:
        return Generated(self._images(codes, label.expand(len(codes))), codes, self.value_range)

    def _about(self) -> About:
        solver: dict[str, Any] = self.config.model_dump(mode="json", exclude={"batch_size"}) | {
            "seed": self.seed
        }
        solver |= dict(self.objects)
        solver["codes_sha256"] = _digest(self.ids, self.z, self.loss)  # what else decides them has no name
        if self.init_codes is not None:
            solver["init_codes"] = f"given, {_digest(self.init_codes)}"
        return About(
            generator=self.network.info(),
            dataset=DatasetInfo(fingerprint=_digest(self.ids, self.labels, self.images), count=len(self)),
            solver=solver,
            latent_dim=self.z.shape[1],
            prior=self.prior.name,
        )


def _digest(*tensors: Tensor) -> str:
    """The SHA-256 of tensors' shapes and contents."""
    parts = (str(tuple(each.shape)).encode() + each.contiguous().numpy().tobytes() for each in tensors)
    return digest(b"".join(parts))
