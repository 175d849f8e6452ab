"""A policy whose parameters are kept in 16 bits."""

import numpy as np
import pytest

from slac import deployment, errors
from slac.deployment import exporting, halving
from tests.deployment import exported


def build(agent):
  return exporting.build(exported.parts(agent), 800, True, False)


@pytest.mark.parametrize('kind', ['history', 'encoded'])
def test_it_acts_as_the_same_policy_with_rounded_parameters(kind, tmp_path):
  agent = exported.make_agent(kind)
  module, about = build(agent)
  seen = exported.observations(5)
  exporting.write(halving.Halved(module), about, tmp_path / 'half')
  loaded = deployment.load(tmp_path / 'half')
  found, state = exported.act(loaded, seen)
  exact, exact_state = exported.act(deployment.Policy(module, about), seen)
  for variable in agent.variables:
    value = variable.numpy()
    if value.dtype == np.float32 and value.size >= halving._SMALLEST:
      variable.assign(value.astype(np.float16).astype(np.float32))
  rounded, _ = exported.act(deployment.Policy(module, about), seen)
  np.testing.assert_allclose(found, rounded, atol=1e-5)
  assert np.any(found != exact)
  np.testing.assert_allclose(found, exact, atol=0.02)
  assert {k: v.shape for k, v in state.items()} == {
    k: v.shape for k, v in exact_state.items()
  }
  # A batch acts as each of it alone.
  batch = {k: np.stack([x[k] for x in seen[:2]]) for k in seen[0]}
  actions, _ = loaded(batch, loaded.initial_state(2))
  alone, _ = loaded(seen[1], loaded.initial_state())
  np.testing.assert_allclose(actions[1], alone, atol=1e-5)


def test_what_16_bits_do_not_hold_is_refused():
  agent = exported.make_agent('history')
  large = max(agent.model.encoder.variables, key=lambda v: np.size(v))
  large.assign(1e6 * np.ones(large.shape))
  module, _ = build(agent)
  with pytest.raises(
    errors.UserError, match=r'has 1e\+06, which 16 bits do not'
  ):
    halving.Halved(module)


def test_each_large_parameter_is_kept_in_16_bits():
  agent = exported.make_agent('history')
  module, _ = build(agent)
  graph = halving._halved(module.act.get_concrete_function()).graph
  half = [x for x in graph.get_operations() if x.name.endswith('/half')]
  large = [
    v
    for part in (agent.model.encoder, agent._actor)
    for v in part.variables
    if np.size(v) >= halving._SMALLEST
  ]
  assert len(half) == len(large) > 2
