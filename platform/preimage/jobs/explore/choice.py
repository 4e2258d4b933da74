"""Images chosen by class, by their columns or by id."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from preimage.data.dataset import Dataset
from preimage.data.images_table import class_number, select_ids
from preimage.errors import StoreError
from preimage.jobs.explore.config import Choice
from preimage.latents.schema import Codes
from preimage.latents.store import Store
from preimage.latents.walks import Chosen, average, first_ids


@dataclass(frozen=True)
class Chooser:
    """Finds chosen images among those that have codes. Images whose search diverged are skipped."""

    store: Store
    dataset: Dataset

    def ids(self, choice: Choice, most: int) -> list[int]:
        """At most so many of the ids. Raises DataError like `Choice.check`."""
        if choice.ids:
            return list(choice.ids[:most])
        return first_ids(self.store, min(most, choice.max_images or most), self._chosen(choice))

    def average(self, choice: Choice) -> Tensor:
        """The mean code (d,). Raises DataError like `Choice.check`, StoreError if there are no such codes."""
        if choice.ids:
            return self.store.codes_of(choice.ids).double().mean(0).float()
        try:
            return average(self.store, self._chosen(choice), choice.max_images)
        except StoreError as error:
            raise StoreError(f"{choice.name}: {error}") from error

    def _chosen(self, choice: Choice) -> Chosen:
        if choice.where is not None:
            return _among(select_ids(self.dataset.folder, choice.where, None, self.dataset.classes))
        label = choice.label
        number = class_number(label, self.dataset.classes) if isinstance(label, str) else label
        return lambda codes: codes.label == number


def _among(ids: np.ndarray) -> Chosen:
    """Choose images with these ids (n,), ascending."""
    wanted = torch.from_numpy(ids)

    def chosen(codes: Codes) -> Tensor:
        places = torch.searchsorted(wanted, codes.image_id).clamp(max=len(wanted) - 1)
        return wanted[places] == codes.image_id

    return chosen
