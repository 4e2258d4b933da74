"""Folders of networks and of priors from anybody: what they say they are, or one message."""

import json
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from preimage.errors import PreimageError
from preimage.latents.fitted import Box, Diagonal, Network
from preimage.latents.mixture import Mixture
from preimage.latents.priors import Gaussian
from preimage.models.cards import ClassifierConfig
from preimage.models.classifier import build_classifier, load_classifier, save_classifier
from preimage.models.generator_folder import load_generator, load_prior, write_generator
from preimage.models.prior_folder import load_fitted, save_prior
from preimage.storage.folder import Folder, digest
from security.mutations import FUZZ, altered, damaged, documented, memory_within
from stores import linear_generator
from tiny import MODEL

PRIORS = {
    "gaussian": Gaussian(torch.zeros(4), torch.eye(4)),
    "diagonal": Diagonal(torch.zeros(4), torch.ones(4)),
    "box": Box(torch.zeros(4), torch.ones(4)),
    "mixture": Mixture(torch.tensor([0.5, 0.5]), torch.zeros(2, 4), torch.eye(4).repeat(2, 1, 1)),
    "pgan": Network((torch.ones(5, 4), torch.ones(4, 5)), (torch.ones(5), torch.ones(4)), 1.0),
}
FOLDERS = ("generator", "linear", "fitted", "classifier", *PRIORS)


def load(folder):
    """Whatever network there is, used once."""
    if "classifier" in folder.path:
        network, _ = load_classifier(folder)
        return network(torch.zeros(1, *network.config.shape))
    if "prior-" in folder.path:
        prior = load_fitted(folder)
        assert prior.std >= 0
        return prior.sample(2, torch.Generator())
    network, card = load_generator(folder)
    prior = load_prior(folder, card)
    return network(prior.sample(1, torch.Generator()))


@pytest.fixture(scope="module")
def folders(tmp_path_factory, tiny_generator) -> dict[str, Folder]:
    """One of each kind."""
    made = {name: Folder.at(tmp_path_factory.mktemp(f"prior-{name}")) for name in PRIORS}
    for name, prior in PRIORS.items():
        save_prior(prior, made[name], {})
    made |= {
        name: Folder.at(tmp_path_factory.mktemp(name))
        for name in ("generator", "linear", "fitted", "classifier")
    }
    write_generator(tiny_generator, made["generator"], {"images_seen": 1})
    write_generator(linear_generator(4, 0), made["linear"], {})
    fitted = linear_generator(4, 0)
    fitted.config = fitted.config.model_copy(update={"prior": "gaussian-in-ball"})
    write_generator(fitted, made["fitted"], {}, Gaussian(torch.zeros(4), torch.eye(4), "ball"))
    config = ClassifierConfig(image_size=16, channels=1, classes=2, base_channels=2)
    save_classifier(build_classifier(config, 0), made["classifier"], ["a", "b"], 0.5, "none", {})
    for folder in made.values():
        load(folder)
    return made


@pytest.fixture(params=FOLDERS)
def whole(folders, request):
    """A folder that is put back afterwards."""
    folder = folders[request.param].local
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    yield Folder.at(folder)
    for path, data in before.items():
        path.write_bytes(data)


def test_any_card(whole):
    card = whole.read_json("config.json")

    @FUZZ
    @given(altered(card))
    def check(value):
        whole.write("config.json", json.dumps(value).encode("utf-8", "surrogatepass"))
        documented(lambda: load(whole))

    check()


def test_any_bytes_of_a_card(whole):
    @FUZZ
    @given(damaged(whole.read("config.json")))
    def check(data):
        whole.write("config.json", data)
        documented(lambda: load(whole))

    check()


def test_weights_that_were_altered_are_never_loaded(whole):
    weights = whole.read("weights.safetensors")

    @FUZZ
    @given(damaged(weights))
    def check(data):
        whole.write("weights.safetensors", data)
        assert data == weights or documented(lambda: load(whole)) is None

    check()


def test_any_weights_that_the_card_vouches_for(whole):
    """The SHA-256 keeps accidents out; whoever makes a folder writes both."""
    card, weights = whole.read_json("config.json"), whole.read("weights.safetensors")
    length = struct.unpack("<Q", weights[:8])[0]
    header = json.loads(weights[8 : 8 + length])

    def packed(value):
        text = json.dumps(value).encode("utf-8", "surrogatepass")
        return struct.pack("<Q", len(text)) + text + weights[8 + length :]

    @FUZZ
    @given(st.one_of(damaged(weights), altered(header).map(packed)))
    def check(data):
        whole.write("weights.safetensors", data)
        whole.write_json("config.json", card | {"weights_sha256": digest(data)})
        documented(lambda: load(whole))

    check()


def vouched(folder: Folder, tensors: dict[str, torch.Tensor]) -> Folder:
    data = save(tensors)
    folder.write("weights.safetensors", data)
    folder.write_json("config.json", folder.read_json("config.json") | {"weights_sha256": digest(data)})
    return folder


@pytest.mark.parametrize("kind", ["nan", "double", "shape", "more", "fewer"])
def test_weights_of_another_network_are_refused(folders, tmp_path, kind, tiny_generator):
    write_generator(tiny_generator, Folder.at(tmp_path), {})
    state = {name: each.clone() for name, each in tiny_generator.state_dict().items()}
    name = next(iter(state))
    match kind:
        case "nan":
            state[name].view(-1)[3] = torch.nan
        case "double":
            state[name] = state[name].double()
        case "shape":
            state[name] = state[name][:1].contiguous()
        case "more":
            state["more"] = torch.zeros(1)
        case _:
            del state[name]
    with pytest.raises(PreimageError, match="not finite" if kind == "nan" else "does not fit"):
        load_generator(vouched(Folder.at(tmp_path), state))


@pytest.mark.parametrize(
    "claim", [{"base_channels": 10**5}, {"latent_dim": 10**9}, {"base_channels": 10**19}]
)
def test_a_card_that_claims_a_network_of_any_size_takes_no_memory(tmp_path, tiny_generator, claim):
    write_generator(tiny_generator, Folder.at(tmp_path), {})
    path = Path(tmp_path) / "config.json"
    card = json.loads(path.read_text())
    card["generator"] |= claim
    path.write_text(json.dumps(card))
    with memory_within(50), pytest.raises(PreimageError, match="does not fit"):
        load_generator(Folder.at(tmp_path))


def test_a_prior_of_another_place_is_not_read(folders, tmp_path):
    """A card names no files: what lies beside it is read, and nothing else."""
    write_generator(linear_generator(MODEL.latent_dim, 0), Folder.at(tmp_path), {})
    path = Path(tmp_path) / "config.json"
    card = json.loads(path.read_text())
    card["generator"]["prior"] = str(folders["gaussian"].local)
    path.write_text(json.dumps(card))
    with pytest.raises(PreimageError):
        load(Folder.at(tmp_path))
