"""Acts with a trained policy where there is TensorFlow and no simulator.

    policy = slac.deployment.load(DIR)
    state = policy.initial_state()
    action, state = policy(observation, state, is_first=True)

To load one imports of this package only what reads files; `exporting.py`, which
writes what is loaded, needs the agent.
"""

from slac.deployment.loaded import Policy as Policy
from slac.deployment.loaded import load as load
