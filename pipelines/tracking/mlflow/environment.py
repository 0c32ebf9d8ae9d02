"""Settings that MLflow reads from the environment when it is imported: no telemetry, little output, short timeouts."""

import os

os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true",
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
)
# A request that timed out may have been carried out: MLflow's own retry would then create a second run. Ours is
# the next delivery, which looks before it creates.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
