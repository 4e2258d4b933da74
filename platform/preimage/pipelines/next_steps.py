"""What makes sense after a run, and after what was imported or prepared."""

from preimage.data.config import DataConfig
from preimage.data.image_shape import Shape, settings_text
from preimage.latents.store import Store
from preimage.pipelines.at_hand import AtHand, at_hand
from preimage.pipelines.plan import Plan
from preimage.pipelines.suggestions import RELATED, data_keys, suggested
from preimage.storage.address import command
from preimage.storage.folder import Folder

MOST = 4
"""Commands that are shown."""


def next_commands(plan: Plan) -> list[tuple[str, str]]:
    """What to try after a finished plan: (command, what it does)."""
    last, results = plan.steps[-1].job.job, plan.spec.results
    found = list(suggested(at_hand(plan), last))
    if last in RELATED:
        spec, profile, what = RELATED[last]
        related = AtHand({}, results).run(spec, "--profile", profile)
        found += [(related, what)] if related else []
    if plan.spec.tracking.here.uri == "local":
        found = [*found[: MOST - 1], (command("preimage", "ui", results=results), "see the run in MLflow")]
    return found[:MOST]


def of_store(store: Store, results: str | None) -> list[tuple[str, str]]:
    """What to do with a store that was imported."""
    products = {"store": store.folder.uri}
    if store.about.generator and store.about.generator.path:
        products["generator"] = store.about.generator.path
    knows_images, knows_prior = bool(store.about.dataset), bool(store.about.prior)
    hand = AtHand(products, results, knows_images=knows_images, knows_prior=knows_prior)
    return list(suggested(hand))[:MOST]


def of_generator(
    folder: Folder, shape: Shape, code: tuple[str, ...], results: str | None
) -> list[tuple[str, str]]:
    """What to do with a generator that was imported. Its own images are not known."""
    own_images = frozenset(("invert",))  # there are none to invert
    hand = AtHand({"generator": folder.uri}, results, own_images, code)
    images = ("data.source=folder", "data.path=IMAGES", *settings_text(shape).split())
    inverted = hand.run("invert", f"generator={folder}", *images)
    found = [(inverted, "find the codes of the images in a folder IMAGES")] if inverted else []
    return [*suggested(hand), *found]


def of_images(data: DataConfig, results: str | None) -> list[tuple[str, str]]:
    """What to do with images that were prepared."""
    hand = AtHand({}, results, data=data)
    found = (
        (hand.run("dcgan", *data_keys(data)), "train a DCGAN on them"),
        (hand.run("pca", *data_keys(data)), "find their principal components"),
    )
    return [(each, what) for each, what in found if each]
