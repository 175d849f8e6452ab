"""What all environments of this package have in common: what they offer."""

from collections.abc import Iterable, Mapping

from tf_agents.environments import py_environment
from tf_agents.specs import array_spec


class OfferingEnvironment(py_environment.PyEnvironment):
  """Offers 'pixels', a 'state', or both, and leaves out what is not observed.

  Attributes:
    name: The task's name.
  """

  def __init__(
    self,
    name: str,
    action_spec: array_spec.BoundedArraySpec,
    observation_spec: Mapping[str, array_spec.ArraySpec],
  ):
    """Keeps what it is given: name and specs."""
    super().__init__(handle_auto_reset=True)
    self.name = name
    self._action_spec = action_spec
    self._observation_spec = dict(observation_spec)

  def action_spec(self) -> array_spec.BoundedArraySpec:
    """Returns the spec of the actions, `[d]`, with the task's own bounds."""
    return self._action_spec

  def observation_spec(self) -> dict[str, array_spec.ArraySpec]:
    """Returns the specs of what is observed."""
    return self._observation_spec

  def observe(self, names: Iterable[str]):
    """Offers no other observations than those named, 'pixels' or 'state'.

    Raises:
      UserError: (69) if pixels are to be rendered, and cannot be.
    """
    self._observation_spec = {n: self._observation_spec[n] for n in names}
    if 'pixels' in self._observation_spec:
      self._check_pixels()

  def _check_pixels(self):
    """Raises a UserError (69) if there can be no pixels."""
