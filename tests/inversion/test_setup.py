"""What is measured of a generator beforehand: how much, and that it is measured once."""

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest
import safetensors.torch
import torch

import preimage
from preimage.errors import StorageError
from preimage.inversion import engine as engine_module
from preimage.inversion import setup_cache
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine, invert
from preimage.inversion.init_codes import whitening_of
from preimage.inversion.measurements import make_measurement
from preimage.inversion.operators import LinearOperator
from preimage.inversion.setup import Setup, asked_of, measure_setup
from preimage.inversion.setup_cache import KEPT, SETUPS, SetupCache
from preimage.inversion.setup_file import packed_setup, read_setup, setup_bytes
from preimage.inversion.setup_size import setup_size
from preimage.latents.priors import Normal, Uniform
from preimage.models.cards import read_card
from preimage.models.generator_folder import write_generator
from preimage.storage.folder import Folder
from preimage.storage.object_storage import ObjectStorage
from simulation.clock import SimulatedClock
from simulation.objects import SimulatedObjects
from small_nets import Expanding, seeded

CONFIG = InversionConfig(steps=4)


def test_the_setup_grows_with_the_number_of_images_to_that_of_many():
    sizes = [setup_size(count, 100, "regression") for count in (0, 1, 16, 17, 100, 257, 10**7, None)]
    assert sizes == sorted(sizes)
    assert setup_size(1, 100, "cascade") == setup_size(None, 100, "cascade") == sizes[-1]
    assert [each.pairs for each in sizes] == [128, 128, 128, 256, 1024, 4096, 4096, 4096]
    for pairs, gradients in [*sizes, *(setup_size(1000, dim, "regression") for dim in (1, 64, 100, 5000))]:
        assert pairs % gradients == gradients % 32 == 0
        assert gradients <= pairs


def test_gradients_in_directions_that_were_measured_too_seldom_count_less():
    """Of an isotropic generator few rows show no direction; of another, many show them all."""
    isotropic = whitening_of(seeded(64, 32))
    assert torch.linalg.cond(isotropic) < 1.1
    scales = torch.logspace(0, 1.5, 32)
    whitened = whitening_of(seeded(4096, 32) * scales)
    assert torch.linalg.cond(torch.diag(scales)) > 30
    assert torch.linalg.cond(whitened * scales) < 8
    assert whitening_of(torch.zeros(0, 3)).isfinite().all()
    assert whitening_of(torch.zeros(5, 3)).isfinite().all()


@pytest.fixture
def kept(folder: Folder) -> SetupCache:
    return SetupCache(folder / "setups", ("fingerprint", "normal", None))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was measured, in order."""
    calls, real = [], measure_setup
    monkeypatch.setattr(engine_module, "measure_setup", lambda *of: calls.append(of[0]) or real(*of))
    return calls


@pytest.fixture
def read() -> Callable[[bytes], Setup | None]:
    """A file's setup, if it is one of this generator for one image."""
    engine = Engine(Expanding(), CONFIG, Normal(3), images=1)
    asked = asked_of(CONFIG, setup_size(1, 3, "regression"), 0, start=True, whiten=True)
    of = asked, engine.problem.network, Normal(3), engine.measurement, torch.device("cpu")
    return lambda data: read_setup(data, *of)


@pytest.mark.parametrize("start", ["regression", "cascade", "prior"])
@pytest.mark.parametrize("law", [Normal, Uniform])
def test_a_setup_that_is_kept_finds_the_same_codes(start, law, kept, measured):
    images = Expanding()(seeded(5, 3)).detach()
    config = CONFIG.model_copy(update={"init_codes": start})
    makes = partial(invert, Expanding(), images, config=config, prior=law(3))
    plain, first, again = makes(), makes(setups=kept), makes(setups=kept)
    assert len(measured) == 2
    for found in (first, again):
        assert torch.equal(found.z, plain.z)
        assert torch.equal(found.passes, plain.passes)
    sizes = [Engine(Expanding(), config, law(3), images=5, setups=kept).setup.passes for _ in range(2)]
    assert sizes[0] == sizes[1] > 0


def test_what_determines_a_setup_tells_it_from_others(folder, measured):
    for i, (of, change, seed, images) in enumerate(
        [
            ("one", {}, 0, 1),
            ("other", {}, 0, 1),
            ("one", {"init_codes": "prior"}, 0, 1),
            ("one", {"whiten": False}, 0, 1),
            ("one", {"measurement": {"pool": 2}}, 0, 1),
            ("one", {}, 1, 1),
            ("one", {}, 0, 100),
        ],
        start=1,
    ):
        config, kept = InversionConfig.model_validate({"steps": 4} | change), SetupCache(folder, (of,))
        for _ in range(2):
            Engine(Expanding(), config, Normal(3), None, seed, images=images, setups=kept)
        assert len(measured) == i
    longer, kept = CONFIG.model_copy(update={"steps": 9}), SetupCache(folder, ("one",))
    Engine(Expanding(), longer, Normal(3), images=2, setups=kept)
    assert len(measured) == 7


def test_a_damaged_setup_is_said_and_made_again_and_a_foreign_file_is_left_alone(kept, measured, caplog):
    makes = partial(Engine, Expanding(), CONFIG, Normal(3), images=1, setups=kept)
    makes()
    (name,) = kept.folder.files()
    kept.folder.write("notes.txt", b"mine")
    for damage in (b"", kept.folder.read(name)[:-1] + b"\x01"):
        kept.folder.write(name, damage)
        caplog.clear()
        assert makes().setup.whitening is not None
        assert "is damaged: it is made again" in caplog.text
        assert kept.folder.files() == sorted([name, "notes.txt"])
    key = name.split("-")[0]
    kept.folder.remove(name)
    kept.folder.write(setup_cache._name(key, b"anything"), b"anything")
    makes()
    assert kept.folder.files() == sorted([name, "notes.txt"])
    assert len(measured) == 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04N.",  # a pickle
        safetensors.torch.save({"whitening": torch.zeros(3, 3)}),
        safetensors.torch.save({"x": torch.zeros(2)}).replace(b'"F32"', b'"F00"'),
        safetensors.torch.save({"x": torch.zeros(2, dtype=torch.uint8)}).replace(b'"U8"', b'"E8"'),
    ],
)
def test_a_file_that_holds_something_else_is_no_setup(data, read):
    assert read(data) is None


@pytest.mark.parametrize("name", ["passes", "whitening", "0.gain"])
def test_a_setup_of_other_numbers_is_none(name, read):
    setup = Engine(Expanding(), CONFIG, Normal(3), images=1).setup
    found = safetensors.torch.load(packed_setup(setup))
    assert read(safetensors.torch.save(found))
    for kind in (torch.float64, torch.int8, torch.complex64):
        assert read(safetensors.torch.save(found | {name: found[name].to(kind)})) is None
    if name != "passes":
        found[name].flatten()[0] = torch.nan
        assert read(safetensors.torch.save(found)) is None


def test_where_nothing_can_be_written_it_is_measured_each_time(kept, measured, monkeypatch):
    def refuse(*args: object, **options: object) -> None:
        raise StorageError("read-only")

    for where, name in ((setup_cache, "claimed"), (Folder, "write")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, refuse)
            Engine(Expanding(), CONFIG, Normal(3), images=1, setups=kept)
            assert kept.folder.files() == []
    assert len(measured) == 2


def test_the_oldest_setups_go_and_nothing_else(kept):
    kept.folder.write("notes.txt", b"mine")
    for seed in range(KEPT + 3):
        Engine(Expanding(), CONFIG, Normal(3), None, seed, images=1, setups=kept)
    assert len(kept.folder.files()) == KEPT + 1
    assert kept.folder.read("notes.txt") == b"mine"


def test_setups_that_take_too_much_room_go_or_are_not_kept(kept, measured, monkeypatch):
    makes = partial(Engine, Expanding(), CONFIG, Normal(3), None, images=1, setups=kept)
    makes(0)
    (name,) = kept.folder.files()
    size = kept.folder.size(name)
    config, asked = CONFIG.measurement, measured[0]
    seen = make_measurement(config, (1, 8, 8))
    assert size - 512 < setup_bytes(asked, Normal(3), seen) < size  # the rest is names
    monkeypatch.setattr(setup_cache, "KEPT_BYTES", 2 * size)
    makes(1)
    makes(2)
    assert len(kept.folder.files()) == 2
    assert name not in kept.folder.files()
    monkeypatch.setattr(setup_cache, "KEPT_BYTES", size // 2)
    makes(3)
    assert len(kept.folder.files()) == 2
    makes(2)
    assert len(measured) == 5


def test_a_users_own_operator_is_never_kept(kept, measured):
    half = LinearOperator(lambda images: images.flatten(1)[:, ::2])
    for _ in range(2):
        Engine(Expanding(), CONFIG, Normal(3), half, images=1, setups=kept)
    assert len(measured) == 2
    assert kept.folder.files() == []


def test_the_first_measures_and_the_others_wait(kept):
    engine = Engine(Expanding(), CONFIG, Normal(3), images=1)
    asked, calls = asked_of(CONFIG, setup_size(1, 3, "regression"), 0, start=True, whiten=True), []

    def measure() -> Setup:
        calls.append(1)
        time.sleep(0.2)
        return engine.setup

    ask = partial(kept.setup, asked, engine.measurement, lambda data: engine.setup, measure)
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(calls) == 1


def test_what_was_killed_while_it_measured_is_made_by_the_next(kept):
    engine = Engine(Expanding(), CONFIG, Normal(3), images=1)
    asked = asked_of(CONFIG, setup_size(1, 3, "regression"), 0, start=True, whiten=True)

    def killed() -> Setup:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.setup(asked, engine.measurement, lambda data: None, killed)
    assert kept.folder.files() == []
    kept.setup(asked, engine.measurement, lambda data: None, lambda: engine.setup)
    assert len(kept.folder.files()) == 1


def test_a_bucket_keeps_it_too(measured):
    clock = SimulatedClock()
    bucket = Folder(ObjectStorage(SimulatedObjects(), "s3", "bucket", clock=clock), "bucket/generator")
    makes = partial(Engine, Expanding(), CONFIG, Normal(3), images=1)
    first, again = (makes(setups=SetupCache(bucket / "setups", ("one",))) for _ in range(2))
    assert len(measured) == 1
    assert torch.equal(first.setup.whitening, again.setup.whitening)


def test_a_generators_folder_keeps_it_for_its_own_prior_and_stays_as_it_is(folder, tiny_generator, measured):
    card = write_generator(tiny_generator, folder, {})
    with torch.no_grad():
        images = tiny_generator(seeded(1, 4))
    ask = partial(preimage.invert, folder, images, steps=3, progress=False)
    assert torch.equal(ask().codes.z, ask().codes.z)
    assert len(measured) == len((folder / SETUPS).files()) == 1
    ask(prior="uniform")
    assert len(measured) == 2
    assert len((folder / SETUPS).files()) == 1
    assert read_card(folder).fingerprint == card.fingerprint
