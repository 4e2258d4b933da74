"""Where runs are recorded: a small protocol, with MLflow, JSON lines or nothing behind it.

Only `on_mlflow` imports MLflow.

A run's folder is the truth, and a tracker mirrors it: `mirror` sends whatever the tracker lacks. So a
tracking server that is down for a while, or a driver that is killed, costs neither a metric nor the run.
"""
