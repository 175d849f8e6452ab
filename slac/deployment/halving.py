"""Keeps an exported policy's parameters in 16 bits, at half the size."""

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework import convert_to_constants

from slac import errors
from slac.deployment import acting

_SMALLEST = 64  # What has fewer entries stays as it is.


class Halved(tf.Module):
  """The functions of an exported policy, of which no variable is left.

  Its parameters are constants of 16 bits, which TensorFlow makes 32 bits of
  once, when it is loaded; all is computed in 32.
  """

  def __init__(self, module: acting.Acting):
    """Rounds the parameters, of which none may be too large for 16 bits."""
    super().__init__()
    self.initial_state = module.initial_state
    self._function = _halved(module.act.get_concrete_function())
    outputs = module.act.get_concrete_function().structured_outputs
    self._structure = tf.nest.map_structure(lambda x: None, outputs)
    signature = module.act.input_signature
    self.act = tf.function(self._act, signature, autograph=False)

  def _act(self, *arguments):
    found = self._function(*tf.nest.flatten(arguments))
    return tf.nest.pack_sequence_as(self._structure, found)


def _halved(function: Any) -> Any:
  """Returns a function of flat tensors with its variables as constants."""
  frozen = convert_to_constants.convert_variables_to_constants_v2(function)
  graph = frozen.graph.as_graph_def()
  nodes = [half for node in graph.node for half in _half_node(node)]
  del graph.node[:]
  graph.node.extend(nodes)

  def call(*inputs):
    names = [x.op.name for x in frozen.inputs]
    return tf.graph_util.import_graph_def(
      graph,
      input_map=dict(zip(names, inputs, strict=True)),
      return_elements=[x.name for x in frozen.outputs],
      name='',
    )

  specs = [tf.TensorSpec(x.shape, x.dtype) for x in frozen.inputs]
  return tf.compat.v1.wrap_function(call, specs)


def _half_node(node: Any) -> list[Any]:
  """Returns a node, or a constant of 16 bits and a cast in its place."""
  node.attr.pop('_gradient_op_type', None)  # Nothing is differentiated.
  if (
    node.op != 'Const' or node.attr['dtype'].type != tf.float32.as_datatype_enum
  ):
    return [node]
  value = tf.make_ndarray(node.attr['value'].tensor)
  if value.size < _SMALLEST:
    return [node]
  with np.errstate(over='ignore'):
    rounded = value.astype(np.float16)
  if not np.all(np.isfinite(rounded)):
    raise errors.UserError(
      f'The parameter {node.name} has {np.abs(value).max():g}, which 16 bits '
      'do not hold: export the policy without --half.',
      65,
    )
  half = graph_pb2.GraphDef().node.add(name=f'{node.name}/half', op='Const')
  half.attr['dtype'].type = tf.float16.as_datatype_enum
  half.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(rounded))
  cast = graph_pb2.GraphDef().node.add(name=node.name, op='Cast')
  cast.input.append(half.name)
  cast.attr['SrcT'].type = tf.float16.as_datatype_enum
  cast.attr['DstT'].type = tf.float32.as_datatype_enum
  return [half, cast]
