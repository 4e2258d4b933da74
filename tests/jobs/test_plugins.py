"""Jobs that plugins bring: in specs, in the schema, and refused where they are none."""

import pytest

from preimage.api import plan
from preimage.errors import SpecError
from preimage.specs import models

CODE = """
from typing import Any, Literal
from preimage.jobs.base import Context, Job, Result, headline
class CountJob(Job):
    job: Literal["count"] = "count"
    until: int = 3
    def metrics(self):
        return headline("last")
    def cost(self, images):
        return {"numbers": self.until}
    def run(self, context: Context) -> Result:
        return Result({"last": self.until})
class Misnamed(CountJob):
    pass
class Clashing(CountJob):
    job: Literal["clashing"] = "clashing"
    results: str = "mine"
class Plain:
    job = "plain"
"""
ENTRIES = {
    "jobs": {
        "count": "preimage_extra:CountJob",
        "other": "preimage_extra:Misnamed",
        "clashing": "preimage_extra:Clashing",
        "plain": "preimage_extra:Plain",
        "absent": "preimage_extra:NoSuchJob",
        "broken": "no_such_module:Job",
    }
}


@pytest.fixture
def own(plug):
    models.job_spec.cache_clear()
    models.schema.cache_clear()
    yield plug(ENTRIES, CODE)
    models.job_spec.cache_clear()
    models.schema.cache_clear()


def refused(job: str, **keys) -> str:
    with pytest.raises(SpecError) as error:
        plan({"job": job, **keys})
    return str(error.value)


def test_what_is_no_job_is_refused_by_the_name_of_its_distribution_and_the_rest_works(own):
    assert "preimage_extra:Plain of preimage-extra 1.2 is no job: it must be a class that derives from" in (
        refused("plain")
    )
    assert "its `job` is 'count'" in refused("other")
    assert "'absent' of preimage-extra 1.2 cannot be imported (AttributeError" in refused("absent")
    assert "'broken' of preimage-extra 1.2 cannot be imported (ModuleNotFoundError" in refused("broken")
    assert "has keys that every spec has, results: rename its own" in refused("clashing")
    assert "did you mean 'count'?" in refused("cuont")
    assert "until" in refused("count", untill=4)
    planned = plan({"job": "count", "until": 4, "resources": {"backend": "local"}})
    assert planned.run.name.startswith("count-")
    assert planned.plugins == {"preimage-extra": "1.2"}


def test_two_plugins_of_one_name_are_both_named(own, plug):
    plug({"jobs": {"count": "preimage_more:CountJob"}}, CODE, name="preimage-more")
    said = refused("count")
    assert "'count' is claimed by preimage-more 1.2 and preimage-extra 1.2: uninstall" in said


def test_the_schema_holds_the_jobs_that_can_be_used(own, caplog):
    schema = models.schema()
    assert schema["$defs"]["CountSpec"]["properties"]["until"]["default"] == 3
    assert "ClashingSpec" not in schema["$defs"]
    assert "no_such_module" in caplog.text
