"""What the algorithms record, by the names in curves, outcomes and specs."""

GAN_METRICS = ("discriminator_loss", "generator_loss", "real_probability", "generated_probability")
"""Both losses, and the discriminator's mean D(x) and D(G(z))."""
DFM_GRADIENTS = ("feature_gradient", "adversarial_gradient")
"""The two terms of a DFM-GAN generator's loss, weights included: the mean norm of an image's gradient at its
features h, which both terms reach the generator through."""
DFM_METRICS = ("denoising_error", "feature_gap", *DFM_GRADIENTS)
"""Beside a GAN's: ||h - r(C(h))||^2 / n of real images, ||h - r(h)||^2 / n of generated ones, and the
norms of the two gradients."""
CODE_METRICS = ("loss", "code_norm")
"""Where each image has a code: the mean loss of an image, and the mean norm of the codes of a batch."""
CLASSIFIER_METRICS = ("loss", "training_accuracy")
"""Of a batch: the mean cross-entropy, and the fraction classified correctly."""
PGAN_SCORE = "energy_distance"
"""Of a prior's codes to held-out ones."""
SCORES = {
    "classifier": ("classifier_score", "classifier_frechet_distance", "class_entropy"),
    "inception": ("inception_score", "fid", "class_entropy"),
}
"""Of samples at a checkpoint, by kind of scoring network."""
