"""Tests of the command line, python -m slac.replication."""

import pytest

from slac.replication import __main__
from slac.sweep import hours
from tests import command_line
from tests.replication import made_up


@pytest.fixture
def call(monkeypatch, capsys):
  """Runs the command line without measuring; returns code, output, error."""
  monkeypatch.setattr(hours, 'lines', lambda *_: iter(['Some hours.']))
  return command_line.of(__main__.main, monkeypatch, capsys)


def test_curves(call, tmp_path):
  made_up.write_published(tmp_path)
  run = made_up.write_run(tmp_path / 'run', {30_000: 20.0})
  before = sorted(tmp_path.iterdir())
  out = tmp_path / 'new' / 'report'
  code, output, error = call(
    'curves', '--runs', run, '--published', tmp_path, '--out', out
  )
  assert (code, error) == (0, '')
  assert str(out / 'report.html') in output
  assert sorted(path.name for path in out.iterdir()) == [
    'all.png',
    'all.svg',
    'cartpole_swingup.png',
    'cartpole_swingup.svg',
    'report.html',
    'table.md',
  ]
  row = '| cartpole swingup | 30,000 | 50 | 1 | 50 | 20 | 1 | 20 | - |'
  assert row in (out / 'table.md').read_text()
  assert (
    f'python -m slac.replication curves --runs {run}'
    in (out / 'report.html').read_text()
  )
  assert sorted(set(tmp_path.iterdir()) - {out.parent}) == before


def test_curves_without_published_ones(call, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  returns = {30_000: 20.0, 30_100: 30.0}
  for name, domain in (('a', "'cartpole'"), ('b', "'walker'")):
    made_up.write_run(
      tmp_path / 'runs' / name, returns, DmControlEnvironment_domain=domain
    )
  code, output, error = call('curves', '--out', 'out')  # Of runs/.
  assert (code, error) == (0, '')
  assert output == 'Wrote out/report.html, table.md, and 4 figures.\n'
  written = {p.name: p.read_bytes() for p in (tmp_path / 'out').iterdir()}
  assert {'aggregate.png', 'aggregate.svg', 'walker_swingup.png'} < {*written}
  text = written['table.md'].decode()
  assert '| walker swingup | 30,100 | 30 | 1 | 30 |' in text
  assert '| ours | 30,100 | 2 | 0.030 |' in text
  assert call('curves', '--out', 'out')[0] == 0
  assert written == {
    p.name: p.read_bytes() for p in (tmp_path / 'out').iterdir()
  }


def test_tasks_of_ones_own_are_drawn_beside_those_of_the_paper(call, tmp_path):
  made_up.write_published(tmp_path)
  runs, out = tmp_path / 'runs', tmp_path / 'out'
  made_up.write_run(runs / 'a', {30_000: 20.0})
  made_up.write_run(
    runs / 'b', {30_000: -5.0}, Experiment_environment='@reach.Reach'
  )
  arguments = ('--runs', runs, '--published', tmp_path, '--out', out)
  assert call('curves', *arguments)[0] == 0
  assert (out / 'cartpole_swingup.png').exists()
  assert (out / 'reach_Reach.png').exists()
  text = (out / 'table.md').read_text()
  assert '| reach.Reach | 30,000 | no data | 0 | - | -5 | 1 | -5 | - |' in text


def test_what_a_run_lacks_is_no_fault_of_out(call, tmp_path):
  run = made_up.write_run(tmp_path / 'run', {0: 20.0})
  (run / 'videos' / 'evaluation-dream-000000000.png').mkdir()
  arguments = ('curves', '--runs', run, '--out', tmp_path / 'out')
  assert call(*arguments)[0] == 0
  page = (tmp_path / 'out' / 'report.html').read_text()
  assert 'Fig. 14: no data' in page and 'cartpole swingup' in page


def test_a_fault_is_one_sentence_and_a_code(call, tmp_path):
  made_up.write_published(tmp_path)
  run = made_up.write_run(tmp_path / 'run', {})
  arguments = ('curves', '--published', tmp_path, '--runs')
  code, output, error = call(*arguments, tmp_path / 'missing')
  assert (code, output) == (66, '')
  assert error.startswith('slac.replication: ') and error.count('\n') == 1
  out = tmp_path / 'curves.csv' / 'report'
  code, _, error = call(*arguments, run, '--out', out)
  assert (code, error.count('\n')) == (73, 1)
  assert '--out' in error


def test_plan_prints_what_a_shell_runs(call):
  code, output, _ = call('plan', '--figure', 3, '--root_dir', 'there')
  title, first, *rest, last = output.splitlines()
  assert code == 0
  assert title == '# Figure 3, DeepMind Control: 60 runs'
  assert first == (
    'python train_eval.py --gin_file=gin/ball_in_cup.gin --seed=0 '
    '--root_dir=there'
  )
  assert len(rest) == 59
  assert last == '# Some hours.'


def test_plan_passes_on_that_imports_are_allowed(call):
  _, output, _ = call('plan', '--figure', 3, '--allow_gin_imports')
  _, *lines, _ = output.splitlines()
  assert all(line.endswith(' --allow_gin_imports') for line in lines)
  assert len(lines) == 60


def test_plan_writes_a_script(call, tmp_path):
  script = tmp_path / 'array.sh'
  code, output, _ = call('plan', '--figure', 3, '--slurm', script)
  assert code == 0
  assert output.startswith(f'Wrote {script}: an array of 60 jobs.\n')
  text = script.read_text()
  assert '--job-name=slac-figure3\n#SBATCH --array=0-59' in text
  assert call('plan', '--figure', 3, '--slurm', tmp_path)[0] == 73


def test_plan_refuses_no_jobs(call):
  code, _, error = call('plan', '--figure', 3, '--run', '--jobs', 0)
  assert code == 64 and "--jobs: '0' is no whole number" in error
  code, _, error = call('plan', '--figure', 6)
  assert (code, error.count('\n')) == (64, 1)
