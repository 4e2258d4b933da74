import torch
from torch import nn

from preimage.data.pixels import to_float
from preimage.models.cards import ClassifierConfig
from preimage.models.classifier import build_classifier, save_classifier
from preimage.models.scorer import ScorerSource
from preimage.storage.folder import Folder


def test_a_classifiers_logits_and_features_are_its_own_to_rounding(tmp_path):
    config = ClassifierConfig(image_size=16, channels=3, classes=4, base_channels=8)
    classifier = build_classifier(config, seed=1)
    pixels = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
    for _ in range(10):
        classifier(to_float(pixels))  # its BatchNorms see data
    save_classifier(classifier, Folder.at(tmp_path), list("abcd"), 0.9, "none", {})
    scorer = ScorerSource(Folder.at(tmp_path)).open(torch.device("cpu"))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in scorer.network.modules())

    exact = classifier.eval().double()
    expected = exact.features(to_float(pixels).double())
    logits, features = scorer(pixels)
    assert features.dtype == logits.dtype == torch.float32
    assert torch.allclose(features.double(), expected, rtol=1e-4, atol=1e-6)
    assert torch.allclose(logits.double(), exact.logits(expected), rtol=1e-4, atol=1e-6)


def test_it_scores_in_ieee_float32_whatever_the_process_allows(tmp_path):
    config = ClassifierConfig(image_size=16, channels=1, classes=2, base_channels=4)
    save_classifier(build_classifier(config, seed=1), Folder.at(tmp_path), ["a", "b"], 0.9, "none", {})
    scorer, seen = ScorerSource(Folder.at(tmp_path)).open(torch.device("cpu")), []
    scorer.network.register_forward_hook(lambda *_: seen.append(torch.get_float32_matmul_precision()))
    torch.set_float32_matmul_precision("high")
    try:
        scorer(torch.zeros(1, 1, 16, 16, dtype=torch.uint8))
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert seen == ["highest"]
