"""invertibility: how it runs."""

from preimage.jobs.base import Context, Result
from preimage.jobs.invertibility.directions import Directed, Directions
from preimage.jobs.invertibility.directions_figure import directions_png
from preimage.jobs.invertibility.figures import expansivity_png, recovery_png
from preimage.jobs.invertibility.job import InvertibilityJob
from preimage.jobs.invertibility.recovery import Found, Recovery
from preimage.jobs.invertibility.report import InvertibilityReport


def run(job: InvertibilityJob, context: Context) -> Result:
    """Recover codes through every net and measure directions; draw both beside what the paper says."""
    context = context.on_cpu()  # the nets are tiny
    recovery = Recovery(job.inversion, job.networks, job.codes, job.seed)
    recovered = context.run_trials(job.nets, recovery, "recovering codes")
    directions = Directions(job.directions, job.inversion, job.seed)
    measured = context.run_trials(job.directed, directions, "measuring descents")
    found = {
        net: Found(net, {key: each.float().mean().item() for key, each in recovered[name].items()})
        for name, net in job.nets.items()
    }
    directed = [Directed(net, measured[name], job.directions) for name, net in job.directed.items()]
    report = InvertibilityReport(
        {name: (sweep, sweep.found(found)) for name, sweep in job.sweeps.items()},
        directed,
        _searched(job, job.networks, job.codes),
        _searched(job, job.directions.networks, job.directions.codes),
    )
    figures = {
        "expansivity.png": expansivity_png(report.curves("channels"), job.latent_dim),
        "recovery.png": recovery_png(report.sweeps, job.base),
        "directions.png": directions_png(directed),
    }
    return Result(report.metrics(), figures, report.table())


def _searched(job: InvertibilityJob, networks: int, codes: int) -> str:
    """How searches were made, for tables."""
    return (
        f"Networks of each kind: {networks}; codes in each: {codes}, of {job.latent_dim} components; "
        f"{job.inversion.solver}, {job.inversion.steps} steps"
    )
