"""Tiny models, agents and experience, the same in every test run."""

import gin
import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from slac.agents import (  # noqa: F401
  alm,
  alm_variants,
  augmentations,
  baselines,
  slac_agent,
)
from slac.models import proprioception as proprioceptions
from slac.models import slac_model
from slac.training import devices

FIRST, MID, LAST = 0, 1, 2
T = 3  # The sequence length; experience is T + 1 steps.
MODEL_SIZES = {
  'latent1_size': 2,
  'latent2_size': 3,
  'hidden_size': 5,
  'base_depth': 1,
  'feature_size': 4,
  'decoder_variance': 0.04,
  'predict_discount': False,
  'compute_dtype': 'float32',
}
LATENT_SIZE = 2 + 3
# How far gradients in bfloat16 may lie from those in float32, in their lengths:
# on a CPU that has no use for it, 0.07 was seen.
BFLOAT16_ERROR = 0.05 if devices.fastest_dtype() == 'bfloat16' else 0.1
AGENT_SETTINGS = {
  'SlacAgent.sequence_length': T,
  'SlacAgent.model_batch_size': 2,
  'SlacAgent.pretraining_learning_rate': 1e-4,
  'SlacAgent.model_learning_rate': 1e-4,
  'SlacAgent.jit_compile': False,
  'SacStateAgent.jit_compile': False,
  'SacStateAgent.keeps_pixels': False,
  'SacPixelsAgent.num_frames': T,
  'SacPixelsAgent.base_depth': 1,
  'SacPixelsAgent.feature_size': 4,
  'SacPixelsAgent.jit_compile': False,
  'AlmAgent.horizon': 2,
  'AlmAgent.kl_weight': 1.0,
  'AlmAgent.value_weight': 1.0,
  'AlmAgent.classifier_weight': 0.1,
  'AlmAgent.td_lambda': 0.5,
  'AlmAgent.gamma': 0.9,
  'AlmAgent.learning_rate': 1e-3,
  'AlmAgent.gradient_limit': 100.0,
  'AlmAgent.jit_compile': False,
  'Mlp.compute_dtype': 'float32',
  'AlmNetworks.latent_size': 3,
  'AlmNetworks.hidden_size': 6,
  'AlmNetworks.model_hidden_size': 7,
  'AlmNetworks.target_update_rate': 0.005,
  'LatentGaussian.mean_limit': 30.0,
  'LatentGaussian.min_stddev': 0.1,
  'LatentGaussian.max_stddev': 10.0,
  'ActionNoise.initial_stddev': 1.0,
  'ActionNoise.final_stddev': 0.1,
  'ActionNoise.decay_steps': 100,
  'ActionNoise.training_limit': 0.3,
  'AlmEntropyAgent.entropy_weight': 0.1,
  'StochasticActor.min_stddev': 0.01,
  'StochasticActor.max_stddev': 7.0,
  'SoftActorCritic.hidden_size': 6,
  'Critic.layer_norm': False,
  'NStepReturn.num_steps': 1,
  'SoftActorCritic.stddev_scale': 2.0,
  'SoftActorCritic.learning_rate': 3e-4,
  'SoftActorCritic.gamma': 0.99,
  'SoftActorCritic.target_update_rate': 0.005,
  'SoftActorCritic.reward_scale': 1.0,
  'LatentModel.proprioception': None,
  **{f'LatentModel.{name}': value for name, value in MODEL_SIZES.items()},
}
REFERENCES = """
SlacAgent.model = @SlacModel
SlacAgent.actor_input = @HistoryInput
SlacAgent.critic_input = @LatentInput
SlacAgent.augmentation = @no_augmentation
"""

PIXELS_SPEC = tf.TensorSpec([64, 64, 3], tf.uint8, 'pixels')
TIME_STEP_SPEC = ts.time_step_spec({'pixels': PIXELS_SPEC})
STATE_SIZE = 5
BOTH_SPEC = {
  'pixels': PIXELS_SPEC,
  'state': tf.TensorSpec([STATE_SIZE], tf.float32, 'state'),
}
# Sizes and channels of images that are not the paper's.
IMAGE_SHAPES = ((32, 32, 3), (48, 80, 1), (128, 32, 6))


def proprioception(*sizes):
  """A model's part for state vectors, of which features are two."""
  return proprioceptions.Proprioception(*sizes, embedding_size=2, variance=0.01)


def action_spec(size=2):
  return tensor_spec.BoundedTensorSpec([size], tf.float32, -1.0, 1.0, 'action')


def model(
  action_size=2,
  shaken=True,
  model_class=slac_model.SlacModel,
  observation_spec=TIME_STEP_SPEC.observation,
  **sizes,
):
  result = model_class(
    action_size, observation_spec=observation_spec, **{**MODEL_SIZES, **sizes}
  )
  return shake(result) if shaken else result


def agent(
  seed=0,
  action_size=2,
  agent_class=slac_agent.SlacAgent,
  time_step_spec=TIME_STEP_SPEC,
  **settings,
):
  """An agent; `settings` as `SlacAgent__model_batch_size=1`."""
  tf.keras.utils.set_random_seed(seed)
  with gin.unlock_config():
    gin.clear_config()
    gin.parse_config(REFERENCES)
    for name, value in AGENT_SETTINGS.items():
      value = settings.pop(name.replace('.', '__'), value)
      gin.bind_parameter(name, value)
    assert not settings
    try:
      return agent_class(time_step_spec, action_spec(action_size), seed)
    finally:
      gin.clear_config()


def shake(module, seed=0):
  """Gives every parameter, the biases too, a random value."""
  rng = np.random.default_rng(seed)
  for variable in module.trainable_variables:
    shape = variable.shape.as_list()
    scale = 1.0 / np.sqrt(max(1, np.prod(shape[:-1])))
    variable.assign(rng.normal(0, scale, shape))
  return module


def pixels(*batch_shape, seed=0, image_shape=(64, 64, 3)):
  rng = np.random.default_rng(seed)
  # A colour per image with some noise: images differ as wholes.
  colour = rng.uniform(0, 200, [*batch_shape, 1, 1, image_shape[-1]])
  noise = rng.uniform(0, 55, [*batch_shape, *image_shape])
  return (colour + noise).astype(np.uint8)


def states(*batch_shape, seed=0):
  """State vectors of scales as far apart as positions and forces are."""
  rng = np.random.default_rng(seed)
  scales = np.array([0.1, 1, 1, 10, 1000])
  return (scales * rng.normal(size=[*batch_shape, 5])).astype(np.float32)


def experience(
  batch_size,
  step_type=None,
  length=T + 1,
  seed=0,
  action_size=2,
  image_shape=(64, 64, 3),
  has_state=False,
):
  """A Trajectory `[B, length, ...]`, in the middle of an episode if not told.

  Args:
    batch_size: B.
    step_type: `[length]` of one sequence or `[B, length]`.
    length: the number of steps.
    seed: of everything else.
    action_size: A.
    image_shape: `[H, W, C]`.
    has_state: whether there are state vectors beside the images.
  """
  rng = np.random.default_rng(seed)
  shape = [batch_size, length]
  step_type = np.broadcast_to(MID if step_type is None else step_type, shape)
  # The type after the last step plays no part.
  end = np.full([batch_size, 1], MID)
  observation = {'pixels': pixels(*shape, seed=seed, image_shape=image_shape)}
  if has_state:
    observation['state'] = states(*shape, seed=seed)
  values = trajectory.Trajectory(
    step_type=step_type.astype(np.int32),
    observation=observation,
    action=rng.uniform(-1, 1, [*shape, action_size]).astype(np.float32),
    policy_info=(),
    next_step_type=np.concatenate([step_type[:, 1:], end], 1).astype(np.int32),
    reward=rng.normal(0, 1, shape).astype(np.float32),
    discount=np.ones(shape, np.float32),
  )
  return tf.nest.map_structure(tf.constant, values)


def weights(module):
  """The [kernel, bias] pairs of an MLP's dense layers, in their order."""
  (network,) = [
    m for m in module.submodules if isinstance(m, tf.keras.Sequential)
  ]
  return [layer.trainable_variables for layer in network.layers]


def mlp(module, x, activation):
  """What numpy makes of a module's dense layers, the last of them linear."""
  *hidden, (kernel, bias) = weights(module)
  for k, b in hidden:
    x = activation(x @ k.numpy() + b.numpy())
  return x @ kernel.numpy() + bias.numpy()


def gaussian_mlp(module, *inputs):
  """Mean and deviation by numpy of a Gaussian MLP."""
  x = np.concatenate([np.asarray(i) for i in inputs], axis=-1)
  mean, raw = np.split(mlp(module, x, leaky_relu), 2, axis=-1)
  return mean, np.log1p(np.exp(raw)) + 1e-5


def assert_gaussian(z, mean, stddev):
  np.testing.assert_allclose(z.mean, mean, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(z.stddev, stddev, rtol=1e-4, atol=1e-5)


def relu(x):
  return np.maximum(x, 0)


def leaky_relu(x):
  return np.where(x > 0, x, 0.2 * x)


def log_normal(x, mean, stddev):
  """The log-density of a normal distribution."""
  z = (x - mean) / stddev
  return -0.5 * z**2 - np.log(stddev) - 0.5 * np.log(2 * np.pi)
