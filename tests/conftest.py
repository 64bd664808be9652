"""Settings of the whole test run: property tests draw the same examples everywhere."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

# Hypothesis keeps tables of its own beside the examples; neither belongs into the source tree.
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "dynakv-hypothesis")
settings.register_profile(
    "dynakv", derandomize=True, deadline=None, max_examples=150, database=None
)
settings.load_profile("dynakv")
