"""What the paper's figures show, as data: tasks, variants and trials."""

import dataclasses
from collections.abc import Mapping

DM_CONTROL = (
  'ball_in_cup',
  'cartpole',
  'cheetah',
  'finger',
  'reacher',
  'walker',
)
GYM = ('half_cheetah', 'walker2d', 'hopper', 'ant')

# A variant of the method is what it adds to the command: gin files, bindings.
Variant = tuple[tuple[str, ...], tuple[str, ...]]
FULL = {'full': ((), ())}


def _overlays(*names: str) -> dict[str, Variant]:
  return {name: ((f'gin/ablation/{name}.gin',), ()) for name in names}


def _values(binding: str, *values: float) -> dict[str, Variant]:
  texts = [f'{binding} = {value}' for value in values]
  return {text: ((), (text,)) for text in texts}


@dataclasses.dataclass(frozen=True)
class Figure:
  """An experiment: each variant on each task, with seeds 0 to `seeds` - 1."""

  title: str
  tasks: tuple[str, ...]
  variants: Mapping[str, Variant]
  seeds: int


# The default needs no overlay and has, in every figure, the same runs.
MODELS = FULL | _overlays(
  'simple_vae',
  'factored_vae',
  'simple_filtering',
  'deterministic',
  'partially_stochastic',
  'planet',
)
# By default the actor sees the history and the critic the latent.
INPUTS = FULL | _overlays(
  'actor_latent', 'critic_history', 'actor_latent_critic_history'
)
# The default is 50,000. Which other lengths the figure shows is not certain.
PRETRAINING = FULL | _values('Schedule.model_updates', 0, 10000, 100000)
# The default of the DeepMind Control tasks is 1.
GRADIENT_STEPS = FULL | _values('Schedule.gradient_steps', 2, 4)
# The default differs from task to task, so that all are spelt out.
VARIANCES = _values('DECODER_VARIANCE', 0.004, 0.01, 0.04, 0.1, 0.4)
CROPPING = FULL | _overlays('random_crop')

# Ten trials are what the authors' data have on the DeepMind Control tasks.
# That the other figures have as many, and that they show all six tasks (the
# parts of Fig. 5 show fewer than Fig. 8-11), is not certain.
FIGURES = {
  3: Figure('DeepMind Control', DM_CONTROL, FULL, 10),
  4: Figure('OpenAI Gym', GYM, FULL, 10),
  5: Figure(
    'design choices',
    DM_CONTROL,
    MODELS | INPUTS | PRETRAINING | GRADIENT_STEPS,
    10,
  ),
  8: Figure('latent variable models', DM_CONTROL, MODELS, 10),
  9: Figure('inputs of actor and critic', DM_CONTROL, INPUTS, 10),
  10: Figure('pretraining of the model', DM_CONTROL, PRETRAINING, 10),
  11: Figure('gradient steps', DM_CONTROL, GRADIENT_STEPS, 10),
  12: Figure('decoder variance', DM_CONTROL, VARIANCES, 10),
  13: Figure('random cropping', DM_CONTROL, CROPPING, 10),
}
