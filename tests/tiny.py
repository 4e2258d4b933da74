"""Networks and settings small enough for tests."""

from preimage.models.config import DcganConfig
from preimage.training.config import LoopConfig

MODEL = DcganConfig(latent_dim=4, prior="normal", image_size=16, channels=1, kernel_size=4, base_channels=4)
CONDITIONAL = MODEL.model_copy(update={"classes": 10, "activation": "leaky-relu"})
LOOP = LoopConfig(total_images=480, batch_size=24, log_every=48, sample_every=240, checkpoint_every=120)
GLO_MODEL = MODEL.model_copy(update={"latent_dim": 6, "prior": "gaussian-in-ball"})
