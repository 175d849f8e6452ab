"""The devices that TensorFlow computes on."""

import tensorflow as tf


def prepare():
  """Lets a GPU's memory grow with use, instead of taking all of it at once."""
  for gpu in tf.config.list_physical_devices('GPU'):
    tf.config.experimental.set_memory_growth(gpu, True)


def names() -> list[str]:
  """Returns the names of the devices that are used."""
  return [
    tf.config.experimental.get_device_details(gpu).get('device_name', gpu.name)
    for gpu in tf.config.list_physical_devices('GPU')
  ] or ['CPU']
