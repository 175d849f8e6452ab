"""What the paper's figures show, as data: tasks, variants and trials."""

from slac.sweep import plan

DM_CONTROL = (
  'ball_in_cup',
  'cartpole',
  'cheetah',
  'finger',
  'reacher',
  'walker',
)
SAWYER = ('sawyer_door', 'sawyer_drawer', 'sawyer_pickup')
CLAW = ('claw_fixed', 'claw_three', 'claw_uniform')
GYM = ('half_cheetah', 'walker2d', 'hopper', 'ant')
# Table 1 of ALM; beside it, its authors' score files have Ant and Humanoid.
ALM_TASKS = (
  *('truncated_humanoid', 'truncated_ant', 'half_cheetah', 'walker2d'),
  'hopper',
)

FULL = (plan.Variant(),)


def _overlays(*names: str) -> tuple[plan.Variant, ...]:
  return tuple(plan.Variant((f'gin/ablation/{name}.gin',)) for name in names)


def _values(name: str, *values: float) -> tuple[plan.Variant, ...]:
  return plan.varied({name: [str(value) for value in values]})


# The default needs no overlay and has, in every figure, the same runs.
MODELS = FULL + _overlays(
  'simple_vae',
  'factored_vae',
  'simple_filtering',
  'deterministic',
  'partially_stochastic',
  'planet',
)
# By default the actor sees the history and the critic the latent.
INPUTS = FULL + _overlays(
  'actor_latent', 'critic_history', 'actor_latent_critic_history'
)
# The default is 50,000. Which other lengths the figure shows is not certain.
PRETRAINING = FULL + _values('Schedule.model_updates', 0, 10000, 100000)
# The default of the DeepMind Control tasks is 1.
GRADIENT_STEPS = FULL + _values('Schedule.gradient_steps', 2, 4)
# The default differs from task to task, so that all are spelt out.
VARIANCES = _values('DECODER_VARIANCE', 0.004, 0.01, 0.04, 0.1, 0.4)
BASELINES = FULL + tuple(
  plan.Variant((f'gin/{name}.gin',)) for name in ('sac_pixels', 'sac_state')
)
CROPPING = FULL + _overlays('random_crop')

ALM = (plan.Variant(('gin/alm.gin',)),)
# SAC with ALM's schedule, so that both are evaluated at the reported step.
ALM_AND_SAC = (
  *ALM,
  plan.Variant(
    ('gin/sac_state.gin',),
    (
      'ACTION_REPEAT = 1',
      'Schedule.env_steps = 205000',
      'Schedule.random_agent_steps = 5000',
      'Schedule.gradient_steps = 1',
      'Schedule.eval_interval = 5000',
      'Schedule.eval_episodes = 5',
    ),
  ),
)
ALM_ABLATIONS = ALM + tuple(
  plan.Variant(('gin/alm.gin', f'gin/alm/{name}.gin'))
  for name in (
    *('no_kl', 'no_value', 'no_classifier', 'classifier_of_theory'),
    *('horizon_1', 'horizon_2', 'horizon_5', 'td3_actor', 'value_encoder'),
    *('reconstruction', 'entropy'),
  )
)

# Each contains the default, which is run once.
ALL = tuple(dict.fromkeys(MODELS + INPUTS + PRETRAINING + GRADIENT_STEPS))

# By number or name. Ten trials are what the authors' data have on the DeepMind
# Control tasks. That the other figures have as many, and that they show all six
# tasks (the parts of Fig. 5 show fewer than Fig. 8-11), is not certain.
FIGURES = (
  {
    str(number): plan.Sweep(
      f'slac-figure{number}', f'Figure {number}, {title}', tasks, variants, 10
    )
    for number, title, tasks, variants in (
      (3, 'DeepMind Control', DM_CONTROL, FULL),
      (4, 'OpenAI Gym', GYM, FULL),
      (5, 'design choices', DM_CONTROL, ALL),
      (8, 'latent variable models', DM_CONTROL, MODELS),
      (9, 'inputs of actor and critic', DM_CONTROL, INPUTS),
      (10, 'pretraining of the model', DM_CONTROL, PRETRAINING),
      (11, 'gradient steps', DM_CONTROL, GRADIENT_STEPS),
      (12, 'decoder variance', DM_CONTROL, VARIANCES),
      (13, 'random cropping', DM_CONTROL, CROPPING),
    )
  }
  | {
    # Of the paper's versions 1 and 2, whose other figures have two trials.
    # There the Sawyer has pictures and no curves; it is shown as the claw is.
    name: plan.Sweep(f'slac-{name}', title, tasks, BASELINES, 2)
    for name, title, tasks in (
      ('claw', 'Claw and valve, goals of three kinds', CLAW),
      ('sawyer', "The Sawyer's door, drawer and block", SAWYER),
    )
  }
  | {
    # Which tasks the figures of ALM's ablations show is not certain.
    name: plan.Sweep(f'slac-{name}', title, ALM_TASKS, variants, 5)
    for name, title, variants in (
      ('alm', 'Table 1 of Aligned Latent Models', ALM_AND_SAC),
      ('alm-ablations', "Aligned Latent Models' ablations", ALM_ABLATIONS),
    )
  }
)
