"""A module of agents that is read for as long as a test wants, and then cannot be."""

import os
import time
from pathlib import Path

while not Path(os.environ["LATE_GATE"]).exists():
    time.sleep(0.01)
raise ImportError("this module is never there")
