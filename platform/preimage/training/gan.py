"""DCGAN as an algorithm (glo, section 3.1; flexible-priors, section E)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from preimage.errors import PriorError
from preimage.latents.priors import Prior, make_prior
from preimage.models.config import DcganConfig
from preimage.models.dcgan import build_pair
from preimage.models.prior_folder import load_fitted
from preimage.objectives.gan import discriminator_loss, generator_loss
from preimage.random_streams import Stream, restore
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import OptimizerConfig
from preimage.training.labels import labels_below
from preimage.training.metric_names import GAN_METRICS
from preimage.training.networks import Networks, fixed_samples
from preimage.training.precision import upcast
from preimage.training.warm_start import result_of


@dataclass(frozen=True)
class InitFrom:
    """Where a GAN's initial networks and its prior come from, if not from its seed and config. It is sent to
    workers."""

    resume_from: Folder | None = None
    """The checkpoints of an earlier GAN run, whose networks and optimisers this run continues."""
    prior: Folder | None = None
    """A fitted prior."""


FROM_SCRATCH = InitFrom()


class GanPair:
    """A generator and a discriminator of images, or of anything else: one step of each per batch."""

    def __init__(
        self,
        context: AlgorithmContext,
        pair: tuple[nn.Module, nn.Module],
        prior: Prior,
        optimizer: OptimizerConfig,
        others: Mapping[str, nn.Module] = MappingProxyType({}),
        labels: Tensor | None = None,
    ) -> None:
        """prior: of the generator's inputs. others: more networks to train. labels: (n,) int64, of the
        worker's images, if both networks are conditional."""
        self.worker, self.seed, self.prior = context.worker, context.seed, prior
        self.random = context.random(Stream.TRAINING_CODES)
        self.labels = labels
        self.generator, self.discriminator = pair
        unwrapped = {"generator": self.generator, "discriminator": self.discriminator}
        self.networks = Networks(context, unwrapped | dict(others), optimizer)

    def begin(self) -> None:
        """Nothing to do: the weights come from the seed."""

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """Update the discriminator, then the generator, on the same batch of generated images: of the same
        classes as the real ones, if the networks are conditional."""
        codes = self.draw_codes(len(images))
        of = () if self.labels is None else (self.labels[rows],)
        with self.networks.autocast():
            generated = self.networks["generator"](codes, *of)
            real_logits = self.networks["discriminator"](images, *of)
            fake_logits = self.networks["discriminator"](generated.detach(), *of)
            loss_d = discriminator_loss(upcast(real_logits), upcast(fake_logits))
        self._update("discriminator", loss_d, number)
        self.discriminator.requires_grad_(False)  # its weights' gradient is not needed here
        with self.networks.autocast():
            loss_g = generator_loss(upcast(self.discriminator(generated, *of)))
        self._update("generator", loss_g, number)
        self.discriminator.requires_grad_(True)
        return metrics_of(loss_d, loss_g, real_logits, fake_logits)

    def draw_codes(self, count: int) -> Tensor:
        """Codes (count, d) for this worker's part of a batch."""
        return self.worker.part(self.prior.sample(self.networks.whole(count), self.random))

    def _update(self, name: str, loss: Tensor, number: int) -> None:
        self.networks.backward(loss, [name])
        self.networks.step([name], number, {f"{name}'s loss": loss})

    def require_finite(self) -> None:
        self.networks.require_finite()

    def replicated_state(self) -> dict[str, Any]:
        return self.networks.state() | {"random": self.random.get_state()}

    def load_replicated_state(self, state: dict[str, Any]) -> None:
        self.networks.load(state)
        restore(self.random, state["random"])

    def sharded_state(self) -> dict[str, Any]:
        return {}

    def load_sharded_state(self, state: dict[str, Any]) -> None:
        """Nothing to do: there is no sharded state."""

    def samples(self, count: int) -> Tensor | None:
        return fixed_samples(self.generator, self.prior, self.seed, count)


class GanAlgorithm(GanPair):
    """A DCGAN's generator and discriminator."""

    def __init__(
        self,
        context: AlgorithmContext,
        model: DcganConfig,
        optimizer: OptimizerConfig,
        origin: InitFrom = FROM_SCRATCH,
        others: Mapping[str, nn.Module] = MappingProxyType({}),
        discriminator: nn.Module | None = None,
    ) -> None:
        """discriminator: one to train instead of a DCGAN's.

        Raises PriorError if a fitted prior's codes have another dimension than the generator's, DataError if
        the networks are conditional and an image has no label, or one beyond their classes.
        """
        self.resume_from = origin.resume_from
        prior = _fitted(origin.prior, model) if origin.prior else make_prior(model.prior, model.latent_dim)
        generator, usual = build_pair(model, context.seed)
        labels = labels_below(context, model.classes) if model.classes else None
        super().__init__(context, (generator, discriminator or usual), prior, optimizer, others, labels)

    def begin(self) -> None:
        """Load pretrained networks, if any; else the weights come from the seed. Raises CheckpointError."""
        if self.resume_from:
            self.networks.load_pretrained(result_of(self.resume_from))

    def codes(self) -> None:
        """None: inversion finds a GAN's codes."""


def _fitted(folder: Folder, model: DcganConfig) -> Prior:
    prior = load_fitted(folder)
    if prior.latent_dim != model.latent_dim:
        raise PriorError(
            f"the prior must be for codes of {model.latent_dim} components, as the generator's, but "
            f"{folder.uri} is for {prior.latent_dim}: fit one to a store of this generator's codes"
        )
    return prior


def metrics_of(loss_d: Tensor, loss_g: Tensor, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
    """What a step records."""
    probabilities = (logits.detach().float().sigmoid().mean() for logits in (real_logits, fake_logits))
    return dict(zip(GAN_METRICS, (loss_d.detach(), loss_g.detach(), *probabilities), strict=True))
