"""Says what the main curves are, for TensorBoard to show beside them."""

_EVALUATION = 'evaluation/'
_HELD_OUT = 'Of evaluation episodes, which are never trained on. '
_PRETRAINING = 'pretraining/'  # The same curves, over updates of the model.
_BY_END = {
  '/gradient_norm': (
    "Global norm of that loss's gradient, before it is clipped, if it is."
  ),
  '/steps_per_second': (
    'Agent steps per second of one worker, with the time that it waits.'
  ),
}
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
  'evaluation/q_bias': (
    'Mean of Q less the discounted return that followed, over the steps of all '
    'evaluation episodes. Of SAC and SLAC the entropies that Q counts are part '
    'of that return. Where a time limit has ended an episode, what the critics '
    'say is taken for what it has cut off. Above zero Q is too large.'
  ),
  'evaluation/bound_bias': (
    'The same of the bound of Eq. (7), discounted. A lower bound is below zero.'
  ),
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
    'images; no return comes before. Of ALM, of the model from the encoder, '
    'over K steps.'
  ),
  'model/loss': 'Loss of encoder and model of ALM: minus the bound of Eq. (7).',
  'model/reward': (
    'Expected rewards of the K steps of a sequence, a term of the bound of '
    'Eq. (7); not discounted.'
  ),
  'model/value': 'Q at the end of these K steps, the last term of the bound.',
  'model/log_likelihood': (
    "Log-likelihood of a sequence's states, in nats, in place of rewards and "
    'value.'
  ),
  'model/log_p_images': 'log p(x | z) of the images of a sequence, in nats.',
  'model/log_p_rewards': 'log p(r | z, a, z) of its rewards, in nats.',
  'model/squared_error_per_pixel': (
    "Squared error of the decoder's mean, per value of a pixel in [0, 1]. It "
    'should fall.'
  ),
  'model/log_p_discounts': 'log p(discount | z) of a sequence, in nats.',
  'model/log_p_states': 'log p(symlog(state) | z) of a sequence, in nats.',
  'model/squared_error_of_state': 'Squared error of symlog(state).',
  'model/squared_error_of_reward': 'Squared error of the predicted reward.',
  'reward/loss': 'Squared error of the predicted reward, Eq. (11) of ALM.',
  'classifier/loss': (
    'Cross-entropy of what tells latents of the model from those of the '
    'encoder, Eq. (9) of ALM; 0.69 is a guess.'
  ),
  'classifier/accuracy': 'How often it is right; 0.5 is a guess.',
  'critic/loss': 'Loss of both critics, Eq. (8); of ALM, Eq. (10).',
  'critic/q': 'Mean Q of the actions in the batch.',
  'critic/target': 'Mean target of Q, Eq. (9); of ALM, in Eq. (10).',
  'critic/absolute_td_error': 'Mean distance of Q from its target.',
  'actor/loss': 'Loss of the actor, Eq. (10); of ALM, Eq. (8).',
  'actor/reward': 'Mean predicted reward of the steps that ALM imagines.',
  'actor/log_ratio': (
    'Mean log-ratio of the encoder to the model at imagined latents, by the '
    'classifier: what the actor gains where the model is right.'
  ),
  'actor/value': 'Mean Q of imagined steps.',
  'actor/noise_stddev': (
    "Standard deviation of the noise of ALM's actions, which falls by "
    'schedule, unless the actor chooses it (ALM-ENT).'
  ),
  'actor/entropy': (
    'Estimated entropy of the policy in nats: minus the mean log-density of '
    'drawn actions.'
  ),
  'actor/stddev_before_tanh': (
    'Mean standard deviation of actions before tanh bounds them.'
  ),
  'alpha/loss': 'Loss of the temperature.',
  'alpha/alpha': 'Temperature: the weight of the entropy.',
  'collection/lag': (
    'By how many gradient steps the policy of a worker on a cluster was behind '
    'the agent when its step was taken.'
  ),
  'speed/updates_per_second': 'Updates of any kind per second of wall time.',
  'speed/resident_gigabytes': 'Memory of the process.',
}


def of(tag: str) -> str | None:
  """Returns the description of a scalar, if it has one."""
  tag = tag.removeprefix(_PRETRAINING)
  for end, description in _BY_END.items():
    if tag.endswith(end):
      return description
  trained = _BY_TAG.get(tag.removeprefix(_EVALUATION))
  if trained and tag not in _BY_TAG:
    return f'{_HELD_OUT}{trained}'
  return _BY_TAG.get(tag)
