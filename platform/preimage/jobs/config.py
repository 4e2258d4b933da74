"""What every job's config says, whatever the job."""

from typing import ClassVar, Literal

from pydantic import Field

from preimage.config import Config, Resources
from preimage.models.config import GeneratorConfig

Product = Literal["generator", "store", "classifier", "prior", "checkpoints"]


class JobConfig(Config):
    """The keys of every job."""

    NEEDS: ClassVar[dict[str, Product]] = {}
    """Keys that name an earlier run's product, and what that product is."""
    GIVES: ClassVar[frozenset[Product]] = frozenset()
    """What a finished run of this job leaves in its folder for others."""

    job: str
    seed: int = Field(0, ge=0, lt=2**31)
    """Decides every random draw."""
    resources: Resources = Resources()

    def needs(self) -> dict[str, tuple[str, Product]]:
        """What an earlier run is asked for: its name in the config, and the product, by dotted key."""
        return {key: (getattr(self, key), product) for key, product in self.NEEDS.items()}

    def require_usable(self, generator: GeneratorConfig) -> None:
        """Raise PreimageError where the job cannot be done with such a generator: known before any work."""

    def require_codes(self, latent_dim: int) -> None:
        """Raise PreimageError where the job cannot be done with a store of codes of so many components."""
