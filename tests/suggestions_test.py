import pytest

from slac import suggestions


@pytest.mark.parametrize(
  ('name', 'own', 'others', 'expected'),
  [
    ('waker', ['walker', 'swimmer'], [], ' (did you mean walker?)'),
    ('WALKER', ['walker'], [], ' (did you mean walker?)'),
    ('walker', ['WALKER'], [], ' (did you mean WALKER?)'),
    # Equally near: one letter of six differs.
    ('ant-v2', ['ant-v5', 'ant-v4'], [], ' (did you mean ant-v4 or ant-v5?)'),
    # Two thirds of 'abc' and 'abd' agree, so 'abc' of the others is not asked.
    ('abc', ['abd'], ['abc'], ' (did you mean abd?)'),
    ('abc', ['xyz'], ['abd'], ' (did you mean abd?)'),
    ('abc', ['xyz'], [], ''),
    ('abc', [], [], ''),
  ],
)
def test_the_nearest_names_are_suggested(name, own, others, expected):
  assert suggestions.did_you_mean(name, own, others) == expected


def test_at_most_three_are_suggested():
  names = ['abc4', 'abc2', 'abc1', 'abc3']
  hint = suggestions.did_you_mean('abc0', names)
  assert hint == ' (did you mean abc1 or abc2 or abc3?)'


def test_the_cutoff_counts_as_near():
  # Three of four letters agree: a similarity of 0.75.
  assert suggestions.did_you_mean('abcd', ['abcx'], cutoff=0.75)
  assert not suggestions.did_you_mean('abcd', ['abcx'], cutoff=0.76)


@pytest.mark.parametrize(
  ('name', 'names', 'expected'),
  [
    ('wlak', ['walk', 'run'], ' (did you mean walk?)'),
    ('zzz', ['walk', 'run'], ' (it has run, walk)'),
    ('zzz', [], ' (it has none)'),
  ],
)
def test_where_none_is_near_all_are_listed(name, names, expected):
  assert suggestions.did_you_mean_or_all(name, iter(names)) == expected
