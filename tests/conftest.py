"""For all tests: no deadline for a single example, which a busy machine misses without anything being wrong."""

import hypothesis

hypothesis.settings.register_profile("mien", deadline=None)
hypothesis.settings.load_profile("mien")
