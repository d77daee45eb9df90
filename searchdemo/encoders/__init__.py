"""The table of encoders, and what runs them."""

import sys

# OpenVINO tells its maker's servers of each import, from a process that it forks, where this can be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
