"""Adam, fused, and the one way its updates are applied."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import tensorflow as tf

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam(tf.Module):
  """Adam by TensorFlow's fused operation, in place of Keras' thirteen.

  The model has 56 variables; their update takes half the time on a CPU. Its
  attributes are named as Keras 2 names its own, so that checkpoints of either
  fit the other.
  """

  def __init__(self, learning_rate: float, variables: Sequence[tf.Variable]):
    """Creates the moments, so that a checkpoint can fill them."""
    super().__init__()
    self._iterations = tf.Variable(0, dtype=tf.int64, trainable=False)
    self._learning_rate = tf.Variable(learning_rate, trainable=False)
    self._variables = [self._iterations]
    for variable in variables:  # The first moment and the second.
      zeros = tf.zeros_like(variable)
      self._variables += [tf.Variable(zeros, trainable=False) for _ in range(2)]

  @property
  def learning_rate(self) -> tf.Variable:
    """May be assigned to."""
    return self._learning_rate

  def apply_gradients(
    self, gradients_and_variables: Iterable[tuple[tf.Tensor, tf.Variable]]
  ) -> None:
    """Moves the variables, in the constructor's order, and their moments."""
    step = tf.cast(self._iterations.assign_add(1), tf.float32)
    beta1_power, beta2_power = tf.pow(BETA1, step), tf.pow(BETA2, step)
    moments = zip(self._variables[1::2], self._variables[2::2], strict=True)
    for (gradient, variable), (m, v) in zip(
      gradients_and_variables, moments, strict=True
    ):
      tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=m.handle,
        v=v.handle,
        beta1_power=beta1_power,
        beta2_power=beta2_power,
        lr=self._learning_rate,
        beta1=BETA1,
        beta2=BETA2,
        epsilon=EPSILON,
        grad=gradient,
      )


def apply_gradients(optimizer, gradients, variables):
  optimizer.apply_gradients(zip(gradients, variables, strict=True))


def apply_if_finite(
  metrics: Mapping[str, tf.Tensor], apply: Callable[[], None]
):
  """Calls `apply` if all metrics of an update are finite, or does nothing.

  That is decided on the device, so Python need not wait for the metrics.

  Args:
    metrics: scalars, among them each loss and each gradient's norm; a norm
      overflows wherever Adam's second moment would.
    apply: changes variables.
  """
  tf.cond(_all_finite(metrics), apply, lambda: None)


def minimise_in_turn(
  losses: Mapping[str, Callable[[], tuple[tf.Tensor, dict[str, tf.Tensor]]]],
  variables: Mapping[str, Sequence[tf.Variable]],
  optimizers: Mapping[str, Adam],
  gradient_limit: float,
  finish: Callable[[], None],
) -> dict[str, tf.Tensor]:
  """Takes a step on each loss in turn, each from where the one before ended.

  If all metrics are finite `finish` is called, or else all is undone.

  Args:
    losses: functions that return a loss and its metrics, by name.
    variables: what each loss trains.
    optimizers: of these variables.
    gradient_limit: the global norm that each loss's gradient is clipped to.
    finish: changes other variables.

  Returns:
    All metrics, and the norms of the gradients before they are clipped.
  """
  changed = [
    *(v for name in losses for v in variables[name]),
    *(v for name in losses for v in optimizers[name].variables),
  ]
  # No copies yet: a step writes elsewhere while its variables are read here.
  before = [variable.read_value() for variable in changed]
  metrics: dict[str, tf.Tensor] = {}
  for name, loss_function in losses.items():
    with tf.GradientTape() as tape:
      loss, of_loss = loss_function()
    gradients, norm = tf.clip_by_global_norm(
      tape.gradient(loss, variables[name]), gradient_limit
    )
    apply_gradients(optimizers[name], gradients, variables[name])
    metrics |= {**of_loss, f'{name}/gradient_norm': norm}

  def undo():
    for variable, value in zip(changed, before, strict=True):
      variable.assign(value)

  tf.cond(_all_finite(metrics), finish, undo)
  return metrics


def _all_finite(metrics):
  finite = tf.math.is_finite(tf.stack(list(metrics.values())))
  return tf.reduce_all(finite)
