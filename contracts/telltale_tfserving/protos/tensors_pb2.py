"""The classes of tensors.proto, out of the private pool; tensors_pb2.pyi says what they hold."""

from telltale_tfserving.protos._pool import enum, message_class

DataType = enum("tensorflow.DataType")
TensorShapeProto = message_class("tensorflow.TensorShapeProto")
TensorProto = message_class("tensorflow.TensorProto")
TensorInfo = message_class("tensorflow.TensorInfo")
SignatureDef = message_class("tensorflow.SignatureDef")
