"""What points can be coloured and sorted by."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import pyarrow as pa
import torch

from preimage.browsing.neighbour_shares import disagreement
from preimage.browsing.subject import Subject
from preimage.latents.priors import Gaussian, NoDensityError, Prior
from preimage.latents.statistics import Moments

LABEL, LOSS, OUTLYING = "label", "loss", "distance from the other codes"
DISAGREEMENT = "disagreement of neighbours"
PRIOR = "-log density, {}"
"""Of a prior, by its name."""


class Columns(Mapping[str, np.ndarray]):
    """The columns of points by name, each (n,), computed when it is first asked for.

    label: class names, where they are known. loss: per pixel. `-log density, NAME`: how far a code is from a
    prior, in nats; for a normal prior half its squared Mahalanobis distance, and a constant. `distance from
    the other codes`: the Mahalanobis distance to the Gaussian fitted to all codes, in units of the root of d.
    `disagreement of neighbours`: see `neighbour_shares`. The others are the user's, of images.parquet.
    """

    def __init__(self, subject: Subject, ids: np.ndarray) -> None:
        self.subject, self.ids = subject, ids
        self._found: dict[str, np.ndarray] = {}
        self._makers = dict(self._all())

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._found:
            self._found[name] = self._makers[name]()
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def is_text(self, name: str) -> bool:
        """Whether a column holds names rather than numbers."""
        return self[name].dtype.kind == "O"

    def _all(self) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
        subject = self.subject
        if subject.rows.labelled:
            yield LABEL, self._labels
        if subject.rows.losses is not None:
            yield LOSS, self._losses
        for name, prior in subject.priors.items():
            if _has_density(prior, subject):
                yield PRIOR.format(name), partial(self._of_codes, partial(_surprise, prior))
        if subject.count > subject.latent_dim:
            yield OUTLYING, self._outlying
        if subject.pixels:
            yield DISAGREEMENT, self._disagreement
            taken = {LABEL, LOSS, OUTLYING, DISAGREEMENT}
            for each in subject.pixels.columns:
                if _is_plain(each.type):
                    name = f"{each.name} (of the images)" if each.name in taken else each.name
                    yield name, partial(self._of_images, each.name)

    @property
    def _rows(self) -> np.ndarray:
        return self.subject.rows.at(self.ids)

    def _labels(self) -> np.ndarray:
        labels, classes = self.subject.rows.labels[self._rows], self.subject.classes
        known = [*classes, *map(str, range(len(classes), max(0, labels.max(initial=0) + 1)))]
        return np.array([*known, ""], object)[labels]  # -1, of no label, is the last

    def _losses(self) -> np.ndarray:
        losses = self.subject.rows.losses
        assert losses is not None
        return losses[self._rows]

    def _of_codes(self, measure: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
        """A measure of every point's code; of all codes, which are streamed, unless they are few of them."""
        if 4 * len(self.ids) < self.subject.count:
            return measure(self.subject.codes_of(self.ids).z).float().numpy()
        found = [measure(codes.z).float().numpy() for codes in self.subject.batches(("z",))]
        return np.concatenate(found)[self._rows]

    def _outlying(self) -> np.ndarray:
        moments = Moments.of(codes.z for codes in self.subject.batches(("z",)))
        fitted = Gaussian.fit(moments)
        axes, lengths, _ = torch.linalg.svd(fitted.root.double())
        kept = lengths > lengths.max() * 1e-6  # directions that no code takes say nothing
        scale, axes = lengths[kept] * kept.sum() ** 0.5, axes[:, kept]
        return self._of_codes(lambda z: ((z.double() - moments.mean) @ axes / scale).norm(dim=1))

    def _disagreement(self) -> np.ndarray:
        return disagreement(self.subject, self.ids)

    def _of_images(self, name: str) -> np.ndarray:
        assert self.subject.pixels
        return as_numpy(self.subject.pixels.column(name, self.ids))


def as_numpy(values: pa.Array) -> np.ndarray:
    """A column as numbers, NaN where there is none, or as texts, empty where there is none."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return values.to_numpy(zero_copy_only=False)
    if pa.types.is_decimal(kind):
        return values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    texts = values.cast(pa.string()).fill_null("")
    return texts.dictionary_encode().to_numpy(zero_copy_only=False).astype(object)


def _is_plain(kind: pa.DataType) -> bool:
    """Whether a column holds a number or a text for each image."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_null(kind))


def _has_density(prior: Prior, subject: Subject) -> bool:
    """Whether its density says anything of codes: a uniform one's does not."""
    measure = getattr(prior, "log_density", None)
    if prior.latent_dim != subject.latent_dim or measure is None:
        return False
    try:
        first = next((codes.z[:256] for codes in subject.batches(("z",)) if len(codes)), None)
        if first is None:
            return False
        found = measure(first)
    except NoDensityError:
        return False
    return bool(found.isfinite().all()) and bool((found != found[0]).any())


def _surprise(prior: Prior, z: torch.Tensor) -> torch.Tensor:
    return -prior.log_density(z)  # pyright: ignore[reportAttributeAccessIssue]
