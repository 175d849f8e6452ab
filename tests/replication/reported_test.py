"""Tests of slac/replication/reported.py, and of where its numbers are shown."""

import json
import math

import numpy as np
import pytest
from matplotlib import figure

from slac.replication import comparison, figures, ours, report, reported, table
from tests.replication import made_up

GYM = {
  'DmControlEnvironment_domain': None,
  'DmControlEnvironment_task': None,
}


@pytest.fixture
def compare(tmp_path):
  """Compares runs of a Gym task, each of an agent with some returns."""

  def write(task, **agents):
    for agent, returns in agents.items():
      folder = made_up.write_run(tmp_path / task / agent, returns, **GYM)
      path = folder / 'config.json'
      config = json.loads(path.read_text())
      config |= {
        'Experiment.agent': f'@{agent}',
        'Experiment.environment': '@GymEnvironment',
        'GymEnvironment.task': repr(task),
        'GymEnvironment.action_repeat': '4',
      }
      path.write_text(json.dumps(config))
    return comparison.compare([], ours.read([tmp_path / task]))

  return write


def test_the_authors_steps_begin_after_the_random_ones():
  scores, alm, svg, sac = reported.of('HalfCheetah-v4')
  at = dict(zip(scores.steps, zip(*scores[2:], strict=True), strict=True))
  # They have 2,726 +- 562 at 15,000 steps, which are 20,000 with all.
  assert at[20_000] == (2726, 562)
  assert alm == ('ALM, Table 1', [205_000], (10789,), (366,))
  assert (svg.means, sac.means) == ((8752,), (3460,))
  assert math.isnan(sac.stddevs[0])
  # There is no score file of Hopper, and no table of Ant with all its state.
  assert reported.of('Hopper-v4')[0].label == 'ALM, Table 1'
  assert [row.label for row in reported.of('Ant-v4')] == ['ALM, score files']
  assert reported.of('walker walk') == []


def test_a_task_of_which_less_is_observed_is_another_one(tmp_path, compare):
  compare('Ant-v4', AlmAgent={20_000: 1.0})
  path = tmp_path / 'Ant-v4' / 'AlmAgent' / 'config.json'
  config = json.loads(path.read_text())
  config['GymEnvironment.observation_size'] = '27'
  path.write_text(json.dumps(config))
  (item,) = comparison.compare([], ours.read([path.parent]))
  assert item.task == 'Ant-v4-first27'
  assert item.reported[0].means[1] == 959


def test_our_returns_stand_beside_the_reported_ones_of_the_same_step(compare):
  (item,) = compare(
    'HalfCheetah-v4',
    AlmAgent={20_000: 3288.0, 24_000: 0.0},
    SacStateAgent={20_000: 2163.0},
  )
  rows = [row for row in table.reported_rows([item]) if row[1] == '20,000']
  score = ('HalfCheetah-v4', '20,000', 'ALM, score files', '2726 ± 562')
  assert rows == [
    (*score, 'agent = @AlmAgent', '3288', '1', 'within'),
    (*score, 'agent = @SacStateAgent', '2163', '1', 'below'),
  ]
  text = table.markdown([item], None)
  assert '| 205,000 | SAC, Table 1 | 3460 |' in text
  assert table.REPORTED_LEGEND in text


def test_what_is_reported_of_alm_is_shown_beside_alm_alone(compare):
  (item,) = compare('HalfCheetah-v4', SacStateAgent={20_000: 1.0})
  assert item.reported == ()
  assert table.REPORTED_LEGEND not in table.markdown([item], None)
  (item,) = compare('Walker2d-v4', AlmAgent={20_000: 1.0})
  assert len(item.reported) == 4
  paths = {item.task: None, 'all': None}
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(report, '_figure', lambda *_: '')
    page = report.html_page([item], None, paths, 'command')
  assert '<td>335 ± 43</td>' in page


def test_reported_means_are_drawn_with_their_deviations(compare):
  (item,) = compare('HalfCheetah-v4', AlmAgent={4_000: -300.0, 60_000: 1.0})
  area = figure.Figure().subplots()
  figures.draw(area, item)
  drawn = area.containers[0]
  line, _, (bars,) = drawn.lines
  assert line.get_xydata()[3].tolist() == [55_000, 6098]
  np.testing.assert_allclose(
    bars.get_segments()[3], [[55_000, 6098 - 503], [55_000, 6098 + 503]]
  )
  assert drawn.get_label().startswith('reported: ALM, score files')
  # Ours end before 105,000 steps, and so does the figure.
  assert len(line.get_xydata()) == 4 and len(area.containers) == 1
  assert area.get_ylim() == (-300, 6098 + 503)
  (longer,) = compare('Walker2d-v4', AlmAgent={305_000: 4000.0})
  area = figure.Figure().subplots()
  figures.draw(area, longer)
  assert len(area.containers) == 4
  assert area.get_ylim() == (0, 3006 + 1183)
