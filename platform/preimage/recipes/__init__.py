"""One file per kind of job: its config, what it costs, and `run(config, context)`."""
