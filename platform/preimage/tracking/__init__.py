"""Where runs are recorded: a small protocol, with MLflow, JSON lines or nothing behind it.

Only `on_mlflow` imports MLflow.

A run's folder is the truth and a tracker its mirror: `mirror` carries over whatever is not there yet, so a
tracking server that is away for a while, or a driver that is killed, costs neither a metric nor the run.
"""
