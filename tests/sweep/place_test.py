"""Tests of slac/sweep/place.py: the storage of a sweep."""

from slac.sweep import place


def test_a_folder_is_a_uri_and_a_uri_stays():
  assert place.uri('/a b') == 'file:///a%20b'
  assert place.uri('s3://a/b') == 's3://a/b'
