"""Says what the main curves are, for TensorBoard to show beside them."""

_EVALUATION = 'evaluation/'
_HELD_OUT = 'Of evaluation episodes, which are never trained on. '
_PRETRAINING = 'pretraining/'  # The same curves, over updates of the model.
_BY_TAG = {
  'evaluation/average_return': (
    'Mean return of the evaluation episodes, in which the policy draws its '
    'actions, as in training.'
  ),
  'evaluation/best_return': 'The largest average return until then.',
  'evaluation/greedy_average_return': (
    "Mean return of episodes in which the policy acts at its distribution's "
    'mode.'
  ),
  'evaluation/stddev_of_return': (
    'Standard deviation of the returns within an evaluation.'
  ),
  'evaluation/average_length': 'Mean number of agent steps in an episode.',
  'training/episode_return': (
    'Mean return of the training episodes that ended in the interval.'
  ),
  'training/failed_episodes': (
    'Training episodes, since the run began, whose environment failed.'
  ),
  'model/elbo': (
    'Evidence lower bound of a sequence in nats, Eq. (7): log-likelihoods of '
    'images and rewards less the KL divergence. It should rise.'
  ),
  'model/kl': (
    'KL divergence of the posterior from the prior in nats, summed over a '
    'sequence. It rises when the latents begin to tell something of the '
    'images; no return comes before.'
  ),
  'model/log_p_images': 'log p(x | z) of the images of a sequence, in nats.',
  'model/log_p_rewards': 'log p(r | z, a, z) of its rewards, in nats.',
  'model/squared_error_per_pixel': (
    "Squared error of the decoder's mean, per value of a pixel in [0, 1]. It "
    'should fall.'
  ),
  'model/squared_error_of_reward': 'Squared error of the predicted reward.',
  'critic/loss': 'Loss of both critics, Eq. (8).',
  'critic/q': 'Mean Q of the actions in the batch.',
  'critic/target': 'Mean target of Q, Eq. (9).',
  'critic/absolute_td_error': 'Mean distance of Q from its target.',
  'actor/loss': 'Loss of the actor, Eq. (10).',
  'actor/entropy': (
    'Estimated entropy of the policy in nats: minus the mean log-density of '
    'drawn actions.'
  ),
  'actor/stddev_before_tanh': (
    'Mean standard deviation of actions before tanh bounds them.'
  ),
  'alpha/alpha': 'Temperature: the weight of the entropy.',
  'speed/updates_per_second': 'Updates of any kind per second of wall time.',
  'speed/resident_gigabytes': 'Memory of the process.',
}


def of(tag: str) -> str | None:
  """Returns the description of a scalar, if it has one."""
  tag = tag.removeprefix(_PRETRAINING)
  trained = _BY_TAG.get(tag.removeprefix(_EVALUATION))
  if trained and tag not in _BY_TAG:
    return f'{_HELD_OUT}{trained}'
  return _BY_TAG.get(tag)
