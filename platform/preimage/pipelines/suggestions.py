"""Commands that take what a run made or worked with, and after which kinds of job each makes sense.

What is possible follows from the products at hand; `FOLLOWS` says what of it makes sense after a kind of job.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from preimage.data.config import DataConfig
from preimage.pipelines.at_hand import AtHand
from preimage.runs.spec_params import override_text
from preimage.storage.address import command

FOLLOWS: dict[str, tuple[str, ...]] = {
    "train-gan": ("evaluate", "browse", "invert", "classify"),
    "train-dfm": ("evaluate", "browse", "invert", "classify"),
    "train-glo": ("browse", "explore", "compare-priors", "pag"),
    "train-autoencoder": ("browse", "explore", "compare-priors", "pag"),
    "pca": ("browse", "explore", "compare-priors", "pag"),
    "train-classifier": ("evaluate", "train", "browse"),
    "train-prior": ("train-on-prior", "browse", "pag", "compare-priors"),
    "fit-prior": ("browse", "train-on-prior", "pag", "compare-priors"),
    "init-generator": ("browse", "invert"),
    "invert": ("browse", "pag", "analyze-codes", "explore"),
    "pag": ("browse", "compare-priors", "fit-prior", "analyze-codes"),
    "compare-priors": ("browse", "fit-prior", "explore", "analyze-codes"),
    "induced-prior": ("browse", "explore", "analyze-codes"),
    "analyze-codes": ("browse", "compare-priors", "explore"),
    "explore": ("browse", "compare-priors", "analyze-codes"),
    "compare-reconstructions": ("browse", "explore", "compare-priors", "pag"),
    "reconstruction-table": ("browse", "explore", "compare-priors"),
    "evaluate": ("browse", "invert", "explore"),
    "recover": ("browse", "invert"),
    "recover-partial": ("browse", "invert"),
}
"""What makes sense by the kind of job that ran last, of SUGGESTIONS, in this order. After a kind that is not
listed, such as a plugin's, whatever its products allow makes sense."""

RELATED = {
    "reconstruction-table": ("glo-figures", "small", "see what the codes of a GAN and of GLO can do"),
    "recover": ("recover-partial", "small", "recover codes from parts of images"),
    "landscape": ("invertibility", "small", "when codes can be recovered through random nets"),
    "invertibility": ("recover-partial", "small", "recover codes from parts of images"),
    "random-weights": ("demo", "small", "train a generator, and find the codes of its images"),
}
"""A shipped spec, its profile, and what it shows, after kinds of job whose products lead to little
or nothing."""


class Suggestion(NamedTuple):
    """A command that makes sense with some products, unless a kind of job has just done it."""

    needs: frozenset[str]
    lacks: frozenset[str]
    unless: str
    make: Callable[[AtHand], str | None]
    what: str


def suggested(hand: AtHand, after: str = "") -> Iterator[tuple[str, str]]:
    """What to do with products: (command, what it does).

    after: the kind of job that ran last, if one did.
    """
    for name in FOLLOWS.get(after, tuple(SUGGESTIONS)):
        each, products = SUGGESTIONS[name], hand.products.keys()
        fits = each.needs <= products and not each.lacks & products and each.unless not in hand.done
        if fits and (made := each.make(hand)):
            yield made, each.what


def data_keys(data: DataConfig) -> list[str]:
    """The overrides that name images, beside a spec that names others."""
    changed = data.model_dump(mode="json", exclude_defaults=True)
    shape = data.model_dump(mode="json", include={"size", "channels"})
    return [f"data.{key}={override_text(value)}" for key, value in (changed | shape).items()]


def _browse(hand: AtHand) -> str | None:
    name = hand.products.get("store") or hand.products.get("generator")
    return name and command("preimage", "browse", name, *hand.code_words, results=hand.results)


def _invert(hand: AtHand) -> str | None:
    return hand.run("invert", f"generator={hand.products['generator']}")


def _pag(hand: AtHand) -> str | None:
    prior = hand.products.get("prior")
    against = [f"prior={prior}"] if prior else [] if hand.knows_prior else ["std=1"]
    return hand.run("pag", f"store={hand.products['store']}", *against)


def _compare_priors(hand: AtHand) -> str | None:
    return hand.run("compare-priors", f"store={hand.products['store']}")


def _fit_prior(hand: AtHand) -> str | None:
    return hand.run("fit-prior", f"store={hand.products['store']}")


def _explore(hand: AtHand) -> str | None:
    keys = (f"{name}={hand.products[name]}" for name in ("generator", "store"))
    return hand.run("explore", *keys) if hand.knows_images else None


def _analyze_codes(hand: AtHand) -> str | None:
    if not (hand.knows_images and hand.has_normal_prior):
        return None
    generator, store = hand.products["generator"], hand.products["store"]
    job = f"{{job: analyze-codes, generator: {generator}, store: {store}}}"
    return hand.run("analyze-codes", f"steps={{analyze: {job}}}")


def _evaluate(hand: AtHand) -> str | None:
    generator, classifier = hand.products["generator"], hand.products["classifier"]
    job = f"{{job: evaluate, generators: {{GAN: {generator}}}, classifier: {classifier}}}"
    return hand.run("evaluate", f"steps={{evaluate: {job}}}")


def _classify(hand: AtHand) -> str | None:
    return hand.run("classifier", *data_keys(hand.data)) if hand.data and hand.classes > 1 else None


def _train(hand: AtHand) -> str | None:
    return hand.run("dcgan", *data_keys(hand.data)) if hand.data else None


def _train_on_prior(hand: AtHand) -> str | None:
    if not (hand.data and hand.latent_dim):
        return None
    keys = (f"prior={hand.products['prior']}", f"model.latent_dim={hand.latent_dim}")
    return hand.run("dcgan", *data_keys(hand.data), *keys)


def _show(hand: AtHand) -> str:
    return command("preimage", "store", "show", hand.products["store"], results=hand.results)


def _show_generator(hand: AtHand) -> str:
    return command("preimage", "generator", "show", hand.products["generator"], results=hand.results)


def _after(
    make: Callable[[AtHand], str | None], what: str, needs: str = "", lacks: str = "", unless: str = ""
) -> Suggestion:
    return Suggestion(frozenset(needs.split()), frozenset(lacks.split()), unless, make, what)


SUGGESTIONS = {
    "evaluate": _after(_evaluate, "score the generator's samples", "classifier generator", unless="evaluate"),
    "train": _after(
        _train, "train a GAN on the same images, to score it with this", "classifier", "generator"
    ),
    "browse": _after(_browse, "look into the latent space, in a browser"),
    "invert": _after(_invert, "find the codes of its images", "generator", "store", "invert"),
    "pag": _after(_pag, "measure how well the codes agree with the prior", "store", unless="pag"),
    "compare-priors": _after(
        _compare_priors, "see which prior is closest to the codes", "store", unless="compare-priors"
    ),
    "explore": _after(
        _explore, "sample, interpolate and complete images", "store generator", unless="explore"
    ),
    "show": _after(_show, "see what the latent store holds", "store"),
    "show-generator": _after(_show_generator, "see what the generator is", "generator", "store"),
    "analyze-codes": _after(
        _analyze_codes, "see where codes and prior disagree", "store generator", unless="analyze-codes"
    ),
    "fit-prior": _after(_fit_prior, "fit a prior to the codes, to draw from", "store", unless="fit-prior"),
    "train-on-prior": _after(_train_on_prior, "train a GAN whose codes are drawn from this prior", "prior"),
    "classify": _after(_classify, "train a classifier, to score its samples with", "generator", "classifier"),
}
"""By the names in FOLLOWS; where nothing else decides, in this order."""
