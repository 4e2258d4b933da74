"""The Inception network with random weights: the real ones are on no machine that runs tests."""

import io
import urllib.error
from unittest import mock

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch_fidelity import calculate_metrics
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from preimage.errors import ClassifierError
from preimage.latents.statistics import Moments
from preimage.metrics.scores import frechet_distance, inception_score
from preimage.models import inception, inception_weights
from preimage.models.inception import open_inception
from preimage.models.inception_weights import FILE, is_published
from preimage.models.scorer import ScorerSource
from preimage.storage.folder import digest

NOISE = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
PIXELS = (255 * NOISE ** torch.tensor([0.1, 0.5, 1, 5])[:, None, None, None]).to(torch.uint8)


def random_tensors():
    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict"), torch.random.fork_rng():
        torch.manual_seed(0)
        network = FeatureExtractorInceptionV3("", ["2048"], feature_extractor_weights_path=empty)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.running_var, module.weight):
                    nn.init.uniform_(tensor, 0.8, 1.2)
                for tensor in (module.running_mean, module.bias):
                    nn.init.normal_(tensor, std=0.05)
        nn.init.normal_(network.fc.weight, std=0.5)
    return network.state_dict()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same random weights as .safetensors and as .pth."""
    place, tensors = tmp_path_factory.mktemp("weights"), random_tensors()
    save_file(tensors, place / "random.safetensors")
    torch.save(tensors, place / "random.pth")
    return place


@pytest.fixture(scope="module")
def network(files):
    return open_inception(str(files / "random.safetensors"))[0]


def test_scores_of_few_images_are_the_reference_librarys(files, network):
    other = PIXELS.flip(0) // 2
    logits, features = network(PIXELS)
    expected = calculate_metrics(
        input1=_Plain(PIXELS),
        input2=_Plain(other),
        feature_extractor_weights_path=str(files / "random.pth"),
        isc=True,
        fid=True,
        isc_splits=2,
        samples_shuffle=False,
        cuda=False,
        cache=False,
        verbose=False,
        batch_size=4,
        save_cpu_ram=True,
    )
    found = inception_score(logits, splits=2)
    assert found.mean > 1.01  # or the comparison would say nothing
    assert found.mean == pytest.approx(expected["inception_score_mean"], rel=1e-6)
    assert found.std == pytest.approx(expected["inception_score_std"], rel=1e-4, abs=1e-9)
    a, b = (Moments.empty(2048).update(each) for each in (features, network(other)[1]))
    assert frechet_distance(a, b) == pytest.approx(expected["frechet_inception_distance"], rel=1e-4)


class _Plain(torch.utils.data.Dataset):
    """Images as the library takes them."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


def test_logits_and_features_are_the_librarys_to_rounding(files, network):
    library = FeatureExtractorInceptionV3(
        "", ["logits_unbiased", "2048"], feature_extractor_weights_path=str(files / "random.pth")
    )
    kinds = [type(module) for module in network.modules()]
    assert nn.BatchNorm2d not in kinds
    assert nn.BatchNorm2d in [type(module) for module in library.modules()]
    for found, expected in zip(network(PIXELS), library(PIXELS), strict=True):
        assert (found - expected).abs().max() < 3e-6 * expected.abs().max()


def test_it_gives_logits_and_features_and_takes_grey_images_for_colour(network):
    grey = PIXELS[:2, :1]
    logits, features = network(grey)
    assert (logits.shape, features.shape) == ((2, 1008), (2, 2048))
    assert (logits.dtype, features.dtype) == (torch.float32, torch.float32)
    assert not network.training
    assert torch.equal(features, network(grey.repeat(1, 3, 1, 1))[1])


def test_a_file_of_other_tensors_is_taken_but_is_not_the_published_one(files):
    path = files / "random.safetensors"
    scorer = ScorerSource(None, str(path)).open(torch.device("cpu"))
    assert (scorer.score, scorer.distance, scorer.classes) == ("inception_score", "fid", ())
    assert scorer.fingerprint == digest(path.read_bytes()) == scorer.about["weights_sha256"]
    assert not is_published(scorer.fingerprint)


def test_a_user_s_file_is_never_unpickled_by_the_library(files):
    """Only bytes that were made here reach torch.load without weights_only."""
    load, seen = torch.load, []

    def watched(file, *arguments, **settings):
        seen.append((type(file), settings.get("weights_only")))
        return load(file, *arguments, **settings)

    with mock.patch("torch.load", watched):
        open_inception(str(files / "random.safetensors"))
    assert seen == [(io.BytesIO, False)]


def test_any_other_pickle_is_refused_unopened(files):
    with (
        mock.patch("torch.load", side_effect=AssertionError),
        pytest.raises(ClassifierError, match=r"random.pth is not the published file: its SHA-256 begins wit"),
    ):
        open_inception(str(files / "random.pth"))


def test_the_published_file_is_known_by_its_digest_and_read_without_unpickling(files, monkeypatch, tmp_path):
    data = (files / "random.pth").read_bytes()
    monkeypatch.setattr(inception_weights, "PUBLISHED", digest(data)[:8])
    monkeypatch.setattr(inception, "PUBLISHED", digest(data)[:8])
    path = tmp_path / "under-another.name"
    path.write_bytes(data)
    network, sha256 = open_inception(str(path))
    assert sha256 == digest(data)
    assert is_published(sha256)
    expected = open_inception(str(files / "random.safetensors"))[0]
    assert torch.equal(network(PIXELS[:1])[0], expected(PIXELS[:1])[0])


def test_what_is_no_such_file_is_one_message(files, tmp_path):
    with pytest.raises(ClassifierError, match=r"cannot read weights=.*nowhere: No such file.*Name Inception"):
        open_inception(str(tmp_path / "nowhere"))
    cut, other = tmp_path / "cut.safetensors", tmp_path / "other.safetensors"
    cut.write_bytes((files / "random.safetensors").read_bytes()[:-9])
    with pytest.raises(ClassifierError, match=r"cut.safetensors is damaged"):
        open_inception(str(cut))
    save_file({"weight": torch.zeros(3)}, other)
    with pytest.raises(ClassifierError, match=r"other.safetensors does not hold Inception's tensors: .*Miss"):
        open_inception(str(other))


def test_without_weights_they_are_downloaded_into_torchs_cache_and_a_damaged_copy_again(
    files, monkeypatch, tmp_path
):
    data = (files / "random.pth").read_bytes()
    monkeypatch.setattr(inception_weights, "PUBLISHED", digest(data)[:8])
    monkeypatch.setattr(inception, "PUBLISHED", digest(data)[:8])
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    asked = []

    def download(url, place, hash_prefix, progress):
        asked.append((url, hash_prefix))
        (tmp_path / "checkpoints" / FILE).write_bytes(data)
        assert place == str(tmp_path / "checkpoints" / FILE)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for damage in (False, False, True):
        if damage:
            (tmp_path / "checkpoints" / FILE).write_bytes(data[:1000])
        assert open_inception()[1] == digest(data)
    assert asked == [(URL_INCEPTION_V3, digest(data)[:8])] * 2


@pytest.mark.parametrize(
    "failure", [urllib.error.URLError("no route"), RuntimeError("invalid hash value"), TimeoutError("slow")]
)
def test_without_weights_and_internet_one_message_says_what_to_do(monkeypatch, tmp_path, failure):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", mock.Mock(side_effect=failure))
    with pytest.raises(ClassifierError) as caught:
        open_inception()
    for part in (FILE, "on a machine with internet", "weights=PATH", "classifier=NAME"):
        assert part in str(caught.value)
