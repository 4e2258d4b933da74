"""Inverting images from Python: what is found, against closed forms, and what is refused."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import preimage
from preimage.errors import InversionError
from preimage.inversion.config import InversionConfig
from preimage.latents.priors import Normal
from preimage.models.generator_folder import load_generator, write_generator
from stores import linear_generator

DIM, COUNT = 4, 6


def orthogonal() -> nn.Sequential:
    """Codes (n, 4) to images (n, 1, 4, 4): a mean image, and four orthogonal components of length 1."""
    layer, random = nn.Linear(DIM, 16), torch.Generator().manual_seed(0)
    with torch.no_grad():
        layer.weight.copy_(torch.linalg.qr(torch.randn(16, DIM, generator=random))[0])
        layer.bias.copy_(torch.randn(16, generator=random))
    return nn.Sequential(layer, nn.Unflatten(1, (1, 4, 4)))


@pytest.fixture(scope="module")
def codes() -> Tensor:
    return torch.randn(COUNT, DIM, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def images_of(generator, codes):
    return generator(codes)


def squashed(last: nn.Module) -> nn.Sequential:
    """A generator of wide contrast, in the range of its last layer."""
    layer = nn.Linear(DIM, 16)
    nn.init.normal_(layer.weight, std=5, generator=torch.Generator().manual_seed(0))
    return nn.Sequential(layer, last, nn.Unflatten(1, (1, 4, 4)))


def test_the_codes_of_an_orthogonal_generator_are_found(codes):
    generator = orthogonal()
    found = preimage.invert(generator, images_of(generator, codes), prior="normal", labels=range(COUNT))
    assert torch.allclose(found.z, codes, atol=1e-3)
    assert torch.allclose(found.reconstructions, found.images, atol=1e-3)
    assert found.loss.max() < 1e-6
    assert found.labels.tolist() == found.ids.tolist() == list(range(COUNT))
    assert not found.generator.training
    assert generator.training, "the generator itself is left as it was"
    assert generator[0].weight.requires_grad


def test_a_start_is_named_as_in_a_spec(codes):
    """Two draws of the prior are two starts; the setting and the argument are one."""
    invert = partial(preimage.invert, orthogonal(), images_of(orthogonal(), codes), prior="normal", steps=1)
    named = invert(init_codes="prior", solver="adam")
    config = InversionConfig(init_codes="prior", solver="adam", steps=1)
    by_config = preimage.invert(orthogonal(), images_of(orthogonal(), codes), "normal", config=config)
    assert torch.equal(named.z, by_config.z)
    with pytest.raises(InversionError, match="init_codes"):
        invert(init_codes="somewhere")


def test_what_was_found_does_not_change_with_what_it_was_found_of(codes):
    generator = orthogonal()
    images = images_of(generator, codes)
    found = preimage.invert(generator, images, prior="normal", init_codes=codes, steps=1)
    with torch.no_grad():
        kept = [images.clone(), found.walk(0, 1).images]
        images.zero_()
        nn.init.zeros_(generator[0].weight)
    assert torch.equal(found.images, kept[0])
    assert torch.equal(found.walk(0, 1).images, kept[1])


@pytest.mark.parametrize("given", [np.float32, np.float64, torch.float64, torch.bfloat16])
def test_arrays_and_other_floats_are_images_too(codes, given):
    generator = orthogonal()
    images = images_of(generator, codes)
    other = images.numpy().astype(given) if given in (np.float32, np.float64) else images.to(given)
    expected = preimage.invert(generator, torch.as_tensor(other).float(), prior="normal")
    assert torch.equal(preimage.invert(generator, other, prior="normal").z, expected.z)


def test_a_generator_of_other_floats_is_one_of_float32(codes):
    images = images_of(orthogonal(), codes)
    found = preimage.invert(orthogonal().double(), images, prior="normal")
    assert torch.equal(found.z, preimage.invert(orthogonal(), images, prior="normal").z)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_that_are_switched_off_outside_change_nothing(codes, mode):
    def search():
        generator = orthogonal()
        images = images_of(generator, codes)
        return preimage.invert(generator, images, prior="normal", solver="adam", steps=20)

    expected = search()
    with mode():
        found = search()
        walked = found.walk(0, 1).images
        drawn = found.fit("gaussian")
        again = preimage.invert(orthogonal(), found.images, prior=drawn, steps=5)
    assert torch.equal(found.z, expected.z)
    assert torch.equal(walked, expected.walk(0, 1).images)
    assert again.loss.isfinite().all()


def test_settings_are_keywords_or_a_config(codes):
    generator, invert = orthogonal(), partial(preimage.invert, prior="normal", init_codes=codes + 0.1)
    images = images_of(generator, codes)
    by_name = invert(generator, images, solver="adam", steps=7)
    assert by_name.steps.tolist() == [7] * COUNT
    config = InversionConfig.model_validate({"solver": "adam", "steps": 7})
    assert torch.equal(invert(generator, images, config=config).z, by_name.z)
    with pytest.raises(
        InversionError, match="steps: should be greater.*got -3; slover: no such key; did you"
    ):
        invert(generator, images, steps=-3, slover="adam")
    with pytest.raises(InversionError, match="give either config or the settings steps"):
        invert(generator, images, config=config, steps=7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prior": None}, "which prior the codes have is unknown: pass prior='normal'"),
        ({"prior": "gauss"}, "prior is one of normal, uniform, or a prior itself, but got 'gauss'"),
        (
            {"prior": Normal(3), "latent_dim": 4},
            "the prior has 3 components, but the generator's codes have 4",
        ),
        ({"latent_dim": 5}, r"did not take codes \(n, 5\): .* If its codes do not have 5 components"),
        ({"labels": [1, 2]}, r"labels must be 6 integers, one for each image, but got \(2,\) of int64"),
        ({"labels": [0.5] * COUNT}, r"labels must be 6 integers, .* got \(6,\) of float64"),
        ({"ids": [3] * COUNT}, "ids must be unique"),
        (
            {"measurement": torch.relu},
            "wrap a function as LinearOperator.*, but got builtin_function_or_method",
        ),
        ({"init_codes": torch.zeros(2, 4)}, r"6 images .* init_codes of shape \(2, 4\)"),
    ],
)
def test_what_does_not_go_with_the_images_is_refused(codes, settings, message):
    generator = orthogonal()
    with pytest.raises(InversionError, match=message):
        preimage.invert(generator, images_of(generator, codes), **({"prior": "normal"} | settings))


IMAGES = torch.rand(COUNT, 1, 4, 4, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("last", "images", "message"),
    [
        (nn.Sigmoid(), (IMAGES * 255).byte(), r"uint8 in \[0, 255\]: convert .* images.float\(\) / 255$"),
        (nn.Tanh(), (IMAGES * 255).byte(), r"convert them with preimage.to_float\(images\)$"),
        (nn.Tanh(), (IMAGES * 255).byte().numpy(), r"with images.astype\('float32'\) / 127.5 - 1$"),
        (nn.Sigmoid(), IMAGES.long(), "images are int64: pass float32 values"),
        (nn.Sigmoid(), [[1.0]], "a tensor or a numpy array .* these are a list"),
        (nn.Sigmoid(), IMAGES[:0], "there are no images"),
        (nn.Sigmoid(), IMAGES.permute(0, 2, 3, 1), r"\(n, 1, 4, 4\): pass images.permute\(0, 3, 1, 2\)$"),
        (nn.Sigmoid(), IMAGES.permute(0, 2, 3, 1).numpy(), r": pass images.transpose\(0, 3, 1, 2\)$"),
        (nn.Sigmoid(), IMAGES[:, 0], r"\(6, 4, 4\), .* makes 1 x 4 x 4, .*: pass images\[:, None\]$"),
        (nn.Sigmoid(), IMAGES[0], r": pass images\[None\]$"),
        (nn.Sigmoid(), IMAGES.flatten(1), r": pass images.reshape\(-1, 1, 4, 4\)$"),
        (nn.Sigmoid(), torch.zeros(6, 1, 5, 5), "resize or crop them"),
        (nn.Sigmoid(), IMAGES * 2 - 1, r"in \[-0.9.*, 0.9.*\], .* \[0, 1\] at 64 draws .*: pass \(images \+"),
        (nn.Sigmoid(), IMAGES * 255, r"pass images / 255 \(or check_range=False"),
        (nn.Tanh(), IMAGES, r"makes values in \[-1, 1\] at 64 draws .*: pass images \* 2 - 1"),
        (nn.Tanh(), IMAGES * 255, r"pass images / 127.5 - 1"),
        (nn.Tanh(), (IMAGES - 0.5) * 8, r"scale them to \[-1, 1\]"),
        (nn.Identity(), IMAGES * 2550, None),
        (nn.Sigmoid(), IMAGES.where(IMAGES > 0.1, torch.nan), "holds a value that is not finite"),
    ],
)  # fmt: skip
def test_images_that_do_not_fit_the_generator_are_refused_before_any_step(last, images, message):
    def search():
        return preimage.invert(squashed(last), images, prior="normal", solver="adam", steps=1)

    if message is None:
        assert len(search()) == COUNT
        return
    with pytest.raises(InversionError, match=message):
        search()


@pytest.mark.parametrize(
    ("last", "images"),
    [
        (nn.Sigmoid(), IMAGES * 0.05),  # all dark
        (nn.Sigmoid(), IMAGES - 0.4),  # noisy
        (nn.Tanh(), IMAGES * 0.3 - 1),  # all dark
        (nn.Tanh(), IMAGES * 2.6 - 1.3),  # resizing overshot
        (nn.Tanh(), torch.zeros(6, 1, 4, 4)),
        (nn.Identity(), IMAGES * 2 - 1),
    ],
)
def test_honest_images_are_not_refused(last, images):
    found = preimage.invert(squashed(last), images, prior="normal", solver="adam", steps=1)
    assert torch.equal(found.images, images)


def test_a_range_is_not_checked_if_nobody_wants_it(codes):
    generator = squashed(nn.Tanh())
    search = partial(preimage.invert, prior="normal", solver="adam", steps=1)
    assert len(search(generator, IMAGES, check_range=False)) == COUNT
    masked = IMAGES.clone()
    masked[:, :, 2:] = torch.nan
    assert len(search(generator, masked, measurement={"mask": "top"})) == COUNT


def mean_of_rows(images):
    return images.mean(3)


def test_codes_are_found_from_what_an_operator_of_ones_own_observes(codes, tmp_path):
    generator, seen = orthogonal(), images_of(orthogonal(), codes).flatten(1)[:, :9]
    operator = preimage.LinearOperator(lambda images: images.flatten(1)[:, :9])
    found = preimage.invert(generator, seen, prior="normal", measurement=operator)
    assert torch.allclose(found.z, codes, atol=1e-3)
    assert repr(found).startswith("<6 observations of 9 numbers, codes of 4 components")
    assert found._repr_png_()
    assert "lambda" in found.save(tmp_path / "store").about.solver["measurement"]
    images, named = images_of(generator, codes), {"operator": "gaussian", "rate": 0.5}
    again = preimage.invert(generator, images, prior="normal", measurement=named)
    assert torch.allclose(again.z, codes, atol=1e-3)
    rows = preimage.LinearOperator(mean_of_rows)
    store = preimage.invert(generator, images, prior="normal", measurement=rows).save(tmp_path / "rows")
    assert store.about.solver["measurement"].endswith("test_invert.mean_of_rows")


@dataclass
class Made:
    """What diffusers' decoders return."""

    sample: Tensor


class Wrapped(nn.Module):
    def __init__(self, of):
        super().__init__()
        self.net, self.of = orthogonal(), of

    def forward(self, codes):
        return self.of(self.net(codes))


class Spatial(nn.Module):
    """Codes (n, 4, 1, 1), as DCGANs of public code take them."""

    def __init__(self):
        super().__init__()
        self.first = nn.ConvTranspose2d(DIM, 1, 4)
        self.nz = DIM

    def forward(self, codes):
        return self.first(codes)


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (Wrapped(lambda made: (made, 0)), r"returns a tuple, .*, such as `return self.net\(codes\)\[0\]`"),
        (
            Wrapped(lambda made: {"x": 0, "rgb": made}),
            r"returns a dict, .*`return self.net\(codes\)\['rgb'\]`",
        ),
        (Wrapped(Made), r"returns a Made, .*`return self.net\(codes\).sample`"),
        (
            Wrapped(lambda made: made.flatten(1)),
            r"\(64, 16\) for 64 codes: pass torch.nn.Sequential\(generator, torch.nn.Flatten\(\), "
            r"torch.nn.Unflatten\(1, \(1, 4, 4\)\)\)",
        ),
        (Wrapped(lambda made: made.sum()), "codes .* to images .*, but this one returned"),
        (
            Spatial(),
            r"It takes \(n, 4, 1, 1\): pass torch.nn.Sequential\(torch.nn.Unflatten\(1, \(4, 1, 1\)\),",
        ),
        (lambda codes: codes, "but this is a function: wrap a function in a module"),
    ],
)
def test_a_generator_that_makes_no_images_is_met_with_what_to_do(generator, message):
    with pytest.raises(InversionError, match=message):
        preimage.invert(generator, IMAGES, prior="normal", latent_dim=DIM)


def test_the_advice_works(codes):
    flat = Wrapped(lambda made: made.flatten(1))
    whole = nn.Sequential(flat, nn.Flatten(), nn.Unflatten(1, (1, 4, 4)))
    found = preimage.invert(whole, images_of(orthogonal(), codes), prior="normal")
    assert torch.allclose(found.z, codes, atol=1e-3)
    torch.manual_seed(0)  # other weights may have another range
    spatial = nn.Sequential(nn.Unflatten(1, (DIM, 1, 1)), Spatial())
    found = preimage.invert(spatial, IMAGES, prior="normal", latent_dim=DIM)
    assert found.loss.isfinite().all()


def test_the_number_of_components_is_what_the_module_says_or_its_first_layer_takes(codes):
    images = images_of(orthogonal(), codes)
    assert preimage.invert(orthogonal(), images, prior="uniform").z.shape == (COUNT, DIM)
    by_name = Wrapped(nn.Identity())
    by_name.z_dim = 7
    with pytest.raises(InversionError, match=r"did not take codes \(n, 7\)"):
        preimage.invert(by_name, images, prior="normal")
    unknown = nn.Sequential(nn.BatchNorm1d(DIM), orthogonal())
    with pytest.raises(InversionError, match="components .* is unknown: pass latent_dim"):
        preimage.invert(unknown, images, prior="normal")
    assert len(preimage.invert(unknown, images, prior="normal", latent_dim=DIM)) == COUNT


def test_a_generator_folder_brings_its_prior_and_its_fingerprint(tmp_path, codes):
    generator = linear_generator(DIM, 0)
    card = write_generator(generator, tmp_path / "generator", {})
    images = images_of(generator, codes)
    found = preimage.invert(tmp_path / "generator", images)
    module, _ = load_generator(tmp_path / "generator")
    again = preimage.invert(module, images)
    assert torch.equal(found.z, again.z)
    assert found.prior.name == again.prior.name == "normal"
    stores = [each.save(tmp_path / name) for each, name in ((found, "a"), (again, "b"))]
    assert {store.about.generator.fingerprint for store in stores} == {card.fingerprint}
    assert stores[0].fingerprint == stores[1].fingerprint


def test_a_loss_of_ones_own_is_recorded_in_the_store(tmp_path):
    def absolute(images, targets):
        return (images - targets).abs().flatten(1).mean(1)

    generator = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
    with torch.no_grad():
        images = generator(torch.randn(5, 3))
    found = preimage.invert(generator, images, "normal", loss=absolute, steps=20)
    assert "absolute" in found.save(tmp_path / "codes").about.solver["loss"]
    torch.testing.assert_close(found.loss, absolute(found.reconstructions, images), atol=1e-5, rtol=1e-3)
