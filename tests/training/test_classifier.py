import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.data.preparing.prepare import prepare
from preimage.errors import DataError
from preimage.models.classifier import load_classifier
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.classifier import (
    CHUNK,
    ClassifierAlgorithm,
    HeldOut,
    export_classifier,
    read_confusion,
)
from preimage.training.config import OptimizerConfig
from preimage.training.labels import classes_of, labels_of, require_known, require_labels
from preimage.training.loop import train
from preimage.training.metric_names import CLASSIFIER_METRICS
from preimage.training.training import Training
from preimage.training.worker import Worker
from tiny import LOOP
from two_workers import CLASSIFIER, classifier, many, train_all

DIGITS = [str(digit) for digit in range(10)]
ADAM = OptimizerConfig(name="adam", lr=1e-3, beta1=0.9)


@pytest.fixture(scope="module")
def more_digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Those that the other tests train on, and as many again and a half after them: more than a chunk."""
    config = DataConfig(source="digits", size=16, channels=1, max_images=200 + CHUNK + 150)
    return prepare(config, Folder.at(tmp_path_factory.mktemp("datasets")), backend="local")


@pytest.fixture
def make_classifier(digits: Dataset, more_digits: Dataset, folder: Folder) -> Callable[..., Training]:
    def make(name: str = "run", **loop: object) -> Training:
        held_out = HeldOut(more_digits.folder, digits.count, "other digits", tuple(DIGITS))
        return Training(
            run=RunFolder(folder / name),
            dataset=digits.folder,
            loop=LOOP.model_copy(update=loop),
            build=classifier,
            identity={},
            seed=0,
            export=partial(export_classifier, held_out),
            history={"job": "train-classifier"},
        )

    return make


def context(digits: Dataset) -> AlgorithmContext:
    return AlgorithmContext(Worker(), digits.read(0, 24), LOOP, seed=1)


def curves(training: Training) -> dict[str, list[tuple[int, float]]]:
    return {name: training.run.curve(name) for name in CLASSIFIER_METRICS}


def test_a_step_is_adams_on_the_cross_entropy_in_float64(digits):
    algorithm = ClassifierAlgorithm(context(digits), CLASSIFIER, ADAM)
    for network in (algorithm.classifier, algorithm.average):
        network.double()
    plain = copy.deepcopy(algorithm.classifier)
    images = to_float(digits.read(0, 8).pixels).double()
    labels = digits.read(0, 8).labels.long()
    metrics = algorithm.step(torch.arange(8), images, 0)

    optimizer = torch.optim.Adam(plain.parameters(), 1e-3)
    logits = plain(images)
    loss = cross_entropy(logits, labels)
    loss.backward()
    optimizer.step()
    for one, other in zip(algorithm.classifier.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-10)
    assert metrics["loss"].item() == pytest.approx(loss.item())
    assert metrics["training_accuracy"].item() == pytest.approx(
        (logits.argmax(1) == labels).double().mean().item()
    )


def test_what_comes_of_it_is_the_average_of_the_steps(digits):
    """After step t: 1 - 9 / (t + 8) of the average before it, and 9 / (t + 8) of the weights after it."""
    algorithm = ClassifierAlgorithm(context(digits), CLASSIFIER, ADAM)
    algorithm.classifier.double()
    algorithm.average.double()
    images = to_float(digits.read(0, 24).pixels).double()
    expected: dict[str, torch.Tensor] = {}
    for t in range(1, 6):
        algorithm.step(torch.arange(24), images, t - 1)
        now = {name: value.clone() for name, value in algorithm.classifier.state_dict().items()}
        before, share = expected or now, 9 / (t + 8)
        expected = {name: (1 - share) * before[name] + share * now[name] for name in now}
    for name, value in algorithm.average.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, expected[name], rtol=1e-9), name


def test_training_leaves_a_classifier_and_its_accuracy_on_images_it_never_saw(make_classifier, more_digits):
    training = make_classifier(total_images=9_600)
    train(Worker(), training)
    network, card = load_classifier(training.run.product("classifier"))
    unseen = more_digits.read(200, more_digits.count)
    with torch.no_grad():
        told = network(to_float(unseen.pixels)).argmax(1)
    assert card.accuracy == pytest.approx((told == unseen.labels).double().mean().item())
    assert card.accuracy > 0.6, "a tenth is chance"
    counts = read_confusion(training.run.product("classifier"))
    assert counts.sum() == CHUNK + 150
    assert torch.equal(counts.sum(1), unseen.labels.long().bincount(minlength=10))
    assert torch.equal(counts.sum(0), told.bincount(minlength=10))
    assert (card.classes, card.held_out) == (DIGITS, "other digits")
    assert card.training == {"job": "train-classifier", "images_seen": 9_600}
    assert training.run.samples.names() == []


@pytest.mark.parametrize("step", [3, 13])
def test_a_killed_run_goes_on_with_the_same_curve(make_classifier, monkeypatch, step):
    flipping = partial(classifier, flip=True)  # has a random stream of its own
    whole, killed = (replace(make_classifier(name), build=flipping) for name in ("whole", "killed"))
    train(Worker(), whole)
    original = ClassifierAlgorithm.step

    def dying(self, rows, images, number):
        if number == step:
            raise KeyboardInterrupt
        return original(self, rows, images, number)

    monkeypatch.setattr(ClassifierAlgorithm, "step", dying)
    with pytest.raises(KeyboardInterrupt):
        train(Worker(), killed)
    monkeypatch.setattr(ClassifierAlgorithm, "step", original)
    train(Worker(), killed)
    assert curves(killed) == curves(whole)
    one, other = (load_classifier(each.run.product("classifier"))[1] for each in (whole, killed))
    assert one.fingerprint == other.fingerprint
    assert one.accuracy == other.accuracy


def test_three_workers_train_and_measure_as_one_does(make_classifier):
    """Of a batch that they cannot share out evenly."""
    flipping = partial(classifier, flip=True)
    ones, groups = (
        [
            replace(make_classifier(f"{kind}-{number}", batch_size=25), build=build)
            for kind, build in builds.items()
        ]
        for builds in [{"plain": classifier, "flip": flipping}]
        for number in (1, 3)
    )
    for training in ones:
        train(Worker(), training)
    many(3, train_all, groups, True)
    for one, pair in zip(ones, groups, strict=True):
        for metric in CLASSIFIER_METRICS:
            a, b = (torch.tensor(each.run.curve(metric)) for each in (one, pair))
            assert torch.allclose(a, b, rtol=2e-4), "up to the rounding of sums"
        found = [read_confusion(each.run.product("classifier")) for each in (one, pair)]
        assert found[0].sum() == found[1].sum() == CHUNK + 150
        assert (found[0] - found[1]).abs().sum() <= 4, "an image on the border may fall to either side"
    assert curves(ones[0]) != curves(ones[1])


def test_some_images_are_mirrored_and_the_others_are_not(digits):
    algorithm = ClassifierAlgorithm(context(digits), CLASSIFIER, ADAM, flip=True)
    images = to_float(digits.read(0, 200).pixels)
    made = algorithm._mirror(images)
    same, mirrored = (
        torch.tensor([torch.equal(a, b) for a, b in zip(made, other, strict=True)])
        for other in (images, images.flip(3))
    )
    assert (same | mirrored).all()
    assert 60 < mirrored.sum() < 140


def test_labels_that_a_classifier_cannot_learn_are_refused(digits):
    some = context(digits)
    with pytest.raises(DataError, match="24 of 24 images of the training set have none"):
        ClassifierAlgorithm(
            replace(some, images=some.images._replace(labels=torch.full((24,), -1))), CLASSIFIER, ADAM
        )
    with pytest.raises(DataError, match="labels must be below 3, the number of classes, but got 9"):
        ClassifierAlgorithm(some, CLASSIFIER.model_copy(update={"classes": 3}), ADAM)


def test_labels_are_those_of_the_rows_that_are_asked_for(more_digits, monkeypatch):
    monkeypatch.setattr("preimage.training.labels.PIECE", 64)
    labels = labels_of(more_digits, 200)
    assert torch.equal(labels, more_digits.read(200, more_digits.count).labels.long())
    assert classes_of(more_digits, labels) == DIGITS


def test_classes_without_names_are_numbered_and_one_alone_is_refused(more_digits):
    nameless = replace(more_digits, manifest=more_digits.manifest | {"classes": []})
    assert classes_of(nameless, torch.tensor([0, 4, 1])) == ["0", "1", "2", "3", "4"]
    with pytest.raises(DataError, match="of class '0'"):
        classes_of(nameless, torch.tensor([0, 0]))


def test_held_out_classes_that_training_has_none_of_are_refused():
    names = ["cat", "dog", "zebra"]
    both, all_three = torch.tensor([0, 1, 0]), torch.tensor([2, 1, 0])
    require_known(both, names, all_three, names)
    with pytest.raises(
        DataError, match="classes that the classifier does not know: no training image is of zebra"
    ):
        require_known(all_three, names, both, names)
    with pytest.raises(DataError, match="class numbers differ from the training images'"):
        require_known(torch.tensor([0]), ["dog"], both, names)
    with pytest.raises(DataError, match="1 of 2 images of mine have none"):
        require_labels(torch.tensor([-1, 0]), "mine")
