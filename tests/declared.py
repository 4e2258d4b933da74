"""Run a job, and hold its outcome to the metrics that it declares."""

from preimage.jobs.base import Context, Job, Result
from preimage.runs.metrics import flatten


def run_job(job: Job, context: Context) -> Result:
    """What the job gives back, every metric of which must be declared, and every declared one be there."""
    result = job.run(context)
    found = set(flatten(result.metrics))
    tables = [each.name for each in job.metrics() if each.is_table]
    plain = {each.name for each in job.metrics() if not each.is_table}
    needed = {each.name for each in job.metrics() if not (each.is_table or each.may_be_absent)}
    undeclared = {name for name in found if not any(name.startswith(f"{table}.") for table in tables)} - plain
    assert not undeclared, f"{job.job} gives metrics that it does not declare: {sorted(undeclared)}"
    assert needed <= found, f"{job.job} declares metrics that it does not give: {sorted(needed - found)}"
    texts = {each.name for each in job.metrics() if each.is_text}
    flat = flatten(result.metrics)
    wrong = {
        name
        for name, value in flat.items()
        if isinstance(value, str | list | tuple) and name in plain - texts
    }
    assert not wrong, f"{job.job} declares texts as numbers: {sorted(wrong)}"
    assert not [table for table in tables if table not in {name.partition(".")[0] for name in found}]
    return result
