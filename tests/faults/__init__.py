"""Ways to disturb a run, one in each module; `python -m tests.faults --help`.

`kills` (with `disturbed_run`), `pairs`, `system_calls` and `full_disk` disturb
one run again and again and let it end. `damage` and `limits` begin each time
with a copy of a run that was stopped. `streams` and `clock` start the command
as users do. All compare the end with that of a run that nobody has disturbed.
"""

# The package comes first: it keeps TensorFlow's chatter off the screen.
import slac  # noqa: F401
