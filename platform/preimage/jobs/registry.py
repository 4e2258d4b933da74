"""Every kind of job. A new one is a class, and a line here."""

from preimage.jobs.analyze_codes.job import AnalyzeCodesJob
from preimage.jobs.base import Job
from preimage.jobs.compare_priors.job import ComparePriorsJob
from preimage.jobs.compare_reconstructions.job import CompareReconstructionsJob
from preimage.jobs.evaluate.job import EvaluateJob
from preimage.jobs.explore.job import ExploreJob
from preimage.jobs.fit_prior.job import FitPriorJob
from preimage.jobs.induced_prior.job import InducedPriorJob
from preimage.jobs.init_generator import InitGeneratorJob
from preimage.jobs.invert.job import InvertJob
from preimage.jobs.landscape.job import LandscapeJob
from preimage.jobs.pag.job import PagJob
from preimage.jobs.pca.job import PcaJob
from preimage.jobs.random_weights.job import RandomWeightsJob
from preimage.jobs.reconstruction_table.job import ReconstructionTableJob
from preimage.jobs.recover.job import RecoverJob
from preimage.jobs.recover_partial.job import RecoverPartialJob
from preimage.jobs.train.autoencoder import TrainAutoencoderJob
from preimage.jobs.train.classifier import TrainClassifierJob
from preimage.jobs.train.dfm import TrainDfmJob
from preimage.jobs.train.gan import TrainGanJob
from preimage.jobs.train.glo import TrainGloJob
from preimage.jobs.train.prior import TrainPriorJob

JOBS: dict[str, type[Job]] = {
    job.model_fields["job"].default: job
    for job in (
        TrainGanJob,
        TrainDfmJob,
        TrainGloJob,
        TrainAutoencoderJob,
        TrainClassifierJob,
        TrainPriorJob,
        InitGeneratorJob,
        InvertJob,
        RecoverJob,
        RecoverPartialJob,
        FitPriorJob,
        ComparePriorsJob,
        InducedPriorJob,
        PcaJob,
        PagJob,
        EvaluateJob,
        AnalyzeCodesJob,
        ExploreJob,
        CompareReconstructionsJob,
        ReconstructionTableJob,
        LandscapeJob,
        RandomWeightsJob,
    )
}
"""By the name that a spec's `job` has."""
