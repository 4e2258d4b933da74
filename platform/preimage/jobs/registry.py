"""Every kind of job, and where it is. A new one is a class, and a line here or an entry point of a plugin."""

from typing import Any

from preimage.data.config import DataConfig
from preimage.jobs.base import Job
from preimage.jobs.references import find
from preimage.plugins import PluginName, Registry


def _job(name: str, found: Any) -> type[Job]:
    if not (isinstance(found, type) and issubclass(found, Job)):
        raise TypeError("it must be a class that derives from preimage.jobs.base.Job")
    kind = found.model_fields["job"].default
    if kind != name:
        raise ValueError(f"its `job` is {kind!r}, so its entry point must be called so, but that is {name!r}")
    return found


JOBS = Registry(
    "job",
    "jobs",
    {
        "train-gan": "preimage.jobs.train.gan:TrainGanJob",
        "train-dfm": "preimage.jobs.train.dfm:TrainDfmJob",
        "train-glo": "preimage.jobs.train.glo:TrainGloJob",
        "train-autoencoder": "preimage.jobs.train.autoencoder:TrainAutoencoderJob",
        "train-classifier": "preimage.jobs.train.classifier:TrainClassifierJob",
        "train-prior": "preimage.jobs.train.prior:TrainPriorJob",
        "init-generator": "preimage.jobs.init_generator.job:InitGeneratorJob",
        "invert": "preimage.jobs.invert.job:InvertJob",
        "recover": "preimage.jobs.recover.job:RecoverJob",
        "recover-partial": "preimage.jobs.recover_partial.job:RecoverPartialJob",
        "fit-prior": "preimage.jobs.fit_prior.job:FitPriorJob",
        "compare-priors": "preimage.jobs.compare_priors.job:ComparePriorsJob",
        "induced-prior": "preimage.jobs.induced_prior.job:InducedPriorJob",
        "pca": "preimage.jobs.pca.job:PcaJob",
        "pag": "preimage.jobs.pag.job:PagJob",
        "evaluate": "preimage.jobs.evaluate.job:EvaluateJob",
        "analyze-codes": "preimage.jobs.analyze_codes.job:AnalyzeCodesJob",
        "explore": "preimage.jobs.explore.job:ExploreJob",
        "compare-reconstructions": "preimage.jobs.compare_reconstructions.job:CompareReconstructionsJob",
        "reconstruction-table": "preimage.jobs.reconstruction_table.job:ReconstructionTableJob",
        "invertibility": "preimage.jobs.invertibility.job:InvertibilityJob",
        "landscape": "preimage.jobs.landscape.job:LandscapeJob",
        "random-weights": "preimage.jobs.random_weights.job:RandomWeightsJob",
    },
    _job,
)
"""By the name that a spec's `job` has."""


def plugins_of(job: Job, data: DataConfig | None = None) -> dict[str, str]:
    """The versions, by name, of the distributions that bring a job and the sources, solvers, losses and
    priors that it names. data: the images that it works on, if it does not name them itself."""
    own = JOBS.plugin(job.job)
    named = (name for part in (job, data) if part for name in find(part, PluginName).values())
    used = {*([own] if own else []), *(each.plugin for each in named)}
    return dict(sorted(used))
