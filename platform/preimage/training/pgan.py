"""PGAN as an algorithm: a second GAN, which generates codes (flexible-priors, section 3)."""

from dataclasses import dataclass

from torch import Tensor

from preimage.latents.fitted import Network
from preimage.latents.held_out import Split
from preimage.latents.priors import Normal
from preimage.metrics.distances import energy_distance
from preimage.metrics.pag_of_fit import fit_agreement
from preimage.models.config import PganConfig
from preimage.models.generator_folder import load_generator
from preimage.models.pgan import build_code_pair, folded
from preimage.models.prior_folder import save_prior
from preimage.random_streams import Stream
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.codes import CodeRows, CodeSet
from preimage.training.config import OptimizerConfig
from preimage.training.gan import GanPair
from preimage.training.metric_names import PGAN_SCORE
from preimage.training.networks import fixed_samples
from preimage.training.training import Training
from preimage.training.worker import Worker


class PganAlgorithm(GanPair):
    """A generator from noise to standardised codes, and a discriminator of codes."""

    def __init__(
        self,
        context: AlgorithmContext,
        model: PganConfig,
        optimizer: OptimizerConfig,
        images: Folder | None = None,
    ) -> None:
        """images: the generator that the codes belong to, for sample grids.

        Raises GeneratorError, PriorError.
        """
        rows: CodeRows = context.images
        dim = rows.z.shape[1]
        noise = model.noise_for(dim)
        pair = build_code_pair(noise, dim, model.width, context.seed)
        super().__init__(context, pair, Normal(noise), optimizer)
        self.mean, self.scale = rows.mean, rows.scale
        self.images = load_generator(images)[0].to(self.worker.device) if images else None

    def begin(self) -> None:
        """Nothing to do: the weights come from the seed."""

    def as_prior(self) -> Network:
        """The current generator, in eval mode, as a distribution of codes."""
        return folded(self.generator, self.mean, self.scale)  # pyright: ignore[reportArgumentType]

    def samples(self, count: int) -> Tensor | None:
        """Images (count, C, H, W) of generated codes, if the codes' generator is known."""
        return fixed_samples(self.images, self.as_prior(), self.seed, count) if self.images else None


def export_prior(
    worker: Worker, algorithm: PganAlgorithm, training: Training, codes: CodeSet, rows: CodeRows, seen: int
) -> None:
    """Write the prior folder. seen: codes trained on, counting repetitions."""

    def export() -> None:
        prior, split = algorithm.as_prior(), Split(codes.store, codes.held_out)
        history = training.history | {"codes_seen": seen} | fit_agreement(prior, split)
        save_prior(prior, training.run.product("prior"), history)

    worker.run_or_fail_together(lambda: export() if worker.is_main else None)


@dataclass(frozen=True, eq=False)
class CodeEvaluation:
    """Makes each worker's CodeEvaluator from held-out codes (m, d). It is sent to workers."""

    unseen: Tensor

    def evaluator(self, worker: Worker, images: CodeRows, first: int, seed: int) -> "CodeEvaluator":
        return CodeEvaluator(self.unseen, seed)


@dataclass(frozen=True, eq=False)
class CodeEvaluator:
    """Scores an algorithm's codes against held-out ones (m, d), with the same noise every time."""

    unseen: Tensor
    seed: int

    def score(self, algorithm: PganAlgorithm) -> dict[str, float]:
        random = Stream.PRIOR_NOISE.generator(self.seed)
        return {
            PGAN_SCORE: energy_distance(algorithm.as_prior().sample(len(self.unseen), random), self.unseen)
        }
