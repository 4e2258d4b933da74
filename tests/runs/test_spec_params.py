from preimage.runs.spec_params import spec_params

AROUND = {"name": "a", "results": "r", "tracking": {"uri": "none"}}


def test_the_settings_of_a_pipeline_are_named_as_an_override_names_them():
    steps = {"train": {"job": "train-gan", "model": {"latent_dim": 4}}}
    spec = AROUND | {"seed": 1, "steps": steps, "finally": {"end": {"job": "pag"}}}
    assert spec_params(spec, {}) == {
        "seed": 1,
        "train.job": "train-gan",
        "train.model.latent_dim": 4,
        "end.job": "pag",
    }


def test_a_job_may_have_a_key_that_is_called_like_a_section():
    assert spec_params({"job": "explore", "steps": 5}, {}) == {"job": "explore", "steps": 5}


def test_a_study_and_its_trials_name_a_setting_alike():
    body = {"steps": {"train": {"job": "train-gan", "optimizer": {"name": "sgd", "lr": 1}}}}
    study = AROUND | {"trial": body, "space": {"train.optimizer": {"choice": ["a"]}}}
    assert spec_params(study, {})["trial.train.optimizer.lr"] == 1
    varied = {"train.optimizer": {"name": "sgd", "lr": 1}}
    trial = spec_params(AROUND | body, varied)
    assert trial["train.optimizer"] == varied["train.optimizer"]
    assert trial["train.optimizer.lr"] == 1
