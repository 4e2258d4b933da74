"""Import networks as strangers write them."""

from typing import Any

import pytest
import torch
from torch import nn

import strangers
from preimage import save_generator
from preimage.errors import GeneratorError
from preimage.importing.importer import import_generator
from preimage.importing.settings import ImportSettings
from preimage.importing.sources import open_source
from preimage.inversion.optimize_for_inference import freeze
from preimage.latents.priors import Gaussian
from preimage.models.config import CodeConfig
from preimage.models.generator_folder import load_generator, load_prior
from preimage.models.imported import CodeNetwork
from preimage.models.prior_folder import save_prior
from preimage.named_code import naming
from preimage.storage.folder import Folder

FLAT = {"latent_dim": 4, "image_range": (0, 1), "image_shape": (1, 6, 6)}


def seeded(network: type[nn.Module], *settings) -> Any:
    torch.manual_seed(0)
    return network(*settings).eval()


def codes(count: int, *shape: int) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(1))


def images_of(folder, *given: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return load_generator(folder)[0](*given)


def test_flat_outputs_in_another_range_become_images(tmp_path):
    net = strangers.mlp()
    imported = save_generator(net, tmp_path / "g", **FLAT)
    z = codes(5, 4)
    torch.testing.assert_close(images_of(tmp_path / "g", z), net(z).view(5, 1, 6, 6) * 2 - 1)
    assert imported.card.generator.shape == (1, 6, 6)
    assert 0 <= imported.probe.lowest < imported.probe.highest <= 1


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_program_makes_the_networks_images_in_any_number(tmp_path, count):
    net = seeded(strangers.Conv)
    save_generator(net, tmp_path / "g", code_shape=(6, 1, 1))
    z = codes(count, 6)
    torch.testing.assert_close(images_of(tmp_path / "g", z), net(z[:, :, None, None]))


def test_a_programs_folder_needs_no_code_and_has_the_networks_gradient(tmp_path):
    net = seeded(strangers.Conv)
    card = save_generator(net, tmp_path / "g", code_shape=(6, 1, 1), code="nowhere.nets:Conv").card
    assert card.program_sha256
    assert card.generator.code is None
    loaded, z = load_generator(tmp_path / "g")[0], codes(3, 6).requires_grad_()
    (found,) = torch.autograd.grad(loaded(z).square().sum(), z)
    (own,) = torch.autograd.grad(net(z[:, :, None, None]).square().sum(), z)
    torch.testing.assert_close(found, own)


ANYWHERE = {
    "flat": (strangers.mlp, FLAT),
    "convolutions": (strangers.Conv, {"code_shape": (6, 1, 1)}),
    "its own tensors": (strangers.Placed, {"latent_dim": 4}),
    "a fixed class": (strangers.Conditional, {"latent_dim": 3, "output": 0, "fixed": {"y": 3}}),
    "a fixed vector": (strangers.OneHot, {"latent_dim": 3, "fixed": {"label": [0, 1, 0, 0]}}),
    "classes": (strangers.Conditional, {"latent_dim": 3, "output": 0, "labels": "y", "classes": 4}),
    "one-hot classes": (
        strangers.OneHot,
        {"latent_dim": 3, "labels": "label", "classes": 4, "class_input": "one-hot"},
    ),
}


@pytest.mark.parametrize("kind", ANYWHERE)
def test_a_program_computes_where_its_codes_are(tmp_path, kind):
    """On a device that is not the CPU, where it was exported: one that has no values, but refuses to mix."""
    network, options = ANYWHERE[kind]
    torch.manual_seed(0)
    card = save_generator(network(), tmp_path / "g", **options).card
    assert card.program_sha256
    given = [codes(3, card.generator.latent_dim), *([torch.arange(3)] if card.generator.classes else [])]
    generator = load_generator(tmp_path / "g")[0]
    here = generator(*given)
    away = freeze(generator, torch.device("meta"))(*(each.to("meta") for each in given))
    assert (away.device.type, away.shape) == ("meta", here.shape)
    torch.testing.assert_close(freeze(generator)(*given), here)


def test_codes_own_network_computes_where_its_codes_are(tmp_path):
    """One that torch.export does not take: its further inputs go where the codes are."""
    code = CodeConfig(target="strangers:Conditional", fixed={"y": 3}, output=0)
    assert CodeNetwork(strangers.Conditional(), code).to("meta")(codes(2, 3).to("meta")).device.type == "meta"


@pytest.mark.parametrize("settings", [{"fixed": {"y": 3}}, {"labels": "y", "classes": 4}])
def test_class_labels_are_fixed_or_come_with_each_code(tmp_path, settings):
    net = seeded(strangers.Conditional)
    save_generator(net, tmp_path / "g", latent_dim=3, output=0, **settings)
    z, labels = codes(5, 3), torch.tensor([3, 0, 1, 3, 2])
    given = (z, labels) if "labels" in settings else (z,)
    used = labels if "labels" in settings else torch.full((5,), 3)
    torch.testing.assert_close(images_of(tmp_path / "g", *given), net(z, used)[0])


def test_labels_may_be_one_hot_vectors(tmp_path):
    net, z, labels = seeded(strangers.OneHot), codes(5, 3), torch.tensor([3, 0, 1, 3, 2])
    save_generator(net, tmp_path / "g", latent_dim=3, labels="label", classes=4, class_input="one-hot")
    own = net(z, nn.functional.one_hot(labels, 4).float())
    torch.testing.assert_close(images_of(tmp_path / "g", z, labels), own)
    save_generator(net, tmp_path / "fixed", latent_dim=3, fixed={"label": [0, 1, 0, 0]})
    own = net(z, torch.tensor([[0.0, 1, 0, 0]]).expand(5, -1))
    torch.testing.assert_close(images_of(tmp_path / "fixed", z), own)


def test_a_conditional_generator_without_labels_says_so(tmp_path):
    save_generator(
        seeded(strangers.Conditional), tmp_path / "g", latent_dim=3, output=0, labels="y", classes=4
    )
    with pytest.raises(GeneratorError, match="needs a class label for every code"):
        images_of(tmp_path / "g", codes(2, 3))


def test_a_named_output_is_taken(tmp_path):
    net, z = seeded(strangers.Named), codes(2, 4)
    save_generator(net, tmp_path / "g", latent_dim=4, output="images")
    torch.testing.assert_close(images_of(tmp_path / "g", z), net(z)["images"])


def test_a_second_latent_space_has_a_prior_fitted_through_the_mapping(tmp_path):
    net = seeded(strangers.Style)
    card = save_generator(
        net, tmp_path / "g", latent_dim=5, call="synthesis", prior_through="mapping", space="w"
    ).card
    assert (card.generator.space, card.generator.prior) == ("w", "gaussian")
    w = codes(3, 5)
    torch.testing.assert_close(images_of(tmp_path / "g", w), net.synthesis(w))
    prior = load_prior(tmp_path / "g", card)
    with torch.no_grad():
        mapped = net.mapping(codes(20_000, 5))
    assert isinstance(prior, Gaussian)
    torch.testing.assert_close(prior.mean, mapped.mean(0), atol=0.02, rtol=0)
    torch.testing.assert_close(prior.root @ prior.root.T, mapped.T.cov(), atol=0.02, rtol=0.05)


def test_a_fitted_prior_comes_along_and_must_have_the_codes_dimension(tmp_path):
    prior = Gaussian(torch.ones(4), 0.5 * torch.eye(4))
    save_prior(prior, Folder.at(tmp_path / "prior"), {})
    card = save_generator(strangers.mlp(), tmp_path / "g", prior=str(tmp_path / "prior"), **FLAT).card
    torch.testing.assert_close(load_prior(tmp_path / "g", card).mean, prior.mean)
    with pytest.raises(GeneratorError, match="of 4 components, the network takes 6"):
        save_generator(
            seeded(strangers.Conv), tmp_path / "h", prior=str(tmp_path / "prior"), code_shape=(6, 1, 1)
        )


def test_a_network_in_half_precision_becomes_float32_and_that_is_said(tmp_path):
    imported = save_generator(strangers.mlp().half(), tmp_path / "g", **FLAT)
    assert "its weights were float16" in imported.notes[0]
    assert images_of(tmp_path / "g", codes(2, 4)).dtype == torch.float32


def test_a_network_that_cannot_be_exported_is_stored_with_its_code(tmp_path):
    net, z = seeded(strangers.Branching, 2.0), codes(3, 4)
    code = {"code": "strangers:Branching", "settings": {"scale": 2.0}}
    imported = save_generator(net, tmp_path / "g", latent_dim=4, **code)
    assert "torch.export does not take it" in imported.notes[-1]
    with pytest.raises(GeneratorError, match="add --code strangers, or `code: \\[strangers\\]` to the spec"):
        load_generator(tmp_path / "g")
    with naming(["strangers"]):
        torch.testing.assert_close(images_of(tmp_path / "g", z), net(z))
    with pytest.raises(GeneratorError, match="does not name"):
        load_generator(tmp_path / "g")
    with pytest.raises(GeneratorError, match="name the class that builds it"):
        save_generator(net, tmp_path / "h", latent_dim=4)
    assert not (tmp_path / "h").exists()


def test_a_buffer_that_the_weights_lack_is_named(tmp_path):
    net = seeded(strangers.Forgetful)
    net.gain.fill_(2.0)
    with pytest.raises(GeneratorError, match="its weights lack the buffers gain:"):
        save_generator(net, tmp_path / "g", latent_dim=4, code="strangers:Forgetful")
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    ("network", "options", "said"),
    [
        (strangers.Conv, {"latent_dim": 6}, r"did not take codes \(2, 6\).*try --code-shape 6,1,1"),
        (strangers.Conv, {}, "how many components"),
        (strangers.mlp, {"latent_dim": 4}, "try --image-shape 1,6,6"),
        (
            strangers.mlp,
            FLAT | {"image_range": (-1, 1)},
            r"from 0\.\d+ to .* fit the range -1..1: give --range 0..1",
        ),
        (strangers.mlp, FLAT | {"image_range": (0, 255)}, r"give --range 0\.\.1, or add --no-check-range"),
        (
            strangers.Conditional,
            {"latent_dim": 3, "output": 0, "labels": "y", "classes": 9},
            "with labels 0 to 8",
        ),
        (
            lambda: strangers.mlp,
            FLAT,
            "a .pt2 file or a diffusers folder, but got a function",
        ),
        (strangers.mlp, FLAT | {"image_shape": (1, 5, 6)}, "36 values each"),
        (strangers.Conditional, {"latent_dim": 3, "fixed": {"y": 3}}, "returns a tuple .0, 1.*--take"),
        (strangers.Conditional, {"latent_dim": 3}, "missing 1 required positional argument"),
        (strangers.Named, {"latent_dim": 4, "output": "image"}, "has no 'image'"),
        (strangers.Noisy, {"latent_dim": 4}, "draws random numbers"),
        (strangers.Coupled, {"latent_dim": 4}, "depends on the other codes in its batch"),
        (strangers.Rounded, {"latent_dim": 4}, "gradient to the generator's codes is zero"),
        (strangers.Style, {"call": "synthetic"}, "has no synthetic; its parts are mapping, style, grey"),
        (strangers.mlp, {"latent_dims": 4}, "no option latent_dims; it has latent_dim"),
        (strangers.mlp, FLAT | {"labels": "y"}, "labels and classes go together"),
        (strangers.mlp, FLAT | {"code_shape": (5,)}, "leave latent_dim out"),
    ],
)
def test_a_network_that_cannot_serve_is_refused_in_one_sentence(tmp_path, network, options, said):
    torch.manual_seed(0)
    with pytest.raises(GeneratorError, match=said):
        save_generator(network(), tmp_path / "g", **options)
    assert not (tmp_path / "g").exists()


def test_weights_that_are_not_finite_are_refused(tmp_path):
    net = strangers.mlp()
    nn.init.constant_(net.get_parameter("2.bias"), torch.nan)
    with pytest.raises(GeneratorError, match="not finite for 64 of 64 codes"):
        save_generator(net, tmp_path / "g", **FLAT)


def test_a_users_network_stays_as_it_is(tmp_path):
    net = strangers.mlp().double().train()
    before = {name: each.clone() for name, each in net.state_dict().items()}
    save_generator(net, tmp_path / "g", **FLAT)
    assert net.training
    assert all(each.requires_grad for each in net.parameters())
    assert all(torch.equal(each, before[name]) for name, each in net.state_dict().items())


def test_an_import_twice_is_the_same_and_another_generator_stays(tmp_path):
    first = save_generator(strangers.mlp(), tmp_path / "g", **FLAT)
    again = save_generator(strangers.mlp(), tmp_path / "g", **FLAT)
    assert again.card == first.card
    with pytest.raises(GeneratorError, match="holds another generator"):
        save_generator(strangers.mlp(9), tmp_path / "g", **FLAT)
    assert load_generator(tmp_path / "g")[1] == first.card


def test_a_generator_of_ours_can_be_saved_from_python(tmp_path):
    save_generator(strangers.mlp(), tmp_path / "g", **FLAT)
    generator, z = load_generator(tmp_path / "g")[0], codes(3, 4)
    save_generator(generator, tmp_path / "copy")
    torch.testing.assert_close(images_of(tmp_path / "copy", z), images_of(tmp_path / "g", z))


@pytest.mark.parametrize(
    ("seen", "declared", "advice"),
    [
        ((-0.04, 1.01), (-1, 1), "give --range 0..1"),
        ((0.0, 0.6), (-1, 1), "give --range 0..1"),
        ((-0.04, 1.01), (0, 1), None),
        ((-1.0, 0.2), (-1, 1), None),
        ((-0.3, 0.3), (-1, 1), None),
        ((-1.0, 1.0), (0, 1), "give --range -1..1"),
        ((-2.0, 2.1), (-1, 1), "give the range of its training images"),
        ((0.0, 255.0), (0, 1), "give --range 0..255"),
        ((0.0, 1.0), (0, 255), "give --range 0..1"),
    ],
)
def test_values_that_do_not_fit_the_range_are_refused(tmp_path, seen, declared, advice):
    class Between(nn.Module):
        def forward(self, codes):
            share = torch.sigmoid(40 * codes.repeat(1, 4)).view(-1, 1, 4, 4)
            return seen[0] + (seen[1] - seen[0]) * share

    options = {"latent_dim": 4, "image_range": declared}
    if advice is None:
        save_generator(Between(), tmp_path / "g", **options)
    else:
        with pytest.raises(GeneratorError, match=advice):
            save_generator(Between(), tmp_path / "g", **options)
        probe = save_generator(Between(), tmp_path / "g", check_range=False, **options).probe
        assert (probe.lowest, probe.highest) == pytest.approx(seen, abs=0.01)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("strangers:Konv", "has no Konv; it has Conv"),
        ("strangers.Conv", "write it as mypkg.nets:Decoder"),
        ("strangers:NUMBER", "neither a class nor a function nor a network"),
        ("no_such_package.nets:Conv", "cannot be imported.*PYTHONPATH"),
        ("strangers:seeded", "has no seeded"),
        ("hf://someone/decoder", "download it first"),
    ],
)
def test_code_that_is_not_there_is_refused(target, said):
    with pytest.raises(GeneratorError, match=said):
        open_source(target)


def test_a_network_that_is_there_already_takes_no_settings(tmp_path):
    source = open_source("strangers:READY")
    import_generator(source, ImportSettings(**FLAT), Folder.at(tmp_path / "g"))
    assert "no --weights were given" in source.notes[0]
    with pytest.raises(GeneratorError, match="takes no settings"):
        open_source("strangers:READY", settings={"width": 3})
    with pytest.raises(GeneratorError, match=r"mlp\(depth=3\) failed"):
        open_source("strangers:mlp", settings={"depth": 3})
