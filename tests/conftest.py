"""For all tests: what the machine that runs them happens to be must not decide."""

import signal

import hypothesis

# No deadline for a single example, which a busy machine misses without anything being wrong.
hypothesis.settings.register_profile("mien", deadline=None)
hypothesis.settings.load_profile("mien")

# What a script starts in the background is told to ignore Ctrl-C, and so are its children: here Ctrl-C is tested.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
